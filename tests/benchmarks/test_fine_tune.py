"""Rules of the comparison with a plain script: a fair sample, and a script that stays as short as it claims to be."""

from pathlib import Path

from benchmarks.fine_tune.__main__ import HEAD, PLAIN, Cost, Turn, sample, table
from schemas.estimate import Estimate


def test_the_sample_has_the_classes_in_the_proportion_of_the_data(tmp_path: Path) -> None:
    for label, count in (("NORMAL", 30), ("PNEUMONIA", 90)):
        (tmp_path / "data/train" / label).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "data/train" / label / f"{number:03}.jpeg").write_bytes(b"film")

    folder = sample(tmp_path / "data", tmp_path / "films", 20)
    again = sample(tmp_path / "data", tmp_path / "films", 20)

    assert {label: len(list((again / label).iterdir())) for label in ("NORMAL", "PNEUMONIA")} == {
        "NORMAL": 5,
        "PNEUMONIA": 15,
    }
    assert (folder / "NORMAL/000.jpeg").read_bytes() == b"film"


def test_the_plain_script_uses_nothing_of_ours_and_is_short() -> None:
    lines = [line for line in PLAIN.read_text(encoding="utf-8").splitlines() if line.strip()]

    assert not any(line.startswith(("from trainer", "from imaging", "import trainer")) for line in lines)
    assert lines[0].startswith('"""')
    assert lines[0].endswith('"""')
    assert len(lines) - 1 <= 40


def test_the_table_has_both_programs_of_each_seed_and_their_medians() -> None:
    turns = [
        Turn(
            seed,
            Cost(wall_s=10 * seconds, cpu_s=seconds),
            Cost(wall_s=20 * seconds, cpu_s=2 * seconds),
            Estimate(value=area, low=area, high=1),
            Estimate(value=area - 0.1, low=0, high=1),
            Estimate(value=0.1, low=0, high=0.2),
        )
        for seed, seconds, area in ((0, 30, 0.9), (1, 10, 0.95), (2, 20, 0.8))
    ]

    lines = table(turns).removeprefix(HEAD).strip().splitlines()

    assert lines[0] == "| 0 | trainer | 0.900 [0.900, 1.000] |  | 30 | 300 |"
    assert lines[1] == "| 0 | plain script | 0.800 [0.000, 1.000] | 0.100 [0.000, 0.200] | 60 | 600 |"
    assert lines[6] == "| median | trainer | 0.900 (0.800 to 0.950) |  | 20 (10 to 30) | 200 (100 to 300) |"
    assert lines[7] == (
        "| median | plain script | 0.800 (0.700 to 0.850) | 0.100 (0.100 to 0.100) | 40 (20 to 60) | 400 (200 to 600) |"
    )
    assert len(lines) == 8
