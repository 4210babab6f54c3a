"""Rules of the requests to a registry: logins, retries, redirects, and what failures are called."""

import base64
import json
import socket
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bundle.stores.address import OciReference
from bundle.stores.client import RegistryClient
from bundle.stores.oci import ACCEPT
from bundle.stores.source import StoreOptions, StoreRefusedError, StoreUnavailableError
from bundle.stores.transport import Transport
from tests.bundle.stores.fake_registry import TOKEN, FakeRegistry

SECRET = "open-sesame"


def log_in(tmp_path: Path, host: str, login: str = f"reader:{SECRET}", **more) -> None:
    """As `docker login` does."""
    folder = tmp_path / "docker"
    folder.mkdir(exist_ok=True)
    entry = {"auth": base64.b64encode(login.encode()).decode()} | more
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))


@pytest.fixture
def open_client():
    """Clients that do not pause between attempts."""
    with ExitStack() as stack:

        def opened(host: str, **options) -> RegistryClient:
            chosen = StoreOptions(**({"timeout_s": 5, "allow_http": True} | options))
            client = RegistryClient(OciReference(host, "cxr/tiny", "stable", None), chosen, pause=lambda _: None)
            return stack.enter_context(closing(client))

        yield opened


@pytest.fixture
def client(open_client, stocked) -> RegistryClient:
    return open_client(stocked.host)


def read(client: RegistryClient) -> bytes:
    return client.document("stable", ACCEPT)


@pytest.fixture
def stocked(registry) -> FakeRegistry:
    registry.manifests["stable"] = ("application/vnd.oci.image.manifest.v1+json", b"{}")
    return registry


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_login_of_dockers_config_is_given_where_it_is_asked_for(client, scheme, stocked, tmp_path) -> None:
    stocked.login, stocked.scheme = f"reader:{SECRET}", scheme
    log_in(tmp_path, stocked.host)

    assert read(client) == read(client) == b"{}"
    authorizations = [each[2] for each in stocked.requests if "manifests" in each[1]]
    expected = f"Bearer {TOKEN}" if scheme == "bearer" else "Basic " + base64.b64encode(stocked.login.encode()).decode()
    assert authorizations == [None, expected, expected]  # a token is asked for once
    assert stocked.asked_for("GET", "/token") == (scheme == "bearer")


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("login", [None, "reader:wrong-password"])
def test_a_wrong_or_missing_login_is_refused_without_its_words(client, scheme, login, stocked, tmp_path) -> None:
    stocked.login, stocked.scheme = f"reader:{SECRET}", scheme
    if login is not None:
        log_in(tmp_path, stocked.host, login)

    with pytest.raises(StoreRefusedError, match=r"does not know the login.*DOCKER_CONFIG") as refusal:
        read(client)
    assert "wrong-password" not in str(refusal.value)


def test_a_renewed_login_is_read_without_a_restart(client, stocked, tmp_path) -> None:
    stocked.login = "reader:old"
    log_in(tmp_path, stocked.host, "reader:old")
    read(client)
    stocked.login = "reader:new"
    log_in(tmp_path, stocked.host, "reader:new")

    assert read(client) == b"{}"


def test_the_login_of_another_registry_is_not_given(client, stocked, tmp_path) -> None:
    stocked.login = f"reader:{SECRET}"
    log_in(tmp_path, "registry.example.org")

    with pytest.raises(StoreRefusedError):
        read(client)
    assert all(authorization is None for _, _, authorization in stocked.requests)


def test_the_login_does_not_follow_a_redirect_to_another_host(client, stocked, tmp_path) -> None:
    elsewhere = FakeRegistry()
    digest = "sha256:" + "0" * 64
    stocked.blobs[digest] = elsewhere.blobs[digest] = b"content"
    stocked.login, stocked.blobs_elsewhere = f"reader:{SECRET}", f"http://{elsewhere.host}"
    log_in(tmp_path, stocked.host)
    try:
        with client.blob(digest) as pieces:
            content = b"".join(pieces)
    finally:
        elsewhere.close()

    assert content == b"content"
    assert [each[2] for each in elsewhere.requests] == [None]


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_the_realm_of_another_host_is_not_asked_with_the_login(client, scheme, stocked, tmp_path) -> None:
    elsewhere = FakeRegistry()
    digest = "sha256:" + "0" * 64
    stocked.blobs[digest] = b"content"
    stocked.blobs_elsewhere = f"http://{elsewhere.host}"
    elsewhere.login, elsewhere.scheme = "its:own", scheme
    log_in(tmp_path, stocked.host)
    try:
        with pytest.raises(StoreRefusedError, match="answered 401 for blob"), client.blob(digest):
            pass
    finally:
        elsewhere.close()

    assert elsewhere.requests == [("GET", f"/elsewhere/{digest}", None)]


def test_a_registry_is_itself_with_the_port_that_its_scheme_implies() -> None:
    transport = Transport("r", "https://Registry.example:443/v2/cxr", StoreOptions())

    assert transport.is_registry("https://registry.example/v2/cxr/blobs/1")
    assert not transport.is_registry("https://registry.example:8443/v2/cxr/blobs/1")
    assert not transport.is_registry("http://registry.example/v2/cxr/blobs/1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "docker's JSON"),
        ("[]", "docker's JSON"),
        ('{"auths": {"HOST": {"auth": "%"}}}', "is not a login"),
        ('{"credsStore": "desktop"}', "docker-credential-desktop, which is not run here"),
    ],
)
def test_a_file_of_logins_that_is_of_no_use_is_named(client, content, reason, stocked, tmp_path) -> None:
    stocked.login = "reader:x"
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(content.replace("HOST", stocked.host))

    with pytest.raises(StoreRefusedError, match=reason):
        read(client)


def test_a_registry_that_fails_for_a_moment_is_asked_again(client, stocked) -> None:
    stocked.statuses.extend([503, 500])

    assert read(client) == b"{}"
    assert len(stocked.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (403, StoreRefusedError, "may not do that; ask for the right to pull"),
        (404, StoreRefusedError, "it has no manifest stable"),
        (418, StoreRefusedError, "it refuses"),
        (429, StoreUnavailableError, "it cannot answer now"),
        (500, StoreUnavailableError, "it cannot answer now"),
    ],
)
def test_a_status_is_said_in_words(client, status, kind, words, stocked) -> None:
    stocked.statuses.extend([status] * 3)

    with pytest.raises(kind, match=f"answered {status} for manifest stable: .*{words}"):
        read(client)


def test_plain_http_needs_to_be_allowed(open_client, stocked) -> None:
    with pytest.raises(StoreRefusedError, match=r"does not speak TLS.*CXR_STORE_ALLOW_HTTP"):
        read(open_client(stocked.host, allow_http=False))


def test_nobody_there_is_an_outage(open_client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(StoreUnavailableError, match="nothing listens there"):
        read(open_client(f"127.0.0.1:{port}"))


def test_a_registry_that_hangs_is_an_outage(open_client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = open_client(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05)

        with pytest.raises(StoreUnavailableError, match=r"no answer within 0\.05 s"):
            read(client)


def test_certificates_that_cannot_be_read_are_named(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(StoreRefusedError, match=r"ca\.pem holds no certificates"):
        RegistryClient(OciReference("r", "cxr", "1", None), StoreOptions(ca_file=tmp_path / "ca.pem"))
