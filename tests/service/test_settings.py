"""Rules of the settings."""

import pytest

from schemas.errors import SettingsError
from service.settings import VARIABLES, DicomwebSettings, Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_any_variable_the_service_listens_on_loopback_and_uses_one_thread_a_run() -> None:
    settings = load_settings()

    assert (settings.server.host, settings.server.port, settings.engine.provider) == ("127.0.0.1", 8000, "cpu")
    assert (settings.engine.intra_op_threads, settings.limits.max_queue, settings.models.model) == (1, 64, None)


def test_variables_override_the_defaults(monkeypatch) -> None:
    monkeypatch.setenv("CXR_PORT", "8124")
    monkeypatch.setenv("CXR_MODEL", "chest/1.0.0")

    assert (load_settings().server.port, load_settings().models.model) == (8124, "chest/1.0.0")


def test_the_variable_of_a_section_is_read_by_its_whole_name_or_its_alias(monkeypatch) -> None:
    monkeypatch.setenv("CXR_DICOMWEB", "true")
    monkeypatch.setenv("CXR_PACS_URL", "https://pacs/dicom-web")
    monkeypatch.setenv("cxr_decode_workers", "3")
    settings = load_settings()

    assert (settings.dicomweb.enabled, settings.pacs.url, settings.decode.workers) == (
        True,
        "https://pacs/dicom-web",
        3,
    )


def test_every_variable_is_one_field_of_one_section() -> None:
    fields = [
        (name, field) for name, section in Settings.model_fields.items() for field in section.annotation.model_fields
    ]

    assert sorted(VARIABLES.values()) == sorted(fields)
    assert all(variable.startswith("CXR_") for variable in VARIABLES)


def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch) -> None:
    monkeypatch.setenv("CXR_MAX_QUEU", "7")

    with pytest.raises(SettingsError, match=r"CXR_MAX_QUEU is not a setting.*CXR_MAX_QUEUE"):
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


def test_all_faults_are_told_at_once(monkeypatch) -> None:
    monkeypatch.setenv("CXR_PORT", "eighty")
    monkeypatch.setenv("CXR_PROVIDER", "tpu")

    with pytest.raises(SettingsError, match=r"CXR_PORT='eighty'.*CXR_PROVIDER='tpu'"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CXR_PACS_URL", "https://service:swordfish@pacs/dicom-web"),
        ("CXR_AUDIT_SYSLOG", "udp://swordfish@log:514"),
    ],
)
def test_a_value_that_may_hold_a_secret_is_not_printed(monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"{name}: ") as refusal:
        load_settings()
    assert "swordfish" not in str(refusal.value)
    assert "swordfish" not in repr(DicomwebSettings(spool_url=value))


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

    assert load_settings().server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(monkeypatch, host) -> None:
    monkeypatch.setenv("CXR_HOST", host)

    assert load_settings().server.host == host


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().server.port = 1  # type: ignore[misc] # which is what the test is of
