"""Rules of the cache: whole sets, every hash checked, nothing of what is half or altered is ever shown."""

import hashlib
import json
import os
import shutil

import pytest

from bundle.opening import open_bundle
from bundle.stores.address import cache_folder
from bundle.stores.mirror import KEPT_BUNDLES
from bundle.stores.source import StoreRefusedError, StoreUnavailableError
from schemas.errors import BundleError
from tests.bundle.stores.conftest import Shelf
from tests.service.bundles import write_tiny_bundle


def shown(mirror):
    """The bundles of the view by their addresses, each opened as the service does."""
    folders = [manifest.parent for manifest in sorted(mirror.view.glob("*/*/manifest.json"))]
    return [f"{bundle.manifest.name}/{bundle.manifest.version}" for bundle in map(open_bundle, folders)]


def current(mirror):
    return (mirror.view / "current").read_text().strip()


def digest_in(shelf: Shelf, ending: str) -> str:
    """Of a file of what the tag names."""
    layers = json.loads(shelf.registry.manifests["stable"][1])["layers"]
    return next(layer["digest"] for layer in layers if layer["annotations"]["org.opencontainers.image.title"] == ending)


def test_one_artifact_becomes_a_models_directory(shelf, tiny_set) -> None:
    shelf.push(tiny_set / "tiny" / "1.0.0")
    mirror = shelf.mirror()
    changes = mirror.synchronise()

    assert (changes.fetched, changes.discarded, changes.is_new) == (["tiny/1.0.0"], [], True)
    assert shown(mirror) == ["tiny/1.0.0"]
    assert current(mirror) == "tiny/1.0.0"


def test_an_index_becomes_a_models_directory_with_its_current_bundle(shelf, tiny_set) -> None:
    shelf.push(tiny_set)
    mirror = shelf.mirror()
    mirror.synchronise()

    assert shown(mirror) == ["children/2.0.0", "tiny/1.0.0"]
    assert current(mirror) == "tiny/1.0.0"
    assert (mirror.view / "tiny" / "1.0.0").resolve().name == "1.0.0"


def test_what_did_not_change_is_asked_for_by_one_head_request(shelf, tiny_set) -> None:
    shelf.push(tiny_set)
    mirror = shelf.mirror()
    mirror.synchronise()
    before = len(shelf.registry.requests)
    changes = mirror.synchronise()

    assert shelf.registry.requests[before:] == [("HEAD", "/v2/cxr/tiny/manifests/stable", None)]
    assert (changes.fetched, changes.is_new) == ([], False)


def test_a_tag_that_moves_is_followed_and_files_that_are_there_stay(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path, version="1.0.0"))
    mirror = shelf.mirror()
    mirror.synchronise()
    serving = open_bundle((mirror.view / "tiny" / "1.0.0").resolve())
    shelf.push(write_tiny_bundle(tmp_path, version="2.0.0"))
    changes = mirror.synchronise()

    assert changes.fetched == ["tiny/2.0.0"]
    assert shown(mirror) == ["tiny/2.0.0"]
    assert current(mirror) == "tiny/2.0.0"
    assert serving.read("MODEL_CARD.md").startswith(b"# tiny")  # what serves is read until another does


def test_a_tag_that_moves_back_brings_nothing_anew(shelf, tmp_path) -> None:
    first, second = (write_tiny_bundle(tmp_path, version=version) for version in ("1.0.0", "2.0.0"))
    mirror = shelf.mirror()
    for folder in (first, second):
        shelf.push(folder)
        mirror.synchronise()
    shelf.push(first)
    changes = mirror.synchronise()

    assert (changes.fetched, changes.is_new) == ([], True)
    assert shown(mirror) == ["tiny/1.0.0"]


def test_a_digest_never_moves_and_is_not_asked_for_again(shelf, tmp_path) -> None:
    pinned = shelf.push(write_tiny_bundle(tmp_path, version="1.0.0"))
    mirror = shelf.mirror(pinned)
    mirror.synchronise()
    shelf.push(write_tiny_bundle(tmp_path, version="2.0.0"))
    before = len(shelf.registry.requests)
    mirror.synchronise()

    assert shown(mirror) == ["tiny/1.0.0"]
    assert len(shelf.registry.requests) == before


def test_the_cache_is_shown_without_the_store(shelf, tiny_set) -> None:
    shelf.push(tiny_set)
    shelf.mirror().synchronise()
    shelf.registry.statuses.extend([500] * 9)
    mirror = shelf.mirror()

    assert mirror.recall() is not None
    assert shown(mirror) == ["children/2.0.0", "tiny/1.0.0"]
    with pytest.raises(StoreUnavailableError, match="answered 500"):
        mirror.synchronise()
    assert shown(mirror) == ["children/2.0.0", "tiny/1.0.0"]


