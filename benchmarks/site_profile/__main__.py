"""Whether a site's own operating point keeps its promise, under each simulated shift and at several prevalences.

    python -m benchmarks.site_profile --data ../shared/data/kermany224 --split runs/ID/split.csv --write

Shows the validation films of the split to the bundle in `models/`, as they are and after each of the 14 shifts of
`trainer/judging/shifts.py`; then draws 1,000 sites of 200 labelled films for each shift and prevalence, makes the
profile of each, and applies it to all films. With `--official` the official test films take the place of those of
validation: that is done once, at the end.
"""

import argparse
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Final, Literal

import numpy as np

from benchmarks.leaderboard.tables import table
from benchmarks.release_check.films import require_own_split
from benchmarks.site_profile.outputs import seen_films
from benchmarks.site_profile.resample import FILMS, RESAMPLES, Cell, Population, Rates, cell, limit_of_chance
from biostatistics.risk_control import Cuts, Risks
from bundle.files import write_whole
from bundle.opening import open_bundle
from schemas.model.manifest import CURRENT, BundleManifest
from trainer.films.splits import read_split

PAGES: Final[Mapping[str, Path]] = {
    "val": Path("docs/results/site-profile.md"),
    "test": Path("docs/results/site-profile-official.md"),
}
NAMES: Final[Mapping[str, str]] = {"val": "validation", "test": "official test"}
MODELS: Final = Path("models")
CACHE: Final = Path(".cache")
PREVALENCES: Final = (0.05, 0.15, 0.3, 0.5, 0.75)
RISKS: Final = (Risks(missed=0.05, false_alarms=0.1), Risks(missed=0.1, false_alarms=0.1))

TEXT = """# A site's own operating point: is the promise kept?

A hospital labels {films} films of its own and asks for an operating point at which at most a chosen share of the films
with the finding is answered negative, with a confidence of 95 %
([how](../acceptance.md#an-operating-point-of-your-own)).
This page draws such hospitals from films whose truth is known: {resamples:,} for each of the 14 shifts of
`trainer/judging/shifts.py`, for the films as they are, and for {prevalences} prevalences. Each draws its films with
replacement, makes its profile from them, and the profile is applied to all films of its shift. The promise is broken
where more than the chosen share of *all* films with the finding is then answered negative, whether others are answered
or not. A film that the bundle does not answer at all (unfamiliar, outside of its population) is not missed.

The {name} films of bundle `{bundle}` are {ill} with the finding and {well} without it. Written by `python -m
benchmarks.site_profile --data … --split … --write`. No film was used to choose anything on this page but by the
profiles themselves; the bundle's own operating point was chosen on the validation films."""

READING = """\
*Broken*: share of the profiles that break the promise; {allowed:.0%} is allowed, and with {cells} cells of
{resamples:,} draws chance alone may show up to {limit:.1%} in one of them (binomial, Bonferroni). *Refused*: share of
the sites that drew too few films of a kind, who get no profile and the number that they can promise. *Missed*, *false
alarms* and *answered* are means over the profiles, of all films at the site's prevalence; *own* is the bundle without a
profile, at the prevalences at which there are profiles.
The rows of one risk are the mean over the prevalences, but for *worst*, the largest share broken at any of them."""


