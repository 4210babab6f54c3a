"""Rules of tokens by client credentials, with a token server of the test's own."""

import asyncio
import base64
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.x509 import load_pem_x509_certificate

from schemas.errors import DestinationRefusedError, DestinationUnreachableError, SettingsError
from service.outgoing.counterpart import Counterpart
from service.outgoing.line import LineOptions, open_line
from service.outgoing.oauth import OAuthClient, Tokens

pytestmark = pytest.mark.anyio

PEER = Counterpart("destination ris", DestinationUnreachableError, DestinationRefusedError)


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret:with/signs\n")
    return file


@pytest.fixture
def provider(receiver):
    """One server: /token gives token-1, token-2 …; everything else wants the last one that it gave."""

    class Provider:
        url = receiver.url
        received = receiver.received
        given = 0
        accepted: str | None = None
        body: tuple[int, object] | None = None

        def __init__(self) -> None:
            self.life = {"expires_in": 3600}

        def answer(self, request):
            if request.path == "/token":
                if self.body is not None:
                    return self.body
                self.given += 1
                self.accepted = f"token-{self.given}"
                return 200, {"access_token": self.accepted, "token_type": "Bearer", **self.life}
            return (200 if request.headers.get("authorization") == f"Bearer {self.accepted}" else 401), None

        def asked(self):
            return [request for request in self.received if request.path == "/token"]

    provider = Provider()
    receiver.answer = provider.answer
    return provider


def client_of(provider, **changes):
    return OAuthClient(**{"token_url": f"{provider.url}/token", "client_id": "cxr:1"} | changes)


def line_to(provider, **changes):
    return open_line(LineOptions(PEER, 10, oauth=client_of(provider, **changes)))


async def test_a_token_is_asked_for_once_and_shown_with_every_request(provider, secret) -> None:
    async with line_to(provider, secret_file=secret, scope="dicom.write") as line:
        answers = await asyncio.gather(*(line.ask("POST", f"{provider.url}/studies", {}) for _ in range(3)))

    (request,) = provider.asked()
    login = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert login == "cxr%3A1:s3cret%3Awith%2Fsigns"
    assert parse_qs(request.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["dicom.write"]}


async def test_a_token_that_is_refused_is_renewed_once(provider, secret) -> None:
    async with line_to(provider, secret_file=secret) as line:
        await line.ask("GET", f"{provider.url}/", {})
        provider.accepted = "revoked"
        renewed = await line.ask("GET", f"{provider.url}/", {})
        provider.body = (200, {"access_token": "never-accepted", "token_type": "bearer"})
        provider.accepted = "another"
        refused = await line.ask("GET", f"{provider.url}/", {})

    assert (renewed.status_code, refused.status_code) == (200, 401)
    assert len(provider.asked()) == 3


@pytest.mark.parametrize(
    ("life", "still", "over"), [({"expires_in": 3600}, 3569, 3571), ({"expires_in": 20}, 9, 11), ({}, 269, 271)]
)
async def test_a_token_is_renewed_before_its_end(provider, secret, life, still, over) -> None:
    now = 0.0
    provider.life = life
    async with open_line(LineOptions(PEER, 10)) as line:
        tokens = Tokens(line._client, client_of(provider, secret_file=secret), PEER, lambda: now)
        first = await tokens.token()
        now = still
        again = await tokens.token()
        now = over
        renewed = await tokens.token()

    assert (first, again, renewed) == ("token-1", "token-1", "token-2")


async def test_an_assertion_is_signed_with_our_key(provider, authority) -> None:
    certificate, key = authority.vouch("client")
    async with line_to(provider, key_file=key, algorithm="ES256", key_id="cxr-2026") as line:
        answer = await line.ask("GET", f"{provider.url}/", {})

    form = {name: value for name, (value,) in parse_qs(provider.asked()[0].body.decode()).items()}
    assertion = form["client_assertion"]
    public = load_pem_x509_certificate(certificate.read_bytes()).public_key()
    assert isinstance(public, EllipticCurvePublicKey)
    claims = jwt.decode(assertion, public, ["ES256"], audience=f"{provider.url}/token")
    assert answer.status_code == 200
    assert (claims["iss"], claims["sub"], claims["exp"] - claims["iat"]) == ("cxr:1", "cxr:1", 60)
    assert jwt.get_unverified_header(assertion)["kid"] == "cxr-2026"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "authorization" not in provider.asked()[0].headers


@pytest.mark.parametrize(
    "body",
    [
        (401, {"error": "invalid_client", "error_description": "s3cret:with/signs"}),
        (200, {"access_token": "x", "token_type": "mac"}),
        (200, ["a list"]),
        (200, None),
        (500, None),
    ],
)
async def test_a_token_server_that_gives_none_holds_the_delivery_back_with_its_status(provider, secret, body) -> None:
    provider.body = body
    async with line_to(provider, secret_file=secret) as line:
        with pytest.raises(DestinationUnreachableError) as failure:
            await line.ask("GET", f"{provider.url}/", {})

    assert f"the token endpoint of destination ris gave no bearer token but status {body[0]}" in str(failure.value)
    assert "s3cret" not in str(failure.value)


async def test_a_secret_that_is_gone_holds_the_delivery_back(provider, secret) -> None:
    async with line_to(provider, secret_file=secret) as line:
        secret.unlink()
        with pytest.raises(DestinationUnreachableError, match=r"the secret for the token endpoint .* cannot be read"):
            await line.ask("GET", f"{provider.url}/", {})


async def test_a_key_that_is_none_stops_the_start(provider, secret) -> None:
    with pytest.raises(SettingsError, match="holds no private key for RS256"):
        async with line_to(provider, key_file=secret):
            pass


@pytest.mark.parametrize("files", [{}, {"secret_file": "a", "key_file": "b"}])
def test_a_client_has_one_proof(provider, files) -> None:
    with pytest.raises(ValueError, match="secret_file or key_file, and not both"):
        client_of(provider, **files)
