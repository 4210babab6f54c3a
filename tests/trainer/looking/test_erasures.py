"""An erased film has lost exactly what the erasure names, and what is swapped comes from another patient."""

import numpy as np
import pytest

from trainer.films.regions.cage import cage_of
from trainer.looking.erasures import ERASURES, erased

SIDE = 64


def lungs() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[16:48, 12:26] = True
    mask[16:48, 38:52] = True
    return mask


def films(count: int = 4) -> np.ndarray:
    """Noise around a level of its own for each film, [count, 1, S, S]."""
    noise = np.random.default_rng(0).uniform(0, 0.1, (count, 1, SIDE, SIDE))
    return (noise + np.arange(count)[:, None, None, None] / 5).astype(np.float32)


def all_lungs(count: int = 4) -> np.ndarray:
    return np.repeat(lungs()[None], count, axis=0)


def test_the_cage_holds_the_lungs_what_lies_between_them_and_their_rim_alone() -> None:
    cage = cage_of(lungs())
    rows, columns = (np.nonzero(cage.any(axis=axis))[0] for axis in (1, 0))

    assert cage[lungs()].all()
    assert cage[32, 26:38].all()  # the mediastinum
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (16 - 3, 47 + 3, 12 - 3, 51 + 3)


@pytest.mark.parametrize(
    ("erasure", "gone"),
    [
        ("as it is", np.zeros((SIDE, SIDE), bool)),
        ("lungs gray", lungs()),
        ("cage gray", cage_of(lungs())),
        ("outside gray", ~cage_of(lungs())),
        ("outside swapped", ~cage_of(lungs())),
    ],
)
def test_exactly_the_named_part_changes(erasure, gone) -> None:
    changed = erased(erasure, films(), all_lungs(), ["a", "b", "c", "d"])

    assert changed.dtype == np.float32
    np.testing.assert_array_equal((changed != films())[:, 0].all(axis=0), gone)
    np.testing.assert_array_equal((changed != films())[:, 0].any(axis=0), gone)


def test_the_gray_of_lungs_and_cage_is_that_of_their_surroundings() -> None:
    film = np.full((1, 1, SIDE, SIDE), 0.8, np.float32)
    film[0, 0][lungs()] = 0.1

    assert erased("lungs gray", film, lungs()[None], ["a"]) == pytest.approx(0.8)


def test_what_is_swapped_comes_from_another_patient_whose_cage_is_painted_over() -> None:
    two = films(2)
    two[:, 0, 20:40, 14:24] += 0.2  # something in the lungs
    mask = all_lungs(2)
    mask[0] = np.roll(mask[0], 6, axis=1)  # the other's lungs would show beside this cage

    changed = erased("outside swapped", two, mask, ["a", "b"])[0, 0]
    outside = ~cage_of(mask[0])

    assert changed[outside & ~cage_of(mask[1])] == pytest.approx(two[1, 0][outside & ~cage_of(mask[1])])
    assert np.ptp(changed[outside & cage_of(mask[1])]) == 0


def test_no_film_gets_its_own_patients_surroundings_where_there_is_another() -> None:
    patients = ["a", "a", "a", "b", "b", "c"]
    levels = films(6).mean(axis=(1, 2, 3))
    changed = erased("outside swapped", films(6), all_lungs(6), patients)[:, 0, 0, 0]
    owners = [patients[int(np.abs(levels - level).argmin())] for level in changed]

    assert all(owner != patient for owner, patient in zip(owners, patients, strict=True))


def test_every_erasure_of_the_record_is_drawn() -> None:
    assert list(ERASURES) == ["as it is", "lungs gray", "cage gray", "outside gray", "outside swapped"]
