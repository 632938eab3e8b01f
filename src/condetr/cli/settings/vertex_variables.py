"""The variables that Vertex AI sets in a container: port, routes, and where the model is stored.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from condetr.core.errors import MissingExtraError, SettingsError, StorageError, first_line_of

_ROUTE = re.compile(r"/[A-Za-z0-9._~:/-]*")
_LIBRARIES = {"gs": "gcsfs", "s3": "s3fs", "abfs": "adlfs", "az": "adlfs"}


@dataclass(frozen=True, slots=True)
class VertexVariables:
    """What is set of them; the command's own options come first.

    Attributes:
        port: AIP_HTTP_PORT.
        health_route: AIP_HEALTH_ROUTE.
        predict_route: AIP_PREDICT_ROUTE.
        storage_uri: AIP_STORAGE_URI, the folder of the model.
    """

    port: int | None = None
    health_route: str | None = None
    predict_route: str | None = None
    storage_uri: str | None = None


def vertex_variables(environment: Mapping[str, str]) -> VertexVariables:
    """Read the variables; empty ones count as not set.

    Raises:
        SettingsError: one has no valid value.
    """
    port = environment.get("AIP_HTTP_PORT") or None
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port[:9]) < 2**16):
        raise SettingsError(f"is {port[:40]!r}, expected 1 to 65535", item="AIP_HTTP_PORT")
    return VertexVariables(
        None if port is None else int(port),
        _route(environment, "AIP_HEALTH_ROUTE"),
        _route(environment, "AIP_PREDICT_ROUTE"),
        environment.get("AIP_STORAGE_URI") or None,
    )


def _route(environment: Mapping[str, str], name: str) -> str | None:
    route = environment.get(name) or None
    if route is not None and not _ROUTE.fullmatch(route):
        raise SettingsError(f"is {route[:80]!r}, expected a path such as /predict", item=name)
    return route


@contextmanager
def model_at(address: str) -> Iterator[str]:
    """The folder of a model: that of a path, or a copy of what is stored at an address such as ``gs://...``.

    Raises:
        MissingExtraError: the library for such addresses is not installed.
        StorageError: it cannot be read, or is empty.
    """
    scheme, separator, _ = address.partition("://")
    if not separator:
        yield address
        return
    with TemporaryDirectory(prefix="condetr-model-") as folder:
        _copy(address, scheme, folder)
        if not any(Path(folder).iterdir()):
            raise StorageError("holds no files", source=address, item="AIP_STORAGE_URI")
        yield folder


def _copy(address: str, scheme: str, folder: str) -> None:
    import fsspec  # type: ignore[import-untyped]  # torch depends on it

    try:
        system, path = fsspec.core.url_to_fs(address)
        system.get(path.rstrip("/") + "/", folder + "/", recursive=True)
    except ImportError as error:
        library = _LIBRARIES.get(scheme, str(error.name))
        missing = MissingExtraError(library, "serve", f"a model at {scheme}://")
        missing.hint = f"pip install {library}"
        raise missing from None
    except Exception as error:  # each storage has its own errors
        raise StorageError(f"cannot be read: {first_line_of(error)}", source=address, item="AIP_STORAGE_URI") from error
