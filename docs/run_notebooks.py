"""Runs docs/notebooks/*.ipynb and writes their outputs into them: `python -m docs.run_notebooks`."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import nbformat
from nbclient import NotebookClient

NOTEBOOKS: Final = Path(__file__).parent / "notebooks"
PATHS: Final = sorted(NOTEBOOKS.glob("*.ipynb"), key=lambda path: (path.stem != "train", path.name))
"""`train` is the first: it makes the run that the others read."""
_SECONDS_A_CELL: Final = 240


def executed(path: Path, work: Path) -> Any:
    """The notebook with the outputs of a fresh kernel that was started in its folder.

    Args:
        path: of the notebook.
        work: where it makes its films and its run, or finds those of another notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat leaves it untyped
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook, timeout=_SECONDS_A_CELL, kernel_name="python3", resources=resources, record_timing=False
    ).execute(env=os.environ | {"NOTEBOOKS_WORK": str(work)})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # Progress and warnings of libraries say nothing to a reader, and differ every time.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Run every notebook, and keep its outputs."""
    with TemporaryDirectory() as work:
        for path in PATHS:
            nbformat.write(executed(path, Path(work)), path)  # type: ignore[no-untyped-call]
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
