"""The folder of bundles: which are there, which one serves, and the path from files to a network that may answer."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.golden import check_golden, warm
from bundle.opening import Bundle, open_bundle
from bundle.session import GraphOutputs
from schemas.api import ModelReference
from schemas.errors import BundleError, NotFoundError
from schemas.model.familiarity import Familiarity
from schemas.model.manifest import CURRENT, MANIFEST
from schemas.model.precision import Precision
from service.answers.decision import load_statistics
from service.engine.batcher import batch_sizes
from service.engine.engine import Engine, EngineOpener
from service.engine.heat_maps import Explanations, open_explanations
from service.models.trust import Trust
from service.settings import Settings


class BundleAddress(NamedTuple):
    """Where a bundle lies below the models directory."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A chosen bundle and the state of its files; two stamps are equal where nothing changed."""

    address: BundleAddress
    files: tuple[tuple[str, int, int], ...]
    """Name, size and time of change of each."""


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A bundle whose hashes were right, whose self-test passed, and whose network is warm."""

    bundle: Bundle
    engine: Engine
    statistics: Familiarity | None
    explanations: Explanations
    selftest_error: float
    """Largest absolute error of the logits of the golden films."""
    precision: Precision = "fp32"

    @property
    def address(self) -> BundleAddress:
        """Name and version."""
        return BundleAddress(self.bundle.manifest.name, self.bundle.manifest.version)

    @property
    def reference(self) -> ModelReference:
        """What an answer says about who computed it."""
        manifest = self.bundle.manifest
        return ModelReference(
            name=manifest.name,
            version=manifest.version,
            architecture=manifest.architecture,
            precision=self.precision,
            sha256=self._sha256,
        )

    @property
    def _sha256(self) -> str:
        """Two precisions of a bundle must not pass for one; fp32 keeps the hash that vouches for the whole bundle."""
        manifest = self.bundle.manifest
        if self.precision == "fp32":
            return self.bundle.sha256
        return manifest.files[manifest.graph_files(self.precision).graph].sha256


class BundleRegistry:
    """Finds bundles; it looks at the disk at every call, so what was copied in is known at once.

    Nothing that a caller sends becomes part of a path: it is only compared with what was found.
    """

    def __init__(self, models_dir: Path, model: str | None, trust: Trust | None = None) -> None:
        """Look nowhere yet.

        Args:
            models_dir: the folder.
            model: `name`, `name/version`, or None for what `current` says.
            trust: whose bundles are opened; None: anybody's.
        """
        self._models_dir = models_dir
        self._model = model
        self._trust = trust

    def known(self) -> tuple[BundleAddress, ...]:
        """Every bundle of the folder, by name and then from the oldest version to the newest."""
        manifests = self._models_dir.glob(f"*/*/{MANIFEST}")
        found = (BundleAddress(path.parent.parent.name, path.parent.name) for path in manifests)
        return tuple(sorted(found, key=lambda address: (address.name, _natural_order(address.version))))

    def chosen(self) -> BundleAddress:
        """The bundle that ought to serve.

        Raises:
            BundleError: neither the setting nor `current` names a bundle that is there.
        """
        wanted = self._model or self._current()
        for address in reversed(self.known()):
            if wanted in (address.name, str(address)):
                return address
        msg = f"{wanted} is not in the models directory; publish it there, or correct CXR_MODEL or the file {CURRENT!r}"
        raise BundleError(msg)

    def look(self) -> Stamp:
        """The chosen bundle, and the state of its files: what a copy that is still under way changes, or a new signature.

        Raises:
            BundleError: see `chosen`; or its files vanish while they are looked at.
        """
        address = self.chosen()
        try:
            found = [
                (path, path.stat()) for path in sorted((self._models_dir / address.name / address.version).iterdir())
            ]
            if self._trust is not None and self._trust.path.exists():
                found.append((self._trust.path, self._trust.path.stat()))
        except OSError as error:
            msg = f"{address} changes while it is looked at ({error.strerror})"
            raise BundleError(msg) from error
        return Stamp(address, tuple((path.name, stat.st_size, stat.st_mtime_ns) for path, stat in found))

    def open(self, address: BundleAddress) -> Bundle:
        """Read the bundle and check every hash.

        Raises:
            NotFoundError: there is none at this address.
            BundleError: it is altered, incomplete, not signed by whom it ought to be, or lies under another name.
        """
        if address not in self.known():
            msg = "there is no bundle of this name and version; GET /models lists those that are there"
            raise NotFoundError(msg)
        directory = self._models_dir / address.name / address.version
        bundle = (
            open_bundle(directory) if self._trust is None else open_bundle(directory, self._trust.accept(directory))
        )
        stated = BundleAddress(bundle.manifest.name, bundle.manifest.version)
        if stated != address:
            msg = f"the bundle at {address} says that it is {stated}; move it to its own address"
            raise BundleError(msg)
        return bundle

    def _current(self) -> str:
        try:
            return (self._models_dir / CURRENT).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the models directory has no readable file {CURRENT!r}; publish a bundle, or name one in CXR_MODEL"
            raise BundleError(msg) from error


def load(bundle: Bundle, open_engine: EngineOpener, settings: Settings) -> LoadedBundle:
    """Open the network of `bundle`, prove it on the golden films, and run every batch size once.

    Raises:
        BundleError: there is no graph of the precision that the settings ask for, or graph, statistics, golden films or
            torch's weights are not what the manifest says.
        SettingsError: the provider is not there.
    """
    engine = open_engine(
        bundle,
        provider=settings.provider,
        intra_op_threads=settings.intra_op_threads,
        precision=settings.precision,
    )
    statistics = load_statistics(bundle)

    def run(images: NDArray[np.float32], targets: NDArray[np.int64]) -> GraphOutputs:
        return engine.run(images, targets).by_name()

    selftest_error = check_golden(bundle, run, settings.precision).logits
    warm(run, side=bundle.manifest.preprocess.size, sizes=batch_sizes(settings.largest_batch))
    explanations = open_explanations(bundle, settings.explain_backend, threads=settings.intra_op_threads)
    return LoadedBundle(bundle, engine, statistics, explanations, selftest_error, settings.precision)


def _natural_order(version: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", version))
