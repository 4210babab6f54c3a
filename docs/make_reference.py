"""Prints docs/reference.md from the code: settings, problems, metrics, training options; `make reference` writes it."""

from collections.abc import Iterable

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemas.errors import CxrError
from service.dimse.counters import DimseMetrics
from service.http.errors import problem_type
from service.metrics import Metrics
from service.settings import VARIABLES
from service.settings.environment import SECTIONS
from service.sharing.counters import SharingMetrics
from service.worklist.counters import WorklistMetrics
from trainer.config import fields
from trainer.learning.augment import RECIPES
from trainer.networks.architectures import ARCHITECTURES
from trainer.sweeps.storage import StorageError

ELSEWHERE = (StorageError,)
"""Failures that stand outside of `schemas.errors`, and that nothing above has imported."""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def raised(base: type[CxrError]) -> list[type[CxrError]]:
    """The errors below `base` that are raised: those with a code of their own."""
    kinds = [kind for child in base.__subclasses__() for kind in (child, *raised(child))]
    return [kind for kind in kinds if "code" in vars(kind)]


def default(field: FieldInfo) -> str:
    """What a field is when nobody sets it."""
    if field.default_factory is not None:
        return "depends on the machine"
    if field.default is PydanticUndefined:
        return "required"
    return f"`{field.default}`"


def reference() -> str:
    """The page."""
    variables = {variable: SECTIONS[section].model_fields[name] for variable, (section, name) in VARIABLES.items()}
    settings = ((f"`{variable}`", default(f), f.description or "") for variable, f in variables.items())
    problems = (
        (f"`{error.code}`", str(problem_type(error).status), (error.__doc__ or "").splitlines()[0])
        for error in sorted(raised(CxrError), key=lambda error: (problem_type(error).status, error.code))
    )
    processes = (Metrics(), DimseMetrics(), WorklistMetrics())
    SharingMetrics(processes[0].registry)
    collected = [family for process in processes for family in process.registry.collect()]
    metrics = sorted(collected, key=lambda family: family.name)
    families = (
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for family in metrics
        if family.name.startswith("cxr_")
    )
    options = ((f"`{name}`", default(f), f.description or "") for name, f in fields())
    networks = (
        (
            f"`{name}`",
            row.timm_name or "own network",
            str(row.input_size),
            f"`{row.cam_layer}`",
            f"{row.parameters or 0:,}",
            f"{row.hub.tag} ({row.hub.licence})" if row.hub else "none",
            row.purpose,
        )
        for name, row in ARCHITECTURES.items()
    )
    recipes = (
        (f"`{name}`", ", ".join(f"{key} {value}" for key, value in recipe.model_dump(exclude_defaults=True).items()))
        for name, recipe in RECIPES.items()
    )
    return "\n\n".join(
        (
            "# Reference",
            "This page lists every setting, problem, metric and option. `make reference` generates it from the code.",
            "## Settings of the service",
            "Each setting is an environment variable. The service refuses to start with a misspelt one.",
            table(("variable", "default", "meaning"), settings),
            "## Problems",
            "Every failure is `application/problem+json` (RFC 9457) with `type` `urn:cxr:problem:<code>`.",
            table(("code", "status", "meaning"), problems),
            "## Metrics",
            table(("metric", "type", "meaning"), families),
            "## Training options",
            (
                "Set these fields in the YAML file of `--config`, by section (`learn: {lr: 1e-3}`) or dotted "
                "(`learn.lr: 1e-3`), "
                "or with `--set FIELD=VALUE` ([train](training.md))."
            ),
            table(("field", "default", "meaning"), options),
            "## Architectures",
            (
                "In addition to these rows, `timm:<name>` selects any network of timm that has a feature map. "
                "`python -m trainer archs` prints this table. The licence is that of the weights, as timm states it."
            ),
            table(
                ("name", "name in timm", "input side", "Grad-CAM layer", "parameters", "hub weights", "for"), networks
            ),
            "## Augmentation recipes",
            table(("name", "variation"), recipes),
        )
    )


if __name__ == "__main__":
    print(reference())
