"""Rules of `python -m trainer preview`."""

import sys

import cv2
import numpy as np
import pytest

from trainer.__main__ import main


def _run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", "preview", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_sheet_has_a_row_for_each_film_and_a_column_for_each_variation(monkeypatch, kermany_like, tmp_path) -> None:
    options = ["--films", "3", "--variants", "4", "--size", "64", "--cache", str(tmp_path)]
    for name in ("none", "standard"):
        assert (
            _run(monkeypatch, str(kermany_like), "--augment", name, "--out", str(tmp_path / f"{name}.png"), *options)
            == 0
        )
    plain, varied = (cv2.imread(str(tmp_path / f"{name}.png"), cv2.IMREAD_GRAYSCALE) for name in ("none", "standard"))

    assert plain.shape == varied.shape == (3 * 68, 5 * 68)
    np.testing.assert_array_equal(plain[:, :68], varied[:, :68])  # the films themselves
    np.testing.assert_array_equal(plain[:, :68], plain[:, 68:136])
    assert (varied[:, :68] != varied[:, 68:136]).mean() > 0.2


def test_half_of_the_variations_are_mirrored_where_that_is_asked_for(monkeypatch, kermany_like, tmp_path) -> None:
    options = ["--augment", "none", "--films", "2", "--variants", "8", "--size", "64", "--horizontal-flip"]
    _run(monkeypatch, str(kermany_like), "--out", str(tmp_path / "flip.png"), "--cache", str(tmp_path), *options)
    sheet = cv2.imread(str(tmp_path / "flip.png"), cv2.IMREAD_GRAYSCALE)
    cells = [
        [sheet[68 * row : 68 * row + 68, 68 * column : 68 * column + 68] for column in range(9)] for row in range(2)
    ]
    mirrored = [np.array_equal(cell, row[0][:, ::-1]) for row in cells for cell in row[1:]]
    plain = [np.array_equal(cell, row[0]) for row in cells for cell in row[1:]]

    assert all(one != other for one, other in zip(mirrored, plain, strict=True))
    assert 3 <= sum(mirrored) <= 13


def test_an_unknown_recipe_is_refused_with_the_known_ones(monkeypatch, capsys, kermany_like) -> None:
    assert _run(monkeypatch, str(kermany_like), "--augment", "wild") == 2
    assert "'wild' is not a recipe; known: none, light" in capsys.readouterr().err
