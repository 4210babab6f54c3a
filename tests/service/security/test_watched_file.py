"""Rules of files that are read again when they change."""

import os

import pytest

from schemas.errors import SettingsError
from service.security.keys import KeyFile, parse_keys, write_keys
from service.security.watched_file import WatchedFile, warn_of_open_file


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"first")
    path.chmod(0o600)
    return path


def test_other_content_of_the_same_size_and_time_is_read(file) -> None:
    watched = WatchedFile(file, bytes)
    was = file.stat()
    file.write_bytes(b"other")
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))

    assert watched.current() == b"other"


@pytest.mark.parametrize(
    ("mode", "secret", "reason"),
    [
        (0o600, True, None),
        (0o640, True, None),
        (0o644, False, None),
        (0o644, True, "it may be read by other users of this machine"),
        (0o666, True, "it may be read and written by other users of this machine"),
        (0o620, True, "it may be written by other users of this machine"),
        (0o664, False, "it may be written by other users of this machine"),
    ],
)
def test_a_file_of_keys_that_is_open_to_others_is_told_with_the_remedy(file, logged, mode, secret, reason) -> None:
    file.chmod(mode)
    warn_of_open_file(file, secret=secret)

    assert [event["reason"] for event in logged] == ([] if reason is None else [reason])
    assert all(event["remedy"].startswith("chmod 06") for event in logged)


def test_the_remedy_is_a_mode_that_is_not_told_again(file, logged) -> None:
    file.chmod(0o777)
    warn_of_open_file(file, secret=True)
    file.chmod(int(logged[0]["remedy"].split()[1].rstrip(","), 8))
    warn_of_open_file(file, secret=True)

    assert len(logged) == 1


def test_a_key_that_was_given_for_the_path_of_a_file_is_not_printed(tmp_path) -> None:
    with pytest.raises(SettingsError, match="not shown here, as it may hold a password, cannot be read") as refusal:
        WatchedFile(tmp_path / "cxr_0123456789ab_swordfish", bytes)
    assert "swordfish" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid at the file"),
        (b"{}", "lacks format and keys"),
        (b'{"keys": []}', "lacks format"),
        (b'{"format": 1}', "lacks keys"),
        (b"[]", "not valid at the file"),
        (b"null", "not valid at the file"),
    ],
)
def test_what_is_not_a_file_of_keys_is_refused(content, reason) -> None:
    with pytest.raises(SettingsError, match=reason):
        parse_keys(content)


def test_a_file_whose_last_key_was_revoked_is_one(tmp_path) -> None:
    write_keys(tmp_path / "keys", KeyFile())

    assert parse_keys((tmp_path / "keys").read_bytes()).keys == ()
