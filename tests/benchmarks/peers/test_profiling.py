"""Where a stack and a clock are counted."""

import pytest

from benchmarks.peers.profiling import by_stage, clocks_s, divided, means_ms, stage_of, table

LOOP = "run (/x/service/serve.py:58)"
METRICS = """# HELP cxr_stage_duration_seconds Time of one stage for one film.
cxr_stage_duration_seconds_bucket{le="0.001",stage="decode"} 0.0
cxr_stage_duration_seconds_count{stage="decode"} 4.0
cxr_stage_duration_seconds_sum{stage="decode"} 0.04
cxr_http_request_duration_seconds_count{method="GET",route="/metrics"} 9.0
cxr_http_request_duration_seconds_count{method="POST",route="/predict"} 4.0
cxr_http_request_duration_seconds_sum{method="POST",route="/predict"} 0.2
"""


@pytest.mark.parametrize(
    ("inner", "stage"),
    [
        (
            "read_film (/x/service/reading/predict.py:9);decode (/x/imaging/decode.py:7);load (/l/PIL/Image.py:3)",
            "decode",
        ),
        ("prepared (/x/service/reading/prepare.py:9);resize (/x/imaging/preprocess.py:7)", "prepare"),
        ("run (/x/service/engine/engine.py:9);run (/l/onnxruntime/capi/session.py:7)", "network"),
        ("append (/x/service/audit/trail.py:9);dumps (/usr/lib/python3.11/json/encoder.py:7)", "audit"),
        ("decide (/x/service/answers/decision.py:9);dot (/l/numpy/linalg.py:7)", "answer"),
        ("send (/l/uvicorn/protocols/http/httptools_impl.py:9)", "HTTP"),
        ("sum (/l/numpy/core.py:9)", "HTTP"),  # whoever called it: the outermost file is of the service
        ("_worker (/usr/lib/python3.11/concurrent/futures/thread.py:81)", None),
    ],
)
def test_a_stack_counts_for_the_innermost_file_that_is_known(inner, stage) -> None:
    assert stage_of(f"{LOOP};{inner}") == stage


def test_the_stacks_of_a_stage_are_added_up() -> None:
    lines = ["a (/x/imaging/decode.py:1) 3", "a (/x/imaging/raster.py:9) 4", "b (/y/strange.py:1) 2", ""]

    assert by_stage(lines) == {"decode": 7, "other Python": 2}


def test_a_mean_is_of_the_films_between_two_readings() -> None:
    before = clocks_s(METRICS)
    after = clocks_s(METRICS.replace("} 4.0", "} 6.0").replace("} 0.04", "} 0.07").replace("} 0.2", "} 0.3"))

    assert before["decode"] == (0.04, 4)
    assert means_ms(before, after) == pytest.approx({"decode": 15.0, "request": 50.0})


def test_what_no_clock_counts_is_divided_as_the_stacks_are() -> None:
    assert divided(10.0, ("answer", "audit"), {"answer": 3, "audit": 1, "HTTP": 6}) == {"answer": 7.5, "audit": 2.5}
    assert divided(10.0, ("answer",), {}) == {"answer": 0.0}


def test_the_rows_add_up_to_the_film_as_its_client_saw_it() -> None:
    bare = {"decode": 5.0, "prepare": 1.0, "network": 5.0, "answer": 0.1, "guide": 3.0}
    bare |= {"heat maps that nobody asked for": 1.0}
    clocks = {"upload": 1.0, "decode": 6.0, "preprocess": 2.0, "queue": 0.5, "inference": 9.0, "request": 25.0}
    stacks = {"prepare": 3, "warnings": 1, "answer": 2, "audit": 1, "HTTP": 1, "decode": 50}

    text = table(bare, clocks | {"client": 27.0, "cpu": 30.0}, stacks)
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[2].strip("| *") for line in text.splitlines()[2:]}
    whole = float(rows.pop("**one film**"))
    rows.pop("processor time")

    assert whole == 27.0
    assert sum(map(float, rows.values())) == pytest.approx(whole, abs=0.05)
    assert rows["warnings and statistics of the input"] == "0.50"
    assert rows["guide"] == "3.00"
    assert rows["HTTP"] == "1.62"
