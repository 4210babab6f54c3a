"""Rules of what libraries import: what is left out at the start is there where it is needed."""

import json
import subprocess
import sys

import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGLosslessSV1

from service.films.lean_imports import bring_gdcm

pytestmark = pytest.mark.process

DECODES = """
import json
from service.films.lean_imports import bring_gdcm, import_pydicom
import_pydicom()
from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.compressed import compressed_film

film = compressed_film(phantom(64, 48, seed=2), "1.2.840.10008.1.2.4.70")
try:
    before = decode(film, frame_decoder=decode_frame).pixels.shape
except InvalidImageError as error:
    before = error.code
bring_gdcm()
import requests
print(json.dumps([before, decode(film, frame_decoder=decode_frame).pixels.shape]))
"""

DOCUMENT = """
import sys
if sys.argv[1] == "lean":
    from service.films.lean_imports import import_fastapi
    import_fastapi()
from service.app import create_app
from service.settings import Settings
import json
print(json.dumps(create_app(Settings()).api.openapi(), sort_keys=True))
"""


def printed(program, *arguments):
    command = [sys.executable, "-c", program, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def test_gdcm_decodes_where_it_was_brought_and_nowhere_before() -> None:
    assert printed(DECODES) == ["invalid_image", [64, 48]]


def test_bringing_gdcm_where_pydicom_has_found_it_changes_nothing() -> None:
    decoder = get_decoder(JPEGLosslessSV1)
    before = decoder.available_plugins

    bring_gdcm()

    assert decoder.available_plugins == before
    assert "gdcm" in before


def test_the_document_of_the_api_is_the_same_where_its_models_are_built_late() -> None:
    assert printed(DOCUMENT, "lean") == printed(DOCUMENT, "as FastAPI does")
