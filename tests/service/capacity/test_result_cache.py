"""Rules of answers that are kept by what they were computed from."""

import pytest
from prometheus_client import CollectorRegistry

from service.capacity.result_cache import ResultCache, ResultKey
from service.measures.cache import CacheMetrics


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def cache(registry):
    return ResultCache(100, CacheMetrics(registry))


def key(film="f", bundles="b", asked=("prediction",)):
    return ResultKey(film, bundles, asked)


def kept(cache, *films):
    return [film for film in films if cache.find(key(film), str) is not None]


def test_an_answer_is_found_by_its_film_its_bundles_and_its_question_together(cache) -> None:
    cache.keep(key(), "answer", 10)

    assert cache.find(key(), str) == "answer"
    for other in (key(film="g"), key(bundles="c"), key(asked=("explanation",)), key(asked=())):
        assert cache.find(other, str) is None


def test_what_was_not_asked_for_the_longest_goes_first(cache, registry) -> None:
    for film in "abcd":
        cache.keep(key(film), film, 25)
    cache.find(key("a"), str)
    cache.keep(key("e"), "e", 30)

    assert kept(cache, *"abcde") == ["a", "d", "e"]  # 30 bytes took the places of two
    assert registry.get_sample_value("cxr_result_cache_evictions_total") == 2
    assert registry.get_sample_value("cxr_result_cache_bytes") == 80


def test_an_answer_larger_than_the_cache_pushes_nothing_out(cache) -> None:
    cache.keep(key("a"), "a", 100)
    cache.keep(key("b"), "b", 101)

    assert kept(cache, "a", "b") == ["a"]


def test_an_answer_that_is_kept_again_counts_once(cache, registry) -> None:
    cache.keep(key("a"), "a", 60)
    cache.keep(key("a"), "A", 70)

    assert cache.find(key("a"), str) == "A"
    assert registry.get_sample_value("cxr_result_cache_bytes") == 70
    assert registry.get_sample_value("cxr_result_cache_evictions_total") == 0


def test_hits_and_misses_are_counted_from_zero(cache, registry) -> None:
    def counts():
        name = "cxr_result_cache_requests_total"
        return [registry.get_sample_value(name, {"result": result}) for result in ("hit", "miss")]

    assert counts() == [0, 0]

    cache.find(key(), str)
    cache.keep(key(), "a", 1)
    cache.find(key(), str)

    assert counts() == [1, 1]


@pytest.mark.parametrize(("limit", "on"), [(0, False), (1, True)])
def test_a_cache_without_room_is_off(registry, limit, on) -> None:
    assert ResultCache(limit, CacheMetrics(registry)).on is on
