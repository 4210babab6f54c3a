"""What an explanation costs: `/explain` beside `/predict` of one service, and the graph's maps beside grad-cam's.

    python -m benchmarks.costs.explaining
    python -m benchmarks.costs.explaining --report docs/results/explaining.md

The requests of a film are sent in turn, and so are the two ways to a map: what else the machine does strikes all alike.
Ratios are medians of such rounds. Processor time is that of all threads of the service, or of this program with one
thread; it is compared because other programs do not lengthen it as much as the clock.
"""

import argparse
import http.client
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from benchmarks.costs.pairs import Cost, jpeg, processor_ns, ratio
from benchmarks.peers.machine import family, processor
from benchmarks.serving import free_port, server
from bundle.files import write_whole
from export.graph.graph import export_graph
from imaging.decode import decode
from imaging.overlay import overlay_jpeg, shown
from imaging.preprocess import prepare
from imaging.radiograph import Radiograph
from schemas.preprocess import PreprocessSpec
from trainer.networks.build import build_network

NETWORKS: Final = ("tf_efficientnet_lite0", "mobilenet", "resnet50", "densenet121")
SIDE: Final = 256
SIZES: Final = ((750, 600), (1500, 1200), (2500, 2048))
ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "prediction": ("/predict", "application/json"),
    "overlay, JPEG": ("/explain", "image/jpeg"),
    "overlay, PNG": ("/explain", "image/png"),
    "all, JSON": ("/explain", "application/json"),
}
BLOCK: Final = 10
"""Requests of one kind that follow each other: the clocks of threads are read around them."""

INTRODUCTION: Final = (
    "# What an explanation costs\n\n`python -m benchmarks.costs.explaining --report docs/results/explaining.md` "
    "measures `/explain` beside `/predict` of one service, and the maps of exported graphs beside those of the package "
    "grad-cam. The requests of a film are sent in turn, so that what else the machine does strikes all alike; ratios "
    "are medians of such rounds, with the middle half of them.\n\n"
)


def block(port: int, processes: Sequence[int], film: bytes, answer: str) -> Cost:
    """The median on the clock, and the mean processor time, of some requests of a kind."""
    path, accept = ANSWERS[answer]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    seconds = []
    used = processor_ns(processes)
    for _ in range(BLOCK):
        start = time.perf_counter()
        connection.request("POST", path, film, {"Content-Type": "image/jpeg", "Accept": accept})
        response = connection.getresponse()
        response.read()
        seconds.append(time.perf_counter() - start)
        if response.status != http.client.OK:
            msg = f"{path} answered {response.status}"
            raise SystemExit(msg)
    used = processor_ns(processes) - used
    connection.close()
    return Cost(1e3 * statistics.median(seconds), used / BLOCK / 1e6)


def service_table(rounds: int) -> str:
    """`/explain` beside `/predict`, by the size of a film and by the answer."""
    head = (
        "| film | answer | processor ms | of `/predict` | p50 ms | of `/predict` |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |"
    )
    rows = [head]
    with server(free_port()) as started:
        processes = family(started.process)
        for size in SIZES:
            film = jpeg(*size)
            block(started.port, processes, film, "all, JSON")
            costs = [
                {answer: block(started.port, processes, film, answer) for answer in ANSWERS} for _ in range(rounds)
            ]
            for answer in ANSWERS:
                pairs = [(each["prediction"], each[answer]) for each in costs]
                used = statistics.median(each[answer].processor for each in costs)
                waited = statistics.median(each[answer].clock for each in costs)
                rows.append(
                    f"| {size[0]} x {size[1]} | {answer} | {used:.1f} | {ratio(pairs, lambda one: one.processor)} "
                    f"| {waited:.1f} | {ratio(pairs, lambda one: one.clock)} |"
                )
    return "\n".join(rows)


