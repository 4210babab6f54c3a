from pathlib import Path

import numpy as np
import pytest

from schemas.errors import TrainingDataError
from trainer.judging.outputs import SavedOutputs

OUTPUTS = SavedOutputs(
    films=np.array(["train/NORMAL/a.jpeg", "train/PNEUMONIA/ä b.jpeg"]),
    patients=np.array(["IM-0001", "person2"]),
    labels=np.array([0, 1]),
    logits=np.array([[1.5, -0.25], [0.0, 3.0]], np.float32),
)


def test_what_was_written_is_read_back_in_the_same_order_and_type(tmp_path: Path) -> None:
    OUTPUTS.write(tmp_path / "validation.npz")

    found = SavedOutputs.read(tmp_path / "validation.npz")

    for name in ("films", "patients", "labels", "logits"):
        wanted = getattr(OUTPUTS, name)
        assert getattr(found, name).dtype == wanted.dtype
        np.testing.assert_array_equal(getattr(found, name), wanted)


@pytest.mark.parametrize("content", [None, b"", b"not a zip file", b"PK\x03\x04"])
def test_a_missing_or_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "validation.npz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TrainingDataError, match=r"validation\.npz is missing .* run the training again"):
        SavedOutputs.read(path)


def test_arrays_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "validation.npz", logits=OUTPUTS.logits)

    with pytest.raises(TrainingDataError, match="of another version"):
        SavedOutputs.read(tmp_path / "validation.npz")
