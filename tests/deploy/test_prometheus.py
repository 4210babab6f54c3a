"""Rules of deploy/prometheus: every expression is about what the service exports, every alert has its page and its
case."""

import re
import shutil
import subprocess

import pytest
import yaml

from service.settings import VARIABLES
from tests.deploy.expressions import PROMETHEUS, ROOT, rules, unknown

RECORDED = rules("recording_rules.yml")
ALERTS = rules("alerts.yml")
RUNBOOKS = ROOT / "docs/runbooks"
CASES = [
    case
    for file in sorted(PROMETHEUS.glob("*_test.yml"))
    for test in yaml.safe_load(file.read_text())["tests"]
    for case in test["alert_rule_test"]
]

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not on PATH"
)


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("rule", RECORDED + ALERTS, ids=lambda rule: rule.get("record", rule.get("alert")))
def test_a_rule_is_about_what_is_exported_or_recorded(rule) -> None:
    assert unknown(rule["expr"]) == []


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_happened_and_where_to_read_on(rule) -> None:
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_case_that_fires_and_one_that_does_not(rule) -> None:
    outcomes = {bool(case["exp_alerts"]) for case in CASES if case["alertname"] == rule["alert"]}

    assert outcomes == {True, False}


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == sorted(rule["alert"] for rule in ALERTS)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_a_page_says_what_it_means_what_it_costs_where_to_look_and_what_to_do(rule) -> None:
    page = (RUNBOOKS / f"{rule['alert']}.md").read_text()

    assert page.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Meaning", "Impact", "First look", "Remedy"]
    assert all((RUNBOOKS / link).exists() for link in re.findall(r"\]\((?!http)([^)#]+)", page))
    assert set(re.findall(r"\bCXR_[A-Z_]+", page)) <= VARIABLES.keys()
    for expression in re.findall(r"^    (?!promtool|python|curl|prometheus)(\S.*(?:cxr_|cxr:).*)$", page, re.MULTILINE):
        assert unknown(expression) == []


@pytest.mark.process
@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "config", "compose.yml"),
        ("check", "rules", "--lint-fatal", "recording_rules.yml", "alerts.yml"),
    ],
    ids=lambda arguments: arguments[-1],
)
def test_promtool_finds_nothing_to_say(arguments) -> None:
    checked = promtool(*arguments)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.process
@needs_promtool
@pytest.mark.parametrize("file", [path.name for path in sorted(PROMETHEUS.glob("*_test.yml"))])
def test_alerts_fire_when_they_should_and_not_before(file) -> None:
    tested = promtool("test", "rules", file)

    assert tested.returncode == 0, tested.stdout + tested.stderr
