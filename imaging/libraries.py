"""Settings of the process and of the libraries that read films, made once for the whole process."""

import logging
import resource
import sys
import warnings
from functools import cache

import pydicom.config
from PIL import Image

from imaging.value_lengths import install_length_check


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


def load_formats() -> None:
    """Load what Pillow loads with the first picture."""
    Image.preinit()


def forbid_core_dumps() -> None:
    """Let no core file be written of this process and of its children: it would hold films.

    On Linux by a limit of one byte: a limit of 0 is not looked at where the kernel hands cores to a program.

    Source: Linux, fs/coredump.c; core(5), "Piping core dumps to a program".
    """
    limit = 1 if sys.platform == "linux" else 0
    highest = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if highest == resource.RLIM_INFINITY or highest > limit:
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
