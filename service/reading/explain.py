"""The explanation of one film: its reading, and the heat map of one class over it."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging.overlay import HeatMap, ShownFilm
from schemas.analysis import ExplainedFinding
from schemas.api import (
    CenterOfMass,
    ExplainBackend,
    ExplainMethod,
    ExplainResponse,
    Explanation,
    ModelReference,
    Prediction,
)
from schemas.errors import ExplanationUnavailableError, InvalidParameterError
from schemas.model.manifest import BundleManifest
from schemas.preprocess import PreprocessSpec
from service.capacity.admission import Priority
from service.engine.film_queue import BatchResult
from service.films.look import Upload
from service.models.live import ServingBundles
from service.models.loading import LoadedBundle
from service.reading.predict import Reading, read_film
from service.reading.prepare import HeatMapRequest
from service.services import Services
from service.tracing.span import exemplar, past

Drawn = TypeVar("Drawn")

Draw = Callable[[ShownFilm, NDArray[np.float32], PreprocessSpec], Drawn]
"""Lays a map over a film: `imaging.overlay.lay_over` for all that an answer in JSON holds, or one of its pictures."""

NOTE: Final = (
    "The heat map shows what moved the network, not where disease is: it is not a localisation "
    "(Saporta et al. 2022, doi:10.1038/s42256-022-00536-x)."
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained."""

    finding: str | None
    """None: the predicted label; where findings are judged by themselves the one that is called most."""
    method: ExplainMethod
    priority: Priority
    findings_alone: bool = False
    """Where the label is the class that means none of the findings: explain the finding nearest to it."""

    def check(self, bundles: ServingBundles) -> None:
        """Refuse what none of the bundles can answer, before a film is decoded for it.

        Raises:
            InvalidParameterError: the finding is none of their classes.
            ExplanationUnavailableError: nothing here can draw their heat maps by this method.
        """
        refusals: list[InvalidParameterError | ExplanationUnavailableError] = []
        for live in bundles.live:
            try:
                self.check_bundle(live.loaded)
            except (InvalidParameterError, ExplanationUnavailableError) as error:
                refusals.append(error)
        if len(refusals) == len(bundles.live):
            raise refusals[0]

    def check_bundle(self, loaded: LoadedBundle) -> None:
        """Refuse what this bundle cannot answer; see `check`."""
        manifest = loaded.manifest
        if self.finding is not None and self.finding not in manifest.classes:
            msg = f"the finding is not one of {', '.join(manifest.classes)}; name one of these"
            raise InvalidParameterError(msg)
        loaded.explanations.require(self.method)


@dataclass(frozen=True, slots=True)
class ExplainedFilm(Generic[Drawn]):
    """A reading with the heat map of `finding`, as it was drawn."""

    reading: Reading
    finding: str
    method: ExplainMethod
    heat_map: Drawn
    layer: str
    backend: ExplainBackend
    grid: tuple[int, int]

    @property
    def prediction(self) -> Prediction:
        """The network's answer about the film."""
        return self.reading.prediction

    @property
    def withheld(self) -> Prediction | None:
        """What would have been answered; None: it was."""
        return self.reading.withheld

    @property
    def repeated(self) -> bool:
        """Whether it was kept from a film of the same bytes."""
        return self.reading.repeated

    @property
    def model(self) -> ModelReference:
        """The bundle that answers."""
        return self.reading.model

    def response(self: "ExplainedFilm[HeatMap]", request_id: str, total_s: float) -> ExplainResponse:
        """The answer to the request of this id; see `Reading.timings`."""
        base = self.reading.response(request_id, total_s)
        return ExplainResponse(**dict(base), explanation=self.explanation)

    @property
    def center_of_mass(self: "ExplainedFilm[HeatMap]") -> CenterOfMass | None:
        """Of the heat on the film; None where there is none."""
        center = self.heat_map.center_of_mass
        return None if center is None else CenterOfMass(x=center[0], y=center[1])

    @property
    def summary(self: "ExplainedFilm[HeatMap]") -> ExplainedFinding:
        """The heat map as a record keeps it: without its pictures."""
        return ExplainedFinding(finding=self.finding, method=self.method, center_of_mass=self.center_of_mass)

    @property
    def explanation(self: "ExplainedFilm[HeatMap]") -> Explanation:
        """The heat map as a part of the answer."""
        return Explanation(
            finding=self.finding,
            method=self.method,
            layer=self.layer,
            backend=self.backend,
            heatmap_png_base64=base64.b64encode(self.heat_map.heatmap_png).decode("ascii"),
            overlay_png_base64=base64.b64encode(self.heat_map.overlay_png).decode("ascii"),
            grid=self.grid,
            center_of_mass=self.center_of_mass,
            concentration=self.heat_map.concentration,
            note=NOTE,
        )


