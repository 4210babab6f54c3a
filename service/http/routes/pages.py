"""`GET /`, `GET /docs` and `GET /sample`: pages for people, whose every file comes from this machine."""

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydicom.data import get_testdata_file
from starlette.staticfiles import StaticFiles

from schemas.errors import NotFoundError

STATIC: Final = Path(__file__).parents[2] / "static"
CACHED: Final = {"Cache-Control": "no-cache"}  # asked again each time, sent again only when changed
SAMPLE_ADDRESS: Final = "sample"
_SAMPLE: Final = "RG1_UNCI.dcm"  # a chest film of the package pydicom-data, MIT

# Swagger UI sets style attributes from its script.
DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """The page for a person."""
    return FileResponse(STATIC / "index.html", headers=CACHED)


@router.get("/docs")
async def docs() -> FileResponse:
    """The OpenAPI document for a person."""
    return FileResponse(STATIC / "docs.html", headers=CACHED | {"Content-Security-Policy": DOCS_POLICY})


@router.get(f"/{SAMPLE_ADDRESS}")
async def sample() -> FileResponse:
    """A public film, for those who have none at hand."""
    path = sample_film()
    if path is None:
        msg = "the package pydicom-data is not installed on this service; send a film of your own"
        raise NotFoundError(msg)
    return FileResponse(path, media_type="application/dicom", headers=CACHED)


@cache
def sample_film() -> Path | None:
    """The sample on this machine; None where pydicom-data is not installed. Nothing is downloaded."""
    path = get_testdata_file(_SAMPLE, download=False)
    return None if path is None else Path(str(path))


def static_files() -> StaticFiles:
    """Scripts, styles and Swagger UI."""
    return StaticFiles(directory=STATIC)
