"""The page is drawn from the record, and says what is missing."""

from benchmarks.peers.results import Results
from benchmarks.peers.table import page
from tests.benchmarks.peers.records import results, start, window

WINDOWS = [
    *(window("bare", 100.0, number) for number in range(3)),
    *(window("ours", 90.0, number) for number in range(3)),
    *(window("litserve", 60.0, number) for number in range(3)),
    window("litserve", 10.0, 1, kept=False),
]
STARTS = [start("bare"), start("ours"), start("litserve")]


def line(text, peer):
    return next(line for line in text.splitlines() if line.startswith(f"| {peer} |"))


def test_a_row_has_the_ratios_to_the_best_peer_and_to_the_bare_pipeline() -> None:
    text = page(results(WINDOWS, STARTS))

    assert line(text, "ours") == (
        "| ours | 8 | 90.0 | 1.50 [1.50, 1.50] | 0.90 [0.90, 0.90] | 10.0 | 20 | 15.0 | - | 250 | 1.5 | 0 | 3 | 0 |"
    )
    assert line(text, "bare").startswith("| bare | 8 | 100.0 | - | - |")
    assert line(text, "litserve").startswith("| litserve | 8 | 60.0 | 1.00 [1.00, 1.00] | 0.60 [0.60, 0.60] |")
    assert line(text, "litserve").endswith("| 3 | 1 |")  # one window was dropped and is in no figure


def test_errors_are_counted_and_a_row_without_a_window_that_counts_has_dashes() -> None:
    text = page(results([window("ours", errors=4), window("ray", kept=False)]))

    assert line(text, "ours").endswith("| 4 | 1 | 0 |")
    assert line(text, "ray") == "| ray | 8 | - | - | - | - | - | - | - | - | - | 0 | 0 | 1 |"


def test_what_was_not_measured_is_named_with_the_reason() -> None:
    text = page(results(WINDOWS, STARTS, notes=["int8: chest 1.0.0 has no such graph"]))

    assert "- int8: chest 1.0.0 has no such graph." in text
    assert "- **pytriton**: " in text
    assert "**bentoml**" not in text  # it was left out of this run


def test_each_precision_has_a_table() -> None:
    text = page(results([window(), window(precision="int8")]))

    assert [heading for heading in text.splitlines() if heading.startswith("## ")][:2] == ["## fp32", "## int8"]


def test_the_record_draws_the_same_page_again() -> None:
    measured = results(WINDOWS, STARTS)

    assert page(Results.model_validate_json(measured.model_dump_json())) == page(measured)
