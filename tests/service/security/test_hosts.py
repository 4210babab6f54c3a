"""Rules of the names under which callers without a key may ask."""

import pytest

from service.security.hosts import HostNames, host_of
from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio

OPEN = {"host": "0.0.0.0", "allow_anonymous": True}
FILM = flat_film(200)


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "evil.example.", "10.0.0.1.evil.example", "localhost.evil.example"]
)
async def test_an_open_service_has_no_name_that_another_site_may_own(serve, host) -> None:
    async with serve(**OPEN) as client:
        refused = await client.post("/predict", content=FILM, headers={"Host": host, "Origin": f"http://{host}"})
        listed = await client.get("/models", headers={"Host": host})

    assert [(answer.status_code, answer.json()["code"]) for answer in (refused, listed)] == [(403, "forbidden")] * 2
    assert "CXR_ALLOWED_HOSTS" in refused.json()["detail"]
    assert "evil" not in refused.text


@pytest.mark.parametrize(
    "host", ["api:8000", "localhost", "192.168.1.9:8000", "[2001:db8::1]:8000", "cxr.radiology.svc", "Xray.Local.:80"]
)
async def test_an_open_service_is_reached_by_its_address_and_by_names_of_its_own_network(serve, host) -> None:
    async with serve(**OPEN) as client:
        assert (await client.post("/predict", content=FILM, headers={"Host": host})).status_code == 200


async def test_a_name_that_is_chosen_opens_loopback_too(serve) -> None:
    async with serve(allowed_hosts="xray.hospital.example, *.ward.example") as client:
        answers = [
            (await client.post("/predict", content=FILM, headers={"Host": host})).status_code
            for host in ("XRAY.hospital.example:443", "a.b.ward.example", "ward.example", "evil.example", "localhost")
        ]

    assert answers == [200, 200, 403, 403, 200]


def test_a_star_is_any_name() -> None:
    assert HostNames("*").is_safe("evil.example")
    assert host_of("[::1]:80") == "::1"
