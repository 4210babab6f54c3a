"""The films that a card is about: from a folder or a table as the trainer takes it, or from the split of the run."""

import sys
from collections.abc import Mapping
from pathlib import Path

from bundle.files import sha256_of
from schemas.model.manifest import BundleManifest
from schemas.model.provenance import Provenance
from trainer.films.film import Film, data_sha256
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.films.splits import read_split

Sets = Mapping[str, tuple[Film, ...]]
"""By the name of a set of the card: 'test', 'validation'."""


def sets_of(manifest: BundleManifest, data: Path, split: Path | None) -> Sets:
    """The sets of the card whose films are known.

    Args:
        manifest: of the bundle; its findings are those that are read from a table.
        data: a folder of films or a table, which the split's paths are relative to.
        split: `split.csv` of the run; None: the test films are those that the data itself names.

    Raises:
        SystemExit: the split is not the bundle's, no set of the card is known, or the films of one are others.
    """
    findings = manifest.classes if manifest.activation == "sigmoid" else ()
    if split is not None:
        require_own_split(manifest, split)
        films = read_split(split, data if data.is_dir() else data.parent, findings).films
        places = {"test": "test", "validation": "val"}
    else:
        films = index_films(_options(manifest, data)).films
        places = {"test": "test"}
    found = {name: tuple(film for film in films if film.split == place) for name, place in places.items()}
    stated = {evaluation.data: evaluation.data_sha256 for evaluation in manifest.evaluation}
    sets = {name: own for name, own in found.items() if own and name in stated}
    if not sets:
        sys.exit(f"{data} does not say which films are those of {manifest.name}/{manifest.version}; give --split")
    for name, own in sets.items():
        if data_sha256(own) != stated[name]:
            sys.exit(
                f"the {len(own)} {name} films of {data} are not those of {manifest.name}/{manifest.version}, by their "
                "hashes and labels; give the films of the card, or the run's split.csv by --split"
            )
    return sets


def _options(manifest: BundleManifest, data: Path) -> DataOptions:
    """How the trainer reads the data, as far as the manifest states it."""
    if manifest.activation == "sigmoid":
        return DataOptions(path=str(data), task="findings", findings=manifest.classes)
    return DataOptions(path=str(data), task="classes")


def require_own_split(manifest: BundleManifest, split: Path) -> None:
    """End the program where the films may have been trained on."""
    made = manifest.provenance
    if not isinstance(made, Provenance) or sha256_of(split) != made.split_sha256:
        sys.exit(f"{split} is not the split of {manifest.name}: its validation films may have been trained on")
