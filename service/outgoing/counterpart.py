"""Who is called, as messages name it: a fault of the PACS and one of a destination have the same words."""

from dataclasses import dataclass

from schemas.errors import CxrError, UnavailableError


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Names of one counterpart and of what an operator sets for it."""

    what: str
    """Such as "the PACS"."""
    unreachable: type[UnavailableError]
    """Raised where it gives no answer, or one that may be different later."""
    refused: type[CxrError]
    """Raised where another attempt would be refused too."""
    prefix: str = ""
    """Of the settings' names: CXR_PACS_, or nothing where they stand in a file."""

    def setting(self, field: str) -> str:
        """The name of a setting: `ca_file` is CXR_PACS_CA_FILE, or `ca_file` in a file."""
        return (self.prefix + field).upper() if self.prefix else field
