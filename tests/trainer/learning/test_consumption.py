"""What training takes is what the counters counted, however often they wrap, and nothing where there are none."""

import threading

import pytest

from trainer.learning.consumption import Consumption, EnergyCounter, Meter, energy_counters, total


@pytest.fixture
def powercap(tmp_path):
    def zone(folder: str, name: str, energy: str) -> None:
        (tmp_path / folder).mkdir()
        for file, text in (("name", name), ("max_energy_range_uj", "999999"), ("energy_uj", energy)):
            (tmp_path / folder / file).write_text(f"{text}\n")

    zone("intel-rapl:0", "package-0", "5000")
    zone("intel-rapl:0:0", "core", "3000")
    zone("intel-rapl:1", "package-1", "7000")
    zone("intel-rapl:2", "psys", "9000")
    return tmp_path


def counting(*values: int | Exception, largest: int = 999_999) -> EnergyCounter:
    """A counter that says one value after the other, and raises those that are errors."""
    left = iter(values)

    def read() -> int:
        value = next(left)
        if isinstance(value, Exception):
            raise value
        return value

    return EnergyCounter("package-0", read, largest)


def test_packages_are_counted_and_not_what_they_hold_or_what_holds_them(powercap) -> None:
    counters = energy_counters(powercap)

    assert [counter.name for counter in counters] == ["processor package-0 (RAPL)", "processor package-1 (RAPL)"]
    assert [(counter.read(), counter.range) for counter in counters] == [(5000, 999_999), (7000, 999_999)]


def test_a_counter_that_cannot_be_read_is_none(powercap) -> None:
    (powercap / "intel-rapl:0" / "energy_uj").unlink()

    assert [counter.name for counter in energy_counters(powercap)] == ["processor package-1 (RAPL)"]
    assert energy_counters(powercap / "absent") == ()


def test_energy_is_the_difference_of_two_readings_in_joules() -> None:
    with Meter([counting(2_000_000, 5_500_000, largest=10**9)], every_s=60) as meter:
        sum(range(10_000))

    took = meter.consumption
    assert took.energy_joules == {"package-0": 3.5}
    assert took.seconds > 0
    assert took.cpu_seconds > 0


def test_a_counter_that_has_begun_again_at_0_has_counted_on() -> None:
    with Meter([counting(900_000, 100_000)], every_s=60) as meter:
        pass

    assert meter.consumption.energy_joules == {"package-0": pytest.approx(0.2)}


def test_a_counter_is_read_while_the_stretch_lasts_so_that_it_wraps_once_at_most_between_readings() -> None:
    twice = threading.Event()
    readings = iter((0, 600_000, 200_000))

    def read() -> int:
        value = next(readings, 800_000)
        if value == 800_000:
            twice.set()
        return value

    with Meter([EnergyCounter("package-0", read, 999_999)], every_s=0.001) as meter:
        assert twice.wait(30)

    assert meter.consumption.energy_joules == {"package-0": pytest.approx(1.8)}


def test_a_counter_that_is_lost_while_training_says_nothing_and_ends_nothing() -> None:
    with Meter([counting(1_000, PermissionError(), 5_000)], every_s=60) as meter:
        pass

    assert meter.consumption.energy_joules == {}


def test_a_stretch_that_fails_stops_the_meter_too() -> None:
    with pytest.raises(KeyError), Meter([counting(0, 0)], every_s=60):
        raise KeyError

    assert not any(thread.name == "energy" for thread in threading.enumerate())


def test_stretches_add_up() -> None:
    whole = total([Consumption(10, 18, {"a": 100.0}), Consumption(20, 30, {"a": 50.0, "b": 1.0})])

    assert whole == Consumption(30, 48, {"a": 150.0})


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Consumption(1, None, None), Consumption(11, None, None)),
        (Consumption(1, 2, None), Consumption(11, 20, None)),
        (Consumption(1, 2, {}), Consumption(11, 20, {})),
    ],
)
def test_what_a_stretch_did_not_record_is_not_known_of_the_whole(part, expected) -> None:
    assert total([Consumption(10, 18, {"a": 100.0}), part]) == expected
