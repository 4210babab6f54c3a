"""How films become the input of a network that was trained elsewhere, found by agreement with its owner's outputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp

from bundle.session import MOST_PROBABLE, Run, Session
from export.adopt.owner import OwnerOutputs
from export.adopt.ways import Way, by_interpolation, possible_ways, values_are_stated
from export.description import NetworkDescription
from export.graph.foreign import ForeignGraph
from export.graph.pixel_values import CONVENTIONS, PixelValues
from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.preprocess import prepare
from schemas.errors import BundleError, InferenceError
from schemas.preprocess import PreprocessSpec
from trainer.films.files import listing

MEAN_DIFFERENCE = 0.02
"""Largest mean |owner - graph| of a probability that counts as agreement: docs/adopt.md states what was measured."""
LARGEST_DIFFERENCE = 0.15
"""Of a single film."""
SAME = 0.002
"""Two ways that differ by less than this mean difference are not told apart."""
_STAGES = ((3, 48), (8, 12))
"""Films that all ways are tried on, and how many ways go on to more films."""
_SIZES_TRIED = 3
_LISTED = 8
_EVALUATIONS = 80
_ROUNDED = 1e-4
"""What owners write as 0 or 1."""
_AS_CLOSE = (1.5, 1e-4)
"""Ways within this factor and this much more are as close: owners round to four digits."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How far a way is off."""

    way: Way
    mean: float
    largest: float
    log_odds: float
    """Mean difference of the logarithms of the odds; still differs where probabilities are all 0 or 1."""
    exchanged: bool
    """Whether the two classes had to be exchanged to come so close."""

    @property
    def agrees(self) -> bool:
        """Whether this is how the owner prepares films."""
        return self.mean <= MEAN_DIFFERENCE and self.largest <= LARGEST_DIFFERENCE

    @property
    def in_words(self) -> str:
        """One line."""
        order = ", classes exchanged" if self.exchanged else ""
        return f"off by {self.mean:.3f} in the mean, {self.largest:.3f} at most: {self.way.in_words}{order}"


@dataclass(frozen=True, slots=True)
class FoundWay:
    """The way that agrees with the owner's outputs, and what to say about it."""

    way: Way
    notes: tuple[str, ...]


def find_way(graph: ForeignGraph, description: NetworkDescription, owner: OwnerOutputs) -> FoundWay:
    """Try the ways of the field, within what the description states, until one gives the owner's probabilities.

    All ways see a few films first; those that come closest go on. If no known range, mean and deviation agrees, a scale
    and an offset are fitted.

    Args:
        graph: as it is fed and read.
        description: what is set stays as it is.
        owner: films and probabilities.

    Raises:
        BundleError: none agrees, or only with the classes exchanged; lists the closest.
    """
    with ChildDecoder(workers=1) as frame_decoder:

        def prepared(film: Path, spec: PreprocessSpec) -> NDArray[np.float32]:
            return prepare(decode(film.read_bytes(), min_side=spec.decoded_side, frame_decoder=frame_decoder), spec)

        search = _Search(graph, owner, prepared)
        ways = search.of_likely_sizes(list(possible_ways(graph, description)))
        tried = len(ways)
        for films, survivors in _STAGES:
            ways = [trial.way for trial in search.ranked(ways, films)[:survivors]]
        ways = by_interpolation(ways, description)
        ranking = search.ranked([trial.way for trial in search.ranked(ways, _STAGES[-1][0])[:survivors]])
        best = _agreeing(ranking)
        if best is None and not graph.image.integer and not values_are_stated(description):
            ranking = sorted([*ranking, *map(search.fitted, ranking[:2])], key=_distance)
            best = _agreeing(ranking)
    if best is None:
        raise _no_way(ranking, tried, description)
    return FoundWay(best.way, (f"preprocessing found: {best.in_words}", *_alike(best, ranking)))


