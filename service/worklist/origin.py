"""The origin server of workitems: search, retrieve, claim, update, complete, cancel (UPS-RS, as a user agent).

Source: DICOM PS3.18 11.5 (Retrieve), 11.6 (Update), 11.7 (Change State), 11.9 (Search), 11.10 (Subscribe); PS3.4 table
CC.1.1-2 (which changes of state are lawful).
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Never

from schemas.errors import WorklistUnreachableError
from service.settings import WorklistSettings
from service.worklist.calls import Answer, Caller
from service.worklist.reports import DataSet, change_of_state, progress
from service.worklist.workitem import FINAL_STATES, IN_PROGRESS, SCHEDULED, Workitem, workitem_of

DICOM_JSON: Final = "application/dicom+json"
LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
MOST_FOUND: Final = 50
"""Workitems of one search."""
_REFUSALS: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT)
"""Of the state of a workitem. Source: PS3.18 tables 11.6.3-1 and 11.7.3-1; servers differ in which they use."""
_GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True, slots=True)
class Origin:
    """The worklist of the settings."""

    caller: Caller
    settings: WorklistSettings

    def search(self) -> tuple[Workitem, ...]:
        """Scheduled workitems that are meant for this performer, urgent ones first.

        Raises:
            WorklistUnreachableError: the server gives no answer that can be used.
        """
        answer = self._ask("GET", "workitems", params=self._keys(), headers={"Cache-Control": "no-cache"})
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return ()
        found = answer.json()
        if answer.status_code != HTTPStatus.OK or not isinstance(found, list):
            _fail("a search", answer)
        items = [workitem_of(dataset) for dataset in found[:MOST_FOUND]]
        items = [item for item in items if item.state == SCHEDULED]
        return tuple(sorted(items, key=lambda item: not item.is_urgent))

    def retrieve(self, workitem_uid: str) -> Workitem | None:
        """One workitem; None where the server has none of this UID.

        Raises:
            WorklistUnreachableError: the server gives no answer that can be used.
        """
        answer = self._ask("GET", f"workitems/{workitem_uid}")
        if answer.status_code in _GONE:
            return None
        body = answer.json()
        dataset = body[0] if isinstance(body, list) and body else body
        if answer.status_code != HTTPStatus.OK or not isinstance(dataset, dict):
            _fail("a retrieval", answer)
        return workitem_of(dataset)

    def claim(self, workitem_uid: str, transaction_uid: str) -> bool:
        """Claim a workitem; True if it is this performer's now, or was so already.

        A claim whose answer was lost cannot simply be repeated: it is refused as every second one is. The server shows
        no Transaction UID, but an update with the right one alone is accepted.

        Raises:
            WorklistUnreachableError: it is not known whose it is.
        """
        answer = self._change(workitem_uid, transaction_uid, IN_PROGRESS)
        if answer.succeeded:
            return True
        if answer.status_code not in (*_REFUSALS, *_GONE):
            _fail("a claim", answer)
        item = self.retrieve(workitem_uid)
        return (
            item is not None
            and item.state == IN_PROGRESS
            and self.update(workitem_uid, progress(transaction_uid, 0, "claimed"))
        )

    def update(self, workitem_uid: str, changes: DataSet) -> bool:
        """Change a workitem in progress; False where it is not this performer's, or has ended.

        Raises:
            WorklistUnreachableError: it is not known whether it was changed.
        """
        transaction_uid = str(changes["00081195"]["Value"][0])
        # PS3.18 11.6.1 names the parameter only in a template, which servers read in two ways; both ignore the other.
        address = f"workitems/{workitem_uid}?{transaction_uid}&transaction-uid={transaction_uid}"
        answer = self._send("POST", address, changes)
        if not answer.succeeded and answer.status_code not in (*_REFUSALS, *_GONE):
            _fail("an update", answer)
        return answer.succeeded

    def finish(self, workitem_uid: str, transaction_uid: str, state: str) -> bool:
        """Complete or cancel a workitem; False where it ended otherwise, or is somebody else's.

        Raises:
            WorklistUnreachableError: it is not known how it ended; or it is in progress, and the server does not let
                it end so.
        """
        answer = self._change(workitem_uid, transaction_uid, state)
        if answer.succeeded:
            return True
        if answer.status_code not in (*_REFUSALS, *_GONE):
            _fail("a change of state", answer)
        item = self.retrieve(workitem_uid)
        if item is None or item.state in FINAL_STATES:
            return item is not None and item.state == state
        if self.update(workitem_uid, progress(transaction_uid, 100, "ended")):
            _fail(f"a change to {state}", answer)
        return False

    def subscribe(self, workitem_uid: str) -> str | None:
        """Ask for reports about a workitem; returns the address of the WebSocket, None where there are none.

        Raises:
            WorklistUnreachableError: the server gives no answer.
        """
        answer = self._ask("POST", f"workitems/{workitem_uid}/subscribers/{self.settings.ae_title}")
        if not answer.succeeded:
            return None
        address = answer.headers.get("Content-Location") or answer.headers.get("Location")
        return None if address is None else str(address)

    def _change(self, workitem_uid: str, transaction_uid: str, state: str) -> Answer:
        title = f"/{self.settings.ae_title}" if self.settings.state_with_title else ""
        return self._send("PUT", f"workitems/{workitem_uid}/state{title}", change_of_state(transaction_uid, state))

    def _send(self, method: str, address: str, dataset: DataSet) -> Answer:
        content = json.dumps(dataset, ensure_ascii=True).encode("ascii")
        return self._ask(method, address, content=content, headers={"Content-Type": DICOM_JSON})

    def _ask(self, method: str, address: str, **request: Any) -> Answer:
        headers = {"Accept": DICOM_JSON, **request.pop("headers", {})}
        return self.caller.ask(method, address, at_most=LARGEST_ANSWER_BYTES, headers=headers, **request)

    def _keys(self) -> dict[str, str]:
        """Matching keys. Source: PS3.18 8.3.4.1, PS3.4 table CC.2.5-3."""
        keys = {"ProcedureStepState": SCHEDULED, "InputReadinessState": "READY", "limit": str(MOST_FOUND)}
        for sequence, code in (
            ("ScheduledStationNameCodeSequence", self.settings.station),
            ("ScheduledWorkitemCodeSequence", self.settings.code),
        ):
            if code is not None:
                keys |= {f"{sequence}.CodeValue": code.value, f"{sequence}.CodingSchemeDesignator": code.scheme}
        for keyword, text in (("WorklistLabel", self.settings.label), ("ProcedureStepLabel", self.settings.step_label)):
            if text is not None:
                keys[keyword] = text
        return keys


def _fail(what: str, answer: Answer) -> Never:
    msg = f"the worklist answered {what} with status {answer.status_code}; check CXR_WORKLIST_URL and its credentials"
    raise WorklistUnreachableError(msg)
