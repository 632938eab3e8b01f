"""Pictures decoded and resized by threads of their own, a few ahead of the network."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

from condetr.core.errors import CondetrError
from condetr.images.decode import sound_header
from condetr.prediction.predictor import Failure, Predictor, Prepared
from condetr.prediction.sources import PictureSource
from condetr.serving.questions import Question

THREADS = 2
_NAME = "the picture"


class Preparing:
    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="condetr-decode")

    async def prepared(self, picture: bytes, question: Question, most: int | None) -> Prepared | CondetrError:
        """The picture as the network wants it, or what is wrong with it: above all that it has too many pixels."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._prepared, picture, question, most)

    def end(self) -> None:
        self._threads.shutdown(wait=False)

    def _prepared(self, picture: bytes, question: Question, most: int | None) -> Prepared | CondetrError:
        try:
            sound_header(io.BytesIO(picture), _NAME, most, whole=False)  # nothing is decoded yet
        except CondetrError as error:
            return error
        source = PictureSource(_NAME, PurePath(), picture)
        prepared = self._predictor.prepare(source, least=question.threshold, masks=question.masks)
        return prepared.error if isinstance(prepared, Failure) else prepared
