"""A real Prometheus scrapes a real server with the files of deploy/, and answers what rules and dashboards ask."""

import json
import math
import shutil
import socket
import subprocess

import httpx2
import pytest
import yaml

from tests.deploy.expressions import PROMETHEUS, ROOT
from tests.service.answers.test_drift import with_reference
from tests.service.conftest import flat_film
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus (Debian package) is not on PATH"),
]


class Scraper:
    """The process and its HTTP interface; it looks every second instead of every fifteen."""

    def __init__(self, folder, target) -> None:
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        config["global"] = dict.fromkeys(config["global"], "1s")
        config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
        config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
                "--log.level=error",
            ]
        )
        self.client = httpx2.Client(base_url=f"http://{address}/api/v1", timeout=10)

    def query(self, expression):
        """Labels and value of each series; no series before it listens."""
        try:
            answer = self.client.get("/query", params={"query": expression})
        except httpx2.TransportError:
            return []
        if answer.status_code == 503:
            return []
        assert answer.status_code == 200, answer.text
        return [(row["metric"], float(row["value"][1])) for row in answer.json()["data"]["result"]]

    def number(self, expression):
        """Of the first series, as soon as there is one: after too few scrapes a rate is absent, or NaN."""
        found = []

        def there():
            found[:] = [value for _, value in self.query(expression) if not math.isnan(value)]
            return found

        wait_until(there, f"{expression} has a value")
        return found[0]

    def firing(self):
        alerts = self.client.get("/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    with_reference(models)
    running = Server(models, drift_window=50)
    yield running
    running.end()


@pytest.fixture(scope="module")
def prometheus(server, tmp_path_factory):
    scraper = Scraper(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{server.port}")
    yield scraper
    scraper.end()


def test_rules_dashboards_and_the_drift_alert_work_on_what_the_server_exports(server, prometheus) -> None:
    wait_until(lambda: prometheus.query("cxr_ready == 1"), "the server is scraped and ready")
    assert "CxrDrift" not in prometheus.firing()

    def film_answered():
        assert server.client.post("/predict", content=flat_film(60)).status_code == 200
        return prometheus.query("job:cxr_film_requests:error_ratio_rate5m == 0")

    wait_until(film_answered, "a recording rule has an answer")
    for _ in range(50):  # alike, where validation was of every gray level
        server.client.post("/predict", content=flat_film(60))
    wait_until(lambda: "CxrDrift" in prometheus.firing(), "the drift alert fires")

    assert 0 <= prometheus.number("instance:cxr_queue:used_ratio") < 0.1
    assert 0 < prometheus.number("job:cxr_predict_duration_seconds:p99_rate5m") < 30
    assert {"CxrTargetDown", "CxrNotReady", "CxrModelRefused"}.isdisjoint(prometheus.firing())
    for board in (ROOT / "deploy/grafana/dashboards").glob("*.json"):
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel["targets"]:
                prometheus.query(target["expr"].replace("$__rate_interval", "1m"))  # 200, or it fails
