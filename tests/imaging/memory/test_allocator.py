"""What processes that are started are told of their memory."""

import os
import subprocess
import sys

import pytest

from imaging.memory.allocator import ask_for_large_pages

TUNABLES = "GLIBC_TUNABLES"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.check=0", "glibc.malloc.check=0:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),  # the operator decided
    ],
)
def test_processes_are_told_to_take_large_pages_beside_what_the_operator_says(monkeypatch, before, after) -> None:
    monkeypatch.setenv(TUNABLES, before or "")

    ask_for_large_pages()
    ask_for_large_pages()

    told = subprocess.check_output([sys.executable, "-c", f"import os; print(os.environ[{TUNABLES!r}])"])
    assert told.decode().strip() == after == os.environ[TUNABLES]
