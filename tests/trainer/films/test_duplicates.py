"""The same picture is found in another encoding, and films of different patients are left apart."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless

from schemas.errors import TrainingDataError
from tests.films import encode, indexed, unlike, write_classes
from tests.imaging.compressed import compressed_film
from trainer.films.cache import prepared_films
from trainer.films.duplicates import THUMBNAIL, mark_copies, near_duplicates
from trainer.films.film import FilmIndex
from trainer.films.leaks import close_leaks
from trainer.films.options import NEAR_DUPLICATE


def jpeg(film: np.ndarray, quality: int = 60) -> bytes:
    return cv2.imencode(".jpeg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def resized(film: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(film, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def brighter(film: np.ndarray, shift: float, contrast: float) -> np.ndarray:
    return np.clip((film.astype(float) - 128) * contrast + 128 + shift, 0, 255).astype(np.uint8)


COPIES = {
    "JPEG at quality 20": lambda film: jpeg(film, 20),
    "half the size, JPEG at quality 60": lambda film: jpeg(resized(film, 0.5)),
    "1.5 times the size, JPEG at quality 60": lambda film: jpeg(resized(film, 1.5)),
    "another aspect": lambda film: encode(cv2.resize(film, (200, 120), interpolation=cv2.INTER_AREA), ".png"),
    "darker": lambda film: jpeg(brighter(film, -30, 1.0)),
    "less contrast": lambda film: jpeg(brighter(film, 10, 0.6)),
    "gamma": lambda film: jpeg((255 * (film / 255) ** 1.5).astype(np.uint8)),
    "1 % cut off on each side": lambda film: jpeg(film[2:-2, 2:-2]),
    "16 bits": lambda film: encode(film.astype(np.uint16) * 200, ".png"),
    "compressed DICOM": lambda film: compressed_film(film, JPEGLSLossless),
}


def mark(index: FilmIndex, cache: Path, **options) -> FilmIndex:
    return mark_copies(index, cache, **{"threshold": NEAR_DUPLICATE, "skip_unreadable": False, **options})


@pytest.mark.parametrize(
    "change",
    [*list(COPIES)[:-1], pytest.param("compressed DICOM", marks=pytest.mark.process)],
)
def test_a_film_in_another_encoding_names_the_first_film_of_its_picture(tmp_path, change) -> None:
    root = tmp_path / "films"
    for number, label in enumerate(["A", "A", "B"]):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{number}").write_bytes(encode(unlike(192, seed=number), ".png"))
    (root / "A" / "copy").write_bytes(COPIES[change](unlike(192, seed=1)))
    index = indexed(root)

    marked = mark(index, tmp_path / "cache")
    copies = {film.path.name: film.copy_of for film in marked.films}

    assert copies == {"0": "", "1": "", "copy": index.films[1].sha256, "2": ""}
    assert marked.notes[-1:] == ("1 films show the picture of another film in another encoding",)


def test_a_chain_of_copies_is_one_picture(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 2, "B": 2})
    film = unlike(32, seed=0)
    for number, quality in enumerate((90, 60, 30)):
        (root / "A" / f"copy{number}.jpeg").write_bytes(jpeg(film, quality))
    index = indexed(root)

    marked = mark(index, tmp_path / "cache").films

    assert [film.copy_of for film in marked] == ["", "", *(index.films[0].sha256,) * 3, "", ""]
    assert len({film.content for film in marked}) == 4


def test_a_copy_under_another_label_is_noted(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 2, "B": 2})
    (root / "B" / "copy.jpeg").write_bytes(jpeg(unlike(32, seed=1)))

    assert mark(indexed(root), tmp_path / "cache").notes == (
        "1 films show the picture of another film in another encoding",
        "1 of them lie under another label than that film: look at copy_of in split.csv",
    )
    with pytest.raises(TrainingDataError, match=r"1 films lie under two labels.*\n  A/1\.png = B/copy\.jpeg"):
        close_leaks(mark(indexed(root), tmp_path / "cache"))


def test_an_exact_copy_needs_no_mark(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 2, "B": 2})
    (root / "B" / "again.png").write_bytes((root / "B" / "0.png").read_bytes())
    index = indexed(root)

    assert mark(index, tmp_path / "cache") == index


def test_black_films_are_noted_by_name(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 2, "B": 2})
    marked = np.zeros((64, 64), np.uint8)
    marked[2:8, 2:8] = 255
    for name, film in {"black": marked * 0, "gray": marked * 0 + 90, "marker": marked}.items():
        (root / "A" / f"{name}.png").write_bytes(encode(film, ".png"))

    assert mark(indexed(root), tmp_path / "cache").notes == (
        (
            "3 of 7 films are black or of one gray value: A/black.png, A/gray.png, A/marker.png; look at them, and "
            "remove those that are not films"
        ),
    )


def test_films_that_are_not_alike_are_left_as_they_are(tmp_path, kermany_like) -> None:
    index = indexed(kermany_like)

    assert mark(index, tmp_path) == index


def test_films_of_one_gray_value_are_copies_of_nothing(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 2, "B": 2})
    for value in (0, 90):
        (root / "A" / f"flat{value}.png").write_bytes(encode(np.full((32, 32), value, np.uint8), ".png"))

    assert {film.copy_of for film in mark(indexed(root), tmp_path / "cache").films} == {""}


@pytest.mark.parametrize("count", [3, 4500])
def test_pairs_are_those_that_the_whole_matrix_has(count) -> None:
    values = np.random.default_rng(0).random((count, 1, 8, 8), dtype=np.float32)
    values[-1] = values[0] ** 2
    levels = (values.reshape(count, -1) * 255).round()
    ranks = np.array([[(row < value).sum() + (row == value).sum() / 2 for value in row] for row in levels[[0, 1, -1]]])

    assert list(near_duplicates(values, 0.98)) == [(0, count - 1)]
    assert list(near_duplicates(values, 1.0)) == []
    assert np.corrcoef(ranks)[0, 2] > 0.98 > np.corrcoef(ranks)[0, 1]


def test_films_that_cannot_be_decoded_stop_the_run_or_are_skipped(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 3, "B": 2})
    torn = root / "A" / "1.png"
    torn.write_bytes(torn.read_bytes()[:200])
    index = indexed(root)

    with pytest.raises(TrainingDataError, match=r"1 of 5 files cannot be read .*--skip-unreadable:\n  .*1\.png: "):
        mark(index, tmp_path / "cache")
    kept = mark(index, tmp_path / "cache", skip_unreadable=True)

    assert [film.path.name for film in kept.films] == ["0.png", "2.png", "0.png", "1.png"]
    assert kept.notes == ("skipped 1 films that cannot be decoded",)
    assert kept.dropped[0].startswith("A/1.png: unreadable: ")


def test_a_class_of_which_nothing_can_be_decoded_is_refused(tmp_path) -> None:
    root = write_classes(tmp_path / "films", {"A": 2, "B": 1})
    torn = root / "B" / "0.png"
    torn.write_bytes(torn.read_bytes()[:200])

    with pytest.raises(TrainingDataError, match="class B has no film in the data"):
        mark(indexed(root), tmp_path / "cache", skip_unreadable=True)


@pytest.mark.slow
@pytest.mark.real_data
def test_no_two_real_patients_look_alike_to_the_gate_and_every_repeat_is_byte_for_byte(real_films, tmp_path) -> None:
    index = mark(indexed(real_films / "kermany224"), tmp_path)

    assert {film.copy_of for film in index.films} == {""}
    assert close_leaks(index) == index


@pytest.mark.slow
@pytest.mark.real_data
def test_real_films_of_another_set_are_found_again_in_another_size(real_films, tmp_path) -> None:
    kermany, other = (indexed(real_films / name).films for name in ("kermany224", "cxr4_256"))
    both = [*kermany, *other]
    small = np.concatenate([prepared_films(films, THUMBNAIL, tmp_path) for films in (kermany, other)])

    found = {
        both[second].label for first, second in near_duplicates(small, NEAR_DUPLICATE) if first < len(kermany) <= second
    }
    matched = {second for first, second in near_duplicates(small, NEAR_DUPLICATE) if first < len(kermany) <= second}

    assert found == {"Viral_Pneumonia"}
    assert len(matched) == 500
