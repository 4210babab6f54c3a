"""Rules of the collection of requests: it is what the code says, and every request of it works."""

import io
import json
import re
import zipfile

import httpx2
import pytest

from docs.make_collection import VARIABLES, collection
from service.app import create_app
from service.commands.keys import keys_command
from service.settings import Settings
from tests.docs.pages import ROOT
from tests.service.acceptance.records import report, write_report
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, stow, uid
from tests.service.server import Server
from tests.waiting import wait_until

COMMITTED = ROOT / "docs/collections/cxr.postman_collection.json"
FILMS = {
    "film.jpeg": flat_film(200, extension=".jpeg"),
    "film.dcm": film(),
    "verdicts.csv": f"sop_instance_uid,verdict\n{uid('film')},accept\n".encode(),
}
WITHOUT_PACS = {"Read many films while nothing else is to be done": 422}
"""Requests that need a PACS first, and what they answer without it."""
OF_ANOTHER_VERSION = dict.fromkeys(
    (
        "What a version of a bundle takes and gives",
        "Whether a version of a bundle answers",
        "Read radiographs with a version of a bundle",
    ),
    404,
)
"""Requests for the version that does not serve."""
WITHOUT_MISFORTUNE = (
    WITHOUT_PACS
    | OF_ANOTHER_VERSION
    | {"Try a dead letter again": 404, "Lift the suspension": 404}
    | dict.fromkeys(
        ("The bundle that reads along, compared with the one that serves", "Let the bundle that reads along serve"), 404
    )
)
"""Requests that need a failure first, and what they answer without it."""


def requests(folder):
    for item in folder["item"]:
        yield from requests(item) if "item" in item else [item]


@pytest.fixture
def server(tmp_path, capsys):
    """A server with two bundles, the spool, and a key for everything; a film has come by DICOMweb."""
    for version in ("1.1.0", "1.0.0"):
        write_tiny_bundle(tmp_path / "models", version=version)
    scopes = [
        word
        for scope in ("predict", "dicom", "verdict", "trial", "metrics", "read", "admin")
        for word in ("--scope", scope)
    ]
    keys_command(["add", "--name", "tester", *scopes, "--file", str(tmp_path / "keys.json")])
    spool = f"sqlite:///{tmp_path}/spool.db"
    write_report(tmp_path / "evidence", report("site-a"))
    running = Server(
        tmp_path / "models",
        dicomweb=True,
        spool_url=spool,
        api_keys_file=tmp_path / "keys.json",
        evidence_dir=tmp_path / "evidence",
    )
    running.client.headers["X-API-Key"] = capsys.readouterr().out.strip()
    running.client.post("/dicomweb/studies", **stow(FILMS["film.dcm"])).raise_for_status()
    job = running.client.post("/jobs", content=archive(FILMS["film.dcm"]), headers={"Content-Type": "application/zip"})
    running.job = job.raise_for_status().json()["id"]  # type: ignore[attr-defined] # for the requests
    address = f"/results/{uid('film')}/fhir"
    wait_until(lambda: running.client.get(address).status_code == httpx2.codes.OK, "the film is analysed")
    yield running
    running.end()


def archive(content):
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as members:
        members.writestr("film.dcm", content)
    return written.getvalue()


def sent(item, server):
    """Send one request as Postman would."""
    request = item["request"]
    values = {"base_url": server.address, "name": "tiny", "version": "1.1.0"}
    values |= {"sop_instance_uid": uid("film"), "report": "site-a", "picture": "figures.svg"}
    values |= {"job": server.job}
    assert values.keys() | {"api_key"} == VARIABLES.keys()
    url = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], request["url"]["raw"])
    headers = {header["key"]: header["value"] for header in request["header"]}
    body = request.get("body", {"mode": "none"})
    content = FILMS[body["file"]["src"]] if body["mode"] == "file" else body.get("raw")
    files = [(part["key"], (part["src"], FILMS[part["src"]])) for part in body.get("formdata", [])] or None
    return server.client.request(request["method"], url, headers=headers, content=content, files=files)


def test_the_committed_collection_is_what_the_code_says() -> None:
    assert COMMITTED.read_text() == collection() + "\n", "run `make reference`"


def test_every_address_is_in_the_collection_except_what_only_a_router_sends() -> None:
    items = requests(json.loads(collection()))
    addresses = {re.sub(r"\{\{(\w+)\}\}", r"{\1}", item["request"]["url"]["raw"]) for item in items}
    paths = create_app(Settings()).api.openapi()["paths"]

    assert {"{base_url}" + path for path in paths if not path.startswith("/dicomweb")} == addresses


def test_every_request_of_the_collection_is_answered(server) -> None:
    items = list(requests(json.loads(collection())))
    last = ("/withdraw", "/drain")  # after the one a film has no results, after the other nothing is answered
    items.sort(key=lambda item: item["request"]["url"]["raw"].endswith(last) + item["name"].startswith("Stop"))
    answers = {item["name"]: sent(item, server) for item in items}
    unlike = {
        name: (answer.status_code, answer.text)
        for name, answer in answers.items()
        if answer.status_code != WITHOUT_MISFORTUNE.get(name, answer.status_code if answer.is_success else None)
    }

    assert len(answers) == len(items) > 15
    assert unlike == {}
    assert any(answer.content.startswith(b"\x89PNG") for answer in answers.values())
