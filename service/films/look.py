"""A look at one film: decoded once, prepared for each network that may see it, in whichever process that happens."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from imaging.decode import DecodeLimits, decode
from imaging.dicom.codecs import FrameDecoder
from imaging.memory.budget import Reserve
from imaging.overlay import ShownFilm, shown
from imaging.preprocess import prepare
from imaging.quality import InputStatistics, input_statistics, input_warnings
from imaging.radiograph import NOTHING_STATED, HeaderFacts, Radiograph
from schemas.api import ImageFacts
from schemas.errors import DeadlineError
from schemas.preprocess import PreprocessSpec
from service.answers.population import merged


@dataclass(frozen=True, slots=True)
class Upload:
    """One film as it arrived."""

    data: bytes
    declared_type: str | None
    """Media type that the sender states; None where they state nothing."""
    population: str | None = None
    """Whose film it is in the sender's words; None: they do not say."""
    stated: HeaderFacts = NOTHING_STATED
    """What the sender states of the film: it counts where the film's own header is silent."""


@dataclass(frozen=True, slots=True)
class PreparedFilm:
    """What a network will see of a film, and what an answer says about it; its own pixels are gone."""

    facts: ImageFacts
    shown: ShownFilm | None
    """What a heat map is drawn over; None where none is wanted."""
    header: HeaderFacts
    """Of its file, and where that is silent of its sender."""
    image: NDArray[np.float32]  # [1, S, S]
    statistics: InputStatistics
    decode_s: float
    preprocess_s: float

    def warned(self, warnings: tuple[str, ...]) -> Self:
        """The film with other warnings."""
        return replace(self, facts=self.facts.model_copy(update={"warnings": warnings}))


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be made of a film."""

    upload: Upload
    specs: tuple[PreprocessSpec, ...]
    """At least one; a JPEG is decoded at the size that suits the first."""
    drawn: bool
    """Whether a heat map will be drawn over it."""
    along: PreprocessSpec | None = None
    """Of a network that reads along: if it cannot be prepared for that one, the film is read all the same."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a look."""

    header: HeaderFacts
    """As `PreparedFilm.header`."""
    films: Mapping[PreprocessSpec, PreparedFilm]
    """Without the specs whose size asks for another decoding of a JPEG, so that a film is answered as by each alone."""
    along: PreparedFilm | None = None
    fault: str | None = None
    """The kind of error for which there is none along."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How films are decoded in one process."""

    max_pixels: int
    """The largest film, rows times columns."""
    frame_decoder: FrameDecoder

    def decoded(self, upload: Upload, *, min_side: int | None, reserve: Reserve) -> tuple[Radiograph, float]:
        """Decode a film; returns it with the seconds that it took.

        Args:
            upload: the film's bytes.
            min_side: in pixels; a large JPEG may be decoded smaller, but not below twice this side; None: not at all.
            reserve: of the share of the budget in which the film lives.

        Raises:
            FilmError: it cannot be decoded, or is not a radiograph.
        """
        start = time.perf_counter()
        radiograph = decode(
            upload.data,
            declared_type=upload.declared_type,
            limits=DecodeLimits(max_pixels=self.max_pixels, reserve=reserve),
            min_side=min_side,
            frame_decoder=self.frame_decoder,
        )
        return radiograph, time.perf_counter() - start

    def seen(self, look: Look, reserve: Reserve, *, is_left: Callable[[], bool] = lambda: False) -> Seen:
        """Look at a film; its pixels end with this call.

        Args:
            look: what is wanted.
            reserve: see `decoded`.
            is_left: whether nobody waits for it any longer: decoding cannot be stopped, and need not go on.

        Raises:
            FilmError: it cannot be decoded, or is not a radiograph.
            DeadlineError: nobody waits for it.
        """
        first = look.specs[0]
        radiograph, decode_s = self.decoded(look.upload, min_side=first.decoded_side, reserve=reserve)
        if is_left():
            msg = "nobody waits for the film any longer"
            raise DeadlineError(msg)
        suited = [s for s in look.specs if radiograph.format != "jpeg" or s.decoded_side == first.decoded_side]
        films = {spec: _prepared(radiograph, spec, look, decode_s) for spec in suited}
        along = fault = None
        if look.along is not None:
            try:
                along = replace(films.get(look.along) or _prepared(radiograph, look.along, look, 0.0), shown=None)
            except Exception as error:  # noqa: BLE001 supervisor: the answer must not suffer from who does not give it
                fault = type(error).__name__
        return Seen(films[first].header, films, along, fault)


def _prepared(radiograph: Radiograph, spec: PreprocessSpec, look: Look, decode_s: float) -> PreparedFilm:
    start = time.perf_counter()
    image = prepare(radiograph, spec)
    header, contradictions = merged(radiograph.header, look.upload.stated)
    facts = ImageFacts(
        format=radiograph.format,
        rows=radiograph.rows,
        columns=radiograph.columns,
        bits=radiograph.bits,
        photometric_interpretation=radiograph.photometric_interpretation,
        warnings=(*radiograph.warnings, *input_warnings(radiograph), *contradictions),
    )
    return PreparedFilm(
        facts=facts,
        shown=shown(radiograph, spec) if look.drawn else None,
        header=header,
        image=image,
        statistics=input_statistics(image),
        decode_s=decode_s,
        preprocess_s=time.perf_counter() - start,
    )
