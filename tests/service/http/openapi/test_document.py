"""Rules of the OpenAPI document."""

import json
import re

import jsonschema_rs
import pytest

from service.app import create_app
from tests.service.chosen import settings_of

BYTES = {"format": "binary"}


@pytest.fixture(scope="module")
def document():
    return create_app(settings_of(dicomweb=True)).api.openapi()


def operations(document):
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def bodies(document):
    """Every body of a request or an answer: whose it is, its media type, and what is said of it."""
    for operation in operations(document):
        holders = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for holder, described in holders.items():
            for media_type, content in described.get("content", {}).items():
                yield f"{operation['operationId']} {holder} {media_type}", content


def test_every_operation_has_an_id_of_its_own_a_verb_and_a_noun(document) -> None:
    ids = [operation["operationId"] for operation in operations(document)]

    assert len(set(ids)) == len(ids) > 30
    assert [name for name in ids if not re.fullmatch("[a-z]+(_[a-z]+)+", name)] == []
    assert {"predict_image", "explain_image", "store_instances", "list_results", "get_result"} <= set(ids)


def test_every_tag_is_a_name_that_generators_leave_as_it_is(document) -> None:
    tags = {tag for operation in operations(document) for tag in operation["tags"]}

    assert [tag for tag in tags if not re.fullmatch("[a-z]+", tag)] == []


def test_the_server_is_where_the_document_is(document) -> None:
    assert [server["url"] for server in document["servers"]] == ["."]


def test_every_body_has_an_example_of_its_schema(document) -> None:
    """Where a record has changed: mend its example in service/http/openapi/examples.json."""
    resolvable = {"components": document["components"]}
    without = []
    for place, content in bodies(document):
        if "example" in content:
            values = [content["example"]]
        else:
            names = [each["$ref"].rpartition("/")[2] for each in content.get("examples", {}).values()]
            values = [document["components"]["examples"][name]["value"] for name in names]
        if not values:
            without.append(place)
        for value in values:
            jsonschema_rs.validate(content["schema"] | resolvable, value)

    assert without == []


def test_every_example_is_of_a_body_that_there_is(document) -> None:
    used = set(re.findall(r'"#/components/examples/(\w+)"', json.dumps(document["paths"])))

    assert used == document["components"]["examples"].keys()


def test_words_that_make_one_name_are_told_apart_for_generators(document) -> None:
    (method,) = (each for each in document["paths"]["/explain"]["post"]["parameters"] if each["name"] == "method")

    assert dict(zip(method["schema"]["enum"], method["schema"]["x-enum-varnames"], strict=True)) == {
        "gradcam": "GRADCAM",
        "gradcam++": "GRADCAM_PLUS_PLUS",
        "layercam": "LAYERCAM",
    }


def test_the_document_is_made_once(document) -> None:
    api = create_app(settings_of()).api

    assert api.openapi() is api.openapi()
    assert api.openapi() == document
