"""What is set in libraries once for the whole process; called where a command, the server or the app begins."""

import logging

import cv2
import pydicom.config

from imaging.libraries import configure_libraries as configure_imaging


def configure_libraries() -> None:
    """Make the libraries fit a server that reads films of patients; calling it again changes nothing.

    torch, which most services have not, gets its threads where it is loaded: `service.engine.explain_backend`.
    """
    configure_imaging()
    # pydicom would warn of a value that breaks its type's rule, with the value, and a log must not hold it.
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    # It logs the address of every request, with UIDs in it.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # The pools are the parallelism; OpenCV's own threads would fight them for the cores.
    cv2.setNumThreads(1)
    # It logs AE titles, and at DEBUG whole data sets; what its associations come to, service.dimse logs itself.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
