"""A film goes to a PACS by C-STORE, from there to the service, and its results come back: nothing lost, nothing
twice."""

import os
import shutil
import signal
import time
from pathlib import Path

import data_store
import pytest

from service.commands.keys import keys_command
from tests.pacs.orthanc import EVERY_OBJECT, PLUGINS, Orthanc, free_port, orthanc_program
from tests.service.dicomweb.films import film, stow
from tests.service.server import ROOT, Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.pacs,
    pytest.mark.long,
    pytest.mark.skipif(
        orthanc_program() is None
        or shutil.which("storescu") is None
        or not (PLUGINS / "libOrthancDicomWeb.so").exists(),
        reason="Debian's orthanc, orthanc-dicomweb and dcmtk are not installed",
    ),
]

RADIOGRAPH = Path(data_store.__path__[0]) / "data/RG1_UNCI.dcm"
RESULTS = ["OT", "PR", "SR"]
OUTAGE_S = float(os.environ.get("PACS_OUTAGE_S", "0"))


class Hospital:
    """Orthanc, and the service in front of which it stands; the service may be killed and started again."""

    def __init__(self, folder: Path, **settings) -> None:
        self.folder = folder
        self.settings = settings
        self.port = free_port()
        self.orthanc = Orthanc(folder, f"http://127.0.0.1:{self.port}/dicomweb/")
        self.service = self.start_service()

    def start_service(self) -> Server:
        self.service = Server(
            ROOT / "models",
            dicomweb="true",
            port=self.port,
            spool_url=f"sqlite:///{self.folder}/spool/spool.db",
            pacs_url=self.orthanc.dicomweb_url,
            delivery=EVERY_OBJECT,
            **self.settings,
        )
        return self.service

    def kill_service(self) -> None:
        self.service.process.send_signal(signal.SIGKILL)
        self.service.wait()
        self.service.client.close()

    def metrics(self) -> str:
        return self.service.client.get("/metrics").text

    def attempts(self) -> int:
        return max((entry["attempts"] for entry in self.results()), default=0)

    def results(self) -> list[dict]:
        return self.service.client.get("/results").json()["results"]

    def states(self) -> list[str]:
        return [entry["state"] for entry in self.results()]

    def wait_for_delivery(self, films: int = 1, *, timeout_s: float = 120) -> None:
        wait_until(lambda: self.states() == ["delivered"] * films, f"{films} films delivered", timeout_s=timeout_s)

    def end(self) -> None:
        self.service.end()
        self.orthanc.end()


@pytest.fixture
def hospital(tmp_path):
    started = Hospital(tmp_path)
    yield started
    started.end()


@pytest.fixture
def films(tmp_path):
    """Paths of films of patients of their own."""

    def made(name):
        path = tmp_path / f"{name}.dcm"
        path.write_bytes(film(name, StudyInstanceUID=f"1.2.826.0.1.3680043.8.498.{len(name)}", PatientID=name))
        return path

    return made


def in_one_study(instances):
    return len({(instance["StudyInstanceUID"], instance["PatientID"]) for instance in instances}) == 1


@pytest.mark.clause("PS3.18 10.5", "Orthanc forwards a film by STOW-RS and stores its results in its study")
@pytest.mark.clause("IHE AIR RAD-108", "results are stored in the study of their film")
def test_the_results_of_a_film_appear_in_its_study(hospital) -> None:
    hospital.orthanc.receive(RADIOGRAPH)
    hospital.wait_for_delivery()
    instances = hospital.orthanc.instances()

    assert sorted(instance["Modality"] for instance in instances) == sorted(["CR", *RESULTS])
    assert in_one_study(instances)


def test_orthanc_presents_its_key_to_a_service_that_has_keys(tmp_path, monkeypatch, capsys) -> None:
    keys = tmp_path / "keys.json"
    keys_command(["add", "--name", "orthanc", "--scope", "dicom", "--file", str(keys)])
    key = capsys.readouterr().out.strip()
    monkeypatch.setenv("CXR_DICOMWEB_API_KEY", key)
    hospital = Hospital(tmp_path, api_keys_file=keys, allow_anonymous="unless_keys")
    try:
        refused = hospital.service.client.get("/results")
        hospital.service.client.headers["X-API-Key"] = key
        hospital.orthanc.receive(RADIOGRAPH)
        hospital.wait_for_delivery()
    finally:
        hospital.end()

    assert refused.status_code == 401


@pytest.mark.clause("PS3.18 10.6", "a film that is sent again adds no instance to Orthanc")
def test_a_film_that_is_sent_again_adds_no_instance_even_where_the_service_has_forgotten_it(hospital) -> None:
    hospital.orthanc.receive(RADIOGRAPH)
    hospital.wait_for_delivery()
    first = hospital.orthanc.instances()
    (film_id,) = [instance["ID"] for instance in first if instance["Modality"] == "CR"]

    hospital.orthanc.receive(RADIOGRAPH)
    hospital.orthanc.forward(film_id)
    assert hospital.orthanc.instances() == first
    hospital.kill_service()
    shutil.rmtree(hospital.folder / "spool")
    hospital.start_service()
    hospital.orthanc.forward(film_id)
    hospital.wait_for_delivery()

    counted = 'cxr_pacs_deliveries_total{result="already_there"} 1.0'
    wait_until(lambda: counted in hospital.metrics(), "counted, which follows the state")

    assert hospital.orthanc.instances() == first


def test_results_arrive_after_an_outage_of_the_pacs(hospital, films) -> None:
    hospital.orthanc.stop()
    stopped_at = time.monotonic()
    path = films("film")
    hospital.service.client.post("/dicomweb/studies", **stow(path.read_bytes()))
    wait_until(
        lambda: hospital.attempts() >= 2 and time.monotonic() - stopped_at >= OUTAGE_S,
        "two deliveries failed",
        timeout_s=OUTAGE_S + 60,
    )
    hospital.orthanc.start()
    hospital.orthanc.receive(path)
    hospital.wait_for_delivery()

    assert hospital.orthanc.modalities() == sorted(["CR", *RESULTS])
    assert in_one_study(hospital.orthanc.instances())


def test_a_service_that_is_killed_in_the_middle_loses_nothing_and_sends_nothing_twice(hospital, films) -> None:
    names = ["a", "bb", "ccc", "dddd"]
    for name in names[:2]:
        hospital.orthanc.receive(films(name))
    wait_until(hospital.states, "a film arrived")
    hospital.kill_service()
    hospital.orthanc.receive(films(names[2]))
    wait_until(hospital.orthanc.has_failed_job, "Orthanc could not forward a film")
    hospital.start_service()
    hospital.orthanc.receive(films(names[3]))
    hospital.orthanc.wait_for_jobs()
    hospital.orthanc.beat()
    hospital.wait_for_delivery(films=4)
    instances = hospital.orthanc.instances()

    assert len({instance["SOPInstanceUID"] for instance in instances}) == len(instances)
    for name in names:
        of_patient = [instance for instance in instances if instance["PatientID"] == name]
        assert sorted(instance["Modality"] for instance in of_patient) == sorted(["CR", *RESULTS])
        assert in_one_study(of_patient)
