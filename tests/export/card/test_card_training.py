"""The card states what training took, and what training the teachers took before."""

import pytest

from bundle.opening import open_bundle
from export.card.card import render_card


@pytest.fixture(scope="module")
def manifest(bundle):
    return open_bundle(bundle).manifest


@pytest.fixture(scope="module")
def card(manifest):
    return render_card(manifest)


def trained(manifest, **took):
    return render_card(manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update=took)}))


def test_time_and_energy_of_training_stand_as_they_were_measured(manifest) -> None:
    took = {"training_seconds": 5400.0, "cpu_seconds": 9000.0}
    measured = trained(manifest, **took, energy_joules={"processor package-0 (RAPL)": 180_000.0})
    without = trained(manifest, **took, energy_joules={})

    assert "| Time of training | 90.0 minutes over all epochs, 2.50 core-hours |" in measured
    assert "| Energy of training | 50.0 Wh by processor package-0 (RAPL): of all that ran on the machine" in measured
    assert (
        "| Energy of training | not measured: no energy counter of the machine could be read; 2.50 core-hours"
        in without
    )


def test_a_network_of_before_energy_was_recorded_says_its_time_and_no_energy(card) -> None:
    assert "| Time of training | 1.5 minutes over all epochs |" in card
    assert "| Energy of training | not recorded: this version of the trainer came later |" in card


def test_what_training_the_teachers_took_stands_beside_it_each_of_them_counted_once(manifest) -> None:
    first = manifest.provenance.model_copy(update={"training_seconds": 600.0, "seed": 1, "teachers": ()})
    second = manifest.provenance.model_copy(update={"training_seconds": 300.0, "seed": 2, "teachers": (first,)})

    taught = trained(manifest, teachers=(first, second))
    alone = trained(manifest, teachers=())
    by_one = trained(manifest, teachers=(first,))

    assert "| Time of training its 2 teachers | 15.0 minutes over all epochs, before |" in taught
    assert "| Energy of training its 2 teachers | not recorded" in taught
    assert "| Time of training its teacher | 10.0 minutes over all epochs, before |" in by_one
    assert "teacher" not in alone
