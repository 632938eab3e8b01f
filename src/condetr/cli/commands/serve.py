"""``condetr serve``: a detector behind HTTP."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import condetr
from condetr.cli.output.outcome import MODEL
from condetr.cli.output.reporting import Reporter, json_text
from condetr.cli.settings.model_settings import (
    Backend,
    Batch,
    DetectionSettings,
    found_at_any_score,
    loaded,
    model_or_bundled,
)
from condetr.cli.settings.vertex_variables import VertexVariables, model_at, vertex_variables
from condetr.core.errors import MissingExtraError, SettingsError, StorageError
from condetr.prediction.options import PredictionOptions
from condetr.serving.limits import Limits

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.serving.protocol.responses import MakeRows
    from condetr.serving.protocol.service_info import ServiceInfo
    from condetr.serving.server import Ended, MakeApp

_ENDING = {"draining": 1, "broken": MODEL}  # and the status of the process where it does not come to its end in time
_ORDERLY = 0.98  # of the time to drain, for all that the process does by itself
_PORT = 8000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class ServeSettings(DetectionSettings):
    backend: Backend = None
    threshold: Annotated[
        float, "leave out detections that score at or below this, unless a request has a threshold"
    ] = 0.5
    batch: Batch = 8
    host: Annotated[str, "address to listen on; only this machine can reach the default"] = "127.0.0.1"
    port: Annotated[int | None, "port to listen on; 0 takes a free one; default: AIP_HTTP_PORT, or 8000"] = None
    allowed_host: Annotated[
        tuple[str, ...] | None, "host name that clients may use, besides localhost; * for any; may be repeated"
    ] = None
    name: Annotated[str | None, "name of the model for clients; default: the last part of --model"] = None
    token_file: Annotated[Path | None, "file with a token that clients must send; default: CONDETR_TOKEN, or none"] = (
        None
    )
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(batch=self.batch)  # raises
        if self.port is not None and not 0 <= self.port < 2**16:
            raise SettingsError(f"is {self.port}, expected 0 to 65535", item="port")
        if self.name is not None and not _NAME.fullmatch(self.name):
            reason = f"is {self.name[:80]!r}, expected letters, digits, '.', '_' and '-', of which the first is no sign"
            raise SettingsError(reason, item="name")


class Protocol(NamedTuple):
    """What a service answers; None: as ``condetr serve``."""

    make_app: "MakeApp | None" = None
    rows: "MakeRows | None" = None
    threshold: float | None = None  # of requests that have none; else that of the settings

    def options(self) -> dict[str, Any]:
        return {name: value for name in ("make_app", "rows") if (value := getattr(self, name)) is not None}


def serve(settings: ServeSettings, reporter: Reporter) -> int:
    """Serve a model over HTTP until SIGTERM or Ctrl-C; then answer the requests accepted so far.

    Exit status: 0 all accepted images were answered, 1 the time for that ran out,
    5 the model failed. The log has one line of JSON per request.
    """
    return run_server(settings, reporter, lambda _: Protocol(), "condetr serve")


def run_server(
    settings: ServeSettings,
    reporter: Reporter,
    protocol: "Callable[[LoadedModel], Protocol]",
    command: str,
) -> int:
    """Serve a model until the process is asked to end; the exit status.

    Args:
        settings: of the service.
        reporter: gets the log.
        protocol: what the service answers, made for the loaded model.
        command: its name in messages.
    """
    try:
        from condetr.serving.process.library_versions import check_pillow
        from condetr.serving.process.process_exit import exit_timer
        from condetr.serving.process.sockets import bound_socket
        from condetr.serving.process.watchdog import watchdog
        from condetr.serving.server import serve
    except ImportError as error:
        raise MissingExtraError(str(error.name), "serve", command) from None
    check_pillow()
    token = _token_of(settings)
    vertex = vertex_variables(os.environ)
    port = settings.port if settings.port is not None else vertex.port if vertex.port is not None else _PORT
    with bound_socket(settings.host, port) as listening, _model_of(settings, vertex, reporter) as reference:
        _warn(settings, token, reporter)
        model = loaded(reference, settings, reporter)
        host, port = listening.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        reporter.note(f"condetr: listening on {address}")
        service = protocol(model)
        predictor = model.predictor(
            threshold=0,
            top_k=settings.top_k,
            batch=settings.batch,
            classes=settings.classes,
            task=found_at_any_score(model),
        )

        def on_state(state: str) -> None:
            reporter.note(f"condetr: {state}")
            if state in _ENDING:
                end_within(_ORDERLY * settings.limits.drain_seconds, _ENDING[state])

        with watchdog(settings.limits.drain_seconds) as wakeup, exit_timer() as end_within:
            ended = serve(
                predictor,
                listening,
                _offer_of(
                    model, settings.model or vertex.storage_uri or reference, settings, token, vertex, service.threshold
                ),
                settings.limits,
                batch=settings.batch,
                allowed_hosts=_names_of(settings),
                wakeup=wakeup,
                log=lambda entry: reporter.note(json_text(entry)),
                on_state=on_state,
                **service.options(),
            )
    return _status_of(ended)


@contextmanager
def _model_of(settings: ServeSettings, vertex: VertexVariables, reporter: Reporter) -> Iterator[str]:
    """The model to load."""
    if settings.model is None and vertex.storage_uri is not None:
        reporter.note(f"condetr: the model is that of AIP_STORAGE_URI: {vertex.storage_uri}")
        with model_at(vertex.storage_uri) as folder:
            yield folder
    else:
        yield model_or_bundled(settings.model, reporter)


def _offer_of(
    model: "LoadedModel",
    reference: str,
    settings: ServeSettings,
    token: str | None,
    vertex: VertexVariables,
    threshold: float | None,
) -> "ServiceInfo":
    from condetr.serving.protocol.service_info import ServiceInfo

    return ServiceInfo(
        name=settings.name or re.sub(r"[^A-Za-z0-9._-]+", "-", Path(reference).name).strip("-.") or "model",
        version=condetr.__version__,
        backend=model.backend,
        classes=tuple(name for name in model.names.values() if name != "N/A"),
        threshold=settings.threshold if threshold is None else threshold,
        token=token,
        metrics=token is not None or settings.host in _LOOPBACK,
        health_routes=() if vertex.health_route is None else (vertex.health_route,),
        predict_routes=() if vertex.predict_route is None else (vertex.predict_route,),
    )


def _names_of(settings: ServeSettings) -> tuple[str, ...]:
    return (settings.host, *(settings.allowed_host or ()))


def _token_of(settings: ServeSettings) -> str | None:
    file = settings.token_file
    if file is None:
        return os.environ.get("CONDETR_TOKEN") or None
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise StorageError(f"cannot be read: {reason}", source=file, item="token_file") from None
    if not token:
        raise SettingsError("holds no token", source=file, item="token_file")
    return token


def _warn(settings: ServeSettings, token: str | None, reporter: Reporter) -> None:
    if settings.host in _LOOPBACK:
        return
    reporter.warn(f"{settings.host} can be reached by other machines, and nothing is encrypted on the way")
    if token is None:
        reporter.warn("without a token everybody there may ask; /metrics is not shown (--token-file)")


def _status_of(ended: "Ended") -> int:
    """The exit status; where a thread is stuck, the process ends here, for Python would wait for what never comes."""
    from condetr.serving.process.process_exit import end_now
    from condetr.serving.server import End

    status = {End.DRAINED: 0, End.CUT_SHORT: 1, End.BROKEN: MODEL}[ended.end]
    if ended.stuck:
        end_now(status)
    return status
