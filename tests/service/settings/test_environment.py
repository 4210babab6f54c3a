"""Rules of the settings."""

import os
import re

import pytest

from schemas.errors import SettingsError
from service.settings import (
    VARIABLES,
    VARIABLES_OF_OTHER_PROGRAMS,
    DicomwebSettings,
    Settings,
    injected_variables,
    load_settings,
)
from tests.deploy.expressions import ROOT

NUMBER_RULE = "must be NAME=NUMBER of single bundles, from 1 to 256, separated by commas"
LEAST_RULE = "must be a version such as 2.0.0, or NAME/VERSION of each bundle, separated by commas"


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


def test_the_objects_of_single_outcomes_are_chosen_and_the_others_stay(monkeypatch) -> None:
    monkeypatch.setenv("CXR_DELIVERY", "negative = nothing, unclear=note+picture,suspended=report")
    objects = load_settings().pacs.policy.objects

    assert objects["negative"] == frozenset()
    assert objects["unclear"] == {"note", "picture"}
    assert objects["suspended"] == {"report"}
    assert objects["positive"] == {"report", "picture", "outline"}
    assert (objects["abstain"], objects["outside_population"]) == ({"note"}, {"note"})


@pytest.mark.parametrize(
    "value",
    ["postive=report", "positive", "positive=report,positive=note", "positive=report+note", "abstain=video", "=report"],
)
def test_a_delivery_of_other_outcomes_or_objects_is_refused_with_the_rule(monkeypatch, value) -> None:
    monkeypatch.setenv("CXR_DELIVERY", value)

    with pytest.raises(SettingsError, match=r"CXR_DELIVERY=.*must be OUTCOME=OBJECT\+OBJECT.* note, report, picture"):
        load_settings()


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


@pytest.mark.parametrize("name", ["CXR_SERVICE_HOST", "CXR_HOST_SERVICE"])
def test_a_misspelt_variable_that_looks_like_one_of_kubernetes_is_refused_by_its_value(monkeypatch, name) -> None:
    monkeypatch.setenv(name, "0.0.0.0")

    with pytest.raises(SettingsError, match=rf"{name} is not a setting.*the nearest name is CXR_"):
        load_settings()


@pytest.mark.parametrize("name", ["CXR_PORTS", "CXR_API_PORT", "CXR_PORT_8000"])
def test_a_port_under_another_name_is_refused(monkeypatch, name) -> None:
    monkeypatch.setenv(name, "8000")

    with pytest.raises(SettingsError, match=rf"{name} is not a setting.*CXR_"):
        load_settings()


SERVICE_CXR = {
    "CXR_SERVICE_HOST": "10.96.12.7",
    "CXR_SERVICE_PORT": "8000",
    "CXR_SERVICE_PORT_HTTP": "8000",
    "CXR_PORT": "tcp://10.96.12.7:8000",
    "CXR_PORT_8000_TCP": "tcp://10.96.12.7:8000",
    "CXR_PORT_8000_TCP_PROTO": "tcp",
    "CXR_PORT_8000_TCP_PORT": "8000",
    "CXR_PORT_8000_TCP_ADDR": "10.96.12.7",
}
"""What Kubernetes sets in each pod beside a Service named `cxr` with a port named `http`."""
SERVICE_CXR_API = {
    "CXR_API_SERVICE_HOST": "fd00::7",
    "CXR_API_SERVICE_PORT": "80",
    "CXR_API_PORT": "tcp://[fd00::7]:80",
    "CXR_API_PORT_80_TCP": "tcp://[fd00::7]:80",
    "CXR_API_PORT_80_TCP_ADDR": "fd00::7",
}
LINK_CXR = {"CXR_PORT": "tcp://172.17.0.5:8000", "CXR_NAME": "/web/cxr", "CXR_ENV_PATH": "/usr/bin"}
"""What Docker sets for `--link other:cxr`."""


@pytest.mark.parametrize("injected", [SERVICE_CXR, SERVICE_CXR_API, LINK_CXR], ids=["cxr", "cxr-api", "link"])
def test_variables_that_others_inject_change_nothing(monkeypatch, injected) -> None:
    before = load_settings()
    for name, value in injected.items():
        monkeypatch.setenv(name, value)

    assert load_settings() == before
    assert injected_variables(os.environ) == injected.keys()


