"""Rules of the files: lines follow each other over rotation, restarts, kills and full disks."""

import resource
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from schemas.errors import SettingsError
from service.audit.files import AuditFile, files_of
from service.audit.record import AuditEntry
from service.commands.audit import verify_log
from tests.service.audit.lines import records

ENTRY = AuditEntry(at=datetime(2026, 1, 1, tzinfo=UTC), event="film", caller="key:0123456789ab")


@pytest.fixture
def opened():
    files = []

    def open_file(path, **options):
        files.append(AuditFile(path, **({"max_bytes": 10**6, "sync": True} | options)))
        return files[-1]

    yield open_file
    for file in files:
        file.close()


def test_each_line_holds_the_hash_of_the_line_before_it(opened, log) -> None:
    file = opened(log)
    file.append([ENTRY, ENTRY])
    file.append([ENTRY])
    lines = log.read_bytes().splitlines()

    assert [record["sequence"] for record in records(log)] == [1, 2, 3]
    assert [record["previous"] for record in records(log)] == [
        "0" * 64,
        sha256(lines[0]).hexdigest(),
        sha256(lines[1]).hexdigest(),
    ]
    assert file.head.sha256 == sha256(lines[2]).hexdigest()


def test_only_the_owner_may_read_it(opened, log) -> None:
    opened(log).append([ENTRY])

    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_second_writer_of_the_same_file_by_a_link_is_refused(opened, log, tmp_path, link) -> None:
    opened(log).append([ENTRY])
    (tmp_path / "elsewhere").mkdir()
    second = tmp_path / "elsewhere" / "another.jsonl"
    getattr(second, link)(log)

    with pytest.raises(SettingsError, match="another process writes the log"):
        opened(second)


def test_a_log_behind_a_link_is_rotated_and_verified_where_it_lies(opened, log, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "audit.jsonl"
    link.symlink_to(log)
    file = opened(link, max_bytes=600)
    for _ in range(7):
        file.append([ENTRY])

    assert link.is_symlink()
    assert len(files_of(link)) > 1
    assert files_of(link) == files_of(log)
    assert verify_log(link) == verify_log(log)


def test_rotation_and_restarts_keep_the_chain(opened, log) -> None:
    for _ in range(3):
        file = opened(log, max_bytes=600)
        for _ in range(7):
            file.append([ENTRY])
        file.close()
    finding = verify_log(log)

    assert [path.name for path in files_of(log)[:2]] == ["audit.jsonl.000001", "audit.jsonl.000002"]
    assert len(files_of(log)) > 5
    assert all(path.stat().st_size <= 600 for path in files_of(log))
    assert (finding.first, finding.head.sequence) == (1, 21)


def test_a_restart_right_after_a_rotation_finds_the_end_in_the_file_before(opened, log) -> None:
    file = opened(log)
    file.append([ENTRY])
    file.close()
    log.rename(f"{log}.000001")
    opened(log).append([ENTRY])

    assert verify_log(log).head.sequence == 2


@pytest.mark.parametrize("kept", [1, 50, 150])
def test_what_a_kill_left_of_a_line_is_cut_off_and_the_next_line_says_so(opened, log, kept) -> None:
    file = opened(log)
    file.append([ENTRY, ENTRY])
    file.close()
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[1][:kept])
    assert verify_log(log).torn_bytes == kept
    again = opened(log)
    again.append([ENTRY])

    assert [record.get("torn_bytes") for record in records(log)] == [None, kept]
    assert verify_log(log).head.sequence == 2


@pytest.mark.parametrize(
    "content", [b"no record\n", b'{"sequence": 1}\n', b'{"sequence": "1", "previous": "x"}\n', b"[]\n"]
)
def test_what_is_no_audit_log_is_not_continued(opened, log, content) -> None:
    log.write_bytes(content)

    with pytest.raises(SettingsError, match="put this one aside"):
        opened(log)
    assert log.read_bytes() == content


def test_a_folder_that_is_not_there_is_refused(opened, tmp_path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        opened(tmp_path / "nowhere" / "audit.jsonl")


def test_two_writers_cannot_have_one_log(opened, log) -> None:
    first = opened(log)
    with pytest.raises(SettingsError, match="another process"):
        opened(log)
    first.close()

    opened(log).append([ENTRY])


@pytest.fixture
def room():
    """How large a file of this process may become."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size_bytes) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))

    yield limit
    limit(hard)


def test_a_write_that_the_disk_cut_short_leaves_no_trace_once_there_is_room(opened, log, room) -> None:
    file = opened(log)
    file.append([ENTRY])
    size = log.stat().st_size
    room(size + 100)
    with pytest.raises(OSError, match="File too large"):
        file.append([ENTRY])
    assert log.stat().st_size == size + 100
    room(10**6)
    file.append([ENTRY], omitted=3)

    assert [record.get("omitted") for record in records(log)] == [None, 3]
    assert verify_log(log).head.sequence == 2


def test_a_full_disk_is_an_error_and_not_a_line(opened, log) -> None:
    log.symlink_to("/dev/full")
    file = opened(log)

    with pytest.raises(OSError, match="No space left on device"):
        file.append([ENTRY])
    assert file.head.sequence == 0
