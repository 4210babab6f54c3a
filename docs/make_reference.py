"""Prints docs/reference.md from the code: settings, problems, metrics, training options; `make reference` writes it."""

from collections.abc import Iterable

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.http.errors import PROBLEMS
from service.metrics import Metrics
from service.settings import PREFIX, Settings
from trainer.config import fields
from trainer.learning.augment import RECIPES
from trainer.networks.architectures import ARCHITECTURES


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def default(field: FieldInfo) -> str:
    """What a field is when nobody sets it."""
    if field.default_factory is not None:
        return "by machine"
    if field.default is PydanticUndefined:
        return "required"
    return f"`{field.default}`"


def reference() -> str:
    """The page."""
    settings = (
        (f"`{PREFIX}{name.upper()}`", default(f), f.description or "") for name, f in Settings.model_fields.items()
    )
    problems = (
        (f"`{error.code}`", str(kind.status), (error.__doc__ or "").splitlines()[0])
        for error, kind in sorted(PROBLEMS.items(), key=lambda row: (row[1].status, row[0].code))
    )
    metrics = sorted(Metrics().registry.collect(), key=lambda family: family.name)
    families = (
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for family in metrics
        if family.name.startswith("cxr_")
    )
    options = ((f"`{name}`", default(f), f.description or "") for name, f in fields())
    networks = (
        (f"`{name}`", row.timm_name or "own", str(row.input_size), f"`{row.cam_layer}`")
        for name, row in ARCHITECTURES.items()
    )
    recipes = (
        (f"`{name}`", ", ".join(f"{key} {value}" for key, value in recipe.model_dump(exclude_defaults=True).items()))
        for name, recipe in RECIPES.items()
    )
    return "\n\n".join(
        (
            "# Reference",
            "Written by `make reference` from the code.",
            "## Settings of the service",
            "Environment variables. One that is misspelt is refused at start-up.",
            table(("variable", "default", "meaning"), settings),
            "## Problems",
            "Every failure is `application/problem+json` (RFC 9457) with `type` `urn:cxr:problem:<code>`.",
            table(("code", "status", "meaning"), problems),
            "## Metrics",
            table(("metric", "type", "meaning"), families),
            "## Training options",
            "Fields of the YAML file of `--config`, by section (`learn: {lr: 1e-3}`) or dotted (`learn.lr: 1e-3`), or `--set FIELD=VALUE`.",
            table(("field", "default", "meaning"), options),
            "## Architectures",
            "And `timm:<name>` for any network of timm with a feature map.",
            table(("name", "timm", "side", "Grad-CAM layer"), networks),
            "## Augmentation recipes",
            table(("name", "variation"), recipes),
        )
    )


if __name__ == "__main__":
    print(reference())
