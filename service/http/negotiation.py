"""Which representation of an answer the caller's Accept header asks for."""

from typing import Final

from fastapi import Request

from schemas.errors import NotAcceptableError

_REFUSED: Final = 0.0


def accept_of(request: Request) -> str:
    """All Accept lines of a request as one: a list may be spread over several (RFC 9110 5.3). Empty: there is none."""
    return ", ".join(request.headers.getlist("Accept"))


def negotiate(accept: str, offers: tuple[str, ...]) -> str:
    """Choose the media type that `accept` rates highest; the earlier offer wins a tie.

    Args:
        accept: see `accept_of`; empty accepts anything.
        offers: media types that the route can produce, its default first.

    Raises:
        NotAcceptableError: none of them is accepted.

    Source: RFC 9110, section 12.5.1.
    """
    ranges = [_range(entry) for entry in (accept.strip() or "*/*").split(",")]
    quality, _, chosen = max((_quality(offer, ranges), -index, offer) for index, offer in enumerate(offers))
    if quality == _REFUSED:
        msg = f"this address answers with {' or '.join(offers)}; name one of them in Accept"
        raise NotAcceptableError(msg)
    return chosen


def _range(entry: str) -> tuple[str, float]:
    media_range, *parameters = (field.strip().lower() for field in entry.split(";"))
    weights = [value for name, _, value in (field.partition("=") for field in parameters) if name.strip() == "q"]
    try:
        return media_range, float(weights[0]) if weights else 1.0
    except ValueError:
        return media_range, 1.0  # an unreadable weight does not refuse the request


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    # The most exact range decides, whatever its weight: image/png;q=0 beats */*.
    for candidate in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == candidate:
                return quality
    return _REFUSED
