"""Rules of answers that are kept for requests sent again."""

import pytest

from schemas.errors import IdempotencyKeyInUseError, IdempotencyKeyReusedError, InvalidImageError
from service.capacity.kept_answers import OVERHEAD_BYTES, KeptAnswer, KeptAnswers, RequestName


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def name(key="k", caller="key:1", route="/predict"):
    return RequestName(caller, route, key)


def answer(answers, request, text=b"answer", fingerprint=b"film"):
    """What the request is answered, and whether it was worked on."""
    with answers.once(request, fingerprint) as turn:
        if turn.answer is not None:
            return turn.answer.body, False
        turn.answer = KeptAnswer(text)
        return text, True


def kept(answers, *requests):
    """The keys of those that would not be worked on; a request that would be leaves nothing behind."""
    found = []
    for request in requests:
        with answers.once(request, b"film") as turn:
            if turn.answer is not None:
                found.append(request.key)
    return found


def test_a_request_sent_again_is_not_worked_on(clock) -> None:
    answers = KeptAnswers(60, 10_000, clock)

    assert answer(answers, name(), b"first") == (b"first", True)
    assert answer(answers, name(), b"second") == (b"first", False)


@pytest.mark.parametrize("other", [name("other"), name(caller="key:2"), name(route="/explain")])
def test_keys_of_others_are_others(clock, other) -> None:
    answers = KeptAnswers(60, 10_000, clock)
    answer(answers, name(), b"first")

    assert answer(answers, other, b"second", b"another film") == (b"second", True)


def test_a_key_that_comes_with_something_else_is_refused_before_and_after_the_answer(clock) -> None:
    answers = KeptAnswers(60, 10_000, clock)
    with answers.once(name(), b"film") as turn:
        with pytest.raises(IdempotencyKeyReusedError), answers.once(name(), b"another film"):
            pass
        with pytest.raises(IdempotencyKeyInUseError) as refusal, answers.once(name(), b"film"):
            pass
        turn.answer = KeptAnswer(b"answer")

    assert refusal.value.retry_after_s == 1
    with pytest.raises(IdempotencyKeyReusedError, match="make a new key"), answers.once(name(), b"another film"):
        pass


def test_work_that_fails_or_leaves_no_answer_is_done_again(clock) -> None:
    answers = KeptAnswers(60, 10_000, clock)
    with pytest.raises(InvalidImageError), answers.once(name(), b"film"):
        raise InvalidImageError

    assert answer(answers, name(), b"second") == (b"second", True)


def test_answers_are_forgotten_after_their_time(clock) -> None:
    answers = KeptAnswers(60, 10_000, clock)
    answer(answers, name("first"))
    clock.now += 40
    answer(answers, name("second"))
    clock.now += 20

    assert kept(answers, name("first"), name("second")) == ["second"]
    clock.now += 40
    assert kept(answers, name("second")) == []
    assert len(answers._entries) == 0
    assert answers._bytes.total() == 0


def test_the_oldest_answer_of_the_caller_with_most_gives_way(clock) -> None:
    body = bytes(1000 - OVERHEAD_BYTES % 1000)
    answers = KeptAnswers(60, 4 * KeptAnswer(body).size_bytes, clock)
    answer(answers, name("modest", "key:2"), body)
    for key in ("1", "2", "3", "4", "5"):
        answer(answers, name(key), body)

    assert kept(answers, name("modest", "key:2")) == ["modest"]
    assert kept(answers, *(name(key) for key in ("1", "2", "3", "4", "5"))) == ["3", "4", "5"]


def test_an_answer_larger_than_all_room_is_not_kept_and_drives_none_out(clock) -> None:
    answers = KeptAnswers(60, 5000, clock)
    answer(answers, name("small"))
    answer(answers, name("large"), bytes(5000))

    assert kept(answers, name("small"), name("large")) == ["small"]
