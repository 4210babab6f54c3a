"""Settings of connections: how many there may be, and how fast a request must arrive."""

from typing import Annotated, Final

from pydantic import Field

from service.settings.section import Positive, Section

_LONGEST_S: Final = 3600

Seconds = Annotated[float, Field(gt=0, le=_LONGEST_S)]


class ConnectionSettings(Section):
    """What a caller may hold without sending anything useful."""

    max_connections: Positive = Field(
        default=1000,
        description="connections at the same time, at most 128 fewer than open files allowed to the process; one more "
        "closes the one that has waited longest for a request, or is refused",
    )
    max_header_bytes: Annotated[int, Field(ge=4096, le=1024 * 1024)] = Field(
        default=64 * 1024, description="request line and headers of one request; beyond it 431"
    )
    header_timeout_s: Seconds = Field(
        default=10.0, description="time for the headers of a request to arrive; the connection is closed after it"
    )
    upload_timeout_s: Seconds = Field(
        default=120.0, description="time for a body to arrive, whatever X-Deadline-Ms allows; beyond it 408"
    )
    min_upload_bytes_s: Annotated[int, Field(ge=0)] = Field(
        default=16 * 1024,
        description="bytes a second that a body must bring in every 5 s; a slower one is ended with 408",
    )
