"""Films are prepared once, exactly as the service prepares them, and a cache file is whole or absent."""

import resource
from dataclasses import replace

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless

from imaging.decode import decode
from imaging.phantom import phantom
from imaging.preprocess import prepare
from schemas.errors import TrainingDataError
from schemas.preprocess import ClaheSpec, PreprocessSpec
from tests.films import encode, indexed
from tests.imaging.compressed import compressed_film
from tests.imaging.files import dicom_bytes, dicom_dataset
from trainer.films.cache import prepared_films

SPEC = PreprocessSpec(size=32)


def test_the_cache_holds_what_the_service_would_feed_in_the_order_of_the_films(tmp_path, kermany_like) -> None:
    films = indexed(kermany_like).films[::-7]

    prepared = prepared_films(films, SPEC, tmp_path)

    assert prepared.dtype == np.float32
    assert prepared.shape == (len(films), 1, 32, 32)
    for row, film in zip(prepared, films, strict=True):
        assert np.array_equal(row, prepare(decode(film.path.read_bytes(), min_side=32), SPEC))


def test_a_large_jpeg_is_decoded_at_the_size_at_which_the_service_decodes_it(tmp_path) -> None:
    for label in "AB":
        (tmp_path / label).mkdir()
        (tmp_path / label / "film.jpeg").write_bytes(encode(phantom(300, 280, seed=ord(label))))
    films = indexed(tmp_path).films
    data = films[0].path.read_bytes()

    prepared = prepared_films(films, SPEC, tmp_path / "cache")

    assert np.array_equal(prepared[0], prepare(decode(data, min_side=32), SPEC))
    assert not np.array_equal(prepared[0], prepare(decode(data), SPEC))


@pytest.mark.process
def test_a_compressed_dicom_film_is_trained_on_as_the_same_film_uncompressed(tmp_path) -> None:
    film = phantom(64, 48, seed=3)
    for label, data in (
        ("A", compressed_film(film, JPEGLSLossless)),
        ("B", dicom_bytes(dicom_dataset(film))),
    ):
        (tmp_path / label).mkdir()
        (tmp_path / label / "film.dcm").write_bytes(data)

    compressed, plain = prepared_films(indexed(tmp_path).films, SPEC, tmp_path / "cache")

    assert np.array_equal(compressed, plain)


def test_the_second_time_no_film_is_read(tmp_path, kermany_like) -> None:
    films = indexed(kermany_like).films[:3]
    seen = []

    first = prepared_films(films, SPEC, tmp_path, progress=lambda done, total: seen.append((done, total)))
    moved = [replace(film, path=tmp_path / "gone" / film.path.name) for film in films]
    second = prepared_films(moved, SPEC, tmp_path, progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert np.array_equal(first, second)


def test_nothing_can_be_written_through_the_map(tmp_path, kermany_like) -> None:
    prepared = prepared_films(indexed(kermany_like).films[:1], SPEC, tmp_path)

    with pytest.raises(ValueError, match="read-only"):
        prepared[0] = 0


@pytest.mark.parametrize(
    "spec", [PreprocessSpec(size=48), PreprocessSpec(size=32, resize="pad"), PreprocessSpec(size=32, clahe=ClaheSpec())]
)
def test_another_spec_is_another_cache_file(tmp_path, kermany_like, spec) -> None:
    films = indexed(kermany_like).films[:1]

    prepared_films(films, SPEC, tmp_path)
    prepared_films(films, spec, tmp_path)

    assert len(list(tmp_path.iterdir())) == 2


def test_other_films_or_another_order_are_another_cache_file(tmp_path, kermany_like) -> None:
    films = indexed(kermany_like).films[:3]

    for chosen in (films, films[:2], films[::-1]):
        prepared_films(chosen, SPEC, tmp_path)

    assert len(list(tmp_path.iterdir())) == 3


def test_films_that_cannot_be_decoded_are_named_and_leave_no_cache(tmp_path, kermany_like) -> None:
    films = list(indexed(kermany_like).films[:3])
    torn = tmp_path / "torn.jpeg"
    torn.write_bytes(films[1].path.read_bytes()[:200])
    films[1] = replace(films[1], path=torn)

    with pytest.raises(TrainingDataError, match=r"1 of 3 files cannot be read .*\n  .*torn\.jpeg: "):
        prepared_films(films, SPEC, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_a_film_whose_bytes_are_not_those_of_the_index_is_named_and_not_cached_under_their_hash(
    tmp_path, kermany_like
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    films = []
    for film in indexed(kermany_like).films[:3]:
        path = folder / film.path.name
        path.write_bytes(film.path.read_bytes())
        films.append(replace(film, path=path))
    films[1].path.write_bytes(encode(phantom(64, 64, seed=99)))

    with pytest.raises(TrainingDataError, match=rf"1 of 3 films .*put .* back.*\n  {films[1].path.name}$") as caught:
        prepared_films(films, SPEC, tmp_path / "cache")

    assert not caught.value.unreadable  # --skip-unreadable does not hide it
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_disk_that_is_too_small_is_known_before_anything_is_decoded(tmp_path, kermany_like) -> None:
    seen = []
    films = indexed(kermany_like).films[:1] * 300_000

    with pytest.raises(TrainingDataError, match=r"cannot hold 300000 prepared films, 1258\.29 GB \(No space left"):
        prepared_films(films, PreprocessSpec(size=1024), tmp_path, progress=lambda *_: seen.append(1))

    assert seen == []
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_half_way_leaves_no_cache(tmp_path, kermany_like) -> None:
    films = indexed(kermany_like).films[:8]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(TrainingDataError, match=r"cannot hold 8 prepared films.*\(File too large\)"):
            prepared_films(films, SPEC, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path, kermany_like) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(TrainingDataError, match=r"file/cache cannot hold .*\(Not a directory\)"):
        prepared_films(indexed(kermany_like).films[:1], SPEC, tmp_path / "file" / "cache")
