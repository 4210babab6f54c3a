"""The bundle: a directory that holds everything a network needs to answer, checked by hash before anything is used.

    models/current                      text: the `name/version` that serves
    models/<name>/<version>/manifest.json    `BundleManifest`
                            model.onnx       the graph of `GraphContract`
                            statistics.npz   arrays of `OutOfDistribution`
                            golden.npz       arrays of `GOLDEN_ARRAYS`
                            model.int8.onnx, model.fp16.onnx     the same with fewer bits, where `precisions` keeps it,
                            golden.int8.npz, golden.fp16.npz     and its outputs for the films of golden.npz
                            weights.safetensors  the weights again, for `TorchNetwork`; most bundles have none
                            MODEL_CARD.md
                            MODEL_CARD.json  the same for programs
                            manifest.sig     `bundle.signature.ManifestSignature`, where it is signed

Nothing in it is pickled or evaluated.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.errors import BundleError
from schemas.model.calibration import Activation, Calibration
from schemas.model.decision import NO_FINDING
from schemas.model.drift import DriftReference, signal_names
from schemas.model.evaluation import Evaluation
from schemas.model.guide import POPULATION, GuideRecord
from schemas.model.looking import Looking, MapSanity
from schemas.model.mistakes import Mistakes
from schemas.model.precision import Precision, PrecisionFiles, PrecisionRecord
from schemas.model.provenance import Adoption, Provenance
from schemas.model.torch_network import TorchNetwork
from schemas.population import Population
from schemas.preprocess import PreprocessSpec
from schemas.record import Record, Sha256

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
STATISTICS = "statistics.npz"
GOLDEN = "golden.npz"
MODEL_CARD = "MODEL_CARD.md"
MODEL_CARD_JSON = "MODEL_CARD.json"
WEIGHTS = "weights.safetensors"
CURRENT = "current"

GOLDEN_ARRAYS = (
    *("radiographs", "inputs", "targets", "logits", "probabilities"),
    *("gradcam", "gradcam_plus_plus", "layercam", "lungs", "traits"),
)
"""Of G synthetic films: uint8 [G, H, W], float32 [G, 1, S, S], int64 [G], then the outputs of the same name.

