"""Who may take results back, and what the audit log holds of it."""

import pytest

from imaging.limits import DecodeLimits
from service.dicomweb.instance import read_instance
from service.security.keys import KeyFile, new_key, write_keys
from tests.service.audit.lines import records
from tests.service.dicomweb.films import film, stow, uid

pytestmark = pytest.mark.anyio

ADDRESS = f"/results/{uid('film')}/withdraw"


async def test_a_withdrawal_is_recorded_with_who_asked_and_why_before_it_is_done(serve_dicomweb, log) -> None:
    async with serve_dicomweb(audit_file=log) as client:
        await client.post("/dicomweb/studies", **stow(film()))
        answer = await client.post(ADDRESS, json={"reason": "wrong_patient"})
        unknown = await client.post("/results/1.2.3/withdraw", json={"reason": "quality"})

    assert (answer.status_code, answer.json()["state"], unknown.status_code) == (202, "withdrawn", 404)
    entries = [entry for entry in records(log) if entry["event"] == "withdrawn"]
    assert [(entry["outcome"], entry["reason"]) for entry in entries] == [
        ("begun", "wrong_patient"),
        ("ok", "wrong_patient"),
        ("begun", "quality"),
        ("not_found", "quality"),
    ]
    content = read_instance(film(), DecodeLimits()).content_sha256
    assert entries[0]["content_sha256"] == content
    assert {entry["caller"] for entry in entries} == {"anonymous"}


async def test_a_sender_of_films_may_not_withdraw_results(serve_dicomweb, tmp_path) -> None:
    held = {name: new_key(name, (name,)) for name in ("dicom", "admin")}
    write_keys(tmp_path / "keys.json", KeyFile(keys=tuple(entry for _, entry in held.values())))
    async with serve_dicomweb(api_keys_file=tmp_path / "keys.json") as client:
        headers = {name: {"X-API-Key": key} for name, (key, _) in held.items()}
        request = stow(film())
        await client.post(
            "/dicomweb/studies", content=request["content"], headers=request["headers"] | headers["dicom"]
        )
        answers = [
            await client.post(ADDRESS, json={"reason": "quality"}, headers=headers[name]) for name in ("dicom", "admin")
        ]

    assert [answer.status_code for answer in answers] == [403, 202]
