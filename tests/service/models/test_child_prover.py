"""Rules of proving a bundle in a child: what does not end there, or takes all memory, harms nobody."""

import os
import threading
from pathlib import Path

import pytest

from bundle.opening import open_bundle
from schemas.errors import BundleError
from service.engine.engine import OnnxEngine
from service.models.child_prover import ChildProver
from service.models.loading import BundleLoader
from service.settings import EngineSettings, ModelSettings
from tests.service.bundles import write_tiny_bundle
from tests.service.spoilt import greedy, looping, other_weights
from tests.waiting import wait_until

pytestmark = pytest.mark.process

ENGINE = EngineSettings()


@pytest.fixture
def prover():
    with (prover := ChildProver(ModelSettings(load_timeout_s=2), ENGINE)).running():
        yield prover


def spoilt(folder, spoil):
    directory = write_tiny_bundle(folder)
    spoil(directory)
    return open_bundle(directory)


def test_a_correct_bundle_is_proved_and_loaded_with_the_error_that_the_child_found(prover, tiny_models) -> None:
    bundle = open_bundle(tiny_models / "tiny" / "1.0.0")
    with prover.proving(bundle) as result:
        error = result()

    assert 0 <= error < 1e-5
    assert BundleLoader(OnnxEngine.open, ENGINE, prover).load(bundle).selftest_error == error


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (looping, r"took over 2 s of a processor \(CXR_LOAD_TIMEOUT_S\)|not loaded and proved within 12 s"),
        (greedy, "ONNX Runtime failed|CXR_LOAD_MEMORY_BYTES"),
        (other_weights, "golden (logits|probabilities|gradcam)"),
    ],
    ids=["endless loop", "40 GB", "other weights"],
)
def test_what_is_refused_there_is_refused_here_and_the_next_bundle_is_proved(
    prover, tiny_models, tmp_path, spoil, reason
) -> None:
    bundle = spoilt(tmp_path, spoil)
    loader = BundleLoader(OnnxEngine.open, ENGINE, prover)

    with pytest.raises(BundleError, match=reason):
        loader.load(bundle)
    assert loader.load(open_bundle(tiny_models / "tiny" / "1.0.0"))


def test_a_graph_that_this_process_cannot_open_leaves_nothing_behind_for_the_next(prover, tiny_models) -> None:
    bundle = open_bundle(tiny_models / "tiny" / "1.0.0")

    def refuses(bundle, **options):
        message = "no engine"
        raise BundleError(message)

    with pytest.raises(BundleError, match="no engine"):
        BundleLoader(refuses, ENGINE, prover).load(bundle)
    with prover.proving(bundle) as result:
        assert result() < 1e-5


def test_whoever_waits_for_a_proof_is_free_once_it_is_stopped_and_no_child_is_left(prover, tmp_path) -> None:
    bundle = spoilt(tmp_path, looping)
    refusals = []

    def load() -> None:
        with pytest.raises(BundleError) as refusal:
            BundleLoader(OnnxEngine.open, ENGINE, prover).load(bundle)
        refusals.append(str(refusal.value))

    loading = threading.Thread(target=load)
    loading.start()
    wait_until(lambda: children(prover._server), "a child proves the bundle")
    child = children(prover._server)[0]
    prover.stop()
    loading.join(60)

    assert refusals == ["no process that proves bundles is left; restart the service"]
    wait_until(lambda: ended(child), "it ended")


@pytest.mark.niceness
def test_the_first_proof_takes_its_share_of_the_cores_and_later_ones_give_way(prover, tmp_path) -> None:
    bundle = spoilt(tmp_path, looping)
    loader = BundleLoader(OnnxEngine.open, ENGINE, prover)

    def load() -> None:
        with pytest.raises(BundleError):
            loader.load(bundle)

    def niceness_of_a_proof() -> int:
        loading = threading.Thread(target=load)
        loading.start()
        wait_until(lambda: children(prover._server), "a child proves the bundle")
        child = children(prover._server)[0]
        wait_until(lambda: str(Path(f"/proc/{child}/fd/1").readlink()) == os.devnull, "it is confined")
        niceness = os.getpriority(os.PRIO_PROCESS, child)
        loading.join(60)
        return niceness

    assert (niceness_of_a_proof(), niceness_of_a_proof()) == (os.nice(0), 19)


def ended(process) -> bool:
    try:
        return " Z " in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(process):
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_prover_that_was_not_started_leaves_the_proof_to_this_process(tiny_models) -> None:
    with ChildProver(ModelSettings(), ENGINE).proving(open_bundle(tiny_models / "tiny" / "1.0.0")) as result:
        assert result() is None
