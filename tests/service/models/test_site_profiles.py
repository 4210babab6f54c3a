"""Rules of a site's own operating point, through the app."""

import re

import pytest

from bundle.files import sha256_of
from bundle.signing import make_key, read_key
from schemas.errors import SettingsError
from schemas.model.manifest import MANIFEST
from service.acceptance.profile import revoke_profile, write_profile
from tests.service.bundles import write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film
from tests.service.site import Site, profile
from tests.waiting import until

pytestmark = pytest.mark.anyio

FILM = flat_film(200)
SOON = {"model_poll_s": 0.01}


@pytest.fixture
def clinic(tmp_path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "models")


async def answer(client):
    response = await client.post("/predict", content=FILM)
    assert response.status_code == 200, response.text
    return response.json()["prediction"]


async def test_a_signed_profile_decides_and_every_answer_shows_whose_it_is(serve, clinic, bundle, tmp_path) -> None:
    async with serve(models_dir=tmp_path / "models") as client:
        own = await answer(client)
    made = clinic.sign(bundle, temperature=2.0, lower=0.01, threshold=0.995, upper=0.995)
    async with serve(models_dir=tmp_path / "models", **clinic.settings) as client:
        chosen = await answer(client)
        (listed,) = (await client.get("/models")).json()["models"]
        manifest = (await client.get("/models/current")).json()

    assert (own["decision"], own["operating_point"]["site"], own["operating_point"]["threshold"]) == (
        "positive",
        None,
        0.3,
    )
    assert chosen["decision"] == "abstain"
    assert chosen["operating_point"]["threshold"] == 0.995
    assert chosen["operating_point"]["site"]["site"] == "St Example"
    assert chosen["findings"][0]["operating_point"]["site"]["risk"] == 0.05
    odds = [each["PNEUMONIA"] / each["NORMAL"] for each in (own["probabilities"], chosen["probabilities"])]
    assert odds[1] ** 2 == pytest.approx(odds[0], rel=1e-4)
    assert listed["site"] == made.model_dump(mode="json")
    assert manifest["calibration"]["operating_points"][0]["site"]["site"] == "St Example"


async def test_a_profile_that_is_written_while_the_service_runs_is_applied_and_one_revoked_is_not(
    serve, clinic, bundle, tmp_path
) -> None:
    async def is_sites(client) -> bool:
        return (await answer(client))["operating_point"]["site"] is not None

    async def is_bundles(client) -> bool:
        return not await is_sites(client)

    async with serve(models_dir=tmp_path / "models", **clinic.settings, **SOON) as client:
        engine = client.services.deployments.first.live.loaded.engine
        assert await is_bundles(client)
        made = clinic.sign(bundle)
        await until(lambda: is_sites(client))
        kept = client.services.deployments.first.live.loaded.engine.engine
        revoke_profile(clinic.profiles, made.model_sha256, made.made_at)
        await until(lambda: is_bundles(client))
        back = await client.post("/models/rollback")

    assert kept is engine  # the network was not loaded again
    assert back.status_code == 409  # and there is no way back to a profile that was revoked


async def test_a_profile_survives_the_swap_to_another_bundle_and_back(serve, clinic, bundle, tmp_path) -> None:
    clinic.sign(bundle)
    async with serve(models_dir=tmp_path / "models", **clinic.settings) as client:
        write_tiny_bundle(tmp_path / "models", version="2.0.0", current=False)
        await client.post("/models/tiny/2.0.0/activate")
        other = await answer(client)
        await client.post("/models/tiny/1.0.0/activate")
        again = await answer(client)
        await client.post("/models/rollback")
        revoke_profile(clinic.profiles, sha256_of(bundle / MANIFEST), profile("0" * 64).made_at)
        await client.post("/models/rollback")
        last = await answer(client)

    assert other["operating_point"]["site"] is None
    assert again["operating_point"]["site"]["site"] == "St Example"
    assert last["operating_point"]["site"] is None  # revoked while the other served


@pytest.mark.parametrize(
    "fault", ["another bundle", "another key", "altered", "rubbish", "unknown finding", "another precision"]
)
async def test_a_bundle_whose_profile_is_not_in_order_is_refused_with_the_reason(
    serve, clinic, bundle, tmp_path, fault
) -> None:
    changes = {"unknown finding": {"finding": "Effusion"}, "another precision": {"precision": "int8"}}
    made = clinic.sign(bundle, **changes.get(fault, {}))
    path = clinic.profiles / f"{made.model_sha256}.json"
    if fault == "another bundle":
        clinic.sign(bundle, model_sha256="a" * 64, model="tiny/0.9.0")
        (clinic.profiles / f"{'a' * 64}.json").rename(path)
    elif fault == "another key":
        make_key(tmp_path / "other.key")
        write_profile(clinic.profiles, made, read_key(tmp_path / "other.key", remedy=""))
    elif fault == "altered":
        path.write_text(path.read_text().replace("0.05", "0.50"))
    elif fault == "rubbish":
        path.write_text("{}")
    reasons = {
        "another bundle": r"is of tiny/0\.9\.0",
        "another key": "not signed by a key of CXR_SITE_KEYS_FILE",
        "altered": "not signed by a key of CXR_SITE_KEYS_FILE",
        "rubbish": "not one of this version",
        "unknown finding": "does not look for Effusion",
        "another precision": "made with the int8 graph and the bundle serves at fp32",
    }

    async with serve(models_dir=tmp_path / "models", **clinic.settings) as client:
        response = await client.post("/predict", content=FILM)
        (listed,) = (await client.get("/models")).json()["models"]

    assert response.status_code == 503
    assert not listed["serving"]
    assert re.search(reasons[fault], listed["refused"])
    assert "service site" in listed["refused"]


async def test_an_unsigned_operating_point_cannot_be_configured() -> None:
    with pytest.raises(ValueError, match="CXR_SITE_KEYS_FILE"):
        settings_of(site_profiles_dir="profiles")


async def test_keys_that_cannot_be_read_are_refused_at_the_start(serve, clinic) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        async with serve(site_profiles_dir=clinic.profiles, site_keys_file=clinic.folder / "none.pub"):
            pass
