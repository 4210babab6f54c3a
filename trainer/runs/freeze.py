"""The config of a run, written down once and never changed."""

import yaml

from bundle.files import write_whole
from schemas.errors import TrainingConfigError
from trainer.config import RunConfig, read_config
from trainer.folder import RunFolder


def freeze_config(config: RunConfig, folder: RunFolder) -> None:
    """Write the config of a new run, or check that the run was started with an equal one.

    Raises:
        TrainingConfigError: the run was started with another config; it names the fields that differ.
    """
    if not folder.config.exists():
        folder.make()
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        write_whole(folder.config, text.encode())
        return
    before = read_config(folder).values()
    now = config.values()
    differences = [
        f"{name} was {before.get(name)!r}, now {now.get(name)!r}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
    if differences:
        msg = (
            f"{folder} was started with another config: {'; '.join(differences)}; give another --out, or the "
            "same options"
        )
        raise TrainingConfigError(msg)
