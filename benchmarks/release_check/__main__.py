"""A model card's figures, found again through the real HTTP service, digit by digit.

    python -m benchmarks.release_check --data ../shared/data/kermany224 [--split runs/ID/split.csv]
    python -m benchmarks.release_check --model chest-xray-adult/1.0.0 --data films.csv --split runs/ID/split.csv

Posts every test film of the data, as its file lies there, to `python -m service` with a bundle of `models/`, evaluates
the answers as the trainer does, prints the card's tables as they come out, and fails if a digit differs. A film that is
not answered counts as it does in the trainer's evaluation: the answer holds its probabilities. Films under shifts, and
with parts erased (`--lung-masks`), are posted as PNG files of 16 bits. With the split of the run, which the bundle has
the hash of but not the lines, the validation films too. What the card says and this cannot find again is named at the
end.
"""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.release_check.asking import Asker
from benchmarks.release_check.card import (
    card_erasures,
    card_section,
    differences,
    digits,
    erasure_table,
    left_out,
    looking_set,
    nearly,
    no_erasures,
    report,
)
from benchmarks.release_check.films import Sets, sets_of
from benchmarks.release_check.measuring import as_stated, erasures_found_again, found_again, worst_gap
from benchmarks.resilience.server import running
from biostatistics.intervals import wilson_interval
from bundle.opening import Bundle, open_bundle
from export.card.card import evaluation_section
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import CURRENT

MODELS = Path("models")
_CLIENTS = 4
_TEXT = tuple[str, str]  # what the card states, and what was found


def main(argv: Sequence[str] | None = None) -> None:
    """Check each bundle, then end with what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder or table of the films whose test split the card is about"
    )
    parser.add_argument("--split", type=Path, help="split.csv of the run, for the figures on validation")
    parser.add_argument(
        "--model", action="append", metavar="NAME/VERSION", help="bundle to check; may be repeated (default: current)"
    )
    parser.add_argument("--models", type=Path, default=MODELS, help="models directory (default: %(default)s)")
    parser.add_argument("--lung-masks", type=Path, help="folder of lung masks, for the figures of erased films")
    parser.add_argument("--no-shifts", action="store_true", help="leave out the figures under shifts")
    options = parser.parse_args(argv)
    addresses = options.model or [(options.models / CURRENT).read_text().strip()]
    report([line for address in addresses for line in check(address, options)])


def check(address: str, options: argparse.Namespace) -> list[str]:
    """Find the figures of one bundle again, print them, and return the lines that differ."""
    bundle = open_bundle(options.models / address)
    sets = sets_of(bundle.manifest, options.data, options.split)
    with running(models_dir=options.models, model=address) as server, ThreadPoolExecutor(_CLIENTS) as pool:
        asker = Asker(server, bundle.manifest, pool)
        texts = [*_evaluations(asker, bundle, sets, shifts=not options.no_shifts)]
        texts += _erasures(asker, bundle, sets, options.lung_masks)
    near = {pair: nearly(*pair) for pair in texts} if bundle.manifest.guide else {}
    faults = [line for pair in texts if not near.get(pair) for line in differences(*pair)]
    if not faults:
        pairs = [one for found in near.values() for one in found]
        but = f" but those of {len(pairs)} figures, by a film or a rounding (card, service): {'; '.join(pairs)}"
        count = sum(digits(found) for _, found in texts)
        print(f"{address}: all {count} digits are those of the card{but if pairs else ''}.")
    print(f"{address}, not looked for here:")
    masks = options.lung_masks is not None
    for line in left_out(bundle.manifest, sets, shifts=not options.no_shifts, masks=masks):
        print(f"- {line}")
    return faults


def _evaluations(asker: Asker, bundle: Bundle, sets: Sets, *, shifts: bool) -> Iterator[_TEXT]:
    manifest = bundle.manifest
    for stated in (evaluation for evaluation in manifest.evaluation if evaluation.data in sets):
        found = found_again(asker, stated, sets[stated.data], shifts=shifts)
        section = evaluation_section(as_stated(found.evaluation, stated), manifest.classes)
        Console().print(Markdown(section))
        _remark(found.evaluation, found.outside)
        yield card_section(bundle, section), section


def _remark(found: Evaluation, outside: int) -> None:
    """Print what a reader of the figures asks next, whether or not the card states it."""
    share = wilson_interval(outside, found.films)
    print(f"On {found.data}: {outside} of {found.films} films are outside the population and not answered, {share}.")
    print(f"On {found.data}: largest gap of calibration by band beyond its interval: {worst_gap(found)}.")


def _erasures(asker: Asker, bundle: Bundle, sets: Sets, masks: Path | None) -> Iterator[_TEXT]:
    looking = bundle.manifest.looking
    if looking is None or not looking.erasures or no_erasures(bundle.manifest, sets, masks=masks is not None):
        return
    assert masks is not None  # noqa: S101 - else there was a reason
    name = looking_set(looking)
    found = erasure_table(erasures_found_again(asker, name, sets[name], masks))
    Console().print(Markdown(found))
    yield card_erasures(bundle), found


if __name__ == "__main__":
    main()
