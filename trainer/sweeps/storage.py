"""Where the machines of a sweep find each other's files: a folder that all see, or an object store."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from bundle.files import write_whole
from schemas.errors import TrainerError, TrainingConfigError, TrainingDataError
from trainer.folder import RunFolder, TrialFolder

_SCHEMES: Final = ("s3", "gs", "az", "file")
_LAST: Final = ("best.safetensors", "checkpoint.pt", "history.jsonl", "trial.json", "failure.json")
"""In this order, after all else: what is there means that what stands before it is there, too."""


class StorageError(TrainerError, code="storage_unavailable"):
    """The storage gives no answer, or refuses; the same command may succeed later."""


class Storage(Protocol):
    """The files of a run, as all machines see them."""

    def send_run(self, folder: RunFolder) -> None:
        """Give the others config and films of a run."""
        ...

    def take_run(self, folder: RunFolder) -> None:
        """Have config and films of a run here."""
        ...

    def send_trial(self, folder: TrialFolder) -> None:
        """Give the others what has changed of a trial."""
        ...

    def take_trial(self, folder: TrialFolder) -> None:
        """Have a trial here as it was left, by whichever machine."""
        ...

    def read(self, folder: RunFolder, path: Path) -> bytes | None:
        """A file of the run; None: it is not there."""
        ...

    def forget(self, folder: RunFolder, path: Path) -> None:
        """Remove a file of the run where it is there."""
        ...


class SharedFolder:
    """The run's own folder, on a disk that all machines see: nothing is sent."""

    def send_run(self, folder: RunFolder) -> None:
        """Do nothing: it is there."""

    def take_run(self, folder: RunFolder) -> None:
        """Check that this machine sees the folder.

        Raises:
            TrainingDataError: it does not.
        """
        if not folder.config.exists():
            msg = f"this machine sees no run in {folder}; put it on a disk that all machines share, or give a --storage"
            raise TrainingDataError(msg)

    def send_trial(self, folder: TrialFolder) -> None:
        """Do nothing: it is there."""

    def take_trial(self, folder: TrialFolder) -> None:
        """Do nothing: it is there."""

    def read(self, folder: RunFolder, path: Path) -> bytes | None:
        """See `Storage`."""
        del folder
        return path.read_bytes() if path.exists() else None

    def forget(self, folder: RunFolder, path: Path) -> None:
        """See `Storage`."""
        del folder
        path.unlink(missing_ok=True)


class ObjectStore:
    """A prefix of an object store; each file is one object, whole or absent. Every request may raise `StorageError`.

    What a machine has sent is remembered by size and time, so that an epoch sends its own files alone.
    """

    def __init__(self, store: Any) -> None:
        """Take the store, as `obstore.store.from_url` makes it."""
        self._store = store
        self._sent: dict[str, tuple[int, int]] = {}

    def send_run(self, folder: RunFolder) -> None:
        """See `Storage`."""
        self._send(folder, (folder.split, folder.data, folder.config))

    def take_run(self, folder: RunFolder) -> None:
        """See `Storage`.

        Raises:
            TrainingDataError: the store has no such run.
        """
        folder.make()
        for path in (folder.split, folder.data, folder.config):
            content = self.read(folder, path)
            if content is None:
                msg = (
                    f"the storage has no {path.name} of the run; start the sweep itself first, with the same --storage"
                )
                raise TrainingDataError(msg)
            write_whole(path, content)

    def send_trial(self, folder: TrialFolder) -> None:
        """See `Storage`; what tells that the trial has ended is sent last."""
        files = [path for path in folder.path.rglob("*") if path.is_file() and not path.name.startswith(".")]
        self._send(folder.run, sorted(files, key=_order))

    def take_trial(self, folder: TrialFolder) -> None:
        """See `Storage`; what an earlier attempt left here is removed: the store may know a later one."""
        shutil.rmtree(folder.path, ignore_errors=True)
        root = folder.run.path
        for name in self._names(folder.path.relative_to(root).as_posix()):
            content = self.read(folder.run, root / name)
            if content is not None:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                write_whole(root / name, content)

    def read(self, folder: RunFolder, path: Path) -> bytes | None:
        """See `Storage`."""
        try:
            with _answering():
                return bytes(self._store.get(_name(folder, path)).bytes())
        except FileNotFoundError:
            return None

    def forget(self, folder: RunFolder, path: Path) -> None:
        """See `Storage`."""
        if self.read(folder, path) is not None:
            with _answering():
                self._store.delete(_name(folder, path))

    def _send(self, folder: RunFolder, files: Iterable[Path]) -> None:
        for path in files:
            name, state = _name(folder, path), path.stat()
            if self._sent.get(name) != (state.st_mtime_ns, state.st_size):
                with _answering():
                    self._store.put(name, path)
                self._sent[name] = (state.st_mtime_ns, state.st_size)

    def _names(self, prefix: str) -> Iterator[str]:
        with _answering():
            for page in self._store.list(f"{prefix}/"):
                yield from [entry["path"] for entry in page]


def open_storage(url: str | None) -> Storage:
    """The storage of a sweep.

    Args:
        url: `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///…`, with the credentials of its usual environment
            variables; None: the run's folder itself.

    Raises:
        StorageError: the environment's variables do not fit.
        TrainingConfigError: another kind of URL, or the extra [stores] is not installed.
    """
    if url is None:
        return SharedFolder()
    if url.partition("://")[0] not in _SCHEMES:
        msg = f"--storage {url} is not a URL of {', '.join(_SCHEMES)}; of a shared disk give --out alone"
        raise TrainingConfigError(msg)
    try:
        from obstore.store import from_url  # noqa: PLC0415 - an extra
    except ImportError as error:
        msg = f"--storage {url} needs obstore; install the extra [stores]"
        raise TrainingConfigError(msg) from error
    with _answering():
        if url.startswith("file://"):
            os.makedirs(url.removeprefix("file://"), exist_ok=True)  # noqa: PTH103 - a URL's path
        return ObjectStore(from_url(url))


@contextmanager
def _answering() -> Iterator[None]:
    """Errors of obstore, and of the disk of a `file://`, as ours."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    try:
        yield
    except (BaseError, FileExistsError, NotADirectoryError, PermissionError) as error:
        reason = str(error).strip().partition("\n")[0]
        msg = f"the storage gives no answer ({reason}); check its address, credentials in the environment, and network"
        raise StorageError(msg) from error


def _name(folder: RunFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()


def _order(path: Path) -> tuple[int, str]:
    return (_LAST.index(path.name) + 1 if path.name in _LAST else 0, path.as_posix())
