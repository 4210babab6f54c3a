"""A bundle of a small network of timm with its weights beside the graph: exported, and spoilt as a test wants it."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from export.export import ExportOptions, write_bundle
from export.place import Place
from schemas.model.manifest import MANIFEST
from tests.export.untrained import phantoms, settled, trial_of
from tests.service.bundles import change_manifest
from trainer.networks.build import build_network

SIDE = 64
ARCHITECTURE = "timm:test_efficientnet"


def write_timm_bundle(models: Path) -> Path:
    """An untrained `test_efficientnet` as `small/1.0.0`, which is current, with maps in its graph and with weights."""
    torch.manual_seed(5)
    network = settled(build_network(ARCHITECTURE, classes=2, size=SIDE), phantoms(40, SIDE))
    trial = trial_of(network, architecture=ARCHITECTURE, side=SIDE, distribution=False)
    return write_bundle(
        trial,
        Place(name="small", version="1.0.0", out=models, make_current=True),
        ExportOptions(with_weights=True),
    )


def copy_of(bundle: Path, models: Path, *, maps: bool = True, **described: Any) -> Path:
    """The bundle in another models directory; without maps its graph keeps the outputs, but the manifest denies
    them."""
    directory = Path(shutil.copytree(bundle, models / bundle.parent.name / bundle.name))
    (models / "current").write_text(f"{bundle.parent.name}/{bundle.name}\n")
    stated = json.loads((directory / MANIFEST).read_text())
    if not maps:
        stated["graph"]["cam_grid"] = None
    change_manifest(directory, graph=stated["graph"], torch=stated["torch"] | described)
    return directory