The heat maps are absent where the graph has no outputs for them; `lungs` and `traits` where it has no guide.
"""

GOLDEN_TOLERANCE = 1e-3
"""Of the fp32 outputs, relative to the largest golden value of each; other processors differ by about 1e-5."""

FINE_TOLERANCE = 0.05
"""Of `layercam`, relative to its largest value: where the input of a ReLU is within rounding of 0 or 6, its gradient is
there or not. On EfficientNet-Lite0 float32 itself is up to 0.028 off float64, by torch as by ONNX Runtime."""

BundleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
FILE_NAME = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$"  # of a file in the bundle's folder itself; every disk takes it
FileName = Annotated[str, StringConstraints(pattern=FILE_NAME)]


class GraphContract(Record):
    """Names and shapes of the ONNX graph; N is dynamic.

    Inputs: `image` float32 [N, 1, S, S] in [0, 1]; `target` int64 [N], the class to explain, -1 for the most probable;
    where the manifest's activation is `sigmoid` for the finding whose probability is the largest multiple of its
    threshold.
    Outputs: `logits` [N, K]; `probabilities` [N, K], softmax(logits / temperature), or the sigmoid of each scaled logit
    where the manifest's activation is `sigmoid`; `embedding` [N, D]; `gradcam` and `gradcam_plus_plus` [N, h, w], >= 0,
    not scaled; by option `layercam` [N, h', w'], the same at an earlier layer. With a guide: `lungs` [N, a, b] in
    [0, 1] and `traits` [N, T], see `schemas.model.guide`; the maps then lie on the film as every other map does, not
    on the part of it that the network looked at.
    """

    opset: int
    embedding_size: int = Field(description="D")
    cam_layer: str
    cam_grid: tuple[int, int] | None = Field(description="[h, w]; null: the graph has no heat-map outputs")
    fine_layer: str | None = Field(default=None, description="the earlier layer that `layercam` explains")
    fine_grid: tuple[int, int] | None = Field(
        default=None, description="[h, w] of the output `layercam`; null: the graph has none"
    )
    max_batch: int = Field(ge=1, description="largest N that the parity gate tried")

    @property
    def map_outputs(self) -> tuple[str, ...]:
        """The names of the heat-map outputs that the graph has."""
        maps = () if self.cam_grid is None else ("gradcam", "gradcam_plus_plus")
        return maps if self.fine_grid is None else (*maps, "layercam")


class FileRecord(Record):
    """One file of the bundle."""

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class BundleManifest(Record):
    """What the bundle is, how it answers, and on which figures that rests."""

    format_version: Literal[1] = 1
    name: BundleName
    version: BundleName
    created_at: datetime
    architecture: str
    classes: tuple[str, ...] = Field(min_length=2, description="K classes in the order of the logits")
    negative_class: str | None = Field(
        description="the class that means none of the others, never 'healthy'; null where there is none"
    )
    activation: Activation = Field(
        default="softmax",
        description="softmax: the classes exclude one another; sigmoid: each is a finding that is judged by itself",
    )
    preprocess: PreprocessSpec
    graph: GraphContract
    torch: TorchNetwork | None = Field(default=None, description="null: the bundle holds the graph alone")
    guide: GuideRecord | None = Field(default=None, description="null: the network looks at the whole film")
    population: Population | None = Field(default=None, description="whose films it answers; null: not stated")
    calibration: Calibration
    evaluation: tuple[Evaluation, ...]
    drift_reference: DriftReference | None = Field(
        default=None, description="null: too few validation films, or adopted; drift cannot be measured"
    )
    mistakes: Mistakes | None = Field(default=None, description="null: adopted")
    looking: Looking | None = Field(
        default=None, description="what the network looks at; null: no validation film had marked lungs or findings"
    )
    map_sanity: tuple[MapSanity, ...] = Field(
        default=(), description="whether heat maps depend on what was learned, by method; empty: not checked"
    )
    provenance: Provenance | Adoption
    about_films: str | None = Field(
        default=None, description="Markdown: source, licence, population, known shortcuts; null: not stated"
    )
    intended_use: str
    udi: str | None = Field(
        default=None,
        min_length=1,
        description="Unique Device Identifier, whole, as on a label; null: not a medical device",
    )
    files: dict[str, FileRecord]
    precisions: tuple[PrecisionRecord, ...] = Field(
        default=(), description="reduced precisions that were tried at the export"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        classes = set(self.classes)
        if len(classes) != len(self.classes):
            msg = f"classes repeat: {self.classes}"
            raise ValueError(msg)
        if self.negative_class is not None and self.negative_class not in classes:
            msg = f"negative_class {self.negative_class!r} is not one of {self.classes}"
            raise ValueError(msg)
        if {point.finding for point in self.calibration.operating_points} != set(self.findings):
            msg = f"the operating points must name each finding of {self.findings} once"
            raise ValueError(msg)
        conformal = self.calibration.conformal
        if set(conformal.quantiles) != classes:
            msg = f"the conformal quantiles must name each class of {self.classes}"
            raise ValueError(msg)
        distribution = self.calibration.out_of_distribution
        if distribution is not None and set(distribution.cutoffs) != set(self.groups):
            msg = f"the out-of-distribution cut-offs must name each of {self.groups}"
            raise ValueError(msg)
        self._check_activation()
        self._check_population()
        if self.drift_reference and set(self.drift_reference.signals) != set(signal_names(self.findings)):
            msg = f"the drift reference must hold each signal of {signal_names(self.findings)}"
            raise ValueError(msg)
        optional = {STATISTICS: distribution, WEIGHTS: self.torch}
        for name in (GRAPH, GOLDEN, MODEL_CARD, *(file for file, need in optional.items() if need is not None)):
            if name not in self.files:
                msg = f"files must list {name}"
                raise ValueError(msg)
        self._check_precisions()
        return self

    def _check_activation(self) -> None:
        """Findings that are judged by themselves have a scaling and two quantiles each, and no negative class."""
        scaling, absent = self.calibration.scaling, self.calibration.conformal.absent
        alone = self.activation == "sigmoid"
        expected = set(self.classes) if alone else None
        named = tuple(None if part is None else set(part) for part in (scaling, absent))
        if named != (expected, expected) or (alone and self.negative_class is not None):
            msg = (
                f"activation {self.activation} with scaling of {scaling and sorted(scaling)}, absent quantiles of "
                f"{absent and sorted(absent)} and negative class {self.negative_class!r}: sigmoid needs the first two "
                "for each class and no negative class, softmax has neither of the two"
            )
            raise ValueError(msg)

    def _check_population(self) -> None:
        """The films that the guide accepts are those of the stated population."""
        traits = () if self.guide is None or self.population is None else self.guide.traits
        for trait in traits:
            if trait.name == POPULATION and self.population and self.population.name not in trait.accepted:
                msg = f"the population is {self.population.name}, and the guide accepts {', '.join(trait.accepted)}"
                raise ValueError(msg)

    def _check_precisions(self) -> None:
        names = [row.precision for row in self.precisions]
        if len(set(names)) != len(names):
            msg = f"precisions repeat: {names}"
            raise ValueError(msg)
        for row in self.precisions:
            for name in () if row.files is None else (row.files.graph, row.files.golden):
                if name not in self.files:
                    msg = f"files must list {name}, which computes {row.precision}"
                    raise ValueError(msg)

    @property
    def findings(self) -> tuple[str, ...]:
        """The classes that can be called present: all but the negative one."""
        return tuple(name for name in self.classes if name != self.negative_class)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of films that the out-of-distribution check knows: the classes, and films with none of them."""
        return (*self.classes, NO_FINDING) if self.activation == "sigmoid" else self.classes

    def graph_files(self, precision: Precision) -> PrecisionFiles:
        """The files that compute an answer at a precision.

        Raises:
            BundleError: the bundle has no graph of this precision.
        """
        if precision == "fp32":
            return PrecisionFiles(graph=GRAPH, golden=GOLDEN, tolerance=GOLDEN_TOLERANCE)
        row = next((row for row in self.precisions if row.precision == precision), None)
        if row is not None and row.files is not None:
            return row.files
        reason = "it was not tried at the export" if row is None else f"the export refused it: {row.refused}"
        msg = (
            f"{self.name}/{self.version} has no {precision} graph: {reason}; it offers {', '.join(self.offered)}: "
            "choose one of these (CXR_PRECISION), or publish a bundle that was exported with --precisions"
        )
        raise BundleError(msg)

    @property
    def offered(self) -> tuple[Precision, ...]:
        """The precisions that the bundle has a graph of, fp32 first."""
        return ("fp32", *(row.precision for row in self.precisions if row.files is not None))
