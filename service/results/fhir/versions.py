"""Which version of FHIR a caller asks for.

Source: HL7 FHIR 5.0.0, http.html, "FHIR Version Parameter": `application/fhir+json; fhirVersion=4.0`.
"""

from typing import Final, Literal

from schemas.errors import NotAcceptableError
from service.mime.parameters import HeaderValue, parse_header

FhirVersion = Literal["4.0", "5.0"]
"""As in the parameter `fhirVersion` of a media type. Source: HL7 FHIR 5.0.0, http.html 3.2.0.1.14."""

VERSIONS: Final[tuple[FhirVersion, ...]] = ("5.0", "4.0")
"""The one that is answered where a caller names none comes first."""

FHIR_JSON: Final = "application/fhir+json"
_RANGES: Final = (FHIR_JSON, "application/json", "application/*", "*/*")


def content_type(version: FhirVersion) -> str:
    """Of an answer, or of a transaction, in that version."""
    return f"{FHIR_JSON}; fhirVersion={version}"


def version_asked(accept: str) -> FhirVersion:
    """Choose the version that `accept` rates highest; the first of `VERSIONS` where it names none.

    Args:
        accept: all Accept lines of the request; empty accepts anything.

    Raises:
        NotAcceptableError: it names no version that is written here, or no JSON.
    """
    ranges = [parse_header(entry) for entry in (accept.strip() or "*/*").split(",")]
    wanted = [each for each in ranges if each.value in _RANGES and _quality(each) > 0]
    # Of equals the first counts; sorting is stable.
    for each in sorted(wanted, key=_quality, reverse=True):
        asked = each.parameters.get("fhirversion")
        for version in VERSIONS:
            if asked in (None, version):
                return version
    offers = " or ".join(content_type(version) for version in VERSIONS)
    msg = f"this address answers with {offers}; name one of them in Accept"
    raise NotAcceptableError(msg)


def _quality(each: HeaderValue) -> float:
    try:
        return float(each.parameters.get("q", "1"))
    except ValueError:
        return 1.0  # an unreadable weight does not refuse the request
