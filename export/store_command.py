"""`push` and `pull`: bundles to and from registries and object stores."""

from pathlib import Path
from typing import Annotated, Final

import typer

Address = Annotated[
    str,
    typer.Argument(help="oci://HOST/REPOSITORY:TAG, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX."),
]
CaFile = Annotated[Path | None, typer.Option(help="Certificates in PEM that vouch for the store.")]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Reach the store without TLS.")]
MakeCurrent = Annotated[bool, typer.Option("--make-current", help="Let services serve it.")]
_TIMEOUT_S: Final = 60.0
"""A registry that has got a large file computes its hash before it answers."""


def push(
    address: Address,
    source: Annotated[Path, typer.Option(help="Folder of a bundle, or a whole models directory.")] = Path("models"),
    ca_file: CaFile = None,
    *,
    make_current: MakeCurrent = False,
    allow_http: AllowHttp = False,
) -> None:
    """Check every hash of a bundle, or of all bundles of a models directory, and store them in a registry or bucket."""
    from bundle.stores.address import parse_address
    from bundle.stores.pushing import push as push_shipment
    from bundle.stores.pushing import read_shipment
    from bundle.stores.source import StoreOptions

    target = parse_address(address)
    shipment = read_shipment(source)
    options = StoreOptions(_TIMEOUT_S, ca_file, allow_http)
    pushed = push_shipment(shipment, target, options, make_current=make_current)
    for bundle in pushed.addresses:
        typer.echo(f"pushed {bundle}")
    typer.echo(f"CXR_MODELS_DIR={pushed.reference}")


def pull(
    address: Address,
    out: Annotated[Path, typer.Option(help="Models directory.")] = Path("models"),
    ca_file: CaFile = None,
    *,
    make_current: MakeCurrent = False,
    allow_http: AllowHttp = False,
) -> None:
    """Copy what a registry or bucket offers into a models directory; every hash is checked, and nothing is replaced."""
    from bundle.stores.opening import pull_bundles
    from bundle.stores.source import StoreOptions
    from schemas.errors import BundleError

    options = StoreOptions(_TIMEOUT_S, ca_file, allow_http)
    try:
        copied, current = pull_bundles(address, options, out, make_current=make_current)
    except OSError as error:
        msg = f"{out} cannot be written ({error.strerror}); correct that, or give another --out"
        raise BundleError(msg) from error
    for bundle in copied:
        typer.echo(f"pulled {bundle}")
    if not copied:
        typer.echo("every bundle is there already")
    if current is not None and not make_current:
        typer.echo(f"the store's current bundle is {current}; --make-current lets services serve it")
