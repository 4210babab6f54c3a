"""Where a new bundle goes: name, version and models directory; it writes nothing."""

from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from bundle.versions import parse_version
from schemas.errors import BundleError
from schemas.model.manifest import BundleName
from schemas.record import Record


class Place(Record):
    """Where a new bundle goes, and whether it serves from then on."""

    name: str = Field(description="Name of the bundle.")
    version: str = Field(description="Version of the bundle; must be new.")
    out: Path = Field(default=Path("models"), description="Models directory.")
    make_current: bool = Field(default=False, description="Let the service serve it.")

    def require_free(self) -> Path:
        """The folder of the bundle, `out/name/version`.

        Raises:
            BundleError: it exists, name or version is not a plain name, or the version not a version.
        """
        for what, value in (("name", self.name), ("version", self.version)):
            try:
                TypeAdapter(BundleName).validate_python(value)
            except ValidationError as error:
                msg = (
                    f"the {what} {value!r} must be 1 to 64 of a-z 0-9 . _ - and start with a letter or digit; choose "
                    "another"
                )
                raise BundleError(msg) from error
        parse_version(self.version)
        destination = self.out / self.name / self.version
        if destination.exists():
            msg = f"{self.name}/{self.version} exists and a published bundle never changes; choose a new version"
            raise BundleError(msg)
        return destination
