"""One film of the spool through the network: the same reading as `POST /explain`, then the objects that a PACS gets."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Final, Protocol

from pydicom import dcmread
from pydicom.dataset import Dataset
from sqlalchemy import Engine

from imaging.dicom.attributes import text
from imaging.limits import BoundedReader, DecodeLimits, parsing
from imaging.overlay import lay_over
from schemas.analysis import AnalysisRecord
from schemas.api import Prediction
from schemas.delivery import OBJECTS, DeliveryPolicy, draws
from schemas.errors import InvalidImageError, SameExposureError
from schemas.model.drift import film_signals
from schemas.preprocess import PreprocessSpec
from schemas.version import VERSION
from service.audit.accounts import SPOOL, FilmDigest, audited_reading
from service.dicomweb.delivery import Outbox
from service.dicomweb.history.issues import Issue
from service.dicomweb.history.notes import bytes_of
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.tables import SOURCE
from service.films.look import PreparedFilm, Upload
from service.models.live import LiveBundle, ServingBundles
from service.reading.explain import ExplainedFilm, FullyExplained, Question, explain_reading
from service.reading.predict import Reading, read_film
from service.reading.prepare import HeatMapRequest
from service.results.history.header import header_of, reference_to
from service.results.history.predecessors import REPORTS
from service.results.objects import result_objects
from service.results.times import machine_offset
from service.services import Services

SEXES: Final = ("F", "M", "O")
"""Values of PatientSex, PS3.3 C.7.1.1."""


@dataclass(frozen=True, slots=True)
class AnalysedFilm:
    """A film that was read: what may be remembered of it."""

    source: Dataset
    """Its header, which names the patient: for what is derived from it alone."""
    issue: Issue
    """What an archive gets about it."""
    sha256: str
    record: AnalysisRecord
    judged: Prediction
    """The answer, also where it was withheld."""
    signals: Mapping[str, float]
    """What drift is computed from."""
    age_years: float | None
    """Of the patient, as the header states it; None: it does not."""


class Watch(Protocol):
    """What looks after the answers of this spool, in its database."""

    def running(self, engine: Engine) -> AbstractAsyncContextManager[None]:
        """Begin, with the database of the spool, and end."""
        ...

    def note(self, film: AnalysedFilm) -> None:
        """Remember a film that was read; called again for it where a process was killed in between.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class FilmAlong:
    """An answered film, as it waits for the bundle that reads along."""

    sop_instance_uid: str
    film: PreparedFilm
    prepared_for: PreprocessSpec
    active_sha256: str
    """Of the bundle that answered it."""
    sex: str
    """M, F or O; empty: the film does not state it."""


class ReadsAlong(Protocol):
    """A bundle that reads films once they are answered, and answers nobody."""

    @property
    def live(self) -> LiveBundle | None:
        """For which films are prepared; None: for nobody now."""
        ...

    def offer(self, film: FilmAlong) -> None:
        """Let a film wait; it neither waits itself nor raises."""
        ...

    def reading(self, engine: Engine) -> AbstractAsyncContextManager[None]:
        """Read what is offered, and keep the answers in this database, until the end."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the results of an analysis go."""

    spool: Spool
    watch: Watch | None
    """None: nobody looks after the answers."""
    keep_objects: bool
    """Whether the objects will be delivered; else the record alone is kept."""
    policy: DeliveryPolicy
    """Which objects are written about a film."""
    along: ReadsAlong | None = None  # reads the film too
    outbox: Outbox | None = None
    """Delivers the results too; None: nobody does."""


async def analyse(claim: Claim, services: Services, desk: Desk) -> None:
    """Read the film, and keep the results instead of it.

    Args:
        claim: a film in state `received`.
        services: what reads it.
        desk: where the results go.

    Raises:
        CxrError: the film is refused, the network failed on it, or it cannot be recorded.
    """
    if claim.read_instead is not None:
        msg = "the film is FOR PROCESSING; the one FOR PRESENTATION of the same exposure is read instead"
        raise SameExposureError(msg)
    content = claim.payloads[SOURCE]
    with services.deployments.held() as serving:
        bundles = replace(serving, challenger=None if desk.along is None else desk.along.live)
        work = partial(_read, claim, services, bundles, desk.policy)
        origin = replace(SPOOL, study_instance_uid=claim.study_instance_uid)
        result = await audited_reading(services.audit, origin, FilmDigest(content), bundles.only_reference, work)
    reading, explained = (result.reading, result) if isinstance(result, ExplainedFilm) else (result, None)
    film, objects = await asyncio.get_running_loop().run_in_executor(
        services.decode_lanes.of(claim.priority), _results, claim, reading, explained, desk.policy
    )
    is_ours = await asyncio.to_thread(_file_away, claim, desk, bundles.digest, film, objects)
    if is_ours and desk.along is not None and bundles.challenger is not None and reading.for_challenger is not None:
        spec = bundles.challenger.loaded.manifest.preprocess
        sex = _sex_of(film.source)
        desk.along.offer(FilmAlong(claim.sop_instance_uid, reading.for_challenger, spec, reading.model.sha256, sex))


