"""A bundle is whole and proven, or it is not there."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Never

import numpy as np
import pytest

from bundle.golden import pack, read_golden
from bundle.opening import open_bundle
from export.export import ExportOptions, SilentReporter, write_bundle
from export.gates.parity import ParityReport
from export.place import Place
from export.publish import point_to, publish, verify_bundle
from schemas.errors import BundleError, ParityError
from schemas.model.manifest import BundleManifest
from tests.export.untrained import CLASSES, SIDE, UntrainedTrial, small_network, trial_of


def write(trial, out, name="chest", version="1.0.0"):
    return write_bundle(trial, Place(name=name, version=version, out=out))


class KeptReports(SilentReporter):
    """Keeps the reports of the parity gate."""

    def __init__(self) -> None:
        self.reports = []

    def parity(self, report) -> None:
        self.reports.append(report)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def copy(bundle, tmp_path) -> Path:
    """A bundle that a test may damage."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in bundle.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def restate(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its hash in the manifest: what only the golden set can notice."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_holds_its_six_files_and_nothing_else_is_left(models) -> None:
    assert tree(models) == [
        "chest",
        "chest/1.0.0",
        "chest/1.0.0/MODEL_CARD.json",
        "chest/1.0.0/MODEL_CARD.md",
        "chest/1.0.0/golden.npz",
        "chest/1.0.0/manifest.json",
        "chest/1.0.0/model.onnx",
        "chest/1.0.0/statistics.npz",
        "current",
    ]
    assert (models / "current").read_text() == "chest/1.0.0\n"


def test_other_users_may_read_a_bundle(bundle) -> None:
    mask = os.umask(0)
    os.umask(mask)

    assert bundle.stat().st_mode & 0o777 == 0o777 & ~mask


def test_the_manifest_survives_the_way_to_the_disk_and_back(bundle, trial) -> None:
    manifest = open_bundle(bundle).manifest
    record = trial.record

    assert BundleManifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert (manifest.name, manifest.version, manifest.classes) == ("chest", "1.0.0", CLASSES)
    assert manifest.evaluation == (record.validation, record.test)
    assert (manifest.calibration, manifest.provenance) == (record.calibration, record.provenance)
    assert manifest.graph.model_dump() == {
        "opset": 20,
        "embedding_size": 64,
        "cam_layer": "trunk",
        "cam_grid": (16, 16),
        "fine_layer": None,
        "fine_grid": None,
        "max_batch": 32,
    }


def test_the_statistics_are_those_of_the_trial(bundle, trial) -> None:
    with np.load(bundle / "statistics.npz", allow_pickle=False) as stored:
        assert {name: stored[name].tolist() for name in stored} == {
            name: array.tolist() for name, array in trial.statistics.items()
        }


def test_a_trial_without_statistics_and_test_figures_makes_a_bundle_without_them(tmp_path) -> None:
    trial = trial_of(small_network(), architecture="cnn_baseline", side=SIDE, distribution=False)
    trial = UntrainedTrial(
        trial.record.model_copy(update={"test": None}), trial.network, None, trial.films, trial.labels
    )
    reporter = KeptReports()

    folder = write_bundle(
        trial, Place(name="chest", version="1.0.0", out=tmp_path / "models"), ExportOptions(), reporter
    )

    assert "statistics.npz" not in tree(folder)
    assert not (tmp_path / "models" / "current").exists()
    assert [evaluation.data for evaluation in open_bundle(folder).manifest.evaluation] == ["validation"]
    assert [type(report) for report in reporter.reports] == [ParityReport]


def test_a_version_that_exists_is_never_replaced(trial, models, bundle) -> None:
    before = (bundle / "manifest.json").read_bytes()

    with pytest.raises(BundleError, match=r"chest/1\.0\.0 exists .* choose a new version"):
        write(trial, models)
    assert (bundle / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    "names", [{"name": "../up"}, {"name": ".hidden"}, {"name": "Chest"}, {"version": "1/0"}, {"version": ""}]
)
def test_a_name_that_is_no_plain_name_is_refused(trial, tmp_path, names) -> None:
    with pytest.raises(BundleError, match="choose another"):
        write(trial, tmp_path / "models", **names)
    assert tree(tmp_path) == []


@pytest.mark.parametrize("version", ["old", "2.0.0.bak", "final-2"])
def test_a_version_that_no_service_would_list_is_refused(trial, tmp_path, version) -> None:
    with pytest.raises(BundleError, match=f"'{version}' is not a version; name it as 2.0.0"):
        write(trial, tmp_path / "models", version=version)
    assert tree(tmp_path) == []


