"""Object stores as `obstore` reaches them: S3 and its kin, Google Cloud Storage, Azure; and their errors as ours.

`obstore` reads the variables of the providers (AWS_…, GOOGLE_…, AZURE_…), signs, and retries. It is imported where it
is used.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bundle.stores.address import BucketAddress
from bundle.stores.source import StoreOptions, StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_VARIABLES: Final[Mapping[str, str]] = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}


def open_store(address: BucketAddress, options: StoreOptions) -> "ObjectStore":
    """The store of an address, with the credentials of the environment.

    Raises:
        StoreRefusedError: `obstore` is not installed, a certificate cannot be read, or a variable is wrong.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        msg = f"{address} needs the package obstore; install the extra: pip install 'cxr-classifier[stores]'"
        raise StoreRefusedError(msg) from error
    client: Any = {
        "connect_timeout": timedelta(seconds=options.timeout_s),
        "read_timeout": timedelta(seconds=options.timeout_s),
        "timeout": timedelta(hours=1),
        "allow_http": options.allow_http,
    }
    if options.ca_file is not None:
        client["root_certificate"] = _certificates(options.ca_file)
    retry: Any = {"max_retries": options.attempts - 1, "retry_timeout": timedelta(seconds=3 * options.timeout_s)}
    try:
        return from_url(str(address), client_options=client, retry_config=retry)
    except (BaseError, ValueError) as error:
        msg = f"{address} cannot be opened; check the variables {_VARIABLES[address.scheme]}… of the environment"
        raise StoreRefusedError(msg) from error


@contextmanager
def named_faults(address: BucketAddress, path: str) -> Iterator[None]:
    """Errors of obstore as ours; nothing of their text is passed on, which may hold addresses and signatures.

    Raises:
        StoreUnavailableError: there was no answer.
        StoreRefusedError: the store refuses.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        _raise_ours(error, f"{address}/{path}" if path else str(address), _VARIABLES[address.scheme])


def _raise_ours(error: Exception, where: str, variables: str) -> NoReturn:
    from obstore import exceptions

    text = str(error).lower()
    if isinstance(error, exceptions.NotFoundError | FileNotFoundError) or "nosuchbucket" in text:
        msg = f"{where} does not exist there; check bucket and prefix, or push with `python -m export push`"
        raise StoreRefusedError(msg) from error
    if isinstance(error, exceptions.UnauthenticatedError | exceptions.PermissionDeniedError) or "credential" in text:
        msg = f"{where}: the store does not accept who asks; check the variables {variables}… and the rights there"
        raise StoreRefusedError(msg) from error
    if "certificate" in text:
        msg = f"{where}: its certificate is not trusted; name those that vouch for it (CXR_STORE_CA_FILE, --ca-file)"
        raise StoreRefusedError(msg) from error
    if "http" in text and ("scheme" in text or "builder error" in text):
        msg = f"{where}: its address has no TLS; allow that in a network of your own (CXR_STORE_ALLOW_HTTP=true)"
        raise StoreRefusedError(msg) from error
    msg = f"{where}: the store gave no answer; check {variables}… (region, endpoint), network and its log"
    raise StoreUnavailableError(msg) from error


def _certificates(ca_file: Path) -> bytes:
    try:
        return ca_file.read_bytes()
    except OSError as error:
        msg = f"{ca_file.name} cannot be read ({error.strerror}); name a file in PEM (CXR_STORE_CA_FILE)"
        raise StoreRefusedError(msg) from error
