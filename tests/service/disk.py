"""A disk that is full, for one process."""

import resource

NEVER_FULL = resource.RLIM_INFINITY


def fill_disk(process: int, size_bytes: int) -> None:
    """No file of the process may become larger; what the kernel then says differs from a full disk by its number
    alone."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size_bytes, NEVER_FULL))
