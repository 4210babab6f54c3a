"""The measures tell a reader of lungs from a reader of frames."""

import numpy as np
import pytest

from trainer.looking.answers import Answers, Reader
from trainer.looking.look import Truth, look, truth_of
from trainer.looking.marks import Boxed, Marks

SIDE = 48
FINDING = "PNEUMONIA"
COUNT = 40


def lungs() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[12:36, 8:20] = True
    mask[12:36, 28:40] = True
    return mask


def films() -> tuple[np.ndarray, np.ndarray]:
    """Films whose lungs and corners are both brighter in the ill, and who is ill."""
    ill = np.arange(COUNT) % 2 == 1
    pixels = np.random.default_rng(0).uniform(0.3, 0.5, (COUNT, 1, SIDE, SIDE)).astype(np.float32)
    pixels[ill, 0] += 0.3 * lungs()
    pixels[ill, 0, :4] += 0.3
    return pixels, ill


def truth(ill: np.ndarray) -> dict[str, Truth]:
    return {FINDING: Truth(ill, np.ones(len(ill), bool))}


def reader(region: np.ndarray) -> Reader:
    """One that calls films ill by the brightness of a region, and shows heat there."""

    def answers(pixels: np.ndarray) -> Answers:
        brightness = pixels[:, 0][:, region].mean(axis=1).astype(float)
        called = {FINDING: brightness > 0.5}
        return Answers({FINDING: brightness}, called, {FINDING: np.abs(brightness - 0.5) > 0.05})

    return Reader(answers, lambda pixels, _: np.repeat(region[None].astype(np.float32), len(pixels), axis=0))


def marks(count: int = COUNT, boxes: dict[str, Boxed] | None = None) -> Marks:
    return Marks(
        data="validation: 40 films",
        patients=[str(film) for film in range(COUNT)],
        masked=np.arange(count),
        lungs=np.repeat(lungs()[None], count, axis=0),
        boxes=boxes or {},
    )


def aurocs(region: np.ndarray) -> dict[str, float]:
    pixels, ill = films()
    found = look(reader(region), pixels, truth(ill), marks())
    assert all(row.auroc is not None for row in found.erasures)
    return {row.erasure: row.auroc.value for row in found.erasures if row.auroc}


def test_a_reader_of_lungs_needs_the_lungs_alone() -> None:
    found = aurocs(lungs())

    assert found["as it is"] == found["outside gray"] == found["outside swapped"] == 1
    assert found["lungs gray"] == pytest.approx(0.5, abs=0.2)
    assert found["cage gray"] == pytest.approx(0.5, abs=0.2)


def test_a_reader_of_the_frame_needs_no_lungs() -> None:
    frame = np.zeros((SIDE, SIDE), bool)
    frame[:4] = True
    found = aurocs(frame)

    assert found["as it is"] == found["lungs gray"] == found["cage gray"] == 1
    assert found["outside swapped"] == pytest.approx(0.5, abs=0.2)


def test_the_answered_share_is_of_all_films_with_a_mask() -> None:
    pixels, ill = films()
    rows = {row.erasure: row for row in look(reader(lungs()), pixels, truth(ill), marks()).erasures}

    assert (rows["as it is"].films, rows["as it is"].positives) == (40, 20)
    assert rows["as it is"].answered.value == 1
    assert rows["lungs gray"].answered.value == 1  # the brightness of the surroundings, .4, is far from .5


def test_maps_of_right_calls_are_held_against_lungs_and_cage() -> None:
    pixels, ill = films()
    pixels[1, 0] -= 0.3 * lungs()  # one ill film that is not called
    found = {row.region: row for row in look(reader(lungs()), pixels, truth(ill), marks()).heat}

    assert set(found) == {"lungs", "cage"}
    assert found["lungs"].films == 19
    assert found["lungs"].maps.inside.value == 1
    assert found["lungs"].maps.ratio.value > 3
    assert found["cage"].area > found["lungs"].area


def test_maps_of_every_film_with_a_box_are_held_against_it() -> None:
    pixels, ill = films()
    chosen = np.flatnonzero(ill)
    boxed = Boxed(chosen, np.repeat(lungs()[None], len(chosen), axis=0))
    found = look(reader(lungs()), pixels, truth(ill), marks(0, {FINDING: boxed}))

    assert (found.lung_masks, found.boxes, found.films) == (0, 20, 20)
    assert found.erasures == ()
    (row,) = found.heat
    assert (row.region, row.films, row.maps.inside.value) == ("boxes", 20, 1)


def test_a_finding_is_measured_where_it_is_known_and_by_its_own_column() -> None:
    pixels, ill = films()
    labels = np.stack([np.zeros(COUNT), ill], axis=1).astype(np.float32)
    labels[:10, 1] = np.nan
    labels[10, 1] = 0.7  # uncertain

    found = look(reader(lungs()), pixels, truth_of(labels, ("OTHER", FINDING), (FINDING,)), marks())
    row = found.erased("as it is", FINDING)

    assert row is not None
    assert (row.films, row.positives) == (29, 15)
    assert row.auroc is not None
    assert row.auroc.value == 1
    assert row.answered.value == 1
    assert found.heat[0].films == 15
