"""Rules of which settings are tried and which are chosen."""

import pytest

from schemas.tuning import EngineChoice
from service.commands.tuning.candidates import Round, best_of, choices, fastest_first, measured, powers, process_choices


def choice(threads=1, runs=2, batch=1, precision="fp32", workers=0):
    return EngineChoice(
        provider="cpu",
        precision=precision,
        intra_op_threads=threads,
        concurrent_runs=runs,
        max_batch_size=batch,
        film_processes=workers,
    )


def figure(films_per_s, **of):
    return measured(choice(**of), [Round(films_per_s, 10.0)])


@pytest.mark.parametrize(("largest", "tried"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_numbers_are_powers_of_two_and_the_largest(largest, tried) -> None:
    assert powers(largest) == tried


@pytest.mark.parametrize(("cores", "count"), [(1, 2), (2, 6), (8, 20), (64, 56)])
def test_threads_and_runs_never_exceed_the_cores(cores, count) -> None:
    tried = choices("cpu", ["fp32"], cores, max_batch=32)

    assert len(tried) == count
    assert all(each.intra_op_threads * each.concurrent_runs <= cores for each in tried)
    assert any(each.concurrent_runs == cores for each in tried)


@pytest.mark.parametrize(
    ("provider", "offered", "tried"),
    [
        ("cpu", ["fp32", "int8", "fp16"], {"fp32", "int8"}),
        ("cuda", ["fp32", "int8", "fp16"], {"fp32", "fp16"}),
        ("cpu", ["fp32"], {"fp32"}),
    ],
)
def test_only_precisions_that_the_bundle_keeps_and_that_suit_the_provider_are_tried(provider, offered, tried) -> None:
    assert {each.precision for each in choices(provider, offered, 2, max_batch=4)} == tried


def test_no_batch_is_larger_than_the_graph_takes() -> None:
    assert {each.max_batch_size for each in choices("cpu", ["fp32"], 2, max_batch=1)} == {1}
    assert {each.max_batch_size for each in choices("cuda", ["fp32"], 2, max_batch=8)} == {1, 2, 4, 8}


@pytest.mark.parametrize(("cores", "shapes"), [(1, []), (2, [(2, 1)]), (8, [(8, 1), (4, 1)])])
def test_processes_fill_the_cores(cores, shapes) -> None:
    tried = process_choices(choice(runs=cores), cores)

    assert [(each.film_processes, each.intra_op_threads) for each in tried] == shapes
    assert all(each.concurrent_runs == each.film_processes for each in tried)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    figures = measured(choice(), [Round(10, 3), Round(30, 1), Round(20, 2)])

    assert (figures.films_per_s, figures.lowest, figures.highest, figures.ms_per_film) == (20, 10, 30, 2)


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([figure(106, threads=2)], choice(threads=2)),
        ([figure(104, threads=2)], choice()),
        ([figure(102, batch=4)], choice()),
        ([figure(102, precision="int8")], choice()),
        ([figure(150, precision="int8")], choice(precision="int8")),
        ([figure(96, workers=2)], choice(workers=2)),
        ([figure(94, workers=2)], choice()),
    ],
)
def test_the_fastest_is_chosen_and_of_those_that_are_alike_the_simplest(others, chosen) -> None:
    assert best_of([*others, figure(100)]).choice == chosen


def test_figures_are_listed_from_the_fastest() -> None:
    assert [each.films_per_s for each in fastest_first([figure(1), figure(3), figure(2)])] == [3, 2, 1]
