"""`python -m service site keygen|profile|list|revoke|verify`: the site's key, and what it signs."""

import argparse
import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import SettingsError
from service.commands.command import Command, ExitCode

if TYPE_CHECKING:
    from schemas.site_profile import SiteProfile

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", required=True)
    keygen = commands.add_parser("keygen", help="make the site's key; it signs reports and profiles")
    keygen.add_argument("file", type=Path, help="of the private key, for its owner alone; the public one gets .pub")
    profile = commands.add_parser("profile", help="choose an operating point of the site's own, with a guarantee")
    profile.add_argument("films", type=Path, help="folder of films; only labelled ones are read, and none leaves")
    profile.add_argument("labels", type=Path, help="CSV table: film, and the finding's name")
    profile.add_argument("--site", required=True, help="name of the site, as answers show it")
    profile.add_argument("--key", type=Path, required=True, help="the site's private key")
    profile.add_argument(
        "--risk", type=float, required=True, help="largest share of films with the finding answered negative, e.g. 0.05"
    )
    profile.add_argument(
        "--alarm-risk", type=float, default=0.1, help="largest share without it answered positive; default: %(default)s"
    )
    profile.add_argument("--finding", help="which of the bundle's findings; default: its only one")
    verify = commands.add_parser("verify", help="check that a report and its limits are as the site signed them")
    verify.add_argument("report", type=Path, help="folder of the report")
    verify.add_argument(
        "--keys", type=Path, required=True, help="the site's public keys: the file of CXR_SITE_KEYS_FILE"
    )
    listing = commands.add_parser("list", help="show the profiles that are in use")
    revoke = commands.add_parser("revoke", help="take a profile out of use; a running service notices it by itself")
    revoke.add_argument("bundle", help="NAME/VERSION of the models directory, or the SHA-256 of its manifest")
    for command in (profile, listing, revoke):
        command.add_argument("--profiles", type=Path, help="folder of the profiles; default: CXR_SITE_PROFILES_DIR")
        command.add_argument("--audit-file", type=Path, help="chain of acts; default: audit.jsonl in that folder")


def _run(options: argparse.Namespace) -> int:
    from service.commands.local import log_warnings_only

    log_warnings_only()
    if options.command == "keygen":
        from bundle.signing import make_key

        print(f"key {make_key(options.file)}: keep {options.file} secret; {options.file}.pub is for CXR_SITE_KEYS_FILE")
    elif options.command == "profile":
        _profile(options)
    elif options.command == "verify":
        return _verify(options)
    elif options.command == "list":
        _list(_folder(options))
    else:
        _revoke(options)
    return ExitCode.DONE


site_command = Command(
    "site", "Manage the site's key and its own operating points; verify its reports.", _add_arguments, _run
)


def _profile(options: argparse.Namespace) -> None:
    from service.acceptance.profile import write_profile
    from service.commands.acceptance.evidence import CHAIN, evidence_chain, recorded_failure, site_key

    for name in ("risk", "alarm_risk"):
        if not 0 < getattr(options, name) < 1:
            msg = f"--{name.replace('_', '-')} {getattr(options, name)} is not a share; give one between 0 and 1"
            raise SettingsError(msg)
    folder = _folder(options)
    key = site_key(options.key)
    with evidence_chain(options.audit_file or folder / CHAIN) as chain, recorded_failure(chain, "profile"):
        made = asyncio.run(_chosen(options))
        path = write_profile(folder, made, key)
        chain.record("profile", "made", content_sha256=_sha256(made), model_sha256=made.model_sha256)
    print(_in_words(made))
    print(f"written to {path}; a service with CXR_SITE_PROFILES_DIR={folder} applies it")


