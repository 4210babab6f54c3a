"""What the repository promises as a whole."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from docs.make_reference import reference
from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(lock) -> None:
    lines = lock.read_text().splitlines()
    pins = [line for line in lines if "==" in line]

    assert pins
    assert all(re.fullmatch(r"[a-z0-9._-]+==\S+( ; .+)? \\", line) for line in pins)
    assert all(line in pins or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines)


@pytest.mark.parametrize("extra", ["cpu", "gpu"])
def test_the_lock_of_the_service_holds_no_torch(extra) -> None:
    packages = re.findall(r"^([a-z0-9._-]+)==", (ROOT / f"requirements/{extra}.txt").read_text(), re.MULTILINE)

    assert "fastapi" in packages
    assert not {"torch", "torchvision", "timm", "onnx", "lightning-fabric", "albumentations"} & set(packages)


def test_each_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {"cpu": ["cpu"], "gpu": ["gpu"], "train": ["cpu", "train"], "dev": ["cpu", "train", "mlflow", "dev"]}
    for lock in LOCKS:
        wanted = project["dependencies"] + [name for extra in declared[lock.stem] for name in extras[extra]]
        names = {re.match(r"[A-Za-z0-9._-]+", line).group().lower() for line in wanted}

        assert names <= set(re.findall(r"^([a-z0-9._-]+)==", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("package", ["service", "imaging", "schemas"])
def test_serving_code_loads_no_training_library(package) -> None:
    program = (
        f"import sys, pkgutil, importlib, {package}\n"
        f"[importlib.import_module(m.name) for m in pkgutil.walk_packages({package}.__path__, '{package}.')"
        " if not m.name.endswith(('__main__', '.torch_explainer'))]\n"  # which is loaded for a bundle that needs it
        "print(sorted({'torch', 'timm', 'trainer', 'export', 'albumentations'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_every_target_of_the_makefile_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE).group(1).split()

    assert set(phony) == {*re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)}


def test_the_reference_is_what_the_code_says() -> None:
    assert (ROOT / "docs/reference.md").read_text() == reference() + "\n", "run `make reference`"


def test_the_readme_names_only_commands_and_addresses_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    addresses = {"/", "/docs", *create_app(Settings()).api.openapi()["paths"]}

    assert set(re.findall(r"`?make ([a-z-]+)", readme)) <= targets
    assert {path or "/" for path in re.findall(r"http://127\.0\.0\.1:8000([\w/]*)", readme)} <= addresses
    assert all((ROOT / link).exists() for link in re.findall(r"\]\((?!http)([^)#]+)", readme))


def test_no_film_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    films = [name for name in listed if re.search(r"\.(jpe?g|dcm|npz)$", name, re.IGNORECASE)]

    assert [name for name in films if not name.startswith(("models/", "docs/images/"))] == []
