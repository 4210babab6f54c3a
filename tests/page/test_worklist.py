"""Several films, failures, keys, and a service that is too busy: the page waits politely and says so."""

import re

import pytest
from playwright.sync_api import Request, expect

from service.security.keys import KeyFile, new_key, write_keys
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.server import Server


@pytest.fixture
def start():
    servers = []

    def started(models_dir, **settings):
        servers.append(Server(models_dir, **settings))
        return servers[-1]

    yield started
    for server in servers:
        server.end()


def choose(page, films, *names) -> None:
    page.locator("#file").set_input_files([films / name for name in names])


def test_several_films_become_a_work_list_with_progress_and_each_keeps_its_answer(page, films) -> None:
    choose(page, films, "positive.png", "broken.jpeg", "unfamiliar.png")

    expect(page.get_by_text("3 of 3")).to_be_visible()
    expect(page.locator("#progress")).to_have_js_property("value", 3)
    expect(page.locator("#entries .standing")).to_have_text(
        ["PNEUMONIA: operating point reached", "The image cannot be decoded", "Unfamiliar film: no answer"]
    )
    expect(page.locator("#entries .sign")).to_have_text(["▲", "!", "≠"])
    page.get_by_role("button", name="unfamiliar.png").click()
    expect(page.locator(".verdict")).to_contain_text("Unfamiliar")
    expect(page.get_by_role("button", name="unfamiliar.png")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="positive.png").click()
    expect(page.locator(".verdict")).to_contain_text("operating point reached")


