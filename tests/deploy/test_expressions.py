"""The reader of expressions sees every series and label: a test that overlooks one would pass whatever is written."""

import pytest

from tests.deploy.expressions import grouped, known_series, selectors, unknown


@pytest.mark.parametrize(
    ("expression", "series", "labels"),
    [
        ("cxr_ready == 0", [("cxr_ready", set())], set()),
        ('up{job="cxr"} == 0 or absent(up{job="cxr"})', [("up", {"job"}), ("up", {"job"})], set()),
        (
            'sum by (job, le) (rate(a_bucket{le="1.0", x!~"b|c"}[5m] offset 6h))',
            [("a_bucket", {"le", "x"})],
            {"job", "le"},
        ),
        ("job:a_b:ratio6h > 5 * sqrt(b:c)  # and not_this", [("job:a_b:ratio6h", set()), ("b:c", set())], set()),
        ("a / ignoring (decision) group_left () b > 1.5e9", [("a", set()), ("b", set())], {"decision"}),
        ("a unless a offset 15m", [("a", set()), ("a", set())], set()),
        ("max(cxr_x / cxr_y) or vector(0)", [("cxr_x", set()), ("cxr_y", set())], set()),
    ],
)
def test_an_expression_is_its_series_and_labels(expression, series, labels) -> None:
    assert (list(selectors(expression)), grouped(expression)) == (series, labels)


def test_the_series_of_counters_histograms_and_gauges_are_known_with_their_labels() -> None:
    series = known_series()

    assert series["cxr_http_requests_total"] == {"route", "method", "status", "job", "instance"}
    assert series["cxr_stage_duration_seconds_bucket"] == {"stage", "le", "job", "instance"}
    assert series["cxr_ready"] == {"job", "instance"}
    assert "process_resident_memory_bytes" in series
    assert "cxr_http_requests" not in series


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(cxr_images[5m])", "cxr_images"),
        ('cxr_drift_psi{kind="mean"}', "cxr_drift_psi{kind}"),
        ("sum by (reason) (cxr_images_total)", "by (reason)"),
    ],
)
def test_what_nobody_exports_is_named(expression, fault) -> None:
    assert unknown(expression) == [fault]
