"""Debian's Orthanc with its DICOMweb plugin, configured by deploy/orthanc, on loopback and in a temporary folder."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import httpx2

from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
PLUGINS = Path("/usr/share/orthanc/plugins")
EVERY_OBJECT = ",".join(
    f"{outcome}=report+picture+outline" for outcome in ("positive", "abstain", "outside_population")
)
"""A delivery of all that there is: the shipped bundle does not answer a film of an adult."""


def orthanc_program() -> str | None:
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def committed_configuration() -> dict:
    """The files of deploy/orthanc as one, as Orthanc reads them, without their comments, which it allows."""
    merged: dict = {}
    for name in ("orthanc.json", "dicomweb.json"):
        text = (ROOT / "deploy/orthanc" / name).read_text()
        merged |= json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return merged


class Orthanc:
    """The process; it may be stopped and started again on the same store."""

    def __init__(self, folder: Path, service_url: str) -> None:
        self.folder = folder
        self.http_port = free_port()
        self.dicom_port = free_port()
        self.dicomweb_url = f"http://127.0.0.1:{self.http_port}/dicom-web"
        configuration = committed_configuration()
        configuration |= {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "LuaScripts": [str(ROOT / "deploy/orthanc/cxr.lua")],
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "ExecuteLuaEnabled": True,  # for the heart beat, which Debian's version does not have
        }
        configuration["DicomWeb"]["Servers"]["cxr"]["Url"] = service_url
        self._file = folder / "orthanc.json"
        self._file.write_text(json.dumps(configuration))
        self._process: subprocess.Popen | None = None
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.http_port}", timeout=30)
        self.start()

    def start(self) -> None:
        with (self.folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen([orthanc_program(), "--verbose", self._file], stdout=log, stderr=log)
        wait_until(self._answers, "Orthanc answers")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def end(self) -> None:
        self.client.close()
        if self._process.poll() is None:
            self.stop()

    def receive(self, film: Path) -> None:
        """By C-STORE, from dcmtk's storescu."""
        subprocess.run(
            ["storescu", "-aec", "ORTHANC", "-R", "127.0.0.1", str(self.dicom_port), film],
            check=True,
            timeout=60,
        )

    def forward(self, instance_id: str) -> None:
        """To the service, and wait for its answer."""
        body = {"Resources": [instance_id], "Synchronous": True}
        self.client.post("/dicom-web/servers/cxr/stow", json=body).raise_for_status()

    def beat(self) -> None:
        """What a newer version does every LuaHeartBeatPeriod seconds."""
        self.client.post("/tools/execute-script", content="OnHeartBeat()").raise_for_status()

    def has_failed_job(self) -> bool:
        """Whether it could not forward a film."""
        return "Failure" in self._job_states()

    def wait_for_jobs(self) -> None:
        """Until every film has been forwarded, or could not be."""
        wait_until(lambda: self._job_states() <= {"Success", "Failure"}, "all jobs have ended")

    def _job_states(self) -> set[str]:
        return {job["State"] for job in self.client.get("/jobs", params={"expand": ""}).json()}

    def instances(self) -> list[dict[str, str]]:
        """Main tags of everything that is stored, with the series' modality and the study's UID."""
        found = []
        for entry in self.client.get("/instances", params={"expand": ""}).json():
            tags = self.client.get(f"/instances/{entry['ID']}/simplified-tags").json()
            found.append({"ID": entry["ID"], **{name: tags.get(name, "") for name in NAMES}})
        return found

    def modalities(self) -> list[str]:
        return sorted(instance["Modality"] for instance in self.instances())

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "orthanc.log").read_text()
        try:
            return self.client.get("/system").status_code == 200
        except httpx2.HTTPError:
            return False


NAMES = ("Modality", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID")