def test_a_refused_film_shows_the_services_reason_and_the_requests_id(page, films) -> None:
    choose(page, films, "broken.jpeg")
    status = page.locator("#status")

    expect(status).to_contain_text("The image cannot be decoded")
    expect(status).to_contain_text("The JPEG data is broken")
    expect(status).to_contain_text(re.compile(r"Request [0-9a-f]{32}"))
    expect(page.get_by_text("No film to show.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)  # it would be refused again


def test_files_can_be_dropped_and_pasted(page) -> None:
    for kind, property_name in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """([kind, property, bytes]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([Uint8Array.from(bytes)], `${kind}.png`, { type: "image/png" }));
                const event = kind === "drop" ? new DragEvent(kind, { [property]: transfer, bubbles: true,
                cancelable: true })
                                              : new ClipboardEvent(kind, { [property]: transfer, bubbles: true });
                document.body.dispatchEvent(event);
            }""",
            [kind, property_name, list(flat_film(200))],
        )

    expect(page.locator("#entries .name")).to_have_text(["drop.png", "paste.png"])
    expect(page.get_by_text("2 of 2")).to_be_visible()


@pytest.mark.long
def test_a_quota_that_is_used_up_is_waited_for_visibly_and_then_the_film_is_read(
    visit, start, tiny_models, films
) -> None:
    server = start(tiny_models, rate_limit=28)
    page = visit(server)
    expect(page.get_by_role("heading", name="Looks for PNEUMONIA")).to_be_visible()
    parts = [("files", ("x", flat_film(200), "image/png"))] * 32  # four films into debt: eleven seconds
    assert server.client.post("/predict/batch", files=parts).status_code == 200
    choose(page, films, "positive.png")

    expect(page.locator("#status")).to_contain_text(re.compile(r"Quota exceeded: trying again in \d+ s"))
    expect(page.get_by_role("status")).to_contain_text("service busy, again in")
    expect(page.locator(".verdict")).to_contain_text("operating point reached", timeout=60_000)


def test_waiting_for_a_busy_service_can_be_cancelled_and_begun_again(visit, start, tiny_models, films) -> None:
    server = start(tiny_models, rate_limit=1)
    page = visit(server)
    expect(page.get_by_role("heading", name="Looks for PNEUMONIA")).to_be_visible()
    assert server.client.post("/predict", content=flat_film(200)).status_code == 200
    choose(page, films, "positive.png")
    expect(page.locator("#status")).to_contain_text("Quota exceeded")
    page.get_by_role("button", name="Cancel", exact=True).click()

    expect(page.locator("#status")).to_contain_text("Cancelled: this film was not read.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_service_that_is_not_ready_yet_is_asked_again_by_itself(visit, start, tmp_path, films) -> None:
    server = start(tmp_path, model_poll_s=0.2)
    page = visit(server)
    expect(page.locator("#status")).to_contain_text("Service not ready: asking again in")
    write_tiny_bundle(tmp_path)

    loaded = page.get_by_role("heading", name="Looks for PNEUMONIA")
    expect(loaded).to_be_visible(timeout=200_000)  # loading gives way to whatever else this machine does
    choose(page, films, "negative.png")
    expect(page.locator(".verdict")).to_contain_text("operating point not reached")


def refuse_once(page, **answer):
    """Answer the first film with this, and let the others pass; the list of those refused."""
    refused = []

    def handle(route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        route.fulfill(headers={"Retry-After": "1"}, **answer)

    page.route("**/explain", handle)
    return refused


def test_a_full_queue_is_waited_for_as_long_as_it_asks(page, films) -> None:
    body = (
        '{"title": "Too many images at once", "status": 503, "detail": "full", "code": "overloaded", "request_id": "r"}'
    )
    refused = refuse_once(page, status=503, content_type="application/problem+json", body=body)
    choose(page, films, "positive.png")

    expect(page.locator("#status")).to_contain_text("Too many images at once: trying again in 1 s.")
    expect(page.locator(".verdict")).to_be_visible()
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (502, "application/json", '{"message": "no upstream"}'),
        (413, "application/json; charset=utf-8", '{"message": "too large", "status": 200}'),
        (502, "text/html", "<h1>Bad Gateway</h1>"),
        (502, "application/problem+json", "null"),
        (502, "application/problem+json", '{"status": 200, "detail": ""}'),
    ],
)
def test_a_failure_that_is_not_the_services_is_told_with_the_status_it_came_with(
    page, films, status, media_type, body
) -> None:
    page.route("**/explain", lambda route: route.fulfill(status=status, content_type=media_type, body=body))
    choose(page, films, "positive.png")

    expect(page.locator("#status")).to_contain_text("An answer that is not the service's")
    expect(page.locator("#status")).to_contain_text(f"answered {status}")
    expect(page.get_by_role("button", name="Try again")).to_have_count(1 if status == 502 else 0)


def test_a_proxy_that_is_too_busy_is_waited_for(page, films) -> None:
    refuse_once(page, status=429, json={"message": "API rate limit exceeded"})
    choose(page, films, "positive.png")

    expect(page.locator("#status")).to_contain_text("An answer that is not the service's: trying again in 1 s.")
    expect(page.locator(".verdict")).to_be_visible()


def test_the_waiting_time_is_what_was_asked_for_and_grows_with_chance(page) -> None:
    delays = page.evaluate(
        """async () => {
            const { delayS } = await import("/static/page/patience.js");
            const half = () => 0.5;
            return [delayS(3, 0, half), delayS(3, 1, half), delayS(3, 4, half), delayS(3, 20, half), delayS(null, 0,
            half)];
        }"""
    )

    assert delays == [3, 4, 11, 18, 2]


def test_a_service_that_has_gone_is_told_apart_from_a_refusal(visit, start, tiny_models, films) -> None:
    server = start(tiny_models)
    page = visit(server)
    expect(page.get_by_role("heading", name="Looks for PNEUMONIA")).to_be_visible()
    server.terminate()
    choose(page, films, "positive.png")

    expect(page.locator("#status")).to_contain_text("The service does not answer")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten(visit, start, tiny_models, films, tmp_path) -> None:
    key, entry = new_key("reader", ("predict",))
    write_keys(tmp_path / "keys.json", KeyFile(keys=(entry,)))
    server = start(tiny_models, api_keys_file=tmp_path / "keys.json")
    page = visit(server)
    choose(page, films, "positive.png")
    expect(page.locator("#status")).to_contain_text("Authentication required")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()

    expect(page.locator(".verdict")).to_contain_text("operating point reached")
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("sessionStorage.getItem('key')") == key
    page.get_by_role("button", name="Forget the API key").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_the_name_of_a_file_never_leaves_the_browser(page, tmp_path) -> None:
    requests = []

    def remember(request: Request) -> None:
        requests.append(request)

    page.on("request", remember)
    film = tmp_path / "DOE^JANE.png"
    film.write_bytes(flat_film(200))
    page.locator("#file").set_input_files(film)
    expect(page.locator(".verdict")).to_be_visible()

    # Read here and not in the handler: there, asking for the headers may end after the verdict is seen.
    sent = [(request.url, request.all_headers(), request.post_data_buffer or b"") for request in requests]
    assert len(sent) == 2
    assert "DOE" not in str(sent)
