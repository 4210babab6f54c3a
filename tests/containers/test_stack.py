"""The stack as `docker compose` starts it: it answers, is closed, is watched, takes over what is trained, scales,
and ends cleanly."""

import json
import os
import shutil
import urllib.parse

import httpx2
import pytest

from imaging.phantom import phantom
from tests.containers.engine import ROOT, run
from tests.films import encode
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)

LARGEST_IMAGE = 600_000_000
OFFICIAL_BASE = 130_000_000  # python:3.11-slim-bookworm, unpacked; what stands in for it offline is larger
FILM = encode(phantom(512, 512, seed=3))


def client(stack, number=0):
    return httpx2.Client(base_url=f"http://127.0.0.1:{stack.ports('api', 8000)[number]}", timeout=60)


def health(stack):
    return {stack.inspect(container)["State"]["Health"]["Status"] for container in stack.containers("api")}


@pytest.fixture
def api(stack):
    wait_until(lambda: health(stack) == {"healthy"}, "the service is healthy", timeout_s=120)
    with client(stack) as found:
        yield found


def test_it_predicts_and_explains_a_film(api) -> None:
    prediction = api.post("/predict", files={"file": ("film.jpeg", FILM, "image/jpeg")})
    explanation = api.post("/explain", files={"file": ("film.jpeg", FILM)}, headers={"Accept": "image/png"})

    assert prediction.status_code == 200
    assert set(prediction.json()["prediction"]["probabilities"]) == {"NORMAL", "PNEUMONIA"}
    assert explanation.content.startswith(b"\x89PNG")


def test_a_setting_of_the_environment_reaches_it(api) -> None:
    answer = api.post("/predict/batch", files=[("files", ("film.jpeg", FILM))] * 4)

    assert answer.status_code == 413
    assert "3" in answer.json()["detail"]


def test_the_page_is_there(api) -> None:
    assert "<title>" in api.get("/").text


def test_the_service_runs_as_nobody_special_on_a_file_system_that_it_cannot_write(stack, api) -> None:
    (container,) = stack.containers("api")
    host = stack.inspect(container)["HostConfig"]

    assert stack.execute("api", "id", "-u").stdout.strip() == "10001"
    assert stack.execute("api", "touch", "/app/service/new").returncode != 0
    assert stack.execute("api", "touch", "/app/models/new").returncode != 0
    assert stack.execute("api", "touch", "/tmp/new").returncode == 0
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0


def test_the_image_of_the_service_is_small_and_holds_no_torch(stack, api) -> None:
    base, image = (
        int(run("docker", "image", "inspect", name, "--format", "{{.Size}}"))
        for name in (os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm"), "cxr-api")
    )

    assert image - base + OFFICIAL_BASE <= LARGEST_IMAGE, f"{(image - base) / 1e6:.0f} MB above the base"
    assert "No module named 'torch'" in stack.execute("api", "python", "-c", "import torch").stderr


def prometheus(stack, query):
    (port,) = stack.ports("prometheus", 9090)
    address = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    found = httpx2.get(address, timeout=10).json()["data"]["result"]
    return [float(row["value"][1]) for row in found]


def test_prometheus_scrapes_it(stack, api) -> None:
    wait_until(lambda: prometheus(stack, 'up{job="cxr"}') == [1.0], "the target is up", timeout_s=90)
    wait_until(lambda: prometheus(stack, "cxr_model_info"), "the bundle is known", timeout_s=60)


def test_what_is_trained_beside_it_is_served_without_a_restart(stack, api) -> None:
    before = api.get("/models/current").json()
    started = stack.inspect(stack.containers("api")[0])["State"]["StartedAt"]

    options = (
        "--archs",
        "cnn_baseline",
        "--epochs",
        "2",
        "--size",
        "32",
        "--batch-size",
        "8",
        "--set",
        "report.explain=0",
    )
    said = stack.compose("run", "--rm", "trainer", "sweep", "--data", "/data", *options, timeout=1200)

    assert "golden films within" in said
    wait_until(lambda: api.get("/models/current").json()["name"] == "trained", "the new bundle serves", timeout_s=60)
    answer = api.post("/predict", files={"file": ("film.jpeg", FILM)}).json()
    assert (before["name"], answer["model"]["architecture"]) == ("chest-xray-pneumonia", "cnn_baseline")
    assert stack.inspect(stack.containers("api")[0])["State"]["StartedAt"] == started


def test_the_bundles_of_a_newer_image_come_into_the_volume_and_what_serves_stays(stack, api, tmp_path) -> None:
    before = api.get("/models/current").json()
    shipped = ROOT / "models"
    newer = tmp_path / "image"
    shutil.copytree(shipped / (shipped / "current").read_text().strip(), newer / "newer/3.0.0")
    (newer / "current").write_text("newer/3.0.0")
    tmp_path.chmod(0o755)

    said = stack.compose("run", "--rm", "-v", f"{newer}:/app/models:ro", "bundles")

    assert "copied newer/3.0.0" in said
    assert stack.execute("api", "test", "-f", "/app/models/newer/3.0.0/manifest.json").returncode == 0
    assert api.get("/models/current").json() == before


def test_two_of_it_serve_and_are_watched(stack, api) -> None:
    first = int(stack.settings["CXR_PORT"])
    stack.settings["CXR_PORT"] = f"{first}-{first + 9}"

    stack.compose("up", "-d", "--no-recreate", "--scale", "api=2", "api")

    wait_until(
        lambda: len(stack.containers("api")) == 2 and health(stack) == {"healthy"}, "two are healthy", timeout_s=120
    )
    for number in range(2):
        with client(stack, number) as one:
            assert one.post("/predict", files={"file": ("film.jpeg", FILM)}).status_code == 200
    wait_until(lambda: prometheus(stack, 'sum(up{job="cxr"})') == [2.0], "both are scraped", timeout_s=90)


def test_a_stop_ends_it_cleanly(stack) -> None:
    stopped = stack.containers("api")

    stack.compose("stop", "--timeout", "30", "api")

    codes = {json.loads(run("docker", "inspect", name))[0]["State"]["ExitCode"] for name in stopped}
    assert codes == {0}
