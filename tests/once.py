"""What is costly and never written to is built by one of the workers, and read by all."""

import fcntl
from collections.abc import Callable
from pathlib import Path


class BuiltOnce:
    """Folders of one session of tests, by name: `built_once("viewed_run", train_it)`."""

    def __init__(self, root: Path) -> None:
        """Keep the folders under `root`, which all workers have in common."""
        self._root = root

    def __call__(self, name: str, build: Callable[[Path], object]) -> Path:
        """The folder of that name, which `build` filled, here or in another worker. Not to be written to.

        Its path is where it was built, so that files in it may name it.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        folder = self._root / name
        done = self._root / f"{name}.done"
        with (self._root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir()
                build(folder)
                done.touch()
        return folder
