"""Rules of measuring several processes."""

import multiprocessing
import os
import signal

import pytest

from bundle.opening import open_bundle
from schemas.engine.tuning import EngineChoice
from schemas.errors import InferenceError
from service.commands.tuning.measuring import processes
from tests.service.bundles import write_tiny_bundle

pytestmark = pytest.mark.process

CHOICE = EngineChoice(
    provider="cpu", precision="fp32", intra_op_threads=1, concurrent_runs=1, max_batch_size=1, film_processes=2
)


def test_films_of_all_processes_are_counted_and_the_processes_end(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path))
    with processes(bundle, CHOICE) as run:
        first, second = run(0.1), run(0.1)

    assert first.films_per_s > 0 < second.ms_per_film


def test_a_process_that_cannot_load_the_bundle_says_why(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path))
    (bundle.directory / "model.onnx").write_bytes(b"altered")

    with pytest.raises(InferenceError, match=r"model\.onnx"), processes(bundle, CHOICE):
        pass


@pytest.mark.timeout(60)
def test_a_process_that_hangs_does_not_hold_up_the_end(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path))
    others = set(multiprocessing.active_children())
    with processes(bundle, CHOICE):
        hung, sound = set(multiprocessing.active_children()) - others
        os.kill(hung.pid, signal.SIGSTOP)

    assert (hung.exitcode, sound.exitcode) == (-signal.SIGKILL, 0)
