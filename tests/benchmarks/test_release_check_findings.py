"""Every digit of a card of several findings is found again through the real service, and an altered one is not."""

import csv
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.release_check.__main__ import main
from benchmarks.release_check.asking import Asker, logits_of
from benchmarks.release_check.card import left_out
from benchmarks.resilience.server import running
from bundle.opening import open_bundle
from export.export import write_bundle
from export.place import Place
from schemas.model.decision import calibrated
from schemas.model.manifest import MODEL_CARD
from tests.findings import findings_config, write_findings
from tests.once import BuiltOnce
from tests.service.bundles import change_manifest, replace_file, write_tiny_bundle
from tests.service.populations import ADULT, CHILD
from trainer.folder import RunFolder
from trainer.runs.exportable import load_exportable
from trainer.runs.run import train

ADDRESS = "two-findings/1.0.0"
SIDE = 32


def build(root: Path) -> None:
    """Films with masks, a run on them, and its bundle."""
    table = write_findings(root / "data", side=SIDE)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:24, 4:13] = mask[8:24, 19:28] = 255
    (root / "masks").mkdir()
    for film in (root / "data" / "films").iterdir():
        (root / "masks" / film.name).write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    config = findings_config(table, **{"judge.shifts": True, "judge.lung_masks": str(root / "masks")})
    train(config, RunFolder(root / "run"), command="python -m trainer train")
    trial = load_exportable(RunFolder(root / "run").trial("cnn4-seed0"))
    write_bundle(trial, Place(name="two-findings", version="1.0.0", out=root / "models"))


@pytest.fixture(scope="module")
def folder(built_once: BuiltOnce) -> Path:
    return built_once("checked_findings", build)


def arguments(folder: Path, *more: str, models: Path | None = None) -> list[str]:
    split = str(folder / "run" / "split.csv")
    given = ["--data", str(folder / "data" / "films.csv"), "--split", split, "--model", ADDRESS]
    return [*given, "--models", str(models or folder / "models"), *more]


def altered(folder: Path, place: Path, old: str, new: str) -> Path:
    """The models with another card; returns their folder."""
    models = Path(shutil.copytree(folder / "models", place / "models"))
    card = (models / ADDRESS / MODEL_CARD).read_text(encoding="utf-8")
    assert old in card
    replace_file(models / ADDRESS, MODEL_CARD, card.replace(old, new, 1).encode())
    return models


@pytest.mark.process
def test_every_digit_of_both_sets_of_the_shifts_and_of_erased_films_is_found_again(folder: Path, capsys) -> None:
    main(arguments(folder, "--lung-masks", str(folder / "masks")))
    said = capsys.readouterr().out
    left = said.split("not looked for here:")[1]

    assert f"{ADDRESS}: all " in said
    assert "On test: 0 of " in said
    assert "largest gap of calibration by band beyond its interval" in said
    for part in ("Calibration by band", "mirrored", "outside swapped", "view AP"):
        assert part in said
    assert "give --" not in left
    assert "- What the network looks at, heat: the service draws maps in 256 grays" in left
    assert "- Decisions: made on the validation films" in left


@pytest.mark.process
def test_an_altered_sensitivity_is_noticed(folder: Path, tmp_path: Path, capsys) -> None:
    row = open_bundle(folder / "models" / ADDRESS).manifest.evaluation[1].findings[3]
    assert row.finding == "Bars"
    cells = f"{row.threshold:.3f} | {row.sensitivity} | "
    models = altered(folder, tmp_path, cells, f"{row.threshold:.3f} | 0.123{str(row.sensitivity)[5:]} | ")

    with pytest.raises(SystemExit, match="the service does not find what the card states") as ended:
        main(arguments(folder, "--no-shifts", models=models))

    assert f"+| `{row.finding}` | " in str(ended.value)
    assert f" | 0.123{str(row.sensitivity)[5:]} | " in str(ended.value)
    said = capsys.readouterr().out
    assert "digits are those of the card" not in said
    assert "- On test, under shifts: left out by --no-shifts" in said
    assert "films with parts erased: give --lung-masks" in said


@pytest.mark.process
def test_an_altered_share_of_erased_films_is_noticed(folder: Path, tmp_path: Path) -> None:
    looking = open_bundle(folder / "models" / ADDRESS).manifest.looking
    assert looking is not None
    row = looking.erased("lungs gray", "Stripes")
    assert row is not None
    models = altered(folder, tmp_path, f" | {row.auroc} | {row.answered} |", f" | {row.auroc} | 0.999 [0.998, 1.000] |")

    with pytest.raises(SystemExit, match=r"(?s)-\| .* \| 0\.999 \[0\.998, 1\.000\] \|"):
        main(arguments(folder, "--no-shifts", "--lung-masks", str(folder / "masks"), models=models))


