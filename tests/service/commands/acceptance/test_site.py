"""Rules of `python -m service site`."""

import stat

import pytest
import structlog

from bundle.files import sha256_of
from bundle.opening import open_bundle
from bundle.signature import parse_trusted_keys
from schemas.model.manifest import MANIFEST
from service.commands.acceptance.site import site_command
from service.models.site_profiles import profile_path, read_profile
from tests.service.audit.lines import records
from tests.service.bundles import write_tiny_bundle
from tests.service.commands.films import write_films


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    """A folder of films and labels, a bundle and the site's key."""
    write_tiny_bundle(tmp_path / "models", statistics=False)
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path / "models"))
    write_films(tmp_path / "films", ill=30, well=24)
    assert site_command(["keygen", str(tmp_path / "key")]) == 0
    yield tmp_path
    structlog.reset_defaults()


def choose(clinic, *options, risk="0.1"):
    return site_command(
        [
            *("profile", str(clinic / "films"), str(clinic / "labels.csv"), "--site", "St Example", "--risk", risk),
            *("--key", str(clinic / "key"), "--profiles", str(clinic / "profiles"), *options),
        ]
    )


def test_a_key_is_its_owners_alone(clinic) -> None:
    assert stat.S_IMODE((clinic / "key").stat().st_mode) == 0o600
    assert site_command(["keygen", str(clinic / "key")]) == 2  # and is never overwritten


def test_thirty_positives_choose_a_profile_that_is_signed_shown_and_revoked(clinic, capsys) -> None:
    status = choose(clinic, "--alarm-risk", "0.2")
    bundle = clinic / "models" / "tiny" / "1.0.0"
    digest = sha256_of(bundle / MANIFEST)
    path = profile_path(clinic / "profiles", digest)
    made, sha256 = read_profile(path, parse_trusted_keys((clinic / "key.pub").read_bytes()))
    made.applied_to(open_bundle(bundle).manifest, sha256)
    site_command(["list", "--profiles", str(clinic / "profiles")])
    listed = capsys.readouterr().out
    revoked = site_command(["revoke", "tiny/1.0.0", "--profiles", str(clinic / "profiles")])
    lines = [line for line in records(clinic / "profiles" / "audit.jsonl") if line["event"] == "profile"]

    assert (status, revoked) == (0, 0)
    assert (made.site, made.risk, made.alarm_risk, made.films, made.with_finding) == ("St Example", 0.1, 0.2, 54, 30)
    assert (made.missed, made.false_alarms, made.answered.value) == (0, 0, 1.0)
    assert "tiny/1.0.0" in listed
    assert "at most 10.0% missed and 20.0% false alarms" in listed
    assert not path.exists()
    assert len(list((clinic / "profiles").glob("*.revoked-*"))) == 1
    assert [(line["outcome"], line["model_sha256"]) for line in lines] == [("made", digest), ("revoked", digest)]
    assert lines[0]["content_sha256"] == sha256


def test_too_few_positives_are_refused_with_what_they_can_promise(clinic, capsys) -> None:
    assert choose(clinic, risk="0.05") == 2
    assert "too few positives: with 30 positives and no miss, 10 % is what can be promised" in capsys.readouterr().err
    assert records(clinic / "profiles" / "audit.jsonl")[-1]["outcome"] == "invalid_evidence"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revoke", "0" * 64, "--profiles", "."], "holds no profile of the bundle 000000000000"),
        (["revoke", "tiny/9.9.9", "--profiles", "."], "is not in the models directory"),
        (["list"], "set CXR_SITE_PROFILES_DIR"),
    ],
)
def test_what_is_not_there_is_refused(clinic, capsys, monkeypatch, arguments, message) -> None:
    monkeypatch.chdir(clinic)

    assert site_command(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_risk_is_a_share(clinic, capsys) -> None:
    assert choose(clinic, risk="5") == 2
    assert "--risk 5.0 is not a share" in capsys.readouterr().err


def test_a_file_that_is_not_a_profile_is_named(clinic, capsys) -> None:
    (clinic / "profiles").mkdir()
    profile_path(clinic / "profiles", "a" * 64).write_text("{}")

    assert site_command(["list", "--profiles", str(clinic / "profiles")]) == 2
    assert "is not a site profile" in capsys.readouterr().err
