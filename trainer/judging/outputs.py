"""The outputs of a trial's network for every film of a split, on disk, to draw and to average."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bundle.files import write_arrays
from schemas.errors import TrainingDataError
from trainer.films.film import Film
from trainer.films.task import Labels
from trainer.judging.logits import LabelledLogits


@dataclass(frozen=True, slots=True)
class SavedOutputs:
    """Films of a split in the order of split.csv, with their truth and their logits."""

    films: NDArray[np.str_]  # [N], paths relative to the run's data folder
    patients: NDArray[np.str_]  # [N]
    labels: Labels  # [N], the truth, indices into the run's classes; or of findings [N, K]
    logits: NDArray[np.float32]  # [N, K], not calibrated
    unfamiliarity: NDArray[np.float64] | None = None  # [N], above 1: unlike the training films; None: not checked
    spread: NDArray[np.float64] | None = None  # [N], see `trainer.judging.uncertainty`; None: not measured

    @classmethod
    def of(
        cls,
        outputs: LabelledLogits,
        films: Sequence[Film],
        root: Path,
        *,
        unfamiliarity: NDArray[np.float64] | None = None,
        spread: NDArray[np.float64] | None = None,
    ) -> Self:
        """The outputs of films below `root`, to be kept."""
        return cls(
            films=np.array([film.path.relative_to(root).as_posix() for film in films]),
            patients=np.array(outputs.patients),
            labels=outputs.labels,
            logits=np.asarray(outputs.logits, np.float32),
            unfamiliarity=unfamiliarity,
            spread=spread,
        )

    def write(self, path: Path) -> None:
        """Write the arrays, whole or not at all."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        write_arrays(path, {name: array for name, array in arrays.items() if array is not None})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            TrainingDataError: there is no such file, or it is of another version.
        """
        try:
            arrays = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
            optional = {"unfamiliarity", "spread"} - set(arrays)
            return cls(**{field.name: arrays[field.name] for field in fields(cls) if field.name not in optional})
        except (OSError, EOFError, ValueError, IndexError, KeyError, BadZipFile) as error:
            msg = f"{path} is missing or of another version; run the training again with the same --out"
            raise TrainingDataError(msg) from error
