"""Results to a PACS and to a second archive, both Debian's Orthanc: by DICOMweb and by C-STORE, killed in between."""

import signal

import pytest
import yaml

from tests.pacs.orthanc import EVERY_OBJECT, PLUGINS, Orthanc, orthanc_program
from tests.service.dicomweb.films import film, stow, uid
from tests.service.server import ROOT, Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.pacs,
    pytest.mark.long,
    pytest.mark.skipif(
        orthanc_program() is None or not (PLUGINS / "libOrthancDicomWeb.so").exists(),
        reason="Debian's orthanc and orthanc-dicomweb are not installed",
    ),
]

NAMES = ("first", "second")
RESULTS = ["OT", "PR", "SR"] * len(NAMES)


@pytest.fixture
def archives(tmp_path):
    """The PACS, and a second archive."""
    started = []
    for name in ("pacs", "second"):
        folder = tmp_path / name
        folder.mkdir()
        started.append(Orthanc(folder, "http://127.0.0.1:9/dicomweb/"))
    yield started
    for archive in started:
        archive.end()


@pytest.fixture
def start(archives, tmp_path):
    pacs, second = archives
    rows = [
        {"name": "web", "kind": "dicomweb", "url": second.dicomweb_url},
        {"name": "c-store", "kind": "dimse", "peer": f"ORTHANC@127.0.0.1:{second.dicom_port}"},
    ]
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump({"destinations": rows}))
    settings = {"dicomweb": "true", "spool_url": f"sqlite:///{tmp_path}/spool/spool.db", "delivery": EVERY_OBJECT}
    servers = []

    def started():
        servers.append(Server(ROOT / "models", pacs_url=pacs.dicomweb_url, destinations=file, **settings))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def states(server):
    found = []
    for name in NAMES:
        result = server.client.get(f"/results/{uid(name)}").json()
        found.append([result["state"], *(each["state"] for each in result["destinations"])])
    return found


def all_are(server, *expected):
    return states(server) == [list(expected)] * len(NAMES)


def test_both_archives_have_each_result_once_though_one_was_down_and_the_service_was_killed(archives, start) -> None:
    pacs, second = archives
    second.stop()
    server = start()
    answer = server.client.post("/dicomweb/studies", **stow(*map(film, NAMES)))
    assert answer.status_code == 200, answer.text
    wait_until(lambda: all_are(server, "delivered", "waiting", "waiting"), "the PACS is served", timeout_s=120)
    assert pacs.modalities() == sorted(RESULTS)
    server.process.send_signal(signal.SIGKILL)
    server.wait()
    server.client.close()
    second.start()
    modality = {"AET": "CXR", "Host": "127.0.0.1", "Port": 104}  # Orthanc answers no search of a stranger
    second.client.put("/modalities/cxr", json=modality).raise_for_status()
    again = start()
    wait_until(lambda: all_are(again, "delivered", "delivered", "delivered"), "both are served", timeout_s=120)

    assert second.modalities() == sorted(RESULTS)
    assert pacs.modalities() == sorted(RESULTS)
