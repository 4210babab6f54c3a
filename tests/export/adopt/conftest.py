"""What the owner of a network has, and the command that adopts it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression

from export.__main__ import main
from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.preprocess import PreprocessSpec
from tests.export import linear
from tests.films import write_kermany

SIDE = 64
NETWORK = "test_efficientnet"
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Theirs:
    """What the owner of a network has: an ONNX file with normalised colour input, and the weights."""

    graph: Path
    weights: Path
    films: Path


@pytest.fixture(scope="session")
def theirs(tmp_path_factory) -> Theirs:
    """A network of timm exported in the older, widespread way: names of its owner's choice, three channels."""
    folder = tmp_path_factory.mktemp("theirs")
    torch.manual_seed(7)
    network: Any = timm.create_model(NETWORK, num_classes=2).eval()
    films = write_kermany(folder / "films", patients=26, side=SIDE, splits=("val", "test", "train"))
    _fit_head(network, sorted(films.rglob("*.jpeg")))
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, SIDE, SIDE),),
        input_names=["pixel_values"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    onnx.save(program.model_proto, folder / "theirs.onnx")
    save_file(network.state_dict(), folder / "theirs.safetensors")
    return Theirs(folder / "theirs.onnx", folder / "theirs.safetensors", films)


def _fit_head(network: Any, paths: list[Path]) -> None:
    """Logistic regression on what the untrained network makes of all films: enough to beat the gate."""
    films = np.stack([prepare(decode(path.read_bytes()), PreprocessSpec(size=SIDE)) for path in paths])
    normalised = (films - np.array(MEAN, np.float32)[:, None, None]) / np.array(STD, np.float32)[:, None, None]
    with torch.no_grad():
        features = network.forward_head(network.forward_features(torch.from_numpy(normalised)), pre_logits=True).numpy()
        spread = features.std(axis=0) + 1e-6
        truth = [path.parent.name == "PNEUMONIA" for path in paths]
        model = LogisticRegression(C=1, max_iter=5000).fit((features - features.mean(axis=0)) / spread, truth)
        weight = torch.from_numpy(model.coef_[0] / spread).float()
        network.classifier.weight[:] = torch.stack([-weight / 2, weight / 2])
        constant = float(model.intercept_[0] - (model.coef_[0] / spread) @ features.mean(axis=0))
        network.classifier.bias[:] = torch.tensor([-constant / 2, constant / 2])


@pytest.fixture(scope="session")
def ridge(theirs) -> linear.Ridge:
    """A network whose graph is small and whose answers are known."""
    return linear.fit(theirs.films / "train")


@pytest.fixture
def adopt(theirs, tmp_path, monkeypatch, capsys):
    """Run the command with options instead of, or beside, those that fit: exit code, output, errors, the folder."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(theirs=theirs, *, weights=False, **options):
        chosen = {
            "onnx": theirs.graph,
            "classes": "NORMAL,PNEUMONIA",
            "negative-class": "NORMAL",
            "size": SIDE,
            "mean": ",".join(map(str, MEAN)),
            "std": ",".join(map(str, STD)),
            "films": theirs.films,
            "name": "theirs",
            "version": "1",
            "cache": tmp_path / "cache",
            "out": tmp_path / "models",
            "population": "child",
            "ages": "1..6",
        }
        chosen |= {"timm": NETWORK, "weights": theirs.weights} if weights else {}
        chosen |= {name.replace("_", "-"): value for name, value in options.items()}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        arguments = [part for name, value in chosen.items() for part in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["export", "adopt", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, errors = capsys.readouterr()
        return ended.value.code, out, errors, tmp_path / "models" / "theirs" / "1"

    return run
