"""Files that broke others: to each the answer is a prediction or a problem, never a failure of the service."""

import os
import random
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest
from pydicom import data

from imaging.phantom import phantom
from tests.imaging.compressed import compressed_film
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.bombs import BOMBS, CUT_OFF
from tests.service.conftest import flat_film
from tests.service.server import ROOT, Server

REFUSED = {413, 415, 422}
MUTATIONS = 10_000
TOGETHER = 25
FILM = phantom(64, 48, seed=2)


@pytest.fixture(scope="module")
def server(tiny_models):
    running = Server(tiny_models)
    yield running
    running.end()


def answers(server, contents):
    """How often each status was answered, film by film; a broken body of the request is a status of its own."""
    found = Counter()
    for start in range(0, len(contents), TOGETHER):
        parts = [("files", ("a", content)) for content in contents[start : start + TOGETHER]]
        response = server.client.post("/predict/batch", files=parts, headers={"X-Deadline-Ms": "600000"}, timeout=600)
        assert response.status_code == 200, response.text
        found.update(result.get("problem", {"status": 200})["status"] for result in response.json()["results"])
    assert server.client.post("/predict", content=flat_film(200)).status_code == 200
    return found


def test_pydicoms_test_files_give_no_failure(server) -> None:
    folder = Path(data.__file__).parent
    contents = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and "py" not in path.suffix]

    assert len(contents) > 80
    assert set(answers(server, [content for content in contents if content])) <= REFUSED | {200}


def test_pillows_test_images_give_no_failure(server) -> None:
    folder = Path(os.environ.get("PILLOW_SOURCE_DIR", ROOT / ".corpora" / "pillow"), "Tests")
    if not folder.is_dir():
        pytest.skip(
            "the images are in Pillow's source distribution alone: run `make corpora`, or set PILLOW_SOURCE_DIR"
        )
    contents = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]

    assert len(contents) > 1000
    assert set(answers(server, [content for content in contents if content])) <= REFUSED | {200}


def test_the_corpus_is_of_the_pillow_that_decodes() -> None:
    assert f"pillow=={version('pillow')} --hash=sha256:" in (ROOT / "tests" / "corpora.txt").read_text()


def mutated(films, generator):
    """One film with flipped bits, cut off, or continued by another; most changes go to the first bytes, where
    meaning is."""
    content = bytearray(generator.choice(films))
    kind = generator.choice(("flip", "truncate", "splice"))
    at = generator.randrange(1, generator.choice((min(600, len(content)), len(content))))
    if kind == "truncate":
        return bytes(content[:at])
    if kind == "splice":
        return bytes(content[:at] + generator.choice(films)[at:])
    for _ in range(generator.choice((1, 8, 64))):
        content[generator.randrange(at)] ^= 1 << generator.randrange(8)
    return bytes(content)


@pytest.mark.slow
@pytest.mark.real_data
def test_mutations_of_real_films_give_no_failure(server, real_films) -> None:
    paths = (
        sorted((real_films / "kermany224").rglob("*.jp*g"))[:200:4] + sorted((real_films / "dicom").glob("*.dcm"))[:6]
    )
    films = [content for path in paths if len(content := path.read_bytes()) < 400_000]
    generator = random.Random(0)
    found = answers(server, [mutated(films, generator) for _ in range(MUTATIONS)])

    assert len(films) > 20
    assert sum(found.values()) == MUTATIONS
    assert set(found) <= REFUSED | {200}
    assert found[200] > 100


def test_mutations_of_made_films_give_no_failure(server) -> None:
    films = [flat_film(200), flat_film(90, extension=".jpeg"), dicom_bytes(dicom_dataset(FILM))]
    films += [compressed_film(FILM, syntax) for syntax in COMPRESSED]
    generator = random.Random(0)

    assert set(answers(server, [mutated(films, generator) for _ in range(300)])) <= REFUSED | {200}


COMPRESSED = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80")


def memory_mb(server, field):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def processor_s(server):
    """What the server and its children, dead or alive, took of the processors: unlike a clock, no busy neighbour
    moves it."""

    def ticks(pid):
        try:
            children = [
                child for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
            ]
            below = sum(
                map(ticks, children)
            )  # before its own: what a child took that dies meanwhile is its parent's then
            return below + sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            return 0

    return ticks(server.process.pid) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_for_two_seconds_of_a_processor_and_a_hundred_megabytes(server, bomb) -> None:
    content = BOMBS[bomb]()
    server.client.post("/predict", content=content)  # the first of a kind may load libraries
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forget the highest memory so far
    before = memory_mb(server, "VmRSS")
    start = processor_s(server)
    response = server.client.post("/predict", content=content)
    spent_s = processor_s(server) - start

    assert response.status_code in REFUSED | ({200} if bomb in CUT_OFF else set()), response.text
    assert memory_mb(server, "VmHWM") - before < 100
    assert spent_s < 2
