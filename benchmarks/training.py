"""Whether the films keep up with the network: the real training loop against the same network on films already in memory.

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

import numpy as np
import timm
import torch
from lightning_fabric import Fabric

from trainer.config import RunConfig, make_config
from trainer.films.dataset import labelled
from trainer.films.sources import index_films
from trainer.learning.allocator import keep_freed_memory
from trainer.learning.learner import Learner, make_learner
from trainer.learning.loader import Batch, LabelledFilms, augmented_batches, epoch_order, grouped
from trainer.learning.loop import train_epoch
from trainer.learning.losses import build_loss
from trainer.learning.strategies import apply_strategy

NETWORKS = ("tf_efficientnet_lite0", "mobilenetv3_large_100", "cnn4")
RECIPES = ("none", "standard", "shift")
_WARM_STEPS, _TIMED_STEPS = 4, 8  # of timm's script


class Loop:
    """One network, and the films that it trains on."""

    def __init__(self, name: str, augment: str, films: LabelledFilms, config: RunConfig) -> None:
        self.config = config.model_copy(update={"augment": augment})
        self.films = films
        self.batch_size = config.recipe(name).batch_size
        self.fabric = Fabric(accelerator="cpu", devices=1)
        with tempfile.TemporaryDirectory() as empty:
            self.learner: Learner = make_learner(self.fabric, self.config, name, 0, films, Path(empty))
        apply_strategy(self.learner.network, self.config, 0)
        self.loss = build_loss(self.config, np.bincount(films.labels).tolist())
        self.epoch = 0

    def real(self) -> float:
        """Films a second of one epoch, as `fit` trains it."""
        self.epoch += 1
        order = epoch_order(self.films.labels, seed=0, epoch=self.epoch, balanced=False)
        recipe = self.config.augmentation
        workers = self.config.workers
        batches = augmented_batches(
            self.films, order, batch_size=self.batch_size, recipe=recipe, seed=0, epoch=self.epoch, workers=workers
        )
        return self._timed(batches)

    def synthetic(self) -> float:
        """The same on one batch that is in memory, again and again."""
        count = -(-len(self.films.labels) // self.batch_size)
        images = torch.rand(self.batch_size, *self.films.films.shape[1:])
        labels = torch.arange(self.batch_size) % self.films.classes
        return self._timed(iter([(images, labels)] * count), films=count * self.batch_size)

    def _timed(self, batches: Iterator[Batch], films: int | None = None) -> float:
        start = time.perf_counter()
        train_epoch(self.fabric, self.learner, self.loss, self.config, grouped(batches, 1), step=0, steps=10_000)
        return (films or len(self.films.labels)) / (time.perf_counter() - start)


def films_of(folder: Path, count: int, size: int, cache: Path) -> LabelledFilms:
    """The first training films of each class, prepared and on disk, mapped into memory."""
    index = index_films(folder, cache=cache)
    chosen = [
        film
        for label in index.classes
        for film in [film for film in index.films if film.label == label and film.split == "train"][: count // 2]
    ]
    spec = make_config({"data": str(folder), "archs": ["cnn4"], "size": size}).preprocess("cnn4")
    return labelled(tuple(chosen), index.classes, spec, cache)


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
            base = make_config({"data": str(options.data), "archs": [name], "device": "cpu"})
            size = base.preprocess(name).size
            films = films_of(options.data, options.films, size, cache)
            for augment in options.recipe or RECIPES:
                loop = Loop(name, augment, films, base)
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
