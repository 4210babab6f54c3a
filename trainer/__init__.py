"""Films to trained, calibrated and honestly judged networks; it refuses to know ONNX and HTTP.

From Python: `from trainer import train, load_run`; the names come from `trainer.api` once they are asked for, because
torch takes seconds to import.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.api import Run, Trial, load_run, train

__all__ = ["Run", "Trial", "load_run", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from trainer import api  # noqa: PLC0415 - `import trainer` stays light

    return getattr(api, name)
