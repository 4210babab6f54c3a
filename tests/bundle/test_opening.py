"""Rules of a bundle: what its manifest must say, and that every file is what the manifest says."""

import json
import os
import zipfile
from pathlib import Path
from time import process_time

import pytest

from bundle.files import sha256_of
from bundle.opening import open_bundle
from schemas.errors import BundleError
from schemas.model.manifest import GOLDEN, GRAPH, MANIFEST, MODEL_CARD
from tests.service.bundles import guide_fields, replace_file, write_tiny_bundle


@pytest.fixture
def directory(tmp_path):
    return write_tiny_bundle(tmp_path)


def edit(directory, **changes) -> None:
    """Change fields of the manifest; a callable gets the old value."""
    path = directory / MANIFEST
    content = json.loads(path.read_text())
    for field, change in changes.items():
        content[field] = change(content[field]) if callable(change) else change
    path.write_text(json.dumps(content))


def test_a_bundle_is_identified_by_the_hash_of_its_manifest(directory) -> None:
    bundle = open_bundle(directory)

    assert bundle.sha256 == sha256_of(directory / MANIFEST)
    assert bundle.manifest.findings == ("PNEUMONIA",)


def test_a_bundle_without_negative_class_has_findings_alone(directory) -> None:
    point = open_bundle(directory).manifest.calibration.operating_points[0].model_dump()
    edit(
        directory,
        negative_class=None,
        calibration=lambda old: {
            **old,
            "operating_points": [{**point, "finding": name} for name in ("NORMAL", "PNEUMONIA")],
        },
    )

    assert open_bundle(directory).manifest.findings == ("NORMAL", "PNEUMONIA")


@pytest.mark.parametrize("name", [GRAPH, GOLDEN, MODEL_CARD])
def test_one_flipped_bit_in_any_file_is_refused(directory, name) -> None:
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)

    with pytest.raises(BundleError, match=f"{name} has sha256 .* it was altered"):
        open_bundle(directory)


TORCH = {"timm_name": "resnet18", "cam_layer": None, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (TORCH, r"files must list weights\.safetensors"),
        (TORCH | {"std": [0.25]}, "mean has 3 channels and std 1"),
        (TORCH | {"std": [0.25, 0.25, 0.0]}, "greater than 0"),
        (TORCH | {"timm_name": "hf-hub:timm/resnet18"}, "should match pattern"),
    ],
)
def test_a_description_for_torch_is_whole_and_no_address(directory, described, message) -> None:
    edit(directory, torch=described)

    with pytest.raises(BundleError, match=message):
        open_bundle(directory)


def test_a_file_that_is_changed_after_the_bundle_was_opened_is_refused_when_it_is_read(directory) -> None:
    bundle = open_bundle(directory)
    card = directory / MODEL_CARD
    whole = card.read_bytes()

    assert bundle.read(MODEL_CARD) == whole
    card.write_bytes(whole[:-1] + b"!")
    with pytest.raises(BundleError, match="it was altered"):
        bundle.read(MODEL_CARD)
    card.unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        bundle.read(MODEL_CARD)
    with pytest.raises(BundleError, match=r"does not list weights\.onnx"):
        bundle.read("weights.onnx")


def test_a_truncated_file_is_refused_by_its_size(directory) -> None:
    content = (directory / GRAPH).read_bytes()
    (directory / GRAPH).write_bytes(content[:-1])

    with pytest.raises(BundleError, match=f"{GRAPH} has {len(content) - 1} bytes, its manifest states {len(content)}"):
        open_bundle(directory)


def test_a_missing_file_is_refused(directory) -> None:
    (directory / GOLDEN).unlink()

    with pytest.raises(BundleError, match=f"{GOLDEN} is missing"):
        open_bundle(directory)


def test_a_folder_without_manifest_is_refused(directory) -> None:
    (directory / MANIFEST).unlink()

    with pytest.raises(BundleError, match=f"{MANIFEST} cannot be read"):
        open_bundle(directory)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", ".hidden", ""])