def test_each_variable_that_kubernetes_injects_is_known_by_itself() -> None:
    assert [name for name, value in SERVICE_CXR.items() if injected_variables({name: value}) != {name}] == []


def test_a_port_that_the_operator_sets_beside_a_service_named_cxr_is_used(monkeypatch) -> None:
    for name, value in (SERVICE_CXR | {"CXR_PORT": "8124"}).items():
        monkeypatch.setenv(name, value)

    assert load_settings().server.port == 8124
    assert injected_variables(os.environ) == SERVICE_CXR.keys() - {"CXR_PORT"}


def test_every_variable_of_compose_makefile_and_deploy_is_a_setting_or_known_to_be_none() -> None:
    files = [ROOT / "docker-compose.yml", ROOT / "docker-bake.hcl", ROOT / "Makefile", *ROOT.glob("Dockerfile.*")]
    files += [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    named = {name for path in files for name in re.findall(r"\bCXR_[A-Z0-9_]*[A-Z0-9]", path.read_text())}

    assert named - VARIABLES.keys() - VARIABLES_OF_OTHER_PROGRAMS == set()


@pytest.mark.parametrize("name", sorted(VARIABLES))
@pytest.mark.parametrize("value", ["", "  ", "\t\r"])
def test_a_variable_without_a_value_is_one_that_nobody_set(monkeypatch, name, value) -> None:
    before = load_settings()
    monkeypatch.setenv(name, value)

    assert load_settings() == before


def test_blanks_around_a_value_belong_to_the_file_that_it_came_from(monkeypatch) -> None:
    monkeypatch.setenv("CXR_PROVIDER", "cpu\r")
    monkeypatch.setenv("CXR_PORT", " 8124 ")
    settings = load_settings()

    assert (settings.engine.provider, settings.server.port) == ("cpu", 8124)


def test_one_setting_in_two_spellings_with_two_values_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("CXR_PORT", "8000")
    monkeypatch.setenv("cxr_port", "8001")

    with pytest.raises(SettingsError, match="CXR_PORT and cxr_port are one setting with two values"):
        load_settings()


@pytest.mark.parametrize("name", sorted(VARIABLES_OF_OTHER_PROGRAMS))
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

    with pytest.raises(SettingsError, match=f"{name}='{value}': must be [^^]*$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("CXR_PORT", "8000-8001", "must be a whole number, at least 0 and at most 65535"),
        ("CXR_MAX_BATCH_SIZE", "7.5", "must be a whole number, at least 1 and at most 256"),
        ("CXR_RATE_LIMIT", "0", "must be a whole number, at least 1"),
        ("CXR_MODEL_POLL_S", "nan", "must be a number, more than 0 and at most 3600"),
        ("CXR_MAX_SLOWDOWN", "inf", "must be a number, more than 1"),
        ("CXR_DICOMWEB", "maybe", "must be true or false"),
        ("CXR_LEAST_VERSION", "newest", LEAST_RULE),
        ("CXR_LEAST_VERSION", "tiny/2.0.0,3.0.0", LEAST_RULE),
        ("CXR_LEAST_VERSION", "tiny/2.0.0,tiny/3.0.0", LEAST_RULE),
        ("CXR_LEAST_VERSION", "/2.0.0", LEAST_RULE),
        ("CXR_CONCURRENT_RUNS_BY_MODEL", "4", NUMBER_RULE),
        ("CXR_CONCURRENT_RUNS_BY_MODEL", "adults=0", NUMBER_RULE),
        ("CXR_CONCURRENT_RUNS_BY_MODEL", "adults=1,adults=2", NUMBER_RULE),
        ("CXR_MAX_BATCH_SIZE_BY_MODEL", "adults=257", NUMBER_RULE),
        ("CXR_MAX_BATCH_SIZE_BY_MODEL", "adults=many", NUMBER_RULE),
        ("CXR_MAX_MODELS", "0", "must be a whole number, at least 1 and at most 16"),
        ("CXR_LOG_FORMAT", "xml", "must be auto or json or console"),
        (
            "CXR_MODEL",
            "A b",
            "must be NAME or NAME/VERSION, each of small letters, digits, dots, hyphens and underscores",
        ),
    ],
)
def test_a_refusal_is_one_sentence_that_names_variable_value_and_rule(monkeypatch, name, value, rule) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert str(refusal.value) == f"{name}='{value}': {rule}"


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        (
            {"CXR_MODEL": "tiny", "CXR_MODELS": "a,b"},
            "model tiny and models a,b are both set; keep CXR_MODELS for several bundles, or CXR_MODEL for one",
        ),
        (
            {"CXR_MODELS": "children/1.0.0,children/2.0.0"},
            "models names children more than once; one version of a bundle serves at a time: name it once",
        ),
        (
            {"CXR_MODELS": "a,b,c", "CXR_MAX_MODELS": "2"},
            "models names 3 bundles and max_models allows 2; name fewer, or raise CXR_MAX_MODELS where memory allows",
        ),
        (
            {"CXR_MODELS": "children,adults", "CXR_LEAST_VERSION": "child/1.0.0"},
            "least_version is of child, and children, adults serve; correct one of the two",
        ),
        (
            {"CXR_MODELS": "children,adults", "CXR_CONCURRENT_RUNS_BY_MODEL": "tiny=2"},
            (
                "a limit is for tiny, and children, adults serve; correct CXR_CONCURRENT_RUNS_BY_MODEL or "
                "CXR_MAX_BATCH_SIZE_BY_MODEL"
            ),
        ),
        (
            {"CXR_MODELS": "children,,adults"},
            "CXR_MODELS='': must be NAME or NAME/VERSION, each of small letters, digits, dots, hyphens and underscores",
        ),
    ],
)
def test_bundles_that_cannot_serve_side_by_side_are_refused(monkeypatch, variables, rule) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert str(refusal.value) == rule


