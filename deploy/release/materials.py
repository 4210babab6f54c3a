"""The version of this software in its bill of materials, whose maker reads pyproject.toml, where it is dynamic."""

import json


def with_version(bill: str, version: str) -> str:
    """The bill (CycloneDX, JSON) with the version of what it describes.

    Raises:
        ValueError: It is not JSON, or does not name what it describes.
    """
    content = json.loads(bill)
    try:
        content["metadata"]["component"]["version"] = version
    except (KeyError, TypeError) as error:
        msg = "the bill of materials does not name what it describes"
        raise ValueError(msg) from error
    return json.dumps(content, indent=2) + "\n"
