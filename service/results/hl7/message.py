"""An analysis as an unsolicited result: ORU^R01 of HL7 v2.5.1, in the shape of IHE's Send Imaging Result.

Source: HL7 v2.5.1, chapters 2 (MSH, SFT) and 7 (ORU^R01, OBR); IHE Radiology Technical Framework, RAD-128.
"""

from dataclasses import dataclass
from typing import Final, Literal

from schemas.analysis import AnalysisRecord
from service.results.hl7.encoding import (
    FIELD,
    SEGMENT_END,
    UTF_8,
    components,
    encoded,
    escaped,
    segment,
)
from service.results.hl7.findings import observations
from service.results.hl7.parties import (
    accession_number,
    filler_number,
    moment,
    order,
    patient,
    placer_number,
    referrer,
    visit,
)
from service.results.messages.context import FilmContext
from service.results.messages.statements import SINGLE_VIEW
from service.results.source import MANUFACTURER

_CONTROL_ID: Final = 10
_LONGEST_ID: Final = 20  # SFT-4; a digest of 256 bits has more


@dataclass(frozen=True, slots=True)
class Addressing:
    """Who sends to whom, and how; the receiver's administrator gives the names."""

    sending_application: str = MANUFACTURER
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: Literal["P", "T", "D"] = "P"
    character_set: str = UTF_8
    """A name of `CHARACTER_SETS`."""
    stat_positives: bool = False
    """Whether the priority of a film with a positive finding is stat in OBR-5 and TQ1-9; else none is stated."""


def result_message(record: AnalysisRecord, context: FilmContext, addressing: Addressing) -> bytes:
    """Write the message, except for MSH-10: see `with_control_id`.

    In UTF-8 where the character set that was asked for lacks a character, and MSH-18 states which it is.
    """
    body = "".join(
        [
            _software(record),
            patient(context),
            visit(context),
            order(context),
            *_request(record, context, addressing),
            *observations(record),
        ]
    )
    asked = addressing.character_set
    content, used = encoded(_header(record, addressing, asked) + body, asked)
    return content if used == asked else (_header(record, addressing, used) + body).encode()


def with_control_id(message: bytes, control_id: str) -> bytes:
    """The message under its name, the same at every attempt (MSH-10): by it a receiver knows what it has already."""
    header, end, rest = message.partition(SEGMENT_END.encode())
    fields = header.split(FIELD.encode())
    fields[_CONTROL_ID - 1] = escaped(control_id).encode()  # MSH-1 is the separator itself
    return FIELD.encode().join(fields) + end + rest


def _header(record: AnalysisRecord, addressing: Addressing, character_set: str) -> str:
    """MSH-15 and 16 stay empty: IHE asks for the original mode of acknowledgement."""
    return segment(
        "MSH",
        {
            3: components(addressing.sending_application),
            4: components(addressing.sending_facility),
            5: components(addressing.receiving_application),
            6: components(addressing.receiving_facility),
            7: f"{record.analysed_at:%Y%m%d%H%M%S}+0000",
            9: components("ORU", "R01", "ORU_R01"),
            11: addressing.processing_id,
            12: "2.5.1",
            18: "" if character_set == "ASCII" else character_set,
        },
    )


def _software(record: AnalysisRecord) -> str:
    model = record.model
    return segment(
        "SFT",
        {
            1: components(MANUFACTURER),
            2: components(f"{record.software_version}, bundle {model.version}"),
            3: components(model.name),
            4: model.sha256[:_LONGEST_ID],
        },
    )


def _request(record: AnalysisRecord, context: FilmContext, addressing: Addressing) -> list[str]:
    """OBR, and TQ1 where a priority is stated."""
    stat = addressing.stat_positives and record.prediction.decision == "positive"
    ordered = context.procedure or SINGLE_VIEW
    request = segment(
        "OBR",
        {
            1: "1",
            2: placer_number(context),
            3: filler_number(context),
            4: components(*ordered),
            5: "S" if stat else "",
            7: moment(context.exposed),
            16: referrer(context),
            18: accession_number(context),
            19: components(context.requested_procedure),
            22: f"{record.analysed_at:%Y%m%d%H%M%S}+0000",
            24: "RAD",
            25: "P",
        },
    )
    return [request, *([segment("TQ1", {1: "1", 9: "S"})] if stat else [])]
