"""A site: a service with limits, an audit log and keys, its films, and what its readers say."""

import json
from functools import partial
from typing import Any

from service.audit.files import files_of
from service.security.keys import KeyFile, new_key, write_keys
from tests.service.dicomweb.films import film, stow, uid
from tests.waiting import until

SPECIFICITY = {"figure": "specificity", "finding": "PNEUMONIA", "at_least": 0.95}
SENSITIVITY = {"figure": "sensitivity", "finding": "PNEUMONIA", "at_least": 0.9}
REASON = "the window of the new detector was corrected"


def write_limits(folder, *limits, alpha=0.05):
    path = folder / "limits.json"
    path.write_text(json.dumps({"format": 1, "alpha": alpha, "limits": limits or [SPECIFICITY]}))
    return path


def write_all_keys(folder) -> tuple[Any, dict[str, str], dict[str, str]]:
    """The file of keys, the header of a key that may do everything, and that of one that may store films alone."""
    admin, entry = new_key("quality office", ("predict", "dicom", "verdict", "metrics", "admin"))
    router, other = new_key("router", ("dicom",))
    write_keys(folder / "keys.json", KeyFile(keys=(entry, other)))
    return folder / "keys.json", {"X-API-Key": admin}, {"X-API-Key": router}


async def read(client, *names, **attributes) -> None:
    """Store films and wait until they are analysed."""
    for start in range(0, len(names), 16):
        some = names[start : start + 16]
        sent = await client.post("/dicomweb/studies", **stow(*(film(name, **attributes) for name in some)))
        assert sent.status_code == 200, sent.text
    for name in names:
        await until(partial(analysed, client, name))


async def analysed(client, name):
    return (await client.get(f"/results/{uid(name)}")).json().get("analysis") is not None


async def decision(client, name):
    return (await client.get(f"/results/{uid(name)}")).json()["analysis"]["prediction"]["decision"]


async def say(client, name, verdict="accept", **more):
    return await client.post(f"/results/{uid(name)}/verdict", json={"verdict": verdict, **more})


async def monitoring(client):
    return (await client.get("/monitoring")).json()


def recorded(log, *events):
    lines = [json.loads(line) for file in files_of(log) for line in file.read_bytes().splitlines()]
    return [line for line in lines if not events or line["event"] in events]
