"""Limits of a service: sizes, queue lengths and timeouts."""

from dataclasses import dataclass, fields

from condetr.core.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each protects the other clients; none can be turned off.

    Attributes:
        queue: maximum number of accepted images, from their last byte to their response.
        images: maximum number of images of a request.
        body_bytes: maximum size of a request.
        all_bytes: maximum size of all requests in memory together.
        pixels: maximum pixels of an image; decoded, a pixel takes four bytes.
        mask_pixels: maximum pixels of an image with ``masks=true``; every mask takes a byte per pixel.
        connections: maximum number of open connections.
        header_seconds: time limit for receiving the head of a request.
        body_seconds: time limit for receiving its body.
        write_seconds: time limit for the client to read the response.
        queue_seconds: time limit of an image in the queue.
        preparing_seconds: time limit for decoding and resizing an image.
        inference_seconds: time limit of the network for a batch.
        drain_seconds: time limit for finishing the accepted images at shutdown.
    """

    queue: int = 64
    images: int = 16
    body_bytes: int = 20 * 2**20
    all_bytes: int = 256 * 2**20
    pixels: int = 50_000_000
    mask_pixels: int = 13_000_000  # photos of phones
    connections: int = 1000
    header_seconds: float = 8.0
    body_seconds: float = 8.0
    write_seconds: float = 8.0
    queue_seconds: float = 30.0
    preparing_seconds: float = 15.0
    inference_seconds: float = 60.0
    drain_seconds: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise SettingsError(f"is {value}, expected more than 0", item=field.name)
        if self.all_bytes < self.body_bytes:
            raise SettingsError(f"is {self.all_bytes}, less than one body_bytes of {self.body_bytes}", item="all_bytes")
