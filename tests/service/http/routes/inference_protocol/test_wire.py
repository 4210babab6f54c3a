"""Rules of requests and answers of the Open Inference Protocol as bytes."""

import base64
import json
import struct

import numpy as np
import pytest

from schemas.errors import InvalidParameterError, MalformedRequestError
from service.http.routes.inference_protocol.wire import HEADER, Column, read_request, write_answer

HEAD = {"model_name": "m", "model_version": "1", "id": "a", "parameters": {}}


def tensor(**fields):
    return {"name": "film", "datatype": "BYTES", "shape": [1]} | fields


def request(*inputs, **more):
    return json.dumps({"inputs": inputs} | more).encode()


def prefixed(*elements):
    return b"".join(struct.pack("<I", len(each)) + each for each in elements)


def test_elements_in_json_are_base64_and_lists_may_be_nested() -> None:
    data = [[base64.b64encode(each).decode()] for each in (b"one", b"two")]

    sent = read_request(request(tensor(shape=[2, 1], data=data)), None, "film")

    assert sent.tensors[0].texts() == [b"one", b"two"]


def test_binary_tensors_follow_the_json_in_the_order_of_the_inputs() -> None:
    numbers = np.array([0.25, 0.5], "<f4").tobytes()
    head = request(
        tensor(parameters={"binary_data_size": 7}),
        tensor(name="image", datatype="FP32", shape=[1, 2], parameters={"binary_data_size": 8}),
    )

    sent = read_request(head + prefixed(b"abc") + numbers, str(len(head)), "film")

    assert sent.tensors[0].texts() == [b"abc"]
    assert sent.tensors[1].floats().tolist() == [[0.25, 0.5]]


def test_a_header_of_no_length_makes_the_body_the_only_film() -> None:
    sent = read_request(b"a film", "0", "film")

    assert sent.asked.inputs[0].name == "film"
    assert sent.tensors[0].texts() == [b"a film"]


HEAD_OF_TEN = request(tensor(parameters={"binary_data_size": 10}))


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"no JSON", None),
        (b"[]", None),
        (request(), None),
        (request(tensor()), None),  # neither data nor bytes
        (request(tensor(data=["YQ=="], parameters={"binary_data_size": 1})), None),
        (request(tensor(shape=[-1], data=["YQ=="])), None),
        (request(tensor(parameters={"binary_data_size": "7"})), None),
        (request(tensor(parameters={"binary_data_size": True})), None),
        (HEAD_OF_TEN + b"too short", str(len(HEAD_OF_TEN))),
        (HEAD_OF_TEN + b"eleven byte", str(len(HEAD_OF_TEN))),
        (b"{}", "3"),
        (b"{}", "-1"),
        (b"{}", "²"),
        (b"{}", "9" * 5000),
        (b'{"inputs": ' + b"[" * 100_000, None),
    ],
)
def test_a_request_that_cannot_be_read_is_malformed(body, length) -> None:
    with pytest.raises(MalformedRequestError):
        read_request(body, length, "film")


@pytest.mark.parametrize(
    ("fields", "binary"),
    [
        ({"data": ["no base64"]}, b""),
        ({"data": [1]}, b""),
        ({"data": ["YQ==", "YQ=="]}, b""),
        ({}, b"\x01\0\0"),
        ({}, struct.pack("<I", 2**32 - 1) + b"cut off"),
        ({"shape": [2]}, prefixed(b"one")),
        ({"datatype": "FP32", "data": ["x"]}, b""),
        ({"datatype": "FP32", "data": [[1.0], [1.0, 2.0]]}, b""),
        ({"datatype": "FP32", "data": [10**400]}, b""),
        ({"datatype": "FP32", "shape": [2], "data": [1.0]}, b""),
        ({"datatype": "FP32"}, b"\0\0\0\0\0"),
        ({"datatype": "FP32", "shape": [2]}, b"\0\0\0\0"),
    ],
)
def test_a_tensor_whose_elements_are_not_those_of_its_shape_is_malformed(fields, binary) -> None:
    fields = {**fields} if "data" in fields else {**fields, "parameters": {"binary_data_size": len(binary)}}
    head = request(tensor(**fields))
    (sent,) = read_request(head + binary, str(len(head)), "film").tensors

    with pytest.raises(MalformedRequestError):
        sent.floats() if sent.stated.datatype == "FP32" else sent.texts()


def test_a_fault_never_repeats_what_was_sent() -> None:
    with pytest.raises(MalformedRequestError) as fault:
        read_request(b'{"inputs": [{"name": 5, "Mustermann^Max": 1, "shape": ["Mustermann^Max"]}]}', None, "film")

    assert "Mustermann" not in str(fault.value)
    assert "inputs" in str(fault.value)


def test_shared_memory_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameterError, match="shared memory"):
        read_request(request(tensor(parameters={"shared_memory_region": "a"})), None, "film")


def test_an_answer_holds_numbers_in_json_and_null_for_what_is_not_one() -> None:
    body, headers = write_answer(HEAD, [Column("x", (2,), np.array([0.5, np.nan], np.float32))], [False])

    assert json.loads(body)["outputs"] == [{"name": "x", "datatype": "FP32", "shape": [2], "data": [0.5, None]}]
    assert headers == {"Content-Type": "application/json"}


def test_an_answer_in_bytes_states_where_its_json_ends() -> None:
    columns = [Column("x", (1,), np.array([1], np.int8)), Column("y", (2,), ["a", "é"])]

    body, headers = write_answer(HEAD, columns, [False, True])

    length = int(headers[HEADER])
    plain, binary = json.loads(body[:length])["outputs"]
    assert plain == {"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}
    assert binary == {"name": "y", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 11}}
    assert body[length:] == prefixed(b"a", "é".encode())
