"""The gate of the shipped bundle against pictures that are no frontal chest film, through the real server process."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.resilience.server import running
from benchmarks.unfamiliar import LIMITS, Row, generated, measure, table
from schemas.model.familiarity import THUMBNAIL
from schemas.model.manifest import CURRENT, STATISTICS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def rows(real_films):
    shipped = ROOT / "models" / (ROOT / "models" / CURRENT).read_text().strip()
    with np.load(shipped / STATISTICS) as arrays:
        if f"{THUMBNAIL}center" not in arrays:
            pytest.skip(
                f"{shipped.name} was calibrated before the gate knew thumbnails; python -m trainer refit, and export"
            )
    with running(models_dir=ROOT / "models") as server:
        return {row.kind: row for row in measure(server, real_films)}


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("kind", LIMITS)
def test_the_share_of_refused_files_keeps_its_limit(rows, kind) -> None:
    assert rows[kind].kept, str(rows[kind])


@pytest.mark.real_data
@pytest.mark.slow
def test_every_kind_was_really_asked(rows) -> None:
    assert {kind: row.files for kind, row in rows.items() if kind.startswith("official")} == {
        "official test films, NORMAL": 234,
        "official test films, PNEUMONIA": 390,
        "official test films together": 624,
    }
    assert sum(row.files for kind, row in rows.items() if kind in {"black", "white", "gray", "noise", "text"}) == len(
        list(generated())
    )
    assert min(row.files for row in rows.values()) >= 1


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        (Row("CT slices", 20, by_type=4, by_guide=5, by_score=10), True),
        (Row("CT slices", 20, by_type=4, by_guide=4, by_score=10), False),
        (Row("text", 200, by_type=0, by_guide=0, by_score=199), False),
        (Row("official test films, NORMAL", 20, by_type=1, by_guide=0, by_score=0), True),
        (Row("official test films, NORMAL", 20, by_type=1, by_guide=0, by_score=1), False),
        (Row("official test films, NORMAL", 20, by_type=0, by_guide=9, by_score=1), True),
        (Row("official test films together", 20, by_type=0, by_guide=3, by_score=0), False),
    ],
)
def test_a_limit_counts_what_was_refused_by_type_and_by_score(row, kept) -> None:
    assert row.kept == kept
    assert ("**missed**" in table([row])) != kept


def test_generated_pictures_are_the_same_at_every_call_and_of_limited_kinds() -> None:
    first = list(generated())
    second = list(generated())

    assert {kind for kind, _ in first} == {"black", "gray", "white", "noise", "text"} <= set(LIMITS)
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(first, second, strict=True))
