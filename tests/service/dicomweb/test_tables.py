"""Rules of the spool's database."""

import sqlite3
import stat

import pytest
from sqlalchemy import create_engine

from imaging.limits import DecodeLimits
from schemas.errors import SettingsError, SpoolUnavailableError
from service.dicomweb.instance import read_instance
from service.dicomweb.ledger import Ledger
from service.dicomweb.spool import Spool
from service.dicomweb.tables import open_database
from tests.service.dicomweb.films import film, uid

MODEL = "a" * 64


def store(engine, **attributes) -> None:
    Spool(engine, capacity=10).store(read_instance(film(**attributes), DecodeLimits()), "routine", MODEL)


def test_what_a_killed_process_had_claimed_is_free_at_the_next_start(spool_url) -> None:
    with open_database(spool_url) as engine:
        store(engine)
        assert Spool(engine, capacity=10).claim("received").attempts == 1
    with open_database(spool_url) as engine:
        assert Spool(engine, capacity=10).claim("received").attempts == 2


def test_a_film_that_a_killed_process_had_in_hand_is_a_suspect_and_one_that_waited_is_not(spool_url) -> None:
    with open_database(spool_url) as engine:
        store(engine, name="in hand")
        assert Spool(engine, capacity=10).claim("received")
        store(engine, name="waiting")
    with open_database(spool_url) as engine:
        spool = Spool(engine, capacity=10)
        claimed = [spool.claim("received", suspects=False), spool.claim("received", suspects=False)]
        suspect = spool.claim("received")

    assert [claim and (claim.sop_instance_uid, claim.crashes) for claim in claimed] == [(uid("waiting"), 0), None]
    assert (suspect.sop_instance_uid, suspect.crashes) == (uid("in hand"), 1)


def test_a_second_process_that_names_the_same_file_by_a_link_is_refused(spool_url, database, tmp_path) -> None:
    file = tmp_path / "spool" / "spool.db"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "soft.db").symlink_to(file)
    (tmp_path / "elsewhere" / "hard.db").hardlink_to(file)
    for name in ("soft.db", "hard.db"):
        with (
            pytest.raises(SettingsError, match="another process uses this SQLite spool"),
            open_database(f"sqlite:///{tmp_path}/elsewhere/{name}"),
        ):
            pass


def test_a_second_process_on_the_same_file_is_refused(spool_url, database) -> None:
    with pytest.raises(SettingsError, match="another process uses this SQLite spool"), open_database(spool_url):
        pass


def test_a_commit_waits_for_the_disk(database) -> None:
    with database.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        ]

    assert pragmas == ["wal", 2, 1, 1]


def test_nobody_else_on_the_machine_may_read_the_films(database, tmp_path) -> None:
    store(database)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()}

    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert modes["spool.db"] == 0o600
    assert modes["spool.db-wal"] == 0o600


def test_no_byte_of_a_film_is_left_in_any_file_after_its_analysis(database, tmp_path) -> None:
    spool = Spool(database, capacity=10)
    ledger = Ledger(database, retention_s=3600)
    store(database)

    def files_with_the_patient():
        return [path.name for path in (tmp_path / "spool").iterdir() if b"Marker^Patient" in path.read_bytes()]

    assert files_with_the_patient()
    spool.analysed(spool.claim("received"), model_sha256=MODEL, record="{}", objects={})
    ledger.prune()

    assert files_with_the_patient() == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "a spool in memory loses films"),
        ("sqlite:///:memory:", "a spool in memory loses films"),
        ("nonsense", "it is not the address of a database"),
        ("nosuch://host/name", "a kind of database that is not known"),
        ("postgresql+asyncpg://user:secret@host/name", "the driver of this kind of database is not installed"),
        ("sqlite:////proc/none/spool.db", "No such file or directory"),
        (
            "postgresql+psycopg://postgres:secret@127.0.0.1:1/none",
            "nothing listens at its address; check host and port",
        ),
        ("postgresql+psycopg://postgres@/none?host=/nowhere&password=secret", "nothing listens at its address"),
    ],
)
def test_an_address_that_cannot_be_opened_is_refused_in_words_without_being_quoted(url, reason) -> None:
    with pytest.raises(SettingsError, match="CXR_SPOOL_URL") as refusal, open_database(url):
        pass

    assert reason in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "Error" not in str(refusal.value)


def test_a_file_that_is_no_database_is_refused_as_such(tmp_path) -> None:
    (tmp_path / "spool.db").write_bytes(b"films" * 1000)

    with (
        pytest.raises(SettingsError, match="its file is not a SQLite database; give another file"),
        open_database(f"sqlite:///{tmp_path}/spool.db"),
    ):
        pass


