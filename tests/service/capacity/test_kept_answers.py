"""Rules of answers that are kept for requests sent again, in this process and shared by replicas."""

import pytest

from schemas.errors import IdempotencyKeyInUseError, IdempotencyKeyReusedError, InvalidImageError, NotARadiographError
from service.capacity.kept_answers import OVERHEAD_BYTES, KeptAnswer, KeptAnswers, RequestName
from tests.service.sharing.both import Clock, Place, place
from tests.service.sharing.conftest import postgresql, postgresql_url

__all__ = ["place", "postgresql", "postgresql_url"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


def name(key="k", caller="key:1", route="/predict"):
    return RequestName(caller, route, key)


async def answer(answers, request, text=b"answer", fingerprint=b"film"):
    """What the request is answered, and whether it was worked on."""
    async with answers.once(request, fingerprint) as turn:
        if turn.answer is not None:
            return turn.answer.body, False
        turn.answer = KeptAnswer(text)
        return text, True


async def kept(answers, *requests):
    """The keys of those that would not be worked on; a request that would be leaves nothing behind."""
    found = []
    for request in requests:
        async with answers.once(request, b"film") as turn:
            if turn.answer is not None:
                found.append(request.key)
    return found


async def test_a_request_sent_again_is_not_worked_on(place: Place, clock) -> None:
    answers = place.answers(60, 10_000, clock)

    assert await answer(answers, name(), b"first") == (b"first", True)
    assert await answer(answers, name(), b"second") == (b"first", False)


@pytest.mark.parametrize("other", [name("other"), name(caller="key:2"), name(route="/explain")])
async def test_keys_of_others_are_others(place: Place, clock, other) -> None:
    answers = place.answers(60, 10_000, clock)
    await answer(answers, name(), b"first")

    assert await answer(answers, other, b"second", b"another film") == (b"second", True)


async def test_a_key_that_comes_with_something_else_is_refused_before_and_after_the_answer(place: Place, clock) -> None:
    answers = place.answers(60, 10_000, clock)
    async with answers.once(name(), b"film") as turn:
        with pytest.raises(IdempotencyKeyReusedError):
            await answer(answers, name(), fingerprint=b"another film")
        with pytest.raises(IdempotencyKeyInUseError) as refusal:
            await answer(answers, name())
        turn.answer = KeptAnswer(b"answer")

    assert refusal.value.retry_after_s == 1
    with pytest.raises(IdempotencyKeyReusedError, match="make a new key"):
        await answer(answers, name(), fingerprint=b"another film")


async def test_work_that_fails_or_leaves_no_answer_is_done_again(place: Place, clock) -> None:
    answers = place.answers(60, 10_000, clock)
    with pytest.raises(InvalidImageError):
        async with answers.once(name(), b"film"):
            raise InvalidImageError

    assert await answer(answers, name(), b"second") == (b"second", True)


async def test_answers_are_forgotten_after_their_time(place: Place, clock) -> None:
    answers = place.answers(60, 10_000, clock)
    await answer(answers, name("first"))
    clock.now += 40
    await answer(answers, name("second"))
    clock.now += 20

    assert await kept(answers, name("first"), name("second")) == ["second"]
    clock.now += 40
    assert await kept(answers, name("second")) == []


async def test_the_oldest_answer_of_the_caller_with_most_gives_way(place: Place, clock) -> None:
    body = bytes(1000 - OVERHEAD_BYTES % 1000)
    answers = place.answers(60, 4 * KeptAnswer(body).size_bytes, clock)
    await answer(answers, name("modest", "key:2"), body)
    for key in ("1", "2", "3", "4", "5"):
        clock.now += 1
        await answer(answers, name(key), body)

    assert await kept(answers, name("modest", "key:2")) == ["modest"]
    assert await kept(answers, *(name(key) for key in ("1", "2", "3", "4", "5"))) == ["3", "4", "5"]


async def test_an_answer_larger_than_all_room_is_not_kept_and_drives_none_out(place: Place, clock) -> None:
    answers = place.answers(60, 5000, clock)
    await answer(answers, name("small"))
    await answer(answers, name("large"), bytes(5000))

    assert await kept(answers, name("small"), name("large")) == ["small"]


async def test_forgotten_answers_take_no_memory(clock) -> None:
    answers = KeptAnswers(60, 10_000, clock)
    await answer(answers, name("first"))
    clock.now += 60

    assert await kept(answers, name("second")) == []
    assert len(answers._entries) == 0
    assert answers._bytes.total() == 0


async def test_why_a_film_could_not_be_read_is_kept_too(place: Place, clock) -> None:
    answers = place.answers(60, 10_000, clock)
    async with answers.once(name(), b"film") as turn:
        turn.answer = KeptAnswer(failure=NotARadiographError("two frames"))
    async with answers.once(name(), b"film") as turn:
        kept_failure = turn.answer.failure

    assert (type(kept_failure), str(kept_failure)) == (NotARadiographError, "two frames")