def test_an_empty_cache_shows_nothing(shelf) -> None:
    mirror = shelf.mirror()

    assert mirror.recall() is None
    assert not mirror.view.exists()


def poison_file(view) -> None:
    path = view / "tiny" / "1.0.0" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def poison_consistently(view) -> None:
    """As one does who knows the format: the manifest of the cached bundle is right for the altered file."""
    poison_file(view)
    folder = view / "tiny" / "1.0.0"
    stated = json.loads((folder / "manifest.json").read_text())
    stated["files"]["model.onnx"]["sha256"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(stated))


def add_file(view) -> None:
    (view / "tiny" / "1.0.0" / "more.py").write_text("")


def remove_file(view) -> None:
    (view / "tiny" / "1.0.0" / "golden.npz").unlink()


POISONS = [poison_file, poison_consistently, add_file, remove_file]


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_cache_is_not_shown_without_the_store_and_fetched_anew_with_it(poison, shelf, tiny_set) -> None:
    shelf.push(tiny_set)
    first = shelf.mirror()
    first.synchronise()
    poison(first.view)
    mirror = shelf.mirror()

    assert mirror.recall() is None
    assert not mirror.view.exists()
    changes = mirror.synchronise()
    assert changes.discarded == changes.fetched == ["tiny/1.0.0"]
    assert shown(mirror) == ["children/2.0.0", "tiny/1.0.0"]


@pytest.mark.parametrize("poison", POISONS)
def test_a_cache_that_is_poisoned_while_it_serves_is_mended_at_the_next_look(poison, shelf, tiny_set) -> None:
    shelf.push(tiny_set)
    mirror = shelf.mirror()
    mirror.synchronise()
    poison(mirror.view)
    changes = mirror.synchronise()

    assert changes.discarded == ["tiny/1.0.0"]
    assert shown(mirror) == ["children/2.0.0", "tiny/1.0.0"]


def test_a_bundle_that_was_put_beside_is_not_the_stores(shelf, tiny_set, tmp_path) -> None:
    shelf.push(tiny_set)
    mirror = shelf.mirror()
    mirror.synchronise()
    genuine = open_bundle(mirror.view / "tiny" / "1.0.0")
    forged = open_bundle(write_tiny_bundle(tmp_path, maps=False))
    other = open_bundle(write_tiny_bundle(tmp_path, version="9.0.0"))

    mirror.check(genuine)
    for bundle in (forged, other):
        with pytest.raises(BundleError, match="is not what oci://"):
            mirror.check(bundle)


def test_what_is_shown_is_the_stores_from_the_first_moment(shelf, tiny_set, monkeypatch) -> None:
    shelf.push(tiny_set)
    mirror = shelf.mirror()
    seen = []
    fsync = os.fsync

    def look_between_two_steps(descriptor) -> None:
        fsync(descriptor)
        for manifest in mirror.view.glob("*/*/manifest.json"):
            mirror.check(open_bundle(manifest.parent))  # refused once, it would not be tried again
            seen.append(manifest.parent.name)

    monkeypatch.setattr(os, "fsync", look_between_two_steps)
    mirror.synchronise()

    assert sorted(set(seen)) == ["1.0.0", "2.0.0"]


def test_a_list_in_the_cache_that_somebody_wrote_is_held_against_the_digest(shelf, tmp_path) -> None:
    pinned = shelf.push(write_tiny_bundle(tmp_path / "ours"))
    mirror = shelf.mirror(pinned)
    mirror.synchronise()
    shutil.rmtree(tmp_path / "ours")
    shelf.push(write_tiny_bundle(tmp_path / "theirs", maps=False))
    forged = Shelf(shelf.registry, tmp_path / "forged").mirror()
    forged.synchronise()
    shutil.rmtree(shelf.cache)
    shutil.copytree(forged.view.parent, shelf.cache, symlinks=True)  # whole, and right in itself

    assert shelf.mirror().recall() is not None  # a tag proves nothing: CXR_TRUSTED_KEYS_FILE does
    assert shelf.mirror(pinned).recall() is None


def test_a_link_out_of_the_cache_is_written_anew(shelf, tiny_set, tmp_path) -> None:
    shelf.push(tiny_set)
    first = shelf.mirror()
    first.synchronise()
    link = first.view / "tiny" / "1.0.0"
    link.unlink()
    link.symlink_to(write_tiny_bundle(tmp_path / "theirs", maps=False))
    mirror = shelf.mirror()
    mirror.recall()

    mirror.check(open_bundle(mirror.view / "tiny" / "1.0.0"))


