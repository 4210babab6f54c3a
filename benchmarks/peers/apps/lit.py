"""The peer LitServe: processes that compute behind a process that speaks HTTP."""

import os
from typing import Annotated, Any

import litserve
from fastapi import Depends, Request

from benchmarks.peers.apps.pipeline import PORT, WORKERS, Pipeline


async def body(request: Request) -> bytes:
    """The film as it arrived; LitServe itself reads JSON and forms alone."""
    return await request.body()


class Films(litserve.LitAPI):  # type: ignore[misc]  # of a package that this environment has not
    """Films in, answers out."""

    def setup(self, device: str) -> None:  # noqa: ARG002 the interface has it
        """Load the graph in each process that computes."""
        self.pipeline = Pipeline.from_environment()

    def decode_request(self, request: Annotated[bytes, Depends(body)]) -> bytes:
        """The film."""
        return request

    def predict(self, film: bytes) -> dict[str, Any]:
        """The answer."""
        return self.pipeline.answer(film)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The answer as JSON."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Films(), accelerator="cpu", workers_per_device=int(os.environ[WORKERS]))
    server.run(
        host="127.0.0.1",
        port=int(os.environ[PORT]),
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