def test_a_folder_in_the_place_of_the_file_is_not_taken_for_a_second_process(tmp_path) -> None:
    (tmp_path / "spool.db.lock").mkdir()

    with pytest.raises(SettingsError, match="Is a directory"), open_database(f"sqlite:///{tmp_path}/spool.db"):
        pass


def test_a_database_that_postgresql_does_not_have_is_named_as_the_fault(postgresql) -> None:
    with (
        pytest.raises(SettingsError, match="it has no database of this name; create it"),
        open_database(postgresql.format(database="nosuch")),
    ):
        pass


def test_a_database_that_fails_says_so_in_words_and_quotes_no_film(database, logged) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE payloads")

    with pytest.raises(SpoolUnavailableError) as failure:
        store(database)
    assert "Marker" not in repr(failure.value.__cause__)
    assert [event["event"] for event in logged] == ["spool_failed"]
    assert logged[0]["reason"].startswith("its tables are not those of this version")
    assert "Error" not in str(logged)


BEFORE_VERSIONS = """
CREATE TABLE instances (
    sop_instance_uid VARCHAR(64) NOT NULL PRIMARY KEY, study_instance_uid VARCHAR(64) NOT NULL,
    sha256 VARCHAR(64) NOT NULL, model_sha256 VARCHAR(64) NOT NULL, priority VARCHAR(8) NOT NULL,
    state VARCHAR(16) NOT NULL, received_at FLOAT NOT NULL, changed_at FLOAT NOT NULL,
    next_attempt_at FLOAT NOT NULL, attempts INTEGER NOT NULL, crashes INTEGER NOT NULL, lease_until FLOAT NOT NULL,
    token VARCHAR(32), size_bytes INTEGER NOT NULL, problem VARCHAR(64), detail TEXT, record TEXT
);
CREATE TABLE payloads (
    sop_instance_uid VARCHAR(64) NOT NULL REFERENCES instances (sop_instance_uid), name VARCHAR(64) NOT NULL,
    content BLOB NOT NULL, PRIMARY KEY (sop_instance_uid, name)
);
"""
"""The tables of the first 0.2.0, before films had versions."""


def store_as_before(execute, blob, name, state="received") -> None:
    one = read_instance(film(name), DecodeLimits())
    values = f"'{uid(name)}', '1.2.3', '{one.sha256}', '{MODEL}', 'routine', '{state}', 1, 1, 0, 0, 0, 0, NULL, 9"
    execute(f"INSERT INTO instances VALUES ({values}, NULL, NULL, NULL)")
    if state == "received":
        execute(f"INSERT INTO payloads VALUES ('{uid(name)}', 'source', {blob(one.content.hex())})")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def url_of_before(request, tmp_path):
    if request.param == "sqlite":
        file = sqlite3.connect(tmp_path / "spool.db")
        file.executescript(BEFORE_VERSIONS)
        for name, state in (("waits", "received"), ("read", "delivered")):
            store_as_before(file.execute, lambda content: f"x'{content}'", name, state)
        file.commit()
        file.close()
        return f"sqlite:///{tmp_path}/spool.db"
    url = request.getfixturevalue("postgresql_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in BEFORE_VERSIONS.replace("BLOB", "BYTEA").split(";")[:-1]:
            connection.exec_driver_sql(statement)
        for name, state in (("waits", "received"), ("read", "delivered")):
            store_as_before(connection.exec_driver_sql, lambda content: f"'\\x{content}'", name, state)
    engine.dispose()
    return url


def test_a_database_of_before_films_had_versions_goes_on(url_of_before) -> None:
    for _ in range(2):
        with open_database(url_of_before) as engine:
            summary, _ = Ledger(engine, retention_s=3600).find(uid("read"))
    with open_database(url_of_before) as engine:
        spool = Spool(engine, capacity=10)
        again = spool.store(read_instance(film("read"), DecodeLimits()), "routine", MODEL)
        corrected = spool.store(read_instance(film("read", gray=60), DecodeLimits()), "routine", MODEL)
        claims = {claim.sop_instance_uid: claim for claim in (spool.claim("received"), spool.claim("received"))}

    assert (summary.state, summary.version, summary.kind) == ("delivered", 1, "film")
    assert (again, corrected) == ("known", "corrected")
    assert claims[uid("waits")].payloads == {"source": film("waits")}
    assert (claims[uid("waits")].version, claims[uid("read")].version) == (1, 2)
