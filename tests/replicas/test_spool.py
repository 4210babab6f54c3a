"""Several services on one spool in PostgreSQL: no film is analysed twice, none is lost, whoever is killed or fails."""

import random
import re
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from service.dicomweb.tables import instances
from tests.pacs.orthanc import free_port
from tests.replicas.cluster import FAILURES, PING_S, pair
from tests.replicas.senders import Senders
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(480)]

REPLICAS = 3
OBJECTS = 3
"""That the archive gets of each film."""


@pytest.fixture
def start(tiny_models, archive):
    """Starts a replica on the spool of this address; a port has one replica at a time."""
    running = {}

    def started(url, port=None):
        port = port or free_port()
        settings = {"dicomweb": "true", "spool_url": url, "pacs_url": archive.url, "decode_workers": 2}
        running[port] = Server(tiny_models, port=port, study_quiet_s=0, spool_capacity=5000, **settings)
        return running[port]

    yield started
    for server in running.values():
        server.end()


def names_of(films):
    return [f"film {number}" for number in range(films)]


def states(url):
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            counted = select(instances.c.state, func.count()).group_by(instances.c.state)
            return dict(connection.execute(counted).all())
    finally:
        engine.dispose()


def all_delivered(url, films):
    wait_until(lambda: states(url) == {"delivered": films}, f"{films} films delivered", timeout_s=300)


def analysed(server):
    found = re.search(r"^cxr_images_total (\S+)$", server.client.get("/metrics").text, re.MULTILINE)
    return float(found[1])


def delivered_once(archive, films):
    return (len(archive.stored), set(archive.stored.values())) == (OBJECTS * films, {1})


@pytest.mark.scale("21.6 replicas", "three workers that start at once on an empty database analyse each film once")
def test_three_workers_analyse_each_film_once(start, archive, postgresql_url, figure) -> None:
    films = 120
    threads = []
    servers = []
    for _ in range(REPLICAS):  # at the same time: the tables are made by one of them
        threads.append(threading.Thread(target=lambda: servers.append(start(postgresql_url))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    senders = Senders({server.port: server.address for server in servers}, names_of(films))
    began = time.monotonic()
    senders.start(4)
    senders.join(200)
    all_delivered(postgresql_url, films)
    took_s = time.monotonic() - began
    shares = [analysed(server) for server in servers]
    figure(f"{films} films by {REPLICAS} workers in {took_s:.0f} s, analysed by each: {shares}")

    assert sum(shares) == films
    assert min(shares) > 0
    assert delivered_once(archive, films)


@pytest.mark.scale("21.6 replicas", "of workers that are killed at random no film is lost, and each is delivered once")
def test_workers_killed_at_random_lose_and_double_nothing(start, archive, postgresql_url, figure) -> None:
    films, kills = 150, 4
    servers = {server.port: server for server in (start(postgresql_url) for _ in range(REPLICAS))}
    senders = Senders({port: server.address for port, server in servers.items()}, names_of(films), pause_s=0.1)
    choice = random.Random(20)
    senders.start(4)
    for kill in range(kills):
        senders.wait_for((kill + 1) * films // (kills + 2))
        port = choice.choice(sorted(servers))
        servers[port].process.send_signal(signal.SIGKILL)
        servers[port].wait()
        servers[port].client.close()
        servers[port] = start(postgresql_url, port)
    senders.join(200)
    ended = time.monotonic()
    all_delivered(postgresql_url, films)
    figure(
        f"{kills} workers killed under {films} films: {len(senders.refused)} attempts to store failed and were "
        f"repeated, all delivered {time.monotonic() - ended:.0f} s after the last was stored"
    )

    assert len(senders.accepted) == films
    assert delivered_once(archive, films)


@pytest.mark.scale(
    "21.6 replicas", "a fail-over of the two-node recipe refuses films for seconds, loses and doubles none"
)
def test_a_fail_over_of_the_database_loses_and_doubles_no_film(start, archive, figure) -> None:
    films = 150
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, pair(Path(folder)) as nodes:
        servers = [start(nodes.url) for _ in range(2)]
        senders = Senders({server.port: server.address for server in servers}, names_of(films), pause_s=0.4)
        senders.start(4)
        senders.wait_for(films // 3)
        killed = time.monotonic()
        nodes.primary.kill()
        nodes.watch_and_promote()
        promoted = time.monotonic()
        senders.join(200)
        all_delivered(nodes.url, films)
        alive = [server.client.get("/livez").status_code for server in servers]
        first = min(moment for moment in senders.accepted if moment > promoted)
        figure(
            f"{FAILURES} pings of {PING_S:.0f} s and the promotion took {promoted - killed:.1f} s; the first film was "
            f"accepted {first - promoted:.1f} s later; {len(senders.refused)} attempts were refused and repeated, and "
            f"the slowest film was accepted after {senders.slowest_s:.1f} s"
        )
        for server in servers:
            server.end()

    assert alive == [200, 200]  # nobody restarted
    assert len(senders.accepted) == films
    assert delivered_once(archive, films)
