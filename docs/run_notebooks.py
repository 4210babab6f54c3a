"""Runs docs/notebooks/*.ipynb and writes their outputs into them: `python -m docs.run_notebooks`."""

from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient

NOTEBOOKS: Final = Path(__file__).parent / "notebooks"
_SECONDS_A_CELL: Final = 240


def executed(path: Path) -> Any:
    """The notebook with the outputs of a fresh kernel that was started in its folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat leaves it untyped
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook, timeout=_SECONDS_A_CELL, kernel_name="python3", resources=resources, record_timing=False
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # Progress and warnings of libraries say nothing to a reader, and differ every time.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Run every notebook, and keep its outputs."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        nbformat.write(executed(path), path)  # type: ignore[no-untyped-call]
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
