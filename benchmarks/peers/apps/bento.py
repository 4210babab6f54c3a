"""The peer BentoML: worker processes that share a socket."""

import os
from pathlib import Path
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from benchmarks.peers.apps.pipeline import WORKERS, Pipeline


@bentoml.service(workers=int(os.environ[WORKERS]), threads=1, logging={"access": {"enabled": False}})
class Films:
    """Films in, answers out."""

    def __init__(self) -> None:
        self.pipeline = Pipeline.from_environment()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]  # as above
    def predict(self, film: Annotated[Path, ContentType("image/jpeg")], /) -> dict[str, Any]:
        """The answer; BentoML hands a body that is not JSON over as a file."""
        return self.pipeline.answer(film.read_bytes())
