"""The server from which multiprocessing forks the children that decode compressed frames: forked from this process.

multiprocessing starts an interpreter for it, which imports again what this process has: 60 MB with its children. This
one shares the memory of what is imported. It uses names of the standard library that are not documented, those of
Python 3.11 to 3.13; elsewhere, and where this server has died, multiprocessing starts its own.
"""

import contextlib
import ctypes
import gc
import os
import select
import socket
import warnings
from multiprocessing import forkserver
from multiprocessing.connection import arbitrary_address  # type: ignore[attr-defined] # forkserver uses it, too
from typing import Any, Final

from imaging.dicom.socket_folder import make_room_for_socket
from service.films.lean_imports import bring_gdcm
from service.films.nursery import FORKS

NAME: Final = "cxr-codecs"
"""Of the process, at most 15 bytes."""
SHARED_BYTES: Final = 256 * 1024**2
"""Address space of the libraries that its children have of the service, beside those of codecs; no memory."""
_PR_SET_NAME: Final = 15
_NEWER: Final = "_forkserver_authkey"
"""Since Python 3.14 the server and its clients have a key in common."""


def fork_codec_server() -> None:
    """Fork it; nothing but the main thread may run yet, and no film or key may be in memory, for its children have it.

    It ends once no process is left that may ask it for a child.

    Raises:
        SettingsError: it could not be reached.
    """
    server: Any = forkserver._forkserver  # noqa: SLF001
    if not FORKS or hasattr(server, _NEWER) or server._forkserver_pid is not None:  # noqa: SLF001
        return
    make_room_for_socket()
    with socket.socket(socket.AF_UNIX) as listener:
        address = arbitrary_address("AF_UNIX")
        listener.bind(address)
        os.chmod(address, 0o600)  # noqa: PTH101
        listener.listen()
        reading, writing = os.pipe()
        with warnings.catch_warnings():  # Python 3.12 counts the threads of OpenBLAS, which forks well
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            os.close(writing)
            with contextlib.suppress(BaseException):
                _serve(listener.detach(), reading)
            os._exit(0)
    os.close(reading)
    server._forkserver_address = address  # noqa: SLF001
    server._forkserver_alive_fd = writing  # noqa: SLF001
    server._forkserver_pid = process  # noqa: SLF001


def _serve(listener: int, alive: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME.encode())
    gc.enable()  # a start is without
    select.select([listener, alive], [], [])  # GDCM takes 0.07 s of a processor, which the start of the service needs
    bring_gdcm()
    forkserver.main(listener, alive, [])
