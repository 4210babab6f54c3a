"""The gate of the shipped bundle against pictures that are no frontal chest film, through the real server process."""

from pathlib import Path

import pytest

from benchmarks.resilience.server import running
from benchmarks.unfamiliar import LIMITS, generated, measure

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


@pytest.fixture(scope="module")
def rows(real_films):
    with running(models_dir=ROOT / "models") as server:
        return {row.kind: row for row in measure(server, real_films)}


@pytest.mark.parametrize("kind", LIMITS)
def test_the_share_of_refused_files_keeps_its_limit(rows, kind):
    assert rows[kind].kept, str(rows[kind])


def test_every_kind_was_really_asked(rows):
    assert {kind: row.files for kind, row in rows.items() if kind.startswith("official")} == {
        "official test films, NORMAL": 234,
        "official test films, PNEUMONIA": 390,
    }
    assert sum(row.files for kind, row in rows.items() if kind in {"black", "white", "gray", "noise", "text"}) == len(
        list(generated())
    )
    assert min(row.files for row in rows.values()) >= 1
