"""Freed memory is kept, seen from outside: how often the process asks the kernel for pages."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

_FAULTS = """
import resource, sys, torch
from trainer.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
size = 16 * 1024 * 1024  # 64 MB of float32
for _ in range(24):  # the heap grows until it holds what is asked for
    torch.ones(size)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(policy: str) -> int:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", _FAULTS, policy], cwd=root, capture_output=True, text=True, check=True
    )
    return int(ended.stdout)


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told")
def test_a_large_tensor_reuses_the_memory_of_the_one_before() -> None:
    assert _faults("kept") < _faults("default") / 10
