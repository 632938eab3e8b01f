"""How much a service takes on before it says no, and how long it waits for anyone."""

from dataclasses import dataclass, fields

from condetr.core.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each is a promise to the other guests; none of them can be turned off.

    Attributes:
        queue: the most images in hand at once, from their last byte to their answer.
        body_bytes: the largest request.
        all_bytes: of all requests that are in memory together.
        pixels: of one image; what it decodes to is four bytes a pixel.
        mask_pixels: of one image whose masks are asked for; every mask is a byte a pixel.
        connections: open at once.
        header_seconds: to send the head of a request.
        body_seconds: to send the rest of it.
        write_seconds: to take the answer.
        queue_seconds: that an image waits for its turn.
        preparing_seconds: that decoding and resizing an image may take.
        inference_seconds: that the network may take for a batch.
        drain_seconds: for what was accepted, once the service is to end.
    """

    queue: int = 64
    body_bytes: int = 20 * 2**20
    all_bytes: int = 256 * 2**20
    pixels: int = 50_000_000
    mask_pixels: int = 13_000_000  # what telephones take
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