class _Search:
    """Ways tried on the owner's films; the films are ordered so that the most telling come first."""

    def __init__(
        self, graph: ForeignGraph, owner: OwnerOutputs, prepared: Callable[[Path, PreprocessSpec], NDArray[np.float32]]
    ) -> None:
        doubt = np.nanmin(np.abs(owner.probabilities - 0.5), axis=1)
        order = np.argsort(doubt, kind="stable")
        self._films = [owner.films[index] for index in order]
        self._owner = owner.probabilities[order]
        self._channels = graph.image.channels
        self._single = graph.output.single
        self._run: Run = Session(graph.of_pixel_values().SerializeToString()).run
        self._prepare = prepared
        self._cache: dict[tuple[int, PreprocessSpec], NDArray[np.float32]] = {}

    def of_likely_sizes(self, ways: Sequence[Way]) -> list[Way]:
        """The ways of the sizes that come closest by plain ways; all where there are few."""
        sizes = list(dict.fromkeys(way.spec.size for way in ways))
        if len(sizes) <= _SIZES_TRIED:
            return list(ways)
        plain = [way for way in ways if way.spec == PreprocessSpec(size=way.spec.size)]
        ranked = self.ranked(plain or ways, _STAGES[0][0])
        likely = list(dict.fromkeys(trial.way.spec.size for trial in ranked))[:_SIZES_TRIED]
        return [way for way in ways if way.spec.size in likely]

    def ranked(self, ways: Sequence[Way], films: int | None = None) -> list[Trial]:
        """The ways by their distance on the first films, the closest first, the more widespread first among equals."""
        return sorted((self.trial(way, films) for way in ways), key=_distance)

    def trial(self, way: Way, films: int | None = None, *, may_exchange: bool = True) -> Trial:
        """How far a way is off on the first films, as a softmax or sigmoids, in the order of classes that is closer."""
        count = len(self._films) if films is None else min(films, len(self._films))
        expected = self._owner[:count]
        try:
            logits = np.concatenate([self._logits(way, number) for number in range(count)]).astype(np.float64)
        except InferenceError:  # a side that the graph does not take
            return Trial(way, 1.0, 1.0, np.inf, exchanged=False)
        odds = [_log_odds(logits)] if self._single else [_log_odds(logits), logits]
        exchanged = (False, True) if may_exchange and expected.shape[1] == 2 else (False,)  # noqa: PLR2004
        trials = []
        for exchange, log_odds in product(exchanged, odds):
            ordered = log_odds[:, ::-1] if exchange else log_odds
            difference = np.nanmax(np.abs(expit(ordered) - expected), axis=1)
            distance = float(np.nanmean(np.abs(ordered - logit(np.clip(expected, _ROUNDED, 1 - _ROUNDED)))))
            trials.append(Trial(way, float(difference.mean()), float(difference.max()), distance, exchange))
        return min(trials, key=_distance)

    def fitted(self, start: Trial) -> Trial:
        """A way whose scale and offset, one for all channels, are fitted from where another one stands."""
        scale, offset = (values.mean() for values in start.way.values.scale_and_offset(self._channels))

        def way_of(numbers: NDArray[np.float64]) -> Way:
            return replace(start.way, values=_values_of(float(numbers[0] * scale), float(offset + numbers[1] * scale)))

        simplex = np.array([[1.0, 0.0], [1.25, 0.0], [1.0, 0.15]])
        result = minimize(
            lambda numbers: self.trial(way_of(numbers), may_exchange=False).log_odds if numbers[0] else np.inf,
            simplex[0],
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "maxfev": _EVALUATIONS, "fatol": 1e-4, "xatol": 1e-4},
        )
        return self.trial(way_of(result.x), may_exchange=False)

    def _logits(self, way: Way, number: int) -> NDArray[np.float32]:
        key = (number, way.spec)
        if key not in self._cache:
            self._cache[key] = self._prepare(self._films[number], way.spec)[np.newaxis]
        scale, offset = way.values.scale_and_offset(self._channels)
        return self._run(self._cache[key] * scale + offset, np.array([MOST_PROBABLE]))["logits"]


def _distance(trial: Trial) -> tuple[float, float]:
    return round(trial.mean, 4), trial.log_odds


def _log_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a softmax, [N, K], finite where its probabilities are 0 or 1."""
    others = [logsumexp(np.delete(logits, column, axis=1), axis=1) for column in range(logits.shape[1])]
    odds: NDArray[np.float64] = logits - np.stack(others, axis=1)
    return odds


def _values_of(scale: float, offset: float) -> PixelValues:
    """Rounded pixel values of a scale and an offset of films in [0, 1]."""
    inverted = scale < 0
    black, white = (scale + offset, offset) if inverted else (offset, scale + offset)
    std = 1 / (white - black)
    mean = -black * std
    return PixelValues(
        "monochrome1" if inverted else "monochrome2", mean=(float(f"{mean:.3g}"),), std=(float(f"{std:.3g}"),)
    )


def _agreeing(ranking: Sequence[Trial]) -> Trial | None:
    """The closest that agrees with the classes as they are stated; the most widespread of those that are as close."""
    agreeing = [trial for trial in ranking if trial.agrees and not trial.exchanged]
    as_close = [trial for trial in agreeing if trial.mean <= _AS_CLOSE[0] * agreeing[0].mean + _AS_CLOSE[1]]
    return min(as_close, key=lambda trial: _rank(trial.way), default=None)


def _rank(way: Way) -> int:
    """Place of the scaling among the conventions, the most widespread first; a fitted one comes last."""
    plain = replace(way.values, polarity="monochrome2")
    return CONVENTIONS.index(plain) if plain in CONVENTIONS else len(CONVENTIONS)


def _alike(best: Trial, ranking: Sequence[Trial]) -> tuple[str, ...]:
    """What the films do not tell apart."""
    alike = [trial.way for trial in ranking if trial.mean - best.mean < SAME and not trial.exchanged]
    notes = []
    for number, part in enumerate(best.way.parts):
        others = sorted({way.parts[number] for way in alike} - {part})
        notes += [f"these films do not tell {part} from {' or '.join(others)}: state it if you know"] if others else []
    return tuple(notes)


def _no_way(ranking: Sequence[Trial], tried: int, description: NetworkDescription) -> BundleError:
    closest = ranking[0]
    if closest.agrees and closest.exchanged:
        first, second = description.classes
        return BundleError(
            f"the owner's probabilities agree with the classes exchanged only ({closest.in_words}); give --classes "
            f"{second},{first}, the order of the graph's outputs"
        )
    return BundleError(
        f"none of {tried} ways to prepare films gives the owner's probabilities within {MEAN_DIFFERENCE:g} in the mean "
        f"and {LARGEST_DIFFERENCE:g} at most. State what is known (--size, --resize, --shorter-side, --mean, --std, "
        "--value-range, --polarity, --clahe, --activation); a crop off the centre, a segmentation or a scaling by each "
        "film's own values cannot be carried by a bundle: put it into the graph. The closest:"
        + listing([trial.in_words for trial in ranking])
    )
