"""What a caller of the client may ask for, and say of a film, in addition to the film."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a caller may ask for in addition to the answer."""

    priority: Literal["stat", "routine"] = "routine"
    deadline_ms: int | None = None
    """Give up after this time, attempts and waits together; None: the service's own deadline for each attempt."""
    request_id: str | None = None
    """None: one is made; every attempt carries the same."""
    population: str | None = None
    """Whose film it is, where several bundles serve and neither its file nor a bundle can tell; None: not stated."""
    age: float | str | None = None
    """Of the patient in years, or as DICOM writes it (018M): it counts where the file states none; None: not said."""
    view: str | None = None
    """E.g. PA, AP, lateral: it counts where the file states none; None: not stated."""
    idempotency_key: str | None = None
    """Made by the caller for this one call of `predict` or `explain`: made again with the same film and key, the call
    has the same answer, and the film is neither read nor recorded twice; None: a call made again is another one."""

    @property
    def headers(self) -> dict[str, str]:
        """What is said of the patient, since addresses stand in the logs of proxies; and the key."""
        stated = {"X-Age": None if self.age is None else str(self.age), "X-View": self.view}
        stated["Idempotency-Key"] = self.idempotency_key
        return {name: value for name, value in stated.items() if value is not None}


ROUTINE: Final = CallOptions()
