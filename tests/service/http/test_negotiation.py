"""Rules of content negotiation."""

import pytest

from schemas.errors import NotAcceptableError
from service.http.negotiation import negotiate
from tests.service.conftest import flat_film

OFFERS = ("application/json", "image/png")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("text/html, image/png;q=0.2", "image/png"),
        ("application/json;q=0.5, image/png", "image/png"),
        ("application/json;q=0.5, */*;q=0.5", "application/json"),
        ("application/json;q=0, */*", "image/png"),
        ("image/png;q=high", "image/png"),
    ],
)
def test_the_best_rated_representation_is_chosen_and_the_default_wins_a_tie(accept, chosen) -> None:
    assert negotiate(accept, OFFERS) == chosen


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "application/json;q=0"])
def test_what_no_offer_satisfies_is_refused_with_the_offers(accept) -> None:
    with pytest.raises(NotAcceptableError, match="application/json or image/png"):
        negotiate(accept, OFFERS)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "address", "media_type"),
    [("POST", "/explain", "image/png"), ("GET", "/models/current", "text/markdown")],
)
async def test_every_line_of_accept_counts(client, method, address, media_type) -> None:
    del client.headers["Accept"]
    lines = [("Accept", "text/html"), ("Accept", f"application/json;q=0.1, {media_type}")]
    answer = await client.request(method, address, content=flat_film(200), headers=lines)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(media_type)
