"""Rules of the limits file."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from schemas.acceptance import Limit
from schemas.errors import EvidenceError
from service.acceptance.limits import LARGEST, read_limits, record_limits, recorded_limits

TEXT = "stated_prevalence: 0.05\nlimits:\n  sensitivity: {at_least: 0.9}\n"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "limits.yaml"
    path.write_text(TEXT)
    return path


def test_the_very_bytes_are_kept_with_their_hash(file, tmp_path) -> None:
    recorded = record_limits(tmp_path / "out", read_limits(file), NOW)

    assert recorded.sha256 == sha256(TEXT.encode()).hexdigest()
    assert (tmp_path / "out" / "limits.yaml").read_text() == TEXT
    assert recorded_limits(tmp_path / "out") == recorded
    assert (recorded.limits, recorded.stated_prevalence) == ({"sensitivity": Limit(at_least=0.9)}, 0.05)


def test_a_folder_that_holds_something_is_not_written(file, tmp_path) -> None:
    record_limits(tmp_path / "out", read_limits(file), NOW)

    with pytest.raises(EvidenceError, match="is not empty"):
        record_limits(tmp_path / "out", read_limits(file), NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits: [", "is not YAML"),
        ("limits: {}", "limits: "),
        ("", "the whole file"),
        ("limits: {accuracy: {at_least: 0.9}}", r"limits\.accuracy"),
        ("limits: {ppv: {at_least: 90}}", r"limits\.ppv\.at_least: .*less than or equal to 1"),
        ("limits: {ppv: {}}", "states neither at_least nor at_most"),
        ("limits: {ppv: {at_least: 0.5}}\nlimit: 3", "limit: Extra inputs"),
        ("#" * (LARGEST + 1), "and a limits file at most"),
    ],
)
def test_what_is_not_limits_is_refused(file, text, message) -> None:
    file.write_text(text)

    with pytest.raises(EvidenceError, match=message):
        read_limits(file)


def test_a_file_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(EvidenceError, match="write the limits first"):
        read_limits(tmp_path / "none.yaml")
