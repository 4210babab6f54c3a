"""Rules of the window that sees films change, and of what /metrics says about it."""

import math
import re
from collections import Counter

import numpy as np
import pytest

from bundle.opening import open_bundle
from schemas.errors import BundleError
from schemas.model.drift import DriftReference, SignalReference, population_stability_index, signal_names
from service.answers.drift import DriftWindow
from service.models.registry import BundleAddress
from tests.service.bundles import FINDINGS, change_manifest, write_tiny_bundle
from tests.service.conftest import flat_film

EDGES = tuple(edge / 10 for edge in range(1, 10))
UNIFORM = SignalReference(edges=EDGES, counts=(50,) * 10)
REFERENCE = DriftReference(data="validation: 500 films", signals={"mean": UNIFORM})


def means(values):
    return [{"mean": float(value)} for value in values]


def filled(values, size=200):
    window = DriftWindow(REFERENCE, size)
    for film in means(values):
        window.add(film)
    return window


def test_below_fifty_films_a_window_says_nothing() -> None:
    assert math.isnan(filled([0.5] * 49).index("mean"))
    assert filled([0.5] * 50).index("mean") > 1


def test_a_window_is_the_last_films_and_no_others() -> None:
    values = np.random.default_rng(1).random(500)

    window = filled(values, size=100)

    counted = Counter(UNIFORM.bin_of(value) for value in values[-100:])
    expected = population_stability_index(UNIFORM.counts, [counted[place] for place in range(10)])
    assert window.films == 100
    assert window.index("mean") == expected


def test_films_of_the_reference_stay_below_the_limit_and_films_of_another_kind_pass_it_within_half_a_window() -> None:
    random = np.random.default_rng(2)
    window = filled(())
    quiet = []
    for film in means(random.random(5000)):
        window.add(film)
        quiet.append(not window.index("mean") > window.limit("mean"))
    assert all(quiet)

    for film in means(0.5 + 0.2 * (random.random(100) - 0.5)):
        window.add(film)
    assert window.index("mean") > window.limit("mean")


def with_reference(models_dir, version="1.0.0", **bundle):
    """The tiny bundle, whose validation films were of every gray level alike."""
    directory = write_tiny_bundle(models_dir, version=version, **bundle)
    findings = tuple(FINDINGS) if bundle.get("alone") else ("PNEUMONIA",)
    signals = dict.fromkeys(signal_names(findings), UNIFORM)
    reference = DriftReference(data="validation: 500 films", signals=signals)
    change_manifest(directory, drift_reference=reference.model_dump())
    return directory


async def drift(client):
    """What /metrics says: index and limit of each signal, and the films of the window."""
    text = (await client.get("/metrics")).text
    found = re.findall(r'^(cxr_drift_psi(?:_limit)?){signal="([^"]+)"} (\S+)$', text, re.MULTILINE)
    films = re.search(r"^cxr_drift_window_films (\S+)$", text, re.MULTILINE)[1]
    return {(name, signal): float(value) for name, signal, value in found}, float(films)


@pytest.mark.anyio
async def test_the_service_compares_every_film_that_it_answers(serve, tmp_path) -> None:
    with_reference(tmp_path)
    async with serve(models_dir=tmp_path, drift_window=60) as client:
        before, none_yet = await drift(client)
        for gray in range(8, 248, 4):  # every level alike, as in validation; 60 films
            assert (await client.post("/predict", content=flat_film(gray))).status_code == 200
        like, films = await drift(client)
        for _ in range(30):
            await client.post("/predict", content=flat_film(60))
        unlike, still = await drift(client)

    assert none_yet == 0
    assert all(math.isnan(value) for value in before.values())
    assert (films, still) == (60, 60)
    signals = {"mean", "contrast", "border", "probability:PNEUMONIA"}
    assert set(like) == {(name, s) for name in ("cxr_drift_psi", "cxr_drift_psi_limit") for s in signals}
    for signal in ("mean", "border"):
        limit = like["cxr_drift_psi_limit", signal]
        assert like["cxr_drift_psi", signal] < limit / 4
        assert unlike["cxr_drift_psi", signal] > limit
    assert like["cxr_drift_psi", "contrast"] > like["cxr_drift_psi_limit", "contrast"]  # flat films have none


@pytest.mark.anyio
async def test_a_film_that_is_refused_is_not_compared(serve, tmp_path) -> None:
    with_reference(tmp_path)
    async with serve(models_dir=tmp_path) as client:
        await client.post("/predict", content=b"no film")

        assert (await drift(client))[1] == 0


@pytest.mark.anyio
async def test_a_bundle_without_a_reference_answers_and_says_nothing_about_drift(client) -> None:
    assert (await client.post("/predict", content=flat_film(200))).status_code == 200

    assert await drift(client) == ({}, 0)


@pytest.mark.anyio
async def test_another_bundle_begins_with_an_empty_window_of_its_own(serve, tmp_path) -> None:
    with_reference(tmp_path)
    write_tiny_bundle(tmp_path, version="1.0.1", current=False)
    async with serve(models_dir=tmp_path) as client:
        deployment = client.services.deployments.first
        await client.post("/predict", content=flat_film(200))
        first = await drift(client)
        await deployment.activate(BundleAddress("tiny", "1.0.1"))
        without = await drift(client)
        await deployment.rollback()
        again = await drift(client)

    assert (len(first[0]), first[1]) == (8, 1)
    assert without == ({}, 0)
    assert (len(again[0]), again[1]) == (8, 0)


@pytest.mark.anyio
async def test_of_findings_that_are_judged_by_themselves_each_is_a_signal(serve, tmp_path) -> None:
    with_reference(tmp_path, alone=True, guide=True)
    async with serve(models_dir=tmp_path, drift_window=60) as client:
        for gray in [102] * 60:
            await client.post("/predict", content=flat_film(gray))
        indices, films = await drift(client)

    signals = {f"probability:{finding}" for finding in FINDINGS}
    assert {signal for _, signal in indices} == {"mean", "contrast", "border"} | signals
    assert films == 60
    assert all(indices["cxr_drift_psi", signal] > indices["cxr_drift_psi_limit", signal] for signal in signals)


def test_a_manifest_whose_reference_lacks_a_signal_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    change_manifest(directory, drift_reference=REFERENCE.model_dump())

    with pytest.raises(BundleError, match="the drift reference must hold each signal of"):
        open_bundle(directory)


@pytest.mark.anyio
async def test_ready_is_what_readyz_says(serve, tmp_path) -> None:
    async def ready(client):
        return re.search(r"^cxr_ready (\S+)$", (await client.get("/metrics")).text, re.MULTILINE)[1]

    async with serve() as client:
        serving = await ready(client)
        client.services.admission.drain()
        assert (await client.get("/readyz")).status_code == 503
        assert (serving, await ready(client)) == ("1.0", "0.0")
    async with serve(models_dir=tmp_path) as client:
        assert (await client.get("/readyz")).status_code == 503
        assert await ready(client) == "0.0"
