"""A record of origin names the commit and says when the source differs from it."""

import subprocess

import pytest
import torch

from trainer.trials.provenance import device_name, git_commit, library_versions


@pytest.fixture
def repository(tmp_path):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    (tmp_path / "a.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "a.py"], [*identity, "commit", "-q", "-m", "First"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_a_clean_tree_is_its_commit(repository) -> None:
    (repository / "untracked.txt").write_text("notes")

    commit = git_commit(repository)

    assert len(commit) == 40
    assert set(commit) <= set("0123456789abcdef")


def test_a_changed_tree_is_dirty(repository) -> None:
    (repository / "a.py").write_text("a = 2\n")

    assert git_commit(repository).endswith("-dirty")


def test_a_source_without_repository_is_unknown(tmp_path) -> None:
    assert git_commit(tmp_path) == "unknown"


def test_the_machine_and_the_libraries_are_named() -> None:
    assert device_name(torch.device("cpu")).startswith("cpu: ")
    assert {"python", "torch", "timm", "numpy"} <= set(library_versions())


def test_a_processor_is_named_where_linux_names_it(tmp_path) -> None:
    named = tmp_path / "named"
    nameless = tmp_path / "nameless"
    named.write_text("processor\t: 0\nmodel name\t: AMD EPYC 9354\nprocessor\t: 1\nmodel name\t: AMD EPYC 9354\n")
    nameless.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")

    assert device_name(torch.device("cpu"), named).startswith("cpu: AMD EPYC 9354, ")
    assert device_name(torch.device("cpu"), nameless) == device_name(torch.device("cpu"), tmp_path / "absent")
    assert "EPYC" not in device_name(torch.device("cpu"), nameless)
