"""The contact sheet shows films beside what training sees of them."""

import cv2
import numpy as np

from imaging.phantom import phantom
from trainer.explore.contact_sheet import preview
from trainer.learning.augment import RECIPES

FILM = (phantom(64, 64, seed=1, opacity=0.8).astype(np.float32) / np.float32(255))[None]
GRAY = np.full((1, 64, 64), 0.5, np.float32)


def test_the_preview_shows_each_film_beside_its_variants() -> None:
    sheet = cv2.imdecode(np.frombuffer(preview(RECIPES["standard"], np.stack([FILM, GRAY]), variants=3), np.uint8), -1)

    assert sheet.shape == (2 * 68, 4 * 68)
    assert np.array_equal(sheet[2:66, 2:66], (FILM[0] * 255).round().astype(np.uint8))
    assert not np.array_equal(sheet[2:66, 70:134], sheet[2:66, 138:202])
