"""Rules of the models directory and of loading a bundle."""

import io
import json
import os
import shutil

import numpy as np
import pytest

from schemas.errors import BundleError, NotFoundError
from schemas.model.manifest import GOLDEN, GRAPH, MANIFEST, MODEL_CARD
from service.engine.engine import OnnxEngine
from service.models.loading import BundleLoader
from service.models.registry import BundleAddress, BundleRegistry
from service.settings import EngineSettings
from tests.service.bundles import change_manifest, replace_file, write_tiny_bundle
from tests.service.network import graph, tiny_network


def loaded(models_dir, model=None):
    registry = BundleRegistry(models_dir, model)
    return BundleLoader(OnnxEngine.open, EngineSettings()).load(registry.open(registry.candidates()[0]))


def changed_golden(directory, **changes) -> None:
    arrays = dict(np.load(directory / GOLDEN)) | changes
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    replace_file(directory, GOLDEN, buffer.getvalue())


@pytest.fixture
def several(tmp_path):
    for name, version in (("chest", "1.9.0"), ("chest", "1.10.0"), ("adult", "2.0.0")):
        write_tiny_bundle(tmp_path, name=name, version=version)
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_bundles_are_listed_by_name_and_from_the_oldest_version_to_the_newest(several) -> None:
    known = [str(address) for address in BundleRegistry(several, None).known()]

    assert known == ["adult/2.0.0", "chest/1.9.0", "chest/1.10.0"]


@pytest.mark.parametrize(
    ("model", "chosen"),
    [(None, "adult/2.0.0"), ("chest", "chest/1.10.0"), ("chest/1.9.0", "chest/1.9.0")],
)
def test_the_setting_chooses_and_without_it_current_does(several, model, chosen) -> None:
    assert str(BundleRegistry(several, model).candidates()[0]) == chosen


@pytest.mark.parametrize("model", ["heart", "chest/3.0.0"])
def test_a_choice_that_is_not_there_is_refused(several, model) -> None:
    with pytest.raises(BundleError, match=f"{model} is not in the models directory"):
        BundleRegistry(several, model).candidates()[0]


@pytest.mark.parametrize("content", [None, b"chest/9\n", b"\xff\xfe"])
def test_without_a_usable_current_nothing_is_guessed(several, content) -> None:
    (several / "current").unlink()
    if content is not None:
        (several / "current").write_bytes(content)

    with pytest.raises(BundleError, match="current"):
        BundleRegistry(several, None).candidates()[0]


def chest_with(folder, *versions):
    """A models directory with whole bundles in folders of these names, whatever their manifests say."""
    whole = write_tiny_bundle(folder / "elsewhere", name="chest", version="2.0.0")
    for version in versions:
        shutil.copytree(whole, folder / "models" / "chest" / version)
    return folder / "models"


def test_what_is_not_a_version_is_somebodys_own_folder(tmp_path) -> None:
    others = ("old", "2.0.0.bak", "2.0.0.old", "2.0.0-copy", "copy of 2.0.0", "backup", ".3.0.0", "latest", "2.0.0~")
    models = chest_with(tmp_path, "2.0.0", *others)
    for hidden in (".unpublished-x1", ".unfinished-bundle", ".git"):
        shutil.copytree(models / "chest", models / hidden)

    assert [str(address) for address in BundleRegistry(models, "chest").known()] == ["chest/2.0.0"]
    assert [str(address) for address in BundleRegistry(models, "chest").candidates()] == ["chest/2.0.0"]


def test_every_final_version_goes_before_every_pre_release(tmp_path) -> None:
    versions = ("2.0.0-rc1", "2.0.0-rc10", "2.0.0-rc2", "3.0.0-beta.1", "1.9.0", "2.0.0", "1.10.0", "2.0.0-dev1", "10")
    models = chest_with(tmp_path, *versions)
    chosen = [address.version for address in BundleRegistry(models, "chest").candidates()]

    assert chosen == [
        "10",
        "2.0.0",
        "1.10.0",
        "1.9.0",
        "3.0.0-beta.1",
        "2.0.0-rc10",
        "2.0.0-rc2",
        "2.0.0-rc1",
        "2.0.0-dev1",
    ]


def test_a_bundle_that_is_being_copied_is_neither_listed_nor_taken_by_its_name(tmp_path) -> None:
    models = chest_with(tmp_path, "2.0.0", "3.0.0")
    (models / "chest" / "3.0.0" / GRAPH).unlink()
    registry = BundleRegistry(models, "chest")

    assert [str(address) for address in registry.known()] == ["chest/2.0.0"]
    assert [str(address) for address in registry.candidates()] == ["chest/2.0.0"]
    with pytest.raises(BundleError, match=f"{GRAPH} is missing"):
        registry.open(BundleAddress("chest", "3.0.0"))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfchest/1.9.0\r\n",
        "\ufeffchest/1.9.0\n".encode("utf-16-le"),
        "\ufeffchest/1.9.0\n".encode("utf-16-be"),
        b"chest/1.9.0/\n",
        b"\n  chest/1.9.0\t\n\n",
        b"# 2.0.0 was withdrawn\nchest/1.9.0  # until it is mended\n",
        b"chest/1.9.0",
    ],
)
def test_current_is_read_as_editors_of_all_systems_write_it(several, content) -> None:
    (several / "current").write_bytes(content)

    assert str(BundleRegistry(several, None).candidates()[0]) == "chest/1.9.0"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "names 0 bundles"), (b"# none\n", "names 0"), (b"chest/1.9.0\nadult/2.0.0\n", "names 2")],
)
def test_a_current_that_does_not_name_one_bundle_is_refused(several, content, reason) -> None:
    (several / "current").write_bytes(content)

    with pytest.raises(BundleError, match=reason):
        BundleRegistry(several, None).candidates()


