"""A trained guide on disk: its weights and its record."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from bundle.files import sha256_of, write_whole
from schemas.errors import TrainingConfigError
from schemas.model.guide import GuideRecord
from trainer.guide.options import GuideOptions
from trainer.networks.lungs.guide import GuideNetwork


@dataclass(frozen=True, slots=True)
class GuideFolder:
    """The files of a guide."""

    path: Path

    @property
    def weights(self) -> Path:
        """The weights."""
        return self.path / "guide.safetensors"

    @property
    def record(self) -> Path:
        """The record, JSON; written last: a folder that has it is whole."""
        return self.path / "guide.json"

    @property
    def checkpoint(self) -> Path:
        """The state after the last epoch."""
        return self.path / "checkpoint.pt"

    @property
    def options(self) -> Path:
        """The options of its training, JSON."""
        return self.path / "options.json"

    def start(self, options: GuideOptions) -> None:
        """Keep the options of a training, or check that an interrupted one goes on with its own.

        Raises:
            TrainingConfigError: it was begun with other options.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        given = options.model_dump(mode="json")
        if self.checkpoint.exists() and self.options.exists():
            begun = json.loads(self.options.read_bytes())
            if changed := [name for name in given if begun.get(name) != given[name]]:
                was = ", ".join(f"{name} was {begun.get(name)} and is {given[name]}" for name in changed)
                msg = f"the training in {self.path} was begun with other options ({was}); give those, or another --out"
                raise TrainingConfigError(msg)
        write_whole(self.options, (json.dumps(given, indent=2) + "\n").encode())

    def write_weights(self, network: GuideNetwork) -> str:
        """Write the weights; returns their SHA-256."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.weights, save({key: value.contiguous() for key, value in network.state_dict().items()}))
        return sha256_of(self.weights)

    def write_record(self, record: GuideRecord) -> None:
        """Write the record."""
        write_whole(self.record, (record.model_dump_json(indent=2) + "\n").encode())

    def read(self) -> tuple[GuideRecord, GuideNetwork]:
        """The record, and the network in eval mode.

        Raises:
            TrainingConfigError: a file is missing, damaged, or they do not belong together.
        """
        try:
            record = GuideRecord.model_validate_json(self.record.read_bytes())
            network = GuideNetwork.of(record)
            network.load_state_dict(load_file(self.weights))
        except (OSError, ValidationError, SafetensorError, RuntimeError) as error:
            msg = (
                f"{self.path} holds no guide that can be read; train one with python -m trainer guide --out {self.path}"
            )
            raise TrainingConfigError(msg) from error
        if sha256_of(self.weights) != record.weights_sha256:
            msg = f"{self.weights} is not the file that {self.record.name} describes; copy both again, or train anew"
            raise TrainingConfigError(msg)
        return record, network.eval()
