"""What the repository promises as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.make_reference import reference
from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).parent.parent


@pytest.mark.process
@pytest.mark.parametrize("package", ["service", "bundle", "imaging", "schemas"])
def test_serving_code_loads_no_training_library(package) -> None:
    program = (
        "import sys; sys.modules['jpeg_ls'] = None\n"  # not there for Python 3.14
        f"import pkgutil, importlib, {package}\n"
        f"[importlib.import_module(m.name) for m in pkgutil.walk_packages({package}.__path__, '{package}.')"
        " if not m.name.endswith(('__main__', '.torch_heat_maps'))]\n"  # which is loaded for a bundle that needs it
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
