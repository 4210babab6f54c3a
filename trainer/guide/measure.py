"""What a guide is worth on validation films: the Dice of its lungs, and a cut-off and figures for each trait."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from biostatistics.calibration import fit_temperature
from biostatistics.intervals import mean_estimate, wilson_interval
from schemas.estimate import Estimate
from schemas.model.guide import Trait
from trainer.guide.films import GuideFilms, lungs_cells
from trainer.guide.options import GuideOptions
from trainer.guide.variations import MADE, hidden
from trainer.networks.lungs.guide import GuideNetwork

Films = NDArray[np.float32]  # [V, 1, S, S]
Values = NDArray[np.float64]

_BATCH = 32
_HALF = 0.5
_ROUNDING = 1e-5
"""A film that decides a cut-off must pass it in another runtime, too."""

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _quarters(count: int) -> Change:
    return lambda film: np.rot90(film, count)


CHANGES: Final[Mapping[str, Mapping[str, tuple[Change, ...]]]] = {
    "pose": {"mirrored": (lambda film: film[:, ::-1],), "turned": tuple(map(_quarters, (1, 2, 3)))},
    "polarity": {"inverted": (lambda film: 1 - film,)},
}
"""How validation films get the values of made traits."""


def sight(network: GuideNetwork, films: Films) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities of lungs [V, h, w] and logits of traits [V, T] of films; leaves the network in eval mode."""
    network.eval()
    lungs, traits = [], []
    with torch.no_grad():
        for start in range(0, len(films), _BATCH):
            seen = network(torch.from_numpy(np.array(films[start : start + _BATCH])))
            lungs.append(seen.lungs.sigmoid().numpy())
            traits.append(seen.traits.numpy())
    return np.concatenate(lungs), np.concatenate(traits)


def measure_dice(network: GuideNetwork, films: GuideFilms) -> Estimate | None:
    """Mean Dice of the lungs over validation films with a mask, its interval over patients; None: there is none.

    Both are taken on the guide's grid: a cell is lung when half of it is.
    """
    if not films.masks:
        return None
    indices = sorted(films.masks)
    seen, _ = sight(network, films.films[indices])
    dice = np.empty(len(indices))
    for row, index in enumerate(indices):
        truth, found = lungs_cells(films.masks[index]) > _HALF, seen[row] > _HALF
        dice[row] = 2 * (truth & found).sum() / max(1, truth.sum() + found.sum())
    patients = np.array([films.rows[index].film.patient for index in indices])
    return mean_estimate(dice, patients=patients)


def calibrate_traits(network: GuideNetwork, films: GuideFilms) -> None:
    """Divide the logits of each trait of the table by the temperature that validation films ask for, in the weights."""
    _, logits = sight(network, films.films)
    start = 0
    for trait, values in films.traits.items():
        truth = np.array([_truth(row.traits, trait, values) for row in films.rows])
        known = truth >= 0
        if trait not in MADE and known.any():
            scale = 1 / fit_temperature(logits[known, start : start + len(values)], truth[known])
            with torch.no_grad():
                network.traits.weight[start : start + len(values)] *= scale
                network.traits.bias[start : start + len(values)] *= scale
        start += len(values)


def _truth(known: Mapping[str, str], trait: str, values: Sequence[str]) -> int:
    return values.index(known[trait]) if trait in known else -1


def measure_traits(network: GuideNetwork, films: GuideFilms, options: GuideOptions) -> tuple[Trait, ...]:
    """The traits with their cut-offs: the share `options.passed` of the accepted validation films passes each.

    Accepted are the films whose every trait of the table has an accepted value; a trait that `options.accepted` does
    not name accepts every value, and a made trait the first of its values. The shares of other values that do not pass
    are of films of the table, and of accepted films that were changed (`CHANGES`, and hidden lungs).
    """
    accepted = {name: options.accepted.get(name, values) for name, values in films.traits.items() if name not in MADE}
    accepted |= {name: values[:1] for name, values in MADE.items() if name in films.traits}
    own = np.array([index for index, row in enumerate(films.rows) if _is_accepted(row.traits, accepted)])
    _, logits = sight(network, films.films[own])
    seen = _Seen(network, films, own, logits)
    return tuple(_trait(seen, name, accepted[name], options.passed) for name in films.traits)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A guide with the films that validate it, and what it says of those that are accepted."""

    network: GuideNetwork
    films: GuideFilms
    own: NDArray[np.int64]  # indices of the A accepted films
    logits: NDArray[np.float32]  # [A, T]


def _trait(seen: _Seen, name: str, accepted: Sequence[str], share: float) -> Trait:
    network, films, own, logits = seen.network, seen.films, seen.own, seen.logits
    values = films.traits[name]
    columns = _columns(films, name)
    kept = [values.index(value) for value in accepted]
    scores = _scores(network, logits, columns, kept)
    everything = len(kept) == len(values)
    cutoff = 0.0 if everything else max(0.0, float(np.quantile(scores, 1 - share)) - _ROUNDING)
    others = {value: _others(network, films, name, value, own) for value in values if value not in accepted}
    return Trait(
        name=name,
        values=values,
        accepted=tuple(accepted),
        cutoff=cutoff,
        passed=wilson_interval(int((scores >= cutoff).sum()), len(scores)),
        refused={
            value: wilson_interval(int((_scores(network, found, columns, kept) < cutoff).sum()), len(found))
            for value, found in others.items()
            if len(found)
        },
    )


def _is_accepted(known: Mapping[str, str], accepted: Mapping[str, Sequence[str]]) -> bool:
    return all(known.get(name) in values for name, values in accepted.items() if name not in MADE)


def _columns(films: GuideFilms, trait: str) -> slice:
    start = 0
    for name, values in films.traits.items():
        if name == trait:
            return slice(start, start + len(values))
        start += len(values)
    raise KeyError(trait)


def _scores(network: GuideNetwork, logits: NDArray[np.float32], columns: slice, kept: Sequence[int]) -> Values:
    """Probability of the accepted values together, [V]."""
    probabilities = network.probabilities(torch.from_numpy(logits)).numpy()[:, columns]
    scores: Values = probabilities[:, list(kept)].sum(axis=1).astype(np.float64)
    return scores


def _others(
    network: GuideNetwork, films: GuideFilms, trait: str, value: str, own: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Logits of validation films of another value of a trait, [V, T]; V may be 0."""
    if trait not in MADE:
        rows = [index for index, row in enumerate(films.rows) if row.traits.get(trait) == value]
        changed = films.films[rows]
    elif trait == "lungs":
        rows = [index for index in own.tolist() if index in films.masks]
        random = np.random.default_rng(0)
        painted = [hidden(films.films[index, 0], films.masks[index], random) for index in rows]
        changed = np.array(painted, np.float32).reshape(-1, 1, *films.films.shape[2:])
    else:
        upright = [films.films[index, 0] for index in own.tolist() if films.rows[index].oriented]
        changes = CHANGES[trait][value]
        varied = [changes[number % len(changes)](film)[np.newaxis] for number, film in enumerate(upright)]
        changed = np.array(varied, np.float32).reshape(-1, 1, *films.films.shape[2:])
    return sight(network, changed)[1] if len(changed) else np.empty((0, sum(network.values)), np.float32)
