"""Rules of `python -m service compare`."""

import pytest

from schemas.evidence.challenger import ChallengerReport
from service.commands.trial.compare import compare_command
from service.dicomweb.tables import open_database
from tests.service.challenger.trials import keep, pairs

FILMS = {("++", "present"): 12, ("+-", "present"): 3, ("--", "absent"): 14}


@pytest.fixture
def environment(monkeypatch, spool_url):
    monkeypatch.setenv("CXR_SPOOL_URL", spool_url)
    monkeypatch.setenv("CXR_PROMOTION_FILMS", "10")
    return spool_url


def test_the_comparison_is_read_beside_a_running_service(environment, capsys) -> None:
    with open_database(environment) as engine:
        keep(engine, pairs(FILMS))
        code = compare_command([])
    printed = capsys.readouterr().out.splitlines()

    assert code == 0
    assert printed[0] == "challenger tiny/2.0.0 against tiny/1.0.0"
    assert printed[1] == "29 films read by both, 0 not read, 29 with a verdict"
    assert printed[2].startswith("agreement 0.897 [0.736, 0.964], kappa 0.79")
    assert "  sensitivity challenger 0.800 [" in "\n".join(printed)
    assert "McNemar p = 0.25 (0 and 3 films)" in "\n".join(printed)
    assert "rule: 10 films of each side, margin 0.05: missed" in printed


def test_the_record_is_printed_for_programs(environment, capsys) -> None:
    with open_database(environment) as engine:
        keep(engine, pairs(FILMS))
    compare_command(["--json"])

    assert ChallengerReport.model_validate_json(capsys.readouterr().out).promotion.state == "missed"


def test_a_spool_without_a_challenger_is_refused_with_the_remedy(environment, capsys) -> None:
    with open_database(environment):
        pass

    assert compare_command([]) == 2
    assert "set CXR_CHALLENGER" in capsys.readouterr().err


def test_a_spool_that_is_not_there_is_refused(environment, capsys) -> None:
    assert compare_command([]) == 2
    assert "CXR_SPOOL_URL names no database that can be read" in capsys.readouterr().err
