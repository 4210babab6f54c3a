"""The golden set: made of phantoms, and any skew of input or output is seen."""

import io

import numpy as np
import pytest

from bundle.golden import check_golden, compare_golden, make_golden, pack, read_golden
from bundle.opening import open_bundle
from bundle.session import open_session
from schemas.errors import BundleError
from schemas.model.manifest import GOLDEN, GOLDEN_ARRAYS
from schemas.preprocess import PreprocessSpec
from tests.service.bundles import change_manifest, replace_file, write_tiny_bundle
from tests.service.network import GRID, SIDE

SPEC = PreprocessSpec(size=SIDE)
GUIDED_ARRAYS = tuple(name for name in GOLDEN_ARRAYS if name != "layercam")
ARRAYS = tuple(name for name in GUIDED_ARRAYS if name not in {"lungs", "traits"})
"""Of a bundle without finer maps and without a guide."""


@pytest.fixture
def directory(tmp_path):
    return write_tiny_bundle(tmp_path / "models")


@pytest.fixture
def bundle(directory):
    return open_bundle(directory)


@pytest.fixture
def run(bundle):
    return open_session(bundle).run


@pytest.fixture
def golden(run):
    return dict(make_golden(run, SPEC, 2))


def counted(run, sizes):
    """The same graph; appends the size of each batch to `sizes`."""

    def noting(films, targets):
        sizes.append(len(films))
        return run(films, targets)

    return noting


def test_the_golden_set_holds_whole_films_that_preprocessing_has_to_change(golden) -> None:
    assert tuple(golden) == ARRAYS
    assert (golden["radiographs"].dtype, golden["radiographs"].shape) == (np.uint8, (8, 40, 48))
    assert (golden["inputs"].dtype, golden["inputs"].shape) == (np.float32, (8, 1, SIDE, SIDE))
    assert golden["targets"].tolist() == [-1, 0, 1, -1, 0, 1, -1, 0]
    assert golden["gradcam"].shape == golden["gradcam_plus_plus"].shape == (8, GRID, GRID)
    assert len({film.tobytes() for film in golden["radiographs"]}) == 8


def test_the_golden_set_of_a_graph_with_a_guide_holds_what_it_sees(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path, alone=True, guide=True))
    golden = make_golden(open_session(bundle).run, SPEC, 3)

    assert tuple(golden) == GUIDED_ARRAYS
    assert golden["lungs"].shape == (8, GRID, GRID)
    assert golden["traits"].shape == (8, 4)


@pytest.mark.parametrize("name", ["probabilities", "lungs", "traits"])
def test_a_graph_whose_guide_or_findings_give_something_else_is_refused(tmp_path, name) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path, alone=True, guide=True))
    run = open_session(bundle).run

    assert check_golden(bundle, run).logits < 1e-4
    with pytest.raises(BundleError, match=f"golden {name}: off by"):
        check_golden(bundle, lambda films, targets: dict(run(films, targets)) | {name: run(films, targets)[name] + 0.1})


def test_probabilities_that_are_not_those_of_the_stated_scaling_are_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, alone=True)
    calibration = open_bundle(directory).manifest.calibration.model_dump(mode="json")
    calibration["scaling"]["Cardiomegaly"]["offset"] += 0.5
    change_manifest(directory, calibration=calibration)
    bundle = open_bundle(directory)

    with pytest.raises(BundleError, match="scaling of the probabilities"):
        check_golden(bundle, open_session(bundle).run)


def test_a_guide_with_more_values_than_the_graph_has_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, guide=True)
    guide = open_bundle(directory).manifest.model_dump(mode="json")["guide"]
    guide["traits"][1]["values"].append("oblique")
    change_manifest(directory, guide=guide)
    bundle = open_bundle(directory)

    with pytest.raises(BundleError, match=r"traits have the sizes .*\(4,\)"):
        check_golden(bundle, open_session(bundle).run)


def test_the_golden_set_gives_here_what_it_gave_at_the_export(bundle, golden, run) -> None:
    errors = compare_golden(run, golden, bundle.manifest)

    assert errors.relative < 1e-5
    assert errors.logits < 1e-4


def test_films_are_run_one_by_one_and_together(bundle, golden, run) -> None:
    sizes: list[int] = []

    compare_golden(counted(run, sizes), golden, bundle.manifest)

    assert sizes == [1] * 8 + [8]


def test_no_batch_is_larger_than_the_largest_that_the_export_proved(bundle, golden, run) -> None:
    sizes: list[int] = []
    graph = bundle.manifest.graph.model_copy(update={"max_batch": 3})

    compare_golden(counted(run, sizes), golden, bundle.manifest.model_copy(update={"graph": graph}))

    assert sizes == [1] * 8 + [3, 3, 2]


@pytest.mark.parametrize("size", [1, 8])
def test_a_graph_that_errs_in_batches_of_one_size_alone_is_seen(bundle, golden, run, size) -> None:
    def broken(films, targets):
        outputs = dict(run(films, targets))
        if len(films) == size:
            outputs["logits"] = outputs["logits"] * np.float32(1.01)
        return outputs

    with pytest.raises(BundleError, match="golden logits: off by"):
        compare_golden(broken, golden, bundle.manifest)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_altered_array_is_seen(bundle, golden, run, name) -> None:
    first = golden[name].copy()
    other_class = 1 - golden["logits"][0].argmax()
    first[0] = other_class if name == "targets" else first[0] * 0.9 + first.max() * 0.05
    golden[name] = first

    with pytest.raises(BundleError, match=r"golden .* off by"):
        compare_golden(run, golden, bundle.manifest)


def test_another_preprocessing_is_seen(bundle, golden, run) -> None:
    padded = bundle.manifest.model_copy(update={"preprocess": PreprocessSpec(size=SIDE, resize="pad")})

    with pytest.raises(BundleError, match="golden inputs: off by"):
        compare_golden(run, golden, padded)


def test_an_output_that_is_not_a_number_is_seen(bundle, golden, run) -> None:
    def broken(films, targets):
        return {**run(films, targets), "logits": np.full((len(films), 2), np.nan, np.float32)}

    with pytest.raises(BundleError, match="golden logits: off by inf"):
        compare_golden(broken, golden, bundle.manifest)


def test_an_output_that_is_zero_for_every_film_is_compared_too(bundle, run) -> None:
    def mapless(films, targets):
        return {**run(films, targets), "gradcam": np.zeros((len(films), GRID, GRID), np.float32)}

    flat = make_golden(mapless, SPEC, 2)

    assert compare_golden(mapless, flat, bundle.manifest).relative < 1e-5
    with pytest.raises(BundleError, match="golden gradcam: off by"):
        compare_golden(run, flat, bundle.manifest)


def test_the_self_test_reads_the_golden_films_of_the_bundle(directory, run) -> None:
    assert check_golden(open_bundle(directory), run).logits < 1e-5

    golden = dict(read_golden(open_bundle(directory)))
    replace_file(directory, GOLDEN, pack({**golden, "logits": golden["logits"] + 1}))
    with pytest.raises(BundleError, match="golden logits: off by 1"):
        check_golden(open_bundle(directory), run)


def pickled() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, **dict.fromkeys(GOLDEN_ARRAYS, np.array([object()])))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", pack({"logits": np.zeros(1)}), pickled()],
    ids=["empty", "not an archive", "an array is missing", "a pickle"],
)
def test_a_file_that_is_not_a_golden_set_is_refused(directory, content) -> None:
    replace_file(directory, GOLDEN, content)

    with pytest.raises(BundleError, match=r"golden.npz cannot be read or lacks"):
        read_golden(open_bundle(directory))
