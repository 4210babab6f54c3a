"""What lies on or in the patient: ECG leads and tubes, with random course, size and density."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from trainer.planted.canvas import Canvas, Film, Points, overlaid, smooth, sometimes

# Where electrodes are glued, as shares of the film: shoulders, flanks, the left chest wall, the upper abdomen.
_ELECTRODES = np.array(
    [(0.22, 0.22), (0.78, 0.22), (0.18, 0.70), (0.82, 0.72), (0.30, 0.42), (0.66, 0.56), (0.72, 0.66), (0.50, 0.86)]
)


def ecg_leads(film: Film, random: np.random.Generator) -> Film:
    """Three to five electrodes (pad, snap) with wires that leave the film on one side."""
    wires, pads = Canvas(film), Canvas(film)
    count = int(random.integers(3, 6))
    places = random.choice(_ELECTRODES, count, replace=False) + random.normal(0, 0.035, (count, 2))
    width = random.uniform(0.0045, 0.0075)
    density = random.uniform(0.45, 0.8)
    exit_point = np.array([random.choice([-0.03, 1.03]), random.uniform(0.55, 1.0)])
    if sometimes(random, 0.5):
        exit_point = np.array([random.uniform(0.15, 0.85), random.choice([-0.03, 1.03])])
    radius = random.uniform(0.026, 0.036)
    for place in places:
        _electrode(pads, place, radius, random)
        course = _sagging(place, exit_point + random.normal(0, 0.03, 2), random)
        wires.line(course, width, 0.55 * density)
        wires.line(course, 0.45 * width, density)
    return overlaid(overlaid(film, wires.opacity(blur=0.0015)), pads.opacity(blur=0.001))


def _electrode(canvas: Canvas, place: Points, radius: float, random: np.random.Generator) -> None:
    canvas.disc(place, radius, random.uniform(0.08, 0.2))  # foam and gel: hardly dense
    canvas.disc(place, 0.42 * radius, 0.35)
    canvas.disc(place, 0.34 * radius, random.uniform(0.85, 1.0))  # the metal snap
    canvas.disc(place + random.normal(0, 0.0015, 2), 0.13 * radius, 0.55)  # the stud, hollow


def _sagging(start: Points, end: Points, random: np.random.Generator) -> Points:
    """A wire's course: it hangs to one side and never runs straight."""
    way = end - start
    across = np.array([-way[1], way[0]])
    sag = random.normal(0, 0.22)
    knots = [start + share * way + sag * weight * across for share, weight in ((0, 0), (0.35, 0.9), (0.7, 0.7), (1, 0))]
    inner = np.array(knots)
    inner[1:-1] += random.normal(0, 0.02, (2, 2))
    return smooth(inner)


def tube(film: Film, random: np.random.Generator) -> Film:
    """One tube: in the trachea, through the gullet to the stomach, a chest drain or a central venous catheter."""
    return _TUBES[str(random.choice(list(_TUBES)))](film, random)


def _tracheal(film: Film, random: np.random.Generator) -> Film:
    x = 0.5 + random.normal(0, 0.02)
    tip = random.uniform(0.24, 0.38)
    course = np.array([(x + random.normal(0, 0.03), -0.03), (x + 0.01, 0.5 * tip), (x + random.normal(0, 0.01), tip)])
    return _hollow(film, smooth(course), random.uniform(0.022, 0.032), random)


def _gastric(film: Film, random: np.random.Generator) -> Film:
    x = 0.5 + random.normal(0, 0.015)
    knots = [(x, -0.03), (x + 0.01, 0.3), (x + random.uniform(0.0, 0.03), 0.62), (x + random.uniform(0.05, 0.1), 0.82)]
    knots.append((x + random.uniform(0.1, 0.25), random.uniform(0.86, 0.98)))
    return _hollow(film, smooth(np.array(knots)), random.uniform(0.012, 0.018), random)


def _drain(film: Film, random: np.random.Generator) -> Film:
    side = random.choice([-1, 1])
    low = random.uniform(0.5, 0.75)
    knots = np.array([(0.56, low + 0.12), (0.36, low), (0.27, 0.7 * low + 0.05), (0.2, random.uniform(0.2, 0.3))])
    knots += random.normal(0, 0.015, knots.shape)
    knots[:, 0] = 0.5 + side * knots[:, 0]
    return _hollow(film, smooth(knots), random.uniform(0.02, 0.032), random)


def _catheter(film: Film, random: np.random.Generator) -> Film:
    side = random.choice([-1, 1])
    tip = (0.46 + random.normal(0, 0.015), random.uniform(0.42, 0.55))
    knots = np.array([(0.5 + side * 0.34, -0.03), (0.5 + side * 0.2, 0.14), (0.5 + side * 0.06, 0.24), tip])
    knots[:-1] += random.normal(0, 0.015, (3, 2))
    canvas = Canvas(film)
    canvas.line(smooth(knots), random.uniform(0.005, 0.008), random.uniform(0.4, 0.75))
    return overlaid(film, canvas.opacity(blur=0.001))


def _hollow(film: Film, course: Points, width: float, random: np.random.Generator) -> Film:
    """Two walls, a lumen that lets more through, and a radiopaque stripe along one wall."""
    canvas = Canvas(film)
    canvas.line(course, width, random.uniform(0.28, 0.42))
    canvas.line(course, 0.74 * width, random.uniform(0.1, 0.18))
    step = np.gradient(course, axis=0)
    across = np.stack([-step[:, 1], step[:, 0]], 1) / np.linalg.norm(step, axis=1, keepdims=True)
    canvas.line(course + random.choice([-0.3, 0.3]) * width * across, 0.16 * width, random.uniform(0.55, 0.85))
    return overlaid(film, canvas.opacity(blur=0.001))


_TUBES: Mapping[str, Callable[[Film, np.random.Generator], Film]] = MappingProxyType(
    {"tracheal": _tracheal, "gastric": _gastric, "drain": _drain, "catheter": _catheter}
)
