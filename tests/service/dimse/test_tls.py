"""Rules of DICOM TLS, with certificates that are made here."""

import ssl

import pytest

from schemas.errors import PacsUnreachableError, SettingsError
from service.dicomweb.tables import open_database
from service.dimse.archive import open_archive
from service.dimse.process import listening
from service.dimse.tls import CIPHERS
from tests.service.chosen import settings_of
from tests.service.dicomweb.films import STUDY, film, uid
from tests.service.dimse.calls import connect, counted, echo, until_closed
from tests.service.dimse.certificates import Authority
from tests.service.dimse.pacs import DimseArchive
from tests.waiting import wait_until


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def own(authority):
    certificate, key = authority.vouch("service")
    return {"dimse_tls_cert_file": certificate, "dimse_tls_key_file": key}


def context_of(authority, pair=None, **options):
    context = ssl.create_default_context(cafile=authority.file)
    if pair is not None:
        context.load_cert_chain(*pair)
    for name, value in options.items():
        setattr(context, name, value)
    return context


def echoed(port, context):
    return echo(port, tls_args=(context, "127.0.0.1"))


def test_with_a_certificate_tls_alone_is_spoken(listen, own, authority) -> None:
    listener = listen(**own)
    port = listener.server_address[1]

    assert echoed(port, context_of(authority)) == 0
    assert echo(port) is None
    wait_until(lambda: counted(listener, "cxr_dimse_connections_total").get("tls") == 1, "its end is counted")


@pytest.mark.clause("PS3.15 B.12", "mutual TLS")
def test_with_an_authority_callers_must_show_its_certificate(listen, own, authority, tmp_path) -> None:
    port = listen(**own, dimse_tls_ca_file=authority.file).server_address[1]
    stranger = Authority(tmp_path, "strangers")

    assert echoed(port, context_of(authority, authority.vouch("modality"))) == 0
    assert echoed(port, context_of(authority)) is None
    assert echoed(port, context_of(authority, stranger.vouch("stranger"))) is None


@pytest.mark.clause("PS3.15 B.12", "TLS below 1.2 and weak ciphers are refused")
def test_old_versions_and_weak_ciphers_are_refused(listen, own, authority) -> None:
    port = listen(**own).server_address[1]
    old = context_of(authority)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    weak = context_of(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
    good = context_of(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    good.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")

    assert [echoed(port, context) for context in (old, weak, good)] == [None, None, 0]


@pytest.mark.clause("PS3.15 B.12", "ephemeral keys and authenticated encryption alone")
def test_every_cipher_is_authenticated_encryption_with_ephemeral_keys() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(CIPHERS)

    assert all(cipher["aead"] for cipher in context.get_ciphers())
    assert {cipher["kea"] for cipher in context.get_ciphers()} <= {"kx-ecdhe", "kx-dhe", "kx-any"}


def test_a_handshake_that_does_not_begin_keeps_nobody_waiting(listen, own, authority) -> None:
    port = listen(**own).server_address[1]
    silent = connect(port)

    assert echoed(port, context_of(authority)) == 0
    silent.close()


def test_rubbish_instead_of_a_handshake_ends_its_connection(listen, own) -> None:
    connection = connect(listen(**own).server_address[1])
    connection.sendall(b"\x01\x00\x00\x00\x00\xcd" + bytes(205))

    assert len(until_closed(connection)) < 100  # an alert


@pytest.mark.parametrize("missing", ["certificate", "key", "pair"])
def test_certificates_that_cannot_be_used_stop_the_start(authority, own, tmp_path, missing) -> None:
    if missing == "pair":
        own["dimse_tls_key_file"] = authority.vouch("other")[1]
    else:
        own["dimse_tls_cert_file" if missing == "certificate" else "dimse_tls_key_file"] = tmp_path / "none"
    with pytest.raises(SettingsError, match="CXR_DIMSE_TLS_CERT_FILE"), listening(settings_of(**own)):
        pass


@pytest.mark.anyio
async def test_results_go_to_an_archive_over_mutual_tls_and_to_none_that_is_not_trusted(
    authority, tmp_path, spool_url
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    tls.load_cert_chain(*authority.vouch("archive"))
    tls.verify_mode = ssl.CERT_REQUIRED
    pacs = DimseArchive(tls=tls)
    certificate, key = authority.vouch("sender")
    shown = {"pacs_tls": True, "pacs_tls_cert_file": certificate, "pacs_tls_key_file": key}
    with open_database(spool_url) as engine:
        for trusted in (authority.file, Authority(tmp_path, "others").file):
            settings = settings_of(dicomweb=True, pacs_dimse=pacs.peer, pacs_ca_file=trusted, **shown)
            async with open_archive(settings.dimse, settings.pacs, engine) as archive:
                if trusted == authority.file:
                    await archive.bring(STUDY, {uid("film"): film()})
                else:
                    with pytest.raises(PacsUnreachableError, match="certificates"):
                        await archive.bring(STUDY, {uid("other"): film("other")})
    pacs.close()

    assert pacs.stored == {uid("film"): 1}
