"""What the shipped bundle sees of films, as they are and after each simulated shift; kept, as it takes minutes."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bundle.files import write_arrays
from bundle.opening import Bundle
from imaging.decode import decode
from imaging.preprocess import prepare
from imaging.quality import input_warnings
from imaging.radiograph import HeaderFacts
from imaging.thumbnail import thumbnail
from service.answers.decision import decide, load_statistics
from service.answers.guide import look_at
from service.engine.engine import OnnxEngine
from trainer.films.film import Film
from trainer.judging.shifts import NONE, SHIFTS, shifted

_BATCH: Final = 32
UNDECIDED: Final = "unclear"


@dataclass(frozen=True, slots=True)
class SeenFilms:
    """V films under one shift, as far as a site profile of a bundle with one finding needs them."""

    truth: NDArray[np.bool_]  # [V], whether the film has the finding
    logits: NDArray[np.float32]  # [V, K]
    withheld: NDArray[np.bool_]  # [V]
    """Whether the film has no answer whatever its probability is: unfamiliar, outside of the population, …."""


def seen_films(bundle: Bundle, films: Sequence[Film], cache: Path) -> Mapping[str, SeenFilms]:
    """The films under each shift, `NONE` first, from the cache where it holds them.

    Args:
        bundle: with one finding.
        films: of its validation or test set.
        cache: a file; it belongs to these films and this bundle.
    """
    (finding,) = bundle.manifest.findings
    truth = np.array([film.label == finding for film in films])
    if cache.is_file():
        with np.load(cache) as stored:
            if str(stored["bundle"]) == bundle.sha256 and len(stored["truth"]) == len(films):
                return {
                    name: SeenFilms(stored["truth"], stored[f"logits {name}"], stored[f"withheld {name}"])
                    for name in (NONE, *SHIFTS)
                }
        print(f"{cache} is of another bundle or of other films, and is made again", file=sys.stderr)
    panel = {NONE: lambda film: film, **SHIFTS}
    logits: dict[str, list[NDArray[np.float32]]] = {name: [] for name in panel}
    withheld: dict[str, list[bool]] = {name: [] for name in panel}
    engine = OnnxEngine.open(bundle, provider="cpu", intra_op_threads=0)
    starts = range(0, len(films), _BATCH)
    for start in track(starts, description="reading films under each shift"):
        prepared, warnings = _prepared(bundle, films[start : start + _BATCH])
        for name, shift in panel.items():
            rows, unanswered = _seen(bundle, engine, shifted(prepared, shift), warnings)
            logits[name].append(rows)
            withheld[name] += unanswered
    found = {name: SeenFilms(truth, np.concatenate(logits[name]), np.array(withheld[name], bool)) for name in panel}
    cache.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {f"logits {name}": each.logits for name, each in found.items()}
    arrays |= {f"withheld {name}": each.withheld for name, each in found.items()}
    write_arrays(cache, arrays | {"truth": truth, "bundle": np.array(bundle.sha256)})
    return found


def _prepared(bundle: Bundle, films: Sequence[Film]) -> tuple[NDArray[np.float32], list[tuple[str, ...]]]:
    spec = bundle.manifest.preprocess
    decoded = [decode(film.path.read_bytes(), min_side=spec.decoded_side) for film in films]
    return (
        np.stack([prepare(radiograph, spec) for radiograph in decoded]),
        [(*radiograph.warnings, *input_warnings(radiograph)) for radiograph in decoded],
    )


def _seen(
    bundle: Bundle, engine: OnnxEngine, films: NDArray[np.float32], warnings: Sequence[tuple[str, ...]]
) -> tuple[NDArray[np.float32], list[bool]]:
    manifest = bundle.manifest
    statistics = load_statistics(bundle)
    outputs = engine.run(films, None)
    unanswered = []
    for place, film in enumerate(films):
        one = outputs[place]
        look = look_at(manifest, one, HeaderFacts(), warnings[place])
        arrangement = thumbnail(film, None if one.lungs is None else one.lungs[0])
        prediction = decide(manifest, statistics, one, arrangement, look)
        unanswered.append(bool(set(prediction.abstention_reasons) - {UNDECIDED}))
    return outputs.logits, unanswered
