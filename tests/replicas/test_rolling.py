"""What a Kubernetes Deployment relies on: three services behind nginx are restarted, killed or slowed under load."""

import os
import signal
import threading

import pytest

from tests.pacs.orthanc import free_port
from tests.replicas.load import Load
from tests.replicas.proxy import proxy
from tests.service.conftest import flat_film
from tests.service.server import Server

pytestmark = pytest.mark.process

REPLICAS = 3
FILM = flat_film(200, rows=400, columns=320)
PROPAGATION_S = 1.0
"""From the deletion of a pod until the ingress has left it out."""
PRE_STOP_S = 3.0
"""Of the chart's preStop hook, shortened: longer than the propagation is what counts."""


@pytest.fixture
def replicas(tiny_models):
    ports = [free_port() for _ in range(REPLICAS)]
    settings = {"drain_s": 2, "decode_workers": 1, "concurrent_runs": 1}
    running = {port: Server(tiny_models, port=port, **settings) for port in ports}

    def restart(port):
        running[port] = Server(tiny_models, port=port, **settings)

    yield running, restart
    for server in running.values():
        server.end()


@pytest.fixture
def nginx(tmp_path):
    with proxy(tmp_path) as made:
        yield made


def pause(seconds):
    """What passes outside of the test: the time of a hook, or of a controller."""
    threading.Event().wait(seconds)


@pytest.mark.scale("21.4 Kubernetes", "a rolling restart with preStop under load fails no request, without any retry")
def test_a_rolling_restart_fails_no_request(replicas, nginx, figure) -> None:
    running, restart = replicas
    nginx.configure(list(running))
    codes = []
    with Load(nginx.address, FILM) as load:
        load.wait_for_more(100)
        for port in list(running):
            pause(PROPAGATION_S)  # the pod is being deleted, and the ingress does not know it yet
            nginx.configure([other for other in running if other != port])
            pause(PRE_STOP_S - PROPAGATION_S)
            codes.append(running[port].terminate())  # with requests that are in flight
            restart(port)
            nginx.configure(list(running))
            load.wait_for_more(50)
    figure(f"{dict(load.statuses)}; {load.pace()}")

    assert codes == [0] * REPLICAS
    assert dict(load.statuses) == {"200": load.answered}
    assert load.answered >= 250
    assert {len(attempt) for attempt in nginx.attempts() if attempt[0] == "200"} == {2}  # each asked one service


@pytest.mark.scale(
    "21.4 Kubernetes", "a proxy that watches no endpoints loses nothing to a drain if it may ask another on 503"
)
def test_a_drain_behind_a_proxy_that_asks_another_fails_no_request(replicas, nginx, figure) -> None:
    running, restart = replicas
    nginx.configure(list(running), retries="error timeout http_503 non_idempotent")
    with Load(nginx.address, FILM) as load:
        load.wait_for_more(100)
        for port in list(running):
            assert running[port].terminate() == 0
            restart(port)
            load.wait_for_more(50)
    again = sum(len(attempt) > 2 for attempt in nginx.attempts())
    figure(f"{dict(load.statuses)}; {again} requests asked another service")

    assert dict(load.statuses) == {"200": load.answered}
    assert again > 0


@pytest.mark.scale(
    "21.4 Kubernetes", "SIGKILL fails at most what the killed service had in hand, and nothing where nginx may repeat"
)
@pytest.mark.parametrize("retries", ["error timeout", "error timeout http_503 non_idempotent"])
def test_a_killed_replica_fails_at_most_what_it_had_in_hand(replicas, nginx, figure, retries) -> None:
    running, restart = replicas
    nginx.configure(list(running), retries=retries)
    with Load(nginx.address, FILM) as load:
        load.wait_for_more(100)
        port = next(iter(running))
        running[port].process.send_signal(signal.SIGKILL)
        running[port].wait()
        load.wait_for_more(200)
        restart(port)
        load.wait_for_more(50)
    figure(f"proxy_next_upstream {retries}: {dict(load.statuses)}, {load.callers} callers")

    assert load.failed <= (0 if "non_idempotent" in retries else load.callers)
    assert set(load.statuses) <= {"200", "502"}


@pytest.mark.scale("21.4 Kubernetes", "a replica of a tenth of the speed fails no request, and the others go on")
def test_a_slow_replica_fails_no_request(replicas, nginx, figure) -> None:
    running, _ = replicas
    nginx.configure(list(running))
    slow = next(iter(running.values()))
    ended = threading.Event()

    def slow_down() -> None:
        while not ended.wait(0.02):
            os.kill(slow.process.pid, signal.SIGSTOP)
            ended.wait(0.18)
            os.kill(slow.process.pid, signal.SIGCONT)

    with Load(nginx.address, FILM) as load:
        load.wait_for_more(200)
        before = load.pace()
        load.seconds.clear()
        slowing = threading.Thread(target=slow_down)
        slowing.start()
        load.wait_for_more(300)
        ended.set()
        slowing.join()
    figure(f"{before} before; {load.pace()} with a slow replica")

    assert dict(load.statuses) == {"200": load.answered}
