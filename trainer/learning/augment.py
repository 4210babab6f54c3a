"""How training films are varied: named recipes that are data, each application a pure function of film and seed."""

import os
import threading
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from schemas.errors import TrainingConfigError
from schemas.model.calibration import Fraction
from schemas.record import Record
from trainer.plugins import find_plugin, plugin_names


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        msg = f"a range goes from low to high, not from {limits[0]} to {limits[1]}"
        raise ValueError(msg)
    return limits


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class AugmentRecipe(Record):
    """Ranges from which each film's variation is drawn, uniformly; what is 0, null or false is left out."""

    rotation_deg: float = Field(default=0.0, ge=0, le=180, description="largest angle either way")
    shift: Fraction = Field(default=0.0, description="largest shift along each axis, as a share of S")
    zoom: float = Field(default=0.0, ge=0, lt=1, description="largest change of scale either way")
    border: Literal["black", "edge", "either"] = Field(
        default="black", description="what rotation, shift and zoom leave bare; edge: the film's last pixels go on"
    )
    crop_area: Annotated[tuple[Share, Share], AfterValidator(_ascending)] | None = Field(
        default=None,
        description="share of the film's area that a crop of aspect 3:4 to 4:3 keeps and enlarges to S x S",
    )
    horizontal_flip: bool = Field(default=False, description="mirror half of the films; it puts the heart on the right")
    gamma: Annotated[tuple[Positive, Positive], AfterValidator(_ascending)] | None = Field(
        default=None, description="range of the exponent of the pixel values"
    )
    brightness: Fraction = Field(default=0.0, description="largest change of the exposure, a factor on all pixels")
    contrast: Fraction = Field(default=0.0, description="largest change of the distance of the pixels from their mean")
    blur_px: float = Field(default=0.0, ge=0, description="largest standard deviation of a Gaussian blur")
    downscale: float = Field(default=1.0, gt=0, le=1, description="lowest resolution a film is reduced to, as a share")
    jpeg_quality: int = Field(default=100, ge=1, le=100, description="lowest quality a film is compressed to")
    noise: Fraction = Field(default=0.0, description="largest standard deviation of Gaussian noise on the pixel values")
    dropout: Fraction = Field(default=0.0, description="largest side of one to four black holes, as a share of S")
    planted: Fraction = Field(
        default=0.0, description="share of the films that get what other hospitals' films carry, of `PLANTED` at random"
    )
    occasional: Fraction = Field(
        default=0.3,
        description="share of the films that each of blur, downscale, jpeg_quality, noise and dropout touches",
    )


RECIPES: Mapping[str, AugmentRecipe] = MappingProxyType(
    {
        "none": AugmentRecipe(),
        "light": AugmentRecipe(rotation_deg=7, shift=0.05, zoom=0.1, brightness=0.1, contrast=0.1),
        "standard": AugmentRecipe(
            rotation_deg=15, shift=0.1, zoom=0.2, brightness=0.2, contrast=0.2, blur_px=1.0, dropout=0.15
        ),
        "crop": AugmentRecipe(crop_area=(0.3, 1.0), brightness=0.3, contrast=0.3),
        "shift": AugmentRecipe(
            rotation_deg=10,
            zoom=0.2,
            crop_area=(0.3, 1.0),
            gamma=(0.6, 1.6),
            brightness=0.3,
            contrast=0.3,
            blur_px=1.0,
            downscale=0.5,
            jpeg_quality=40,
        ),
        "sites": AugmentRecipe(
            rotation_deg=10,
            zoom=0.2,
            border="either",
            crop_area=(0.4, 1.0),
            gamma=(0.6, 1.6),
            brightness=0.3,
            contrast=0.3,
            blur_px=2.0,
            downscale=0.4,
            jpeg_quality=25,
            noise=0.04,
            occasional=0.4,
        ),
        "lungs": AugmentRecipe(
            rotation_deg=8,
            shift=0.04,
            zoom=0.12,
            border="either",
            gamma=(0.5, 2.0),
            brightness=0.3,
            contrast=0.4,
            blur_px=2.0,
            downscale=0.4,
            jpeg_quality=25,
            noise=0.04,
            planted=0.35,
            occasional=0.35,
        ),
    }
)
"""Candidates for validation to judge.

`shift` and `sites` cover what differs between hospitals: exposure, framing, resolution, and `sites` noise too. Half of
the films of `sites` have no black corners, so that its network is not biased on films without them. `lungs` is for
networks behind a guide: it cuts no lung off, and plants what lies on the films of other hospitals.
"""


def find_recipe(name: str) -> AugmentRecipe:
    """The recipe of that name, of the table or of a plug-in.

    Raises:
        TrainingConfigError: there is none, or a plug-in that cannot be used.
    """
    plugin = find_plugin("recipe", name, RECIPES)
    if plugin is not None:
        return plugin.load(AugmentRecipe)
    if name not in RECIPES:
        msg = f"{name!r} is not a recipe; known: {', '.join((*RECIPES, *plugin_names('recipe')))}"
        raise TrainingConfigError(msg)
    return RECIPES[name]


