"""The version of FHIR that a caller's Accept asks for."""

import pytest

from schemas.errors import NotAcceptableError
from service.results.fhir.versions import version_asked

FHIR = "application/fhir+json"


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("", "5.0"),
        ("*/*", "5.0"),
        (FHIR, "5.0"),
        ("application/json", "5.0"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "5.0"),
        (f"{FHIR}; fhirVersion=4.0", "4.0"),
        (f'{FHIR};fhirVersion="4.0"', "4.0"),
        (f"{FHIR}; FHIRVERSION=5.0", "5.0"),
        (f"{FHIR};fhirVersion=5.0;q=0.5, {FHIR};fhirVersion=4.0", "4.0"),
        (f"{FHIR};fhirVersion=3.0, {FHIR};fhirVersion=4.0;q=0.1", "4.0"),
        (f"{FHIR};fhirVersion=4.0, {FHIR};fhirVersion=5.0", "4.0"),
        (f"{FHIR};fhirVersion=4.0;q=much", "4.0"),
        ("application/json;fhirVersion=4.0", "4.0"),
    ],
)
@pytest.mark.clause("FHIR http fhirVersion", "the version is chosen by the parameter of the MIME type")
def test_the_highest_rated_version_is_answered(accept, version) -> None:
    assert version_asked(accept) == version


@pytest.mark.parametrize(
    "accept",
    [
        f"{FHIR}; fhirVersion=3.0",
        f"{FHIR}; fhirVersion=4.0.1",
        f"{FHIR}; fhirVersion=",
        f"{FHIR}; fhirVersion=4.0; q=0",
        "application/fhir+xml",
        "text/html",
    ],
)
@pytest.mark.clause("FHIR http fhirVersion", "another version is refused, and those that are written are named")
def test_what_is_not_written_here_is_refused_with_what_is(accept) -> None:
    with pytest.raises(NotAcceptableError, match=r"fhirVersion=5.0 or application/fhir\+json; fhirVersion=4.0"):
        version_asked(accept)
