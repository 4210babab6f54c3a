"""The bodies of the Open Inference Protocol (version 2, REST), with the extension for binary tensors.

Unlike bodies of our own, requests may hold more than is named here: the protocol lets every server extend it.

Source: Open Inference Protocol 2.0.0 (open-inference/open-inference-protocol, `inference_rest.md`); Triton's
`extension_binary_data.md`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.record import Record

Side = Annotated[int, Field(ge=-1, le=2**31, description="-1 in metadata: any number")]
Parameters = dict[str, Any]


class ServerMetadata(Record):
    """The answer of `GET /v2`."""

    name: str
    version: str
    extensions: tuple[str, ...]


class LiveState(Record):
    """The answer of `GET /v2/health/live`."""

    live: bool


class ReadyState(Record):
    """The answer of `GET /v2/health/ready`."""

    ready: bool


class ModelState(Record):
    """Whether one bundle answers."""

    name: str
    ready: bool


class TensorMetadata(Record):
    """One input or output of a bundle."""

    name: str
    datatype: Literal["BYTES", "FP32", "INT8"]
    shape: tuple[Side, ...]


class ModelMetadata(Record):
    """What a bundle takes and gives; `parameters` holds what the protocol has no field for."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...] = Field(description="one of them is sent, not both")
    outputs: tuple[TensorMetadata, ...]
    parameters: Parameters = Field(
        description="classes and findings in the order of the outputs, how an image tensor is to be prepared, and what "
        "is not checked of one"
    )


class _Sent(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class InferInput(_Sent):
    """One tensor of a request."""

    name: str = Field(max_length=256)
    datatype: str = Field(max_length=16)
    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(max_length=8)
    parameters: Parameters = Field(default={}, description="binary_data_size: bytes of the tensor after the JSON")
    data: list[Any] | None = Field(
        default=None, description="its elements, flat or nested; of BYTES the base64 of each; absent: they are binary"
    )


class InferRequestedOutput(_Sent):
    """One output that the caller wants."""

    name: str = Field(max_length=256)
    parameters: Parameters = Field(default={}, description="binary_data: true for bytes after the JSON")


class InferRequest(_Sent):
    """The JSON of an inference."""

    id: str | None = Field(default=None, max_length=256, description="repeated in the answer")
    parameters: Parameters = Field(
        default={},
        description="priority (stat, routine, or 1, 2), timeout (microseconds), population, age, view; "
        "binary_data_output: true for all outputs as bytes after the JSON",
    )
    inputs: tuple[InferInput, ...] = Field(min_length=1, max_length=16)
    outputs: tuple[InferRequestedOutput, ...] | None = Field(default=None, description="absent: all")


class OutputTensor(Record):
    """One tensor of an answer."""

    name: str
    datatype: Literal["BYTES", "FP32", "INT8"]
    shape: tuple[int, ...]
    parameters: Parameters | None = Field(default=None, description="binary_data_size, where the elements are binary")
    data: tuple[Any, ...] | None = Field(default=None, description="in row-major order; null stands for not a number")


class InferResponse(Record):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str
    parameters: Parameters
    outputs: tuple[OutputTensor, ...]


class InferError(Record):
    """Any failure."""

    error: str = Field(description="the code of docs/reference.md, a colon, and what was wrong, the rule, the remedy")
