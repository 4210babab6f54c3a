"""The bodies of the HTTP interface: the fixed contract with hospital systems."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.model.calibration import Decision, OperatingPoint
from schemas.model.precision import Precision
from schemas.record import Record

DISCLAIMER = "Research use only. Not a medical device; not for diagnosis, triage or any decision about a patient."

Probability = Annotated[float, Field(ge=0, le=1)]
AbstentionReason = Literal[
    "unclear", "unfamiliar", "not_frontal", "low_contrast", "outside_population", "suspended", "silent"
]
Mode = Literal["active", "silent"]
ModeField = Annotated[
    Mode,
    Field(
        description="silent: a trial, and no answer is for care; a caller without the scope `trial` gets none: "
        "abstain, with the reason silent and without figures"
    ),
]
ConfidenceBand = Literal["low", "medium", "high"]
PopulationCheck = Literal["inside", "incomplete", "outside", "not_checked"]
"""What came of holding what is stated of a film against the intended population of the bundle."""
ExplainMethod = Literal["gradcam", "gradcam++", "layercam"]
ExplainBackend = Literal["onnx", "torch"]
Route = Literal["only_bundle", "header", "guide", "caller", "any_film", "none"]
"""How a film came to the bundle that answers it."""

RouteField = Annotated[
    Route,
    Field(
        description="why this bundle answers. only_bundle: no other is to serve; header: the age in the file, or else "
        "that of the caller, is that of its patients; guide: it sees a film of its kind; caller: nothing else can "
        "tell, and the caller says so; any_film: it states no patients; none: the film is for none of the bundles, and "
        "the decision is abstain"
    ),
]


class ModelReference(Record):
    """Which bundle computed an answer."""

    name: str
    version: str
    architecture: str
    precision: Precision = Field(default="fp32", description="of the graph that computed it")
    sha256: str = Field(
        description="SHA-256 of the bundle's manifest.json, which holds the hash of every other file; "
        "at a reduced precision, that of the graph's file"
    )


class FindingAnswer(Record):
    """One finding of a film."""

    name: str
    probability: Probability
    decision: Decision = Field(description="abstain: not answered for this film, or this finding is not clear")
    confidence_band: ConfidenceBand = Field(description="of what is claimed; low where nothing is")
    operating_point: OperatingPoint


class SeenTrait(Record):
    """What the bundle's guide saw of a whole film, e.g. of its view."""

    value: str = Field(description="the most probable one")
    probability: Probability
    accepted: bool = Field(description="false: the network was not trained on such films, and gives no answer")


class Prediction(Record):
    """The answer of the bundle for one film."""

    label: str = Field(
        description="the finding whose operating point is reached, else the class that means none of the findings; "
        "empty where a silent service withholds it"
    )
    probabilities: dict[str, Probability] = Field(
        description="calibrated; they sum to 1 where the classes exclude one another"
    )
    decision: Decision = Field(
        description="abstain when the conformal set does not hold exactly one class, the label, "
        "the film is out of distribution, outside the bundle's population or uses a small part of its gray levels, or "
        "its file states that it is not a frontal view"
    )
    abstention_reasons: tuple[AbstentionReason, ...] = Field(
        default=(), description="why the decision is abstain, the reason of the recommendation first; else empty"
    )
    prediction_set: tuple[str, ...] = Field(description="classes that the conformal quantiles cannot exclude")
    operating_point: OperatingPoint
    calibrated: bool
    confidence_band: ConfidenceBand
    in_distribution: bool | None = Field(description="null: not checked; it never means passed")
    out_of_distribution_score: float | None = Field(
        description="distance to the training films in units of the cut-off; above 1 the film is not answered"
    )
    recommendation: str
    findings: tuple[FindingAnswer, ...] = Field(
        default=(), description="each finding by itself, in the order of the bundle's classes"
    )
    population: PopulationCheck = Field(
        default="not_checked",
        description="what the file states, or where it is silent the caller, against the bundle's intended population. "
        "inside: all that is asked for is stated; incomplete: a warning names what is not stated; outside: there is no "
        "answer, and the recommendation names the attribute and the rule; not_checked: nobody states anything",
    )
    traits: dict[str, SeenTrait] | None = Field(
        default=None, description="what the bundle's guide saw of the whole film; null: the bundle has no guide"
    )


class ImageFacts(Record):
    """Facts about the decoded file; nothing that could identify a patient."""

    format: Literal["jpeg", "png", "dicom", "tensor"] = Field(
        description="tensor: pixels that the caller has prepared (Open Inference Protocol); its rows, columns and bits "
        "are those of the network's input"
    )
    rows: int
    columns: int
    bits: int
    photometric_interpretation: str
    warnings: tuple[str, ...] = Field(
        description="what is unusual about the file or its pixels; docs/preprocessing.md lists them all"
    )


class Timings(Record):
    """Wall time of each stage, in milliseconds."""

    decode: float
    preprocess: float
    queue: float
    inference: float
    total: float


class PredictResponse(Record):
    """The answer of `POST /predict`."""

    request_id: str
    model: ModelReference = Field(description="the bundle that answers")
    route: RouteField = "only_bundle"
    prediction: Prediction
    image: ImageFacts
    timings_ms: Timings
    mode: ModeField = "active"
    disclaimer: str = DISCLAIMER


class CenterOfMass(Record):
    """Where the heat map's mass is centred, as fractions of the film's width and height from its top left corner."""

    x: Probability
    y: Probability


class Explanation(Record):
    """A heat map and what it was computed from."""

    finding: str
    method: ExplainMethod
    layer: str
    backend: ExplainBackend = Field(description="onnx: outputs of the graph; torch: the same network, differentiated")
    heatmap_png_base64: str = Field(description="8-bit gray PNG of the film's aspect: 255 is the map's maximum")
    overlay_png_base64: str = Field(description="colour PNG of the heat map over the film")
    grid: tuple[int, int] = Field(description="[h, w] of the map before it is enlarged")
    center_of_mass: CenterOfMass | None = Field(description="null where the map is zero everywhere")
    concentration: Probability = Field(
        description="share of the map's mass in its strongest tenth of cells: 0.1 is flat, 1 is a point"
    )
    note: str


class ExplainResponse(PredictResponse):
    """The answer of `POST /explain` as JSON."""

    explanation: Explanation


class Problem(Record):
    """A failure. Source: RFC 9457."""

    type: str = Field(description="urn:cxr:problem:<code>")
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class BatchItem(Record):
    """The result of one film of a batch that was answered."""

    filename_index: int = Field(ge=0, description="position of the film in the request, from 0")
    model: ModelReference = Field(description="the bundle that answers this film")
    route: RouteField = "only_bundle"
    prediction: Prediction
    image: ImageFacts
    timings_ms: Timings


class BatchProblem(Record):
    """The result of one film of a batch that failed."""

    filename_index: int = Field(ge=0, description="position of the film in the request, from 0")
    problem: Problem


class BatchResponse(Record):
    """The answer of `POST /predict/batch`: one result or problem for each film, in the request's order."""

    request_id: str
    model: ModelReference = Field(description="the preferred bundle; each result names its own")
    results: tuple[BatchItem | BatchProblem, ...]
    mode: ModeField = "active"
    disclaimer: str = DISCLAIMER
