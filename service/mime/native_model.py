"""A data set in XML, as the Native DICOM Model has it; written from the DICOM JSON model, never read.

Source: DICOM PS3.19 A.1 (Native DICOM Model), PS3.18 F.2 (DICOM JSON model).
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from pydicom.datadict import keyword_for_tag

MEDIA_TYPE: Final = "application/dicom+xml"
_NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

Json = Mapping[str, Any]


def native_model(dataset: Json) -> bytes:
    """The document of a data set of public attributes without person names and bulk data, which no answer here has.

    Args:
        dataset: in the DICOM JSON model; its tags in capitals.
    """
    root = f'<NativeDicomModel xmlns="{_NAMESPACE}" xml:space="preserve">'
    # No blanks between the elements: they are preserved.
    return "".join(
        ('<?xml version="1.0" encoding="UTF-8"?>', root, *_attributes(dataset), "</NativeDicomModel>")
    ).encode()


def _attributes(dataset: Json) -> Iterator[str]:
    for tag, attribute in sorted(dataset.items()):
        keyword = keyword_for_tag(tag)
        yield f'<DicomAttribute tag="{tag}" vr="{attribute["vr"]}" keyword="{keyword}">'
        yield from _values(attribute["vr"], attribute.get("Value", ()))
        yield "</DicomAttribute>"


def _values(vr: str, values: Sequence[Any]) -> Iterator[str]:
    for number, value in enumerate(values, start=1):
        if vr == "SQ":
            yield from (f'<Item number="{number}">', *_attributes(value), "</Item>")
        else:
            yield f'<Value number="{number}">{escape(str(value))}</Value>'
