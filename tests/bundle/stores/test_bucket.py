"""Rules of a models directory in an object store: moto's S3; Google Cloud Storage as far as it speaks the same."""

import json
from hashlib import sha256

import pytest

from bundle.files import write_whole
from bundle.opening import open_bundle
from bundle.stores.address import BucketAddress, parse_address
from bundle.stores.mirror import Mirror
from bundle.stores.object_store import open_store
from bundle.stores.opening import open_source, pull_bundles
from bundle.stores.pushing import push, read_shipment
from bundle.stores.source import StoreOptions, StoreRefusedError, StoreUnavailableError
from schemas.errors import BundleError
from tests.bundle.stores.real_stores import Moto
from tests.service.bundles import write_tiny_bundle

pytestmark = pytest.mark.process

PLAIN = StoreOptions(timeout_s=60, allow_http=True, attempts=1)


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto"))
    server.start()
    yield server
    server.close()


@pytest.fixture
def prefix(moto, monkeypatch, request) -> str:
    """An address below which nothing is yet."""
    for name, value in moto.variables().items():
        monkeypatch.setenv(name, value)
    moto.request("PUT", "/bundles")
    return f"s3://bundles/{sha256(request.node.name.encode()).hexdigest()[:12]}/models"


def put(prefix: str, name: str, content: bytes) -> None:
    bucket, _, path = prefix.removeprefix("s3://").partition("/")
    open_store(BucketAddress("s3", bucket, path), PLAIN).put(name, content)


def send(folder, prefix: str, **options):
    return push(read_shipment(folder), parse_address(prefix), PLAIN, **options)


def mirror_of(prefix: str, tmp_path) -> Mirror:
    return Mirror(tmp_path / "cache", open_source(prefix, PLAIN))


def shown(mirror: Mirror) -> list[str]:
    return sorted(str(path.parent.relative_to(mirror.view)) for path in mirror.view.glob("*/*/manifest.json"))


def test_a_set_is_a_models_directory_below_a_prefix(prefix, tiny_set, tmp_path) -> None:
    reference = send(tiny_set, prefix).reference
    mirror = mirror_of(prefix, tmp_path)
    changes = mirror.synchronise()
    again = mirror.synchronise()

    assert reference == prefix
    assert changes.fetched == ["children/2.0.0", "tiny/1.0.0"]
    assert (again.fetched, again.is_new) == ([], False)
    assert (mirror.view / "current").read_text() == "tiny/1.0.0\n"
    assert open_bundle(mirror.view / "tiny/1.0.0").sha256 == open_bundle(tiny_set / "tiny/1.0.0").sha256


def test_a_new_current_is_followed(prefix, tmp_path) -> None:
    send(write_tiny_bundle(tmp_path / "models"), prefix, make_current=True)
    mirror = mirror_of(prefix, tmp_path)
    mirror.synchronise()
    second = write_tiny_bundle(tmp_path / "models", version="2.0.0")
    send(second, prefix)
    mirror.synchronise()
    before = (mirror.view / "current").read_text()
    send(second, prefix, make_current=True)
    changes = mirror.synchronise()

    assert before == "tiny/1.0.0\n"
    assert (mirror.view / "current").read_text() == "tiny/2.0.0\n"
    assert (changes.fetched, changes.is_new) == ([], True)
    assert shown(mirror) == ["tiny/1.0.0", "tiny/2.0.0"]


def test_a_bundle_that_is_being_uploaded_is_not_there_yet(prefix, tiny_set, tmp_path) -> None:
    send(tiny_set / "tiny" / "1.0.0", prefix, make_current=True)
    put(prefix, "half/1.0.0/model.onnx", b"half")
    mirror = mirror_of(prefix, tmp_path)
    mirror.synchronise()

    assert shown(mirror) == ["tiny/1.0.0"]


