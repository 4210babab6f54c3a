"""Rules of nginx and Caddy in front of the service, installed as docs/proxies.md says: who gets in, and how much."""

import json
import shutil

import numpy as np
import pytest

from imaging.phantom import phantom
from service.dicomweb.multipart import write_parts
from tests.films import encode
from tests.machine.certificates import Authority
from tests.machine.machine import Machine
from tests.machine.pages import script
from tests.service.dicomweb.films import film

pytestmark = pytest.mark.timeout(900)

SERVICE = "https://cxr.hospital"
TLS = "--cacert hospital.pem --cert caller.pem --key caller.key"
STATUS = "curl --silent --output answer --write-out '%{http_code}'"
SLOW = """
import socket, ssl, sys, time
context = ssl.create_default_context(cafile="hospital.pem")
context.load_cert_chain("caller.pem", "caller.key")
with context.wrap_socket(socket.create_connection(("cxr.hospital", 443)), server_hostname="cxr.hospital") as caller:
    caller.sendall(b"POST /predict HTTP/1.1\\r\\nHost: cxr.hospital\\r\\nX-API-Key: " + sys.argv[1].encode() +
                   b"\\r\\nContent-Type: image/png\\r\\nContent-Length: 900000\\r\\n\\r\\n" + bytes(100_000))
    begun = time.monotonic()
    print(caller.recv(4096).partition(b"\\r\\n")[0].decode() or "closed", round(time.monotonic() - begun))
"""


def served(machine, proxy):
    """The machine with its certificates, the service and this proxy; returns the key of a caller."""
    hospital = Authority("hospital")
    callers = Authority("callers")
    certificate, key = hospital.issue("cxr.hospital")
    machine.put("/etc/cxr/tls/server.pem", certificate)
    machine.put("/etc/cxr/tls/server.key", key)
    machine.put("/etc/cxr/tls/callers.pem", callers.certificate)
    machine.put("/opt/cxr/hospital.pem", hospital.certificate)
    for name, authority in (("caller", callers), ("stranger", Authority("elsewhere"))):
        for suffix, content in zip(("pem", "key"), authority.issue(name), strict=True):
            machine.put(f"/opt/cxr/{name}.{suffix}", content)
    machine.put("/opt/cxr/film.jpeg", encode(phantom(900, 800, seed=1)))
    machine.run(script("systemd.md", "Install"))
    printed = machine.run(script("proxies.md", "Certificates", proxy, "Try it") + "echo KEY $KEY\n").stdout
    return printed.rpartition("KEY ")[2].strip()


def status(machine, options, path="/models/current"):
    return machine.run(f"{STATUS} {options} {SERVICE}{path}", check=False).stdout


def large_film(name, *, side):
    pixels = np.random.default_rng(1).integers(0, 4096, (side, side), dtype=np.uint16)
    return film(name, PixelData=pixels.tobytes(), Rows=side, Columns=side, BitsAllocated=16, BitsStored=12, HighBit=11)


def check_who_gets_in(machine: Machine, key: str, refusals: set[str]) -> None:
    with_key = f"-H 'X-API-Key: {key}'"

    assert status(machine, f"--cacert hospital.pem {with_key}") in refusals
    assert status(machine, f"--cacert hospital.pem --cert stranger.pem --key stranger.key {with_key}") in refusals
    assert status(machine, TLS) == "401"
    assert status(machine, f"{TLS} -H 'X-API-Key: nonsense'") == "401"
    assert status(machine, f"{TLS} {with_key} -H 'X-Forwarded-For: 127.0.0.1'", "/metrics") == "200"


def check_bodies(machine: Machine, key: str) -> None:
    body, media_type = write_parts([large_film("large", side=5000)])
    machine.put("/opt/cxr/stow", body)
    machine.run("truncate --size 65M too-large")
    sent = f"{TLS} -H 'X-API-Key: {key}' -H 'Expect:'"

    assert len(body) > 50_000_000
    assert status(machine, f"{sent} --data-binary @stow -H 'Content-Type: {media_type}'", "/dicomweb/studies") == "200"
    assert status(machine, f"{sent} --data-binary @too-large -H 'Content-Type: image/png'", "/predict") == "413"


def check_slow_body(machine: Machine, key: str, ends: set[str]) -> None:
    machine.put("/opt/cxr/slow.py", SLOW.encode())
    line, seconds = machine.run(f"python slow.py {key}").stdout.rsplit(" ", 1)

    assert line in ends
    assert int(seconds) < 20


def check_what_is_passed_on(machine: Machine, key: str) -> None:
    sent = f"curl --silent --include {TLS} -H 'X-API-Key: {key}'"
    answer = machine.run(f"{sent} -H 'X-Request-ID: worklist-17' {SERVICE}/models/current").stdout.lower()
    problem = machine.run(f"{sent} -F file=@film.jpeg '{SERVICE}/predict?population=nobody'").stdout

    assert "x-request-id: worklist-17" in answer
    assert problem.startswith(("HTTP/1.1 422", "HTTP/2 422"))
    assert json.loads(problem[problem.index("\n{") :])["status"] == 422


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin"), reason="Debian's nginx-light is not installed")
def test_nginx_lets_in_callers_with_a_certificate_and_bounds_what_each_may_send(machine) -> None:
    key = served(machine, "nginx")

    check_who_gets_in(machine, key, {"400"})
    check_bodies(machine, key)
    check_slow_body(machine, key, {"HTTP/1.1 408", "HTTP/1.1 408 Request Timeout", "HTTP/1.1 408 "})
    check_what_is_passed_on(machine, key)
    limited = machine.run(f"curl --silent --include {TLS} '{SERVICE}/livez?[1-90]'").stdout
    log = machine.run("cat /var/log/nginx/cxr.log; ls /var/log/nginx").stdout

    assert "HTTP/1.1 200" in limited
    assert "HTTP/1.1 429" in limited
    assert "retry-after: 1" in limited.lower()
    assert '"code":"proxy_limit"' in limited
    assert "livez" not in log
    assert "CN=caller" in log


@pytest.mark.skipif(not shutil.which("caddy"), reason="Debian's caddy is not installed")
def test_caddy_lets_in_callers_with_a_certificate_and_bounds_what_each_may_send(machine) -> None:
    key = served(machine, "Caddy")

    check_who_gets_in(machine, key, {"000"})
    check_bodies(machine, key)
    check_what_is_passed_on(machine, key)
    # Go's server gives an early answer to nobody who still sends: Caddy's own limit ends a slow body.
    machine.run("sed -i 's/read_body 60s/read_body 6s/' /etc/caddy/Caddyfile && systemctl restart caddy")
    check_slow_body(machine, key, {"closed", "HTTP/1.1 408 Request Timeout", "HTTP/1.1 504 Gateway Timeout"})
