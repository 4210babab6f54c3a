"""Rules of `python -m service accept`."""

import stat
from hashlib import sha256

import pytest
import structlog

from bundle.signature import DetachedSignature, parse_trusted_keys
from bundle.signing import make_key
from schemas.acceptance import AcceptanceReport
from schemas.errors import SettingsError
from service.acceptance.labels import read_labels
from service.acceptance.limits import read_limits, recorded_limits
from service.commands.acceptance.accept import AcceptanceTest, accept_command, run_acceptance
from service.commands.acceptance.evidence import evidence_chain, site_key
from service.commands.acceptance.site import site_command
from service.commands.audit import verify_log
from service.commands.local import open_reader
from tests.service.audit.lines import records
from tests.service.bundles import write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.commands.films import write_dicom, write_films

LIMITS = "stated_prevalence: 0.1\nlimits:\n  sensitivity: {at_least: 0.3}\n  missed: {at_most: 0.9}\n"


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    """A folder of films, labels and limits, and a bundle that is not asked what it has never seen."""
    write_tiny_bundle(tmp_path / "models", statistics=False)
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path / "models"))
    write_films(tmp_path / "films")
    (tmp_path / "limits.yaml").write_text(LIMITS)
    yield tmp_path
    structlog.reset_defaults()


def accept(clinic, *options, name="report"):
    return accept_command(
        [
            *(str(clinic / "films"), str(clinic / "labels.csv"), "--limits", str(clinic / "limits.yaml")),
            *("--out", str(clinic / name), *map(str, options)),
        ]
    )


def record_of(clinic, name="report"):
    return AcceptanceReport.model_validate_json((clinic / name / "report.json").read_bytes())


def test_a_site_is_accepted_with_a_signed_report_in_the_chain(clinic, capsys) -> None:
    make_key(clinic / "key")
    status = accept(clinic, "--site", "St Example", "--key", clinic / "key")
    printed = capsys.readouterr().out
    report = record_of(clinic)
    signed = (clinic / "report" / "report.json").read_bytes()
    signature = DetachedSignature.model_validate_json((clinic / "report" / "report.sig").read_bytes())
    keys = parse_trusted_keys((clinic / "key.pub").read_bytes())
    begun, ended = [line for line in records(clinic / "audit.jsonl") if line["event"] == "acceptance"]

    assert status == 0
    assert printed.startswith("accept: 24 films, 12 with PNEUMONIA")
    assert (report.verdict, report.site, report.name) == ("accept", "St Example", "report")
    assert (report.counts.films, report.counts.missing, report.counts.unlabelled) == (24, 0, 0)
    assert [(group.attribute, group.group, group.films) for group in report.subgroups] == [
        ("station", "ROOM 0", 12),
        ("station", "ROOM 1", 12),
    ]
    assert signature.signs(signed, keys[signature.key_id])
    assert (begun["outcome"], begun["content_sha256"]) == ("begun", sha256(LIMITS.encode()).hexdigest())
    assert (ended["outcome"], ended["content_sha256"]) == ("accept", sha256(signed).hexdigest())
    assert begun["content_sha256"] == report.limits.sha256
    verify_log(clinic / "audit.jsonl")


def test_page_pdf_and_pictures_hold_the_verdict_and_no_film(clinic) -> None:
    accept(clinic, "--site", "<b>St & Example</b>")
    folder = clinic / "report"
    page = (folder / "report.html").read_text()

    assert "Accepted" in page
    assert "&lt;b&gt;St &amp; Example&lt;/b&gt;" in page
    assert "<script" not in page
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert {path.name for path in folder.glob("*.svg")} == {plot.file for plot in record_of(clinic).plots}
    for path in folder.iterdir():
        assert b"film0" not in path.read_bytes()
    assert stat.S_IMODE((folder / "films.csv").stat().st_mode) == 0o600


def test_a_missed_limit_rejects_and_few_films_decide_nothing(clinic) -> None:
    (clinic / "limits.yaml").write_text("limits: {specificity: {at_most: 0.5}}")
    rejected = accept(clinic, name="rejected")
    (clinic / "limits.yaml").write_text("limits: {sensitivity: {at_least: 0.95}}")
    open_ = accept(clinic, name="open")

    assert (rejected, record_of(clinic, "rejected").verdict) == (1, "reject")
    assert (open_, record_of(clinic, "open").verdict) == (1, "not_enough")
    assert record_of(clinic, "open").sample_sizes[0].needed > 12


class Spy:
    """A reader of labels that fails unless the limits are on disk and in the chain before it is called."""

    def __init__(self, clinic) -> None:
        self.site = clinic
        self.calls = 0

    def __call__(self, path, finding, negative):
        self.calls += 1
        assert recorded_limits(self.site / "report").sha256 == sha256(LIMITS.encode()).hexdigest()
        begun = records(self.site / "audit.jsonl")[-1]
        assert (begun["event"], begun["outcome"]) == ("acceptance", "begun")
        assert begun["content_sha256"] == sha256((self.site / "report" / "limits.yaml").read_bytes()).hexdigest()
        return read_labels(path, finding, negative)


@pytest.mark.anyio
async def test_the_hash_of_the_limits_is_on_disk_before_a_label_is_read(clinic) -> None:
    spy = Spy(clinic)
    test = AcceptanceTest(
        films=clinic / "films",
        labels=clinic / "labels.csv",
        limits=read_limits(clinic / "limits.yaml"),
        out=clinic / "report",
        name="report",
        site=None,
        finding=None,
        key=None,
    )
    with evidence_chain(clinic / "audit.jsonl") as chain:
        async with open_reader(settings_of(models_dir=clinic / "models")) as reader:
            report = await run_acceptance(test, chain, reader, spy)

    assert spy.calls == 1
    assert report.limits.recorded_at < report.made_at


