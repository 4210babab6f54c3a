"""The report on a set of films: what it counts, what it shows, and what it warns of."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from imaging.phantom import phantom
from tests.films import encode, indexed, write_classes, write_kermany
from tests.findings import FINDINGS, write_findings
from trainer.__main__ import main
from trainer.explore.data_report import DataReport
from trainer.explore.facts import film_facts
from trainer.explore.figures import montage
from trainer.explore.findings import findings


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", "data", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


class Page(HTMLParser):
    """Headings, alternative texts and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.alts: list[str] = []
        self.addresses: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        values = dict(attributes)
        self._in = tag
        self.alts += [values["alt"]] if tag == "img" else []
        self.addresses += [values[name] for name in ("src", "href") if name in values]

    def handle_data(self, data) -> None:
        if self._in in {"h1", "h2", "h3"}:
            self.headings.append(data)
            self._in = ""


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Films whose classes differ in size, with a copy across the splits and a file that is none."""
    root = write_kermany(tmp_path_factory.mktemp("films"), patients=15)
    for path in list(root.glob("*/PNEUMONIA/*")):
        film = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        path.write_bytes(encode(cv2.resize(film, (80, 64))))
    copied = next((root / "train" / "NORMAL").iterdir())
    (root / "test" / "NORMAL" / "IM-9999-0001.jpeg").write_bytes(copied.read_bytes())
    (root / "train" / "NORMAL" / "notes.txt").write_text("no film")
    return root


@pytest.fixture(scope="module")
def written(films, tmp_path_factory) -> tuple[dict, str]:
    out = tmp_path_factory.mktemp("report") / "films.html"
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, str(films), "--out", str(out), "--cache", str(out.parent / "cache"), "--side", "64") == 0
    return json.loads(out.with_suffix(".json").read_text()), out.read_text()


def test_films_patients_sizes_and_files_that_are_none_are_counted(written) -> None:
    record, _ = written

    assert record["counts"] == {"train": {"NORMAL": 30, "PNEUMONIA": 30}, "test": {"NORMAL": 31, "PNEUMONIA": 30}}
    assert record["films"] == 121
    assert record["sizes"] == {"64 x 64": 61, "80 x 64": 60}
    assert record["formats"]["NORMAL"] == {"jpeg, 8 bits": 61}
    assert len(record["dropped"]) == 1
    assert "notes.txt" in record["dropped"][0]


def test_the_terminal_shows_counts_patients_notes_and_what_is_wrong(monkeypatch, capsys, films, tmp_path) -> None:
    assert (
        run(monkeypatch, str(films), "--out", str(tmp_path / "data.html"), "--cache", str(tmp_path), "--side", "32")
        == 0
    )
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]

    assert ["split", "films", "patients", "NORMAL", "PNEUMONIA"] in rows
    assert ["train", "60", "30", "30", "30"] in rows
    assert ["test", "61", "31", "31", "30"] in rows
    assert "- patients are known by names like those of Kermany (121 films)" in printed
    assert "- negative class: NORMAL, by its name" in printed
    assert "- skipped 1 unreadable films" in printed
    assert "    train/NORMAL/notes.txt: unreadable: " in printed
    assert "test/NORMAL/IM-9999-0001.jpeg" in printed


def test_the_terminal_says_that_patients_are_unknown(monkeypatch, capsys, tmp_path) -> None:
    write_classes(tmp_path / "films", {"A [x]": 6, "B": 6})

    assert (
        run(monkeypatch, str(tmp_path / "films"), "--out", str(tmp_path / "data.html"), "--cache", str(tmp_path)) == 0
    )
    printed = capsys.readouterr().out

    assert ["all", "12", "unknown", "6", "6"] in [line.split() for line in printed.splitlines()]
    assert "A [x]" in printed
    assert "- patients unknown: every film counts as its own; leaks of patients cannot be found" in printed
    assert "12 films, patients unknown" in (tmp_path / "data.html").read_text()


def test_copies_across_the_splits_are_leaks(written) -> None:
    record, page = written

    assert record["leak_count"] >= 1
    assert any("IM-9999-0001.jpeg" in leak for leak in record["leaks"])
    assert record["exact_copies"] == 2
    assert "leaks between the splits" in page


def test_a_size_that_gives_the_class_away_alarms(written) -> None:
    record, page = written
    probes = {(probe["separates"], probe["name"]): probe for probe in record["probes"]}

    assert probes["the classes", "size"]["alarm"]
    assert probes["the classes", "size"]["auroc"]["value"] > 0.9
    assert probes["the classes", "file type"]["auroc"] is None
    assert ("test films from the others", "size") in probes
    assert "Facts that show no lung separate the classes: " in page


def test_the_page_needs_no_other_file_and_every_picture_has_a_text(written) -> None:
    page = Page(written[1])

    assert {"What stands out", "Films", "A look at each class", "NORMAL", "PNEUMONIA"} <= set(page.headings)
    assert all(page.alts)
    assert len(page.alts) >= 6
    assert all(address.startswith(("data:", "#")) for address in page.addresses)


def test_a_folder_without_films_is_one_line(monkeypatch, capsys, tmp_path) -> None:
    assert run(monkeypatch, str(tmp_path / "absent")) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_facts_are_those_of_the_files(tmp_path) -> None:
    for label, gray in (("a", 51), ("b", 204)):
        film = np.full((64, 96), gray, np.uint8)
        film[8:-8, 8:-8] = 255 - gray
        (tmp_path / label).mkdir()
        (tmp_path / label / "film.png").write_bytes(encode(film, ".png"))
    index = indexed(tmp_path, cache=tmp_path / "cache")
    dark, bright = film_facts(index.films)

    assert (dark.rows, dark.columns, dark.format, dark.bits, dark.color) == (64, 96, "png", 8, False)
    assert dark.border == pytest.approx(0.2, abs=1e-6)  # the frame is 4 pixels wide, within the 8 of gray 51
    assert bright.border == pytest.approx(0.8, abs=1e-6)
    inner = 48 * 80 / (64 * 96)
    assert dark.mean == pytest.approx(0.2 * (1 - inner) + 0.8 * inner, abs=0.005)
    assert dark.contrast == pytest.approx(0.6 * (inner * (1 - inner)) ** 0.5, abs=0.005)


def test_a_montage_has_the_films_side_by_side() -> None:
    drawn = np.stack([phantom(32, 32, seed=seed) for seed in range(5)])[:, None].astype(np.float32) / np.float32(255)
    sheet = cv2.imdecode(np.frombuffer(montage(drawn, 3), np.uint8), cv2.IMREAD_GRAYSCALE)

    assert sheet.shape == (2 * 36 - 4, 3 * 36 - 4)
    np.testing.assert_array_equal(sheet[:32, :32], (drawn[0, 0] * 255).round())
    np.testing.assert_array_equal(sheet[36:68, 36:68], (drawn[4, 0] * 255).round())
    assert (sheet[36:, 72:] == 255).all()


def test_classes_of_one_size_are_called_so(written) -> None:
    equal = {"train": {"NORMAL": 5, "PNEUMONIA": 3}, "test": {"NORMAL": 1, "PNEUMONIA": 3}}
    report = DataReport.model_validate(written[0])

    assert findings(report)[2] == "NORMAL has 1.0 times as many films as PNEUMONIA."
    assert findings(report.model_copy(update={"counts": equal}))[2] == "Every class has as many films as any other."


def test_films_with_several_findings_count_for_each_and_each_is_probed_where_it_is_known(tmp_path, monkeypatch) -> None:
    table = write_findings(tmp_path / "data", films=80)
    text = table.read_text(encoding="utf-8").splitlines()
    rows = [line.rsplit(",", 2)[1:] for line in text[1:]]

    options = ("--findings", "Stripes,Bars")
    assert run(monkeypatch, str(table), *options, "--out", str(tmp_path / "page.html"), "--cache", str(tmp_path)) == 0
    report = DataReport.model_validate_json((tmp_path / "page.json").read_text())

    assert report.counts == {"all": {name: sum(row[k] == "1" for row in rows) for k, name in enumerate(FINDINGS)}}
    assert report.films == report.films_of("all")
    assert {probe.separates for probe in report.probes} == {
        f"films with {name} from films without" for name in FINDINGS
    }
