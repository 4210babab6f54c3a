"""Rules of archives: what is listed, and what cannot be read says so without harm."""

import io
import os
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace

import pytest

from schemas.errors import (
    BodyTooLargeError,
    ImageTooLargeError,
    InvalidImageError,
    MalformedRequestError,
    SpoolFullError,
    SpoolUnavailableError,
)
from service.jobs.archive import Archives
from tests.service.disk import NEVER_FULL, fill_disk

pytestmark = pytest.mark.anyio


@pytest.fixture
def archives(tmp_path):
    return Archives(tmp_path / "jobs", largest_bytes=1_000_000, most_films=10, film_bytes=5000)


async def chunks(content, size=1000):
    for start in range(0, len(content), size):
        yield content[start : start + size]


def zipped(**contents):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


async def members(archives, kind, content):
    await archives.receive("a", kind, chunks(content))
    return list(archives.members("a"))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_the_files_of_a_tar_are_read_whatever_else_is_in_it(archives, form) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("folder/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for number in range(3):
            entry = tarfile.TarInfo(f"{'folder/' * 12}{'é' if form == tarfile.PAX_FORMAT else 'e'}{number}")
            entry.size = 700
            archive.addfile(entry, io.BytesIO(bytes([number]) * 700))

    places = await members(archives, "tar", file.getvalue())

    assert [archives.read("a", place) for place in places] == [bytes([number]) * 700 for number in range(3)]


async def test_a_zip_that_lies_about_a_member_is_refused_for_that_member(archives) -> None:
    content = bytearray(zipped(one=b"1" * 100, two=b"2" * 100))
    content[content.index(b"PK\3\4") + 30 + 3 + 2] ^= 0xFF  # within the packed bytes of the first

    one, two = await members(archives, "zip", bytes(content))

    with pytest.raises(InvalidImageError):
        archives.read("a", one)
    assert archives.read("a", two) == b"2" * 100


async def test_no_more_of_a_member_is_unpacked_than_a_film_may_be(archives) -> None:
    (bomb,) = await members(archives, "zip", zipped(bomb=bytes(900_000)))

    with pytest.raises(ImageTooLargeError):
        archives.read("a", bomb)


async def test_an_encrypted_member_is_refused(archives) -> None:
    content = bytearray(zipped(secret=b"1" * 100))
    content[content.index(b"PK\1\2") + 8] |= 1

    (place,) = await members(archives, "zip", bytes(content))

    with pytest.raises(InvalidImageError):
        archives.read("a", place)


async def test_a_directory_that_would_fill_the_memory_is_refused_before_it_is_read(archives) -> None:
    content = bytearray(zipped(one=b"1"))
    struct.pack_into("<L", content, content.rindex(b"PK\5\6") + 12, 2**31)

    with pytest.raises(BodyTooLargeError):
        await members(archives, "zip", bytes(content))


def entry(name=b"", offset=0, extra=b"", packed=0):
    """One of the directory of a ZIP."""
    lengths = (len(name), len(extra), 0)
    return (
        b"PK\1\2" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, packed, 0, *lengths, 0, 0, 0, offset) + name + extra
    )


def ended(directory, before=b"", stated=None):
    """A ZIP of this directory; `stated`: it says that it is of so many bytes, and the truth for ZIP64 alone."""
    size = len(directory)
    large = b""
    if stated is not None:
        large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, len(before))
        large += struct.pack("<4sLQL", b"PK\6\7", 0, len(before) + size, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size if stated is None else stated, len(before), 0)
    return before + directory + large + end


@pytest.mark.parametrize("stated", [None, 46, 2**32 - 1], ids=["plain", "ZIP64 behind a small size", "ZIP64"])
@pytest.mark.parametrize("name", [b"", b"/"], ids=["files", "folders"])
async def test_a_directory_of_countless_entries_is_refused_before_they_are_in_memory(archives, name, stated) -> None:
    content = ended(entry(name) * 20_000, b"PK\3\4", stated)

    with pytest.raises(BodyTooLargeError, match="CXR_JOBS_MAX_FILMS"):
        await members(archives, "zip", content)


@pytest.mark.parametrize(("count", "is_refused"), [(80, False), (81, True)])
async def test_folders_beside_the_files_are_not_without_number(archives, count, is_refused) -> None:
    content = ended(entry(b"/") * count)

    if is_refused:
        with pytest.raises(BodyTooLargeError):
            await members(archives, "zip", content)
    else:
        assert await members(archives, "zip", content) == []


