"""Variables that carry our prefix and are not settings: those of Kubernetes, and of the project's other programs."""

import re
from collections.abc import Mapping
from typing import Final

from service.settings.section import PREFIX

VARIABLES_OF_OTHER_PROGRAMS: Final = frozenset(
    {
        "CXR_BUNDLE_AGES",
        "CXR_BUNDLE_NAME",
        "CXR_BUNDLE_POPULATION",
        "CXR_BUNDLE_VERSION",
        "CXR_DATA_DIR",
        "CXR_DICOMWEB_ADDRESS",
        "CXR_DICOMWEB_API_KEY",
        "CXR_DIMSE_BIND",
        "CXR_DIMSE_MEMORY",
        "CXR_DOCKER_TEST",
        "CXR_LONG_TESTS",
        "CXR_MEMORY",
        "CXR_SCALE_TESTS",
        "CXR_SECRETS_DIR",
        "CXR_WEIGHTS_DIR",
        "CXR_WORKLIST_MEMORY",
    }
)
"""Read by docker-compose.yml, the trainer, Orthanc's script and the tests; their presence is not a mistake."""

_LINK: Final = re.compile(r"(tcp|udp|sctp)://\S+:[0-9]+", re.IGNORECASE)
_ADDRESS: Final = r"(?!0\.0\.0\.0$|::$)[0-9A-Fa-f.:]+"  # of a Service, which is never that of all interfaces
_NUMBER: Final = r"[0-9]+"
_OF_A_SERVICE: Final = (
    (r"_SERVICE_HOST", _ADDRESS),
    (r"_SERVICE_PORT(_[A-Z0-9_]+)?", _NUMBER),
    (r"_PORT", _LINK.pattern),
    (r"_PORT_[0-9]+_(TCP|UDP|SCTP)", _LINK.pattern),
    (r"_PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
    (r"_PORT_[0-9]+_(TCP|UDP|SCTP)_PORT", _NUMBER),
    (r"_PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR", _ADDRESS),
)
"""Ends of names and patterns of values, for a Service named `cxr` or `cxr-…`.

Source: Kubernetes, Service, "Environment variables"; Docker's legacy links, from which it took the second half.
"""
_OF_A_LINK: Final = ((r"_NAME", r"/.+"), (r"_ENV_\w+", r".*"))
"""What Docker adds to a link: the container's name, and its variables."""


def is_service_link(value: str) -> bool:
    """Whether a value is the address of a Service, as Kubernetes writes it: tcp://10.0.0.1:8000."""
    return _LINK.fullmatch(value.strip()) is not None


def injected_variables(environment: Mapping[str, str]) -> frozenset[str]:
    """Variables with our prefix that Kubernetes or Docker set for a Service or a container of such a name.

    A name alone does not suffice: the value must be of the kind that they write, so that CXR_SERVICE_HOST=0.0.0.0 stays
    a misspelt CXR_HOST.
    """
    ours = {name: value.strip() for name, value in environment.items() if name.startswith(PREFIX)}
    rows = list(_OF_A_SERVICE)
    if any(name.endswith("_PORT") and is_service_link(value) for name, value in ours.items()):
        rows += _OF_A_LINK
    return frozenset(name for name, value in ours.items() if any(_fits(name, value, *row) for row in rows))


def _fits(name: str, value: str, ending: str, pattern: str) -> bool:
    return bool(
        re.fullmatch(rf"{PREFIX[:-1]}(_[A-Z0-9_]+)?{ending}", name)
        and re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL)
    )
