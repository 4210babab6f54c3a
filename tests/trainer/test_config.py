"""A config is checked as a whole, frozen with its run, and says which field is wrong."""

import pytest
import yaml

from schemas.errors import TrainingConfigError
from trainer.config import RunConfig, SearchSpec, expand, make_config, read_config, read_options
from trainer.learning.augment import RECIPES
from trainer.networks.architectures import ARCHITECTURES
from trainer.runs.freeze import freeze_config

MINIMAL = {"data": "films", "archs": ["cnn_attention"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": True, "sampler": "balanced"}, "together over-correct"),
        ({"lr": -1}, "lr: Input should be greater than 0"),
        ({"learning_rate": 1}, "learning_rate: Extra inputs are not permitted"),
        ({"augment": "wild"}, "augment='wild' is no recipe; known: none, light"),
        ({"archs": []}, "archs: "),
        ({"archs": ["cnn_attention", "cnn_attention"]}, "archs repeats an entry"),
        ({"seeds": [1, 1]}, "seeds repeats an entry"),
        ({"archs": ["resnet5000"]}, "no architecture is called 'resnet5000'"),
        ({"weights": {"mobilenet": "none"}}, r"weights are given for \['mobilenet'\], which this run does not train"),
        ({"optimizer": "lion"}, "optimizer: Input should be 'adamw', 'adam', 'sgd' or 'rmsprop'"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused_by_field(options, message) -> None:
    with pytest.raises(TrainingConfigError, match=message):
        make_config({**MINIMAL, **options})


def test_what_a_run_leaves_open_comes_from_the_architecture_and_the_rest_from_the_run() -> None:
    row = ARCHITECTURES["cnn_attention"]
    config = make_config({**MINIMAL, "lr": 0.5, "size": 96, "weight_decay": 0.0})

    recipe = config.recipe("cnn_attention")
    assert (recipe.lr, recipe.weight_decay) == (0.5, 0.0)
    assert (recipe.epochs, recipe.batch_size) == (row.recipe.epochs, row.recipe.batch_size)
    assert config.preprocess("cnn_attention").size == 96
    assert make_config(MINIMAL).preprocess("cnn_attention").size == row.input_size


def test_all_means_every_row_of_the_table() -> None:
    assert make_config(expand({"data": "films", "archs": ["all"]})).archs == tuple(ARCHITECTURES)


def test_a_run_keeps_its_config_and_takes_an_equal_one(tmp_path) -> None:
    config = make_config({**MINIMAL, "weights": {"cnn_attention": "none"}, "clahe": {"clip_limit": 3.0}})
    freeze_config(config, tmp_path / "run")
    freeze_config(config, tmp_path / "run")

    assert read_config(tmp_path / "run") == config


def test_another_config_for_the_same_run_is_refused_with_the_fields_that_differ(tmp_path) -> None:
    freeze_config(make_config(MINIMAL), tmp_path)

    with pytest.raises(TrainingConfigError, match=r"seeds was \(0,\), now \(1,\); lr was None, now 0\.1;"):
        freeze_config(make_config({**MINIMAL, "lr": 0.1, "seeds": [1]}), tmp_path)

    assert read_config(tmp_path) == make_config(MINIMAL)


def test_a_search_is_refused_with_folds_in_a_new_run_and_an_old_run_with_both_is_still_read(tmp_path) -> None:
    both = make_config({**MINIMAL, "folds": 3, "search": {"method": "random"}})
    with pytest.raises(TrainingConfigError, match=r"folds=3 with search=random.*without folds"):
        freeze_config(both, tmp_path / "new")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.yaml").write_text(yaml.safe_dump(both.model_dump(mode="json")))

    assert not (tmp_path / "new").exists()
    assert read_config(tmp_path / "old") == both


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "1: 2", "\udcff"])
def test_a_config_file_that_is_no_mapping_of_options_is_refused(tmp_path, content) -> None:
    (tmp_path / "c.yaml").write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(TrainingConfigError, match="the config"):
        read_options(tmp_path / "c.yaml")


def test_the_frozen_config_is_yaml_that_a_person_can_read(tmp_path) -> None:
    freeze_config(make_config(MINIMAL), tmp_path)

    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["archs"] == ["cnn_attention"]


def test_films_are_mirrored_only_where_the_run_says_so() -> None:
    options = {"data": "films", "archs": ["cnn4"], "augment": "light"}

    assert not make_config(options).augmentation.horizontal_flip
    assert make_config(options | {"horizontal_flip": True}).augmentation == RECIPES["light"].model_copy(
        update={"horizontal_flip": True}
    )


@pytest.mark.parametrize("record", [RunConfig, SearchSpec])
def test_every_option_is_described(record) -> None:
    assert [name for name, field in record.model_fields.items() if not field.description] == []
