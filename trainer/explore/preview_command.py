"""The command `python -m trainer preview DIR`: an augmentation recipe shown on films, before hours are spent on it."""

from pathlib import Path
from typing import Annotated

import typer


def preview_command(  # noqa: PLR0913, PLR0917 - typer: one argument for each option
    data: Annotated[Path, typer.Argument(help="Folder of films, a MedMNIST .npz, or a .csv.")],
    augment: Annotated[str, typer.Option(help="Name of an augmentation recipe.")] = "standard",
    out: Annotated[Path, typer.Option(help="File of the sheet, a PNG.")] = Path("preview.png"),
    films: Annotated[int, typer.Option(min=1, max=50, help="Rows: films drawn at random.")] = 6,
    variants: Annotated[int, typer.Option(min=1, max=20, help="Variations of each film.")] = 7,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Side of the films.")] = 128,
    horizontal_flip: Annotated[bool, typer.Option(help="Mirror half of the variations.")] = False,  # noqa: FBT002
    seed: Annotated[int, typer.Option(help="Seed of the choice of films.")] = 0,
    cache: Annotated[Path, typer.Option(help="Folder for prepared films.")] = Path(".cache/films"),
) -> None:
    """Draw a sheet with a row for each film: the film, and variations of it as training sees them."""
    from trainer.explore.contact_sheet import preview
    from trainer.learning.augment import find_recipe

    recipe = find_recipe(augment).model_copy(update={"horizontal_flip": horizontal_flip})
    import numpy as np

    from bundle.files import write_whole
    from schemas.preprocess import PreprocessSpec
    from trainer.films.cache import prepared_films
    from trainer.films.options import DataOptions
    from trainer.films.sources.find import index_films

    index = index_films(DataOptions(path=str(data), cache=str(cache), skip_unreadable=True))
    drawn = np.random.default_rng(seed).permutation(len(index.films))[:films]
    chosen = [index.films[place] for place in drawn.tolist()]
    prepared = prepared_films(chosen, PreprocessSpec(size=size), cache)
    write_whole(out, preview(recipe, prepared, variants=variants))
    typer.echo(out)