@pytest.mark.process
def test_a_table_that_names_its_test_films_needs_no_split(folder: Path, tmp_path: Path, capsys) -> None:
    main(
        ["--data", str(placed(folder, tmp_path)), "--model", ADDRESS, "--models", str(folder / "models"), "--no-shifts"]
    )
    said = capsys.readouterr().out

    assert f"{ADDRESS}: all " in said
    assert "- On validation: the bundle does not hold which films these are; give --split" in said
    assert "films with parts erased: they are of validation: " in said


def placed(folder: Path, place: Path) -> Path:
    """The table of the run with the split that the run made of it."""
    data = Path(shutil.copytree(folder / "data", place / "data"))
    split = {row["path"]: row["split"] for row in read(folder / "run" / "split.csv")}
    text = io.StringIO()
    rows = read(data / "films.csv")
    writer = csv.DictWriter(text, [*rows[0], "split"])
    writer.writeheader()
    writer.writerows(row | {"split": split[row["path"]]} for row in rows if row["path"] in split)
    (data / "films.csv").write_text(text.getvalue())
    return data / "films.csv"


def read(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_films_that_are_not_the_cards_are_refused_before_any_is_posted(folder: Path, tmp_path: Path) -> None:
    table = placed(folder, tmp_path)
    named = ["--model", ADDRESS, "--models", str(folder / "models")]
    rows = read(table)
    test = next(row for row in rows if row["split"] == "test" and row["Bars"] in {"0", "1"})
    line = ",".join(test.values())
    other = ",".join((test | {"Bars": str(1 - int(test["Bars"]))}).values())
    table.write_text(table.read_text().replace(line, other))
    (tmp_path / "split.csv").write_text((folder / "run" / "split.csv").read_text() + "\n")

    with pytest.raises(SystemExit, match=r"test films of .* are not those of two-findings/1\.0\.0"):
        main(["--data", str(table), *named])
    with pytest.raises(SystemExit, match=r"does not say which films are those of two-findings/1\.0\.0; give --split"):
        main(["--data", str(folder / "data" / "films.csv"), *named])
    with pytest.raises(SystemExit, match=r"split\.csv is not the split of two-findings"):
        main(["--data", str(table), "--split", str(tmp_path / "split.csv"), *named])


@pytest.mark.process
@pytest.mark.parametrize("alone", [False, True])
def test_a_film_that_the_guide_refuses_is_counted_and_has_its_probabilities(tmp_path: Path, *, alone: bool) -> None:
    guided = write_tiny_bundle(tmp_path / "guided", alone=alone, guide=True)
    plain = write_tiny_bundle(tmp_path / "plain", alone=alone)
    found = []
    for directory in (guided, plain):
        models = directory.parent.parent
        with running(models_dir=models) as server, ThreadPoolExecutor(2) as pool:
            asker = Asker(server, open_bundle(directory).manifest, pool)
            found.append(asker.answered([CHILD, ADULT, ADULT], 3, "films"))

    assert [one.outside for one in found] == [2, 0]
    assert np.isfinite(found[0].logits).all()
    assert found[0].logits == pytest.approx(found[1].logits)


def test_logits_are_those_that_give_the_probabilities_again(tmp_path: Path) -> None:
    for alone in (False, True):
        manifest = open_bundle(write_tiny_bundle(tmp_path / str(alone), alone=alone)).manifest
        random = np.random.default_rng(0)
        logits = np.concatenate([random.normal(0, 4, (50, len(manifest.classes))), np.eye(len(manifest.classes)) * 1e4])
        given = calibrated(logits, manifest.calibration, manifest.classes)

        again = calibrated(
            logits_of(given, manifest.calibration, manifest.classes), manifest.calibration, manifest.classes
        )

        assert again == pytest.approx(given, abs=1e-12)
        assert (again.argsort(axis=0, kind="stable") == given.argsort(axis=0, kind="stable")).all()


def test_a_stretched_film_cannot_be_sent_and_the_list_at_the_end_says_so(folder: Path, tmp_path: Path) -> None:
    models = Path(shutil.copytree(folder / "models", tmp_path / "models"))
    spec = open_bundle(models / ADDRESS).manifest.preprocess.model_copy(update={"intensity": "percentile"})
    change_manifest(models / ADDRESS, preprocess=spec.model_dump(mode="json"))
    lines = list(left_out(open_bundle(models / ADDRESS).manifest, ("validation", "test"), masks=True))

    assert sum("a prepared film cannot be sent" in line for line in lines) == 3