class Ours:
    """The exported graph, which computes the map with the answer."""

    def __init__(self, network: Any) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        graph = export_graph(network, size=SIDE, temperature=1.0).SerializeToString()
        self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def map(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """[h, w]: with the prediction of the film."""
        feed = {"image": image[None], "target": np.array([1], np.int64)}
        cam: NDArray[np.float32] = self._session.run(["gradcam", "probabilities"], feed)[0][0]
        return cam

    def prediction(self, image: NDArray[np.float32]) -> object:
        """The same without a map."""
        options = ort.RunOptions()
        options.only_execute_path_to_fetches = True
        return self._session.run(["probabilities"], {"image": image[None], "target": np.array([1], np.int64)}, options)

    def picture(self, radiograph: Radiograph, spec: PreprocessSpec) -> bytes:
        """The overlay, from a decoded film."""
        return overlay_jpeg(shown(radiograph, spec), self.map(prepare(radiograph, spec)), spec)


class Theirs:
    """grad-cam as its README has it, on the network of torch in eval mode."""

    def __init__(self, network: Any) -> None:
        self._drawing = GradCAM(model=network, target_layers=[network.get_submodule(network.cam_layer)])

    def map(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """[S, S], with the prediction of the film."""
        drawn = self._drawing(input_tensor=torch.from_numpy(image[None]), targets=[ClassifierOutputTarget(1)])
        cam: NDArray[np.float32] = drawn[0]
        return cam

    def picture(self, radiograph: Radiograph, spec: PreprocessSpec) -> bytes:
        """The overlay at the size of ours."""
        cam = self.map(prepare(radiograph, spec))
        film = cv2.cvtColor(shown(radiograph, spec).pixels, cv2.COLOR_GRAY2RGB)
        blended = show_cam_on_image(film, cv2.resize(cam, film.shape[1::-1]), use_rgb=True)
        return cv2.imencode(".jpeg", blended[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def timed(work: Callable[[], object]) -> Cost:
    """One call."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return Cost(1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - used))


def package_row(name: str, rounds: int) -> str:
    """One network: its prediction, its map, and a whole picture, by both ways."""
    torch.manual_seed(0)
    network = build_network(name, classes=2, size=SIDE).eval()
    spec = PreprocessSpec(size=SIDE)
    radiograph = decode(jpeg(1500, 1200), min_side=spec.decoded_side)
    image = prepare(radiograph, spec)
    ours = Ours(network)
    theirs = Theirs(build_network(name, classes=2, size=SIDE).eval())
    costs = [
        (
            timed(lambda: ours.prediction(image)),
            timed(lambda: ours.map(image)),
            timed(lambda: theirs.map(image)),
            timed(lambda: ours.picture(radiograph, spec)),
            timed(lambda: theirs.picture(radiograph, spec)),
        )
        for _ in range(rounds + 3)
    ][3:]
    medians = [statistics.median(each.processor for each in column) for column in zip(*costs, strict=True)]
    maps = ratio([(each[1], each[2]) for each in costs], lambda one: one.processor)
    pictures = ratio([(each[3], each[4]) for each in costs], lambda one: one.processor)
    engine = ratio([(each[0], each[1]) for each in costs], lambda one: one.processor)
    return (
        f"| {name} | {medians[0]:.1f} | {medians[1]:.1f} | {engine} | {medians[2]:.1f} | {maps} | {medians[3]:.1f} "
        f"| {medians[4]:.1f} | {pictures} |"
    )


def main() -> None:
    """Print the tables, and keep them where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=24, help="of the service, and of each network (default: 24)")
    parser.add_argument("--networks", nargs="*", default=NETWORKS, help="beside grad-cam (default: all four)")
    parser.add_argument("--report", type=Path, help="keep the tables in this file, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    head = (
        "| network | prediction | + map | of the prediction | grad-cam | of ours | picture | by grad-cam | of ours |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    rows = [package_row(name, arguments.rounds) for name in arguments.networks]
    text = (
        f"{INTRODUCTION}Machine: {processor()}.\n\n## In the service\n\n{service_table(arguments.rounds)}\n\n"
        f"## Beside the package grad-cam\n\nProcessor ms of one film on one thread, {SIDE} x {SIDE}, random weights; a "
        "picture is the overlay as JPEG, 750 x 600, from the decoded film.\n\n" + "\n".join((head, *rows)) + "\n"
    )
    print(text)
    if arguments.report is not None:
        write_whole(arguments.report, text.encode())


if __name__ == "__main__":
    main()
