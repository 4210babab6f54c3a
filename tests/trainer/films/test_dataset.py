"""Before anything is trained the films of a run are indexed, checked and written down, and nobody's id with them."""

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bundle.opening import open_bundle
from imaging.decode import decode
from schemas.errors import TrainingDataError
from tests.films import encode, unlike, write_classes
from tests.imaging.files import dicom_bytes, dicom_dataset
from trainer.config import make_config
from trainer.films.dataset import prepare_dataset, read_dataset
from trainer.films.options import DataOptions
from trainer.folder import RunFolder
from trainer.reporter import SilentReporter
from trainer.runs.run import train

ROOT = Path(__file__).parents[3]


def options(data: Path, cache: Path, **changes) -> DataOptions:
    return DataOptions(**{"path": str(data), "cache": str(cache), "val_fraction": 0.3, **changes})


@pytest.fixture
def films(kermany_like, tmp_path) -> Path:
    """A folder with official splits, to plant leaks in."""
    return Path(shutil.copytree(kermany_like, tmp_path / "films"))


@pytest.fixture
def run(tmp_path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.make()
    return folder


def plant_patient(films: Path) -> str:
    film = films / "test/PNEUMONIA/person1001_virus_0.jpeg"
    film.rename(film.with_name("person1_virus_77.jpeg"))
    return "patient: train/PNEUMONIA/person1_virus_0.jpeg = test/PNEUMONIA/person1_virus_77.jpeg"


def plant_copy(films: Path) -> str:
    shutil.copy(films / "test/NORMAL/IM-1003-0000.jpeg", films / "train/NORMAL/IM-0777-0001.jpeg")
    return "copy: train/NORMAL/IM-0777-0001.jpeg = test/NORMAL/IM-1003-0000.jpeg"


def plant_near_copy(films: Path) -> str:
    film = decode((films / "test/NORMAL/IM-1003-0000.jpeg").read_bytes()).pixels
    small = cv2.resize(film, (48, 40), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpeg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    (films / "train/NORMAL/IM-0777-0001.jpeg").write_bytes(jpeg.tobytes())
    return "near copy: train/NORMAL/IM-0777-0001.jpeg = test/NORMAL/IM-1003-0000.jpeg"


@pytest.mark.parametrize("plant", [plant_patient, plant_copy, plant_near_copy])
def test_each_planted_leak_stops_the_run_by_name_and_nothing_is_written(films, run, tmp_path, plant) -> None:
    leak = plant(films)

    with pytest.raises(TrainingDataError) as stopped:
        prepare_dataset(options(films, tmp_path / "cache"), run)

    assert str(stopped.value).endswith(f"\n  {leak}")
    assert str(stopped.value).startswith("1 leaks between the splits")
    assert list(run.path.iterdir()) == []


@pytest.mark.parametrize("plant", [plant_copy, plant_near_copy])
def test_planted_copies_go_from_train_and_are_recorded_where_dropping_is_allowed(films, run, tmp_path, plant) -> None:
    clean = prepare_dataset(options(films, tmp_path / "cache", on_duplicates="drop"), run).record
    plant(films)
    other = RunFolder(tmp_path / "other")
    other.make()

    data = prepare_dataset(options(films, tmp_path / "cache", on_duplicates="drop"), other).record

    assert (data.counts, data.split_sha256) == (clean.counts, clean.split_sha256)
    assert data.dropped == ("train/NORMAL/IM-0777-0001.jpeg: copy of test/NORMAL/IM-1003-0000.jpeg",)
    assert data.notes[-1].startswith("dropped ")
    assert data.notes[-1] != clean.notes[-1]


def test_copies_in_another_encoding_stand_on_one_side_of_a_split_of_ours(run, tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 0, "B": 0})
    for number in range(60):
        film = unlike(48, seed=number)
        folder = root / "AB"[number % 2]
        (folder / f"{number}.png").write_bytes(encode(film, ".png"))
        (folder / f"copy-of-{number}.jpeg").write_bytes(encode(film))
    settings = options(root, tmp_path / "cache", test_fraction=0.2)

    data = prepare_dataset(settings, run).record
    places = {film.path.name: film.split for film in read_dataset(run, settings).split.films}

    assert all(places[f"{number}.png"] == places[f"copy-of-{number}.jpeg"] for number in range(60))
    assert set(places.values()) == {"train", "val", "test"}
    assert data.notes == ("60 films show the picture of another film in another encoding",)


def test_a_threshold_of_one_looks_for_exact_thumbnails_alone(films, run, tmp_path) -> None:
    plant_near_copy(films)

    assert prepare_dataset(options(films, tmp_path / "cache", near_duplicates=1), run).record.dropped == ()


def test_no_id_of_a_patient_stands_in_the_files_of_a_run(run, tmp_path) -> None:
    lines = ["path,label,patient,sex"]
    for number in range(24):
        label = "AB"[number % 2]
        patient = f"MRN-{number // 2}"
        path = tmp_path / "films" / label / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset = dicom_dataset(unlike(32, seed=number), PatientID=f"PACS-{number // 2}", PatientAge="041Y")
        path.write_bytes(dicom_bytes(dataset))
        lines.append(f"{label}/{number}.dcm,{label},{patient if number < 12 else ''},F")
    (tmp_path / "films" / "films.csv").write_text("\n".join(lines))

    for data in (tmp_path / "films", tmp_path / "films" / "films.csv"):
        out = RunFolder(tmp_path / f"run-{data.name}")
        out.make()
        record = prepare_dataset(options(data, tmp_path / "cache", test_fraction=0), out).record
        written = "".join(path.read_text() for path in out.path.iterdir())

        assert not [word for word in ("MRN", "PACS", "Marker", "MARKER") if word in written]
        assert record.patients["train"] + record.patients["val"] == 12
        assert "age" in out.split.read_text().splitlines()[0].split(",")


def test_patients_who_are_not_known_are_said_by_the_run_and_stand_in_its_record(run, tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 12, "B": 12})

    class Listening(SilentReporter):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def message(self, text: str) -> None:
            self.lines.append(text)

        def trial_started(self, trial: str, epochs: int) -> None:
            raise KeyboardInterrupt

    reporter = Listening()
    config = make_config(
        {"data": options(root, tmp_path / "cache").model_dump(), "networks": {"archs": ["cnn_baseline"], "size": 32}}
    )
    with pytest.raises(KeyboardInterrupt):
        train(config, run, command="python -m trainer train", reporter=reporter)
    record = read_dataset(run, config.data).record

    assert reporter.lines[0].startswith(
        "patients unknown: every film counts as its own; leaks of patients cannot be found"
    )
    assert record.patients_known.unknown == 24
    assert sum(record.unknown_patients.values()) == 24
    assert [record.patients_in_words(split) for split in ("train", "val", "test")] == ["unknown"] * 3


