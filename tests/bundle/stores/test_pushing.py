"""Rules of pushing to a registry."""

import pytest

from bundle.files import write_whole
from bundle.signing import make_key
from bundle.stores.address import parse_address
from bundle.stores.opening import pull_bundles
from bundle.stores.pushing import push, read_shipment
from bundle.stores.source import StoreRefusedError
from export.sign import sign_bundle
from schemas.errors import BundleError, SettingsError
from tests.bundle.stores.conftest import PLAIN
from tests.service.bundles import replace_file, write_tiny_bundle


def test_a_second_push_sends_no_file_again_and_gives_the_same_digest(shelf, tiny_set) -> None:
    first = shelf.push(tiny_set)
    sent = shelf.registry.asked_for("POST", "/blobs/uploads/")
    second = shelf.push(tiny_set)

    assert first == second
    assert (
        shelf.registry.asked_for("POST", "/blobs/uploads/") == sent == 8
    )  # of both: graph, golden films, card, statistics; of each: manifest and config


def test_a_bundle_on_its_own_and_the_same_in_a_set_have_one_manifest(shelf, tiny_set) -> None:
    shelf.push(tiny_set)
    digests = set(shelf.registry.manifests)
    alone = shelf.push(tiny_set / "tiny" / "1.0.0")

    assert alone.rpartition("@")[2] in digests


def test_what_was_mirrored_by_hand_has_the_same_digest(shelf, tiny_set, tmp_path) -> None:
    pinned = shelf.push(tiny_set)
    copied, current = pull_bundles(pinned, PLAIN, tmp_path / "carried", make_current=True)
    again = shelf.push(tmp_path / "carried")

    assert (copied, current) == (["children/2.0.0", "tiny/1.0.0"], "tiny/1.0.0")
    assert again == pinned
    assert not list((tmp_path / "carried").glob(".*"))


def test_pull_replaces_nothing(shelf, tiny_set, tmp_path) -> None:
    shelf.push(tiny_set)
    mine = write_tiny_bundle(tmp_path / "models", maps=False)
    before = (mine / "manifest.json").read_bytes()

    with pytest.raises(BundleError, match=r"tiny/1\.0\.0 is there with another content"):
        pull_bundles(shelf.tag, PLAIN, tmp_path / "models", make_current=True)
    assert (mine / "manifest.json").read_bytes() == before


def test_signatures_travel_along_and_change_the_digest(shelf, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    unsigned = shelf.push(directory)
    make_key(tmp_path / "key.pem")
    sign_bundle(directory, tmp_path / "key.pem")
    signed = shelf.push(directory)
    mirror = shelf.mirror()
    mirror.synchronise()

    assert unsigned != signed
    assert (mirror.view / "tiny/1.0.0/manifest.sig").read_bytes() == (directory / "manifest.sig").read_bytes()


def test_an_altered_bundle_is_not_pushed(shelf, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    (directory / "MODEL_CARD.md").write_text("# other\n")

    with pytest.raises(BundleError, match=r"MODEL_CARD\.md has"):
        shelf.push(directory)
    assert not shelf.registry.requests


def test_a_set_whose_current_bundle_is_missing_is_not_pushed(shelf, tmp_path) -> None:
    write_tiny_bundle(tmp_path)
    write_whole(tmp_path / "current", b"tiny/9.0.0\n")

    with pytest.raises(BundleError, match=r"names tiny/9\.0\.0, which is not there"):
        shelf.push(tmp_path)


def test_a_folder_without_bundles_is_not_pushed(shelf, tmp_path) -> None:
    with pytest.raises(BundleError, match="offers 0 bundles"):
        shelf.push(tmp_path)


def test_a_push_goes_to_a_tag(shelf, tiny_set) -> None:
    pinned = shelf.push(tiny_set)

    with pytest.raises(SettingsError, match="push to a tag"):
        push(read_shipment(tiny_set), parse_address(pinned), PLAIN)


def test_a_reader_may_not_push(shelf, tiny_set) -> None:
    shelf.registry.statuses.extend([404, 403])  # the blob is not there, and may not be sent

    with pytest.raises(StoreRefusedError, match="ask for the right to pull,push"):
        shelf.push(tiny_set)


def test_files_that_change_are_other_files(shelf, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    first = shelf.push(directory)
    replace_file(directory, "MODEL_CARD.md", b"# another\n")

    assert shelf.push(directory) != first