def apply(recipe: AugmentRecipe, film: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Vary one film; the same arguments give the same film, in any thread, whatever was varied before.

    Args:
        recipe: what is varied, and how far.
        film: float32 [1, S, S] in [0, 1]; not written to.
        seed: of this film in this epoch.

    Returns:
        float32 [1, S, S] in [0, 1].
    """
    return vary(recipe, film, seed)[0]


def vary(
    recipe: AugmentRecipe, film: NDArray[np.float32], seed: int, mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Vary one film as `apply` does, and move a mask bool [S, S] on it with it."""
    if recipe.planted:
        from trainer.planted.plant import sometimes_planted  # noqa: PLC0415 - the options of a run name recipes, and draw none

        film = sometimes_planted(film[0], recipe.planted, seed)[np.newaxis]
    pipeline = _pipeline(recipe, film.shape[-1], threading.get_ident())
    pipeline.set_random_seed(seed)
    image = np.array(film).transpose(1, 2, 0)
    varied = pipeline(image=image) if mask is None else pipeline(image=image, mask=mask.astype(np.uint8))
    clipped: NDArray[np.float32] = np.clip(varied["image"], 0, 1, dtype=np.float32).reshape(film.shape)
    return clipped, None if mask is None else varied["mask"] > 0


@lru_cache(maxsize=64)
def _pipeline(recipe: AugmentRecipe, side: int, thread: int) -> Any:
    """The recipe in albumentations' terms, one for each thread: a pipeline holds the state of its generators."""
    del thread
    A = load_libraries()  # noqa: N806
    return A.Compose([*_geometry(recipe, side, A), *_exposure(recipe, A), *_damage(recipe, A)])


def load_libraries() -> Any:
    """What varies films, before there are processes that do: albumentations, and OpenCV with one thread for a film."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # Imported here: it takes 2 s, which commands that augment nothing should not pay, and it looks for a newer release
    # on the network unless the variable above forbids it.
    import albumentations  # noqa: PLC0415
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(1)
    return albumentations


def _geometry(recipe: AugmentRecipe, side: int, library: Any) -> list[Any]:
    import cv2  # noqa: PLC0415 - the options of a run name recipes, and draw none

    steps: list[Any] = []
    if recipe.rotation_deg or recipe.shift or recipe.zoom:
        borders = {"black": [cv2.BORDER_CONSTANT], "edge": [cv2.BORDER_REPLICATE]}
        moves = [
            library.Affine(
                rotate=(-recipe.rotation_deg, recipe.rotation_deg),
                translate_percent=(-recipe.shift, recipe.shift),
                scale=(1 - recipe.zoom, 1 + recipe.zoom),
                border_mode=border,
                p=1,
            )
            for border in borders.get(recipe.border, [*borders["black"], *borders["edge"]])
        ]
        steps.append(moves[0] if len(moves) == 1 else library.OneOf(moves, p=1))
    if recipe.crop_area is not None:
        steps.append(library.RandomResizedCrop((side, side), scale=recipe.crop_area, p=1))
    if recipe.horizontal_flip:
        steps.append(library.HorizontalFlip(p=0.5))
    return steps


def _exposure(recipe: AugmentRecipe, library: Any) -> list[Any]:
    steps = []
    if recipe.gamma is not None:
        low, high = recipe.gamma
        steps.append(library.RandomGamma((100 * low, 100 * high), p=1))
    if recipe.brightness or recipe.contrast:
        # RandomBrightnessContrast adds to all pixels and stretches from black: together they burn lungs to white.
        exposure, spread = ((1 - change, 1 + change) for change in (recipe.brightness, recipe.contrast))
        steps.append(library.ColorJitter(brightness=exposure, contrast=spread, saturation=(1, 1), hue=(0, 0), p=1))
    return steps


def _damage(recipe: AugmentRecipe, library: Any) -> list[Any]:
    steps = []
    share = recipe.occasional
    if recipe.blur_px:
        steps.append(library.GaussianBlur(blur_limit=0, sigma_limit=(0.1, max(0.1, recipe.blur_px)), p=share))
    if recipe.downscale < 1:
        steps.append(library.Downscale((recipe.downscale, 1), p=share))
    if recipe.jpeg_quality < 100:  # noqa: PLR2004 - the scale of JPEG quality
        steps.append(library.ImageCompression(quality_range=(recipe.jpeg_quality, 100), p=share))
    if recipe.noise:
        steps.append(library.GaussNoise(std_range=(0, recipe.noise), p=share))
    if recipe.dropout:
        sides = (min(0.05, recipe.dropout), recipe.dropout)
        steps.append(
            library.CoarseDropout(num_holes_range=(1, 4), hole_height_range=sides, hole_width_range=sides, p=share)
        )
    return steps
