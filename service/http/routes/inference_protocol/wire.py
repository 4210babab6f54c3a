"""Requests and answers of the protocol as bytes: JSON, and tensors in it or after it. It knows neither films nor HTTP.

Source: Open Inference Protocol 2.0.0, "Inference"; Triton's `extension_binary_data.md`.
"""

import base64
import binascii
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from schemas.bodies.inference_protocol import InferInput, InferRequest, InferResponse, OutputTensor
from schemas.errors import InvalidParameterError, MalformedRequestError

HEADER: Final = "Inference-Header-Content-Length"
BINARY: Final = "application/octet-stream"
JSON: Final = "application/json"

FP32: Final = "<f4"
_LENGTH: Final = struct.Struct("<I")
_SIZE: Final = "binary_data_size"
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class SentTensor:
    """A tensor as it was sent: its elements are in the JSON, or are bytes."""

    stated: InferInput
    binary: bytes | None

    @property
    def count(self) -> int:
        """How many elements its shape has."""
        return math.prod(self.stated.shape)

    def floats(self) -> NDArray[np.float32]:
        """Its elements, of FP32, in its shape.

        Raises:
            MalformedRequestError: there are more or fewer than the shape says, or one is not a number.
        """
        if self.binary is None:
            values = self._numbers()
        elif len(self.binary) % 4:
            msg = "its bytes are not a multiple of 4"
            raise self._fault(msg)
        else:
            values = np.frombuffer(self.binary, FP32).astype(np.float32, copy=False)
        if values.size != self.count:
            msg = f"it has {values.size} elements, and its shape {self.count}"
            raise self._fault(msg)
        return values.reshape(self.stated.shape)

    def texts(self) -> list[bytes]:
        """Its elements, of BYTES: binary, or in JSON as base64.

        Raises:
            MalformedRequestError: there are more or fewer than the shape says, or one is cut off or not base64.
        """
        texts = self._decoded() if self.binary is None else self._parted()
        if len(texts) != self.count:
            msg = f"it has {len(texts)} elements, and its shape {self.count}"
            raise self._fault(msg)
        return texts

    def _numbers(self) -> NDArray[np.float32]:
        try:
            return np.asarray(self.stated.data, np.float32).reshape(-1)
        except (TypeError, ValueError, OverflowError) as error:
            msg = "its data are not numbers, in lists of the same length"
            raise self._fault(msg) from error

    def _decoded(self) -> list[bytes]:
        flat = list(self.stated.data or ())
        while any(isinstance(each, list) for each in flat):
            flat = [inner for each in flat for inner in (each if isinstance(each, list) else [each])]
        try:
            return [base64.b64decode(each, validate=True) for each in flat]
        except (TypeError, ValueError, binascii.Error) as error:
            msg = "an element in JSON is not the base64 of a film"
            raise self._fault(msg) from error

    def _parted(self) -> list[bytes]:
        binary = self.binary or b""
        texts: list[bytes] = []
        offset = 0
        while offset < len(binary):
            end = offset + _LENGTH.size
            size = _LENGTH.unpack_from(binary, offset)[0] if end <= len(binary) else len(binary)
            if end + size > len(binary):
                msg = "an element is cut off: each is its length in 4 bytes, little-endian, and its bytes"
                raise self._fault(msg)
            texts.append(binary[end : end + size])
            offset = end + size
        return texts

    def _fault(self, reason: str) -> MalformedRequestError:
        msg = f"a tensor of the datatype {self.stated.datatype[:16]!r} cannot be read: {reason}"
        return MalformedRequestError(msg)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request whose tensors are told apart, and not yet read."""

    asked: InferRequest
    tensors: tuple[SentTensor, ...]


def read_request(body: bytes, header_length: str | None, whole: str) -> SentRequest:
    """Read the JSON of a request, and part the bytes after it into tensors.

    Args:
        body: of the request.
        header_length: the header `HEADER`: how many bytes of the body are JSON; None: all; 0: none, and the body is
            the only element of the tensor `whole`, of BYTES.
        whole: the name of that tensor.

    Raises:
        MalformedRequestError: it cannot be read so.
    """
    if header_length is None:
        return SentRequest(asked := _parse(body), tuple(_parted(asked, b"")))
    is_number = header_length.isascii() and header_length.isdigit() and len(header_length) <= _DIGITS
    size = int(header_length) if is_number else -1
    if not 0 <= size <= len(body):
        msg = f"the header {HEADER} is not a number of bytes within the body; state the length of its JSON"
        raise MalformedRequestError(msg)
    if size == 0:
        stated = InferInput(name=whole, datatype="BYTES", shape=(1,))
        lengthened = _LENGTH.pack(len(body)) + body
        return SentRequest(InferRequest(inputs=(stated,)), (SentTensor(stated, lengthened),))
    return SentRequest(asked := _parse(body[:size]), tuple(_parted(asked, body[size:])))


def _parse(text: bytes) -> InferRequest:
    try:
        return InferRequest.model_validate_json(text)
    except ValidationError as error:
        # What was sent is not repeated: it may be a patient's.
        faults = error.errors(include_input=False, include_url=False)
        places = {".".join(str(part) for part in fault["loc"][:3] if part in _FIELDS) for fault in faults}
        msg = (
            f"the body is not an inference request in JSON (at {', '.join(sorted(places - {''})) or 'its beginning'}); "
            "send inputs with name, datatype, shape and data (docs/inference-protocol.md)"
        )
        raise MalformedRequestError(msg) from None


_FIELDS: Final = frozenset({"id", "parameters", "inputs", "outputs", "name", "datatype", "shape", "data"})


def _parted(asked: InferRequest, binary: bytes) -> Sequence[SentTensor]:
    tensors: list[SentTensor] = []
    offset = 0
    for stated in asked.inputs:
        size = stated.parameters.get(_SIZE)
        if "shared_memory_region" in stated.parameters:
            msg = "tensors in shared memory are not read; send their bytes (the binary tensor extension)"
            raise InvalidParameterError(msg)
        if size is None and stated.data is not None:
            tensors.append(SentTensor(stated, None))
            continue
        if type(size) is not int or stated.data is not None or not 0 <= size <= len(binary) - offset:
            msg = f"each input has either data or {_SIZE}, which lies within the body; see docs/inference-protocol.md"
            raise MalformedRequestError(msg)
        tensors.append(SentTensor(stated, binary[offset : offset + size]))
        offset += size
    if offset != len(binary):
        msg = f"{len(binary) - offset} bytes of the body belong to no input; state the {_SIZE} of each"
        raise MalformedRequestError(msg)
    return tensors


@dataclass(frozen=True, slots=True)
class Column:
    """An output as it is computed: FP32 or INT8 as an array, BYTES as texts in row-major order."""

    name: str
    shape: tuple[int, ...]
    values: NDArray[np.float32] | NDArray[np.int8] | Sequence[str]

    @property
    def datatype(self) -> Any:
        """In the words of the protocol."""
        if not isinstance(self.values, np.ndarray):
            return "BYTES"
        return "INT8" if self.values.dtype == np.int8 else "FP32"

    def binary(self) -> bytes:
        """Its elements as bytes, little-endian."""
        if isinstance(self.values, np.ndarray):
            return self.values.astype(self.values.dtype.newbyteorder("<")).tobytes()
        encoded = [value.encode() for value in self.values]
        return b"".join(_LENGTH.pack(len(each)) + each for each in encoded)

    def plain(self) -> tuple[Any, ...]:
        """Its elements as JSON has them: null for what is not a number."""
        if not isinstance(self.values, np.ndarray):
            return tuple(self.values)
        return tuple(None if value != value else value for value in self.values.reshape(-1).tolist())  # noqa: PLR0124 NaN


def write_answer(
    head: Mapping[str, Any], columns: Sequence[Column], as_bytes: Sequence[bool]
) -> tuple[bytes, Mapping[str, str]]:
    """The body of an answer, and its headers.

    Args:
        head: `model_name`, `model_version`, `id` and `parameters`.
        columns: the outputs.
        as_bytes: of each, whether its elements follow the JSON.
    """
    outputs: list[OutputTensor] = []
    blobs: list[bytes] = []
    for column, is_binary in zip(columns, as_bytes, strict=True):
        stated: dict[str, Any] = {"name": column.name, "datatype": column.datatype, "shape": column.shape}
        if is_binary:
            blobs.append(column.binary())
            outputs.append(OutputTensor(**stated, parameters={_SIZE: len(blobs[-1])}))
        else:
            outputs.append(OutputTensor(**stated, data=column.plain()))
    response = InferResponse(**head, outputs=tuple(outputs))
    encoded = response.model_dump_json(exclude_none=True).encode()
    if not any(as_bytes):
        return encoded, {"Content-Type": JSON}
    return encoded + b"".join(blobs), {"Content-Type": BINARY, HEADER: str(len(encoded))}
