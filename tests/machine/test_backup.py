"""Rules of docs/backup.md: a machine that is lost loses no film, and no result reaches the PACS twice."""

import shutil

import pytest

from tests.machine.pages import script
from tests.machine.test_pages import NEEDS_DCMTK, NEEDS_ORTHANC, reports
from tests.service.dicomweb.films import film
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

ORTHANC = "http://127.0.0.1:8042"
KEYS = "sudo -u cxr python -m service keys add --name ris --scope dicom --scope predict --file /var/lib/cxr/keys.json"

ENDED = "systemctl kill --kill-whom=main --signal KILL cxr; systemctl stop cxr"


def send(machine, name) -> None:
    machine.put(f"/opt/cxr/{name}.dcm", film(name))
    machine.run(f"storescu -aec ORTHANC 127.0.0.1 4242 {name}.dcm")


def states(machine):
    """Of the films that the service knows, sorted."""
    answer = machine.json("curl --fail --silent http://127.0.0.1:8000/results")
    return sorted(entry["state"] for entry in answer["results"])


def prepare(machine) -> None:
    machine.run(script("systemd.md", "Install"))
    machine.run(script("pacs.md", "Orthanc on Debian").partition("storescu")[0])
    machine.run(f"{KEYS} && echo CXR_AUDIT_FILE=/var/lib/cxr/audit.jsonl >>/etc/cxr/cxr.env && systemctl restart cxr")


def lose_and_restore(machine) -> None:
    """The service is killed, and the disk with its films is gone."""
    machine.run(f"{ENDED}; rm -r /var/lib/cxr/* /etc/cxr")
    machine.run(script("backup.md", "Restore"))


@NEEDS_DCMTK
@NEEDS_ORTHANC
@pytest.mark.pacs
def test_films_in_flight_survive_the_loss_of_the_machine_and_none_is_delivered_twice(machine) -> None:
    prepare(machine)
    send(machine, "delivered")
    wait_until(lambda: states(machine) == ["delivered"], "the first film is delivered")
    # Its results can go nowhere: the service asks for the wrong port until it is restored.
    machine.run("sed -i s/:8042/:8043/ /etc/cxr/cxr.env && systemctl restart cxr")
    send(machine, "waiting")
    wait_until(lambda: states(machine) == ["analysed", "delivered"], "the second film waits for the PACS")
    machine.run("sed -i s/:8043/:8042/ /etc/cxr/cxr.env")
    machine.run(script("backup.md", "Back up"))
    send(machine, "after")
    wait_until(lambda: len(states(machine)) == 3, "the third film is known")

    lose_and_restore(machine)
    wait_until(lambda: states(machine) == ["delivered"] * 2, "what waited is delivered")
    found = machine.json(f"curl --silent {ORTHANC}/instances")
    films = [
        each
        for each in found
        if machine.json(f"curl -s {ORTHANC}/instances/{each}/simplified-tags")["Modality"] == "CR"
    ]
    again = '{"Resources": ["' + '", "'.join(films) + '"], "Synchronous": true}'
    machine.run(f"curl --fail --silent {ORTHANC}/dicom-web/servers/cxr/stow --data '{again}'")
    wait_until(lambda: states(machine) == ["delivered"] * 3, "the third film is delivered, too")

    assert len(films) == 3
    assert len(reports(machine, "127.0.0.1")) == 3
    assert machine.run("sudo -u cxr python -m service audit verify --file /var/lib/cxr/audit.jsonl").stdout
    assert "ris" in machine.run("sudo -u cxr python -m service keys list --file /var/lib/cxr/keys.json").stdout
    assert machine.run("stat -c %a /srv/backup/cxr-*.tar").stdout.strip() == "600"
    refused = machine.run("systemctl stop cxr; deploy/backup/cxr-restore /srv/backup/cxr-*.tar", check=False)
    assert "nothing is overwritten" in refused.stderr


@NEEDS_DCMTK
@NEEDS_ORTHANC
@pytest.mark.pacs
@pytest.mark.skipif(shutil.which("pg_ctlcluster") is None, reason="Debian's postgresql is not installed")
def test_a_spool_in_postgresql_is_backed_up_and_restored_too(machine) -> None:
    prepare(machine)
    version = machine.run("ls /usr/lib/postgresql | tail -n 1").stdout.strip()
    machine.run(f"pg_lsclusters -h | grep -q . || pg_createcluster {version} main; pg_ctlcluster {version} main start")
    fresh = "sudo -u postgres dropdb --if-exists cxr && sudo -u postgres createdb --owner cxr cxr"
    machine.run(f"sudo -u postgres createuser cxr && {fresh}")
    machine.run("echo 'CXR_SPOOL_URL=postgresql+psycopg:///cxr?host=/run/postgresql' >>/etc/cxr/cxr.env")
    machine.run("systemctl restart cxr")
    send(machine, "film")
    wait_until(lambda: states(machine) == ["delivered"], "the film is delivered")
    machine.run(script("backup.md", "Back up"))

    machine.run(
        f"systemctl kill --kill-whom=main --signal KILL cxr; systemctl stop cxr; {fresh}; rm -r /var/lib/cxr/* /etc/cxr"
    )
    machine.run(script("backup.md", "Restore"))

    assert states(machine) == ["delivered"]
