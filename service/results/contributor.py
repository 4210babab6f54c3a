"""The bundle as the equipment and the device that made a result, in the terms of IHE AI Results."""

from highdicom import ContributingEquipment
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from service.results import codes as terms
from service.results.source import MANUFACTURER
from service.results.uids import derived_uid

_LONGEST = 64
"""Characters of a Long String; PS3.5 6.2."""


def device_uid(record: AnalysisRecord) -> str:
    """The UID of a bundle as an observing device: another one for every change of its network or its calibration."""
    return derived_uid(record.model.sha256, "device")


def contributor(record: AnalysisRecord) -> ContributingEquipment:
    """The bundle as an item of ContributingEquipmentSequence.

    Model name, version, manufacturer and UID are those of the algorithm and of the device observer in the report.

    Source: IHE Radiology Supplement AI Results (AIR) Rev. 1.3, 6.5.3.1 and table 6.5.3.1-1; DICOM PS3.3 C.12.1.
    """
    model = record.model
    item = ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=coded(terms.PROCESSING_EQUIPMENT),
        manufacturer_model_name=model.name[:_LONGEST],
        software_versions=model.version[:_LONGEST],
        device_serial_number=model.sha256,
        contribution_description=f"Analysed the film with {MANUFACTURER} {record.software_version}",
    )
    item.DeviceUID = device_uid(record)
    if record.udi is not None:
        identifier = Dataset()
        identifier.UniqueDeviceIdentifier = record.udi
        item.UDISequence = [identifier]
    return item


def coded(code: Code) -> CodedConcept:
    """A code as an item of a sequence."""
    return CodedConcept(code.value, code.scheme_designator, code.meaning)