def main() -> None:
    """Show, draw, print; the status is 1 where a promise is broken more often than chance allows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the films")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of the run that the bundle is of")
    parser.add_argument("--official", action="store_true", help="the official test films: once, at the end")
    parser.add_argument("--write", action="store_true", help="write the page of results")
    options = parser.parse_args()
    current = (MODELS / CURRENT).read_text().strip()
    bundle = open_bundle(MODELS / current)
    require_own_split(bundle.manifest, options.split)
    place: Literal["test", "val"] = "test" if options.official else "val"
    films = read_split(options.split, options.data).of(place)
    seen = seen_films(bundle, films, CACHE / f"site-profile-{place}-{bundle.sha256[:12]}.npz")
    (finding,) = bundle.manifest.findings
    index = bundle.manifest.classes.index(finding)
    temperature = bundle.manifest.calibration.temperature
    populations = {name: Population.of(each, temperature, index) for name, each in seen.items()}
    text, broken = page(bundle.manifest, place, populations)
    print(text)
    if options.write:
        write_whole(PAGES[place], text.encode())
    sys.exit(int(broken))


def page(manifest: BundleManifest, place: str, populations: Mapping[str, Population]) -> tuple[str, bool]:
    """The page of results, and whether a promise is broken more often than chance allows."""
    cells = {
        (risks, name, prevalence): cell(population, prevalence, risks, own_cuts(manifest).threshold, seed=seed)
        for seed, (risks, (name, population), prevalence) in enumerate(product(RISKS, populations.items(), PREVALENCES))
    }
    allowed = 1 - RISKS[0].confidence
    limit = limit_of_chance(list(cells.values()), allowed)
    truth = next(iter(populations.values())).truth
    parts = [
        TEXT.format(
            films=FILMS,
            resamples=RESAMPLES,
            prevalences=len(PREVALENCES),
            name=NAMES[place],
            bundle=f"{manifest.name}/{manifest.version}",
            ill=int(truth.sum()),
            well=int((~truth).sum()),
        )
    ]
    for risks in RISKS:
        own = {key[1:]: found for key, found in cells.items() if key[0] == risks}
        parts += [
            f"## At most {risks.missed:.0%} missed, at most {risks.false_alarms:.0%} false alarms",
            by_shift(manifest, populations, own),
            by_prevalence(own),
        ]
    parts.append(READING.format(allowed=allowed, cells=len(cells), resamples=RESAMPLES, limit=limit / RESAMPLES))
    broken = any(max(found.broken, found.alarms_broken) > limit for found in cells.values())
    parts.append(
        "A promise is broken more often than chance allows: see above."
        if broken
        else "No promise is broken more often than chance allows, in any cell."
    )
    return "\n\n".join(parts) + "\n", broken


def by_shift(
    manifest: BundleManifest, populations: Mapping[str, Population], cells: Mapping[tuple[str, float], Cell]
) -> str:
    """A row for each shift."""
    head = (
        "shift",
        "broken",
        "worst",
        "alarms broken",
        "refused",
        "missed",
        "own",
        "false alarms",
        "own",
        "answered",
        "own",
    )
    rows = []
    for name, population in populations.items():
        found = [each for (shift, _), each in cells.items() if shift == name]
        with_profile = [prevalence for (shift, prevalence), each in cells.items() if shift == name and each.made]
        own = [population.rates(own_cuts(manifest), prevalence) for prevalence in with_profile]
        rows.append((name, *_broken(found), *_rates(found, own)))
    return table(head, rows)


def by_prevalence(cells: Mapping[tuple[str, float], Cell]) -> str:
    """A row for each prevalence, over all shifts."""
    head = ("prevalence", "broken", "worst", "alarms broken", "refused")
    rows = [
        (f"{prevalence:.0%}", *_broken([each for (_, own), each in cells.items() if own == prevalence]))
        for prevalence in PREVALENCES
    ]
    return table(head, rows)


def own_cuts(manifest: BundleManifest) -> Cuts:
    """The bundle's own operating point as cuts of the log odds.

    Negative is a film whose set holds the negative class alone, below the threshold; positive the reverse.
    """
    calibration = manifest.calibration
    (point,) = calibration.operating_points
    quantiles = calibration.conformal.quantiles
    threshold, present, absent = (
        float(np.log(share) - np.log1p(-share))
        for share in (point.threshold, 1 - quantiles[point.finding], quantiles[str(manifest.negative_class)])
    )
    # Below `present` the finding is excluded, up to `absent` its absence is not: the films between have no answer.
    return Cuts(min(threshold, present, absent), max(threshold, present, absent), threshold, 0, 0)


def _broken(cells: list[Cell]) -> tuple[str, ...]:
    made = sum(each.made for each in cells)
    if not made:
        return ("-", "-", "-", "100 %")
    worst = max(each.broken / each.made for each in cells if each.made)
    return (
        _percent(sum(each.broken for each in cells) / made),
        _percent(worst),
        _percent(sum(each.alarms_broken for each in cells) / made),
        _percent(1 - made / (RESAMPLES * len(cells))),
    )


def _rates(cells: list[Cell], own: list[Rates]) -> tuple[str, ...]:
    profiles = [each.profile for each in cells if each.profile is not None]
    shown: list[str] = []
    for name in ("missed", "false_alarms", "answered"):
        shown += [
            _percent(float(np.mean([getattr(each, name) for each in group]))) if group else "-"
            for group in (profiles, own)
        ]
    return tuple(shown)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