def test_a_bundle_may_have_limits_of_its_own(monkeypatch) -> None:
    monkeypatch.setenv("CXR_CONCURRENT_RUNS", "4")
    monkeypatch.setenv("CXR_CONCURRENT_RUNS_BY_MODEL", "adults=2")
    monkeypatch.setenv("CXR_MAX_BATCH_SIZE_BY_MODEL", "children=8, adults=3")
    engine = load_settings().engine

    limits = {name: (engine.of(name).concurrent_runs, engine.of(name).largest_batch) for name in ("children", "adults")}
    assert limits == {"children": (4, 8), "adults": (2, 3)}
    assert (engine.of("tiny").concurrent_runs, engine.of("tiny").largest_batch) == (4, 1)


def test_several_bundles_have_an_order_and_a_least_version_each(monkeypatch) -> None:
    monkeypatch.setenv("CXR_MODELS", "children/3.0.0, adults")
    monkeypatch.setenv("CXR_LEAST_VERSION", "children/3.0.0, adults/1.0.0")
    models = load_settings().models

    assert (models.models, models.names) == (("children/3.0.0", "adults"), ("children", "adults"))
    assert [models.least_version_of(name) for name in models.names] == ["3.0.0", "1.0.0"]
    monkeypatch.setenv("CXR_LEAST_VERSION", "2.0.0")
    assert load_settings().models.least_version_of("adults") == "2.0.0"
    monkeypatch.setenv("CXR_LEAST_VERSION", "children/3.0.0")
    assert load_settings().models.least_version_of("adults") is None


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
        ("CXR_MODEL", "https://service:swordfish@pacs"),
        ("CXR_PORT", "cxr_0123456789ab_swordfish"),
        ("CXR_PROVIDER", "eyJhbGciOi.eyJzdWIiOi.swordfishswordfishswordfish"),
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


def test_a_service_that_would_be_killed_before_its_end_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("CXR_STOP_GRACE_S", "70")
    monkeypatch.setenv("CXR_DRAIN_S", "40")

    with pytest.raises(SettingsError, match=r"take 70 s after SIGTERM, .* set CXR_STOP_GRACE_S to more than 70"):
        load_settings()
    monkeypatch.setenv("CXR_STOP_GRACE_S", "71")
    assert load_settings().server.drain_s == 40


def test_who_may_come_without_a_key_is_a_word_or_a_truth(monkeypatch) -> None:
    monkeypatch.setenv("CXR_ALLOW_ANONYMOUS", "perhaps")

    with pytest.raises(SettingsError, match="CXR_ALLOW_ANONYMOUS='perhaps': must be true or false or unless_keys"):
        load_settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(monkeypatch, host) -> None:
    monkeypatch.setenv("CXR_HOST", host)

    assert load_settings().server.host == host


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().server.port = 1  # type: ignore[misc] # which is what the test is of
