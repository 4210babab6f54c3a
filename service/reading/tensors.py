"""One film whose pixels the caller has prepared for a network: the same answer, without what only a file shows."""

import numpy as np

from imaging.quality import input_statistics
from schemas.api import ImageFacts
from schemas.errors import InvalidParameterError
from service.capacity.admission import Priority
from service.films.look import PreparedFilm, Upload
from service.models.live import LiveBundle
from service.reading.predict import Reading, answered, given
from service.services import Services

PREPARED_BY_CALLER = "prepared_by_caller"
"""The warning about every such film."""
UNCHECKED = (
    "the file: whether it is a frontal radiograph, its transfer syntax, window, polarity and orientation",
    "its size and contrast: low_resolution, extreme_aspect, low_contrast and mostly_one_value are not looked for",
    "its header: age, view, projection, body part, modality and sex are what the caller states, or nothing",
    "whether the pixels were prepared as the parameter `preprocess` states",
)
"""What is not known of such a film. What the network and its guide see is judged as ever: lungs, traits, familiarity.
"""
_BITS = 32
_ROUNDING = 1e-4
"""By which pixels may lie outside [0, 1]: resizing in float32 rounds."""


async def read_prepared(services: Services, live: LiveBundle, upload: Upload, *, priority: Priority) -> Reading:
    """Read one film of which the pixels are prepared.

    Args:
        services: its metrics are used.
        live: the bundle for which they are; it answers.
        upload: `data` is float32 [1, S, S] in [0, 1], little-endian.
        priority: stat goes before routine.

    Raises:
        InvalidParameterError: a value is not a number within [0, 1].
        InferenceError: the network failed.
    """
    side = live.loaded.manifest.preprocess.size
    image = np.frombuffer(upload.data, "<f4").reshape(1, side, side).astype(np.float32, copy=False)
    if not (image.min() >= -_ROUNDING and image.max() <= 1 + _ROUNDING):  # also where one is not a number
        msg = "a pixel is not a number within [0, 1]; prepare the film as `preprocess` in the bundle's metadata states"
        raise InvalidParameterError(msg)
    facts = ImageFacts(
        format="tensor",
        rows=side,
        columns=side,
        bits=_BITS,
        photometric_interpretation="MONOCHROME2",
        warnings=(PREPARED_BY_CALLER,),
    )
    film = PreparedFilm(facts, None, upload.stated, image, input_statistics(image), decode_s=0.0, preprocess_s=0.0)
    result = await live.batcher.submit(image, target=None, priority=priority)
    return given(services, answered(live, film, result))