def test_a_current_that_is_a_pipe_or_endless_is_refused_and_not_waited_for(several) -> None:
    current = several / "current"
    current.unlink()
    os.mkfifo(current)
    with pytest.raises(BundleError, match="it is not a regular file"):
        BundleRegistry(several, None).candidates()
    current.unlink()
    current.touch()
    os.truncate(current, 2 * 1024**3)

    with pytest.raises(BundleError, match="has 2147483648 bytes, at most 4096 are read"):
        BundleRegistry(several, None).candidates()


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "another inode"])
def test_other_content_of_the_same_size_and_time_is_noticed(several, in_place) -> None:
    registry = BundleRegistry(several, None)
    before = registry.look()
    path = several / "adult" / "2.0.0" / GRAPH
    was = path.stat()
    content = path.read_bytes()[::-1]
    if not in_place:
        path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))

    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert registry.look() != before


def test_a_missing_models_directory_holds_no_bundles(tmp_path) -> None:
    registry = BundleRegistry(tmp_path / "none", None)

    assert registry.known() == ()
    with pytest.raises(BundleError):
        registry.candidates()[0]


@pytest.mark.parametrize(("name", "version"), [("chest", "2.0.0"), ("..", ".."), ("", ""), ("notes", "1")])
def test_only_what_was_found_can_be_opened(several, name, version) -> None:
    with pytest.raises(NotFoundError):
        BundleRegistry(several, None).open(BundleAddress(name, version))


def test_a_bundle_under_another_name_than_its_own_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    directory.rename(directory.parent / "2.0.0")

    with pytest.raises(BundleError, match=r"tiny/2\.0\.0 calls itself tiny/1\.0\.0"):
        BundleRegistry(tmp_path, None).open(BundleAddress("tiny", "2.0.0"))


def test_a_correct_bundle_loads_and_its_selftest_error_is_that_of_rounding(tiny_models) -> None:
    bundle = loaded(tiny_models)

    assert bundle.reference.name == "tiny"
    assert bundle.reference.sha256 == bundle.bundle.sha256
    assert 0 <= bundle.selftest_error < 1e-5


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize("statistics", [True, False])
def test_bundles_without_maps_or_statistics_load(tmp_path, maps, statistics) -> None:
    write_tiny_bundle(tmp_path, maps=maps, statistics=statistics)

    assert (loaded(tmp_path).statistics is not None) == statistics


def flip_byte(directory) -> None:
    content = bytearray((directory / GRAPH).read_bytes())
    content[-1] ^= 1
    (directory / GRAPH).write_bytes(content)


def truncate(directory) -> None:
    (directory / GRAPH).write_bytes((directory / GRAPH).read_bytes()[:-1])


def other_weights(directory) -> None:
    network = tiny_network()
    network.head[1] *= 1.01
    replace_file(directory, GRAPH, graph(network).SerializeToString())


def nan_weights(directory) -> None:
    network = tiny_network()
    network.head[1, 0] = np.nan
    replace_file(directory, GRAPH, graph(network).SerializeToString())


def another_class_count(directory) -> None:
    replace_file(directory, GRAPH, graph(tiny_network(classes=3)).SerializeToString())


def another_polarity(directory) -> None:
    changed_golden(directory, radiographs=255 - np.load(directory / GOLDEN)["radiographs"])


def another_resize(directory) -> None:
    change_manifest(directory, preprocess={"size": 32, "resize": "pad"})


def another_size(directory) -> None:
    change_manifest(directory, preprocess={"size": 48})


def another_side_throughout(directory) -> None:
    changed_golden(directory, inputs=np.zeros((2, 1, 48, 48), np.float32), radiographs=np.zeros((2, 48, 48), np.uint8))
    another_size(directory)


def another_temperature(directory) -> None:
    stated = json.loads((directory / MANIFEST).read_text())
    change_manifest(directory, calibration=stated["calibration"] | {"temperature": 1.5})


def another_map(directory) -> None:
    changed_golden(directory, gradcam=np.load(directory / GOLDEN)["gradcam"] * 1.01)


def another_map_grid(directory) -> None:
    changed_golden(directory, gradcam=np.zeros((2, 4, 4), np.float32))


def missing_array(directory) -> None:
    changed_golden(directory, targets=None)


def fewer_targets(directory) -> None:
    changed_golden(directory, targets=np.array([1], np.int64))


def no_films(directory) -> None:
    changed_golden(directory, **{name: array[:0] for name, array in np.load(directory / GOLDEN).items()})


def missing_card(directory) -> None:
    (directory / MODEL_CARD).unlink()


def no_manifest(directory) -> None:
    (directory / MANIFEST).write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (flip_byte, "it was altered"),
        (truncate, "its manifest states"),
        (other_weights, "golden gradcam|golden probabilities|golden logits"),
        (nan_weights, "off by inf"),
        (another_class_count, "not those of the manifest"),
        (another_polarity, "golden inputs: off by"),
        (another_resize, "golden inputs: off by"),
        (another_size, "golden inputs: shape"),
        (another_side_throughout, "does not run here"),
        (another_temperature, "temperature of the probabilities"),
        (another_map, "golden gradcam: off by"),
        (another_map_grid, "golden gradcam: shape"),
        (missing_array, "cannot be read or lacks"),
        (fewer_targets, "one entry of each array for each film"),
        (no_films, "one entry of each array for each film"),
        (missing_card, "is missing"),
        (no_manifest, "not a bundle manifest"),
    ],
)
def test_a_bundle_that_is_not_what_was_exported_never_serves(tmp_path, spoil, reason) -> None:
    spoil(write_tiny_bundle(tmp_path))

    with pytest.raises(BundleError, match=reason):
        loaded(tmp_path)
