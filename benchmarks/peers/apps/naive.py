"""The peer that everybody writes: FastAPI and uvicorn around the pipeline.

`threaded` answers in FastAPI's threads, as a route that is not a coroutine does: one process then uses several cores.
`direct` answers in the event loop: one film at a time in each of several processes, and no thread is changed.
"""

from typing import Annotated, Any

from fastapi import Body, FastAPI, Request

from benchmarks.peers.apps.pipeline import Pipeline


def application(pipeline: Pipeline, *, threaded: bool) -> FastAPI:
    """The app around a pipeline."""
    app = FastAPI()

    def in_thread(film: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict[str, Any]:
        return pipeline.answer(film)

    async def in_loop(request: Request) -> dict[str, Any]:
        return pipeline.answer(await request.body())

    app.post("/predict")(in_thread if threaded else in_loop)
    return app


def threaded() -> FastAPI:
    """For `uvicorn --factory`: films in threads."""
    return application(Pipeline.from_environment(), threaded=True)


def direct() -> FastAPI:
    """For `uvicorn --factory`: films in the event loop."""
    return application(Pipeline.from_environment(), threaded=False)
