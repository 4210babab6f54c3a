"""Several processes that train each network together, one for each device: which of them this is, and how they agree.

They are started by torchrun (or by `--devices`). The first one, the leader, carries the run out: it alone reads, judges
and writes. The others are its hands: they learn with it, and wait meanwhile (`trainer.runs.hands`).

Gradients are added up once a step, by hand: DistributedDataParallel reduces no gradient of a weight that began to learn
after it was wrapped, as those of the strategy `progressive` do, and wants each batch to go through the whole network.
"""

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import torch
import torch.distributed as processes
from numpy.typing import NDArray
from torch import Tensor, nn

from schemas.errors import TrainingConfigError

_PATIENCE: Final = timedelta(days=7)
"""How long a hand waits for its leader, who may judge a network for hours; torchrun ends it where the leader dies."""
_DONE: Final = "done"
_FEWEST: Final = 2
"""Films of a batch in each process: batch norm needs two."""

Value = TypeVar("Value")


class LeaderStoppedError(Exception):
    """The leader has ended what all were doing."""


@dataclass(frozen=True, slots=True)
class Together:
    """The processes of a run; of one that is alone each method is the plain one."""

    rank: int = 0
    """From 0, who leads."""
    world: int = 1
    """How many they are."""
    local_rank: int = 0
    """Among those of this machine: the number of its device."""

    @property
    def leads(self) -> bool:
        """Whether this process carries the run out."""
        return self.rank == 0

    def cut(self, films: NDArray[Any], size: int) -> list[NDArray[Any]]:
        """Batches of `size`, of which this process gets its part; a last one that is too small for all joins the other.

        Args:
            films: of one epoch, in their order, the same in each process.
            size: of the whole batches; the last may be smaller.

        Raises:
            TrainingConfigError: a batch has no films for each process.
        """
        fewest = _FEWEST * self.world if self.world > 1 else 1
        if min(size, len(films)) < fewest:
            msg = (
                f"{min(size, len(films))} films at once are too few for {self.world} processes; give a --batch-size of "
                f"{fewest} or more, or fewer --devices"
            )
            raise TrainingConfigError(msg)
        count = math.ceil(len(films) / size)
        if len(films) - (count - 1) * size < fewest:
            count -= 1
        ends = [*(number * size for number in range(1, count)), len(films)]
        return [films[start:end][self.rank :: self.world] for start, end in zip([0, *ends], ends, strict=False)]

    def share(self, values: Sequence[Value]) -> Sequence[Value]:
        """Every n-th of them, for work that each can do by itself."""
        return values[self.rank :: self.world]

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same bits in each."""
        if self.world > 1:
            processes.all_reduce(values)
        return values

    def sum_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of all processes."""
        if self.world == 1:
            return

        learning = [weight for weight in network.parameters() if weight.requires_grad]
        for weight in learning:
            if weight.grad is None:  # nothing here led to it; elsewhere something may have
                weight.grad = torch.zeros_like(weight)
        whole = self.summed(torch.cat([weight.grad.reshape(-1) for weight in learning if weight.grad is not None]))
        parts = torch.split(whole, [weight.numel() for weight in learning])
        for weight, part in zip(learning, parts, strict=True):
            weight.grad = part.view_as(weight)

    def average_statistics(self, networks: Iterable[nn.Module]) -> None:
        """Give the batch norms of all processes the mean of what each saw of the films."""
        if self.world == 1:
            return
        for network in networks:
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.summed(buffer.clone()) / self.world)

    def told(self, value: Any = None) -> Any:
        """What the leader says, which must be picklable; what the others give is not looked at."""
        if self.world == 1:
            return value
        said = [value]
        processes.broadcast_object_list(said, src=0)
        return said[0]

    def begin(self, task: Any) -> "Together":
        """Tell the others of a task, who waited for it; they begin with it, and are told nothing."""
        if self.leads:
            self.told(task)
        return self

    def gathered(self, value: Value) -> list[Value]:
        """What each says, by rank."""
        if self.world == 1:
            return [value]
        said: list[Any] = [None] * self.world
        processes.all_gather_object(said, value)
        return said

    def lead(self, work: Callable[[], None]) -> None:
        """Let the leader do something alone.

        Raises:
            LeaderStoppedError: it failed, or ended what all were doing; the leader's own error is raised there.
        """
        if not self.leads:
            if self.told() != _DONE:
                raise LeaderStoppedError
            return
        try:
            work()
        except BaseException:
            self.told()
            raise
        self.told(_DONE)

    def agree(self, work: Callable[[], Value]) -> Value:
        """Do what each has to do by itself before all can go on.

        Raises:
            TrainingConfigError: it failed in one of them; or the own error, where it failed here.
        """
        if self.world == 1:
            return work()
        try:
            done, failure = [work()], None
        except Exception as error:  # noqa: BLE001 raised again below, once the others know
            done, failure = [], error
        reasons = self.gathered(None if failure is None else str(failure))
        if failure is not None:
            raise failure
        if others := [f"process {rank}: {reason}" for rank, reason in enumerate(reasons) if reason is not None]:
            raise TrainingConfigError("; ".join(others))
        return done[0]

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Work in which each waits for the others: where one fails by itself, no other can go on."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if self.world == 1:
                raise
            sys.exit(
                f"process {self.rank} of {self.world} failed ({error}); all end. Start the same command again: the run "
                "goes on where it was. If memory ran out, give a smaller --batch-size."
            )


ALONE: Final = Together()


@contextmanager
def joined() -> Iterator[Together]:
    """The processes that torchrun started together with this one; alone where it did not.

    Source: torchrun's environment variables, https://docs.pytorch.org/docs/stable/elastic/run.html
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    processes.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield current()
    finally:
        processes.destroy_process_group()


def current() -> Together:
    """The processes that this one has joined."""
    if not processes.is_initialized():
        return ALONE
    return Together(processes.get_rank(), processes.get_world_size(), int(os.environ["LOCAL_RANK"]))
