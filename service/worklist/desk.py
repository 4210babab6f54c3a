"""What this process asks of the service over HTTP: to store a film, and what became of it.

The service alone writes the spool: what it promises for STOW-RS holds for workitems because it is the same request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from schemas.errors import NotReadyError
from service.dicomweb.multipart import write_parts
from service.dimse.statuses import OUT_OF_RESOURCES, SUCCESS, status_of_answer
from service.settings import MODE_HEADER
from service.worklist.calls import Answer, Caller
from service.worklist.origin import DICOM_JSON
from service.worklist.work import Film, Outcome, Result

LARGEST_ANSWER_BYTES: Final = 4 * 1024 * 1024
_NOT_THE_FILMS: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Answers of the service that any film would meet."""
_DONE: Final[Mapping[str, Outcome]] = {"delivered": "delivered", "refused": "refused", "failed": "not_delivered"}


@dataclass(frozen=True, slots=True)
class Desk:
    """The service behind its HTTP interface."""

    caller: Caller

    def takes_work(self) -> bool:
        """Whether films would be taken and answered: the service is there, knows this process, and is not silent."""
        try:
            answer = self._ask("GET", "results", params={"limit": "1"})
        except NotReadyError:
            return False
        return answer.status_code == HTTPStatus.OK and answer.headers.get(MODE_HEADER) != "silent"

    def store(self, content: bytes, *, urgent: bool) -> str | None:
        """Let the service store one film; None once it is on its disk, else the reason for which it is refused.

        Raises:
            NotReadyError: it may be stored later.
        """
        body, media_type = write_parts((content,))
        headers = {"Content-Type": media_type, "Accept": DICOM_JSON} | ({"X-Priority": "stat"} if urgent else {})
        answer = self._ask("POST", "dicomweb/studies", content=body, headers=headers)
        status = status_of_answer(answer.status_code, answer.json())
        if status == SUCCESS:
            return None
        if status == OUT_OF_RESOURCES or answer.status_code in _NOT_THE_FILMS:
            msg = (
                f"the service answered a film with status {answer.status_code}; check CXR_WORKLIST_API_KEY_FILE (scope "
                "dicom), CXR_WORKLIST_SERVICE_URL, and CXR_DICOMWEB=true there"
            )
            raise NotReadyError(msg)
        return f"{status:04X}"

    def look(self, film: Film) -> Film | None:
        """What became of a film; None where the service does not know it.

        Raises:
            NotReadyError: the service gives no answer that says so.
        """
        answer = self._ask("GET", f"results/{film.instance}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        body = answer.json()
        if answer.status_code != HTTPStatus.OK or not isinstance(body, dict):
            msg = f"the service answered with status {answer.status_code} when asked for a result; it is asked again"
            raise NotReadyError(msg)
        state = str(body.get("state"))
        outcome = _DONE.get(state)
        if state == "analysed" and body.get("next_attempt_at") is None:
            outcome = "kept"
        if outcome is None:
            return film
        problem = None if outcome in ("delivered", "kept") else str(body.get("problem") or state)
        results = _results(body) if outcome == "delivered" else ()
        return film.model_copy(update={"outcome": outcome, "problem": problem, "results": results})

    def _ask(self, method: str, address: str, **request: Any) -> Answer:
        return self.caller.ask(method, address, at_most=LARGEST_ANSWER_BYTES, **request)


def _results(body: Mapping[str, Any]) -> tuple[Result, ...]:
    analysis = body.get("analysis") or {}
    return tuple(
        Result(series=each["series_instance_uid"], sop_class=each["sop_class_uid"], instance=each["sop_instance_uid"])
        for each in analysis.get("objects") or ()
    )
