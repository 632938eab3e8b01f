"""Metrics of the service, in the text format of Prometheus."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Has a registry of its own, so that two services in one process are counted separately."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        named: dict[str, Any] = {"namespace": "condetr", "registry": self._registry}
        self._requests = Counter("requests", "Responses by HTTP status", ["path", "status"], **named)
        self._request_seconds = Histogram(
            "request_seconds", "From the head of a request to its response", ["path"], buckets=_SECONDS, **named
        )
        self._batch_images = Histogram("batch_pictures", "Images per batch", buckets=_IMAGES, **named)
        self._batch_seconds = Histogram("batch_seconds", "Seconds of the network per batch", buckets=_SECONDS, **named)
        self._in_hand = Gauge("in_hand", "Images accepted and not answered yet", **named)

    def watch(self, in_hand: Callable[[], float]) -> None:
        """Read the number of accepted images whenever metrics are requested."""
        self._in_hand.set_function(in_hand)

    def request(self, path: str, status: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._request_seconds.labels(path).observe(seconds)

    def batch(self, images: int, seconds: float) -> None:
        self._batch_images.observe(images)
        self._batch_seconds.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
