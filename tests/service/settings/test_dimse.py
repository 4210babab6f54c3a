"""Rules of the settings of the DICOM network."""

from ipaddress import ip_network

import pytest

from schemas.errors import SettingsError
from service.settings import Peer, load_settings


def loaded(monkeypatch, **settings):
    for name, value in settings.items():
        monkeypatch.setenv(f"CXR_{name.upper()}", value)
    return load_settings()


def test_lists_titles_networks_and_peers_are_read(monkeypatch) -> None:
    settings = loaded(
        monkeypatch,
        dimse_calling_titles="ROOM 1, ROOM_2",
        dimse_calling_addresses="10.1.0.0/16, ::1",
        dimse_peers="ROOM 1@10.1.0.7:104,PACS@[fd00::1]:11112",
        pacs_dimse="ARCHIVE@pacs.example.org:104",
        dicomweb="true",
    )

    assert settings.dimse.calling_titles == ("ROOM 1", "ROOM_2")
    assert settings.dimse.calling_addresses == (ip_network("10.1.0.0/16"), ip_network("::1"))
    assert settings.dimse.peers == (Peer("ROOM 1", "10.1.0.7", 104), Peer("PACS", "fd00::1", 11112))
    assert settings.dimse.peers_by_title["PACS"].host == "fd00::1"
    assert settings.pacs.dimse == Peer("ARCHIVE", "pacs.example.org", 104)


def test_without_any_variable_it_listens_on_this_machine_alone(monkeypatch) -> None:
    settings = load_settings().dimse

    assert (settings.host, settings.port, settings.calling_titles, settings.commit_films) == (
        "127.0.0.1",
        11112,
        (),
        False,
    )


def test_a_port_that_kubernetes_injects_is_not_where_to_listen(monkeypatch) -> None:
    assert loaded(monkeypatch, dimse_port="tcp://10.96.12.7:11112").dimse.port == 11112


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"dimse_ae_title": "A" * 17}, "CXR_DIMSE_AE_TITLE"),
        ({"dimse_ae_title": "A\\B"}, "must be an AE title"),
        ({"dimse_calling_titles": "A,,B"}, "must be an AE title"),
        ({"dimse_calling_addresses": "10.1.0.1/16"}, "must be addresses or networks"),
        ({"dimse_peers": "A@host"}, "must be AETITLE@HOST:PORT"),
        ({"pacs_dimse": "A@host:0"}, "must be AETITLE@HOST:PORT"),
        ({"pacs_dimse": "A@host:104"}, "pacs_dimse names a PACS, but DICOMweb is off"),
        ({"pacs_dimse": "A@host:104", "pacs_url": "http://pacs", "dicomweb": "true"}, "two ways to a PACS"),
        ({"pacs_commit": "true"}, "set CXR_PACS_DIMSE too"),
        ({"pacs_tls": "true"}, "set CXR_PACS_DIMSE too"),
        ({"pacs_tls_cert_file": "a"}, "pacs_tls_cert_file and pacs_tls_key_file belong together"),
        ({"dimse_tls_key_file": "a"}, "dimse_tls_cert_file and dimse_tls_key_file belong together"),
        ({"dimse_tls_ca_file": "a"}, "set CXR_DIMSE_TLS_CERT_FILE"),
        ({"dimse_host": "0.0.0.0"}, "set CXR_DIMSE_CALLING_TITLES"),
        ({"dimse_service_url": "http://user:secret@host"}, "must be http://HOST:PORT"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_the_rule(monkeypatch, settings, text) -> None:
    with pytest.raises(SettingsError, match=text) as refusal:
        loaded(monkeypatch, **settings)

    assert "user:secret" not in str(refusal.value)
