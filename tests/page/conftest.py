"""The page in a real browser, served by the real process; skips visibly where there is no Chromium."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from imaging.phantom import phantom
from tests.films import encode
from tests.imaging.compressed import compressed_film
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import dots, halves
from tests.service.dicomweb.films import film
from tests.service.server import Server

WATCH = (
    "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));"
)

expect.set_options(timeout=30_000)


def framed_film(gray: int) -> bytes:
    """A film of one gray, that it can be recognised on the screen, with dots of the same mean above and below."""
    film = np.full((300, 240), gray, np.uint8)
    film[:15] = film[-15:] = dots(gray, 15, 240)
    return encode(film, ".png")


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """Files as a person has them; the flat ones are of the gray levels at which the tiny network says so."""
    folder = tmp_path_factory.mktemp("films")
    contents = {
        "positive.png": framed_film(200),
        "negative.png": framed_film(60),
        "undecided.png": framed_film(124),
        "unfamiliar.png": framed_film(0),
        "two.png": halves(217, 217, rows=300, columns=240),
        "none.png": framed_film(102),
        "open.png": framed_film(128),
        "adult.png": halves(250, 20, rows=300, columns=240),
        "child of 44.dcm": film("child", gray=166, PatientAge="044Y"),
        "phantom.jpeg": encode(phantom(400, 300, seed=4, opacity=0.8)),
        "deep.png": encode((phantom(200, 160, seed=5).astype(np.uint16) * 257), ".png"),
        "lossless.dcm": compressed_film(np.full((300, 240), 200, np.uint8), "1.2.840.10008.1.2.4.70"),
        "broken.jpeg": encode(phantom(300, 260, seed=1))[:900],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> Path:
    models_dir = tmp_path_factory.mktemp("models")
    write_tiny_bundle(models_dir)
    return models_dir


@pytest.fixture(scope="session")
def server(tiny_models):
    running = Server(tiny_models)
    yield running
    running.end()


@pytest.fixture(scope="session")
def guided(tmp_path_factory):
    """Serves findings that are judged by themselves, of children alone."""
    models_dir = tmp_path_factory.mktemp("guided")
    write_tiny_bundle(models_dir, alone=True, guide=True)
    running = Server(models_dir)
    yield running
    running.end()


@pytest.fixture
def visit(browser):
    """Open the page of a server: `visit(server, viewport=…)`. What the browser had to complain about fails the test."""
    contexts = []
    complaints = []
    addresses = set()

    def opened(server: Server, **options) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 800}} | options))
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: addresses.add(request.url.split("/")[2]))
        page.goto(f"http://127.0.0.1:{server.port}/")
        # Once it knows what the service can do, the page draws its view again.
        expect(page.locator("#result > *, #status > *").first).to_be_visible()
        page.server = server
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            complaints += page.evaluate("window.violations")
        context.close()
    assert complaints == []
    assert {address.split(":")[0] for address in addresses if address} <= {"127.0.0.1"}


@pytest.fixture
def page(visit, server) -> Page:
    """The page of the server with the tiny bundle, before any film."""
    opened = visit(server)
    expect(opened.get_by_role("heading", name="Looks for PNEUMONIA")).to_be_visible()
    return opened


@pytest.fixture
def give(films):
    """Give films to a page as a person does, and wait for the last one's answer."""

    def given(page: Page, *names: str) -> None:
        page.locator("#file").set_input_files([films / name for name in names])
        expect(page.locator("#film-status")).to_be_hidden()
        expect(page.locator("#heat")).to_be_enabled()

    return given


@pytest.fixture
def look():
    """What the canvas shows: gray levels or colours of points, given as shares of its width and height."""

    def looked(page: Page, *points: tuple[float, float]) -> list[tuple[int, int, int]]:
        # Two frames: what a control has asked for is drawn in the next one.
        colours = page.evaluate(
            """async (points) => {
                for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
                const canvas = document.getElementById("film");
                const context = canvas.getContext("2d");
                return points.map(([x, y]) => [...context.getImageData(x * canvas.width, y * canvas.height, 1,
                1).data]);
            }""",
            [list(point) for point in points],
        )
        return [tuple(colour[:3]) for colour in colours]

    return looked
