"""An ONNX file that was trained elsewhere, as a graph of `schemas.model.manifest.GraphContract`.

It takes one gray channel and gives calibrated probabilities; it has no heat maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from export.graph.assembly import PREFIX, Frame, arrays, assembled
from export.graph.image_input import ImageInput
from export.graph.pixel_values import PixelValues
from export.graph.score_output import ScoreOutput


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    """A graph, and how it is fed and read."""

    model: onnx.ModelProto
    image: ImageInput
    output: ScoreOutput
    classes: int

    def of_pixel_values(self) -> onnx.ModelProto:
        """The graph from pixel values, float32 [N, C, S, S], to `logits` [N, K]."""
        frame = Frame(
            self.image.nodes("image", PREFIX + self.image.name),
            self.output.nodes(PREFIX + self.output.tensor, "logits"),
            self._constants(),
        )
        return assembled(
            self.model,
            self.image,
            frame,
            [("image", ["N", self.image.channels, "S", "S"])],
            [("logits", ["N", self.classes])],
        )

    def wire(
        self, values: PixelValues, *, size: int, temperature: float, metadata: Mapping[str, str]
    ) -> onnx.ModelProto:
        """The graph between the inputs and outputs of the contract, without heat maps.

        The embedding is the logits: it is not used, because the training films that it would be compared with are
        unknown.

        Args:
            values: what it takes for black and white.
            size: S.
            temperature: probabilities = softmax(logits / temperature).
            metadata: the description that the file will carry.

        Raises:
            BundleError: means or deviations are not one for each channel.
        """
        scale, offset = values.scale_and_offset(self.image.channels)
        before = [
            helper.make_node("Mul", ["image", "scale"], ["scaled_film"]),  # replicates the gray channel
            helper.make_node("Add", ["scaled_film", "offset"], ["pixels"]),
            *self.image.nodes("pixels", PREFIX + self.image.name),
        ]
        after = [
            *self.output.nodes(PREFIX + self.output.tensor, "logits"),
            helper.make_node("Identity", ["logits"], ["embedding"]),
            helper.make_node("Div", ["logits", "temperature"], ["scaled"]),
            helper.make_node("Softmax", ["scaled"], ["probabilities"], axis=1),
        ]
        numbers = {"scale": scale, "offset": offset, "temperature": np.array(temperature, np.float32)}
        wired = assembled(
            self.model,
            self.image,
            Frame(before, after, {**self._constants(), **numbers}),
            [("image", ["N", 1, size, size])],
            [(name, ["N", self.classes]) for name in ("logits", "probabilities", "embedding")],
        )
        helper.set_model_props(wired, dict(metadata))
        return wired

    def _constants(self) -> dict[str, NDArray[np.generic]]:
        return arrays({**self.image.constants(), **self.output.constants()})
