"""DICOM TLS: the contexts of both sides.

Source: DICOM PS3.15 B.12, "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile": TLS 1.2 or 1.3, ephemeral
key exchange, authenticated encryption.
"""

import ssl
from pathlib import Path
from typing import Final

from service.outgoing.tls import load_own, trust
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
    load_own(context, settings.tls_cert_file, settings.tls_key_file, "CXR_DIMSE_TLS_CERT_FILE")
    if settings.tls_ca_file is not None:
        trust(context, settings.tls_ca_file, "CXR_DIMSE_TLS_CA_FILE")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def calling_context(settings: PacsSettings) -> ssl.SSLContext | None:
    """Of the service that delivers results; None where it speaks without TLS.

    Raises:
        SettingsError: a file cannot be read, or the key is not that of the certificate.
    """
    if not settings.tls:
        return None
    return client_context(settings.ca_file, settings.tls_cert_file, settings.tls_key_file, prefix="CXR_PACS_")


def client_context(
    ca_file: Path | None, cert_file: Path | None, key_file: Path | None, *, prefix: str = ""
) -> ssl.SSLContext:
    """Of whoever opens an association.

    Args:
        ca_file: vouches for the other side; None: the authorities of the internet do.
        cert_file: certificate chain that is shown; None: none is.
        key_file: its key.
        prefix: of the settings' names in messages.

    Raises:
        SettingsError: a file cannot be read, or the key is not that of the certificate.
    """
    context = ssl.create_default_context()
    if ca_file is not None:  # a hospital's own authority alone, not those of the internet
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust(context, ca_file, prefix + "CA_FILE")
    _restrict(context)
    if cert_file is not None:
        load_own(context, cert_file, key_file, prefix + "TLS_CERT_FILE")
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
        trust(context, settings.tls_ca_file, "CXR_DIMSE_TLS_CA_FILE")
    _restrict(context)
    load_own(context, settings.tls_cert_file, settings.tls_key_file, "CXR_DIMSE_TLS_CERT_FILE")
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
