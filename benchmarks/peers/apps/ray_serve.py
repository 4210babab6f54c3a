"""The peer Ray Serve: one proxy in front of replicas that are processes."""

import logging
import os
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.apps.pipeline import PORT, WORKERS, Pipeline


class Films:
    """Films in, answers out."""

    def __init__(self) -> None:
        self.pipeline = Pipeline.from_environment()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """The answer."""
        return self.pipeline.answer(await request.body())


if __name__ == "__main__":
    ray.init(include_dashboard=False, num_cpus=int(os.environ[WORKERS]), logging_level=logging.WARNING)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(os.environ[PORT])},
        logging_config={"enable_access_log": False},
    )
    replicas: Any = serve.deployment(num_replicas=int(os.environ[WORKERS]), ray_actor_options={"num_cpus": 1})(Films)
    serve.run(replicas.bind(), route_prefix="/predict", blocking=True)
