"""How a PACS is entered: by tokens of an identity provider, and with a certificate."""

import pytest

from schemas.errors import PacsUnreachableError
from service.dicomweb.pacs import open_pacs
from tests.service.chosen import settings_of
from tests.service.dicomweb.films import STUDY, uid
from tests.service.dimse.certificates import Authority
from tests.service.receiver import Receiver, demanding_context

pytestmark = pytest.mark.anyio


def pacs_of(url, **settings):
    return open_pacs(settings_of(dicomweb=True, pacs_url=f"{url}/dicom-web", **settings).pacs)


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


async def test_a_pacs_gets_tokens_of_its_identity_provider(receiver, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("swordfish")
    receiver.answer = lambda request: (
        (200, {"access_token": "abc", "token_type": "Bearer"}) if request.path == "/token" else (204, None)
    )
    settings = {"pacs_oauth_token_url": f"{receiver.url}/token", "pacs_oauth_client_id": "cxr"}
    async with pacs_of(receiver.url, **settings, pacs_oauth_secret_file=secret) as pacs:
        assert not await pacs.has(STUDY, uid("film"))

    assert receiver.received[-1].headers["authorization"] == "Bearer abc"


async def test_a_pacs_that_demands_a_certificate_is_shown_ours(tmp_path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.vouch("cxr")
    server = Receiver(demanding_context(authority))
    server.statuses = [204]
    try:
        async with pacs_of(server.url, pacs_ca_file=authority.file) as pacs:
            with pytest.raises(PacsUnreachableError):
                await pacs.has(STUDY, uid("film"))
        shown = {"pacs_tls_cert_file": certificate, "pacs_tls_key_file": key}
        async with pacs_of(server.url, pacs_ca_file=authority.file, **shown) as pacs:
            assert not await pacs.has(STUDY, uid("film"))
    finally:
        server.close()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"pacs_oauth_token_url": "https://sso/token"}, "needs CXR_PACS_OAUTH_CLIENT_ID, and CXR_PACS_OAUTH_SECRET"),
        ({"pacs_oauth_client_id": "cxr"}, "set CXR_PACS_OAUTH_TOKEN_URL too"),
        (
            {
                "pacs_oauth_token_url": "https://sso/token",
                "pacs_oauth_client_id": "cxr",
                "pacs_oauth_secret_file": "s",
                "pacs_token_file": "t",
            },
            "are ways to the same PACS; set one of them",
        ),
        ({"pacs_oauth_token_url": "https://u:p@sso/token"}, "without a login in it"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        settings_of(dicomweb=True, pacs_url="http://pacs", **settings)
