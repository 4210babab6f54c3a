"""Films that use fewer bits than their files have: read by the bits of the file they are nearly black."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imaging.decode import decode
from schemas.errors import CxrError
from trainer.films.files import read_files

_LOOKED_AT = 64
"""Films that are decoded, spread evenly: a set is mostly written by one program."""
_PNG_BIT_DEPTH_OFFSET = 24  # PNG specification 11.2.2: signature 8, length 4, IHDR 4, width 4, height 4
_DEEP = 16
_SHARE = 0.1
"""Of the films looked at, from which on a note is worth it: single films may be dark."""


def is_deep_png(data: bytes) -> bool:
    """Whether a file is a PNG of 16 bits a sample."""
    return data.startswith(b"\x89PNG") and data[_PNG_BIT_DEPTH_OFFSET : _PNG_BIT_DEPTH_OFFSET + 1] == bytes([_DEEP])


def depth_notes(paths: Sequence[Path], root: Path) -> tuple[str, ...]:
    """A note where 16-bit PNG films hold values of fewer bits, as those of a detector of 12 bits do.

    Args:
        paths: of 16-bit PNG films; a sample of them is decoded, of which those that cannot be are left to others.
        root: the folder that messages are relative to.
    """
    chosen = [
        paths[place] for place in np.linspace(0, len(paths) - 1, min(len(paths), _LOOKED_AT)).astype(int).tolist()
    ]
    bits = [used for used in read_files(chosen, _used_bits, root=root) if used]
    few = [used for used in bits if used < _DEEP - 1]
    if len(few) < _SHARE * len(bits) or not few:
        return ()
    most = max(few)
    note = (
        f"{len(paths):,} films are PNG of 16 bits, and {len(few)} of {len(bits)} looked at hold values of at most "
        f"{most} bits, up to {2**most - 1:,} of 65,535: read by their files' range they are nearly black. Train with "
        "--set networks.intensity=percentile, or write them anew at the full range"
    )
    return (note,)


def _used_bits(path: Path) -> int:
    """Of the largest value; 0 where the film cannot be decoded, or has fewer bits than its file."""
    try:
        film = decode(path.read_bytes())
    except CxrError:
        return 0
    return int(film.pixels.max()).bit_length() if film.bits == _DEEP else 0
