"""What libraries import that the service does without at its start: a fifth of a second."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_PLUGIN = "pydicom.pixels.decoders.gdcm"
_MODULES: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment] # None: Python finds none


def import_pydicom() -> None:
    """Without requests, by which it would download its test files, and without GDCM: see `bring_gdcm`."""
    with _hidden("requests", "gdcm"):
        import pydicom  # noqa: F401


def bring_gdcm() -> None:
    """Let pydicom find GDCM, in a process that decodes compressed frames; does nothing where it has found it."""
    from pydicom.pixels.decoders import gdcm
    from pydicom.pixels.decoders.base import get_decoder

    if gdcm.HAVE_GDCM:
        return
    importlib.reload(gdcm)
    for syntax in gdcm.DECODER_DEPENDENCIES:
        decoder = get_decoder(syntax)
        decoder.remove_plugin("gdcm")
        decoder.add_plugin("gdcm", (_PLUGIN, "_decode_frame"))


def import_fastapi() -> None:
    """Its models of an OpenAPI document are built with the first document.

    It would import all of Pydantic 1, of which nothing is used here, to ask whether a class is a model of that.
    """
    from pydantic import BaseModel

    _MODULES.setdefault("pydantic.v1", None)
    BaseModel.model_config["defer_build"] = True
    try:
        import fastapi.openapi.models  # noqa: F401
    finally:
        del BaseModel.model_config["defer_build"]


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Let it seem that these modules are not installed, but for those that are imported already."""
    hidden = [name for name in names if name not in _MODULES]
    _MODULES.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del _MODULES[name]