def test_a_file_outside_the_bundle_is_refused(directory, name) -> None:
    edit(directory, files=lambda old: {**old, name: old[GRAPH]})

    with pytest.raises(BundleError, match="not a plain file name"):
        open_bundle(directory)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format_version": 2}, "format_version"),
        ({"classes": ["NORMAL", "NORMAL"]}, "classes repeat"),
        ({"negative_class": "HEALTHY"}, "negative_class 'HEALTHY' is not one of"),
        ({"negative_class": None}, "must name each finding"),
        ({"classes": ["NORMAL", "PNEUMONIA", "TB"]}, "must name each finding"),
        ({"activation": "sigmoid"}, "cut-offs must name each of .*'no finding'"),
        (
            {"activation": "sigmoid", "calibration": lambda old: {**old, "out_of_distribution": None}},
            "sigmoid needs the first two for each class",
        ),
        (
            guide_fields() | {"population": {"name": "adult", "least_age_years": 18}},
            "the population is adult, and the guide accepts child",
        ),
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"name": "../tiny"}, "name: String should match"),
        ({"files": lambda old: {GRAPH: old[GRAPH]}}, f"files must list {GOLDEN}"),
        (
            {"calibration": lambda old: {**old, "conformal": {"alpha": 0.1, "quantiles": {"NORMAL": 0.5}}}},
            "conformal quantiles must name each class",
        ),
        (
            {
                "calibration": lambda old: {
                    **old,
                    "out_of_distribution": {"cutoffs": {"NORMAL": 1}, "accepted_share": 0.9},
                }
            },
            "cut-offs must name each of",
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused_with_the_reason(directory, changes, reason) -> None:
    edit(directory, **changes)

    with pytest.raises(BundleError, match=reason):
        open_bundle(directory)


def other_kind(make):
    """Put something else in the place of a file."""

    def replace(path) -> None:
        path.unlink()
        make(path)

    return replace


def sparse(path) -> None:
    path.touch()
    os.truncate(path, 30 * 1024**3)


@pytest.mark.parametrize("name", [MANIFEST, GRAPH, GOLDEN])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file|Is a directory"),
        (sparse, "has 32212254720 bytes"),
        (lambda path: path.symlink_to("/dev/zero"), "a link that leads out of"),
        (lambda path: path.symlink_to("/etc/hostname"), "a link that leads out of"),
        (lambda path: path.symlink_to(path.name), "cannot be read|is missing"),
    ],
    ids=["pipe", "folder", "sparse 30 GB", "device", "link out", "link to itself"],
)
def test_what_is_not_a_regular_file_of_the_folder_is_refused_by_looking_at_it_alone(
    directory, name, make, reason
) -> None:
    other_kind(make)(directory / name)
    before = process_time()

    with pytest.raises(BundleError, match=reason):
        open_bundle(directory)
    assert process_time() - before < 1


def test_a_sparse_file_whose_size_the_manifest_states_is_not_read(directory) -> None:
    size = 30 * 1024**3
    edit(directory, files=lambda files: {**files, "weights.bin": {"sha256": "0" * 64, "size_bytes": size}})
    sparse(directory / "weights.bin")

    with pytest.raises(BundleError, match=r"states 322\d+ bytes in all, at most 4294967296 are read"):
        open_bundle(directory)


def test_many_large_files_are_refused_by_what_the_manifest_states(directory) -> None:
    size = 2 * 1024**3
    files = {f"weights{number}.bin": {"sha256": "0" * 64, "size_bytes": size} for number in range(3)}
    edit(directory, files=lambda present: present | files)
    for name in files:
        (directory / name).touch()
        os.truncate(directory / name, size)

    with pytest.raises(BundleError, match=r"states 6\d{9} bytes in all, at most 4294967296"):
        open_bundle(directory)


def test_links_that_stay_in_the_folder_are_followed_as_kubernetes_mounts_files_by_them(directory) -> None:
    (directory / "..data").mkdir()
    for path in [path for path in directory.iterdir() if path.is_file()]:
        path.rename(directory / "..data" / path.name)
        path.symlink_to(f"..data/{path.name}")

    assert open_bundle(directory).read(MODEL_CARD)


def test_a_manifest_is_not_read_where_it_is_larger_than_any_before_its_signature_is_checked(directory) -> None:
    os.truncate(directory / MANIFEST, 2 * 1024**3)

    with pytest.raises(BundleError, match=f"{MANIFEST} cannot be read .it has 2147483648 bytes, at most 4194304"):
        open_bundle(directory, lambda content: pytest.fail(f"{len(content)} bytes were read"))


def test_a_manifest_of_very_many_files_is_refused(directory) -> None:
    record = {"sha256": "0" * 64, "size_bytes": 0}
    edit(directory, files=lambda files: {**files, **{f"f{number}": record for number in range(100)}})

    with pytest.raises(BundleError, match=r"lists 10\d files, at most 64"):
        open_bundle(directory)


def test_arrays_that_unpack_to_gigabytes_are_refused_by_the_directory_of_their_archive(directory) -> None:
    with (
        zipfile.ZipFile(directory / GOLDEN, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("inputs.npy", "w", force_zip64=True) as stream,
    ):
        for _ in range(5 * 64):
            stream.write(bytes(1024 * 1024 * 2))
    replace_file(directory, GOLDEN, (directory / GOLDEN).read_bytes())
    before = process_time()

    with pytest.raises(BundleError, match=f"{GOLDEN} unpacks to 671088640 bytes in 1 arrays, at most 536870912"):
        open_bundle(directory).read_arrays(GOLDEN, ["inputs"])
    assert process_time() - before < 1
