"""The folder of the socket at which multiprocessing's fork server is asked for a child; its path has to be short."""

import contextlib
import os
import tempfile
from multiprocessing.util import get_temp_dir
from typing import Final

from schemas.errors import SettingsError

LONGEST_FOLDER: Final = 103 - len("/pymp-12345678/listener-12345678")
"""Bytes. The address of a Unix socket has 108 on Linux and 104 elsewhere, with its end."""

_SHORT: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 the folder in it is made by mkdtemp, for this user alone


def make_room_for_socket() -> None:
    """Let multiprocessing keep its files in a folder whose path is short, where that of TMPDIR is not.

    Raises:
        SettingsError: there is none that can be written.
    """
    folder = None
    with contextlib.suppress(FileNotFoundError):  # no folder for temporary files can be written
        folder = tempfile.gettempdir()
    if folder is not None and len(os.fsencode(folder)) <= LONGEST_FOLDER:
        return
    before = tempfile.tempdir
    for short in _SHORT:
        if os.access(short, os.W_OK | os.X_OK):
            tempfile.tempdir = short
            try:
                get_temp_dir()  # multiprocessing makes its folder once, here, and removes it at the end
            finally:
                tempfile.tempdir = before
            return
    reason = "there is no TMPDIR that can be written" if folder is None else f"TMPDIR has over {LONGEST_FOLDER} bytes"
    msg = f"{reason}, and neither can {', '.join(_SHORT)}: compressed DICOM could not be decoded; set TMPDIR=/tmp"
    raise SettingsError(msg)
