"""Whether films keep up with the network: the real training loop against the same network on films in memory.

Short rounds of both alternate, so that whatever else the machine does weighs on both; medians are printed, and what
both took of the processors, which other programs change less than the time. The same network in bf16 is measured in
the same rounds, and how the films alone come with 0, 1 and 2 workers. With `--timm-script` also the train script of
timm (it is not in timm's package) on the same folder, network, size and batch.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# Before torch is imported, as `python -m trainer` does.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import timm
import torch

from schemas.preprocess import PreprocessSpec
from trainer.allocator import keep_freed_memory
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.films.task import LabelledFilms, Task, labelled
from trainer.learning.learner import FitPlan, Learner, make_learner
from trainer.learning.loader import Augmentation, Batch, augmented_batches, epoch_order, grouped
from trainer.learning.loop import train_epoch
from trainer.learning.options import LearnOptions
from trainer.learning.strategies import apply_strategy
from trainer.networks.architectures import ARCHITECTURES, architecture
from trainer.networks.device import Precision, make_fabric
from trainer.together import ALONE

WORKERS = (0, 1, 2)
_ALONE_FILMS = 4096
_WARM_STEPS, _TIMED_STEPS = 4, 8  # of timm's script


@dataclass(frozen=True, slots=True)
class Round:
    """One epoch."""

    seconds: float
    cpu_seconds: float
    films: int

    @property
    def rate(self) -> float:
        """Films a second."""
        return self.films / self.seconds


class Loop:
    """One network, and the films that it trains on."""

    def __init__(self, name: str, films: LabelledFilms, options: LearnOptions) -> None:
        self.options = options
        self.films = films
        self.batch_size = options.recipe(name).batch_size
        plan = FitPlan(name, 0, films, films)
        self.learners: dict[Precision, Learner] = {
            precision: make_learner(make_fabric("cpu", precision), plan, options, None)
            for precision in ("fp32", "bf16")
        }
        for learner in self.learners.values():
            apply_strategy(learner.network, options, 0)
        self.epoch = 0

    def films_alone(self, workers: int) -> Round:
        """Films that nobody learns from, so many that the start of processes is what it is in an epoch."""
        return self._timed(lambda: sum(1 for _ in self._augmented(workers, _ALONE_FILMS)), _ALONE_FILMS)

    def real(self) -> Round:
        """One epoch, as `fit` trains it."""
        batches = self._augmented(self.options.workers)
        return self._timed(lambda: self._learn("fp32", batches), len(self.films.labels))

    def synthetic(self, precision: Precision = "fp32") -> Round:
        """The same on batches that are in memory."""
        count = -(-len(self.films.labels) // self.batch_size)
        size = min(self.batch_size, len(self.films.labels))
        images = torch.rand(size, *self.films.films.shape[1:])
        batch = Batch(images, torch.arange(size) % self.films.classes)
        return self._timed(lambda: self._learn(precision, iter([batch] * count)), count * size)

    def _augmented(self, workers: int, count: int | None = None) -> Iterator[Batch]:
        self.epoch += 1
        order = epoch_order(self.films.labels, seed=0, epoch=self.epoch, balanced=False)
        order = np.resize(order, count or len(order))  # again and again, where there are not so many
        augmentation = Augmentation(self.options.augmentation, 0, self.epoch, max(1, workers))
        if workers:
            return augmented_batches(self.films, order, augmentation, batch_size=self.batch_size)
        cut = ALONE.cut(order, self.batch_size)
        return (next(augmented_batches(self.films, part, augmentation, batch_size=len(part))) for part in cut)

    def _learn(self, precision: Precision, batches: Iterator[Batch]) -> float:
        return train_epoch(self.learners[precision], grouped(batches, 1), step=0, steps=10_000)

    @staticmethod
    def _timed(work: Callable[[], float], films: int) -> Round:
        start, spent = time.perf_counter(), time.process_time()
        work()
        return Round(time.perf_counter() - start, time.process_time() - spent, films)


def films_of(folder: Path, count: int, size: int, cache: Path) -> LabelledFilms:
    """The first training films of each class, prepared and on disk, mapped into memory."""
    index = index_films(DataOptions(path=str(folder), cache=str(cache)))
    chosen = [
        film
        for label in index.classes
        for film in [film for film in index.films if film.label == label and film.split == "train"][: count // 2]
    ]
    task = Task(index.classes, index.negative_class)
    return labelled(chosen, task, PreprocessSpec(size=size), cache)


def timm_rate(script: Path, films: Path, name: str, size: int, batch: int) -> float:
    """Films a second of timm's own script: the median over its steps, without the first ones, which warm it up."""
    options = [
        *(
            "--data-dir",
            str(films),
            "--train-split",
            "train",
            "--val-split",
            "train",
            "--model",
            name,
            "--num-classes",
            "2",
        ),
        *(
            "--img-size",
            str(size),
            "-b",
            str(batch),
            "--epochs",
            "1",
            "--workers",
            "1",
            "--device",
            "cpu",
            "--opt",
            "adamw",
        ),
        *("--log-interval", "1", "--no-prefetcher", "--channels-last", "--output", str(films.parent / "out")),
    ]
    ended = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, check=False)
    rates = [float(rate) for rate in re.findall(r"Time: [\d.]+s,\s+([\d.]+)/s", ended.stderr + ended.stdout)]
    if len(rates) <= _WARM_STEPS:
        sys.exit(f"timm's script logged no rate:\n{ended.stderr[-2000:]}")
    return statistics.median(rates[_WARM_STEPS:])


