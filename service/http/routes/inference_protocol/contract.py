"""The tensors of a bundle in the protocol: what it takes, what it gives, and the outputs of films that were read."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from schemas.api import Prediction, PredictResponse
from schemas.bodies.inference_protocol import InferRequest, ModelMetadata, TensorMetadata
from schemas.errors import BodyTooLargeError, InvalidParameterError
from schemas.model.manifest import BundleManifest
from service.http.routes.inference_protocol.wire import Column, SentTensor
from service.models.loading import LoadedBundle
from service.reading.tensors import UNCHECKED

FILM: Final = "film"
IMAGE: Final = "image"
PLATFORM: Final = "onnxruntime_onnx"
ANY: Final = -1
UNKNOWN: Final = -1
"""Of `in_distribution`: not checked; it never means passed."""
_NAN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer about one film, as its caller may see it."""

    response: PredictResponse

    @property
    def prediction(self) -> Prediction:
        """What stands in the tensors."""
        return self.response.prediction


Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class Output:
    """One output: how wide it is beside the number of films, and what it holds of one."""

    datatype: str
    width: Callable[[BundleManifest], int | None]
    """None: one element for each film, in one dimension."""
    of: Callable[[BundleManifest, Answer], Sequence[float] | Texts]


def _one(text: Callable[[Answer], str]) -> Output:
    return Output("BYTES", lambda _: None, lambda _, answer: (text(answer),))


def _probabilities(manifest: BundleManifest, answer: Answer) -> Sequence[float]:
    return [answer.prediction.probabilities.get(name, _NAN) for name in manifest.classes]


def _finding_decisions(manifest: BundleManifest, answer: Answer) -> Texts:
    decided = {each.name: each.decision for each in answer.prediction.findings}
    return [decided.get(name, "abstain") for name in manifest.findings]


def _familiar(_: BundleManifest, answer: Answer) -> Sequence[float]:
    known = answer.prediction.in_distribution
    return (UNKNOWN if known is None else int(known),)


def _score(_: BundleManifest, answer: Answer) -> Sequence[float]:
    score = answer.prediction.out_of_distribution_score
    return (_NAN if score is None else score,)


OUTPUTS: Final[Mapping[str, Output]] = {
    "probabilities": Output("FP32", lambda manifest: len(manifest.classes), _probabilities),
    "label": _one(lambda answer: answer.prediction.label),
    "decision": _one(lambda answer: answer.prediction.decision),
    "finding_decisions": Output("BYTES", lambda manifest: len(manifest.findings), _finding_decisions),
    "confidence_band": _one(lambda answer: answer.prediction.confidence_band),
    "in_distribution": Output("INT8", lambda _: None, _familiar),
    "out_of_distribution_score": Output("FP32", lambda _: None, _score),
    "answer": _one(lambda answer: answer.response.model_dump_json()),
}
"""By name, in the order in which they are answered."""
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "FP32": lambda elements: np.array(elements, np.float32),
    "INT8": lambda elements: np.array(elements, np.int8),
    "BYTES": tuple,
}
"""By datatype, the elements of an output as `Column` holds them."""


def metadata_of(loaded: LoadedBundle) -> ModelMetadata:
    """What a bundle takes and gives."""
    manifest = loaded.manifest
    side = manifest.preprocess.size
    return ModelMetadata(
        name=manifest.name,
        versions=(manifest.version,),
        platform=PLATFORM,
        inputs=(
            TensorMetadata(name=FILM, datatype="BYTES", shape=(ANY,)),
            TensorMetadata(name=IMAGE, datatype="FP32", shape=(ANY, 1, side, side)),
        ),
        outputs=tuple(
            TensorMetadata.model_validate(
                {"name": name, "datatype": output.datatype, "shape": _shape(output, manifest, ANY)}
            )
            for name, output in OUTPUTS.items()
        ),
        parameters={
            "inputs": f"one of {FILM} (whole JPEG, PNG or DICOM files, read as by POST /predict) and {IMAGE} (pixels "
            "in [0, 1], prepared by the caller)",
            "classes": list(manifest.classes),
            "findings": list(manifest.findings),
            "preprocess": manifest.preprocess.model_dump(mode="json"),
            "not_checked_of_image": list(UNCHECKED),
            "sha256": loaded.reference.sha256,
        },
    )


def films_of(tensors: Sequence[SentTensor], manifest: BundleManifest, at_most: int) -> tuple[bool, tuple[bytes, ...]]:
    """The films of a request: whether they are prepared pixels, and the bytes of each.

    Args:
        tensors: of the request.
        manifest: of the bundle that is asked.
        at_most: films accepted.

    Raises:
        InvalidParameterError: the tensors are not those of the bundle's metadata.
        MalformedRequestError: their elements cannot be read.
        BodyTooLargeError: more films than `at_most`.
    """
    side = manifest.preprocess.size
    known = {(FILM, "BYTES"), (IMAGE, "FP32")}
    if len(tensors) != 1 or (tensors[0].stated.name, tensors[0].stated.datatype) not in known:
        msg = f"send one input: {FILM} of BYTES (whole files), or {IMAGE} of FP32 [N, 1, {side}, {side}]"
        raise InvalidParameterError(msg)
    (tensor,) = tensors
    shape = tensor.stated.shape
    is_prepared = tensor.stated.name == IMAGE
    fits = shape[1:] == (1, side, side) if is_prepared else shape[1:] in ((), (1,))
    if not shape or not fits or not shape[0]:
        wanted = f"[N, 1, {side}, {side}]" if is_prepared else "[N] or [N, 1]"
        msg = f"the input {tensor.stated.name} has the shape {list(shape)}; it is to be {wanted}, N at least 1"
        raise InvalidParameterError(msg)
    if shape[0] > at_most:
        msg = f"the request holds {shape[0]} films, at most {at_most} are accepted; send several requests"
        raise BodyTooLargeError(msg)
    return is_prepared, tuple(each.tobytes() for each in tensor.floats()) if is_prepared else tuple(tensor.texts())


def wanted_of(asked: InferRequest) -> Mapping[str, bool]:
    """The outputs that a request wants, each with whether as bytes.

    Raises:
        InvalidParameterError: there is no such output, or it is asked for in a way that is not known here.
    """
    whole = asked.parameters.get("binary_data_output") is True
    if asked.outputs is None:
        return dict.fromkeys(OUTPUTS, whole)
    wanted: dict[str, bool] = {}
    for each in asked.outputs:
        if each.name not in OUTPUTS:
            msg = f"an output that is asked for does not exist; there are {', '.join(OUTPUTS)}"
            raise InvalidParameterError(msg)
        if each.parameters.keys() & {"classification", "shared_memory_region"}:
            msg = "outputs are neither sorted (classification) nor put into shared memory; ask for them as they are"
            raise InvalidParameterError(msg)
        wanted[each.name] = each.parameters.get("binary_data", whole) is True
    return wanted


def columns_of(manifest: BundleManifest, answers: Sequence[Answer], names: Sequence[str]) -> list[Column]:
    """These outputs of films that were read."""
    columns: list[Column] = []
    for name in names:
        output = OUTPUTS[name]
        shape = _shape(output, manifest, len(answers))
        elements = [element for answer in answers for element in output.of(manifest, answer)]
        columns.append(Column(name, shape, _READ[output.datatype](elements)))
    return columns


def _shape(output: Output, manifest: BundleManifest, films: int) -> tuple[int, ...]:
    width = output.width(manifest)
    return (films,) if width is None else (films, width)
