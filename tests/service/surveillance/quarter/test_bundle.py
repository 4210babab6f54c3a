"""A quarter's bundle: every number is derived again, by other code, from the audit log and the ledger."""

import csv
import json
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from service.commands.every import COMMANDS
from tests.service.bundles import write_tiny_bundle
from tests.service.dicomweb.films import uid
from tests.service.surveillance.site import REASON, read, recorded, say, write_all_keys, write_limits

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC).date()
BRIGHT = [f"bright {number}" for number in range(5)]
DARK = [f"dark {number}" for number in range(3)]
UNSEEN = ["unseen 0", "unseen 1"]


@pytest.fixture
def quarterly(monkeypatch, tmp_path, spool_url, log, capsys):
    """Run the command; returns its status and what it says is wrong."""

    def run(models_dir, out="quarter", first=TODAY - timedelta(days=1), last=TODAY + timedelta(days=1)):
        settings = {"DICOMWEB": "true", "SPOOL_URL": spool_url, "AUDIT_FILE": log, "MODELS_DIR": models_dir}
        for name, value in settings.items():
            monkeypatch.setenv(f"CXR_{name}", str(value))
        status = COMMANDS["quarterly"](["--from", str(first), "--to", str(last), "--out", str(tmp_path / out)])
        return status, capsys.readouterr().err

    return run


async def a_quarter(serve_dicomweb, tmp_path, log, models_dir, quarterly):
    """Films, verdicts, a stop and its end, and a new version; the bundle is written beside the running service."""
    write_tiny_bundle(models_dir)
    keys, quality, _ = write_all_keys(tmp_path)
    site = {"models_dir": models_dir, "audit_file": log, "stop_limits": write_limits(tmp_path), "api_keys_file": keys}
    async with serve_dicomweb(**site) as client:
        client.headers.update(quality)
        patient = {"PatientName": "Miller^Anne", "AccessionNumber": "A-4711", "PatientAge": "071Y"}
        await read(client, *BRIGHT, StationName="ROOM 3", ManufacturerModelName="DX-9", **patient)
        await read(client, *DARK, gray=60, StationName="ROOM 4", ManufacturerModelName="=HYPERLINK", ViewPosition="AP")
        await say(client, DARK[0])
        await say(client, DARK[1], "modify", corrected={"PNEUMONIA": "present"})
        await say(client, BRIGHT[0])
        for name in BRIGHT[1:]:
            await say(client, name, "reject")
        await say(client, BRIGHT[1], "accept")
        await read(client, *UNSEEN)
        lifted = await client.post("/monitoring/resume", json={"reason": REASON})
        assert lifted.status_code == 200, lifted.text
        await client.post("/dicomweb/studies", content=b"no films", headers={"Content-Type": "text/plain"})
        write_tiny_bundle(models_dir, version="1.1.0", current=False)
        swapped = await client.post("/models/tiny/1.1.0/activate")
        assert swapped.status_code == 200, swapped.text
        await read(client, "later")
        assert quarterly(models_dir) == (0, "")


