"""Settings of the task performer: the process that takes work from an origin server of workitems (UPS-RS)."""

from pathlib import Path
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from service.settings.dimse import Title
from service.settings.section import Section, matching

_URL_RULE: Final = "must be http://HOST/PATH or https://HOST/PATH, without a login in it and without ? and #"
_CODE_RULE: Final = "must be CODE^SCHEME or CODE^SCHEME^MEANING, as in a code sequence of DICOM (PS3.3 8)"
_CODE_PARTS: Final = (2, 3)
_LONGEST_CODE: Final = 16  # PS3.5 table 6.2-1, SH
_LONGEST_MEANING: Final = 64
_MOST_PORT: Final = 65535

Url = Annotated[str, matching(r"https?://[^@?#\s]+", _URL_RULE)]


class CodedName(NamedTuple):
    """An item of a code sequence."""

    value: str
    scheme: str
    meaning: str


def _code(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split("^")]
    if len(parts) not in _CODE_PARTS or not all(parts) or "\\" in value:
        raise ValueError(_CODE_RULE)
    if any(len(part) > _LONGEST_CODE for part in parts[:2]) or len(parts[-1]) > _LONGEST_MEANING:
        raise ValueError(_CODE_RULE)
    return CodedName(parts[0], parts[1], parts[-1] if len(parts) == max(_CODE_PARTS) else parts[0])


Code = Annotated[CodedName, NoDecode, BeforeValidator(_code)]


class WorklistSettings(Section):
    """The process `python -m service worklist`: which workitems are its own, and whom it speaks to."""

    model_config = SettingsConfigDict(env_prefix="CXR_WORKLIST_")

    url: Url | None = Field(
        default=None,
        repr=False,
        description="root of the worklist service (UPS-RS), above `workitems`; without it the process does not start",
    )
    station: Code | None = Field(
        default=None,
        description="CODE^SCHEME of this performer: workitems that name it in ScheduledStationNameCodeSequence are its "
        "own; it stands in what it reports too",
    )
    code: Code | None = Field(
        default=None, description="CODE^SCHEME of the work: workitems that ask for it in ScheduledWorkitemCodeSequence"
    )
    label: str | None = Field(default=None, description="WorklistLabel that workitems must have")
    step_label: str | None = Field(default=None, description="ProcedureStepLabel that workitems must have")
    ae_title: Title = Field(
        default="CXR", description="AE title under which the process subscribes to requests to cancel"
    )
    state_with_title: bool = Field(
        default=False, description="append the AE title to the path of a change of state, as dcm4chee-arc wants it"
    )
    subscribe: bool = Field(
        default=True,
        description="hear of requests to cancel by WebSocket; where the origin server has none, none can be honoured",
    )
    source_url: Url | None = Field(
        default=None,
        repr=False,
        description="DICOMweb root from which the films are retrieved (WADO-RS); default: CXR_PACS_URL with its "
        "credentials",
    )
    token_file: Path | None = Field(
        default=None, description="file with the bearer token for the worklist service; read at every request"
    )
    login_file: Path | None = Field(
        default=None, description="file with user:password for the worklist service; read at every request"
    )
    ca_file: Path | None = Field(
        default=None, description="certificates that vouch for the worklist service; default: the public ones"
    )
    service_url: Annotated[str, matching(r"https?://[^@?#]+", "must be http://HOST:PORT, without a login")] = Field(
        default="http://127.0.0.1:8000", description="the service to which the process hands films"
    )
    api_key_file: Path | None = Field(
        default=None, description="file with the process's own key for the service, of the scope `dicom`"
    )
    database_url: str = Field(
        default="sqlite:///worklist/worklist.db",
        repr=False,
        description="where claims are remembered: sqlite:///FILE for one process, postgresql+psycopg://HOST/NAME for "
        "several, which take over from one another; it may be the spool's",
    )
    poll_s: Annotated[float, Field(ge=0.05, le=3600)] = Field(default=10.0, description="time between two searches")
    lease_s: Annotated[float, Field(ge=5, le=3600)] = Field(
        default=120.0, description="time after which a process that is silent has lost its claims to another"
    )
    at_once: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="workitems in progress at a time")
    timeout_s: Annotated[int, Field(ge=1, le=60)] = Field(default=20, description="time for one answer")
    max_attempts: Annotated[int, Field(ge=1)] = Field(
        default=30, description="attempts to get the films of a workitem before it is canceled; 30 are about an hour"
    )
    metrics_port: Annotated[int, Field(ge=1, le=_MOST_PORT)] | None = Field(
        default=None, description="port on 127.0.0.1 with the process's own /metrics; default: none"
    )

    @model_validator(mode="after")
    def _check_filter(self) -> Self:
        if self.url is not None and not any((self.station, self.code, self.label, self.step_label)):
            msg = (
                "worklist_url names a worklist and nothing says which of its work is meant for this program; set "
                "CXR_WORKLIST_STATION, CXR_WORKLIST_CODE, CXR_WORKLIST_LABEL or CXR_WORKLIST_STEP_LABEL"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if self.token_file is not None and self.login_file is not None:
            msg = "worklist_token_file and worklist_login_file are two ways to the same worklist; set one of them"
            raise ValueError(msg)
        return self
