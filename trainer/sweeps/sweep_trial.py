"""One trial of a sweep, as whatever runs it needs it: the command is the same on every machine."""

from pydantic import Field

from schemas.record import Record


class Share(Record):
    """What one trial gets of a machine."""

    cpus: int = Field(default=1, ge=1, description="cores, and threads of torch")
    gpus: float = Field(default=0, ge=0, description="graphics cards; below 1: several trials share one")


class SweepTrial(Record):
    """One architecture, seed and fold, and where its files are."""

    index: int = Field(ge=0, description="place in the list of all trials of the run")
    architecture: str
    seed: int
    fold: int | None
    name: str = Field(description="of its folder: architecture, seed and fold")
    run: str = Field(description="absolute path of the run's folder, the same on every machine")
    storage: str | None = Field(default=None, description="URL of an object store; null: all machines see `run`")
    directory: str = Field(description="where the sweep was started: relative paths of its options begin here")
    share: Share = Share()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the Python that runs it; started again at any time, the command goes on where it was."""
        stored = () if self.storage is None else ("--storage", self.storage)
        return ("-m", "trainer", "trial", self.run, self.name, *stored)

    @property
    def environment(self) -> dict[str, str]:
        """As many threads on each machine: sums of other threads differ in their last bits."""
        return {"OMP_NUM_THREADS": str(self.share.cpus)}
