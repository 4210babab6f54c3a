"""Rules of profiles: which one the service uses, and what it changes."""

import pytest

from bundle.machine import this_machine
from bundle.opening import open_bundle
from schemas.engine.tuning import EngineChoice, Measured, TuningProfile
from service.engine.tuned import profile_of, profile_path, tuned, write_profile
from service.settings import EngineSettings
from tests.service.bundles import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path):
    return open_bundle(write_tiny_bundle(tmp_path / "models"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tuning").mkdir()
    return tmp_path / "tuning"


def choice(threads=1, runs=3, batch=2, precision="fp32", **more):
    numbers = {"intra_op_threads": threads, "concurrent_runs": runs, "max_batch_size": batch}
    return EngineChoice(provider="cpu", precision=precision, **numbers, **more)


def profile(bundle, *choices, **other):
    figures = tuple(Measured(choice=each, films_per_s=1, lowest=1, highest=1, ms_per_film=1) for each in choices)
    facts = {
        "bundle": "tiny/1.0.0",
        "bundle_sha256": bundle.sha256,
        "machine": this_machine(),
        "made_at": "2026-11-29T21:00:00+00:00",
        "software_version": "0.2.0",
        "rounds": 3,
        "seconds": 60,
        "busy_cores": 0,
        "chosen": choices[0],
        "figures": figures,
        "processes": (),
    }
    return TuningProfile(**facts | other)


def settings(folder, **chosen):
    return EngineSettings(tuning_dir=folder, **chosen)


def numbers(of):
    return (of.provider, of.precision, of.intra_op_threads, of.concurrent_runs, of.max_batch_size)


def test_what_was_measured_replaces_what_nobody_has_set(bundle, folder) -> None:
    write_profile(folder, profile(bundle, choice()))
    found = profile_of(bundle, settings(folder))

    assert found == profile(bundle, choice())
    assert numbers(tuned(settings(folder), found, ["fp32"])) == ("cpu", "fp32", 1, 3, 2)


@pytest.mark.parametrize(
    ("chosen", "used"),
    [
        ({"concurrent_runs": 1}, (2, 1, 1)),  # the fastest that was measured with one run
        ({"intra_op_threads": 2}, (2, 1, 1)),
        ({"concurrent_runs": 3}, (1, 3, 2)),
        ({"precision": "fp32"}, (1, 3, 2)),
    ],
)
def test_what_is_set_stays_and_the_rest_was_measured_together_with_it(bundle, folder, chosen, used) -> None:
    measured = profile(bundle, choice(), choice(threads=2, runs=1, batch=1))
    of = tuned(settings(folder, **chosen), measured, ["fp32"])

    assert (of.intra_op_threads, of.concurrent_runs, of.max_batch_size) == used


@pytest.mark.parametrize("chosen", [{"concurrent_runs": 7}, {"max_batch_size": 5}, {"precision": "int8"}])
def test_settings_that_nothing_was_measured_for_stay_as_they_are(bundle, folder, chosen) -> None:
    before = settings(folder, **chosen)

    assert tuned(before, profile(bundle, choice()), ["fp32", "int8"]) == before


def test_a_limit_of_one_bundle_is_set_explicitly_too(bundle, folder) -> None:
    before = settings(folder, concurrent_runs_by_model={"tiny": 1}).of("tiny")
    after = tuned(before, profile(bundle, choice(), choice(threads=2, runs=1)), ["fp32"])

    assert (after.concurrent_runs, after.intra_op_threads) == (1, 2)


def test_a_precision_without_a_graph_that_passed_its_gates_is_never_chosen(bundle, folder, logged) -> None:
    write_profile(folder, profile(bundle, choice(precision="int8")))

    assert profile_of(bundle, settings(folder)) is None
    assert "int8 graph that passed the gates" in logged[-1]["reason"]
    assert tuned(settings(folder), profile(bundle, choice(precision="int8")), ["fp32"]).precision == "fp32"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"cpu": "another"}, "cpu another there"),
        ({"cores": 99}, "cores 99 there"),
        ({"onnxruntime": "1.0.0"}, "onnxruntime 1.0.0 there"),
    ],
)
def test_a_profile_of_another_machine_or_version_is_ignored_and_the_log_says_so(
    bundle, folder, logged, other, reason
) -> None:
    machine = this_machine().model_copy(update=other)
    write_profile(folder, profile(bundle, choice(), machine=machine))

    assert profile_of(bundle, settings(folder)) is None
    assert logged[-1]["event"] == "tuning_ignored"
    assert reason in logged[-1]["reason"]


def test_a_profile_that_was_renamed_is_not_believed(bundle, folder, logged) -> None:
    of_another = profile(bundle, choice(), bundle_sha256="0" * 64)
    profile_path(folder, bundle.sha256, this_machine()).write_text(of_another.model_dump_json())

    assert profile_of(bundle, settings(folder)) is None
    assert "of another bundle" in logged[-1]["reason"]


def test_a_profile_under_another_file_name_is_named_with_its_own(bundle, folder, logged) -> None:
    written = write_profile(folder, profile(bundle, choice()))
    written.rename(folder / f"{bundle.sha256[:16]}-copy.json")

    assert profile_of(bundle, settings(folder)) is None
    assert f"has another file name; rename it to {written.name}" in logged[-1]["reason"]


def test_a_profile_of_another_bundle_under_another_file_name_is_of_another_bundle(bundle, folder, logged) -> None:
    of_another = profile(bundle, choice(), bundle_sha256="0" * 64)
    (folder / f"{bundle.sha256[:16]}-copy.json").write_text(of_another.model_dump_json())

    assert profile_of(bundle, settings(folder)) is None
    assert "of other bundles" in logged[-1]["reason"]


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}'])
def test_a_file_that_is_not_a_profile_is_ignored(bundle, folder, logged, content) -> None:
    profile_path(folder, bundle.sha256, this_machine()).write_text(content)

    assert profile_of(bundle, settings(folder)) is None
    assert "cannot be read" in logged[-1]["reason"]


def test_profiles_of_other_bundles_and_none_at_all_are_named(bundle, folder, logged) -> None:
    profile_of(bundle, settings(folder))
    write_profile(folder, profile(bundle, choice(), bundle_sha256="0" * 64))
    profile_of(bundle, settings(folder))

    assert "has no profile" in logged[0]["reason"]
    assert "of other bundles" in logged[1]["reason"]


@pytest.mark.anyio
async def test_the_service_runs_with_its_profile_and_models_shows_both(serve, tiny_models, folder) -> None:
    bundle = open_bundle(tiny_models / "tiny/1.0.0")
    write_profile(folder, profile(bundle, choice(threads=2, runs=2, batch=3), choice(runs=2, batch=1)))
    async with serve(tuning_dir=folder) as client:  # it sets concurrent_runs=2
        live = client.services.deployments.live[0]
        (model,) = (await client.get("/models")).json()["models"]
    async with serve() as client:
        (without,) = (await client.get("/models")).json()["models"]

    assert (live.settings.intra_op_threads, live.settings.largest_batch) == (2, 3)
    assert model["engine"] == choice(threads=2, runs=2, batch=3).model_dump()
    assert model["tuning"]["machine"]["cpu"] == this_machine().cpu
    assert len(model["tuning"]["figures"]) == 2
    assert (without["tuning"], without["engine"]["max_batch_size"]) == (None, 1)