async def _chosen(options: argparse.Namespace) -> "SiteProfile":
    from biostatistics.risk_control import Risks
    from service.acceptance.labels import read_labels
    from service.acceptance.profile import SiteRequest, choose_operating_point
    from service.commands.acceptance.labelled import chosen_finding, examine, single_bundle
    from service.commands.local import open_reader
    from service.settings import load_settings

    settings = load_settings()
    # A profile is made of the bundle's own answers, whatever profile is in use.
    evidence = settings.evidence.model_copy(update={"site_profiles_dir": None})
    async with open_reader(settings.model_copy(update={"evidence": evidence})) as reader:
        loaded = single_bundle(reader)
        finding = chosen_finding(loaded, options.finding)
        labels = read_labels(options.labels, finding, loaded.manifest.negative_class)
        examined = await examine(reader, options.films, labels, finding)
        request = SiteRequest(
            site=options.site,
            finding=finding,
            risks=Risks(options.risk, options.alarm_risk),
            made_at=datetime.now(UTC),
            labels_sha256=labels.sha256,
            precision=loaded.precision,
        )
        return choose_operating_point(loaded.manifest, loaded.bundle.sha256, examined.films, request)


def _list(folder: Path) -> None:
    from pydantic import ValidationError

    from schemas.site_profile import SiteProfile
    from service.models.site_profiles import SignedProfile

    for path in sorted(folder.glob("*.json")):
        if not _SHA256.fullmatch(path.stem):
            continue
        try:
            signed = SignedProfile.model_validate_json(path.read_bytes())
            profile = SiteProfile.model_validate_json(signed.profile)
        except (OSError, ValidationError) as error:
            msg = f"{path} is not a site profile; make it again, or remove it"
            raise SettingsError(msg) from error
        print(f"{profile.model} ({path.stem[:12]}…): {_in_words(profile)}; signed by key {signed.signature.key_id}")


def _verify(options: argparse.Namespace) -> int:
    from bundle.signature import parse_trusted_keys
    from service.acceptance.folder import fault_of

    try:
        keys = parse_trusted_keys(options.keys.read_bytes())
    except OSError as error:
        msg = f"--keys {options.keys} cannot be read ({error.strerror}); `python -m service site keygen` makes it"
        raise SettingsError(msg) from error
    fault = fault_of(options.report, keys)
    print("as it was signed" if fault is None else f"not as it was signed: {fault}")
    return ExitCode.DONE if fault is None else ExitCode.FAILED


def _revoke(options: argparse.Namespace) -> None:
    from service.acceptance.profile import revoke_profile
    from service.commands.acceptance.evidence import CHAIN, evidence_chain, recorded_failure

    folder = _folder(options)
    model_sha256 = _bundle_hash(options.bundle)
    with evidence_chain(options.audit_file or folder / CHAIN) as chain, recorded_failure(chain, "profile"):
        kept = revoke_profile(folder, model_sha256, datetime.now(UTC))
        chain.record("profile", "revoked", model_sha256=model_sha256)
    print(f"revoked; kept as {kept}")


def _bundle_hash(bundle: str) -> str:
    from bundle.files import sha256_of
    from schemas.model.manifest import MANIFEST
    from service.settings import load_settings

    if _SHA256.fullmatch(bundle):
        return bundle
    manifest = load_settings().models.bundles_dir / bundle / MANIFEST
    try:
        return sha256_of(manifest)
    except OSError as error:
        msg = f"{bundle} is not in the models directory ({error.strerror}); name it, or the SHA-256 of its manifest"
        raise SettingsError(msg) from error


def _folder(options: argparse.Namespace) -> Path:
    from service.settings import load_settings

    folder: Path | None = options.profiles or load_settings().evidence.site_profiles_dir
    if folder is None:
        msg = "no folder of profiles is named; give --profiles, or set CXR_SITE_PROFILES_DIR and CXR_SITE_KEYS_FILE"
        raise SettingsError(msg)
    return folder


def _in_words(profile: "SiteProfile") -> str:
    promise = f"at most {profile.risk:.1%} missed and {profile.alarm_risk:.1%} false alarms"
    films = f"{profile.films} films ({profile.with_finding} with it)"
    cuts = f"negative below {profile.lower:.4f}, positive above {profile.upper:.4f}"
    return (
        f"{profile.site}, {profile.finding}: {promise}, each with confidence {profile.confidence:.0%}, from {films}; "
        f"{cuts}; {profile.answered.value:.1%} answered"
    )


def _sha256(profile: "SiteProfile") -> str:
    from hashlib import sha256

    return sha256(profile.model_dump_json().encode()).hexdigest()