@pytest.mark.slow
async def test_every_figure_is_derived_again_from_the_chain_and_the_ledger(
    serve_dicomweb, tmp_path, log, spool_url, quarterly
) -> None:
    await a_quarter(serve_dicomweb, tmp_path, log, tmp_path / "models", quarterly)
    quarter = json.loads((tmp_path / "quarter/quarterly.json").read_text())
    lines = recorded(log)

    films = [line for line in lines if line["event"] == "analysed" and line["outcome"] == "ok"]
    given = {line["film_sha256"]: (line.get("withheld") or {"": line["decision"]}) for line in films}
    decisions = {film: next(iter(each.values())) for film, each in given.items()}
    of_bundle = Counter((line["model_sha256"], decisions[line["film_sha256"]]) for line in films)
    for bundle in quarter["bundles"]:
        counted = {name: of_bundle[bundle["sha256"], name] for name in ("positive", "negative")}
        assert counted == {name: bundle[name] for name in counted}
        assert bundle["abstained"] == of_bundle[bundle["sha256"], "abstain"]
        assert bundle["withheld"] == sum(
            "withheld" in line for line in films if line["model_sha256"] == bundle["sha256"]
        )
    assert sum(bundle["films"] for bundle in quarter["bundles"]) == len(films) == 11
    assert [bundle["bundle"] for bundle in quarter["bundles"]] == ["tiny/1.0.0", "tiny/1.1.0"]

    verdicts = [line for line in lines if line["event"] == "verdict"]
    assert {(each["source"], each["verdict"]): each["count"] for each in quarter["verdicts"]} == Counter(
        (line["source"], line["verdict"]) for line in verdicts
    )
    truths = {line["film_sha256"]: line["truth"] for line in verdicts}
    pairs = Counter((decisions[film], truth["PNEUMONIA"]) for film, truth in truths.items() if truth)
    (finding,) = quarter["findings"]
    assert (
        finding["true_positive"],
        finding["false_positive"],
        finding["true_negative"],
        finding["false_negative"],
    ) == (
        pairs["positive", "present"],
        pairs["positive", "absent"],
        pairs["negative", "absent"],
        pairs["negative", "present"],
    )
    assert pairs["positive", "absent"] == 3
    assert finding["specificity"]["value"] == pairs["negative", "absent"] / (
        pairs["negative", "absent"] + pairs["positive", "absent"]
    )

    (stop,) = quarter["suspensions"]
    (suspended,), (lifted,) = ([line for line in lines if line["event"] == name] for name in ("suspended", "lifted"))
    assert (stop["reason"], stop["lifted_because"], stop["lifted_by"]) == (
        suspended["reason"],
        REASON,
        lifted["caller"],
    )
    kinds = Counter(change["kind"] for change in quarter["changes"])
    assert kinds == {"software": 1, "bundle": 2, "limits": 1, "suspended": 1, "lifted": 1, "action": 1}
    swap = [change for change in quarter["changes"] if change["kind"] == "bundle"][-1]
    assert (swap["before"], swap["after"]) == ("tiny/1.0.0", "tiny/1.1.0")
    assert quarter["chain"]["records"] <= len(lines)
    assert quarter["software"] == [lines[0]["software"]]

    with sqlite3.connect(spool_url.removeprefix("sqlite:///")) as connection:
        stations = dict(
            connection.execute("SELECT station || ' / ' || device, count(*) FROM surveillance_readings GROUP BY 1")
        )
    found = {each["value"]: each["films"] for each in quarter["groups"] if each["trait"] == "station and device"}
    assert {name.replace("not stated", ""): films for name, films in found.items()} == {
        name.strip() if name != " / " else " / ": films for name, films in stations.items()
    }


@pytest.mark.slow
async def test_nobody_can_be_told_by_what_is_written(serve_dicomweb, tmp_path, log, quarterly) -> None:
    await a_quarter(serve_dicomweb, tmp_path, log, tmp_path / "models", quarterly)
    folder = tmp_path / "quarter"
    written = "".join(path.read_text() for path in folder.iterdir())
    rows = list(csv.DictReader((folder / "assess_ai.csv").read_text().splitlines()))
    digests = {line["film_sha256"] for line in recorded(log) if line.get("film_sha256")}

    assert {path.name for path in folder.iterdir()} == {
        "quarterly.json",
        "quarterly.md",
        "assess_ai.csv",
        "changes.csv",
        "incidents.csv",
    }
    for secret in ("Miller", "A-4711", uid(BRIGHT[0]), "1.2.826.0.1.3680043", *digests):
        assert secret not in written
    assert len(rows) == 11
    assert {row["exam_month"] for row in rows} <= {f"{TODAY + timedelta(days=days):%Y-%m}" for days in (-1, 0, 1)}
    assert {row["manufacturer_model"] for row in rows} == {"DX-9", "other"}
    concordance = Counter((row["ai_result"], row["reference_result"], row["concordance"]) for row in rows)
    assert concordance["positive", "absent", "discordant"] == 3
    assert concordance["negative", "absent", "concordant"] == 1


async def test_a_period_without_films_is_empty_and_a_folder_is_not_written_over(
    serve_dicomweb, tiny_models, tmp_path, log, quarterly
) -> None:
    async with serve_dicomweb(audit_file=log) as client:
        await read(client, "film")
    long_ago = TODAY - timedelta(days=90)

    assert quarterly(tiny_models, first=long_ago, last=long_ago) == (0, "")
    quarter = json.loads((tmp_path / "quarter/quarterly.json").read_text())
    assert (quarter["bundles"], quarter["findings"], quarter["chain"]["first"]) == ([], [], None)
    assert "holds files already" in quarterly(tiny_models)[1]
    assert quarterly(tiny_models, out="other", first=TODAY, last=long_ago)[0] == 2


async def test_nothing_is_written_from_a_log_that_was_altered(
    serve_dicomweb, tiny_models, tmp_path, log, quarterly
) -> None:
    async with serve_dicomweb(audit_file=log) as client:
        await read(client, "film")
    log.write_bytes(log.read_bytes().replace(b'"decision":"positive"', b'"decision":"negative"'))

    status, words = quarterly(tiny_models)
    assert status == 1
    assert "the audit log is broken" in words
    assert not (tmp_path / "quarter").exists()


def test_without_a_spool_there_is_nothing_to_write(tiny_models, quarterly, log) -> None:
    log.write_bytes(b"")

    status, words = quarterly(tiny_models)
    assert status == 2
    assert "CXR_SPOOL_URL names no database that can be read" in words
