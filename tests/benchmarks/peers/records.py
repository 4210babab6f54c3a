"""Windows and runs as the tests of the comparison want them."""

from benchmarks.peers.results import Results, Start, Window


def window(peer="ours", rate=50.0, number=0, *, clients=8, precision="fp32", kept=True, errors=0):
    return Window(
        peer=peer,
        precision=precision,
        clients=clients,
        round=number,
        films=100,
        films_per_s=rate,
        p50_ms=10.0,
        p99_ms=20.0,
        errors=errors,
        cpu_ms_per_film=15.0,
        joules_per_film=None,
        foreign_cores=0.1 if kept else 0.9,
        kept=kept,
    )


def start(peer="ours", *, precision="fp32", number=0):
    return Start(peer=peer, precision=precision, round=number, first_answer_s=1.5, pss_mb=250.0)


def results(windows, starts=(), notes=(), clients=(8,)):
    return Results(
        date="2026-01-31",
        machine="a processor",
        cores=2,
        bundle="chest 1.0.0",
        film="films",
        generator="wrk 4.1.0",
        seed=0,
        rounds=3,
        seconds=5,
        foreign_limit=0.5,
        clients=clients,
        windows=tuple(windows),
        starts=tuple(starts),
        notes=tuple(notes),
    )
