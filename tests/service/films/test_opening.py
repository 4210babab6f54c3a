"""Rules of whether processes or threads of the service read the films of a bundle."""

import sys

import pytest

from bundle.machine import this_machine
from bundle.opening import open_bundle
from schemas.engine.tuning import EngineChoice, Measured, TuningProfile
from schemas.errors import CxrError
from service.engine.tuned import write_profile
from service.films.nursery import Nursery
from service.films.opening import readers_opener
from tests.service.bundles import write_tiny_bundle
from tests.service.chosen import settings_of


@pytest.fixture
def bundle(tmp_path):
    return open_bundle(write_tiny_bundle(tmp_path / "models"))


@pytest.fixture
def folder(tmp_path, bundle):
    """Of a profile that found threads to be faster than processes."""
    choice = EngineChoice(provider="cpu", precision="fp32", intra_op_threads=1, concurrent_runs=2, max_batch_size=1)
    profile = TuningProfile(
        bundle="tiny/1.0.0",
        bundle_sha256=bundle.sha256,
        machine=this_machine(),
        made_at="2026-11-29T21:00:00+00:00",
        software_version="0.2.0",
        rounds=1,
        seconds=1,
        busy_cores=0,
        chosen=choice,
        figures=(Measured(choice=choice, films_per_s=2, lowest=1, highest=3, ms_per_film=4),),
        processes=(),
    )
    (tmp_path / "tuning").mkdir()
    write_profile(tmp_path / "tuning", profile)
    return tmp_path / "tuning"


def opened(bundle, **chosen):
    """The bundles that threads of the service would read films for; no process can be started."""
    by_threads = []
    nursery = Nursery()
    nursery._orders.close()
    nursery._theirs.close()
    settings = settings_of(**chosen)
    opener = readers_opener(nursery, settings, lambda _: None, lambda bundle, **_: by_threads.append(bundle))
    opener(bundle, provider="cpu", intra_op_threads=1)
    return by_threads


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_a_profile_may_leave_films_to_threads(bundle, folder) -> None:
    assert opened(bundle, tuning_dir=folder) == [bundle]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_processes_that_are_set_are_asked_for_whatever_a_profile_found(bundle, folder) -> None:
    with pytest.raises(CxrError, match="process"):
        opened(bundle, tuning_dir=folder, film_processes=2)


def test_without_a_setting_and_without_a_profile_threads_read_films(bundle) -> None:
    assert opened(bundle) == [bundle]
