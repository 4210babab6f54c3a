"""Rules of the house: how much a folder, a file and a function may hold before they must be cut."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "biostatistics", "bundle", "imaging", "trainer", "export", "service", "benchmarks")
MODULES_OF_A_FOLDER = 14
LINES_OF_A_FILE = 250
LINES_OF_A_FUNCTION = 40


def sources(package: str) -> Iterator[Path]:
    return (path for path in (ROOT / package).rglob("*.py") if "static" not in path.parts)


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_holds_more_modules_than_a_reader_takes_in_at_a_glance(package: str) -> None:
    modules = Counter(path.parent.relative_to(ROOT) for path in sources(package) if path.name != "__init__.py")

    assert {str(folder): count for folder, count in modules.items() if count > MODULES_OF_A_FOLDER} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_two_hundred_and_fifty_lines(package: str) -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(package)}

    assert {str(path): length for path, length in lengths.items() if length > LINES_OF_A_FILE} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_longer_than_forty_lines_with_its_docstring(package: str) -> None:
    too_long = {
        f"{path.relative_to(ROOT)}:{node.name}": lines_of(node)
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > LINES_OF_A_FUNCTION
    }

    assert too_long == {}


@pytest.mark.parametrize("package", PACKAGES[:-1])
def test_every_package_says_what_is_inside(package: str) -> None:
    folders = {path.parent for path in sources(package)}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not (folder / "__init__.py").exists()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]

    assert silent == []
