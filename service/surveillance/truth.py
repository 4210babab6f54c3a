"""From a verdict about an answer to what is true of the film, by finding; pure."""

from collections.abc import Mapping
from typing import Final

from schemas.errors import InvalidParameterError
from schemas.model.calibration import Decision
from schemas.monitoring import Presence, VerdictRequest, VerdictWord

_AS_ANSWERED: Final[Mapping[Decision, Presence]] = {"positive": "present", "negative": "absent"}
_OPPOSITE: Final[Mapping[Presence, Presence]] = {"present": "absent", "absent": "present"}


def truth_of(request: VerdictRequest, decisions: Mapping[str, Decision], *, suspended: bool) -> dict[str, Presence]:
    """What a verdict states of a film.

    Args:
        request: the verdict.
        decisions: of each finding, as they would be answered without a stop.
        suspended: whether the reader saw no answer: then `corrected` alone states anything.

    Returns:
        By finding; a finding that the answer left open has a truth only where `corrected` states it.

    Raises:
        InvalidParameterError: it names a finding that the bundle does not look for, or rejects an answer of several
            findings without naming those that are wrong.
    """
    if unknown := sorted({*request.findings, *request.corrected} - decisions.keys()):
        # Not the name itself: it may be anything that a reader typed.
        msg = f"{len(unknown)} of the findings are not of this answer, which is about {', '.join(decisions)}"
        raise InvalidParameterError(msg)
    answered = {} if suspended else {name: _AS_ANSWERED[each] for name, each in decisions.items() if each != "abstain"}
    about = set(request.findings) or answered.keys()
    if request.verdict == "reject":
        if len(answered) > 1 and not request.findings and not request.corrected:
            msg = f"the answer decided {', '.join(answered)}; name those that are wrong in `findings`"
            raise InvalidParameterError(msg)
        about = set(request.findings) if len(answered) > 1 else about
        stated = {name: _OPPOSITE[presence] for name, presence in answered.items() if name in about}
    else:
        stated = {name: presence for name, presence in answered.items() if name in about}
    return stated | request.corrected


def word_of(truth: Mapping[str, Presence], decisions: Mapping[str, Decision]) -> VerdictWord:
    """What a source that states the truth alone, as a final report, says about the answer."""
    decided = {name: _AS_ANSWERED[each] for name, each in decisions.items() if each != "abstain" and name in truth}
    wrong = [name for name, presence in decided.items() if truth[name] != presence]
    if not wrong:
        return "accept"
    return "reject" if len(wrong) == len(decided) else "modify"
