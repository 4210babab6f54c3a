"""Rules of the file of destinations: every fault is named with its place, value, rule and remedy."""

import json
import re
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from service.destinations.file import read_entries
from tests.service.chosen import settings_of

GOOD = """
destinations:
  - name: second-pacs
    kind: dicomweb
    url: https://pacs.hospital.example/dicom-web
    tls_cert_file: /run/secrets/cxr.crt
    tls_key_file: /run/secrets/cxr.key
    oauth:
      token_url: https://sso.hospital.example/token
      client_id: cxr
      secret_file: /run/secrets/cxr
    rules:
      decisions: [positive, abstain]
      stations: [XR-1, xr-2]
      body_parts: [CHEST]
  - name: research
    kind: dimse
    peer: RESEARCH@10.0.0.5:104
  - name: chat
    kind: webhook
    url: https://chat.hospital.example/cxr
    secret_file: /run/secrets/webhook
  - {name: duty, kind: email, host: mail.hospital.example, sender: a@b.example, recipients: [c@d.example]}
"""


@pytest.fixture
def read(tmp_path):
    def of(content):
        file = tmp_path / "destinations.yml"
        file.write_text(content)
        return read_entries(file)

    return of


def test_every_kind_is_read_with_its_rules(read) -> None:
    entries = read(GOOD)

    assert [(entry.name, entry.kind) for entry in entries] == [
        ("second-pacs", "dicomweb"),
        ("research", "dimse"),
        ("chat", "webhook"),
        ("duty", "email"),
    ]
    assert entries[0].rules.decisions == ("positive", "abstain")
    assert entries[1].rules.decisions == ("positive", "negative", "abstain")
    assert entries[2].rules.decisions == entries[3].rules.decisions == ("positive",)


def test_the_example_of_the_page_is_a_file_of_destinations(read) -> None:
    page = (Path(__file__).parents[3] / "docs" / "destinations.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)

    assert {entry.kind for entry in read(example)} == {"dicomweb", "dimse", "webhook", "email"}


def destination(**fields) -> str:
    row = {"name": "chat", "kind": "webhook", "url": "https://x/", "secret_file": "s"} | fields
    return json.dumps({"destinations": [{name: value for name, value in row.items() if value is not None}]})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("destinations: [", "is not YAML at line 1"),
        ("[]", "must hold one key, destinations, with a list of them"),
        ("destinations: []\nmore: 1", "must hold one key"),
        ("destinations: [text]", "destination 1 must be fields with values"),
        (destination(kind="fax"), r"destination 1 \(chat\): kind='fax' must be one of .*dicomweb, dimse, email"),
        (destination(kind=None), "kind='None' must be one of"),
        (destination(name="Chat Room"), r"destination 1 \(Chat Room\): name='Chat Room': String should match"),
        (destination(secret_file=None), r"destination 1 \(chat\): secret_file is missing"),
        (destination(secret="whsec"), "secret is not a field of this kind; correct or remove it"),
        (destination(url="ftp://x"), "url='ftp://x': must be https://HOST/PATH"),
        (destination(url="http://pacs/"), "url must begin with https://, as it leaves this machine; or state unencr"),
        (destination(url="https://user:swordfish@x/"), "url: must be https://HOST/PATH, without a login in it"),
        (destination(rules={"decisions": ["maybe"]}), r"rules.decisions.0='maybe': Input should be 'positive'"),
        (destination(token_file="a", login_file="b"), "are ways to the same destination; name one of them"),
        (destination(tls_cert_file="a"), "tls_cert_file and tls_key_file belong together"),
        (destination(at_once=0), "at_once='0': Input should be greater than or equal to 1"),
        (
            destination(kind="dimse", url=None, secret_file=None, peer="nobody"),
            "peer='nobody': must be AETITLE@HOST:PORT",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(read, content, reason) -> None:
    with pytest.raises(SettingsError, match=reason) as refusal:
        read(content)

    assert "CXR_DESTINATIONS" in str(refusal.value)
    assert "destinations.yml" in str(refusal.value)
    assert "swordfish" not in str(refusal.value)


def test_all_faults_are_named_at_once_and_a_name_stands_once(read) -> None:
    rows = [{"name": "a", "kind": "email"}, {"name": "a", "kind": "fax"}]
    with pytest.raises(SettingsError) as refusal:
        read(f"destinations: {rows}")
    assert "destination 1 (a): host is missing" in str(refusal.value)
    assert "destination 2 (a): kind='fax'" in str(refusal.value)

    row = "{name: duty, kind: email, host: m.example, sender: a@b.example, recipients: [c@d.example]}"
    with pytest.raises(SettingsError, match="duty names more than one destination; rename one"):
        read(f"destinations: [{row}, {row}]")


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yml cannot be read"):
        read_entries(tmp_path / "none.yml")


def test_a_file_without_dicomweb_is_refused() -> None:
    with pytest.raises(ValueError, match="destinations get results of DICOMweb, which is off; set CXR_DICOMWEB=true"):
        settings_of(destinations="destinations.yml")