def test_a_bundle_without_one_of_its_files_changes_nothing(prefix, tiny_set, tmp_path) -> None:
    send(tiny_set / "tiny" / "1.0.0", prefix, make_current=True)
    mirror = mirror_of(prefix, tmp_path)
    mirror.synchronise()
    put(prefix, "children/2.0.0/manifest.json", (tiny_set / "children/2.0.0/manifest.json").read_bytes())

    with pytest.raises(StoreRefusedError, match=r"children/2\.0\.0/.* does not exist there"):
        mirror.synchronise()
    assert shown(mirror) == ["tiny/1.0.0"]


def test_an_altered_object_is_never_shown(prefix, tiny_set, tmp_path) -> None:
    send(tiny_set, prefix)
    put(prefix, "tiny/1.0.0/model.onnx", b"other bytes")
    mirror = mirror_of(prefix, tmp_path)

    with pytest.raises(BundleError, match=r"tiny/1\.0\.0/model\.onnx came with 11 bytes"):
        mirror.synchronise()
    assert not mirror.view.exists()


def test_a_published_bundle_never_changes(prefix, tiny_set, tmp_path) -> None:
    send(tiny_set, prefix)
    other = write_tiny_bundle(tmp_path, maps=False)

    send(tiny_set, prefix)
    with pytest.raises(BundleError, match=r"tiny/1\.0\.0/manifest\.json is of another bundle"):
        send(other, prefix)


def test_a_bundle_at_the_place_of_another_is_refused(prefix, tiny_set, tmp_path) -> None:
    send(tiny_set, prefix)
    put(prefix, "tiny/9.0.0/manifest.json", (tiny_set / "tiny/1.0.0/manifest.json").read_bytes())

    with pytest.raises(BundleError, match=r"at tiny/9\.0\.0/ calls itself tiny/1\.0\.0"):
        mirror_of(prefix, tmp_path).synchronise()


def test_a_signature_that_is_added_later_comes_too(prefix, tiny_set, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    send(directory, prefix, make_current=True)
    mirror = mirror_of(prefix, tmp_path)
    mirror.synchronise()
    write_whole(directory / "manifest.sig", b"{}\n")
    send(directory, prefix)
    mirror.synchronise()

    assert (mirror.view / "tiny/1.0.0/manifest.sig").read_bytes() == b"{}\n"


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("s3://no-such-bucket/models", StoreRefusedError, "does not exist there"),
        ("s3://bundles/nothing-here", BundleError, "offers 0 bundles"),
    ],
)
def test_what_is_not_there_is_named(address, kind, words, prefix, tmp_path) -> None:
    with pytest.raises(kind, match=words):
        mirror_of(address, tmp_path).synchronise()


def test_plain_http_needs_to_be_allowed(prefix, tmp_path) -> None:
    mirror = Mirror(tmp_path / "cache", open_source(prefix, StoreOptions(attempts=1)))

    with pytest.raises(StoreRefusedError, match=r"no TLS.*CXR_STORE_ALLOW_HTTP"):
        mirror.synchronise()


def test_a_store_that_is_down_is_an_outage_and_the_cache_stays(prefix, tiny_set, tmp_path, monkeypatch) -> None:
    send(tiny_set, prefix)
    mirror_of(prefix, tmp_path).synchronise()
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    mirror = mirror_of(prefix, tmp_path)
    recalled = mirror.recall()

    assert recalled is not None
    with pytest.raises(StoreUnavailableError, match="the store gave no answer; check AWS_") as refusal:
        mirror.synchronise()
    assert "open-sesame" not in str(refusal.value)
    assert shown(mirror) == ["children/2.0.0", "tiny/1.0.0"]


def test_google_cloud_storage_is_read_by_the_same_rules(prefix, moto, tiny_set, tmp_path, monkeypatch) -> None:
    account = {"gcs_base_url": f"http://{moto.host}", "disable_oauth": True, "client_email": "", "private_key": ""}
    (tmp_path / "account.json").write_text(json.dumps(account | {"private_key_id": ""}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "AKIAXXXXXXXXXXXXXXXX")
    send(tiny_set, prefix)
    copied, current = pull_bundles(prefix.replace("s3://", "gs://"), PLAIN, tmp_path / "models", make_current=True)

    assert copied == ["children/2.0.0", "tiny/1.0.0"]
    assert current == "tiny/1.0.0"
