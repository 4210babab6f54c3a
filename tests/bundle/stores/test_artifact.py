"""Rules of the form of a bundle in a registry."""

import json
import shutil

from bundle.stores.artifact import artifact_documents, digest_of, index_document
from bundle.stores.pushing import read_shipment

RAW = "application/vnd.cncf.model"


def documents(folder):
    ((bundle, content),) = read_shipment(folder).bundles.values()
    return artifact_documents(content, bundle.manifest)


def test_a_bundle_is_an_artifact_of_modelpack(tiny_set) -> None:
    config, manifest = map(json.loads, documents(tiny_set / "tiny" / "1.0.0"))
    types = {layer["annotations"]["org.opencontainers.image.title"]: layer["mediaType"] for layer in manifest["layers"]}

    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    assert types == {
        "MODEL_CARD.md": f"{RAW}.doc.v1.raw",
        "golden.npz": f"{RAW}.weight.config.v1.raw",
        "manifest.json": f"{RAW}.weight.config.v1.raw",
        "model.onnx": f"{RAW}.weight.v1.raw",
        "statistics.npz": f"{RAW}.weight.config.v1.raw",
    }
    assert all(
        layer["annotations"]["org.cncf.model.filepath"] == layer["annotations"]["org.opencontainers.image.title"]
        for layer in manifest["layers"]
    )
    assert config["descriptor"]["name"] == "tiny"
    assert config["modelfs"] == {"type": "layers", "diffIds": [layer["digest"] for layer in manifest["layers"]]}


def test_the_same_bundle_gives_the_same_digest_wherever_it_lies(tiny_set, tmp_path) -> None:
    copied = tmp_path / "elsewhere"
    shutil.copytree(tiny_set / "tiny" / "1.0.0", copied, copy_function=shutil.copyfile)  # other times and modes
    (copied / "model.onnx").chmod(0o600)

    assert documents(copied) == documents(tiny_set / "tiny" / "1.0.0")


def test_an_index_depends_on_its_bundles_and_on_nothing_else(tiny_set) -> None:
    manifests = {"tiny/1.0.0": b"{}", "children/2.0.0": b"{ }"}
    index = index_document(manifests, "tiny/1.0.0")

    assert index == index_document(dict(reversed(manifests.items())), "tiny/1.0.0")
    assert digest_of(index) != digest_of(index_document(manifests, None))
    assert [each["digest"] for each in json.loads(index)["manifests"]] == [digest_of(b"{ }"), digest_of(b"{}")]
