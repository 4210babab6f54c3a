"""Rules of the names of files that a store states: none of them leads out of the cache."""

import json
from hashlib import sha256

import pytest

from bundle.stores.artifact import TITLE, canonical, descriptor
from schemas.errors import BundleError
from schemas.model.manifest import MANIFEST
from tests.bundle.stores.conftest import Shelf
from tests.service.bundles import write_tiny_bundle

STRANGE = b"written by somebody else"


def state_also(shelf: Shelf, name: str) -> None:
    """Let the bundle of the tag have one more file; every hash is right."""
    media_type, content = shelf.registry.manifests["stable"]
    document = json.loads(content)
    layer = next(each for each in document["layers"] if each["annotations"][TITLE] == MANIFEST)
    stated = json.loads(shelf.registry.blobs[layer["digest"]])
    stated["files"][name] = {"sha256": sha256(STRANGE).hexdigest(), "size_bytes": len(STRANGE)}
    manifest = json.dumps(stated).encode()
    layer |= descriptor(layer["mediaType"], manifest)
    more = {**descriptor("application/octet-stream", STRANGE), "annotations": {TITLE: name}}
    document["layers"].append(more)
    shelf.registry.blobs |= {layer["digest"]: manifest, more["digest"]: STRANGE}
    root = canonical(document)
    shelf.registry.manifests |= {
        "stable": (media_type, root),
        f"sha256:{sha256(root).hexdigest()}": (media_type, root),
    }


@pytest.mark.parametrize(
    "name",
    ["../../../outside", "../outside", "ABSOLUTE", "a/b", "..", ".", "", ".hidden", "a\\b", "a\nb", "a\n", "x" * 256],
)
def test_a_name_that_is_not_plain_is_refused_before_anything_is_written(name, shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    state_also(shelf, name.replace("ABSOLUTE", str(tmp_path / "outside")))
    before = set(tmp_path.rglob("*"))

    with pytest.raises(BundleError, match=r"manifest\.json does not describe a bundle: 'files\..*should match pattern"):
        shelf.mirror().synchronise()
    assert set(tmp_path.rglob("*")) - before == {shelf.cache}


def test_a_plain_name_that_no_manifest_knew_before_is_copied(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    state_also(shelf, "Notes_2-a.txt")
    mirror = shelf.mirror()
    mirror.synchronise()

    assert (mirror.view / "tiny/1.0.0/Notes_2-a.txt").read_bytes() == STRANGE
