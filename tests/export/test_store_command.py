"""The commands `push` and `pull`, against a registry in this process."""

import pytest

from export.__main__ import main
from tests.bundle.stores.fake_registry import FakeRegistry
from tests.service.bundles import write_tiny_bundle


@pytest.fixture
def tag(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    registry = FakeRegistry()
    yield f"oci://{registry.host}/cxr/tiny:stable"
    registry.close()


@pytest.fixture
def export(monkeypatch, capsys):
    """Run the program: its exit code, output and errors."""

    def run_program(*arguments):
        monkeypatch.setattr("sys.argv", ["export", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run_program


def test_what_is_pushed_is_pulled_and_named_as_a_setting(export, tag, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models")
    pushed = export("push", tag, "--source", tmp_path / "models", "--allow-http")
    pulled = export("pull", tag, "--out", tmp_path / "other", "--allow-http")
    again = export("pull", tag, "--out", tmp_path / "other", "--allow-http", "--make-current")

    assert pushed[0] == pulled[0] == again[0] == 0
    assert pushed[1].startswith(f"pushed tiny/1.0.0\nCXR_MODELS_DIR={tag}@sha256:")
    assert pulled[1].splitlines()[0] == "pulled tiny/1.0.0"
    assert "--make-current" in pulled[1]
    assert again[1] == "every bundle is there already\n"
    assert (tmp_path / "other" / "current").read_text() == "tiny/1.0.0\n"


def test_a_failure_is_one_line(export, tag, tmp_path) -> None:
    code, out, error = export("pull", tag, "--out", tmp_path, "--allow-http")

    assert (code, out) == (2, "")
    assert error.count("\n") == 1
    assert "answered 404 for manifest stable" in error
