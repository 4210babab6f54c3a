"""Let a year of a hospital pass on a virtual clock, and ask a real Prometheus which alerts fired; prints the page.

python -m benchmarks.year > docs/results/year.md        needs prometheus and promtool (Debian: prometheus)
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.year.causes import CAUSES, DAY
from benchmarks.year.hospital import Hospital
from benchmarks.year.prometheus import alerts, backfill, firing, record_rules, serving
from benchmarks.year.series import EVALUATION_S, STEP_S, write
from benchmarks.year.verdict import Verdict, judge, page


def verdicts_of(days: int, seed: int, folder: Path) -> list[Verdict]:
    """Simulate, evaluate and judge; causes after the last day are left out."""
    causes = tuple(cause for cause in CAUSES if cause.end_s <= days * DAY)
    data = folder / "data"
    backfill(write(Hospital(seed, causes), folder, days), data)
    with serving(data) as address:
        record_rules(address, data, days * DAY)
    with serving(data) as address:
        return [judge(rule["alert"], firing(address, rule, days * DAY), causes) for rule in alerts()]


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    chosen = parser.parse_args()
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        sys.exit("prometheus and promtool are not on PATH: apt-get install prometheus")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = verdicts_of(chosen.days, chosen.seed, Path(folder))
    facts = {
        "days": str(chosen.days),
        "seed": str(chosen.seed),
        "scrapes, and evaluations": f"every {STEP_S} s, and every {EVALUATION_S} s of the virtual clock",
        "causes planted": str(sum(cause.end_s <= chosen.days * DAY for cause in CAUSES)),
        "time that it took": f"{(time.monotonic() - start) / 60:.1f} min",
    }
    print(page(found, facts), end="")


if __name__ == "__main__":
    main()
