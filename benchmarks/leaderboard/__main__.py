"""Runs beside one another and beside what others published: a page of the documentation, its figure and its records.

    python -m benchmarks.leaderboard two-classes runs/first runs/second
    python -m benchmarks.leaderboard two-classes docs/results/two-classes.json runs/third

Reads runs that have ended on the same films, and records that an earlier page kept of runs; refuses runs whose split
differs.
Writes docs/results/<page>.md, .svg and .json.
"""

import argparse
import json
from pathlib import Path

from benchmarks.leaderboard.page import document
from benchmarks.leaderboard.published import PAGES
from benchmarks.leaderboard.rows import read_rows, record_of
from bundle.files import write_whole
from trainer.report.overview import Standing, leaderboard_figure

RESULTS = Path("docs/results")


def main() -> None:
    """Read, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", choices=PAGES)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, or .json files that an earlier page kept")
    options = parser.parse_args()
    rows = read_rows(options.runs)
    command = f"python -m benchmarks.leaderboard {options.page} {' '.join(map(str, options.runs))}"
    text = document(PAGES[options.page], rows, options.page, command)
    figure = leaderboard_figure(
        [Standing(row.name, {"validation": row.record.validation.auroc, "test": row.tested.auroc}) for row in rows]
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(RESULTS / f"{options.page}.svg", metadata={"Date": None})
    write_whole(RESULTS / f"{options.page}.md", text.encode())
    records = json.dumps([record_of(row) for row in rows], indent=1).replace(f"{Path.cwd()}/", "")
    write_whole(RESULTS / f"{options.page}.json", records.encode())
    print(text)


if __name__ == "__main__":
    main()
