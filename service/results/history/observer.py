"""The service itself as the device that observes, where no bundle does."""

from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.sr.codedict import codes

from schemas.version import VERSION
from service.results.codes import OURS_NAME
from service.results.source import MANUFACTURER
from service.results.uids import derived_uid


def service_observer() -> ObserverContext:
    """Source: DICOM PS3.16 TID 1002, 1004."""
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid(MANUFACTURER, VERSION, "device"),
        name=OURS_NAME,
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
        serial_number=VERSION,
    )
    return ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
