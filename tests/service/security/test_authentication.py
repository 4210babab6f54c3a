"""Rules of who is let in, through the app."""

import json
import re
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from schemas.errors import SettingsError
from service.app import create_app
from service.security.keys import KeyFile, new_key, write_keys
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio

PNG = {"Content-Type": "image/png"}
FILM = flat_film(200)
ISSUER, AUDIENCE = "https://id.hospital.example", "cxr"


class Keys:
    """A file of keys, and what their holders present."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = {}
        self._write()

    def add(self, name, *scopes, **options) -> str:
        key, self.entries[name] = new_key(name, scopes, **options)
        self._write()
        return key

    def revoke(self, name) -> None:
        del self.entries[name]
        self._write()

    def _write(self) -> None:
        write_keys(self.path, KeyFile(keys=tuple(self.entries.values())))


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys.json")


def predict(client, key=None, **headers):
    presented = {} if key is None else {"X-API-Key": key}
    return client.post("/predict", content=FILM, headers=PNG | presented | headers)


async def test_every_address_but_the_probes_demands_a_key_where_there_are_keys(serve, keys) -> None:
    async with serve(api_keys_file=keys.path, metrics_need_key=True) as client:
        paths = client.app.api.openapi()["paths"]
        statuses = {
            path: (await client.request(method, re.sub(r"\{\w+\}", "x", path))).status_code
            for path, operations in paths.items()
            for method in operations
        }

    assert statuses.pop("/livez") == 200
    assert statuses.pop("/readyz") == 200
    assert statuses.pop("/v2/health/live") == 200
    assert statuses.pop("/v2/health/ready") == 200
    assert {"/predict", "/predict/batch", "/explain", "/models", "/metrics", "/capabilities"} <= set(statuses)
    assert set(statuses.values()) == {401}


async def test_without_keys_anybody_on_loopback_may_predict(client) -> None:
    assert (await predict(client)).status_code == 200


# What browsers send. Without a key, a page of another site must not use the browser of somebody near the service.

OWN_PAGE = [
    {},  # no browser: curl, Prometheus, Orthanc
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "none"},  # typed by a person
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://xray.hospital.example"},  # a proxy has changed Host
    {"Origin": "http://localhost"},  # browsers without Sec-Fetch-Site
    {"Origin": "http://localhost:8443"},  # a proxy has dropped the port from Host
]
OTHER_PAGE = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "https://evil.example"},  # a form
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},  # a file, or a frame in a sandbox
]


def drain(client, **headers):
    return client.post("/admin/drain", headers=headers)


@pytest.mark.parametrize("headers", OWN_PAGE)
async def test_without_keys_our_own_page_and_programs_on_loopback_may_administer(client, headers) -> None:
    assert (await drain(client, **headers)).status_code == 200


@pytest.mark.parametrize("headers", OTHER_PAGE)
async def test_without_keys_a_page_of_another_site_may_nothing_and_is_told_why(client, headers) -> None:
    refused = await drain(client, **headers)
    film = await predict(client, **headers)
    ready = await client.get("/readyz")
    metrics = (await client.get("/metrics")).text

    assert (refused.status_code, refused.json()["code"], film.status_code) == (403, "forbidden", 403)
    assert "CXR_API_KEYS_FILE" in refused.json()["detail"]
    assert "evil" not in refused.text
    assert ready.status_code == 200
    assert 'cxr_auth_failures_total{reason="forbidden"} 2.0' in metrics


@pytest.mark.parametrize("address", ["/", "/docs", "/models/current"])
async def test_a_link_on_another_site_leads_to_the_page(client, address) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    assert (await client.get(address, headers=link)).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]"])
async def test_loopback_is_called_by_its_own_names(client, host) -> None:
    assert (await drain(client, Host=host)).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.9:8000", "[::2]", "x", ""],
)
async def test_a_name_that_another_site_may_own_does_not_open_loopback(client, host) -> None:
    """DNS rebinding: the browser takes the service for a page of that name, and says same-origin."""
    refused = await drain(client, Host=host, Origin=f"http://{host}")

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "CXR_ALLOW_ANONYMOUS" in refused.json()["detail"]
    assert "evil" not in refused.text


@pytest.mark.parametrize("host", ["api:8000", "localhost:8000", "xray.hospital.example"])
async def test_where_anonymous_callers_are_allowed_the_service_has_the_names_that_are_its_own(serve, host) -> None:
    async with serve(host="0.0.0.0", allow_anonymous=True, allowed_hosts="*.hospital.example") as client:
        program = await predict(client, Host=host)
        page = await predict(client, Host=host, Origin=f"http://{host}")
        other = await predict(client, Host=host, Origin="http://evil.example")
        administered = await drain(client, Host=host)

    assert [answer.status_code for answer in (program, page, other, administered)] == [200, 200, 403, 403]


@pytest.mark.parametrize("headers", [*OTHER_PAGE, {"Host": "xray.hospital.example"}])
async def test_a_key_opens_wherever_its_holder_sends_it_from(serve, keys, headers) -> None:
    key = keys.add("viewer", "predict")
    async with serve(api_keys_file=keys.path, allow_anonymous=True) as client:
        assert (await predict(client, key, **headers)).status_code == 200


async def test_with_keys_a_film_without_one_is_refused_and_told_how(serve, keys) -> None:
    async with serve(api_keys_file=keys.path) as client:
        response = await predict(client)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == "unauthenticated"
    assert "X-API-Key" in response.json()["detail"]


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
async def test_a_key_is_taken_from_either_header(serve, keys, header) -> None:
    key = keys.add("ris", "predict")
    value = key if header == "X-API-Key" else f"Bearer {key}"
    async with serve(api_keys_file=keys.path) as client:
        answers = [(await predict(client, **{header: value})).status_code for _ in range(3)]

    assert answers == [200, 200, 200]


async def test_a_key_that_may_read_gets_everything_and_changes_nothing(serve_dicomweb, keys) -> None:
    reader = {"X-API-Key": keys.add("dashboard", "read")}
    async with serve_dicomweb(api_keys_file=keys.path, metrics_need_key=True) as client:
        operations = [
            (method.upper(), path.replace("{sop_instance_uid}", "1.2.3").replace("{study}", "1.2.3"))
            for path, methods in client.app.api.openapi()["paths"].items()
            for method in methods
        ]
        answers = {
            (method, path): (await client.request(method, path, headers=reader, json={})).status_code
            for method, path in operations
        }

    forbidden = {operation for operation, status in answers.items() if status == 403}
    assert forbidden == {operation for operation in operations if operation[0] != "GET"} | {
        ("GET", "/models/challenger")
    }
    assert answers["GET", "/results"] == answers["GET", "/metrics"] == answers["GET", "/models"] == 200


@pytest.mark.parametrize(("setting", "status"), [("unless_keys", 401), (True, 200)])
async def test_keys_close_a_service_that_is_open_unless_there_are_keys(serve, keys, setting, status) -> None:
    async with serve(host="0.0.0.0", allow_anonymous=setting, api_keys_file=keys.path) as client:
        assert (await predict(client)).status_code == status


async def test_a_service_that_is_open_unless_there_are_keys_answers_others_without_them(serve) -> None:
    async with serve(host="0.0.0.0", allow_anonymous="unless_keys") as client:
        answered = await predict(client, Host="api:8000")
        administered = await drain(client, Host="api:8000")

    assert (answered.status_code, administered.status_code) == (200, 403)


async def test_a_key_does_no_more_than_its_scopes_say(serve, keys) -> None:
    key = keys.add("prometheus", "metrics")
    async with serve(api_keys_file=keys.path, metrics_need_key=True) as client:
        refused = await predict(client, key)
        scraped = await client.get("/metrics", headers={"X-API-Key": key})
        anonymous = await client.get("/metrics")

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "'predict'" in refused.json()["detail"]
    assert (scraped.status_code, anonymous.status_code) == (200, 401)
    assert 'cxr_auth_failures_total{reason="forbidden"} 1.0' in scraped.text


@pytest.mark.parametrize(
    "spoil", [lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"), lambda key: key[:-1], str.upper]
)
async def test_a_key_that_is_wrong_by_one_character_is_refused(serve, keys, spoil) -> None:
    key = keys.add("ris", "predict")
    async with serve(api_keys_file=keys.path) as client:
        assert (await predict(client, key)).status_code == 200

        refused = await predict(client, spoil(key))

    assert refused.status_code == 401
    assert key not in refused.text


async def test_the_secret_of_one_key_does_not_open_with_the_id_of_another(serve, keys) -> None:
    mine = keys.add("ris", "predict")
    other = keys.add("pacs", "predict", "admin")
    forged = "_".join([*other.split("_")[:2], mine.split("_", 2)[2]])
    async with serve(api_keys_file=keys.path) as client:
        assert (await predict(client, mine)).status_code == 200
        assert (await predict(client, forged)).status_code == 401


async def test_keys_are_added_and_revoked_while_the_service_runs(serve, keys) -> None:
    first = keys.add("ris", "predict")
    async with serve(api_keys_file=keys.path) as client:
        assert (await predict(client, first)).status_code == 200
        second = keys.add("pacs", "predict")
        assert (await predict(client, second)).status_code == 200
        keys.revoke("ris")

        assert (await predict(client, first)).status_code == 401
        assert (await predict(client, second)).status_code == 200


async def test_an_expired_key_is_refused_although_it_fitted_before(serve, keys) -> None:
    old = keys.add("locum", "predict", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    valid = keys.add("ris", "predict", expires_at=datetime.now(UTC) + timedelta(hours=1))
    async with serve(api_keys_file=keys.path) as client:
        assert (await predict(client, old)).status_code == 401
        assert (await predict(client, valid)).status_code == 200


async def test_a_file_that_breaks_while_the_service_runs_changes_nothing_and_is_logged_once(
    serve, keys, logged
) -> None:
    key = keys.add("ris", "predict")
    async with serve(api_keys_file=keys.path) as client:
        await predict(client, key)
        keys.path.write_text('{"keys": [{"id": "nonsense"}]}')
        answers = [(await predict(client, key)).status_code for _ in range(2)]
        keys.path.unlink()
        answers += [(await predict(client, key)).status_code for _ in range(2)]

    assert answers == [200, 200, 200, 200]
    assert [event["event"] for event in logged].count("file_refused") == 2  # broken, then gone


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": 2, "keys": []}', '{"keys": [{"id": "0"}]}'])
def test_a_file_of_keys_that_cannot_be_read_stops_the_start(tmp_path, tiny_models, content) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(SettingsError, match=r"keys\.json cannot be read|file of keys is not valid"):
        create_app(settings_of(models_dir=tiny_models, api_keys_file=path))


async def test_callers_without_a_key_may_predict_but_not_administer_where_that_is_allowed(serve, keys) -> None:
    async with serve(api_keys_file=keys.path, allow_anonymous=True) as client:
        answer = await predict(client)
        gate = client.services.gate
        with pytest.raises(Exception, match="needs the scope 'admin'"):
            await gate.admit(await gate.identify(None), "admin")

    assert answer.status_code == 200


async def test_a_quota_counts_films_refuses_with_the_time_to_wait_and_is_each_callers_own(serve, keys) -> None:
    slow = keys.add("slow", "predict", films_per_minute=3)
    other = keys.add("other", "predict")
    batch = [("files", ("a", FILM, "image/png"))] * 4
    async with serve(api_keys_file=keys.path, rate_limit=100) as client:
        first = await client.post("/predict/batch", files=batch, headers={"X-API-Key": slow})
        refused = await predict(client, slow)
        others = await predict(client, other)
        page = (await client.get("/metrics")).text

    assert (first.status_code, refused.status_code, others.status_code) == (200, 429, 200)
    assert refused.json()["code"] == "quota_exceeded"
    # Four of three were taken: two films at 20 s each, less the time since then; of an empty bucket it would be one.
    assert 20 < int(refused.headers["Retry-After"]) <= 40
    assert 'cxr_shed_total{reason="quota"} 1.0' in page


# Tokens


def key_pair(kind):
    if kind == "RS256":
        rsa_key = rsa.generate_private_key(65537, 2048)
        return rsa_key, RSAAlgorithm.to_jwk(rsa_key.public_key())
    if kind == "ES256":
        ec_key = ec.generate_private_key(ec.SECP256R1())
        return ec_key, ECAlgorithm.to_jwk(ec_key.public_key())
    ed_key = ed25519.Ed25519PrivateKey.generate()
    return ed_key, OKPAlgorithm.to_jwk(ed_key.public_key())


class Provider:
    """An identity provider: signs tokens and publishes its key."""

    def __init__(self, path, kind="ES256", kid="one") -> None:
        self.private, public = key_pair(kind)
        self.kind = kind
        self.kid = kid
        entry = json.loads(public) | {"kid": kid, "alg": kind}
        path.write_text(json.dumps({"keys": [entry]}))
        self.settings = {"jwt_keys_file": path, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}

    def token(self, *, key=None, algorithm=None, kid=None, drop=(), **changes):
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "worklist",
            "exp": datetime.now(UTC) + timedelta(minutes=5),
            "scope": "openid predict",
        } | changes
        kept = {name: value for name, value in claims.items() if name not in drop}
        return jwt.encode(kept, key or self.private, algorithm or self.kind, headers={"kid": kid or self.kid})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("kind", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_the_provider_is_let_in(serve, tmp_path, kind) -> None:
    provider = Provider(tmp_path / "jwks.json", kind)
    async with serve(**provider.settings) as client:
        answer = await predict(client, **bearer(provider.token()))
        listed = await predict(client, **bearer(provider.token(scope=None, drop=("scope",), scp=["predict"])))

    assert (answer.status_code, listed.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, "it has expired"),
        ({"iss": "https://elsewhere.example"}, "it comes from another issuer"),
        ({"aud": "another-service"}, "it is for another service"),
        ({"kid": "unknown"}, "its key (kid) is not in the file"),
        ({"drop": ("exp",)}, "it lacks one of exp, iss, aud, sub"),
        ({"drop": ("sub",)}, "it lacks one of exp, iss, aud, sub"),
        ({"nbf": datetime(2100, 1, 1, tzinfo=UTC)}, "it is not valid yet"),
    ],
    ids=lambda changes: next(iter(changes)) if isinstance(changes, dict) else "",
)
async def test_a_token_that_is_not_for_here_and_now_is_refused_in_words(serve, tmp_path, changes, reason) -> None:
    provider = Provider(tmp_path / "jwks.json")
    async with serve(**provider.settings) as client:
        refused = await predict(client, **bearer(provider.token(**changes)))

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert f"the bearer token is refused: {reason}" in refused.json()["detail"]
    assert "Error" not in refused.json()["detail"]


async def test_a_token_signed_by_somebody_else_or_not_at_all_is_refused(serve, tmp_path) -> None:
    provider = Provider(tmp_path / "jwks.json", "RS256")
    stranger = rsa.generate_private_key(65537, 2048)
    public = json.loads((tmp_path / "jwks.json").read_text())["keys"][0]["n"]
    forged = [
        provider.token(key=stranger),
        provider.token(key=public * 2, algorithm="HS256"),  # the public key taken for a shared secret
        jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "scope": "predict"}, None, "none", {"kid": "one"}),
        "not.a.token",
    ]
    async with serve(**provider.settings) as client:
        answers = [await predict(client, **bearer(token)) for token in forged]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 401]
    for answer, reason in zip(
        answers,
        ("its signature is not of its key", "another algorithm", "another algorithm", "not a JSON Web Token"),
        strict=True,
    ):
        assert reason in answer.json()["detail"]


async def test_a_token_grants_no_scope_that_it_does_not_name(serve, tmp_path) -> None:
    provider = Provider(tmp_path / "jwks.json")
    async with serve(**provider.settings) as client:
        refused = await predict(client, **bearer(provider.token(scope="dicom openid")))

    assert refused.status_code == 403


async def test_the_providers_new_keys_are_known_without_a_restart(serve, tmp_path) -> None:
    old = Provider(tmp_path / "jwks.json")
    async with serve(**old.settings) as client:
        new = Provider(tmp_path / "jwks.json", "EdDSA", kid="two")

        assert (await predict(client, **bearer(new.token()))).status_code == 200
        assert (await predict(client, **bearer(old.token()))).status_code == 401


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "is not a JWK set; give a JSON object"),
        ("nonsense", "is not a JWK set; give a JSON object"),
        ("\xff", "is not a JWK set; give a JSON object"),
        ('{"keys": [5]}', "key 1 .* has no kid"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]}', "accepted are RS256"),
        ('{"keys": [{"kid": "a", "d": "c2VjcmV0"}]}', "key 1 .* is not a public key that can be used"),
        ('{"keys": [{"kid": "a", "kty": "EC", "d": "c2VjcmV0"}]}', "key 1 .* is not a public key that can be used"),
        ('{"keys": [{"kty": "EC", "d": "c2VjcmV0"}]}', "key 1 .* has no kid"),
    ],
)
def test_a_key_set_that_is_unusable_or_symmetric_stops_the_start_and_is_not_quoted(
    tmp_path, tiny_models, content, reason
) -> None:
    (tmp_path / "jwks.json").write_text(content)
    settings = {"jwt_keys_file": tmp_path / "jwks.json", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}

    with pytest.raises(SettingsError, match=reason) as refusal:
        create_app(settings_of(models_dir=tiny_models, **settings))
    assert "c2VjcmV0" not in "".join(traceback.format_exception(refusal.value))
    assert "Error" not in str(refusal.value)


def test_half_of_the_token_settings_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        settings_of(jwt_issuer=ISSUER)
