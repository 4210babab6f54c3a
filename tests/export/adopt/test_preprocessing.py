"""What is not stated of the preprocessing is found by agreement with the owner's answers, or refused."""

import csv
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Grayscale, Resize, ToTensor

from export.adopt.owner import read_owner_outputs
from export.adopt.preprocessing import find_way
from export.adopt.ways import possible_ways
from export.description import NetworkDescription
from export.graph.pixel_values import IMAGENET_MEAN, IMAGENET_STD, PixelValues
from export.graph.reading import read_graph
from export.publish import verify_bundle
from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.errors import BundleError, TrainingDataError
from schemas.preprocess import ClaheSpec, PreprocessSpec
from tests.export.linear import SIDE, graph
from tests.films import encode, unlike

PLAIN = PreprocessSpec(size=SIDE)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Twenty films that are not square, of which some have an opacity and none all the range."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(20):
        pixels = unlike(120, seed=number, opacity=0.8 * (number % 2))[: 90 + number]
        (folder / f"{number}.png").write_bytes(encode((pixels * 0.7 + 20).astype(np.uint8), ".png"))
    return folder


@pytest.fixture
def found(ridge, films, tmp_path):
    """Let an owner answer in their way, and find it by a graph of theirs."""

    def run(spec=PLAIN, values=PixelValues(), *, stated=None, header="probability", change=None, by=None, **dress):  # noqa: B008
        paths = sorted(films.iterdir())
        channels = dress.setdefault("channels", max(len(values.mean), len(values.std)))
        by = by or (lambda path: prepare(decode(path.read_bytes()), spec))
        prepared = np.stack([by(path) for path in paths])
        # Answers on both sides of one half, whatever the owner's way does to the films.
        theirs = replace(ridge, constant=ridge.constant - float(np.median(ridge.logits(prepared))))
        probabilities = 1 / (1 + np.exp(-theirs.logits(prepared)))
        rows = [(path.name, f"{value:.4f}") for path, value in zip(paths, probabilities, strict=True)]
        write(tmp_path / "owner.csv", ("film", header), change(rows) if change else rows)
        description = NetworkDescription.model_validate(
            {"classes": "NORMAL,PNEUMONIA", "negative_class": "NORMAL", **(stated or {})}
        )
        owner = read_owner_outputs(tmp_path / "owner.csv", films, description.classes, description.negative_class)
        foreign = read_graph(graph(theirs, values=values, **dress), description)
        return find_way(foreign, description, owner), channels

    return run


def write(path, header, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (PLAIN, PixelValues()),
        (PLAIN, PixelValues(white=255.0)),
        (PLAIN, PixelValues(black=-1.0)),
        (PLAIN, PixelValues(black=-1024.0, white=1024.0)),
        (PLAIN, PixelValues(mean=IMAGENET_MEAN, std=IMAGENET_STD)),
        (PLAIN, PixelValues("monochrome1")),
        (PLAIN, PixelValues("monochrome1", white=255.0)),
        (PreprocessSpec(size=SIDE, resize="pad"), PixelValues(black=-1.0)),
        (PreprocessSpec(size=SIDE, resize="crop", shorter_side=73), PixelValues(mean=IMAGENET_MEAN, std=IMAGENET_STD)),
        (PreprocessSpec(size=SIDE, resize="crop", shorter_side=64), PixelValues("monochrome1", white=255.0)),
        (PreprocessSpec(size=SIDE, intensity="percentile"), PixelValues()),
        (PreprocessSpec(size=SIDE, interpolation="nearest"), PixelValues("monochrome1")),
        (PreprocessSpec(size=SIDE, clahe=ClaheSpec(clip_limit=2.0)), PixelValues(white=255.0)),
        (PreprocessSpec(size=SIDE, resize="pad", clahe=ClaheSpec(clip_limit=2.0)), PixelValues("monochrome1")),
    ],
    ids=str,
)
def test_the_way_of_the_owner_is_found(found, spec, values) -> None:
    way, channels = found(spec, values)

    actual = way.way.values.scale_and_offset(channels)
    np.testing.assert_allclose(actual, values.scale_and_offset(channels), rtol=0.02, atol=0.02)
    assert way.way.spec == spec
    assert way.notes[0].startswith("preprocessing found: off by 0.00")


@pytest.mark.parametrize("shorter_side", [SIDE, 73])
def test_a_crop_that_torchvision_and_pillow_made_is_found(found, shorter_side) -> None:
    steps = Compose([Grayscale(), Resize(shorter_side), CenterCrop(SIDE), ToTensor()])

    way, _ = found(by=lambda path: steps(Image.open(path)).numpy())

    assert (way.way.spec.resize, way.way.spec.cropped_side) == ("crop", shorter_side)


def test_a_crop_of_less_than_any_usual_side_is_refused_where_the_graph_states_none(ridge) -> None:
    description = NetworkDescription.model_validate({"classes": "A,B", "resize": "crop", "shorter_side": 40})
    foreign = read_graph(graph(ridge), description)
    of_any_side = replace(foreign, image=replace(foreign.image, side=None))

    with pytest.raises(BundleError, match="--shorter-side 40 is below every usual side of films; state --size too"):
        list(possible_ways(of_any_side, description))


