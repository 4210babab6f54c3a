"""Rules of a bundle's way through a real registry: Debian's docker-registry."""

import base64
import json
import shutil

import pytest

from bundle.opening import open_bundle
from bundle.stores.address import OciReference, parse_address
from bundle.stores.client import RegistryClient
from bundle.stores.mirror import Mirror
from bundle.stores.oci import ACCEPT
from bundle.stores.opening import open_source, pull_bundles
from bundle.stores.pushing import push, read_shipment
from bundle.stores.source import StoreOptions, StoreRefusedError, StoreUnavailableError
from schemas.errors import BundleError
from tests.bundle.stores.real_stores import LOGIN, DockerRegistry
from tests.service.bundles import write_tiny_bundle
from tests.service.dimse.certificates import Authority

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="no docker-registry: apt-get install it"),
]

PLAIN = StoreOptions(timeout_s=10, allow_http=True)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    registry = DockerRegistry(tmp_path_factory.mktemp("registry"))
    registry.start()
    yield registry
    registry.close()


def log_in(folder, host: str, monkeypatch, login: str = LOGIN) -> None:
    folder.mkdir(exist_ok=True)
    entry = {"auth": base64.b64encode(login.encode()).decode()}
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


def test_a_set_is_pushed_and_pulled_by_tag_and_by_digest(real, tiny_set, tmp_path) -> None:
    tag = f"oci://{real.host}/cxr/round-trip:stable"
    pinned = push(read_shipment(tiny_set), parse_address(tag), PLAIN).reference
    for address in (tag, pinned):
        mirror = Mirror(tmp_path / address.rpartition(":")[2], open_source(address, PLAIN))
        mirror.synchronise()
        bundles = [open_bundle(mirror.view / name).sha256 for name in ("children/2.0.0", "tiny/1.0.0")]

        assert bundles == [open_bundle(tiny_set / name).sha256 for name in ("children/2.0.0", "tiny/1.0.0")]


def test_what_is_carried_into_another_registry_keeps_its_digest(real, tiny_set, tmp_path) -> None:
    outside = push(read_shipment(tiny_set), parse_address(f"oci://{real.host}/cxr/outside:1"), PLAIN).reference
    pull_bundles(outside, PLAIN, tmp_path / "carried", make_current=True)
    carried = read_shipment(tmp_path / "carried")
    inside = push(carried, parse_address(f"oci://{real.host}/hospital/inside:1"), PLAIN).reference

    assert inside.rpartition("@")[2] == outside.rpartition("@")[2]


def test_a_file_that_was_altered_in_the_registry_is_never_shown(real, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path / "models", name="altered")
    target = f"oci://{real.host}/cxr/altered:1"
    push(read_shipment(directory), parse_address(target), PLAIN)
    digest = f"sha256:{open_bundle(directory).manifest.files['MODEL_CARD.md'].sha256}"
    real.blob_file(digest).write_bytes(b"# tiny, altered: for tests.\n")
    mirror = Mirror(tmp_path / "cache", open_source(target, PLAIN))

    with pytest.raises(BundleError, match=r"altered/1\.0\.0/MODEL_CARD\.md came with"):
        mirror.synchronise()
    assert not mirror.view.exists()


def test_a_bundle_that_was_deleted_is_missed_by_name(real, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, name="deleted")
    target = OciReference(real.host, "cxr/deleted", "1", None)
    digest = push(read_shipment(directory), target, PLAIN).reference.rpartition("@")[2]
    client = RegistryClient(target, PLAIN, push=True)
    with client.asked("DELETE", f"/manifests/{digest}") as response:
        deleted = response.status_code
    with pytest.raises(StoreRefusedError, match="answered 404 for manifest 1: it has no manifest 1"):
        client.document("1", ACCEPT)
    client.close()

    assert deleted == 202


def test_a_registry_with_logins_lets_in_who_knows_one(tmp_path, tiny_set, monkeypatch) -> None:
    registry = DockerRegistry(tmp_path / "registry", login=True)
    registry.start()
    target = parse_address(f"oci://{registry.host}/cxr/tiny:1")
    try:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(StoreRefusedError, match="does not know the login"):
            push(read_shipment(tiny_set), target, PLAIN)
        log_in(tmp_path / "docker", registry.host, monkeypatch)
        pinned = push(read_shipment(tiny_set), target, PLAIN).reference
        copied, _ = pull_bundles(pinned, PLAIN, tmp_path / "models", make_current=False)
        log_in(tmp_path / "docker", registry.host, monkeypatch, "hospital:guessed")
        with pytest.raises(StoreRefusedError, match="does not know the login") as refusal:
            pull_bundles(pinned, PLAIN, tmp_path / "more", make_current=False)
    finally:
        registry.close()

    assert copied == ["children/2.0.0", "tiny/1.0.0"]
    assert "guessed" not in str(refusal.value)


def test_a_registry_with_tls_is_trusted_by_its_authority(tmp_path, tiny_set) -> None:
    authority = Authority(tmp_path)
    registry = DockerRegistry(tmp_path / "registry", tls=authority.vouch("registry"))
    registry.start()
    target = parse_address(f"oci://{registry.host}/cxr/tiny:1")
    try:
        pushed = push(read_shipment(tiny_set), target, StoreOptions(ca_file=authority.file))
        with pytest.raises(StoreRefusedError, match=r"its certificate is not trusted.*CXR_STORE_CA_FILE"):
            pull_bundles(pushed.reference, StoreOptions(attempts=1), tmp_path / "models", make_current=False)
        with pytest.raises(StoreRefusedError, match="answered 400"):  # plain HTTP to a port of TLS
            pull_bundles(pushed.reference, PLAIN, tmp_path / "models", make_current=False)
    finally:
        registry.close()


def test_a_registry_that_is_down_is_an_outage(tmp_path) -> None:
    registry = DockerRegistry(tmp_path)
    mirror = Mirror(tmp_path / "cache", open_source(f"oci://{registry.host}/cxr/tiny:1", StoreOptions(attempts=1)))
    registry.close()

    with pytest.raises(StoreUnavailableError, match="nothing listens there"):
        mirror.synchronise()
