"""The device of a network is this process's own, whatever started it."""

from trainer.networks.device import make_fabric


def test_a_job_of_slurm_with_several_tasks_trains_alone_all_the_same(monkeypatch) -> None:
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "sweep", "SLURM_PROCID": "2"}.items():
        monkeypatch.setenv(name, value)

    fabric = make_fabric("cpu")

    assert (fabric.world_size, fabric.global_rank) == (1, 0)