def test_a_scaling_of_the_owner_s_own_is_fitted(found) -> None:
    values = PixelValues(mean=(0.31,), std=(0.17,))

    way, _ = found(PLAIN, values)

    np.testing.assert_allclose(way.way.values.scale_and_offset(1), values.scale_and_offset(1), rtol=0.1)


def test_pixels_as_whole_numbers_are_found_too(found) -> None:
    way, _ = found(PLAIN, PixelValues("monochrome1", white=255.0), kind=TensorProto.UINT8)

    assert way.way.values == PixelValues("monochrome1", white=255.0)


def test_two_sigmoids_are_compared_as_their_owner_answers(found) -> None:
    way, _ = found(PLAIN, PixelValues(white=255.0), head="sigmoid2", header="PNEUMONIA")

    assert way.way.values.white == 255.0


def test_the_side_of_a_graph_that_states_none_is_found(found) -> None:
    way, _ = found(PLAIN, PixelValues(), side="side")

    assert way.way.spec.size == SIDE


def test_what_the_owner_states_is_held(found) -> None:
    with pytest.raises(BundleError, match="none of 32 ways to prepare films") as refused:
        found(PLAIN, PixelValues(white=255.0), stated={"value_range": "0..1"})

    assert "0..255" not in str(refused.value)


def test_answers_of_no_known_way_are_refused_with_what_was_tried(found) -> None:
    def shuffled(rows):
        return [(name, value) for (name, _), (_, value) in zip(rows, rows[3:] + rows[:3], strict=True)]

    with pytest.raises(BundleError) as refused:
        found(change=shuffled)

    lines = str(refused.value).splitlines()
    assert "ways to prepare films gives the owner's probabilities within 0.02 in the mean" in lines[0]
    assert lines[1].strip().startswith("off by 0.")
    assert len(lines) == 12


def test_classes_that_are_exchanged_are_named(found) -> None:
    with pytest.raises(BundleError, match=r"agree with the classes exchanged only .* give --classes PNEUMONIA,NORMAL"):
        found(head="reversed_pair", stated={"value_range": "0..1", "polarity": "monochrome2"})


def test_a_film_s_name_below_another_folder_and_semicolons_are_read(ridge, films, tmp_path) -> None:
    lines = [f"elsewhere/{number}.png;{number / 20}" for number in range(20)]
    (tmp_path / "owner.csv").write_text("﻿Filename;Pneumonia\r\n" + "\r\n".join(lines), encoding="utf-8")

    owner = read_owner_outputs(tmp_path / "owner.csv", films, ("NORMAL", "PNEUMONIA"), None)

    assert owner.films[3] == films / "3.png"
    np.testing.assert_array_equal(owner.probabilities[3], [np.nan, 0.15])


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (("film", "answer"), [("0.png", "0.5")], "it needs the columns film,probability, or film and one for each of"),
        (("film", "probability"), [("0.png", "1.5")], "line 2: probability is '1.5', not a number in 0..1"),
        (("film", "probability"), [("none.png", "0.5")], "line 2: no film, or more than one, is called none.png"),
        (("film", "probability"), [("0.png", "0.5"), ("1.png",)], "line 3: 1 cells"),
        (("film", "probability"), [("0.png", "0.1"), ("1.png", "0.9")], "has 2 films; give at least 10"),
        (
            ("film", "probability"),
            [(f"{number}.png", "0.99") for number in range(12)],
            "lie within 0.000, where any preprocessing would agree",
        ),
    ],
    ids=str,
)
def test_a_table_that_cannot_be_used_is_refused_by_line(films, tmp_path, header, rows, message) -> None:
    write(tmp_path / "owner.csv", header, rows)

    with pytest.raises(TrainingDataError) as refused:
        read_owner_outputs(tmp_path / "owner.csv", films, ("NORMAL", "PNEUMONIA"), "NORMAL")

    assert message in str(refused.value)


def test_a_network_is_adopted_as_its_owner_s_answers_show(adopt, theirs, ridge, tmp_path) -> None:
    onnx.save(graph(ridge, values=PixelValues("monochrome1", white=255.0), head="sigmoid"), tmp_path / "dark.onnx")
    paths = sorted((theirs.films / "val").rglob("*.jpeg"))[20:80:2]
    write(
        tmp_path / "owner.csv",
        ("film", "probability"),
        [
            (path.relative_to(theirs.films), value)
            for path, value in zip(paths, ridge.probabilities(paths), strict=True)
        ],
    )

    code, printed, errors, directory = adopt(
        replace(theirs, graph=tmp_path / "dark.onnx"),
        mean=None,
        std=None,
        size=None,
        owner_outputs=tmp_path / "owner.csv",
    )
    provenance = verify_bundle(directory)[0].manifest.provenance

    assert (code, errors) == (0, "")
    found = "preprocessing found: off by 0.000 in the mean, 0.000 at most: 64, squash, area, full_range, no CLAHE, "
    assert f"{found}0..255, monochrome1" in printed
    assert "these films do not tell squash from crop of 64 or pad: state it if you know" in printed
    assert "these films do not tell area from cubic or linear or nearest: state it if you know" in printed
    assert any(line.startswith("preprocessing found") for line in provenance.reading)
