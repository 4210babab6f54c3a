"""The simulation of the stop rule: it judges each figure by its own films, in their order."""

import numpy as np

from benchmarks.stop_rule import NEVER, Part, stopped_at, stops, streams
from biostatistics.sequences import HarmEvidence


def test_a_stream_is_stopped_with_the_film_with_which_the_service_would_stop() -> None:
    present, wrong = streams((Part(300, specificity=0.8),), 8, np.random.default_rng(0))
    found = stopped_at(~present, wrong, 0.05, 20)

    for has, errors, film in zip(present, wrong, found, strict=True):
        evidence = HarmEvidence(0.05)
        expected = NEVER
        for number, (with_finding, error) in enumerate(zip(has, errors, strict=True), start=1):
            if not with_finding:
                evidence.add(wrong=bool(error))
            if evidence.value >= 20:
                expected = number
                break
        assert film == expected
    assert (found < NEVER).any()


def test_either_limit_stops_a_stream_and_neither_stops_one_without_faults() -> None:
    perfect = Part(200, specificity=1, sensitivity=1)

    assert (stops((perfect,), 10, 0) == NEVER).all()
    assert (stops((Part(400, specificity=0.5, sensitivity=1),), 10, 0) < NEVER).all()
    assert (stops((Part(400, specificity=1, sensitivity=0.3),), 10, 0) < NEVER).all()
