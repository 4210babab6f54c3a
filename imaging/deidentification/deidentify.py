"""De-identified copies of films by the Basic Application Level Confidentiality Profile.

Source: DICOM PS3.15 Annex E. Pixels are not looked at: text that is burned into them stays.
"""

import hashlib
import hmac
from typing import Final

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from imaging.deidentification.confidentiality_profile import ACTIONS, Action
from imaging.dicom.attributes import text
from imaging.dicom.decode import MODALITIES
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, name_of
from imaging.dicom.uids import uid_of
from imaging.libraries import configure_libraries
from imaging.limits import parsing
from schemas.errors import BurnedInError, InvalidImageError, NotARadiographError, UnsupportedImageError

SHORTEST_KEY: Final = 16
_METHOD = "DICOM PS3.15 Annex E Basic Profile"
_DUMMIES = {"DA": "19000101", "TM": "000000", "DT": "19000101000000", "AS": "000Y", "DS": "0", "IS": "0"}
_NUMBERS = ("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV")
_BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")


class Deidentifier:
    """Makes copies that can be linked with each other, but not with their patients.

    The same key gives the same UID the same replacement and the same patient the same pseudonym,
    so that studies stay whole and films stay grouped by patient; without the key neither can be undone.
    """

    def __init__(self, key: bytes) -> None:
        configure_libraries()
        self._key = key

    def copy(self, source: Dataset, *, accept_burned_in: bool = False) -> Dataset:
        """Copy a film without what identifies its patient.

        Args:
            source: as read from a file, with its file meta information.
            accept_burned_in: whether the caller has checked the pixels of films that state BurnedInAnnotation YES.

        Returns:
            A data set with its file meta information, to be written in the source's transfer syntax.

        Raises:
            NotARadiographError: not a CR or DX image.
            UnsupportedImageError: written in a transfer syntax that the service does not read.
            BurnedInError: the film states that text is burned into it.
            InvalidImageError: an attribute cannot be parsed, or one that names the film is missing.
        """
        self._check(source, accept_burned_in=accept_burned_in)
        with parsing("DICOM data set"):
            film = self._cleaned(source)
        film.PatientID = film.PatientName = self.pseudonym(source)
        film.PatientIdentityRemoved = "YES"
        film.LongitudinalTemporalInformationModified = "REMOVED"  # PS3.15 E.3.6: dates are gone
        film.DeidentificationMethod = _METHOD
        film.DeidentificationMethodCodeSequence = [_method_code()]
        film.file_meta = FileMetaDataset()  # nothing of the source's: it may name systems and hold private bytes
        film.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
        film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        return film

    def pseudonym(self, source: Dataset) -> str:
        """The name of the patient in the copies; a film without PatientID shares it with its study."""
        with parsing("Patient module"):
            issuer, patient = (str(source.get(name) or "").strip() for name in ("IssuerOfPatientID", "PatientID"))
        identity = f"patient\0{issuer}\0{patient}" if patient else f"study\0{text(source, 'StudyInstanceUID')}"
        return f"CXR-{self._digest(identity).hex()[:16].upper()}"

    def _check(self, source: Dataset, *, accept_burned_in: bool) -> None:
        syntax = getattr(source, "file_meta", Dataset()).get("TransferSyntaxUID") or UID("")
        if "PixelData" not in source or text(source, "Modality") not in MODALITIES:
            msg = f"not an image of Modality {' or '.join(MODALITIES)}; give only films"
            raise NotARadiographError(msg)
        if syntax not in TRANSFER_SYNTAXES:
            msg = f"written in {name_of(syntax)}, which is not read here; convert the film first"
            raise UnsupportedImageError(msg)
        if text(source, "BurnedInAnnotation") == "YES" and not accept_burned_in:
            msg = (
                "BurnedInAnnotation is YES; look at the film, and give --accept-burned-in if nothing names its patient"
            )
            raise BurnedInError(msg)
        for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            if not text(source, keyword):
                msg = f"{keyword} is missing; export the film again"
                raise InvalidImageError(msg)

    def _cleaned(self, source: Dataset) -> Dataset:
        film = Dataset()
        for element in source:
            action = _action(element)
            if action == "remove":
                continue
            if action == "empty":
                film.add(DataElement(element.tag, element.VR, Sequence() if element.VR == "SQ" else None))
            elif action == "new_uid" or (action == "dummy" and element.VR == "UI"):
                film.add(DataElement(element.tag, "UI", self._new_uids(element.value)))
            elif action == "dummy":
                film.add(DataElement(element.tag, element.VR, _dummy(element.VR)))
            elif element.VR == "SQ":
                items = Sequence([self._cleaned(item) for item in element.value])
                film.add(DataElement(element.tag, "SQ", items))
            else:
                film.add(element)
        return film

    def _new_uids(self, value: object) -> list[str] | str:
        if isinstance(value, (MultiValue, list)):
            return [self._new_uid(str(uid)) for uid in value]
        return self._new_uid(str(value)) if value else ""

    def _new_uid(self, uid: str) -> str:
        # A well-known UID names no instance, and a reader needs it (a frame of reference of PS3.6 A-2).
        return uid if uid.startswith("1.2.840.10008.") else uid_of(self._digest(f"uid\0{uid}"))

    def _digest(self, identity: str) -> bytes:
        return hmac.new(self._key, identity.encode(), hashlib.sha256).digest()


def _action(element: DataElement) -> Action | None:
    """None: keep. An attribute that is in no dictionary cannot be judged, and is removed.

    These are private attributes, attributes newer than pydicom, and the groups 50xx and 60xx of
    curves and overlays (X in the table), which pydicom has in a dictionary of their own.
    """
    if element.VR == "UN" or not dictionary_has_tag(element.tag):
        return "remove"
    return ACTIONS.get(element.tag)


def _dummy(vr: str) -> object:
    if vr == "SQ":
        return Sequence()
    if vr in _NUMBERS:
        return 0
    return b"\0\0" if vr in _BYTES else _DUMMIES.get(vr, "REMOVED")


def _method_code() -> Dataset:
    """Source: DICOM PS3.16 CID 7050."""
    code = Dataset()
    code.CodeValue = "113100"
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    return code
