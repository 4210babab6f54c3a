"""What the heat-map outputs cost: every architecture's graph against the same graph cut down to its logits.

Random weights, batch 1, one thread; the two are run in turn, and CPU time is compared, so that the machine's other
work drops out. Prints one Markdown table.
"""

import argparse
import statistics
import time

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx.utils import Extractor

from export.graph.graph import export_graph
from trainer.networks.architectures import ARCHITECTURES
from trainer.networks.build import build_network


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    """A session on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def cpu_ms(runner: ort.InferenceSession, feed: dict[str, object]) -> float:
    """CPU time of one run."""
    start = time.process_time()
    runner.run(None, feed)
    return 1e3 * (time.process_time() - start)


def row(name: str, runs: int) -> str:
    """One line of the table."""
    torch.manual_seed(0)
    side = ARCHITECTURES[name].input_size
    network = build_network(name, classes=2).eval()
    whole = export_graph(network, size=side, temperature=1.0)
    plain = Extractor(whole).extract_model(["image"], ["logits"])
    image = np.random.default_rng(0).random((1, 1, side, side), dtype=np.float32)
    target = np.array([-1], np.int64)
    pair = (session(plain), {"image": image}), (session(whole), {"image": image, "target": target})
    samples = [tuple(cpu_ms(*one) for one in pair) for _ in range(runs + 3)][3:]
    logits, maps = (statistics.median(column) for column in zip(*samples, strict=True))
    change = statistics.median(b / a - 1 for a, b in samples)
    nodes = len(plain.graph.node), len(whole.graph.node) - len(plain.graph.node)
    return f"| {name} | {nodes[0]} + {nodes[1]} | {logits:.2f} | {maps:.2f} | {change:+.0%} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40, help="pairs of runs of each network (default: %(default)s)")
    runs = parser.parse_args().runs
    print("| network | nodes | logits alone, ms | with maps, ms | change |\n| --- | ---: | ---: | ---: | ---: |")
    for name in ARCHITECTURES:
        print(row(name, runs), flush=True)


if __name__ == "__main__":
    main()