def test_unreadable_films_are_recorded_where_they_may_be_skipped(films, run, tmp_path) -> None:
    (films / "train/NORMAL/notes.txt").write_text("not a film")
    torn = films / "train/PNEUMONIA/person1_virus_0.jpeg"
    torn.write_bytes(torn.read_bytes()[:300])

    with pytest.raises(TrainingDataError, match=r"train/NORMAL/notes\.txt: the content is neither"):
        prepare_dataset(options(films, tmp_path / "cache"), run)
    data = prepare_dataset(options(films, tmp_path / "cache", skip_unreadable=True), run).record

    assert data.counts["train"]["PNEUMONIA"] + data.counts["val"]["PNEUMONIA"] == 23
    assert [line.split(": ")[0] for line in data.dropped] == [
        "train/NORMAL/notes.txt",
        torn.relative_to(films).as_posix(),
    ]
    assert data.notes == ("skipped 1 unreadable films", "skipped 1 films that cannot be decoded")


def test_a_disk_without_space_for_the_records_is_named(films, run, tmp_path) -> None:
    settings = options(films, tmp_path / "cache")
    prepare_dataset(settings, run)  # fills the cache
    other = RunFolder(tmp_path / "other")
    other.make()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(TrainingDataError, match=r"other cannot hold the record of the films \(File too large\)"):
            prepare_dataset(settings, other)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_run_on_an_archive_trains_and_opens_its_test_set(tmp_path) -> None:
    arrays: dict[str, Any] = {}
    for number, (split, count) in enumerate({"train": 24, "val": 60, "test": 16}.items()):
        labels = np.arange(count) % 2
        arrays[f"{split}_images"] = np.stack(
            [unlike(28, seed=1000 * number + film, opacity=0.9 * label) for film, label in enumerate(labels)]
        )
        arrays[f"{split}_labels"] = labels.reshape(count, 1).astype(np.uint8)
    np.savez_compressed(tmp_path / "films.npz", **arrays)
    settings = make_config(
        {
            "data": options(
                tmp_path / "films.npz", tmp_path / "cache", label_names=["normal", "pneumonia"]
            ).model_dump(),
            "networks": {"archs": ["cnn_baseline"], "size": 32},
            "learn": {"epochs": 1, "device": "cpu", "batch_size": 8},
        }
    )
    run = RunFolder(tmp_path / "run")

    board = train(settings, run, command="python -m trainer train")
    dataset = read_dataset(run, settings.data)

    assert dataset.task.negative_class == "normal"
    assert [sum(dataset.record.counts[split].values()) for split in ("train", "val", "test")] == [24, 60, 16]
    assert dataset.record.notes == ("unpacked from films.npz",)
    assert all(film.path.is_file() for film in dataset.films("val"))
    assert json.loads(run.trial(board.winner.trial).record.read_text())["test"]["films"] == 16


def test_a_dataset_that_is_read_again_is_the_one_that_was_prepared(films, run, tmp_path) -> None:
    settings = options(films, tmp_path / "cache")

    prepared = prepare_dataset(settings, run)

    assert read_dataset(run, settings) == prepared


def test_the_names_of_labels_must_differ() -> None:
    with pytest.raises(Exception, match="repeats an entry"):
        options(Path("films.npz"), Path("cache"), label_names=["sick", "sick"])


@pytest.mark.slow
@pytest.mark.real_data
def test_the_split_of_the_shipped_network_is_still_the_one_that_it_was_trained_on(real_films, run, tmp_path) -> None:
    models = ROOT / "models"
    shipped = open_bundle(models / (models / "current").read_text().strip()).manifest.provenance
    settings = DataOptions(
        path=str(real_films / "kermany224"), cache=str(tmp_path), on_duplicates="drop", altered_copies="never"
    )

    data = prepare_dataset(settings, run).record

    assert (data.data_sha256, data.split_sha256) == (shipped.data_sha256, shipped.split_sha256)
    assert len(data.dropped) == 26


@pytest.mark.slow
@pytest.mark.real_data
def test_copies_that_the_real_archive_repeats_across_its_splits_stop_the_run_or_go(real_films, run, tmp_path) -> None:
    archive = real_films / "pneumoniamnist_28_reconstructed.npz"

    with pytest.raises(TrainingDataError, match="8 leaks between the splits"):
        prepare_dataset(options(archive, tmp_path / "cache"), run)
    data = prepare_dataset(options(archive, tmp_path / "cache", on_duplicates="drop"), run).record

    assert sum(data.counts["test"].values()) == 624
    assert len(data.dropped) == 26
