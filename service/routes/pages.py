"""`GET /` and `GET /docs`: pages for people, whose every file comes from this process."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

STATIC: Final = Path(__file__).parent.parent / "static"
CACHED: Final = {"Cache-Control": "no-cache"}  # asked again each time, sent again only when changed

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


def static_files() -> StaticFiles:
    """Scripts, styles and Swagger UI."""
    return StaticFiles(directory=STATIC)
