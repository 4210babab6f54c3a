"""The explanation of one film: its reading, and the heat map of one class over it."""

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import Final

from bundle.session import MOST_PROBABLE
from imaging.overlay import HeatMap, lay_over
from schemas.api import CenterOfMass, ExplainBackend, ExplainMethod, Explanation, Prediction
from schemas.errors import InvalidParameterError
from schemas.model.manifest import BundleManifest
from service.capacity.admission import Priority
from service.engine.film_queue import BatchResult
from service.models.live import LiveBundle
from service.models.loading import LoadedBundle
from service.reading.predict import HeatMapRequest, Reading, Upload, read_film
from service.services import Services

NOTE: Final = (
    "The heat map shows what moved the network, not where disease is: it is not a localisation "
    "(Saporta et al. 2022, doi:10.1038/s42256-022-00536-x)."
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained."""

    finding: str | None
    """None: the predicted label."""
    method: ExplainMethod
    priority: Priority

    def check(self, loaded: LoadedBundle) -> None:
        """Refuse what the bundle cannot answer, before a film is decoded for it.

        Raises:
            InvalidParameterError: the finding is none of its classes.
            ExplanationUnavailableError: nothing here can draw its heat maps by this method.
        """
        manifest = loaded.manifest
        if self.finding is not None and self.finding not in manifest.classes:
            msg = f"the finding is not one of {', '.join(manifest.classes)}; name one of these"
            raise InvalidParameterError(msg)
        loaded.explanations.require(self.method)


@dataclass(frozen=True, slots=True)
class ExplainedFilm:
    """A reading with the heat map of `finding`."""

    reading: Reading
    finding: str
    method: ExplainMethod
    heat_map: HeatMap
    layer: str
    backend: ExplainBackend
    grid: tuple[int, int]

    @property
    def prediction(self) -> Prediction:
        """The network's answer about the film."""
        return self.reading.prediction

    @property
    def explanation(self) -> Explanation:
        """The heat map as a part of the answer."""
        center = self.heat_map.center_of_mass
        return Explanation(
            finding=self.finding,
            method=self.method,
            layer=self.layer,
            backend=self.backend,
            heatmap_png_base64=base64.b64encode(self.heat_map.heatmap_png).decode("ascii"),
            overlay_png_base64=base64.b64encode(self.heat_map.overlay_png).decode("ascii"),
            grid=self.grid,
            center_of_mass=None if center is None else CenterOfMass(x=center[0], y=center[1]),
            concentration=self.heat_map.concentration,
            note=NOTE,
        )


async def explain_film(services: Services, live: LiveBundle, upload: Upload, question: Question) -> ExplainedFilm:
    """Read one film and compute the heat map.

    Raises:
        CxrError: the film is refused, or the network failed on it.
    """
    manifest = live.loaded.manifest
    explanations = live.loaded.explanations
    target = MOST_PROBABLE if question.finding is None else manifest.classes.index(question.finding)
    in_graph = explanations.backend == "onnx"
    wanted = HeatMapRequest(target if in_graph else None)
    reading = await read_film(services, live, upload, priority=question.priority, heat_map=wanted)
    finding = question.finding or reading.prediction.label
    start = time.perf_counter()
    in_pool = asyncio.get_running_loop().run_in_executor
    if explanations.explainer is None:
        result = await _result_for(live, reading, finding, target, question.priority)
        cam = result.outputs.maps[question.method][0]
    else:
        index = manifest.classes.index(finding)
        explain = explanations.explainer.explain
        cam = await in_pool(services.explain_pool, explain, reading.film.image, index, question.method)
    lane = services.decode_lanes.of(question.priority)
    assert reading.film.shown is not None  # noqa: S101 it was asked for
    heat_map = await in_pool(lane, lay_over, reading.film.shown, cam, manifest.preprocess)
    services.metrics.stage_duration.labels("explain").observe(time.perf_counter() - start)
    rows, columns = cam.shape
    return ExplainedFilm(
        reading=reading,
        finding=finding,
        method=question.method,
        heat_map=heat_map,
        layer=_layer(manifest, question.method),
        backend="onnx" if in_graph else "torch",
        grid=(rows, columns),
    )


def _layer(manifest: BundleManifest, method: ExplainMethod) -> str:
    if method != "layercam":
        return manifest.graph.cam_layer
    described = None if manifest.torch is None else manifest.torch.fine_layer
    return manifest.graph.fine_layer or described or manifest.graph.cam_layer


async def _result_for(live: LiveBundle, reading: Reading, finding: str, target: int, priority: Priority) -> BatchResult:
    """The outputs whose maps are of `finding`: a label that its threshold chose may not be the most probable class."""
    index = live.loaded.manifest.classes.index(finding)
    explained = int(reading.result.outputs.logits[0].argmax()) if target == MOST_PROBABLE else target
    if explained == index:
        return reading.result
    return await live.batcher.submit(reading.film.image, target=index, priority=priority)
