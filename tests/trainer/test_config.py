"""A config is checked as a whole, frozen with its run, and says which field is wrong."""

import pytest
import yaml

from schemas.errors import TrainingConfigError
from trainer.config import fields, make_config, read_config, read_options
from trainer.folder import RunFolder
from trainer.learning.augment import RECIPES
from trainer.networks.architectures import ARCHITECTURES
from trainer.runs.freeze import freeze_config

MINIMAL = {"data.path": "films", "networks.archs": ["cnn_attention"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learn.class_weights": True, "learn.sampler": "balanced"}, "together over-correct"),
        ({"learn.lr": -1}, "learn.lr: Input should be greater than 0"),
        ({"learn.learning_rate": 1}, "learn.learning_rate: Extra inputs are not permitted"),
        ({"lr": 1}, "lr: Extra inputs are not permitted"),
        ({"search.trials": 5}, "search.method: Field required"),
        ({"learn.augment": "wild"}, "learn.augment: 'wild' is not a recipe; known: none, light"),
        ({"networks.archs": []}, "networks.archs: "),
        ({"networks.archs": ["cnn_attention", "cnn_attention"]}, "networks.archs: repeats an entry"),
        ({"networks.seeds": [1, 1]}, "networks.seeds: repeats an entry"),
        ({"networks.archs": ["resnet5000"]}, "no architecture is called 'resnet5000'"),
        (
            {"networks.weights": {"mobilenet": "none"}},
            r"weights are given for \['mobilenet'\], which this run does not train",
        ),
        ({"learn.optimizer": "lion"}, "learn.optimizer: Input should be 'adamw', 'adam', 'sgd' or 'rmsprop'"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused_by_field(options, message) -> None:
    with pytest.raises(TrainingConfigError, match=message):
        make_config({**MINIMAL, **options})


def test_what_a_run_leaves_open_comes_from_the_architecture_and_the_rest_from_the_run() -> None:
    row = ARCHITECTURES["cnn_attention"]
    config = make_config({**MINIMAL, "learn.lr": 0.5, "networks.size": 96, "learn.weight_decay": 0.0})

    recipe = config.learn.recipe("cnn_attention")
    assert (recipe.lr, recipe.weight_decay) == (0.5, 0.0)
    assert (recipe.epochs, recipe.batch_size) == (row.recipe.epochs, row.recipe.batch_size)
    assert config.networks.preprocess("cnn_attention").size == 96
    assert make_config(MINIMAL).networks.preprocess("cnn_attention").size == row.input_size


def test_all_means_every_row_of_the_table() -> None:
    assert make_config({"data.path": "films", "networks.archs": ["all"]}).networks.archs == tuple(ARCHITECTURES)


def test_a_run_keeps_its_config_and_takes_an_equal_one(tmp_path) -> None:
    config = make_config(
        {**MINIMAL, "networks.weights": {"cnn_attention": "none"}, "networks.clahe": {"clip_limit": 3.0}}
    )
    freeze_config(config, RunFolder(tmp_path / "run"))
    freeze_config(config, RunFolder(tmp_path / "run"))

    assert read_config(RunFolder(tmp_path / "run")) == config


def test_another_config_for_the_same_run_is_refused_with_the_fields_that_differ(tmp_path) -> None:
    freeze_config(make_config(MINIMAL), RunFolder(tmp_path))

    with pytest.raises(
        TrainingConfigError, match=r"networks.seeds was \(0,\), now \(1,\); learn.lr was None, now 0\.1;"
    ):
        freeze_config(make_config({**MINIMAL, "learn.lr": 0.1, "networks.seeds": [1]}), RunFolder(tmp_path))

    assert read_config(RunFolder(tmp_path)) == make_config(MINIMAL)


def test_a_search_is_refused_with_folds() -> None:
    with pytest.raises(TrainingConfigError, match=r"data\.folds=3 with search\.method=random.*without folds"):
        make_config({**MINIMAL, "data.folds": 3, "search": {"method": "random"}})


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "1: 2", "\udcff"])
def test_a_config_file_that_is_no_mapping_of_options_is_refused(tmp_path, content) -> None:
    (tmp_path / "c.yaml").write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(TrainingConfigError, match="the config"):
        read_options(tmp_path / "c.yaml")


def test_the_frozen_config_is_yaml_that_a_person_can_read(tmp_path) -> None:
    freeze_config(make_config(MINIMAL), RunFolder(tmp_path))

    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["networks"]["archs"] == ["cnn_attention"]


def test_films_are_mirrored_only_where_the_run_says_so() -> None:
    options = {"data.path": "films", "networks.archs": ["cnn4"], "learn.augment": "light"}

    assert not make_config(options).learn.augmentation.horizontal_flip
    assert make_config(options | {"learn.horizontal_flip": True}).learn.augmentation == RECIPES["light"].model_copy(
        update={"horizontal_flip": True}
    )


def test_every_option_is_described() -> None:
    assert [name for name, field in fields() if not field.description] == []


def test_fields_are_set_by_section_or_by_dotted_name_and_the_later_value_counts() -> None:
    config = make_config({**MINIMAL, "learn": {"lr": 0.5, "epochs": 3}, "learn.lr": 0.25})

    assert (config.learn.lr, config.learn.epochs) == (0.25, 3)
    assert config.values()["learn.lr"] == 0.25
    assert config.changed({"learn.epochs": 4}).learn.epochs == 4