def linked(folder: Path, count: int, into: Path) -> Path:
    """The same films as a folder of links, in the layout of timm's script."""
    for label in sorted(path.name for path in (folder / "train").iterdir() if path.is_dir()):
        target = into / "train" / label
        target.mkdir(parents=True)
        for film in sorted((folder / "train" / label).iterdir())[: count // 2]:
            (target / film.name).symlink_to(film.resolve())
    return into


def row(loop: Loop, name: str, rounds: int, theirs: float | None, *, bf16: bool) -> str:
    """One network of the table."""
    halves: list[Callable[[], Round]] = [partial(loop.synthetic, "bf16")] if bf16 else []
    works: list[Callable[[], Round]] = [loop.real, loop.synthetic, *halves]
    for work in works:  # warm
        work()
    measured = [[work() for work in works] for _ in range(rounds)]
    real, memory, *_ = (statistics.median(each.rate for each in column) for column in zip(*measured, strict=True))
    ratio = statistics.median(one.rate / other.rate for one, other, *_ in measured)
    spent = statistics.median(
        (other.cpu_seconds / other.films) / (one.cpu_seconds / one.films) for one, other, *_ in measured
    )
    halved = f"{statistics.median(each[2].rate / each[1].rate for each in measured):.2f} x" if bf16 else "-"
    beside = "-" if theirs is None else f"{theirs:.1f} ({real / theirs:.2f} x)"
    return f"| {name} | {real:.1f} | {memory:.1f} | {ratio:.0%} | {spent:.0%} | {halved} | {beside} |"


def scaling(loop: Loop, rounds: int) -> str:
    """How the films alone come with several workers."""
    measured = [[loop.films_alone(workers) for workers in WORKERS] for _ in range(rounds)]
    lines = ["| workers | films/s without a network | against 1 |", "| ---: | ---: | ---: |"]
    for place, workers in enumerate(WORKERS):
        rate = statistics.median(each[place].rate for each in measured)
        gain = statistics.median(each[place].rate / each[1].rate for each in measured)
        lines.append(f"| {workers} | {rate:.0f} | {gain:.2f} x |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder train/<class>/")
    parser.add_argument("--films", type=int, default=128, help="of an epoch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--size", type=int, help="side of the films; default: the network's own")
    parser.add_argument("--network", action="append", help="default: every row of the table")
    parser.add_argument("--recipe", default="standard", help="of augmentation (default: %(default)s)")
    parser.add_argument("--no-bf16", action="store_true", help="leave that column out, which takes half of the time")
    parser.add_argument("--timm-script", type=Path, help="train.py of timm's repository")
    parser.add_argument("--timm-network", action="append", default=[], help="to train by it, too")
    options = parser.parse_args()
    keep_freed_memory()
    print(
        f"{os.cpu_count()} cores, torch {torch.__version__}, timm {timm.__version__}, {options.films} films a round, "
        f"{options.rounds} rounds\n"
    )
    print(
        "| network | loop, films/s | in memory, films/s | ratio | ratio of CPU | bf16 : fp32 | timm's script, films/s |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        links = linked(options.data, 32 * (_WARM_STEPS + _TIMED_STEPS), Path(folder) / "films")
        for name in options.network or ARCHITECTURES:
            size = options.size or architecture(name).input_size
            films = films_of(options.data, options.films, size, cache)
            loop = Loop(name, films, LearnOptions(device="cpu", augment=options.recipe))
            asked = options.timm_script and name in options.timm_network
            theirs = timm_rate(options.timm_script, links, name, size, loop.batch_size) if asked else None
            print(row(loop, name, options.rounds, theirs, bf16=not options.no_bf16), flush=True)
        print(f"\n{scaling(loop, 2 * options.rounds + 1)}")


if __name__ == "__main__":
    main()
