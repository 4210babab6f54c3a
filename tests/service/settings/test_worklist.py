"""Rules of the settings of the task performer."""

import pytest

from schemas.errors import SettingsError
from service.settings import load_settings


def loaded(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"CXR_{name.upper()}", value)
    return load_settings()


def test_codes_have_a_scheme_and_may_have_a_meaning(monkeypatch) -> None:
    settings = loaded(monkeypatch, worklist_station="CXR^99SITE^Reader of films", worklist_code="110005 ^ DCM")

    assert settings.worklist.station == ("CXR", "99SITE", "Reader of films")
    assert settings.worklist.code == ("110005", "DCM", "110005")


def test_it_is_off_by_default() -> None:
    assert load_settings().worklist.url is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"worklist_url": "http://ups"}, "nothing says which of its work is meant for this program"),
        ({"worklist_url": "http://user:secret@ups", "worklist_label": "AI"}, "without a login in it"),
        ({"worklist_station": "CXR"}, "must be CODE\\^SCHEME"),
        ({"worklist_station": "CXR^"}, "must be CODE\\^SCHEME"),
        ({"worklist_code": "12345678901234567^DCM"}, "must be CODE\\^SCHEME"),
        ({"worklist_token_file": "a", "worklist_login_file": "b"}, "two ways to the same worklist"),
        ({"worklist_ae_title": "A" * 17}, "must be an AE title"),
        ({"worklist_lease_s": "1"}, "CXR_WORKLIST_LEASE_S"),
    ],
)
def test_what_cannot_work_is_refused_by_name(monkeypatch, variables, message) -> None:
    with pytest.raises(SettingsError, match=message):
        loaded(monkeypatch, **variables)
