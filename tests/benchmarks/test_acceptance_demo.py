"""The demonstration's sites: their films are written once each, and their commands are those of a user."""

import csv

import pytest

from benchmarks.acceptance_demo.sites import OF_A_KIND, Sites
from imaging.decode import decode
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from trainer.films.film import Film


@pytest.fixture
def films(tmp_path):
    found = []
    for number in range(2 * OF_A_KIND):
        for label, gray in (("PNEUMONIA", 200), ("NORMAL", 60)):
            path = tmp_path / f"{label}{number}.png"
            path.write_bytes(flat_film(gray, rows=16 + number % 9, columns=16 + number // 9))
            found.append(Film(path, label, path.name, "val", sha256=path.name))
    return found


@pytest.mark.process
def test_a_site_accepts_what_it_demands_and_chooses_its_own_operating_point(films, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models", statistics=False)
    (tmp_path / "demo").mkdir()
    sites = Sites(tmp_path / "demo", tmp_path / "models", "PNEUMONIA")
    sites.prepare(films)
    step, report = sites.accept("site-a", "site-a-report")
    chosen = sites.choose()
    _, own = sites.accept("site-a", "own-report", own=True)

    assert report.verdict == "accept", step.outcome
    assert (report.counts.films, report.counts.with_finding) == (200, 100)
    assert (step.page.name, report.profile) == ("report.html", None)
    assert "at most 10.0% missed" in chosen.outcome
    assert own.profile.site == "site-b"


@pytest.mark.process
def test_the_films_of_site_b_have_more_contrast_and_none_is_in_two_roles(films, tmp_path) -> None:
    (tmp_path / "demo").mkdir()
    Sites(tmp_path / "demo", tmp_path, "PNEUMONIA").prepare(films)
    labels = {
        site: list(csv.DictReader((tmp_path / "demo" / site / "labels.csv").read_text().splitlines()))
        for site in ("site-a", "site-b", "site-b-labelled-before")
    }
    pixels = [decode((tmp_path / "demo" / site / "films" / "000.png").read_bytes()).pixels for site in labels]

    assert [len(rows) for rows in labels.values()] == [200, 200, 200]
    assert labels["site-a"] == labels["site-b"]
    assert pixels[0].shape == pixels[1].shape
    assert pixels[1].std() >= pixels[0].std()
