"""DICOM TLS: the contexts of both sides.

Source: DICOM PS3.15 B.12, "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile": TLS 1.2 or 1.3, ephemeral
key exchange, authenticated encryption.
"""

import ssl
from pathlib import Path
from typing import Final

from schemas.errors import SettingsError
from service.security.watched_file import warn_of_open_file
from service.settings import DimseSettings, PacsSettings

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!PSK:!aNULL"
"""Of TLS 1.2, RFC 9325 4.2; those of TLS 1.3 all qualify."""


def accepting_context(settings: DimseSettings) -> ssl.SSLContext | None:
    """Of the process that listens; None where it speaks without TLS.

    Raises:
        SettingsError: a file cannot be read, or the key is not that of the certificate.
    """
    if settings.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    _load_own(context, settings.tls_cert_file, settings.tls_key_file, "CXR_DIMSE_TLS_CERT_FILE")
    if settings.tls_ca_file is not None:
        _trust(context, settings.tls_ca_file, "CXR_DIMSE_TLS_CA_FILE")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def calling_context(settings: PacsSettings) -> ssl.SSLContext | None:
    """Of the service that delivers results; None where it speaks without TLS.

    Raises:
        SettingsError: a file cannot be read, or the key is not that of the certificate.
    """
    if not settings.tls:
        return None
    context = ssl.create_default_context()
    if settings.ca_file is not None:  # a hospital's own authority alone, not those of the internet
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, settings.ca_file, "CXR_PACS_CA_FILE")
    _restrict(context)
    if settings.tls_cert_file is not None:
        _load_own(context, settings.tls_cert_file, settings.tls_key_file, "CXR_PACS_TLS_CERT_FILE")
    return context


def peer_context(settings: DimseSettings) -> ssl.SSLContext | None:
    """Of the process that calls one of its callers back, with the same certificates; None without TLS.

    Raises:
        SettingsError: as above.
    """
    if settings.tls_cert_file is None:
        return None
    context = ssl.create_default_context()
    if settings.tls_ca_file is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, settings.tls_ca_file, "CXR_DIMSE_TLS_CA_FILE")
    _restrict(context)
    _load_own(context, settings.tls_cert_file, settings.tls_key_file, "CXR_DIMSE_TLS_CERT_FILE")
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path | None, variable: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
        msg = (
            f"{variable} and its key cannot be used ({reason or 'no PEM, a key with a password, or not a pair'}); give "
            "a certificate chain and its key in PEM"
        )
        raise SettingsError(msg) from error
    if key is not None:
        warn_of_open_file(key, secret=True)


def _trust(context: ssl.SSLContext, authorities: Path, variable: str) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        msg = f"{variable} holds no certificates that can be read; give a file in PEM"
        raise SettingsError(msg) from error


def _no_password() -> bytes:
    """Asked for where a key is encrypted: OpenSSL would wait at a terminal otherwise."""
    return b""
