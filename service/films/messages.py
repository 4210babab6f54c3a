"""What the service and a process that reads films tell each other."""

import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from schemas.errors import CxrError
from service.engine.engine import Outputs
from service.films.look import Look, Seen

SYNTAXES: Final[Sequence[str]] = tuple(TRANSFER_SYNTAXES)


@dataclass(frozen=True, slots=True)
class LookOrder:
    """Look at a film."""

    look: Look
    runs: bool
    """Whether the network is run at once, on the film as the first spec prepares it."""
    target: int | None = None
    """See `Batcher.submit`."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Run the network; see `Engine.run`."""

    images: NDArray[np.float32]
    targets: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class Need:
    """The film will take so many bytes: answered by None, or by why it may not."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order."""

    seen: Seen | None
    outputs: Outputs | None
    inference_s: float = 0.0
    waited_s: float = 0.0
    """For a process; the service notes it."""
    is_last: bool = False
    """Whether the process ends now: what codecs leaked ends with it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing came of it."""

    error: CxrError
    trace: str | None = None
    """For the log, of an error that nobody foresaw; it quotes no film."""


class Stage(IntEnum):
    """Where a process is."""

    IDLE = 0
    FILM = 1
    FRAME = 2
    NETWORK = 3


@dataclass(frozen=True, slots=True)
class Position:
    """Where a process is, and how long it may take there."""

    stage: Stage
    syntax: str
    """Of the compressed frame that is decoded."""
    limit_s: float
    """Of the frame; 0 elsewhere."""


class Board:
    """A few bytes that a process writes and the service reads: it knows where one was that is no more."""

    _FORMAT: Final = struct.Struct("<BBd")

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is of the file in memory; it may be closed afterwards."""
        self._bytes = mmap.mmap(descriptor, mmap.PAGESIZE)

    @classmethod
    def new(cls) -> tuple[Self, int]:
        """An empty one, and the descriptor of its memory, which the caller closes."""
        descriptor = os.memfd_create("stage")
        os.ftruncate(descriptor, mmap.PAGESIZE)
        return cls(descriptor), descriptor

    def write(self, stage: Stage, syntax: str = SYNTAXES[0], limit_s: float = 0.0) -> None:
        """Note where this process is."""
        self._FORMAT.pack_into(self._bytes, 0, stage, SYNTAXES.index(syntax), limit_s)

    def read(self) -> Position:
        """Where the other process is, or was last."""
        stage, syntax, limit_s = self._FORMAT.unpack_from(self._bytes)
        return Position(Stage(stage), SYNTAXES[syntax], limit_s)
