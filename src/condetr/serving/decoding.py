"""Images decoded and resized by threads of their own, a few ahead of the network."""

import asyncio
import io
from functools import partial
from pathlib import PurePath

from condetr.core.errors import CondetrError
from condetr.images.decoding.decode import sound_header
from condetr.prediction.predictor import Failure, Predictor, PreparedImage
from condetr.prediction.sources import ImageSource
from condetr.serving.process.timed_workers import Crew
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.query_params import Question

THREADS = 2
_NAME = "the image"


class Preparing:
    def __init__(self, predictor: Predictor, *, seconds: float, broken: asyncio.Event) -> None:
        """Start the threads; ``broken`` is set where too many take longer than ``seconds`` for an image."""
        self._predictor, self._seconds = predictor, seconds
        self.crew = Crew("condetr-decode", threads=THREADS, seconds=seconds, broken=broken)

    async def prepared(self, image: bytes, question: Question, most: int | None) -> PreparedImage | CondetrError:
        """The image as the network wants it, or what is wrong with it: above all that it has too many pixels.

        Raises:
            Refused: decoding and resizing it takes too long.
        """
        try:
            return await self.crew.do(partial(self._prepared, image, question, most))
        except TimeoutError:
            reason = f"the image was not decoded and resized within {self._seconds:g} s"
            raise Refused(504, "timeout", reason) from None

    def _prepared(self, image: bytes, question: Question, most: int | None) -> PreparedImage | CondetrError:
        try:
            sound_header(io.BytesIO(image), _NAME, most, whole=False)  # nothing is decoded yet
        except CondetrError as error:
            return error
        source = ImageSource(_NAME, PurePath(), image)
        prepared = self._predictor.prepare(source, min_score=question.threshold, masks=question.masks)
        return prepared.error if isinstance(prepared, Failure) else prepared
