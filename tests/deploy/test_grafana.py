"""Rules of deploy/grafana: what a dashboard asks for exists, and a person can read it. Grafana itself is not started
here."""

import itertools
import json
import shutil
import subprocess

import pytest
import yaml

from tests.deploy.expressions import ROOT, unknown

GRAFANA = ROOT / "deploy/grafana"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, board in DASHBOARDS.items()
    for panel in board["panels"]
]


def provisioned(kind):
    (file,) = (GRAFANA / "provisioning" / kind).glob("*.yml")
    return yaml.safe_load(file.read_text())


def expressions(panel):
    return [target["expr"].replace("$__rate_interval", "5m") for target in panel["targets"]]


def test_there_is_a_dashboard_of_the_service_one_of_the_model_one_of_drift_and_one_of_the_truth() -> None:
    assert list(DASHBOARDS) == ["drift", "model", "service", "truth"]
    assert len({board["uid"] for board in DASHBOARDS.values()}) == 4
    assert len({board["title"] for board in DASHBOARDS.values()}) == 4


def test_the_provisioned_source_is_the_one_that_the_panels_ask() -> None:
    (source,) = provisioned("datasources")["datasources"]
    asked = {
        (panel["datasource"]["type"], panel["datasource"]["uid"])
        for board in DASHBOARDS.values()
        for panel in board["panels"]
    }

    assert asked == {(source["type"], source["uid"])}


def test_dashboards_are_provisioned_from_files() -> None:
    (provider,) = provisioned("dashboards")["providers"]

    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_what_is_exported_or_recorded(panel) -> None:
    assert expressions(panel)
    assert [fault for expression in expressions(panel) for fault in unknown(expression)] == []


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_can_be_read(panel) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert len(panel["title"]) > 2
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert panel["type"] in {"stat", "timeseries", "heatmap", "table"}
    if panel["type"] == "stat":
        assert defaults["thresholds"]["steps"][0]["value"] is None
    if len(panel["targets"]) > 1:
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert all(legends)
        assert len(set(legends)) == len(legends)
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_have_different_titles_and_do_not_overlap(board) -> None:
    cells = [
        (panel["gridPos"]["x"] + right, panel["gridPos"]["y"] + down)
        for panel in board["panels"]
        for right, down in itertools.product(range(panel["gridPos"]["w"]), range(panel["gridPos"]["h"]))
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    for key in ("title", "id"):
        assert len({panel[key] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.process
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not on PATH")
def test_prometheus_understands_every_expression_of_the_dashboards(tmp_path) -> None:
    every = [expression for panel in PANELS for expression in expressions(panel.values[0])]
    asked = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(every)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))

    checked = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "panels.yml"], capture_output=True, text=True, check=False
    )

    assert len(every) > 40
    assert f"{len(every)} rules found" in checked.stdout
    assert checked.returncode == 0, checked.stdout + checked.stderr
