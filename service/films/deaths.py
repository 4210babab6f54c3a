"""What the sender of a film is told whose process died, and why."""

from imaging.dicom.transfer_syntaxes import name_of
from schemas.errors import CxrError, InferenceError, InvalidImageError
from service.films.messages import Position, Stage
from service.films.process import FILM_S


def refusal_of(position: Position, *, overdue: bool) -> CxrError:
    """Why a film has no answer.

    Args:
        position: where its process was.
        overdue: whether it took too long; otherwise it died by itself.
    """
    if position.stage == Stage.NETWORK:
        return InferenceError("the network failed on this film; the reason is in the service's log")
    if position.stage == Stage.FRAME:
        name = name_of(position.syntax)
        if overdue:
            msg = f"decoding the {name} frame took over {position.limit_s:.3g} s; send it uncompressed"
        else:
            msg = f"the {name} frame made its decoder fail; export the film again"
    elif overdue:
        msg = f"reading the film took over {FILM_S:.0f} s; send it smaller"
    else:
        msg = "the film made its decoder fail; export the film again"
    return InvalidImageError(msg)
