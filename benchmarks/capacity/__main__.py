"""Measure what a film costs on this machine, check the queueing model, and size four places; prints the page.

python -m benchmarks.capacity --record docs/results/capacity.json > docs/results/capacity.md
"""

import argparse
from dataclasses import fields
from pathlib import Path

from benchmarks.capacity.measuring import measure
from benchmarks.capacity.records import Measured
from benchmarks.capacity.sizing import Assumptions
from benchmarks.capacity.table import page


def main() -> None:
    """Measure or read a record, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="length of each load (default: %(default)s)")
    parser.add_argument("--record", type=Path, help="keep what was measured in this file")
    parser.add_argument("--draw", type=Path, help="measure nothing: read this record")
    for each in fields(Assumptions):
        name = f"--{each.name.replace('_', '-')}"
        parser.add_argument(name, type=type(each.default), default=each.default, help="default: %(default)s")
    chosen = vars(parser.parse_args())
    assumed = Assumptions(**{each.name: chosen[each.name] for each in fields(Assumptions)})
    measured = (
        measure(chosen["seconds"])
        if chosen["draw"] is None
        else Measured.model_validate_json(chosen["draw"].read_text())
    )
    if chosen["record"] is not None:
        chosen["record"].write_text(measured.model_dump_json(indent=2) + "\n")
    print(page(measured, assumed), end="")


if __name__ == "__main__":
    main()