def _file_away(claim: Claim, desk: Desk, model_sha256: str, film: AnalysedFilm, objects: Mapping[str, bytes]) -> bool:
    """The watch first: if the process ends before the spool knows, the film is read and noted again.

    False where the lease was lost: another worker reads the film.
    """
    if desk.watch is not None:
        desk.watch.note(film)
    posting = {} if desk.outbox is None else {"also": desk.outbox.posting(film.source, film.record, objects)}
    return desk.spool.analysed(
        claim,
        model_sha256=model_sha256,
        record=film.record.model_dump_json(),
        objects=objects if desk.keep_objects else {},
        issue=film.issue if desk.keep_objects else None,
        **posting,
    )


async def _read(
    claim: Claim, services: Services, bundles: ServingBundles, policy: DeliveryPolicy
) -> Reading | FullyExplained:
    """The film's reading, and where its results show one, its heat map: of a finding, never of none."""
    priority = claim.priority
    upload = Upload(claim.payloads[SOURCE], "application/dicom")
    reading = await read_film(services, bundles, upload, priority=priority, heat_map=HeatMapRequest(None))
    if reading.live.loaded.explanations.backend is None or not draws(policy.of(reading.prediction)):
        return reading
    question = Question(finding=None, method="gradcam", priority=priority, findings_alone=True)
    return await explain_reading(services, reading, question, lay_over)


def _results(
    claim: Claim, reading: Reading, explained: FullyExplained | None, policy: DeliveryPolicy
) -> tuple[AnalysedFilm, Mapping[str, bytes]]:
    content = claim.payloads[SOURCE]
    with parsing("DICOM data set"):
        # What follows the pixels is in no result: 2 MB of empty items there took 6.8 s to parse.
        source = dcmread(BoundedReader(content, DecodeLimits().max_reads), stop_before_pixels=True)
    objects_of_film = policy.of(reading.prediction)
    delivery = tuple(each for each in OBJECTS if each in objects_of_film)
    record = _record(source, claim, reading, explained).model_copy(update={"delivery": delivery})
    built = result_objects(source, record, None if explained is None else explained.heat_map)
    present = (built.sr, built.secondary_capture, built.presentation_state)
    objects = [each for each in present if each is not None]
    references = tuple(map(reference_to, objects))
    record = record.model_copy(update={"objects": references})
    findings = reading.live.loaded.manifest.findings
    signals = film_signals(asdict(reading.film.statistics), reading.judged.probabilities, findings)
    issue = Issue(record.model.sha256, header_of(source, record), references)
    film = AnalysedFilm(
        source, issue, sha256(content).hexdigest(), record, reading.judged, signals, reading.film.header.age_years
    )
    return film, {str(each.SOPInstanceUID): bytes_of(each) for each in objects}


def _sex_of(source: Dataset) -> str:
    """Empty where it is not stated, or cannot be read: nothing but a comparison of bundles depends on it."""
    try:
        sex = text(source, "PatientSex")
    except InvalidImageError:
        return ""
    return sex if sex in SEXES else ""


def _record(source: Dataset, claim: Claim, reading: Reading, explained: FullyExplained | None) -> AnalysisRecord:
    manifest = reading.live.loaded.manifest
    explanation = None if explained is None else explained.summary
    analysed_at = datetime.now(UTC)
    replaced = [each for issue in claim.older for each in issue.objects if each.sop_class_uid in REPORTS]
    return AnalysisRecord(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=source.SeriesInstanceUID,
        sop_instance_uid=source.SOPInstanceUID,
        sop_class_uid=source.SOPClassUID,
        analysed_at=analysed_at,
        content_sha256=claim.sha256,
        version=claim.version,
        instance_number=claim.number or None,
        utc_offset=machine_offset(source, analysed_at),
        predecessors=tuple(replaced),
        software_version=VERSION,
        model=reading.model,
        udi=manifest.udi,
        route=reading.route,
        activation=manifest.activation,
        negative_class=manifest.negative_class,
        operating_points=manifest.calibration.operating_points,
        prediction=reading.prediction,
        image=reading.image_facts,
        explanation=explanation,
    )