async def test_a_tar_of_countless_folders_is_refused(archives) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(81):
            folder = tarfile.TarInfo(str(number))
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)

    with pytest.raises(BodyTooLargeError):
        await members(archives, "tar", file.getvalue())


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n"])
async def test_a_zip_with_sizes_for_large_files_is_read_also_behind_a_program(archives, before) -> None:
    local = b"PK\3\4" + struct.pack("<5H3L2H", 45, 0, 0, 0, 0, zlib.crc32(b"one"), 3, 3, 3, 0) + b"one" + b"one"
    field = struct.pack("<2H2Q", 1, 16, 3, 0)
    row = bytearray(entry(b"one", 2**32 - 1, b"\0\0\1\0x" + field, packed=2**32 - 1))
    struct.pack_into("<L", row, 16, zlib.crc32(b"one"))

    (place,) = await members(archives, "zip", before + ended(bytes(row), local, 2**32 - 1))

    assert archives.read("a", place) == b"one"


@pytest.mark.parametrize("field", [b"", struct.pack("<2HQ", 1, 8, 3), struct.pack("<2H", 1, 16)])
async def test_a_zip_without_the_sizes_that_it_promises_is_refused(archives, field) -> None:
    with pytest.raises(MalformedRequestError):
        await members(archives, "zip", ended(entry(b"one", 2**32 - 1, field, packed=2**32 - 1)))


@pytest.mark.parametrize("offset", [1000, 2**63, 2**64 - 1])
async def test_a_member_that_would_stand_outside_the_archive_is_refused_alone(archives, offset) -> None:
    row = entry(b"one", 2**32 - 1, struct.pack("<2HQ", 1, 8, offset))

    (place,) = await members(archives, "zip", ended(row))

    with pytest.raises(InvalidImageError):
        archives.read("a", place)


@pytest.mark.parametrize(
    "content",
    [
        ended(entry(b"one"))[1:],
        ended(b"PK\1\3" + entry(b"one")[4:]),
        ended(entry(b"one") + b"PK\1\2"),
        ended(entry(b"one"), stated=46).replace(b"PK\6\6", b"PK\6\5"),
    ],
)
async def test_a_damaged_directory_is_refused(archives, content) -> None:
    with pytest.raises(MalformedRequestError):
        await members(archives, "zip", content)


async def test_a_tar_whose_file_ends_too_early_is_refused(archives) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("one")
        entry.size = 5000
        archive.addfile(entry, io.BytesIO(bytes(5000)))

    with pytest.raises(MalformedRequestError):
        await members(archives, "tar", file.getvalue()[:2000])


async def test_what_is_too_large_or_breaks_off_leaves_no_file(archives) -> None:
    async def broken():
        yield b"the beginning"
        raise ConnectionError

    with pytest.raises(BodyTooLargeError):
        await archives.receive("a", "zip", chunks(bytes(1_000_001)))
    with pytest.raises(ConnectionError):
        await archives.receive("b", "zip", broken())

    assert list(archives.folder.iterdir()) == []
    assert archives.ids() == set()


@pytest.fixture
def full_disk():
    fill_disk(os.getpid(), 1500)
    yield
    fill_disk(os.getpid(), NEVER_FULL)


async def test_a_disk_that_fills_up_is_no_fault_of_the_archive_and_keeps_nothing_of_it(archives, full_disk) -> None:
    with pytest.raises(SpoolUnavailableError, match="CXR_JOBS_FOLDER"):
        await archives.receive("a", "zip", chunks(bytes(5000)))

    assert list(archives.folder.iterdir()) == []


async def test_a_folder_that_cannot_be_made_is_named(archives) -> None:
    archives.folder.write_bytes(b"")

    with pytest.raises(SpoolUnavailableError, match=r"CXR_JOBS_FOLDER .*File exists"):
        await archives.receive("a", "zip", chunks(b"1"))


@pytest.mark.parametrize("kind", ["zip", "tar"])
async def test_a_disk_that_is_away_is_no_fault_of_the_archive_that_was_on_it(archives, kind) -> None:
    file = io.BytesIO(zipped(one=b"a film"))
    if kind == "tar":
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("one"), io.BytesIO())
    (place,) = await members(archives, kind, file.getvalue())
    archives.folder.rename(archives.folder.with_name("elsewhere"))

    with pytest.raises(SpoolUnavailableError, match=r"CXR_JOBS_FOLDER .*No such file"):
        archives.read("a", place)
    with pytest.raises(SpoolUnavailableError, match=r"CXR_JOBS_FOLDER .*No such file"):
        list(archives.members("a"))


async def test_the_last_of_the_disk_is_left_to_others(archives) -> None:
    with pytest.raises(SpoolFullError, match="CXR_JOBS_FOLDER"):
        await replace(archives, reserve_bytes=2**62).receive("a", "zip", chunks(b"1"))

    assert list(archives.folder.iterdir()) == []


async def test_an_archive_is_readable_by_its_owner_alone_and_removed_by_its_job(archives) -> None:
    await archives.receive("a", "zip", chunks(zipped(one=b"1")))
    (file,) = archives.folder.iterdir()

    assert (file.stat().st_mode & 0o777, archives.ids(), archives.is_left("a")) == (0o600, {"a"}, False)
    archives.remove("a")
    assert archives.ids() == set()
