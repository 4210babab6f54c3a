"""Golden films through decoding, preparing and the network, as fast as threads or processes can, for a while."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bundle.golden import check_golden, read_golden
from bundle.opening import Bundle, open_bundle
from bundle.session import MAP_OUTPUTS, MOST_PROBABLE, Session, open_session, outputs_of
from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.engine.tuning import EngineChoice
from schemas.errors import CxrError, InferenceError
from schemas.preprocess import PreprocessSpec
from service.commands.tuning.candidates import Round

START_S: Final = 120.0
"""A process that has not loaded the bundle by then counts as lost."""
END_S: Final = 5.0
"""For a process to end once nobody listens to it; one that hangs would keep the message about it from being shown."""


@dataclass(frozen=True, slots=True)
class Films:
    """The golden films of a bundle, as files."""

    jpegs: tuple[bytes, ...]
    spec: PreprocessSpec

    @classmethod
    def of(cls, bundle: Bundle) -> "Films":
        """Read them.

        Raises:
            BundleError: they cannot be read.
        """
        radiographs = read_golden(bundle)["radiographs"]
        jpegs = tuple(cv2.imencode(".jpeg", film)[1].tobytes() for film in radiographs)
        return cls(jpegs, bundle.manifest.preprocess)

    def prepared(self, first: int, count: int) -> NDArray[np.float32]:
        """`count` films from the one at `first` on, in turn, decoded and prepared; [count, 1, S, S]."""
        turn = (self.jpegs[(first + offset) % len(self.jpegs)] for offset in range(count))
        side = self.spec.decoded_side
        return np.stack([prepare(decode(jpeg, min_side=side), self.spec) for jpeg in turn])


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Films and the network of one choice, in this process."""

    films: Films
    session: Session
    outputs: tuple[str, ...]

    def run(self, choice: EngineChoice, seconds: float) -> Round:
        """As many films as `concurrent_runs` threads get through.

        Raises:
            InferenceError: the network failed.
        """
        batch = choice.max_batch_size
        targets = np.full(batch, MOST_PROBABLE, np.int64)
        start = time.perf_counter()

        def work(worker: int) -> list[float]:
            times: list[float] = []
            begun = time.perf_counter()
            while not times or begun < start + seconds:
                images = self.films.prepared(worker + batch * len(times), batch)
                self.session.run(images, targets, self.outputs)
                begun, before = time.perf_counter(), begun
                times.append(begun - before)
            return times

        with ThreadPoolExecutor(choice.concurrent_runs) as threads:
            times = [each for worker in threads.map(work, range(choice.concurrent_runs)) for each in worker]
        return Round(len(times) * batch / (time.perf_counter() - start), 1000 * median(times))


@dataclass(slots=True)
class Pipelines:
    """The pipelines of one bundle; each graph is loaded once for each number of threads, and proved before it runs."""

    bundle: Bundle
    films: Films
    _loaded: dict[tuple[str, str, int], Pipeline]

    @classmethod
    def of(cls, bundle: Bundle) -> "Pipelines":
        """None is loaded yet."""
        return cls(bundle, Films.of(bundle), {})

    def of_choice(self, choice: EngineChoice) -> Pipeline:
        """The pipeline that a choice runs on.

        Raises:
            BundleError: the graph does not compute here what it did at the export.
            SettingsError: the provider does not start.
        """
        key = (choice.provider, choice.precision, choice.intra_op_threads)
        if key not in self._loaded:
            session = open_session(
                self.bundle,
                provider=choice.provider,
                intra_op_threads=choice.intra_op_threads,
                precision=choice.precision,
            )
            check_golden(self.bundle, session.run, choice.precision)
            names = tuple(name for name in outputs_of(self.bundle.manifest) if name not in MAP_OUTPUTS)
            self._loaded[key] = Pipeline(self.films, session, names)
        return self._loaded[key]


@contextmanager
def processes(bundle: Bundle, choice: EngineChoice) -> Iterator[Callable[[float], Round]]:
    """Start the processes of a choice, each with the bundle loaded; yields what runs all of them at once for a while.

    Raises:
        InferenceError: one of them could not load the bundle, or ended.
    """
    context = get_context("spawn")  # a forked process would share the threads of ONNX Runtime, which do not live there
    with ExitStack() as stack:
        ends: list[Connection] = []
        for _ in range(choice.film_processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(bundle.directory, choice, theirs), daemon=True)
            process.start()
            theirs.close()
            stack.callback(_end, process)
            stack.callback(ours.close)  # first: it ends the process
            ends.append(ours)
        for end in ends:
            _answer(end, START_S)

        def run(seconds: float) -> Round:
            start = time.perf_counter()
            for end in ends:
                end.send(seconds)
            rounds = [_answer(end, seconds + START_S) for end in ends]
            films = sum(count for count, _ in rounds)
            return Round(films / (time.perf_counter() - start), median(ms for _, ms in rounds))

        yield run


def _end(process: BaseProcess) -> None:
    process.join(END_S)
    if process.is_alive():
        process.kill()
        process.join()


def _answer(end: Connection, patience_s: float) -> tuple[int, float]:
    try:
        answer = end.recv() if end.poll(patience_s) else "a process that measures hangs; try again with --no-processes"
    except (EOFError, OSError) as error:
        msg = "a process that measures has ended; try again with --no-processes"
        raise InferenceError(msg) from error
    if isinstance(answer, str):
        raise InferenceError(answer)
    count, ms = answer
    return count, ms


def _serve(directory: Path, choice: EngineChoice, end: Connection) -> None:
    """In a process of its own: load, report, then run for as long as each message says, until the other side closes."""
    try:
        choice = choice.model_copy(update={"concurrent_runs": 1})
        pipeline = Pipelines.of(open_bundle(directory)).of_choice(choice)
        end.send((0, 0.0))
        while True:
            seconds = end.recv()
            start = time.perf_counter()
            result = pipeline.run(choice, seconds)
            end.send((round(result.films_per_s * (time.perf_counter() - start)), result.ms_per_film))
    except EOFError:
        return
    except CxrError as error:
        end.send(str(error))


def in_turns(runs: Sequence[Callable[[], Round]], rounds: int, report: Callable[[int, int], None]) -> list[list[Round]]:
    """Run all of them in each round, every second round backwards: what drifts meanwhile meets all alike.

    Args:
        runs: each measures once.
        rounds: how often.
        report: gets how many of how many are done.
    """
    results: list[list[Round]] = [[] for _ in runs]
    done = 0
    for number in range(rounds):
        order = range(len(runs)) if number % 2 == 0 else range(len(runs) - 1, -1, -1)
        for index in order:
            results[index].append(runs[index]())
            done += 1
            report(done, rounds * len(runs))
    return results
