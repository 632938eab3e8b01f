"""Image sources as they travel to the nodes: as paths and addresses, else as the bytes of the image."""

import os
from dataclasses import replace

from condetr.core.errors import CondetrError
from condetr.images.decoding.pages import GifFrame, TiffPage, page_from_anywhere
from condetr.images.decoding.sources import Readable, content_of
from condetr.prediction.input.remote_files import RemoteFile
from condetr.prediction.sources import ImageSource


def portable(source: ImageSource) -> ImageSource:
    """The same source for another process, which may have another working folder.

    Files and addresses are read there, members of archives, rows of tables and pages of documents here.
    """
    content = source.content
    if isinstance(content, str | os.PathLike):
        return replace(source, content=os.path.abspath(content))  # noqa: PTH100  a Path would cost minutes
    if type(content) is RemoteFile and content.is_shared:  # isinstance holds for everything that can be read
        return source
    if type(content) is TiffPage or type(content) is GifFrame:
        return replace(source, content=page_from_anywhere(content))
    if isinstance(content, Readable):
        try:
            return replace(source, content=content_of(content))
        except CondetrError as error:
            return replace(source, content=error.at(source=source.name))
    return source