def test_labels_that_cannot_be_read_leave_the_recorded_limits(clinic, capsys) -> None:
    (clinic / "labels.csv").write_text("rubbish\n1\n")
    status = accept(clinic)
    outcomes = [line["outcome"] for line in records(clinic / "audit.jsonl")]

    assert status == 2
    assert "it needs `film`" in capsys.readouterr().err
    assert recorded_limits(clinic / "report").sha256 == sha256(LIMITS.encode()).hexdigest()
    assert not (clinic / "report" / "report.json").exists()
    assert outcomes == ["begun", "invalid_evidence"]
    assert accept(clinic) == 2  # and the same folder is not used again


def test_films_are_found_by_name_by_folder_and_by_uid_and_headers_give_the_groups(clinic) -> None:
    films = clinic / "films"
    for number in range(6):
        write_dicom(films, f"1.2.{number}", PatientAge="004Y", PatientSex="F", StationName="CR 1", ViewPosition="AP")
    (films / "more").mkdir()
    (films / "film1.png").rename(films / "more" / "film1.png")
    (films / "notes.txt").write_text("no film")
    rows = [f"1.2.{number},1,," for number in range(6)]
    rows += ["film0.png,1,7,M", "more/film1.png,1,,M", "notes.txt,0,,", "gone.png,0,,"]
    (clinic / "labels.csv").write_text("film,PNEUMONIA,age,sex\n" + "\n".join(rows) + "\n")
    accept(clinic)
    report = record_of(clinic)

    assert (report.counts.films, report.counts.unreadable, report.counts.missing) == (8, 1, 1)
    assert report.counts.unlabelled == 22
    assert [(group.attribute, group.group, group.films) for group in report.subgroups if group.attribute == "age"] == [
        ("age", "1 to 5", 6),
        ("age", "not stated", 1),
        ("age", "others", 1),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clinic: (clinic / "labels.csv").write_text("film,PNEUMONIA\ngone.png,1\n"), "nothing is left to judge"),
        (lambda clinic: [path.unlink() for path in (clinic / "films").iterdir()], "holds no films"),
    ],
)
def test_films_and_labels_that_do_not_meet_are_refused(clinic, capsys, change, message) -> None:
    change(clinic)

    assert accept(clinic) == 2
    assert message in capsys.readouterr().err


def test_two_films_of_one_name_must_be_named_by_their_folders(clinic, capsys) -> None:
    for name in ("a", "b"):
        (clinic / "films" / name).mkdir()
        (clinic / "films" / name / "film.png").write_bytes((clinic / "films" / "film0.png").read_bytes())
    (clinic / "labels.csv").write_text("film,PNEUMONIA\nfilm.png,1\n")

    assert accept(clinic) == 2
    assert "name them by their folders" in capsys.readouterr().err


def test_a_film_with_two_labels_is_refused(clinic, capsys) -> None:
    write_dicom(clinic / "films", "1.2.3")
    (clinic / "labels.csv").write_text("film,PNEUMONIA\n1.2.3,1\n1.2.3.dcm,0\n")

    assert accept(clinic) == 2
    assert "two lines of the labels name one film" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--finding", "Effusion"), "the bundle looks for PNEUMONIA"),
        (("--key", "none"), "make a key with `python -m service site keygen`"),
    ],
)
def test_options_that_do_not_fit_are_refused(clinic, capsys, options, message) -> None:
    assert accept(clinic, *options) == 2
    assert message in capsys.readouterr().err
    assert not (clinic / "report").exists()


def test_the_folder_names_the_report(clinic, capsys) -> None:
    assert accept(clinic, name="My Report") == 2
    assert "small letters" in capsys.readouterr().err


def test_a_key_that_others_can_read_signs_nothing(tmp_path) -> None:
    make_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)

    with pytest.raises(SettingsError, match="chmod 600"):
        site_key(tmp_path / "key")


def test_evidence_is_about_one_bundle(clinic, monkeypatch, capsys) -> None:
    write_tiny_bundle(clinic / "models", name="other", current=False, statistics=False)
    monkeypatch.setenv("CXR_MODELS", "tiny,other")

    assert accept(clinic) == 2
    assert "name it in CXR_MODEL" in capsys.readouterr().err


@pytest.mark.parametrize("altered", [None, "report.json", "limits.yaml", "key"])
def test_a_report_is_verified_with_its_limits(clinic, capsys, altered) -> None:
    make_key(clinic / "key")
    make_key(clinic / "other")
    accept(clinic, "--key", clinic / "key")
    if altered in {"report.json", "limits.yaml"}:
        path = clinic / "report" / altered
        path.write_text(path.read_text().replace("0.9", "0.8"))
    keys = clinic / ("other.pub" if altered == "key" else "key.pub")
    capsys.readouterr()
    status = site_command(["verify", str(clinic / "report"), "--keys", str(keys)])
    printed = capsys.readouterr().out

    assert status == (0 if altered is None else 1)
    assert printed.startswith("as it was signed" if altered is None else "not as it was signed: ")


def test_an_unsigned_report_cannot_be_verified(clinic, capsys) -> None:
    make_key(clinic / "key")
    accept(clinic)

    assert site_command(["verify", str(clinic / "report"), "--keys", str(clinic / "key.pub")]) == 2
    assert "does not hold a signed report" in capsys.readouterr().err
    assert site_command(["verify", str(clinic / "report"), "--keys", str(clinic / "none")]) == 2
