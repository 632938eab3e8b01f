"""Images decoded and resized by threads of their own, a few ahead of the network."""

import asyncio
import io
from functools import partial
from pathlib import PurePath

from condetr.core.errors import CondetrError
from condetr.images.decoding.decode import sound_header
from condetr.prediction.predictor import Failure, Predictor, PreparedImage
from condetr.prediction.sources import ImageSource
from condetr.serving.process.timed_workers import TimedWorkers
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.predict_params import PredictParams

THREADS = 2
_NAME = "the image"


class Decoding:
    def __init__(self, predictor: Predictor, *, seconds: float, broken: asyncio.Event) -> None:
        """Start the threads; ``broken`` is set when too many take longer than ``seconds`` for an image."""
        self._predictor, self._seconds = predictor, seconds
        self.workers = TimedWorkers("condetr-decode", threads=THREADS, seconds=seconds, broken=broken)

    async def prepared(
        self, image: bytes, params: PredictParams, max_pixels: int | None
    ) -> PreparedImage | CondetrError:
        """The preprocessed image, or the error in it, such as too many pixels.

        Raises:
            Refused: decoding and resizing exceeded the time limit.
        """
        try:
            return await self.workers.run(partial(self._prepared, image, params, max_pixels))
        except TimeoutError:
            reason = f"the image was not decoded and resized within {self._seconds:g} s"
            raise Refused(504, "timeout", reason) from None

    def _prepared(self, image: bytes, params: PredictParams, max_pixels: int | None) -> PreparedImage | CondetrError:
        try:
            sound_header(io.BytesIO(image), _NAME, max_pixels, whole=False)  # before anything is decoded
        except CondetrError as error:
            return error
        source = ImageSource(_NAME, PurePath(), image)
        prepared = self._predictor.prepare(source, min_score=params.threshold, masks=params.masks)
        return prepared.error if isinstance(prepared, Failure) else prepared
