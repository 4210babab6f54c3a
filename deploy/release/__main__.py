"""`python -m deploy.release`: checks a release, prints its steps and notes, pins images, completes bills."""

import argparse
import sys
from pathlib import Path

from deploy.release import images, materials, workflow
from deploy.release.changelog import disagreements, notes
from schemas.version import VERSION

ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    """Run one command; 1 where the release is not ready, 2 where the command cannot work."""
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="do version, changelog and tag agree; which images have no digest")
    check.add_argument("--tag", help="the tag in git, v and the version")
    check.add_argument("--pinned", action="store_true", help="refuse images without a digest")
    commands.add_parser("steps", help="print what the release workflow does")
    commands.add_parser("notes", help="print the changelog of this version")
    commands.add_parser("pin-images", help="write the digest of each image of others behind its tag; asks the registry")
    digests = commands.add_parser("digests", help="print name@sha256:… of each image that was built")
    digests.add_argument("metadata", type=Path, help="what docker buildx bake --metadata-file wrote")
    bill = commands.add_parser("name-version", help="write the version of this software into its bill of materials")
    bill.add_argument("bill", type=Path, help="CycloneDX, JSON")
    options = parser.parse_args()
    try:
        return _run(options)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "check":
            return _check(options.tag, pinned=options.pinned)
        case "steps":
            print("\n".join(workflow.steps(ROOT)))
        case "notes":
            print(notes(_changelog(), VERSION))
        case "pin-images":
            for tag, digest in images.pin(ROOT, images.digest_in_registry).items():
                print(f"{tag} {digest}")
        case "digests":
            print("\n".join(images.built(options.metadata.read_text(encoding="utf-8"))))
        case "name-version":
            bill = options.bill.read_text(encoding="utf-8")
            options.bill.write_text(materials.with_version(bill, VERSION), encoding="utf-8")
    return 0


def _check(tag: str | None, *, pinned: bool) -> int:
    faults = disagreements(_changelog(), VERSION, tag)
    loose = images.unpinned(ROOT)
    if pinned and loose:
        faults.append(f"images without a digest: {', '.join(loose)}; run make pin-images, and commit what it writes")
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"version {VERSION} and CHANGELOG.md agree{f' with the tag {tag}' if tag else ''}")
        print(f"images without a digest: {', '.join(loose) or 'none'}")
    return 1 if faults else 0


def _changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
