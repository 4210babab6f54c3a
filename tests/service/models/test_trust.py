"""Rules of whose bundles are served; the signatures are made by the exporter."""

import pytest

from bundle.signature import SIGNATURE
from bundle.signing import make_key
from export.sign import sign_bundle
from schemas.errors import SettingsError, UntrustedBundleError
from schemas.model.manifest import MANIFEST
from service.app import create_app
from service.models.registry import BundleRegistry
from service.models.trust import Trust
from tests.service.bundles import change_manifest, write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.populations import BOTH, write_adults, write_children
from tests.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "models")


@pytest.fixture
def keys(tmp_path):
    """A key that is trusted and one that is not; the file of the trusted one."""
    for name in ("ours", "theirs"):
        make_key(tmp_path / name)
    return tmp_path / "ours", tmp_path / "theirs", tmp_path / "ours.pub"


def open_current(models_dir, trusted):
    registry = BundleRegistry(models_dir, None, Trust(trusted))
    return registry.open(registry.candidates()[0])


async def test_a_bundle_that_a_trusted_key_signed_is_opened(bundle, keys, tmp_path) -> None:
    ours, _, trusted = keys
    sign_bundle(bundle, ours)

    assert open_current(tmp_path / "models", trusted).manifest.name == "tiny"


async def test_one_of_several_trusted_keys_is_enough(bundle, keys, tmp_path) -> None:
    ours, theirs, _ = keys
    both = tmp_path / "both"
    both.write_bytes(b"# ours, theirs\n".join(path.with_suffix(".pub").read_bytes() for path in (ours, theirs)))
    sign_bundle(bundle, theirs)

    assert open_current(tmp_path / "models", both)


def without_signature(bundle, keys) -> None:
    pass


def signed_by_a_stranger(bundle, keys) -> None:
    sign_bundle(bundle, keys[1])


def changed_since(bundle, keys) -> None:
    sign_bundle(bundle, keys[0])
    change_manifest(bundle, intended_use="everything")


def signature_of_another(bundle, keys) -> None:
    sign_bundle(bundle, keys[1])
    stranger = (bundle / SIGNATURE).read_text()
    sign_bundle(bundle, keys[0])
    ours = (bundle / SIGNATURE).read_text()
    taken = stranger.split('"signature":')[1]
    (bundle / SIGNATURE).write_text(ours.split('"signature":')[0] + '"signature":' + taken)


def rubbish(bundle, keys) -> None:
    (bundle / SIGNATURE).write_bytes(b"\xff rubbish")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_signature, "not signed .*export sign"),
        (signed_by_a_stranger, "which CXR_TRUSTED_KEYS_FILE does not hold"),
        (changed_since, "altered after key"),
        (signature_of_another, "not of this manifest"),
        (rubbish, "is not a signature"),
    ],
)
async def test_any_other_is_refused_with_the_reason(bundle, keys, tmp_path, spoil, reason) -> None:
    spoil(bundle, keys)

    with pytest.raises(UntrustedBundleError, match=reason):
        open_current(tmp_path / "models", keys[2])


async def test_nothing_of_an_unsigned_manifest_is_believed(bundle, keys, tmp_path) -> None:
    (bundle / MANIFEST).write_bytes(b"not even JSON")

    with pytest.raises(UntrustedBundleError, match="not signed"):
        open_current(tmp_path / "models", keys[2])


async def models_with_a_refusal(client):
    models = (await client.get("/models")).json()["models"]
    return models if models[-1]["refused"] else None


async def serves(client, version) -> bool:
    return (await client.get("/models/current")).json()["version"] == version


async def is_ready(client) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def test_an_unsigned_bundle_is_not_swapped_in_and_log_metric_and_list_say_why(
    serve, keys, tmp_path, logged
) -> None:
    models_dir = tmp_path / "models"
    (ours, _, trusted) = keys
    sign_bundle(write_tiny_bundle(models_dir, version="1.0.0"), ours)
    async with serve(models_dir=models_dir, trusted_keys_file=trusted, model_poll_s=0.01) as client:
        unsigned = write_tiny_bundle(models_dir, version="2.0.0")
        models = await until(lambda: models_with_a_refusal(client))
        by_hand = await client.post("/models/tiny/2.0.0/activate")
        described = await client.get("/models/tiny/2.0.0")
        metrics = (await client.get("/metrics")).text
        sign_bundle(unsigned, ours)
        await until(lambda: serves(client, "2.0.0"))

    assert [(model["version"], model["serving"]) for model in models] == [("1.0.0", True), ("2.0.0", False)]
    assert "not signed" in models[1]["refused"]
    assert [(answer.status_code, answer.json()["code"]) for answer in (by_hand, described)] == [
        (409, "bundle_untrusted")
    ] * 2
    assert 'cxr_model_loads_total{reason="bundle_untrusted",result="refused"}' in metrics
    assert "bundle_untrusted" in {event["code"] for event in logged if event["event"] == "bundle_refused"}


async def test_a_key_that_becomes_trusted_lets_its_bundle_serve(serve, keys, bundle, tmp_path) -> None:
    _, theirs, trusted = keys
    sign_bundle(bundle, theirs)
    async with serve(models_dir=tmp_path / "models", trusted_keys_file=trusted, model_poll_s=0.01) as client:
        before = await client.get("/readyz")
        trusted.write_bytes(theirs.with_suffix(".pub").read_bytes())
        await until(lambda: is_ready(client))

    assert "bundle_untrusted" in before.json()["detail"]


async def test_a_file_of_keys_that_is_not_there_stops_the_start(tiny_models, tmp_path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        create_app(settings_of(models_dir=tiny_models, trusted_keys_file=tmp_path / "nowhere"))


async def test_of_several_bundles_each_needs_a_signature_of_its_own(serve, keys, tmp_path) -> None:
    ours, _, trusted = keys
    unsigned = write_children(tmp_path / "models")
    sign_bundle(write_adults(tmp_path / "models"), ours)
    settings = BOTH | {"models_dir": tmp_path / "models", "trusted_keys_file": trusted, "model_poll_s": 0.01}
    async with serve(**settings) as client:
        before = (await client.get("/readyz")).json()
        sign_bundle(unsigned, ours)
        await until(lambda: len(client.services.deployments.live) == 2)
        after = (await client.get("/readyz")).json()

    assert before["missing"].keys() == {"children"}
    assert "bundle_untrusted" in before["missing"]["children"]
    assert after == {"status": "ready"}
