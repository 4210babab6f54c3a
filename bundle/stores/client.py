"""Requests to one repository of an OCI registry: logins and tokens, retries, and files that are never whole in memory.

Source: OCI distribution-spec 1.1.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, BinaryIO, Final

import httpx2

from bundle.stores.address import OciReference
from bundle.stores.faults import refuse_status
from bundle.stores.login import Challenge, Login, find_login, parse_challenge
from bundle.stores.source import StoreOptions, StoreRefusedError, StoreUnavailableError
from bundle.stores.transport import PIECE, Asked, Transport

LARGEST_DOCUMENT: Final = 4 * 1024 * 1024
"""Of a manifest or an index. Source: OCI distribution-spec, "Pushing Manifests": registries take 4 MiB at least."""
_PAUSE_S: Final = 0.2
"""Before the second attempt; before each one after that, five times as long."""
_LONGEST_TOKEN: Final = 64 * 1024


class RegistryClient:
    """One repository, and the token that it gave."""

    def __init__(
        self,
        reference: OciReference,
        options: StoreOptions,
        *,
        push: bool = False,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Open nothing yet.

        Args:
            reference: names host and repository.
            options: how the registry is reached.
            push: whether the right to write is asked for.
            pause: waits so many seconds before another attempt.

        Raises:
            StoreRefusedError: the certificates of `options.ca_file` cannot be read.
        """
        self._host = reference.host
        self._repository = reference.repository
        self._right = "pull,push" if push else "pull"
        self._pause = pause
        self._attempts = options.attempts
        self._authorization: str | None = None
        scheme = "http" if options.allow_http else "https"
        self._base = f"{scheme}://{reference.host}/v2/{reference.repository}"
        self._transport = Transport(f"{reference.host}/{reference.repository}", self._base, options)

    @property
    def where(self) -> str:
        """Host and repository, for messages."""
        return self._transport.where

    def close(self) -> None:
        """Close the connections; another request opens others."""
        self._transport.close()

    def document(self, reference: str, accept: str) -> bytes:
        """A manifest or an index by its tag or digest.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the registry refuses, or has none.
            BundleError: it is larger than any.
        """
        what = f"manifest {reference[:19]}"
        with self.asked("GET", f"/manifests/{reference}", accept=accept) as response:
            self.require(response, HTTPStatus.OK, what)
            return self._transport.bounded(response, LARGEST_DOCUMENT, what)

    def digest_of(self, reference: str, accept: str) -> str | None:
        """What a tag points to, without its content; None where the registry does not say.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the other end is not to be trusted.
        """
        with self.asked("HEAD", f"/manifests/{reference}", accept=accept) as response:
            return response.headers.get("Docker-Content-Digest") if response.status_code == HTTPStatus.OK else None

    @contextmanager
    def blob(self, digest: str) -> Iterator[Iterator[bytes]]:
        """The content of a blob in pieces, not yet compared with its digest.

        Raises:
            StoreUnavailableError: there was no answer, or it broke off.
            StoreRefusedError: the registry refuses, or has no such blob.
        """
        with self.asked("GET", f"/blobs/{digest}") as response:
            self.require(response, HTTPStatus.OK, f"blob {digest[:19]}")
            yield self._transport.pieces(response)

    def has_blob(self, digest: str) -> bool:
        """Whether a blob need not be sent.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the other end is not to be trusted.
        """
        with self.asked("HEAD", f"/blobs/{digest}") as response:
            return response.status_code == HTTPStatus.OK

    def upload(self, digest: str, size: int, open_content: Callable[[], BinaryIO]) -> None:
        """Send a blob. Source: OCI distribution-spec, "Pushing a blob monolithically", POST then PUT.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the registry refuses.
        """
        what = f"upload of blob {digest[:19]}"
        with self.asked("POST", "/blobs/uploads/", length=0) as response:
            self.require(response, HTTPStatus.ACCEPTED, what)
            location = str(httpx2.URL(self._base).join(response.headers.get("Location", "")))
        self._transport.require_tls(location)
        address = str(httpx2.URL(location).copy_merge_params({"digest": digest}))

        def body() -> Iterator[bytes]:
            with open_content() as stream:
                while piece := stream.read(PIECE):
                    yield piece

        with self.asked("PUT", address, content_type="application/octet-stream", length=size, body=body) as response:
            self.require(response, HTTPStatus.CREATED, what)

    def put_document(self, reference: str, media_type: str, content: bytes) -> None:
        """Store a manifest or an index under a tag or its digest.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the registry refuses.
        """
        with self.asked(
            "PUT", f"/manifests/{reference}", content_type=media_type, length=len(content), body=lambda: content
        ) as response:
            self.require(response, HTTPStatus.CREATED, f"upload of manifest {reference[:19]}")

    @contextmanager
    def asked(
        self, method: str, path: str, *, accept: str = "*/*", content_type: str | None = None, **request: Any
    ) -> Iterator[httpx2.Response]:
        """The answer to a request, its body not yet read; asked again where a login is wanted or the network fails.

        Args:
            method: of HTTP.
            path: below the repository, or a whole address that the registry gave.
            accept: media types.
            content_type: of the body.
            request: `length` and `body` of the content.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the other end is not to be trusted.
        """
        headers = {"Accept": accept}
        if content_type is not None:
            headers["Content-Type"] = content_type
        if (length := request.pop("length", None)) is not None:
            headers["Content-Length"] = str(length)
        asked = Asked(method, path if "://" in path else self._base + path, headers, **request)
        for attempt in range(self._attempts):
            is_last = attempt == self._attempts - 1
            try:
                response = self._with_login(asked)
            except StoreUnavailableError:
                if is_last:
                    raise
            else:
                try:
                    if is_last or response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                        yield response
                        return
                finally:
                    response.close()
            self._pause(_PAUSE_S * 5**attempt)

    def require(self, response: httpx2.Response, status: int, what: str) -> None:
        """Refuse another status.

        Raises:
            StoreUnavailableError: see `refuse_status`.
            StoreRefusedError: see `refuse_status`.
        """
        if response.status_code != status:
            refuse_status(response.status_code, self.where, what=what, right=self._right)

    def _with_login(self, asked: Asked) -> httpx2.Response:
        response = self._transport.send(asked, self._authorization)
        # Of the registry itself: where a redirect leads, another's realm would be sent its login.
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._transport.is_registry(response.request.url):
            challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
            response.close()
            self._authorization = self._answer_to(challenge)
            response = self._transport.send(asked, self._authorization)
        return response

    def _answer_to(self, challenge: Challenge) -> str | None:
        login = find_login(self._host)
        if challenge.scheme == "basic":
            return None if login is None else login.basic
        if challenge.scheme == "bearer" and "realm" in challenge.parameters:
            return f"Bearer {self._token(challenge, login)}"
        msg = (
            f"{self.where} asks for an unknown login ({challenge.scheme[:20] or 'none named'}); Basic and Bearer "
            "are known: check that the address is a registry"
        )
        raise StoreRefusedError(msg)

    def _token(self, challenge: Challenge, login: Login | None) -> str:
        """A token of the realm, for this repository alone."""
        realm = challenge.parameters["realm"]
        self._transport.require_tls(realm)
        scope = challenge.parameters.get("scope") or f"repository:{self._repository}:{self._right}"
        asked = {"service": challenge.parameters.get("service", ""), "scope": scope}
        build = self._transport.client.build_request
        if login is not None and login.identity_token is not None:
            form = {"grant_type": "refresh_token", "refresh_token": login.identity_token, "client_id": "cxr-classifier"}
            request = build("POST", realm, data={**asked, **form})
        else:
            request = build("GET", realm, params=asked, headers={} if login is None else {"Authorization": login.basic})
        response = self._transport.open(request)
        try:
            self.require(response, HTTPStatus.OK, "token")
            answer = json.loads(self._transport.bounded(response, _LONGEST_TOKEN, "the token"))
            return str(answer.get("token") or answer["access_token"])
        except (ValueError, KeyError, AttributeError) as error:
            msg = f"{self.where} gave no token where it asks for one; see the realm in its configuration"
            raise StoreRefusedError(msg) from error
        finally:
            response.close()
