"""Rules of the pages of operators: followed word by word on a Debian machine, they lead where they say."""

import shutil
from pathlib import Path

import data_store
import pytest

from tests.docs.pages import ROOT
from tests.machine.pages import script
from tests.pacs.orthanc import PLUGINS, orthanc_program
from tests.service.dicomweb.films import film
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

RADIOGRAPH = Path(data_store.__path__[0]) / "data/RG1_UNCI.dcm"
LOGIN = "--user 'cxr:a long password'"
NEEDS_DCMTK = pytest.mark.skipif(shutil.which("storescu") is None, reason="Debian's dcmtk is not installed")
NEEDS_ORTHANC = pytest.mark.skipif(
    orthanc_program() is None or not (PLUGINS / "libOrthancDicomWeb.so").exists(),
    reason="Debian's orthanc and orthanc-dicomweb are not installed",
)


def reports(machine, host, options=""):
    """SOP Instance UIDs of the SR in Orthanc."""
    answer = machine.json(f"curl --fail --silent {options} 'http://{host}:8042/dicom-web/instances?Modality=SR'")
    return {entry["00080018"]["Value"][0] for entry in answer}


@NEEDS_DCMTK
def test_the_units_install_a_service_that_runs_as_nobody_special_and_keeps_to_its_folder(machine) -> None:
    machine.run(script("systemd.md"))
    (pid,) = machine.run("systemctl show cxr --property MainPID --value").stdout.split()
    status = machine.run(f"cat /proc/{pid}/status").stdout
    where = machine.run(f"tr '\\0' '\\n' </proc/{pid}/environ").stdout

    assert "CapEff:\t0000000000000000" in status
    assert "Seccomp:\t2" in status
    assert "NOTIFY_SOCKET=" in where
    assert machine.run("stat -c %U:%a /var/lib/cxr").stdout.strip() == "cxr:700"
    assert machine.run(f"nsenter -t {pid} -m touch /opt/cxr/new", check=False).returncode != 0
    assert machine.run(f"nsenter -t {pid} -m ls /root", check=False).stdout == ""
    machine.run(script("upgrading.md"))
    assert machine.run("cat /srv/cxr/models/current").stdout == (ROOT / "models/current").read_text()
    machine.put("/opt/cxr/film.dcm", film("by-c-store"))
    machine.run("storescu -aec CXR 127.0.0.1 11112 film.dcm")
    machine.run("systemctl stop cxr-dimse cxr")
    assert machine.run("systemctl show cxr cxr-dimse --property Result --value").stdout.split() == ["success"] * 2


def test_a_start_that_is_refused_is_not_repeated_and_names_the_setting(machine) -> None:
    machine.run(script("systemd.md", "Install").replace("enable --now cxr\n", "enable cxr\n").partition("curl")[0])
    machine.run("echo CXR_MAX_QUEU=3 >/etc/cxr/cxr.env")

    assert machine.run("systemctl start cxr", check=False).returncode != 0
    assert machine.run("systemctl is-failed cxr").stdout.strip() == "failed"
    assert machine.run("systemctl show cxr --property NRestarts --value").stdout.strip() == "0"
    assert "the nearest name is CXR_MAX_QUEUE" in machine.run("journalctl --unit cxr --output cat").stdout


@NEEDS_DCMTK
@NEEDS_ORTHANC
@pytest.mark.pacs
def test_the_page_of_the_pacs_connects_debians_orthanc_on_this_machine_and_on_another(machine) -> None:
    machine.put("/opt/cxr/film.dcm", RADIOGRAPH.read_bytes())
    machine.run(script("systemd.md", "Install"))
    machine.run(script("pacs.md", "Orthanc on Debian"))
    wait_until(lambda: len(reports(machine, "127.0.0.1")) == 1, "the report is in Orthanc", timeout_s=120)
    before = reports(machine, "127.0.0.1")

    machine.run(script("pacs.md", "A PACS on another machine"))
    machine.put("/opt/cxr/film.dcm", film("another"))
    machine.run("storescu -aec ORTHANC pacs.hospital 4242 film.dcm")
    wait_until(
        lambda: len(reports(machine, "pacs.hospital", LOGIN)) == 2, "the other report is in Orthanc", timeout_s=120
    )

    assert before < reports(machine, "pacs.hospital", LOGIN)
    for address in ("http://pacs.hospital:8042/system", "http://cxr.hospital:8000/results"):
        status = machine.run(f"curl --silent --output /dev/null --write-out %{{http_code}} {address}").stdout
        assert status == "401", address
    heart_beat = machine.run("grep -o 'curl.*' /etc/cron.d/cxr-orthanc").stdout.strip()
    machine.run(heart_beat.replace("curl", f"curl --fail {LOGIN}", 1))


@NEEDS_ORTHANC
@pytest.mark.pacs
def test_the_files_of_the_compose_stack_are_read_together_and_name_the_service(machine) -> None:
    machine.run("rm -r /etc/orthanc && install -d /etc/orthanc /var/lib/orthanc/db")
    machine.run("install -m 644 deploy/orthanc/* /etc/orthanc/")
    machine.run("systemd-run --setenv CXR_DICOMWEB_ADDRESS=http://api:8000/dicomweb/ Orthanc /etc/orthanc")
    machine.run("curl --fail --silent --retry 30 --retry-connrefused http://127.0.0.1:8042/system")

    assert machine.json("curl --silent http://127.0.0.1:8042/dicom-web/servers") == ["cxr"]
    answer = machine.json("curl --silent http://127.0.0.1:8042/dicom-web/servers?expand")
    assert answer["cxr"]["Url"] == "http://api:8000/dicomweb/"