FullyExplained = ExplainedFilm[HeatMap]
"""With both pictures and the figures of the map."""


async def explain_film(
    services: Services, bundles: ServingBundles, upload: Upload, question: Question, draw: Draw[Drawn]
) -> ExplainedFilm[Drawn]:
    """Read one film, compute the heat map, and `draw` it.

    Raises:
        InvalidParameterError, ExplanationUnavailableError: the bundle that answers this film cannot; others can.
        CxrError: the film is refused, or the network failed on it.
    """
    wanted = HeatMapRequest(question.finding)
    reading = await read_film(services, bundles, upload, priority=question.priority, heat_map=wanted)
    return await explain_reading(services, reading, question, draw)


async def explain_reading(
    services: Services, reading: Reading, question: Question, draw: Draw[Drawn]
) -> ExplainedFilm[Drawn]:
    """Compute the heat map of a film that was read for one; see `explain_film`."""
    loaded = reading.live.loaded
    question.check_bundle(loaded)
    manifest = loaded.manifest
    explanations = loaded.explanations
    finding = question.finding or _default_finding(manifest, reading.prediction, question)
    start = time.perf_counter()
    in_pool = asyncio.get_running_loop().run_in_executor
    if explanations.explainer is None:
        result = await _result_for(reading, question, finding)
        cam = result.outputs.maps[question.method][0]
    else:
        index = manifest.classes.index(finding)
        explain = explanations.explainer.explain
        cam = await in_pool(services.explain_pool, explain, reading.film.image, index, question.method)
    lane = services.decode_lanes.of(question.priority)
    assert reading.film.shown is not None  # noqa: S101 it was asked for
    heat_map = await in_pool(lane, draw, reading.film.shown, cam, manifest.preprocess)
    seconds = time.perf_counter() - start
    past("explain", start, seconds)
    services.metrics.stage_duration.labels("explain").observe(seconds, exemplar())
    rows, columns = cam.shape
    return ExplainedFilm(
        reading=reading,
        finding=finding,
        method=question.method,
        heat_map=heat_map,
        layer=_layer(manifest, question.method),
        backend="onnx" if explanations.explainer is None else "torch",
        grid=(rows, columns),
    )


def _layer(manifest: BundleManifest, method: ExplainMethod) -> str:
    if method != "layercam":
        return manifest.graph.cam_layer
    described = None if manifest.torch is None else manifest.torch.fine_layer
    return manifest.graph.fine_layer or described or manifest.graph.cam_layer


def _default_finding(manifest: BundleManifest, prediction: Prediction, question: Question) -> str:
    """Where findings are judged by themselves, a film may have none of them: then that which is missed by the least."""
    nearest = manifest.activation == "sigmoid" or (
        question.findings_alone and prediction.label == manifest.negative_class
    )
    return prediction.operating_point.finding if nearest else prediction.label


async def _result_for(reading: Reading, question: Question, finding: str) -> BatchResult:
    """The outputs whose maps are of `finding`: a label that its threshold chose may not be the most probable class.

    Of findings that are judged by themselves, each with a scaling of its own, the largest logit may not be the largest
    probability: the maps are taken as they are only where both are of the finding.
    """
    index = reading.live.loaded.manifest.classes.index(finding)
    outputs = reading.result.outputs
    probable = {int(outputs.logits[0].argmax()), int(outputs.probabilities[0].argmax())}
    if question.finding is not None or probable == {index}:
        return reading.result
    return await reading.live.batcher.submit(reading.film.image, target=index, priority=question.priority)
