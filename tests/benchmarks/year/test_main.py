"""Four weeks of the year with the real promtool and Prometheus: two causes, their alerts, and silence besides."""

import shutil

import pytest

from benchmarks.year.__main__ import verdicts_of

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus (Debian package) is not on PATH"),
]


@pytest.mark.scale("21.9 year", "planted causes fire their alerts; quiet days fire none")
def test_the_planted_causes_fire_their_alerts_and_no_quiet_day_fires_any(tmp_path) -> None:
    found = {verdict.alert: verdict for verdict in verdicts_of(28, 7, tmp_path)}
    fired = {name for name, verdict in found.items() if verdict.fired}

    assert fired == {"CxrTargetDown", "CxrNotReady", "CxrAvailabilityBurnFast", "CxrAvailabilityBurnSlow"}
    assert {name: verdict.false for name, verdict in found.items() if verdict.false} == {}
    assert all(not verdict.missed for verdict in found.values())
