"""A guide from its table to the network that learns behind it: small films, few of them."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from schemas.errors import TrainingConfigError
from trainer.guide.films import UNKNOWN, batches, read_films
from trainer.guide.fit import guide_loss
from trainer.guide.folder import GuideFolder
from trainer.guide.options import GuideOptions
from trainer.guide.table import read_table
from trainer.guide.train import train_guide
from trainer.networks.lungs.guide import GuideNetwork
from trainer.reporter import SilentReporter

SIDE = 64


def draw(folder: Path, name: str, *, child: bool, seed: int) -> None:
    """A film of two dark lungs, large on a child, with its mask."""
    random = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    half = 13 if child else 7
    for centre in (20, 44):
        cv2.ellipse(mask, (centre, 32), (8, half), 0, 0, 360, 255, -1)
    film = np.where(mask > 0, 60, 190) + random.normal(0, 12, mask.shape)
    film[:, :32] += 10  # left and right are told apart
    cv2.imwrite(str(folder / f"{name}.png"), np.clip(film, 0, 255).astype(np.uint8))
    cv2.imwrite(str(folder / f"{name}_mask.png"), mask)


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> GuideOptions:
    folder = tmp_path_factory.mktemp("guide")
    with (folder / "table.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "split", "patient", "mask", "oriented", "population"])
        for number in range(24):
            child = number % 2 == 0
            draw(folder, f"f{number}", child=child, seed=number)
            split = "val" if number >= 16 else "train"
            population = "child" if child else "adult"
            writer.writerow([f"f{number}.png", split, number, f"f{number}_mask.png", "yes", population])
    return GuideOptions(
        table=str(folder / "table.csv"),
        accepted={"population": ("child",)},
        cache=str(folder / "cache"),
        epochs=2,
        films_per_epoch=12,
        batch_size=4,
    )


def test_batches_are_a_function_of_seed_and_epoch(options: GuideOptions) -> None:
    films = read_films(read_table(Path(options.table)), "train", options)
    first, again, other = (list(batches(films, options, epoch)) for epoch in (0, 0, 1))
    assert [len(batch.films) for batch in first] == [4, 4, 4]
    assert all(
        torch.equal(a.films, b.films) and torch.equal(a.traits, b.traits) for a, b in zip(first, again, strict=True)
    )
    assert not torch.equal(first[0].films, other[0].films)
    assert list(films.traits) == ["population", "pose", "polarity", "lungs"]


def test_what_is_not_known_of_a_film_costs_nothing(options: GuideOptions) -> None:
    films = read_films(read_table(Path(options.table)), "train", options)
    batch = next(iter(batches(films, options, 0)))
    torch.manual_seed(0)
    network = GuideNetwork([len(values) for values in films.traits.values()]).eval()
    unknown = batch._replace(traits=torch.full_like(batch.traits, UNKNOWN), masked=torch.zeros_like(batch.masked))
    sight = network(batch.films)
    assert guide_loss(sight, unknown, network.values).item() == 0
    assert guide_loss(sight, batch, network.values).item() > 1


@pytest.mark.slow
def test_a_guide_is_trained_measured_written_and_read_and_goes_on_after_a_kill(options: GuideOptions, tmp_path) -> None:
    folder = GuideFolder(tmp_path / "whole")
    record = train_guide(options, folder, SilentReporter())

    assert [trait.name for trait in record.traits] == ["population", "pose", "polarity", "lungs"]
    assert record.traits[0].accepted == ("child",)
    assert set(record.traits[1].refused) == {"mirrored", "turned"}
    assert record.dice is not None
    assert "16 films trained it, 8 of other patients measured it" in record.data
    read, _ = folder.read()
    assert read == record

    half = GuideFolder(tmp_path / "halved")
    train_guide(options.model_copy(update={"epochs": 1}), half, SilentReporter())
    saved = torch.load(half.checkpoint, weights_only=True)
    assert saved["epochs"] == 1
    # The schedule knows both epochs, so a fit of one epoch is no half of it: the checkpoint of the whole one is.
    folder.record.unlink()
    assert train_guide(options, folder, SilentReporter()) == record


@pytest.mark.slow
def test_a_trained_guide_gets_other_cut_offs_for_other_films_without_learning_anew(
    options: GuideOptions, tmp_path
) -> None:
    children = GuideFolder(tmp_path / "children")
    train_guide(options, children, SilentReporter())
    again = {"trained": str(children.path), "accepted": {"population": ("adult",)}, "shows": "box"}
    adults = GuideFolder(tmp_path / "adults")
    record = train_guide(options.model_copy(update=again), adults, SilentReporter())

    assert record.weights_sha256 == children.read()[0].weights_sha256
    assert (record.traits[0].accepted, set(record.traits[0].refused)) == (("adult",), {"child"})
    assert adults.read()[1].shows == "box"
    other = Path(options.table).with_name("other.csv")
    other.write_text("".join(Path(options.table).read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(TrainingConfigError, match="was trained on other films"):
        train_guide(
            options.model_copy(update={**again, "table": str(other)}), GuideFolder(tmp_path / "x"), SilentReporter()
        )


def test_a_training_that_was_interrupted_goes_on_with_its_own_options_alone(options: GuideOptions, tmp_path) -> None:
    folder = GuideFolder(tmp_path / "begun")
    folder.start(options)
    folder.start(options.model_copy(update={"lr": 0.5}))  # nothing was learned yet
    folder.checkpoint.write_bytes(b"learned")
    with pytest.raises(TrainingConfigError, match=r"lr was 0\.5 and is 0\.001"):
        folder.start(options)


def test_options_that_the_table_does_not_know_and_damaged_folders_are_refused(options: GuideOptions, tmp_path) -> None:
    wrong = options.model_copy(update={"accepted": {"population": ("elderly",)}})
    with pytest.raises(TrainingConfigError, match="population=elderly is no trait"):
        train_guide(wrong, GuideFolder(tmp_path / "none"), SilentReporter())
    with pytest.raises(TrainingConfigError, match="holds no guide"):
        GuideFolder(tmp_path / "none").read()
