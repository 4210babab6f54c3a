"""Rules of plug-ins: found by entry points, recorded, exported like the trainer's own, and refused by name."""

import importlib
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from bundle.opening import open_bundle
from export.export import ExportOptions, write_bundle
from export.place import Place
from export.publish import verify_bundle
from schemas.errors import CxrError, TrainingConfigError, TrainingDataError
from tests.films import encode, unlike
from trainer import load_run, train
from trainer.config import make_config
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.learning.augment import find_recipe
from trainer.networks.architectures import architecture
from trainer.plugins import GROUPS

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


def install(folder: Path, groups: dict[str, dict[str, str]], *, name: str, version: str = "1.0") -> None:
    """Write what pip would write of a package, so that its entry points are found."""
    information = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line for group, points in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))
    ]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder of installed packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def example(packages):
    """The example package, installed."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copy(EXAMPLE / "cxr_example.py", packages)
    install(packages, project["entry-points"], name=project["name"], version=project["version"])
    importlib.invalidate_caches()


def prefixed_films(folder: Path) -> Path:
    folder.mkdir()
    for patient in range(40):
        label = "OPAQUE" if patient % 2 else "NORMAL"
        for film in range(2):
            pixels = unlike(64, seed=7919 * patient + film, opacity=0.8 * (patient % 2))
            (folder / f"{label}_p{patient}_{film}.jpeg").write_bytes(encode(pixels))
    return folder


@pytest.mark.slow
def test_a_run_of_plug_ins_alone_is_recorded_reported_and_exported_through_the_gates(example, tmp_path) -> None:
    films = prefixed_films(tmp_path / "films")
    options = {
        "learn.loss": "squared_error",
        "learn.augment": "upright",
        "learn.epochs": 3,
        "learn.batch_size": 8,
        "learn.device": "cpu",
        "data.cache": str(tmp_path / "cache"),
        "data.val_fraction": 0.3,
        "data.test_fraction": 0.2,
        "report.explain": 0,
    }

    run = train(f"by_prefix:{films}", tmp_path / "run", archs="wide_stem", options=options)
    directory = write_bundle(
        run.winner.load(), Place(name="plugged", version="1.0.0", out=tmp_path / "models"), ExportOptions(precisions=())
    )

    plugins = {
        f"{kind} {name!r}": "cxr-example 1.2.0"
        for kind, name in (
            ("architecture", "wide_stem"),
            ("loss", "squared_error"),
            ("recipe", "upright"),
            ("source", "by_prefix"),
        )
    }
    assert run.winner.record.provenance.plugins == plugins
    assert "labels by prefix" in run.data.notes
    assert sum(run.data.patients.values()) == 40
    assert load_run(tmp_path / "run").config.learn.loss == "squared_error"
    assert "architecture 'wide_stem' of cxr-example 1.2.0" in (tmp_path / "run/report.html").read_text().replace(
        "&#39;", "'"
    )
    assert open_bundle(directory).manifest.provenance.plugins == plugins
    assert max(verify_bundle(directory)[1].values()) < 1e-3
    assert "| Plug-in | loss 'squared_error' of cxr-example 1.2.0 |" in (directory / "MODEL_CARD.md").read_text()


def test_the_names_of_plug_ins_stand_among_the_known_ones(example, tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match=r"known: cnn_baseline.*wide_stem"):
        architecture("wide_stern")
    with pytest.raises(TrainingConfigError, match=r"learn\.augment: 'up' is not a recipe; known: none.*upright"):
        make_config({"data.path": "films", "networks.archs": ["cnn4"], "learn.augment": "up"})
    with pytest.raises(TrainingConfigError, match=r"learn\.loss: 'brier' is not a loss; known: .*squared_error"):
        make_config({"data.path": "films", "networks.archs": ["cnn4"], "learn.loss": "brier"})
    with pytest.raises(TrainingDataError, match="or by_prefix:PLACE of a plug-in"):
        index_films(DataOptions(path="by_suffix:films", cache=str(tmp_path)))
    with pytest.raises(TrainingDataError, match=r"has no film that is called LABEL_PATIENT_NUMBER\.jpeg"):
        index_films(DataOptions(path=f"by_prefix:{tmp_path}", cache=str(tmp_path)))


def refused(kind: str, name: str, tmp_path: Path) -> str:
    seek = {
        "architecture": architecture,
        "recipe": find_recipe,
        "source": lambda name: index_films(DataOptions(path=f"{name}:x", cache=str(tmp_path))),
    }[kind]
    with pytest.raises(CxrError) as error:
        seek(name)
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("architecture", "raise OSError('no disk')", "fails: broken:THING (OSError: no disk); repair the package"),
        ("architecture", "import no_such_package", "(ModuleNotFoundError: No module named 'no_such_package')"),
        ("architecture", "", "(AttributeError: module 'broken' has no attribute 'THING')"),
        ("architecture", "THING = {}", "gives a dict, not a Architecture; correct broken:THING, see docs/plug-ins.md"),
        ("recipe", "THING = 7", "gives a int, not a AugmentRecipe"),
        ("source", "THING = lambda place: None", "takes 1 positional argument but 2 were given"),
        ("source", "THING = lambda place, cache: []", "gives a list, not a Source"),
    ],
)
def test_a_broken_plug_in_is_named_with_its_package_and_its_fault(packages, tmp_path, kind, code, message) -> None:
    (packages / "broken.py").write_text(code)
    install(packages, {GROUPS[kind]: {"thing": "broken:THING"}}, name="bad-example")

    complaint = refused(kind, "thing", tmp_path)

    assert complaint.startswith(f"the {kind} 'thing' of bad-example 1.0 ")
    assert message in complaint


def test_a_name_that_is_taken_is_refused_whoever_took_it(packages, tmp_path) -> None:
    install(packages, {GROUPS["architecture"]: {"cnn4": "one:X", "mine": "one:X"}}, name="one")
    install(packages, {GROUPS["architecture"]: {"mine": "two:X"}}, name="two")

    by_the_trainer = refused("architecture", "cnn4", tmp_path)
    by_another = refused("architecture", "mine", tmp_path)

    assert "the architecture 'cnn4' is offered by one 1.0 and by the trainer itself" in by_the_trainer
    assert "offered by one 1.0 and by two 1.0" in by_another
    assert by_another.endswith("rename the entry point, or uninstall a package")
    assert architecture("cnn_baseline").input_size == 128


def test_a_plug_in_that_is_gone_is_named_where_its_network_is_read() -> None:
    with pytest.raises(TrainingConfigError, match=r"no architecture is called 'wide_stem'.*plug-in"):
        architecture("wide_stem")
