"""Reads one film as `POST /predict` does, with numpy, Pillow and ONNX Runtime: `minimal_client.py model.onnx film.png`.

All that it knows stands in the file of the graph. Whether a film is like those of training or has enough contrast, it
cannot tell; whether it is of the right population only where the graph has a guide.
"""

import json
import sys
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
facts = session.get_modelmeta().custom_metadata_map
classes, spec, calibration = (json.loads(facts[key]) for key in ("classes", "preprocess", "calibration"))
side = spec["size"]
negative = facts["negative_class"]
traits = json.loads(facts.get("traits", "[]"))
if (spec["resize"], spec["intensity"], spec["clahe"]) != ("squash", "full_range", None):
    sys.exit(f"this client does not prepare films as the graph wants them: {spec}")


def resizing(length: int) -> Any:
    """A matrix [side, length]: the mean of what a new pixel covers where the axis shrinks, linear where it grows."""
    if length < side:
        centres = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
        return np.maximum(1 - abs(centres[:, None] - np.arange(length)), 0)
    edges = np.arange(side + 1)[:, None] * length / side
    cells = np.arange(length)
    return np.maximum(np.minimum(edges[1:], cells + 1) - np.maximum(edges[:-1], cells), 0) * side / length


film: Image.Image = Image.open(sys.argv[2])
film.draft(film.mode, (2 * side, 2 * side))  # a large JPEG is decoded no larger than this
film = ImageOps.exif_transpose(film)
gray = np.asarray(film) / 65535 if film.mode == "I;16" else np.asarray(film.convert("L")) / 255
image = resizing(gray.shape[0]) @ gray @ resizing(gray.shape[1]).T  # [side, side] in [0, 1]
feed = {"image": image[None, None].astype(np.float32), "target": np.array([-1])}
wanted = ["probabilities", "traits"] if traits else ["probabilities"]
answers, *seen = (output[0].tolist() for output in session.run(wanted, feed))
probabilities = dict(zip(classes, answers, strict=True))
thresholds = {point["finding"]: point["threshold"] for point in calibration["operating_points"]}
alone = calibration.get("scaling") is not None  # each finding is judged by itself
called = [name for name in thresholds if probabilities[name] >= thresholds[name]] if negative or alone else classes
by = thresholds if negative or alone else dict.fromkeys(classes, 1.0)
label = max(called, key=lambda name: probabilities[name] / by[name], default=negative or "no finding")
quantiles = calibration["conformal"]["quantiles"]
prediction_set = [name for name in classes if 1 - probabilities[name] <= quantiles[name]]
decision = "abstain" if prediction_set != [label] else "negative" if label == negative else "positive"
if alone:
    absent = [name for name in classes if probabilities[name] <= calibration["conformal"]["absent"][name]]
    present = [name for name in called if name in prediction_set and name not in absent]
    none = not called and not prediction_set and len(absent) == len(classes)
    decision = "positive" if present else "negative" if none else "abstain"
for trait in traits:  # what the guide saw of the film as a whole; the values of all traits stand side by side
    own, seen[0] = seen[0][: len(trait["values"])], seen[0][len(trait["values"]) :]
    accepted = sum(own[trait["values"].index(value)] for value in trait["accepted"])
    decision = "abstain" if accepted < trait["cutoff"] else decision
print(json.dumps({"label": label, "probabilities": probabilities, "decision": decision}))
