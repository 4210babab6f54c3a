"""The options of an adoption that contradict themselves, and what is said before anything is published."""

from dataclasses import replace

import onnx
import pytest

from export.publish import verify_bundle
from schemas.model.provenance import Adoption
from tests.export.linear import graph

UNSTATED = {"mean": None, "std": None, "size": None}


@pytest.fixture
def adopted(adopt, theirs, ridge, tmp_path):
    """Adopt a graph whose owner states only the classes."""

    def run(model=None, *, stated=None, **dress):
        onnx.save(model or graph(ridge, **dress), tmp_path / "small.onnx")
        return adopt(replace(theirs, graph=tmp_path / "small.onnx"), **{**UNSTATED, **(stated or {})})

    return run


def test_the_figures_are_printed_before_the_bundle_is_published(adopted) -> None:
    code, printed, errors, directory = adopted(layout="nhwc", channels=3, head="sigmoid")
    provenance = verify_bundle(directory)[0].manifest.provenance

    assert (code, errors) == (0, "")
    for part in (
        "input pixels: nhwc, 3 channels, float",
        "the scaling of pixels is not stated: 0..1 is taken",
        "the sigmoid is undone: single, before it, is taken as logits",
        "validation, 104 films of 52 patients",
        "test, 104 films of 52 patients",
        "│ AUROC ",
        "accuracy, label by operating point",
        "sensitivity to PNEUMONIA from",
        "specificity to PNEUMONIA from",
        "expected calibration error",
        "AUROC of PNEUMONIA by 24 x 24 pixels",
    ):
        assert part in printed
        assert printed.index(part) < printed.index("theirs/1: small")
    assert isinstance(provenance, Adoption)
    assert (provenance.faults, provenance.reason) == ((), None)
    assert "input pixels: nhwc, 3 channels, float" in provenance.reading


def useless(ridge):
    """The owner's graph with random weights."""
    return graph(replace(ridge, weights=ridge.weights[::-1].copy()))


def test_a_network_that_is_worth_nothing_is_refused_after_its_figures(adopted, ridge) -> None:
    code, printed, errors, directory = adopted(useless(ridge))

    assert code == 2
    assert "│ AUROC " in printed
    assert "the network is not published: AUROC" in errors
    assert "the interval must begin at 0.7 or above" in errors
    assert "a linear model of 24 x 24 pixels, fitted to the same films, does better by more than 0.05" in errors
    assert 'say why by --reason "…"' in errors
    assert not directory.exists()


def test_a_refused_network_is_published_for_a_reason_that_the_card_states(adopted, ridge) -> None:
    code, printed, errors, directory = adopted(useless(ridge), stated={"reason": "a baseline for a lecture"})
    provenance = verify_bundle(directory)[0].manifest.provenance
    card = (directory / "MODEL_CARD.md").read_text()

    assert (code, errors) == (0, "")
    assert "below the limit: AUROC" in printed
    assert isinstance(provenance, Adoption)
    assert provenance.reason == "a baseline for a lecture"
    assert len(provenance.faults) == 2
    assert "| Published all the same, because | a baseline for a lecture" in card
    assert "the interval must begin at 0.7 or above" in card


def test_a_limit_may_be_raised(adopted) -> None:
    code, _, errors, _ = adopted(stated={"least_auroc": 0.999})

    assert code == 2
    assert "the interval must begin at 0.999 or above" in errors


@pytest.mark.parametrize("stated", [{}, {"reason": "the classes were exchanged"}])
def test_classes_in_the_other_order_are_refused_with_the_right_order(adopted, stated) -> None:
    code, _, errors, _ = adopted(head="reversed_pair", stated=stated)

    assert code == 2
    assert "give --classes PNEUMONIA,NORMAL, the order of its outputs" in errors


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"value_range": "1..1"}, "--value-range: black and white are both 1"),
        ({"value_range": "white"}, "--value-range: 'white' is not the value of black and the value of white"),
        ({"clahe": "2,8,8"}, "is not a clip limit, or a clip limit and the number of tiles"),
        ({"least_auroc": 0.6}, "--least-auroc 0.6 is below 0.7; state why by --reason"),
        ({"negative_class": "Normal"}, "--negative-class Normal is not one of NORMAL, PNEUMONIA"),
        ({"classes": "NORMAL,NORMAL", "negative_class": None}, "the classes NORMAL, NORMAL repeat one"),
        ({"columns": "eight"}, "--columns: 'eight' is not a number"),
        ({"owner_outputs": "missing.csv"}, "--owner-outputs: Path does not point to a file"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used_are_refused_with_the_remedy(adopted, stated, message) -> None:
    code, _, errors, _ = adopted(stated=stated)

    assert code == 2
    assert message in " ".join(errors.replace("│", " ").split())


def test_contrast_is_equalised_first_where_the_description_states_it(adopted) -> None:
    code, _, errors, directory = adopted(stated={"clahe": "2.5,4", "reason": "to see the manifest"})
    clahe = verify_bundle(directory)[0].manifest.preprocess.clahe

    assert (code, errors) == (0, "")
    assert clahe is not None
    assert (clahe.clip_limit, clahe.grid) == (2.5, 4)
    assert "| CLAHE | clip 2.5 |" in (directory / "MODEL_CARD.md").read_text()
