"""What is usual among training films: whitened, shrunk; and cut-offs that keep their promise for each class."""

import numpy as np
import pytest
from sklearn.covariance import OAS

from schemas.errors import TrainingConfigError
from schemas.model.familiarity import Familiarity, Space, unfamiliarity
from trainer.judging.gate import GateInputs, films_unfamiliarity, fit_gate, fit_space

RANDOM = np.random.default_rng(11)


def two_clouds(films: int, dimensions: int, *, seed: int = 0):
    """Two classes of the same elongated scatter, four spreads apart."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, films)
    spread = np.geomspace(3, 0.3, dimensions)
    values = random.normal(size=(films, dimensions)) * spread + 4 * labels[:, None] * spread
    return values.astype(np.float32), labels


def whitened(values, arrays):
    """Distance of each film to each class, [N, K]."""
    return Space(*(arrays[name] for name in ("center", "projection", "class_means"))).distances(values)[..., 0]


def test_scores_equal_the_mahalanobis_distance_to_each_class_over_the_root_of_the_rank() -> None:
    values, labels = two_clouds(400, 6)
    means = np.stack([values[labels == index].mean(axis=0) for index in range(2)])
    precision = OAS(assume_centered=True).fit(values - means[labels]).precision_

    found = whitened(values, fit_space(values, np.eye(2, dtype=bool)[labels]))
    away = values[:, None] - means

    assert found == pytest.approx(np.sqrt(np.einsum("nkd,de,nke->nk", away, precision, away) / 6), rel=1e-3)


def test_training_films_lie_about_one_from_their_own_class_and_further_from_the_other() -> None:
    values, labels = two_clouds(2000, 200)

    found = whitened(values, fit_space(values, np.eye(2, dtype=bool)[labels]))

    assert np.median(found[np.arange(2000), labels]) == pytest.approx(1, abs=0.05)
    assert (found[np.arange(2000), labels] < found[np.arange(2000), 1 - labels]).all()


def test_arrays_have_the_shapes_and_types_of_the_contract() -> None:
    values, labels = two_clouds(300, 200)

    statistics = fit_space(values, np.eye(2, dtype=bool)[labels])

    assert {name: (array.shape, array.dtype.name) for name, array in statistics.items()} == {
        "center": ((200,), "float32"),
        "projection": ((200, 64), "float32"),
        "class_means": ((2, 64), "float32"),
        "components": ((200, 64), "float32"),
    }


def test_dimensions_that_hold_rounding_error_alone_are_left_out() -> None:
    values, labels = two_clouds(300, 5)
    noise = 1e-6 * RANDOM.normal(size=(300, 20))

    statistics = fit_space(np.hstack([values, noise]).astype(np.float32), np.eye(2, dtype=bool)[labels])

    assert statistics["projection"].shape == (25, 5)
    assert "components" not in statistics


def test_films_from_elsewhere_score_high_in_every_class() -> None:
    values, labels = two_clouds(500, 20)

    statistics = fit_space(values, np.eye(2, dtype=bool)[labels])
    elsewhere = whitened((RANDOM.normal(size=(100, 20)) * 30).astype(np.float32), statistics)

    assert elsewhere.min() > whitened(values, statistics)[np.arange(500), labels].max()


def test_fewer_films_than_dimensions_give_finite_scores() -> None:
    values, labels = two_clouds(10, 50)

    assert np.isfinite(whitened(two_clouds(100, 50, seed=1)[0], fit_space(values, np.eye(2, dtype=bool)[labels]))).all()


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_equal_embeddings_of_a_class_show_no_distance(between) -> None:
    labels = np.arange(10) % 2

    assert (
        fit_space((between * labels[:, None] * np.ones((10, 4))).astype(np.float32), np.eye(2, dtype=bool)[labels])
        is None
    )


def seen(films, *, seed, dimensions=100, **changes):
    """Films of two clouds in both descriptions."""
    embeddings, labels = two_clouds(films, dimensions, seed=seed)
    frames = np.random.default_rng(seed + 100).normal(size=(films, 90)) + labels[:, None]
    return GateInputs(**({"embeddings": embeddings, "thumbnails": frames, "labels": labels} | changes))


def refused(gate, films):
    """Which films the gate does not let pass."""
    cutoffs, arrays = gate
    scores = Familiarity.from_arrays(arrays).scores(films.embeddings, films.thumbnails)
    return unfamiliarity(scores, np.array([cutoffs.cutoffs[name] for name in CLASSES])) > 1


CLASSES = ("NORMAL", "PNEUMONIA")


@pytest.mark.simulation
def test_new_films_of_each_class_pass_as_often_as_the_cutoffs_promise() -> None:
    shares = []
    for seed in range(8):
        gate = fit_gate(seen(800, seed=seed), seen(300, seed=seed + 20), CLASSES)
        new = seen(2000, seed=seed + 40)
        shares.append([refused(gate, new)[new.labels == index].mean() for index in range(2)])

    assert np.all(np.mean(shares, axis=0) <= 0.025)
    assert np.all(np.mean(shares, axis=0) >= 0.005)
    assert gate[0].accepted_share == 0.98


@pytest.mark.parametrize("strange", ["embeddings", "thumbnails"])
@pytest.mark.parametrize("where", ["among the usual directions", "outside of them"])
def test_a_film_that_is_strange_in_either_description_is_refused(strange, where) -> None:
    # The last 30 directions hardly vary, so the 64 components leave them over.
    spread = np.append(np.ones(60), np.full(30, 0.01))

    def films(count, seed, shift=0.0):
        random = np.random.default_rng(seed)
        parts = {name: random.normal(size=(count, 90)) * spread for name in ("embeddings", "thumbnails")}
        parts[strange] = parts[strange] + shift
        return GateInputs(**parts, labels=np.arange(count) % 2)

    shift = np.where((spread == 1) == (where == "among the usual directions"), 4.0, 0.0)
    gate = fit_gate(films(600, 1), films(300, 2), CLASSES)

    assert refused(gate, films(100, 3)).mean() < 0.1
    assert refused(gate, films(100, 4, shift)).all()


def test_few_validation_films_accept_all_of_themselves() -> None:
    validation = seen(20, seed=2)

    assert not refused(fit_gate(seen(400, seed=1), validation, CLASSES), validation).any()


def test_equal_thumbnails_leave_the_embedding_alone_to_judge() -> None:
    gate = fit_gate(
        seen(300, seed=1, thumbnails=np.ones((300, 9))), seen(100, seed=2, thumbnails=np.ones((100, 9))), CLASSES
    )

    assert not any(name.startswith("thumbnail_") for name in gate[1])
    assert gate[1]["scales"].shape == (2, 2)


def test_equal_embeddings_make_no_gate() -> None:
    assert fit_gate(seen(300, seed=1, embeddings=np.ones((300, 9))), seen(100, seed=2), CLASSES) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_embeddings_of_a_network_that_diverged_are_refused(value, which) -> None:
    broken = [seen(300, seed=1), seen(300, seed=2)]
    broken[which] = seen(300, seed=1, embeddings=np.full((300, 100), value))

    with pytest.raises(TrainingConfigError, match="not finite: its training diverged"):
        fit_gate(broken[0], broken[1], CLASSES)


def findings(films: int, *, seed: int, none: bool = True) -> GateInputs:
    """Films of three findings, each of which moves the film; some have several, and some are not known."""
    random = np.random.default_rng(seed)
    labels = (random.random((films, 3)) < 0.35).astype(np.float32)
    if not none:
        labels[~labels.any(axis=1), 0] = 1
    moved = np.zeros((films, 90))
    moved[:, :3] = labels * 4
    parts = {name: moved + random.normal(size=moved.shape) for name in ("embeddings", "thumbnails")}
    labels[random.random(labels.shape) < 0.05] = np.nan
    return GateInputs(**parts, labels=labels)


GROUPS = ("Effusion", "Mass", "Edema", "no finding")


@pytest.mark.parametrize("none", [True, False])
def test_films_with_each_finding_and_with_none_pass_and_strange_ones_do_not(none) -> None:
    gate = fit_gate(findings(800, seed=0, none=none), findings(400, seed=1, none=none), GROUPS)
    assert gate is not None
    distribution, arrays = gate
    new = findings(1000, seed=2, none=none)
    strange = GateInputs(new.embeddings + 9, new.thumbnails, new.labels)

    passing = films_unfamiliarity(distribution, arrays, new) <= 1

    assert tuple(distribution.cutoffs) == GROUPS
    assert np.isfinite(list(distribution.cutoffs.values())).all()
    for members in new.members(4).T:
        assert passing[members].mean() > 0.95
    assert (films_unfamiliarity(distribution, arrays, strange) > 1).mean() > 0.99


def test_a_film_of_several_findings_counts_in_each_as_a_part_of_a_film() -> None:
    values = np.random.default_rng(0).normal(size=(300, 4))

    both = fit_space(values, np.ones((300, 2), bool))
    once = fit_space(values, np.ones((300, 1), bool))

    assert both is not None
    assert once is not None
    assert both["class_means"][0] == pytest.approx(both["class_means"][1])
    # Films that count twice scatter no more, and are no more, than the same films that count once.
    assert both["projection"] == pytest.approx(once["projection"])