def test_another_content_than_the_digest_promises_is_never_shown(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path, version="1.0.0"))
    mirror = shelf.mirror()
    mirror.synchronise()
    shelf.push(write_tiny_bundle(tmp_path, version="2.0.0"))
    digest = digest_in(shelf, "model.onnx")
    shelf.registry.spoilt[digest] = shelf.registry.blobs[digest][:-1] + b"x"

    with pytest.raises(BundleError, match=r"2\.0\.0/model\.onnx came with"):
        mirror.synchronise()
    assert shown(mirror) == ["tiny/1.0.0"]
    shelf.registry.spoilt.clear()
    mirror.synchronise()
    assert shown(mirror) == ["tiny/2.0.0"]


def test_a_file_that_is_longer_than_stated_is_not_read_to_its_end(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path))
    digest = digest_in(shelf, "golden.npz")
    shelf.registry.spoilt[digest] = shelf.registry.blobs[digest] + bytes(64 * 1024 * 1024)

    with pytest.raises(BundleError, match=r"golden\.npz came with"):
        shelf.mirror().synchronise()


def test_a_manifest_of_another_digest_is_refused(shelf, tmp_path) -> None:
    pinned = shelf.push(write_tiny_bundle(tmp_path))
    digest = pinned.rpartition("@")[2]
    shelf.registry.spoilt[digest] = shelf.registry.manifests["stable"][1] + b" "

    with pytest.raises(BundleError, match="altered it"):
        shelf.mirror(pinned).synchronise()


def test_a_download_that_breaks_off_leaves_nothing(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path))
    shelf.registry.cut.add(digest_in(shelf, "model.onnx"))
    mirror = shelf.mirror()

    with pytest.raises(StoreUnavailableError, match="in the middle"):
        mirror.synchronise()
    assert not mirror.view.exists()
    assert not list(shelf.cache.rglob("*.onnx"))
    shelf.registry.cut.clear()
    mirror.synchronise()
    assert shown(mirror) == ["tiny/1.0.0"]


def test_what_a_killed_process_left_is_removed(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path))
    left = shelf.cache / ".unfinished-0123456789abcdef" / "1.0.0"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    mirror = shelf.mirror()
    mirror.synchronise()

    assert not left.parent.exists()
    assert shown(mirror) == ["tiny/1.0.0"]


def test_a_service_that_ends_gives_its_download_up(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path))
    mirror = shelf.mirror(stopped=lambda: True)

    with pytest.raises(StoreUnavailableError, match="the service ends"):
        mirror.synchronise()


def test_the_cache_does_not_grow_for_ever(shelf, tmp_path) -> None:
    mirror = shelf.mirror()
    for minor in range(KEPT_BUNDLES + 3):
        shelf.push(write_tiny_bundle(tmp_path, version=f"1.{minor}.0"))
        mirror.synchronise()

    assert len(list((shelf.cache / "bundles").iterdir())) == KEPT_BUNDLES + 1
    assert len(list((shelf.cache / "views").iterdir())) == 2


def test_an_artifact_without_a_bundle_is_refused(shelf) -> None:
    shelf.registry.manifests["stable"] = ("application/vnd.oci.image.manifest.v1+json", b'{"layers": []}')

    with pytest.raises(BundleError, match=r"no layer with the title manifest\.json"):
        shelf.mirror().synchronise()


def test_a_tag_that_does_not_exist_is_named(shelf) -> None:
    with pytest.raises(StoreRefusedError, match="answered 404 for manifest stable"):
        shelf.mirror().synchronise()


def test_caches_of_two_stores_do_not_meet(tmp_path) -> None:
    one, two = (cache_folder(tmp_path, f"oci://registry/cxr/{name}:1") for name in ("a", "b"))

    assert one != two
    assert one.parent == two.parent == tmp_path


def test_an_altered_signature_in_the_cache_is_fetched_anew(shelf, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    (directory / "manifest.sig").write_bytes(b"{}\n")  # no manifest lists it
    shelf.push(directory)
    first = shelf.mirror()
    first.synchronise()
    (first.view / "tiny/1.0.0/manifest.sig").write_bytes(b"[]\n")
    mirror = shelf.mirror()

    assert mirror.recall() is None
    assert mirror.synchronise().discarded == ["tiny/1.0.0"]
    assert (mirror.view / "tiny/1.0.0/manifest.sig").read_bytes() == b"{}\n"
