"""Whether films keep up with the network: the real training loop against the same network on films in memory.

Short rounds of both alternate, so that whatever else the machine does weighs on both; medians are printed. With
`--timm-script` also the train script of timm (it is not in timm's package) on the same folder, network, size and batch.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported, as `python -m trainer` does.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import timm
import torch
from lightning_fabric import Fabric

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
from trainer.networks.architectures import architecture

NETWORKS = ("tf_efficientnet_lite0", "mobilenetv3_large_100", "cnn4")
RECIPES = ("none", "standard", "shift")
_WARM_STEPS, _TIMED_STEPS = 4, 8  # of timm's script


class Loop:
    """One network, and the films that it trains on."""

    def __init__(self, name: str, films: LabelledFilms, options: LearnOptions) -> None:
        self.options = options
        self.films = films
        self.batch_size = options.recipe(name).batch_size
        plan = FitPlan(name, 0, films, films)
        self.learner: Learner = make_learner(Fabric(accelerator="cpu", devices=1), plan, options, None)
        apply_strategy(self.learner.network, options, 0)
        self.epoch = 0

    def real(self) -> float:
        """Films a second of one epoch, as `fit` trains it."""
        self.epoch += 1
        order = epoch_order(self.films.labels, seed=0, epoch=self.epoch, balanced=False)
        augmentation = Augmentation(self.options.augmentation, 0, self.epoch, self.options.workers)
        return self._timed(augmented_batches(self.films, order, augmentation, batch_size=self.batch_size))

    def synthetic(self) -> float:
        """The same on one batch that is in memory, again and again."""
        count = -(-len(self.films.labels) // self.batch_size)
        images = torch.rand(self.batch_size, *self.films.films.shape[1:])
        labels = torch.arange(self.batch_size) % self.films.classes
        return self._timed(iter([Batch(images, labels)] * count), films=count * self.batch_size)

    def _timed(self, batches: Iterator[Batch], films: int | None = None) -> float:
        start = time.perf_counter()
        train_epoch(self.learner, grouped(batches, 1), step=0, steps=10_000)
        return (films or len(self.films.labels)) / (time.perf_counter() - start)


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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder train/<class>/")
    parser.add_argument("--films", type=int, default=128, help="of an epoch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--network", action="append", help="default: " + ", ".join(NETWORKS))
    parser.add_argument("--recipe", action="append", help="default: " + ", ".join(RECIPES))
    parser.add_argument("--timm-script", type=Path, help="train.py of timm's repository")
    options = parser.parse_args()
    keep_freed_memory()
    print(
        f"{os.cpu_count()} cores, torch {torch.__version__}, timm {timm.__version__}, {options.films} films a round\n"
    )
    print("| network | recipe | loop, films/s | in memory, films/s | ratio | timm's script, films/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        links = linked(options.data, 32 * (_WARM_STEPS + _TIMED_STEPS), Path(folder) / "films")
        for name in options.network or NETWORKS:
            size = architecture(name).input_size
            films = films_of(options.data, options.films, size, cache)
            for augment in options.recipe or RECIPES:
                loop = Loop(name, films, LearnOptions(device="cpu", augment=augment))
                loop.real(), loop.synthetic()  # warm
                pairs = [(loop.real(), loop.synthetic()) for _ in range(options.rounds)]
                real, memory = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(one / other for one, other in pairs)
                theirs = "-"
                if options.timm_script and not name.startswith("cnn") and augment == "standard":
                    theirs = f"{timm_rate(options.timm_script, links, name, size, loop.batch_size):.1f}"
                print(f"| {name} | {augment} | {real:.1f} | {memory:.1f} | {ratio:.0%} | {theirs} |", flush=True)


if __name__ == "__main__":
    main()
