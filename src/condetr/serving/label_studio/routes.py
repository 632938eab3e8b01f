"""The ML backend protocol of Label Studio: ``/health``, ``/setup``, ``/predict``, and events that may start training.

https://labelstud.io/guide/ml_create and the package label-studio-ml describe it. Requests name an address and a token
of Label Studio, which are not used: images are read from folders.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from condetr.serving.label_studio.project import Project, project_of
from condetr.serving.label_studio.rows import prediction_for
from condetr.serving.label_studio.task_images import TaskImages
from condetr.serving.label_studio.train_hook import TrainHook
from condetr.serving.limits import Limits
from condetr.serving.memory_budget import MemoryBudget
from condetr.serving.metrics import CONTENT_TYPE, Metrics
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.json_body import VALUE_BYTES, object_in, value_count
from condetr.serving.protocol.predict_params import PredictParams
from condetr.serving.protocol.request_body import read_body
from condetr.serving.protocol.request_log import CLIENT_GONE, WriteLog
from condetr.serving.protocol.routes import Endpoint, application_of
from condetr.serving.protocol.service_info import ServiceInfo
from condetr.serving.protocol.token_check import with_token
from condetr.serving.service import Service

_START = "START_TRAINING"
_MAX_VALUES = 1_000_000  # of a request: the brush masks of tasks are lists of bytes


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """What a Label Studio backend has besides a service.

    Attributes:
        images: where images of tasks lie.
        model: its name and version.
        hook: what starts training, if anything.
    """

    images: TaskImages
    model: str
    hook: TrainHook | None = None

    def application(
        self, service: Service, info: ServiceInfo, limits: Limits, metrics: Metrics, log: WriteLog, hosts: Hosts
    ) -> ASGIApp:
        """The whole backend as one ASGI application."""
        routes = _Routes(self, service, info, limits, metrics).all()
        return application_of(routes, service, metrics, log, hosts)


class _Routes:
    def __init__(
        self, backend: LabelStudio, service: Service, info: ServiceInfo, limits: Limits, metrics: Metrics
    ) -> None:
        self._backend, self._service, self._info, self._limits = backend, service, info, limits
        self._metrics, self._memory = metrics, MemoryBudget(limits.all_bytes)

    def all(self) -> list[Route]:
        posts: dict[str, Callable[[Request], Any]] = {
            "/setup": self._of_json(self.setup),
            "/predict": self._of_json(self.predict),
            "/train": self._of_json(self.train),
            "/webhook": self._of_json(self.webhook),
        }
        gets = {"/versions": self.versions} | ({"/metrics": self.metrics} if self._info.metrics else {})
        return [
            Route("/", self.health),
            Route("/health", self.health),
            *(
                Route(path, with_token(endpoint, self._info.token), methods=["POST"])
                for path, endpoint in posts.items()
            ),
            *(Route(path, with_token(endpoint, self._info.token)) for path, endpoint in gets.items()),
        ]

    async def health(self, _: Request) -> Response:
        reason = self._service.why_not_ready
        if reason is not None:
            raise Refused(503, "not_ready", reason, retry_after=1)
        return JSONResponse({"status": "UP", "model_class": "condetr"})

    async def versions(self, _: Request) -> Response:
        return JSONResponse({"versions": [self._backend.model]})

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def setup(self, content: Mapping[str, Any], request: Request) -> Response:
        """Label Studio connects a project."""
        project = self._project(content.get("schema"))
        entry = request.state.entry
        entry["without_label"] = [name for name in self._info.classes if name not in project.labels]
        return JSONResponse({"model_version": self._backend.model})

    async def predict(self, content: Mapping[str, Any], request: Request) -> Response:
        """Predictions for tasks, one for each, in their order."""
        tasks = content.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise Refused(400, "tasks", "expected a list of tasks")
        project, failures = self._project(content.get("label_config")), list[str]()
        results = []
        for task in tasks:
            try:
                results.append(await self._prediction(task, project))
            except Refused as refused:
                if len(tasks) == 1 or refused.status == 503:
                    raise
                failures.append(f"task {task.get('id')}: {refused.message}")
                results.append({"model_version": self._backend.model, "result": []})
        if failures and len(failures) == len(tasks):
            raise Refused(422, "image", f"no image could be used; the first: {failures[0]}")
        request.state.entry |= {"tasks": len(tasks), "found": sum(len(result["result"]) for result in results)}
        request.state.entry |= {"failed": failures} if failures else {}
        return JSONResponse({"results": results, "model_version": self._backend.model})

    async def train(self, _: Mapping[str, Any], request: Request) -> Response:
        if self._backend.hook is None:
            raise Refused(501, "no_training", "the server has no command for training (--train-command)")
        try:
            started = self._backend.hook.start(request.state.body)
        except OSError as error:
            raise Refused(500, "training", f"the command for training cannot be started: {error.strerror}") from error
        request.state.entry["training"] = "started" if started else "running"
        return JSONResponse({"status": "started" if started else "running"}, 201 if started else 200)

    async def webhook(self, content: Mapping[str, Any], request: Request) -> Response:
        """Events of a project; one of them asks for training."""
        if content.get("action") == _START:
            return await self.train(content, request)
        return JSONResponse({"status": "ignored"})

    async def _prediction(self, task: Mapping[str, Any], project: Project) -> dict[str, Any]:
        data = task.get("data")
        address = data.get(project.controls.value) if isinstance(data, dict) else None
        image = await asyncio.to_thread(self._backend.images.read, address)
        masks = self._service.gives_masks and project.controls.polygons is not None
        answer = await self._service.predict(image, PredictParams(self._info.threshold, masks=masks))
        return prediction_for(project, answer.rows, self._backend.model)

    def _project(self, configuration: object) -> Project:
        return project_of(configuration, self._info.classes)

    def _of_json(self, endpoint: Callable[[Mapping[str, Any], Request], Any]) -> Endpoint:
        """The endpoint with the JSON object in the body, read within the limits."""

        async def read(request: Request) -> Response:
            try:
                with self._memory.share() as take:
                    request.state.body = body = await read_body(request, self._limits, take)
                    take(VALUE_BYTES * min(value_count(body), _MAX_VALUES))
                    return await endpoint(object_in(body, _MAX_VALUES), request)
            except ClientDisconnect:
                return Response(status_code=CLIENT_GONE)

        return read
