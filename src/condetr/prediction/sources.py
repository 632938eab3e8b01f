"""Sources of images as a stream of named images: files, folders, patterns, lists, videos, images in memory."""

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, get_args

import numpy as np
from PIL import Image
from torch import Tensor

from condetr.core.errors import CondetrError, DataError, ImageError, MissingExtraError, UsageError
from condetr.images.decoding.pages import has_page_ending
from condetr.images.decoding.pages import pages_of as pages_of_file
from condetr.images.decoding.sources import Encoded, Readable, content_of, name_of
from condetr.images.detection import Moment
from condetr.images.file_endings import has_image_ending
from condetr.images.image_inputs import ImageInput, image_of
from condetr.images.resize import UprightImage
from condetr.prediction.image_files import (
    has_archive_name,
    has_video_name,
    holds_images,
    images_under,
    is_parquet,
    is_pdf,
    with_image_names,
)
from condetr.prediction.image_lists import SUFFIXES, paths_in
from condetr.prediction.input.archives import images_in_archive
from condetr.prediction.input.parquet_rows import images_in_table
from condetr.prediction.input.pdf_pages import pages_of
from condetr.prediction.input.remote_files import images_at, is_address
from condetr.prediction.input.videos import is_camera
from condetr.video.reading import Video

_IN_MEMORY = (Image.Image, np.ndarray, Tensor, Readable, *get_args(Encoded))


@dataclass(frozen=True, slots=True, eq=False)
class ImageSource:
    """One image of a source.

    Attributes:
        name: in results and messages: its path, or its position among the images in memory.
        relative_path: below the folder, list or video that it comes from; results are filed under it.
        content: the image to decode, or the error that stands in its place.
        moment: frame number and time in a video.
        position: among the images of all shards, where it is predicted in one of them.
    """

    name: str
    relative_path: PurePath
    content: ImageInput | CondetrError
    moment: Moment | None = None
    position: int | None = None

    def image(self, *, may_be_mapped: bool = False) -> UprightImage:
        """The upright RGB image; with ``may_be_mapped``, a large one may lie in a file.

        Raises:
            CondetrError: not a usable image; the error has its name.
        """
        if isinstance(self.content, CondetrError):
            raise self.content
        try:
            return image_of(self.content, may_be_mapped=True) if may_be_mapped else image_of(self.content)
        except CondetrError as error:
            raise error.at(source=self.name) from error
        except OSError as error:  # the disk failed while reading
            raise ImageError(f"cannot be read: {error.strerror or error}", source=self.name) from error

    @property
    def identity(self) -> str:
        """Equal for the same file, however its path is written."""
        return identity_of(self.name)


def identity_of(name: str) -> str:
    """The identity of a source by its name; names of images in memory are not paths, but differ too."""
    if is_address(name):
        return name
    return os.path.abspath(name)  # noqa: PTH100  a Path would cost minutes


def folder_with(name: str) -> str:
    """The folder of an image file."""
    return os.path.dirname(name) or "."  # noqa: PTH120  a Path would cost minutes


def is_folder(source: str) -> bool:
    return os.path.isdir(source)  # noqa: PTH112  a Path cannot hold every string


def frames_of(source: str | int | Video, *, label: str | None = None) -> Iterator[ImageSource]:
    """Every frame of a video or camera, one at a time; an error stands in the place of what cannot be decoded.

    Args:
        source: a path, the number of a camera, or an open video, which is closed at the end.
        label: the folder for the results of its frames; by default its name.
    """
    try:
        video = source if isinstance(source, Video) else Video(source)
    except CondetrError as error:
        name = error.source or str(source)
        yield ImageSource(name, PurePath(PurePath(name).name), error)
        return
    folder = label or PurePath(video.name).stem
    for frame in video:
        if isinstance(frame, CondetrError):
            yield ImageSource(video.name, PurePath(folder), frame)
        else:
            number = frame.moment.frame
            path = PurePath(folder) / f"{number:06d}.jpg"
            yield ImageSource(f"{video.name}#{number}", path, frame.image, frame.moment)


def is_one(source: object) -> bool:
    """Whether this is a single image, not a collection of images."""
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        if has_page_ending(path) and next(pages_of_file(path), None) is not None:
            return False
        several = is_folder(path) or PurePath(path).suffix.lower() in SUFFIXES or holds_images(path)
        return not (several or _is_pattern(path) or (is_address(path) and not has_image_ending(path)))
    return isinstance(source, _IN_MEMORY)


def images_in(source: object, *, apart_from: Path | None = None, pages: bool = True) -> Iterator[ImageSource]:
    """Every image of ``source``, in order; an error stands in the place of what cannot be read.

    Folders are searched recursively in alphabetical order for files with the extension of an image, without hidden
    ones; archives (tar, zip) in their own order. A list file (.txt, .csv) has one path per line, relative to the list;
    see `image_lists.paths_in`.

    Args:
        source: a path, folder, archive, Parquet file, PDF document, address of fsspec, pattern, list file, video,
            number of a camera, PIL image, RGB array, tensor, `ImageSource`, or any iterable of these.
        apart_from: a folder that is skipped: the one that results are written to.
        pages: whether each page of a TIFF or GIF on disk is an image; else only the first, as in datasets.
    """
    single = (str, os.PathLike, int, ImageSource, Video, *_IN_MEMORY)
    sources = [source] if isinstance(source, single) else source
    if not isinstance(sources, Iterable):
        raise _not_an_image(source)
    for position, item in enumerate(sources):
        if isinstance(item, ImageSource):
            yield item
        elif isinstance(item, _IN_MEMORY):
            yield _in_memory(item, position)
        elif isinstance(item, str | os.PathLike):
            found = _at_path(os.fsdecode(item), apart_from)
            yield from (page for image in found for page in _pages_in(image)) if pages else found
        elif isinstance(item, int | Video) and not isinstance(item, bool):
            yield from frames_of(item)
        elif isinstance(item, Iterable):
            yield from images_in(item, apart_from=apart_from, pages=pages)
        else:
            yield ImageSource(str(item), PurePath(PurePath(str(item)).name), _not_an_image(item, source=str(item)))


