"""An index of films has an identity, a negative class and a place for every film."""

import pytest

from tests.films import indexed, write_classes
from trainer.films.film import Film, data_sha256


@pytest.mark.parametrize(
    ("classes", "negative"),
    [
        (("COVID", "Normal", "TB"), "Normal"),
        (("No Finding", "TB"), "No Finding"),
        (("healthy", "sick"), "healthy"),
        (("COVID", "TB"), None),
        (("healthy", "normal"), None),
    ],
)
def test_the_negative_class_is_found_by_its_name_and_only_where_it_is_single(tmp_path, classes, negative) -> None:
    assert indexed(write_classes(tmp_path, dict.fromkeys(classes, 1))).negative_class == negative


def test_the_data_hash_depends_on_content_and_labels_but_not_on_names_or_order(tmp_path) -> None:
    here, there = (write_classes(tmp_path / name, {"A": 2, "B": 2}) for name in ("here", "there"))
    (there / "A" / "0.png").rename(there / "A" / "9.png")
    films = indexed(here).films
    relabelled = [Film(film.path, "B", film.patient, film.split, film.sha256) for film in films]

    assert indexed(here).data_sha256 == indexed(there).data_sha256
    assert data_sha256(reversed(films)) == data_sha256(films)
    assert data_sha256(relabelled) != data_sha256(films)
    assert data_sha256(films[:-1]) != data_sha256(films)
