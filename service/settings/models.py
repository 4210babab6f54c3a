"""Settings of the bundles: which serve, and when one replaces another."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from bundle.stores.address import cache_folder, is_address, parse_address
from bundle.versions import is_version
from schemas.errors import SettingsError
from schemas.model.drift import FEWEST_FILMS
from service.settings.section import Section, matching

LARGEST_NUMBER: Final = 256
"""Of runs or films that a setting may give to a single bundle."""
_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
_MODEL_RULE: Final = "must be NAME or NAME/VERSION, each of small letters, digits, dots, hyphens and underscores"
_LEAST_RULE: Final = "must be a version such as 2.0.0, or NAME/VERSION of each bundle, separated by commas"
_NUMBER_RULE: Final = f"must be NAME=NUMBER of single bundles, from 1 to {LARGEST_NUMBER}, separated by commas"


def _listed(value: object) -> object:
    """The entries of a list that is separated by commas, which is how one variable holds several values."""
    return tuple(entry.strip() for entry in value.split(",")) if isinstance(value, str) else value


def _numbers(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [re.fullmatch(rf"({_NAME})=([1-9][0-9]{{0,2}})", entry.strip()) for entry in value.split(",")]
    numbers = {pair[1]: int(pair[2]) for pair in pairs if pair is not None}
    if len(numbers) < len(pairs) or max(numbers.values()) > LARGEST_NUMBER:
        raise ValueError(_NUMBER_RULE)
    return numbers


def _check_least(value: str) -> str:
    pairs = [entry.strip().rpartition("/") for entry in value.split(",")]
    names = [name if slash else None for name, slash, _ in pairs]
    is_list = names == [None] or (all(names) and len(set(names)) == len(names))
    if not is_list or not all(is_version(version) for _, _, version in pairs):
        raise ValueError(_LEAST_RULE)
    return value


def _folder_or_address(value: object) -> object:
    """A text with `://` names a store; `Path` would make one slash of two."""
    if not isinstance(value, str) or not is_address(value):
        return Path(value) if isinstance(value, str) else value
    try:
        return str(parse_address(value))
    except SettingsError as error:
        raise ValueError(str(error)) from error


NumberByName = Annotated[Mapping[str, int], NoDecode, BeforeValidator(_numbers)]
"""A number for each of some bundles, as NAME=NUMBER, separated by commas."""
Choice = Annotated[str, matching(rf"{_NAME}(/{_NAME})?", _MODEL_RULE)]
"""A bundle as an operator names it."""


class ModelSettings(Section):
    """Which bundles are served, and when one replaces another."""

    models_dir: Annotated[Path | str, BeforeValidator(_folder_or_address)] = Field(
        default=Path("models"),
        description="the directory of bundles, or a store of them: oci://HOST/REPOSITORY:TAG or @sha256:…, "
        "s3://BUCKET/PREFIX, gs://…, az://…",
    )
    models_cache: Path = Field(
        default=Path(".cache/bundles"),
        description="where bundles of a store are kept; a service whose store is down starts from there",
    )
    model: Choice | None = Field(
        default=None,
        description="`name` (its newest version that passes its checks; pre-releases last) or `name/version`; default: "
        "content of the file `models/current`",
    )
    models: Annotated[tuple[Choice, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=(),
        description="instead of CXR_MODEL: several bundles that serve side by side, each `name` or `name/version`, "
        "separated by commas, in the order of preference; default: one bundle",
    )
    max_models: Annotated[int, Field(ge=1, le=16)] = Field(
        default=4,
        description="most bundles that CXR_MODELS may name; each takes memory for itself and for the one before it",
    )
    least_version: Annotated[str, AfterValidator(_check_least)] | None = Field(
        default=None,
        description="bundles of a lower version are refused, also signed ones: a version for all of them, or "
        "`name/version` of each, separated by commas; default: every version may serve",
    )
    trusted_keys_file: Path | None = Field(
        default=None,
        description="Ed25519 public keys as PEM, made by `python -m export keygen`: only bundles that one of them has "
        "signed are served; read again when it changes",
    )
    load_timeout_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=20,
        description="processor time in which a bundle must load and pass its self-test, in a process of its own "
        "(Linux); six times as much on the clock, as films go first",
    )
    load_memory_bytes: Annotated[int, Field(ge=256 * 1024 * 1024)] = Field(
        default=2 * 1024**3, description="address space that this process may take in addition"
    )
    model_poll_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=2.0, description="seconds between two looks at the models directory; a new bundle replaces the old one"
    )
    max_slowdown: Annotated[float, Field(gt=1)] = Field(
        default=10.0, description="a candidate bundle slower than the one that serves by this factor is refused"
    )
    drift_window: Annotated[int, Field(ge=FEWEST_FILMS, le=10_000)] = Field(
        default=200, description="number of latest films that cxr_drift_psi compares with those of validation"
    )

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.model is not None and self.models:
            msg = (
                f"model {self.model} and models {','.join(self.models)} are both set; keep CXR_MODELS for several "
                "bundles, or CXR_MODEL for one"
            )
            raise ValueError(msg)
        if repeated := sorted({name for name in self.names if self.names.count(name) > 1}):
            msg = f"models names {repeated[0]} more than once; one version of a bundle serves at a time: name it once"
            raise ValueError(msg)
        if len(self.models) > self.max_models:
            msg = (
                f"models names {len(self.models)} bundles and max_models allows {self.max_models}; name fewer, or "
                "raise CXR_MAX_MODELS where memory allows"
            )
            raise ValueError(msg)
        if self.names and (unknown := sorted(self._least_versions.keys() - {"", *self.names})):
            msg = f"least_version is of {unknown[0]}, and {', '.join(self.names)} serve; correct one of the two"
            raise ValueError(msg)
        return self

    @property
    def bundles_dir(self) -> Path:
        """The folder that is read: the directory of bundles, or the copy of what a store offers."""
        if isinstance(self.models_dir, str):
            return cache_folder(self.models_cache, self.models_dir) / "view"
        return self.models_dir

    @property
    def names(self) -> tuple[str, ...]:
        """Of the bundles that the settings name, in the order of preference; none where the file `current` decides."""
        chosen = self.models or (() if self.model is None else (self.model,))
        return tuple(choice.partition("/")[0] for choice in chosen)

    def least_version_of(self, name: str) -> str | None:
        """The lowest version of a bundle that may serve; None: every version."""
        return self._least_versions.get(name, self._least_versions.get(""))

    @property
    def _least_versions(self) -> dict[str, str]:
        """By the bundle's name; empty: of every bundle."""
        pairs = (entry.strip().rpartition("/") for entry in (self.least_version or "").split(",") if entry)
        return {name: version for name, _, version in pairs}


class StoreSettings(Section):
    """How a registry or an object store of bundles is reached, where CXR_MODELS_DIR names one."""

    model_config = SettingsConfigDict(env_prefix="CXR_STORE_")

    poll_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=30.0, description="seconds between two looks at the store; a digest is never looked at twice"
    )
    timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=10.0, description="seconds for a connection to the store, and for the next bytes of an answer"
    )
    ca_file: Path | None = Field(
        default=None, description="certificates in PEM that vouch for the store, in addition to those of the system"
    )
    allow_http: bool = Field(
        default=False, description="true: the store is reached without TLS; for registries on a network of their own"
    )