def _not_an_image(value: object, source: str | None = None) -> UsageError:
    reason = f"a {type(value).__name__} is not an image; expected a path, a PIL image, an array or a tensor"
    return UsageError(reason, source=source)


def _in_memory(content: Any, position: int) -> ImageSource:
    name = str(getattr(content, "filename", "") or f"image {position}")
    if isinstance(content, Readable):  # read now: it can be read once, and its owner may close it
        stream_name = name_of(content)
        name = name if stream_name == "stream" else stream_name
        try:
            content = content_of(content)
        except CondetrError as error:
            content = error
    return ImageSource(name, PurePath(PurePath(name).name), content)


def _at_path(path: str, apart_from: Path | None) -> Iterator[ImageSource]:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  a Path cannot hold every string
    except (OSError, ValueError) as error:
        yield from _not_a_file(path, getattr(error, "strerror", None) or str(error))
        return
    if stat.S_ISDIR(mode):
        yield from _or_error(path, _in_folder(path, apart_from), "contains no images")
    elif has_video_name(path):
        yield from frames_of(path)
    elif not stat.S_ISREG(mode):
        yield _unusable(path, "is a pipe, socket or device, not an image file")
    elif has_archive_name(path):
        yield from _or_error(path, _found(path, images_in_archive), "contains no images")
    elif is_pdf(path):
        yield from _pages(path)
    elif is_parquet(path):
        yield from _or_error(path, _found(path, images_in_table), "has no rows")
    elif PurePath(path).suffix.lower() in SUFFIXES:
        yield from _or_error(path, _listed(Path(path)), "lists no images")
    else:
        yield ImageSource(path, PurePath(PurePath(path).name), path)


def _not_a_file(path: str, reason: str) -> Iterator[ImageSource]:
    if is_address(path):
        yield from _or_error(path, _found(path, images_at), "contains no images")
    elif "://" in path:
        yield _unusable(path, "is a URL; images and videos are read from disk", "download it first")
    elif is_camera(path):
        yield from frames_of(int(path))
    elif _is_pattern(path):
        paths = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  a Path cannot hold every pattern
        yield from _or_error(path, _matching(with_image_names(path, paths)), "matches no images")
    else:
        yield _unusable(path, f"cannot be read: {reason}", "check the path")


def _in_folder(folder: str, apart_from: Path | None) -> Iterator[ImageSource]:
    for path in images_under(folder, apart_from=apart_from):
        if isinstance(path, CondetrError):
            yield ImageSource(path.source or folder, PurePath(), path)
        else:
            yield ImageSource(path, PurePath(os.path.relpath(path, folder)), path)


def _found(path: str, images_of: Callable[[str], Iterable[tuple[str, PurePath, Any]]]) -> Iterator[ImageSource]:
    """What a reader finds there, or why it cannot read it."""
    try:
        for name, relative_path, content in images_of(path):
            yield ImageSource(name, relative_path, content)
    except (UsageError, MissingExtraError) as error:
        yield ImageSource(path, PurePath(PurePath(path).name), error)


def _pages(path: str) -> Iterator[ImageSource]:
    folder = PurePath(PurePath(path).name)
    try:
        for number, page in enumerate(pages_of(path), start=1):
            yield ImageSource(page.name, folder / _page_file(number), page)
    except (UsageError, MissingExtraError) as error:
        yield ImageSource(path, folder, error)


def _pages_in(image: ImageSource) -> Iterator[ImageSource]:
    """The pages of an image file that has several; else the image itself."""
    path, several = image.content, False
    for page in pages_of_file(path) if isinstance(path, str) and has_page_ending(path) else ():
        several = True
        if isinstance(page, CondetrError):
            yield ImageSource(image.name, image.relative_path, page)
        else:
            yield ImageSource(page.name, image.relative_path / _page_file(page.number), page)
    if not several:
        yield image


def _page_file(number: int) -> str:
    return f"page-{number:04d}.png"


def _matching(paths: Iterable[str]) -> Iterator[ImageSource]:
    for path in paths:
        if holds_images(path):
            yield from _at_path(path, None)
        else:
            yield ImageSource(path, PurePath(PurePath(path).name), path)


def _listed(file: Path) -> Iterator[ImageSource]:
    try:
        for path, relative_path in paths_in(file):
            yield ImageSource(path, relative_path, path)
    except DataError as error:
        yield ImageSource(str(file), PurePath(file.name), error)
    except OSError as error:
        yield _unusable(str(file), f"cannot be read as a list of images: {error.strerror or error}")


def _or_error(path: str, images: Iterator[ImageSource], reason: str) -> Iterator[ImageSource]:
    empty = True
    for image in images:
        empty = False
        yield image
    if empty:
        yield _unusable(path, reason)


def _unusable(name: str, reason: str, hint: str | None = None) -> ImageSource:
    return ImageSource(name, PurePath(PurePath(name).name), UsageError(reason, source=name, hint=hint))


def _is_pattern(path: str) -> bool:
    return glob.has_magic(path) and not os.path.lexists(path)
