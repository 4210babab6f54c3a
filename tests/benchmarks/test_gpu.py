"""Rules of the measurement that is prepared for a machine with a GPU, shown on the CPU."""

import json
import sys

import pytest

from benchmarks.gpu import Variant, main, variants
from bundle.opening import open_bundle
from tests.service.bundles import write_tiny_bundle


def words(providers, offered):
    return [each.words for each in variants(providers, offered)]


def test_each_provider_is_measured_in_each_way_of_running() -> None:
    assert words(["cuda"], ["fp32", "int8", "fp16"]) == [
        f"cuda {runs} {precision}" for precision in ("fp32", "fp16") for runs in ("plain", "bound", "graphs")
    ]
    assert words(["tensorrt"], ["fp32"])[3:] == [
        f"tensorrt {runs} fp32 as fp16" for runs in ("plain", "bound", "graphs")
    ]
    assert Variant("cpu", "plain", "int8") in set(variants(["cpu"], ["fp32", "int8"]))


@pytest.fixture
def measured(tmp_path, monkeypatch):
    directory = write_tiny_bundle(tmp_path / "models")

    def run(*providers):
        out = tmp_path / "gpu.json"
        words = ["--bundle", directory, "--provider", *providers, "--seconds", "1", "--rounds", "1", "--json", out]
        monkeypatch.setattr(sys, "argv", ["gpu", *map(str, words)])
        return main(), json.loads(out.read_text()), open_bundle(directory)

    return run


def test_all_buckets_are_measured_with_and_without_maps(measured, capsys) -> None:
    status, record, bundle = measured("cpu")
    sizes = {row["films"] for row in record["rows"]}

    assert status == 0
    assert max(sizes) == bundle.manifest.graph.max_batch
    assert len(record["rows"]) == 3 * 2 * len(sizes)
    assert {row["maps"] for row in record["rows"]} == {True, False}
    assert all(each["logit_error"] < 1e-4 for each in record["opened"].values())
    assert record["bundle_sha256"] == bundle.sha256
    assert "cpu graphs fp32" in capsys.readouterr().out


def test_what_is_not_there_is_named_and_the_run_fails(measured, capsys) -> None:
    status, record, _ = measured("cuda", "tensorrt")

    assert (status, record["rows"]) == (1, [])
    assert len(record["refused"]) == 9
    assert "not measured: cuda graphs fp32: provider cuda is not in the installed ONNX Runtime" in (
        capsys.readouterr().out
    )
