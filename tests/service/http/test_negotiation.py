"""Rules of content negotiation."""

import pytest

from schemas.errors import NotAcceptableError
from service.http.negotiation import negotiate

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
