"""The images of others that ours are built on or run beside: where they are named, and the digests that pin them."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = ("Dockerfile.api", "Dockerfile.train", "deploy/debian/Dockerfile", "docker-compose.yml")
OURS = "cxr-"
"""In the name of each image that is built here."""
_REFERENCE = re.compile(r"^(?:ARG BASE_IMAGE=|\s+image: )(?P<image>\S+)$", re.MULTILINE)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Reference:
    """An image as a file names it: `name:tag`, or `name:tag@sha256:…`."""

    file: str
    image: str

    @property
    def pinned(self) -> bool:
        """Whether the content of the image is fixed."""
        return _DIGEST.search(self.image) is not None

    @property
    def tag(self) -> str:
        """`name:tag`."""
        return self.image.partition("@")[0]


def references(root: Path) -> Iterator[Reference]:
    """Every image of others that a file of the repository names."""
    for file in FILES:
        for match in _REFERENCE.finditer((root / file).read_text(encoding="utf-8")):
            if OURS not in match["image"]:
                yield Reference(file, match["image"])


def unpinned(root: Path) -> list[str]:
    """The images without a digest, each once."""
    return sorted({reference.image for reference in references(root) if not reference.pinned})


def pin(root: Path, digest_of: Callable[[str], str]) -> dict[str, str]:
    """Write the digest that each tag has now behind it, in every file that names it.

    Args:
        root: Of the repository.
        digest_of: The digest, `sha256:…`, of `name:tag` in its registry.

    Returns:
        The digest of each tag.

    Raises:
        ValueError: What the registry gave is not a digest; no file has been changed.
    """
    digests = {tag: digest_of(tag) for tag in sorted({reference.tag for reference in references(root)})}
    for tag, digest in digests.items():
        if not _DIGEST.search(f"@{digest}"):
            msg = f"the registry gave {digest!r} for {tag}, which is not a digest"
            raise ValueError(msg)
    for file in FILES:
        path = root / file
        text = path.read_text(encoding="utf-8")
        for reference in set(references(root)):
            if reference.file == file:
                pinned = f"{reference.tag}@{digests[reference.tag]}"
                text = re.sub(rf"{re.escape(reference.image)}(?=\s)", pinned, text)
        path.write_text(text, encoding="utf-8")
    return digests


def digest_in_registry(tag: str) -> str:
    """Ask the registry through docker buildx.

    Raises:
        OSError: There is no docker.
        ValueError: The registry does not answer, or does not know the tag.
    """
    command = ("docker", "buildx", "imagetools", "inspect", tag, "--format", "{{json .Manifest}}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{tag} could not be looked up: {done.stderr.strip()}"
        raise ValueError(msg)
    return str(json.loads(done.stdout)["digest"])


def built(metadata: str) -> list[str]:
    """What `docker buildx bake --metadata-file` wrote, as `name@sha256:…` of each image.

    Raises:
        ValueError: The file names no image, or one without a digest.
    """
    found = []
    for target, row in sorted(json.loads(metadata).items()):
        if not isinstance(row, dict) or "image.name" not in row:
            continue
        digest = row.get("containerimage.digest", "")
        if not _DIGEST.search(f"@{digest}"):
            msg = f"the image {target} has no digest; was it pushed?"
            raise ValueError(msg)
        found += [f"{name.rpartition(':')[0]}@{digest}" for name in row["image.name"].split(",")]
    if not found:
        msg = "the metadata names no image"
        raise ValueError(msg)
    return found
