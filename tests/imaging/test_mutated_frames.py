"""Rules of spoilt frames: what they are made of is sound, a seed gives the same ones, and no codec's child stays."""

import random
from collections import Counter

import pytest

from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from schemas.errors import CxrError, InternalError
from tests.imaging.mutated_frames import CODECS, MUTATIONS, mutated, valid_frames

FRAMES = 40


def test_every_codec_of_the_table_is_spoilt() -> None:
    codecs = {TRANSFER_SYNTAXES[syntax].codec for syntaxes in CODECS.values() for syntax in syntaxes}

    assert codecs == {syntax.codec for syntax in TRANSFER_SYNTAXES.values() if syntax.codec}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_kind_of_change_changes_and_a_seed_repeats_it(mutation) -> None:
    frames = [frame.encoded for codec in CODECS for frame in valid_frames(codec)]

    def spoilt():
        generator = random.Random(1)
        return [mutation(frame, frames[0], generator) for frame in frames]

    assert spoilt() == spoilt()
    assert sum(one != frame for one, frame in zip(spoilt(), frames, strict=True)) > len(frames) * 0.8


@pytest.mark.process
@pytest.mark.parametrize("codec", CODECS)
def test_a_spoilt_frame_is_a_film_or_a_typed_error_and_the_next_sound_one_is_decoded(codec) -> None:
    generator = random.Random(codec)
    frames = valid_frames(codec)
    outcomes = Counter[str]()
    with ChildDecoder(workers=1) as decoder:
        sound = [decode(frame.film(), frame_decoder=decoder).pixels for frame in frames]
        for _ in range(FRAMES):
            try:
                decode(mutated(frames, generator).film(), frame_decoder=decoder)
            except InternalError:
                raise
            except CxrError as error:
                outcomes[error.code] += 1
            else:
                outcomes["decoded"] += 1
        again = [decode(frame.film(), frame_decoder=decoder).pixels for frame in frames]

    assert outcomes.total() == FRAMES
    assert len(outcomes) > 1
    assert all((one == other).all() for one, other in zip(sound, again, strict=True))
