"""What is written on the film or laid around it: side markers, burned-in text, collimation, bars."""

import cv2
import numpy as np

from trainer.planted.canvas import Canvas, Film, Points, overlaid, sometimes

_WORDS = (
    "PORTABLE",
    "AP",
    "PA",
    "SUPINE",
    "ERECT",
    "SITTING",
    "SEMI-ERECT",
    "ICU 3",
    "MOBILE",
    "AP SUPINE",
    "CHEST PA",
)


def side_marker(film: Film, random: np.random.Generator) -> Film:
    """A lead letter L or R, plain, in a ring or on a plate, in the upper third of the side that it names."""
    letter = str(random.choice(["L", "R"]))
    x = random.uniform(0.04, 0.13)
    x = 1 - x if letter == "L" else x  # the patient's right is on the viewer's left
    y = random.uniform(0.06, 0.34)
    height = random.uniform(0.035, 0.06)
    canvas = Canvas(film)
    shape = random.choice(["plain", "ring", "plate"])
    centre = np.array([x, y])
    bright = random.uniform(0.8, 1.0)
    if shape == "ring":
        canvas.disc(centre, 1.05 * height, bright)
        canvas.disc(centre, 0.9 * height, 0.0)
    if shape == "plate":
        half = np.array([0.75, 1.0]) * height
        corners = centre + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
        canvas.polygon(corners, random.uniform(0.2, 0.4))
    width, tall = film.shape[1] / min(film.shape), film.shape[0] / min(film.shape)
    corner = (x - 0.4 * height / width, y + 0.5 * height / tall)
    canvas.text(letter, corner, height, bright, stroke=random.uniform(0.14, 0.26))
    canvas.turn((x, y), random.normal(0, 12))
    return overlaid(film, canvas.opacity(blur=0.0008))


def text(film: Film, random: np.random.Generator) -> Film:
    """One to three burned-in lines in a corner: projection, position, date and time, a number."""
    lines = [str(random.choice(_WORDS))]
    if sometimes(random, 0.6):
        lines.append(f"{random.integers(0, 24):02}:{random.integers(0, 60):02}")
    if sometimes(random, 0.5):
        lines.append(f"{random.integers(1, 29):02}.{random.integers(1, 13):02}.{random.integers(2005, 2026)}")
    height = random.uniform(0.018, 0.032)
    pitch = 1.7 * height * min(film.shape) / film.shape[0]
    x = random.uniform(0.01, 0.04) if sometimes(random, 0.5) else random.uniform(0.66, 0.76)
    y = 0.05 if sometimes(random, 0.5) else 0.98 - pitch * len(lines)
    canvas = Canvas(film)
    for row, line in enumerate(lines):
        canvas.text(line, (x, y + row * pitch), height, 1.0, stroke=0.12)
    return overlaid(film, canvas.opacity(), brightness=random.uniform(0.85, 1.0))


def collimation(film: Film, random: np.random.Generator) -> Film:
    """Two to four straight borders, a little turned: shuttered black, or the bright shadow of the collimator."""
    canvas = Canvas(film)
    sides = random.choice(4, int(random.integers(2, 5)), replace=False)
    tilt = random.normal(0, 0.02)
    for side in sides:
        depth = random.uniform(0.03, 0.11)
        bar = np.array([(-0.3, -0.5), (1.3, -0.5), (1.3, depth + tilt), (-0.3, depth - tilt)])
        canvas.polygon(_turned(bar, int(side)), 1.0)
    shuttered = sometimes(random, 0.7)
    level = random.uniform(0.0, 0.06) if shuttered else random.uniform(0.75, 0.95)
    return overlaid(film, canvas.opacity(blur=0.0005 if shuttered else 0.006), brightness=level)


def _turned(points: Points, quarters: int) -> Points:
    """Points [M, 2] of the unit square after `quarters` quarter turns about its centre."""
    for _ in range(quarters):
        points = np.stack([1 - points[:, 1], points[:, 0]], 1)
    return points


def letterboxed(film: Film, random: np.random.Generator) -> Film:
    """The film shrunk along one axis between two black bars, as a film of another aspect is padded to a square."""
    share = random.uniform(0.62, 0.88)
    height, width = film.shape
    flat = sometimes(random, 0.8)  # chest films are wider than high more often than the reverse
    rows, columns = (round(share * height), width) if flat else (height, round(share * width))
    small = cv2.resize(film, (columns, rows), interpolation=cv2.INTER_AREA)
    top, left = (height - rows) // 2, (width - columns) // 2
    boxed = np.zeros_like(film)
    boxed[top : top + rows, left : left + columns] = small
    return boxed
