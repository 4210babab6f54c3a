"""Rules of the comparison with a plain script: a fair sample, and a script that stays as short as it claims to be."""

from pathlib import Path

from benchmarks.fine_tune.__main__ import PLAIN, sample


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
    assert len(lines) <= 60
