"""Rules of the settings."""

import pytest

from schemas.errors import SettingsError
from service.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CXR_{name.upper()}", raising=False)


def test_without_any_variable_the_service_listens_on_loopback_and_uses_one_thread_a_run() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.provider) == ("127.0.0.1", 8000, "cpu")
    assert (settings.intra_op_threads, settings.max_queue, settings.model) == (1, 64, None)


def test_variables_override_the_defaults(monkeypatch) -> None:
    monkeypatch.setenv("CXR_PORT", "8124")
    monkeypatch.setenv("CXR_MODEL", "chest/1.0.0")

    assert (load_settings().port, load_settings().model) == (8124, "chest/1.0.0")


def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch) -> None:
    monkeypatch.setenv("CXR_MAX_QUEU", "7")

    with pytest.raises(SettingsError, match=r"CXR_MAX_QUEU is no setting.*CXR_MAX_QUEUE"):
        load_settings()


@pytest.mark.parametrize("name", ["CXR_DATA_DIR", "CXR_WEIGHTS_DIR"])
def test_variables_of_the_projects_other_programs_are_allowed(monkeypatch, name) -> None:
    monkeypatch.setenv(name, "somewhere")

    assert load_settings() == load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CXR_PORT", "eighty"),
        ("CXR_PORT", "70000"),
        ("CXR_PROVIDER", "tpu"),
        ("CXR_EXPLAIN_BACKEND", "numpy"),
        ("CXR_MAX_QUEUE", "0"),
        ("CXR_MODEL", "../elsewhere"),
        ("CXR_DEADLINE_MS", "0"),
    ],
)
def test_a_value_outside_its_range_is_refused_and_named(monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        load_settings()


def test_a_batch_that_could_never_be_admitted_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("CXR_MAX_QUEUE", "4")

    with pytest.raises(SettingsError, match="max_batch_items 32 is over the 3 places that max_queue 4"):
        load_settings()


def test_a_body_that_could_never_be_admitted_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("CXR_MAX_INFLIGHT_BYTES", "1000000")

    with pytest.raises(SettingsError, match="max_body_bytes 67108864 is over max_inflight_bytes 1000000"):
        load_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example"])
def test_without_keys_other_machines_are_kept_out_unless_the_operator_says_otherwise(monkeypatch, host) -> None:
    monkeypatch.setenv("CXR_HOST", host)
    with pytest.raises(SettingsError, match="CXR_ALLOW_ANONYMOUS=true"):
        load_settings()
    monkeypatch.setenv("CXR_ALLOW_ANONYMOUS", "true")

    assert load_settings().host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(monkeypatch, host) -> None:
    monkeypatch.setenv("CXR_HOST", host)

    assert load_settings().host == host


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc] # which is what the test is of
