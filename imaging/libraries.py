"""Settings of the libraries that read films, made once for the whole process."""

import logging
import warnings
from functools import cache

import pydicom.config
from PIL import Image

from imaging.dicom.value_lengths import install_length_check


@cache
def configure_libraries() -> None:
    """Make Pillow and pydicom fit for files of patients; every way into `imaging` calls this.

    The settings are process-wide because `warnings.catch_warnings` is not safe in threads.
    """
    # The libraries warn about metadata that they skip; such a warning may quote the file, so none may reach a log.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"(PIL|pydicom)\.")
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it logs the messages of codecs about a frame
    install_length_check()
    # The few values that are read are checked here. pydicom's own checks refuse films over a decimal of 17
    # characters, and warn with the value.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
