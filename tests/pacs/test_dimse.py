"""Films and results by DIMSE alone, with dcmtk and Debian's Orthanc as the other side."""

import shutil
import signal
import subprocess

import pytest

from tests.pacs.orthanc import EVERY_OBJECT, Orthanc, free_port, orthanc_program
from tests.service.companion import Companion, receiver_for
from tests.service.dicomweb.films import film, uid
from tests.service.dimse.certificates import Authority
from tests.service.server import ROOT, Server
from tests.waiting import wait_until

PROGRAMS = ("echoscu", "storescu", "dcmsend", "storescp")

pytestmark = [
    pytest.mark.process,
    pytest.mark.pacs,
    pytest.mark.long,
    pytest.mark.skipif(
        orthanc_program() is None or not all(map(shutil.which, PROGRAMS)),
        reason="Debian's orthanc and dcmtk are not installed",
    ),
]


class Ward:
    """The service, the process that receives, and folders of films."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.ended = []
        self.service: Server
        self.receiver: Companion

    def start(self, pacs, service=None, **receiver) -> None:
        self.service = Server(
            ROOT / "models",
            dicomweb="true",
            spool_url=f"sqlite:///{self.folder}/spool/spool.db",
            pacs_dimse=pacs,
            **({"delivery": EVERY_OBJECT} | (service or {})),
        )
        self.receiver = receiver_for(self.service, **receiver)
        self.ended += [self.receiver, self.service]

    def film(self, name):
        path = self.folder / f"{name}.dcm"
        path.write_bytes(film(name, PatientID=name))
        return path

    def delivered(self, *names) -> None:
        def states():
            listed = self.service.client.get("/results").json()["results"]
            return {entry["sop_instance_uid"]: entry["state"] for entry in listed}

        wait_until(lambda: states() == {uid(name): "delivered" for name in names}, "delivered", timeout_s=120)

    def end(self) -> None:
        for process in self.ended:
            process.end()


@pytest.fixture
def ward(tmp_path):
    started = Ward(tmp_path)
    yield started
    started.end()


def run(*arguments, check=True):
    return subprocess.run([str(word) for word in arguments], check=check, timeout=60, capture_output=True, text=True)


@pytest.mark.clause("PS3.4 B", "dcmtk echoes, sends films, receives results; a title that may not call is rejected")
def test_dcmtk_echoes_and_sends_and_receives_the_results(ward) -> None:
    port = free_port()
    inbox = ward.folder / "inbox"
    inbox.mkdir()
    archive = subprocess.Popen(["storescp", "-aet", "STORESCP", "-od", inbox, str(port)])
    try:
        ward.start(f"STORESCP@127.0.0.1:{port}", dimse_calling_titles="ECHOSCU,STORESCU,DCMSEND")
        to = ("-aec", "CXR", "127.0.0.1", ward.receiver.port)
        run("echoscu", *to)
        run("storescu", *to, ward.film("a"))
        run("dcmsend", *to, ward.film("b"), ward.film("c"))
        run("storescu", *to, ward.film("a"))
        refused = run("echoscu", "-aet", "STRANGER", *to, check=False)
        ward.delivered("a", "b", "c")
    finally:
        archive.send_signal(signal.SIGTERM)
        archive.wait(30)

    assert refused.returncode != 0
    assert "Calling AE Title Not Recognized" in refused.stderr
    assert len(list(inbox.iterdir())) == 9


@pytest.mark.clause("PS3.15 B.12", "dcmtk sends over mutual TLS, and not without a certificate")
def test_dcmtk_sends_over_mutual_tls_and_not_without_a_certificate(ward) -> None:
    if "+tls" not in run("storescu", "--help").stdout:
        pytest.skip("this dcmtk was built without TLS")
    authority = Authority(ward.folder)
    certificate, key = authority.vouch("service")
    ward.start(
        "NOBODY@127.0.0.1:9",
        dimse_tls_cert_file=certificate,
        dimse_tls_key_file=key,
        dimse_tls_ca_file=authority.file,
    )
    to = ("-aec", "CXR", "127.0.0.1", ward.receiver.port)
    own = ("+tls", *reversed(authority.vouch("modality")), "+cf", authority.file)
    run("storescu", *own, *to, ward.film("a"))
    without = run("echoscu", "+tla", "+cf", authority.file, *to, check=False)
    plain = run("echoscu", *to, check=False)

    assert without.returncode != 0
    assert plain.returncode != 0
    assert ward.service.client.get(f"/results/{uid('a')}").status_code == 200


@pytest.mark.clause("PS3.4 J", "Orthanc forwards films and commits to their results")
def test_orthanc_forwards_films_and_commits_to_their_results(ward) -> None:
    orthanc = Orthanc(ward.folder, "http://127.0.0.1:9/")
    try:
        pacs = f"ORTHANC@127.0.0.1:{orthanc.dicom_port}"
        ward.start(pacs, {"pacs_commit": "true"}, dimse_calling_titles="ORTHANC")
        modality = {
            "AET": "CXR",
            "Host": "127.0.0.1",
            "Port": ward.receiver.port,
            "AllowStorageCommitment": True,
        }
        orthanc.client.put("/modalities/cxr", json=modality).raise_for_status()
        orthanc.receive(ward.film("a"))
        (instance,) = orthanc.client.get("/instances").json()
        for _ in range(2):
            orthanc.client.post("/modalities/cxr/store", content=instance, timeout=60).raise_for_status()
        ward.delivered("a")
        modalities = orthanc.modalities()
        attempts = ward.service.client.get(f"/results/{uid('a')}").json()["attempts"]
    finally:
        orthanc.end()

    assert modalities == ["CR", "OT", "PR", "SR"]
    assert attempts <= 2
