"""Which patients of NIH ChestX-ray14 train, validate and test, for the guide and for the network behind it alike."""

import hashlib

from trainer.films.film import SplitName

SHARE = 5
"""One patient of so many tests, and one validates."""


def split_of(patient: str) -> SplitName:
    """The split of a patient of the set, by a hash of the number: the same in every table that is ever made."""
    place = int(hashlib.sha256(patient.encode()).hexdigest(), 16) % SHARE
    return "val" if place == 0 else "test" if place == 1 else "train"
