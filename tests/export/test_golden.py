"""The golden set: made of phantoms, and any skew of input or output is seen."""

from typing import Any

import numpy as np
import pytest

from export.golden import check_golden, make_golden, pack, read_golden
from export.session import Graph
from schemas.bundle import GOLDEN_ARRAYS
from schemas.errors import BundleError
from schemas.preprocess import PreprocessSpec
from tests.export.untrained import SIDE

SPEC = PreprocessSpec(size=SIDE)


@pytest.fixture(scope="module")
def run(bundle):
    return Graph((bundle / "model.onnx").read_bytes()).run


@pytest.fixture
def golden(bundle):
    return dict(read_golden(bundle / "golden.npz"))


def test_the_golden_set_holds_whole_films_that_preprocessing_has_to_change(golden) -> None:
    assert tuple(golden) == GOLDEN_ARRAYS
    assert (golden["radiographs"].dtype, golden["radiographs"].shape) == (np.uint8, (8, 40, 48))
    assert (golden["inputs"].dtype, golden["inputs"].shape) == (np.float32, (8, 1, SIDE, SIDE))
    assert golden["targets"].tolist() == [-1, 0, 1, -1, 0, 1, -1, 0]
    assert golden["gradcam"].shape == golden["gradcam_plus_plus"].shape == (8, 16, 16)
    assert len({film.tobytes() for film in golden["radiographs"]}) == 8


def test_the_golden_set_gives_here_what_it_gave_at_the_export(golden, run) -> None:
    assert check_golden(run, golden, SPEC) < 1e-5


@pytest.mark.parametrize("name", GOLDEN_ARRAYS)
def test_an_altered_array_is_seen(golden, run, name) -> None:
    first = golden[name].copy()
    first[0] = 0 if name == "targets" else first[0] * 0.9 + first.max() * 0.05
    golden[name] = first

    with pytest.raises(BundleError, match=r"golden .* off by"):
        check_golden(run, golden, SPEC)


def test_another_preprocessing_is_seen(golden, run) -> None:
    with pytest.raises(BundleError, match="golden inputs: off by"):
        check_golden(run, golden, PreprocessSpec(size=SIDE, resize="pad"))


def test_an_output_that_is_no_number_is_seen(golden, run) -> None:
    def broken(films, targets):
        return {**run(films, targets), "logits": np.full((8, 2), np.nan, np.float32)}

    with pytest.raises(BundleError, match="golden logits: off by inf"):
        check_golden(broken, golden, SPEC)


def test_an_output_that_is_zero_for_every_film_is_compared_too(run) -> None:
    def mapless(films, targets):
        return {**run(films, targets), "gradcam": np.zeros((8, 16, 16), np.float32)}

    assert check_golden(mapless, make_golden(mapless, SPEC, 2), SPEC) == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", pack({"logits": np.zeros(1)})],
    ids=["empty", "not an archive", "an array is missing"],
)
def test_a_file_that_is_no_golden_set_is_refused(tmp_path, content) -> None:
    (tmp_path / "golden.npz").write_bytes(content)

    with pytest.raises(BundleError, match=r"golden.npz cannot be read or lacks"):
        read_golden(tmp_path / "golden.npz")


def test_a_pickle_is_never_loaded(tmp_path) -> None:
    arrays: dict[str, Any] = dict.fromkeys(GOLDEN_ARRAYS, np.array([object()]))
    np.savez(tmp_path / "golden.npz", **arrays)

    with pytest.raises(BundleError, match="cannot be read"):
        read_golden(tmp_path / "golden.npz")