def test_nothing_is_written_when_the_graph_fails_the_parity_gate(tmp_path) -> None:
    trial = trial_of(small_network(), architecture="cnn_baseline", side=SIDE, distribution=False)
    trial.network.classifier.weight.data[0, 0] = float("nan")

    with pytest.raises(ParityError, match=r"^logits at batch 1 is off by inf"):
        write(trial, tmp_path / "models")
    assert tree(tmp_path) == []


def test_a_record_that_contradicts_itself_makes_no_bundle(tmp_path, trial) -> None:
    without = UntrainedTrial(trial.record, trial.network, None, trial.films, trial.labels)

    with pytest.raises(BundleError, match=r"files must list statistics\.npz; train and calibrate again"):
        write(without, tmp_path / "models")
    assert tree(tmp_path) == []


def files_of(bundle):
    return {path.name: path.read_bytes() for path in bundle.iterdir()}


@pytest.mark.parametrize("failure", ["rename", "fsync"])
def test_a_failure_at_the_end_leaves_nothing_behind(bundle, tmp_path, monkeypatch, failure) -> None:
    def no_space(*_arguments) -> Never:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((Path, "rename") if failure == "rename" else (os, "fsync")), no_space)

    with pytest.raises(BundleError, match=r"cannot be written .*No space left on device"):
        publish(files_of(bundle), tmp_path / "models" / "chest" / "1.0.0")
    assert [entry for entry in tree(tmp_path / "models") if entry != "chest"] == []


def test_files_that_are_no_sound_bundle_are_never_visible(bundle, tmp_path) -> None:
    with pytest.raises(BundleError, match=r"golden\.npz has .* bytes"):
        publish({**files_of(bundle), "golden.npz": b""}, tmp_path / "chest" / "1.0.0")
    assert tree(tmp_path) == []


def test_of_two_exports_of_one_version_the_second_to_end_is_refused(bundle, tmp_path) -> None:
    first = tmp_path / "chest" / "1.0.0"
    first.mkdir(parents=True)
    (first / "manifest.json").write_text("the other's")

    with pytest.raises(BundleError, match=r"cannot be written .*not empty"):
        publish(files_of(bundle), first)
    assert tree(tmp_path) == ["chest", "chest/1.0.0", "chest/1.0.0/manifest.json"]
    assert (first / "manifest.json").read_text() == "the other's"


def test_current_changes_only_when_asked(trial, tmp_path) -> None:
    current = tmp_path / "current"
    current.write_text("older/0.9\n")

    folder = write(trial, tmp_path)
    untouched = current.read_text()
    point_to(folder)

    assert untouched == "older/0.9\n"
    assert current.read_text() == "chest/1.0.0\n"
    assert tree(tmp_path)[-1] == "current"


def test_current_keeps_its_content_when_it_cannot_be_replaced(tmp_path) -> None:
    (tmp_path / "current" / "is a folder").mkdir(parents=True)

    with pytest.raises(BundleError, match="current cannot be written"):
        point_to(tmp_path / "chest" / "1.0.0")


def test_a_sound_bundle_verifies(copy) -> None:
    opened, differences = verify_bundle(copy)

    assert opened.manifest.version == "1.0.0"
    assert list(differences) == ["fp32"]
    assert differences["fp32"] < 1e-5


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "statistics.npz", "MODEL_CARD.md", "MODEL_CARD.json"])
def test_a_flipped_byte_in_any_file_is_found(copy, name) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)

    with pytest.raises(BundleError, match=rf"{name} has sha256 .* it was altered"):
        verify_bundle(copy)


def test_a_network_exchanged_together_with_its_hash_fails_on_the_golden_films(copy, tmp_path) -> None:
    other = small_network()
    other.classifier.weight.data[0] *= 1.1
    trial = trial_of(other, architecture="cnn_baseline", side=SIDE, distribution=False)
    restate(copy, "model.onnx", (write(trial, tmp_path / "other") / "model.onnx").read_bytes())

    with pytest.raises(BundleError, match="golden logits: off by"):
        verify_bundle(copy)


def test_golden_films_exchanged_together_with_their_hash_fail(copy) -> None:
    golden = dict(read_golden(open_bundle(copy)))
    restate(copy, "golden.npz", pack({**golden, "radiographs": golden["radiographs"][::-1]}))

    with pytest.raises(BundleError, match="golden inputs: off by"):
        verify_bundle(copy)
