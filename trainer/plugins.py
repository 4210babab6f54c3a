"""Architectures, losses, recipes and data sources that other packages offer by entry points; docs/plug-ins.md."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal, TypeVar

from schemas.errors import CxrError, TrainingConfigError

T = TypeVar("T")
Kind = Literal["architecture", "loss", "recipe", "source"]

GROUPS: Final[Mapping[Kind, str]] = {
    "architecture": "cxr_classifier.architectures",
    "loss": "cxr_classifier.losses",
    "recipe": "cxr_classifier.recipes",
    "source": "cxr_classifier.sources",
}
"""The groups of entry points."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One thing that an installed package offers; it is imported once it is loaded."""

    kind: Kind
    name: str
    entry_point: EntryPoint

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.package}"

    @property
    def package(self) -> str:
        """Name and version of the package."""
        distribution = self.entry_point.dist
        return "an unknown package" if distribution is None else f"{distribution.name} {distribution.version}"

    def load(self, wanted: type[T]) -> T:
        """What the entry point names.

        Raises:
            TrainingConfigError: the package fails to be imported, or offers something of another type.
        """
        return self._checked(self._attempt(self.entry_point.load), wanted)

    def make(self, wanted: type[T], *arguments: object) -> T:
        """What the function gives that the entry point names.

        Raises:
            TrainingConfigError: the package or the function fails, or gives something of another type.
            CxrError: the function refuses its arguments.
        """
        make = self._attempt(self.entry_point.load)
        return self._checked(self._attempt(lambda: make(*arguments)), wanted)

    def _attempt(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except CxrError:
            raise
        except Exception as error:  # code of others may raise anything; each means that the plug-in cannot be used
            msg = (
                f"the {self} fails: {self.entry_point.value} ({type(error).__name__}: {error}); repair the package, or "
                "uninstall it"
            )
            raise TrainingConfigError(msg) from error

    def _checked(self, value: Any, wanted: type[T]) -> T:
        if not isinstance(value, wanted):
            msg = (
                f"the {self} gives a {type(value).__name__}, not a {wanted.__name__}; correct "
                f"{self.entry_point.value}, see docs/plug-ins.md"
            )
            raise TrainingConfigError(msg)
        return value


def plugin_names(kind: Kind) -> tuple[str, ...]:
    """The names that installed packages offer, in order; nothing is imported."""
    return tuple(sorted({entry_point.name for entry_point in entry_points(group=GROUPS[kind])}))


def find_plugin(kind: Kind, name: str, taken: Collection[str]) -> Plugin | None:
    """The plug-in of that name; None: no installed package offers it.

    Args:
        kind: of the plug-in.
        name: which one.
        taken: names of the trainer's own.

    Raises:
        TrainingConfigError: two packages offer the name, or it is one of the trainer's own.
    """
    found = [Plugin(kind, name, point) for point in entry_points(group=GROUPS[kind], name=name)]
    if len(found) > 1 or (found and name in taken):
        owners = sorted(plugin.package for plugin in found) + (["the trainer itself"] if name in taken else [])
        msg = (
            f"the {kind} {name!r} is offered by {' and by '.join(owners)}, and a run must know which is meant; rename "
            "the entry point, or uninstall a package"
        )
        raise TrainingConfigError(msg)
    return found[0] if found else None
