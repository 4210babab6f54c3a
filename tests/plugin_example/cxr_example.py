"""An architecture, a loss, an augmentation recipe and a data source that the trainer finds by their entry points."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from schemas.errors import TrainingDataError
from trainer.films.sources.source import FoundFilm, Source
from trainer.learning.augment import AugmentRecipe
from trainer.learning.losses import Loss, shares
from trainer.learning.options import LearnOptions
from trainer.networks.architectures import Architecture, Recipe
from trainer.networks.network import Network


class WideStem(Network):
    """Two convolutions, the first with a wide view, and mean pooling."""

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__("trunk", mean=(0.5,), std=(0.25,))
        self.trunk = nn.Sequential(
            *(nn.Conv2d(1, 16, 7, stride=2, padding=3), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(32, classes)

    def features(self, image: Tensor) -> Tensor:
        """The feature map [N, C, h, w] that Grad-CAM explains."""
        return self.trunk(self.normalise(image))

    def pool(self, features: Tensor) -> Tensor:
        """The embedding [N, D], which the last linear layer sees."""
        return self.dropout(features.mean((2, 3)))


WIDE_STEM = Architecture(
    timm_name=None,
    input_size=64,
    cam_layer="trunk",
    network=WideStem,
    dropout=0.2,
    recipe=Recipe(lr=3e-3, epochs=10),
    purpose="an example",
)

UPRIGHT = AugmentRecipe(rotation_deg=2, brightness=0.1)


def squared_error(_options: LearnOptions, class_counts: Sequence[int], _negative: int | None) -> Loss:
    """The squared distance of the probabilities from the truth (Brier, 1950), of each film."""

    def each(logits: Tensor, labels: Tensor) -> Tensor:
        return (logits.softmax(1) - shares(labels, len(class_counts)).to(logits.device)).square().sum(1)

    return Loss(each, weight=lambda labels: shares(labels, len(class_counts)).sum(1))


def films_by_prefix(place: str, _cache: Path) -> Source:
    """The films of one folder, whose names are LABEL_PATIENT_NUMBER.jpeg."""
    root = Path(place)
    files = sorted(root.glob("*.jpeg"))
    if not files:
        msg = f"{root} has no film that is called LABEL_PATIENT_NUMBER.jpeg"
        raise TrainingDataError(msg)
    films = tuple(
        FoundFilm(path, label, patient=patient) for path in files for label, patient, _ in [path.stem.split("_")]
    )
    return Source(root, films, classes=tuple(sorted({film.label for film in films})), notes=("labels by prefix",))
