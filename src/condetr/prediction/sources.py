"""What people point at, as a stream of named images: files, folders, patterns, lists, images in memory."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, get_args

import numpy as np
from PIL import Image
from torch import Tensor

from condetr.core.errors import CondetrError, DataError, ImageError, UsageError
from condetr.images.decoding.sources import Encoded, Readable, content_of, name_of
from condetr.images.detection import Moment
from condetr.images.image_inputs import ImageInput, image_of
from condetr.images.resize import UprightImage
from condetr.prediction.image_files import images_under, is_called_archive, is_called_video, with_image_names
from condetr.prediction.image_lists import SUFFIXES, paths_in
from condetr.video.reading import Video

_DIGITS = 6
_IN_MEMORY = (Image.Image, np.ndarray, Tensor, Readable, *get_args(Encoded))


@dataclass(frozen=True, slots=True, eq=False)
class ImageSource:
    """One image that was pointed at.

    Attributes:
        name: what results and messages call it: its path, or its place among the images in memory.
        place: where it lies below what was pointed at; results are filed under it.
        content: what to decode, or why there is nothing.
        moment: which frame of a video it is.
    """

    name: str
    place: PurePath
    content: ImageInput | CondetrError
    moment: Moment | None = None

    def image(self) -> UprightImage:
        """The upright RGB image.

        Raises:
            CondetrError: it is no usable image; named.
        """
        if isinstance(self.content, CondetrError):
            raise self.content
        try:
            return image_of(self.content)
        except CondetrError as error:
            raise error.at(source=self.name) from error
        except OSError as error:  # the disk failed in the middle of the file
            raise ImageError(f"cannot be read: {error.strerror or error}", source=self.name) from error

    @property
    def identity(self) -> str:
        """Equal for one file, however its path is written."""
        return identity_of(self.name)


def identity_of(name: str) -> str:
    """Of a source by its name; names of images in memory are no paths, and differ all the same."""
    return os.path.abspath(name)  # noqa: PTH100  a Path would cost minutes


def is_video(given: object) -> bool:
    """Whether it is called like a video, or is the number of a camera."""
    if isinstance(given, str | os.PathLike):
        path = os.fsdecode(given)
        if os.path.isfile(path):  # noqa: PTH113  a Path cannot hold every string
            return is_called_video(path)
        return is_camera(path) and not os.path.lexists(path)
    return isinstance(given, int | Video) and not isinstance(given, bool)


def is_camera(name: str) -> bool:
    """Whether it is the number of one; no computer has as many as numbers that Python refuses to read."""
    return name.isdecimal() and len(name) <= _DIGITS


def refuse_videos(given: object) -> None:
    """Where all results are to be held at once.

    Raises:
        UsageError: one of the images is a video or a camera.
    """
    for one in given if isinstance(given, list | tuple) else [given]:
        if is_video(one):
            name = one.name if isinstance(one, Video) else one
            hint = "stream() gives one result after the other"
            raise UsageError("is a video or camera; its results may be too many to hold", source=name, hint=hint)


def frames_of(given: str | int | Video, *, label: str | None = None) -> Iterator[ImageSource]:
    """Every frame of a video or camera, one at a time; what cannot be opened or decoded is in the stream as its error.

    Args:
        given: a path, the number of a camera, or a video that is open; it is closed at the end.
        label: what the results of its frames are filed under; its name, unless given.
    """
    try:
        video = given if isinstance(given, Video) else Video(given)
    except CondetrError as error:
        name = error.source or str(given)
        yield ImageSource(name, PurePath(PurePath(name).name), error)
        return
    folder = label or PurePath(video.name).stem
    for one in video:
        if isinstance(one, CondetrError):
            yield ImageSource(video.name, PurePath(folder), one)
        else:
            name = f"{video.name}#{one.moment.frame}"
            yield ImageSource(name, PurePath(folder) / f"{one.moment.frame:06d}.jpg", one.image, one.moment)


def is_one(given: object) -> bool:
    """Whether this is a single image, not something that holds images."""
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        is_folder = os.path.isdir(path)  # noqa: PTH112  a Path cannot hold every string
        return not (is_folder or PurePath(path).suffix.lower() in SUFFIXES or _is_pattern(path))
    return isinstance(given, _IN_MEMORY)


def images_in(given: object, *, apart_from: Path | None = None) -> Iterator[ImageSource]:
    """Every image of ``given``, in order; what cannot be read is in the stream as its error.

    Folders are walked to the bottom in alphabetical order, by the names of image files; hidden files are left
    out. A list file (.txt, .csv) has one path in a line, relative to the list; see `lists.paths_in`.

    Args:
        given: a path, folder, pattern, list file, video, number of a camera, PIL image, RGB array, tensor, any
            iterable of those, or of what this function gave.
        apart_from: a folder that is not walked into: the one that results are written to.
    """
    alone = (str, os.PathLike, int, ImageSource, Video, *_IN_MEMORY)
    everything = [given] if isinstance(given, alone) else given
    if not isinstance(everything, Iterable):
        raise UsageError(f"a {type(given).__name__} is no image; expected a path, a PIL image, an array or a tensor")
    for position, one in enumerate(everything):
        if isinstance(one, ImageSource):
            yield one
        elif isinstance(one, _IN_MEMORY):
            yield _in_memory(one, position)
        elif isinstance(one, str | os.PathLike):
            yield from _pointed_at(os.fsdecode(one), apart_from)
        elif isinstance(one, int | Video) and not isinstance(one, bool):
            yield from frames_of(one)
        elif isinstance(one, Iterable):
            yield from images_in(one, apart_from=apart_from)
        else:
            yield _nothing(str(one), f"a {type(one).__name__} is no image")


def _in_memory(content: Any, position: int) -> ImageSource:
    name = str(getattr(content, "filename", "") or f"image {position}")
    if isinstance(content, Readable):  # now, since it can be read once, and whoever gave it may close it
        called = name_of(content)
        name = name if called == "stream" else called
        try:
            content = content_of(content)
        except CondetrError as error:
            content = error
    return ImageSource(name, PurePath(PurePath(name).name), content)


def _pointed_at(path: str, apart_from: Path | None) -> Iterator[ImageSource]:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  a Path cannot hold every string
    except (OSError, ValueError) as error:
        yield from _not_a_file(path, getattr(error, "strerror", None) or str(error))
        return
    if stat.S_ISDIR(mode):
        yield from _or_none(path, _in_folder(path, apart_from), "has no images in it")
    elif is_called_archive(path):
        yield _nothing(path, "is an archive, not an image", "unpack it and give the folder")
    elif is_called_video(path):
        yield from frames_of(path)
    elif not stat.S_ISREG(mode):
        yield _nothing(path, "is a pipe, socket or device, not an image file")
    elif PurePath(path).suffix.lower() in SUFFIXES:
        yield from _or_none(path, _listed(Path(path)), "lists no images")
    else:
        yield ImageSource(path, PurePath(PurePath(path).name), path)


def _not_a_file(path: str, reason: str) -> Iterator[ImageSource]:
    if "://" in path:
        yield _nothing(path, "is a URL; images and videos are read from disk", "download it first")
    elif is_camera(path):
        yield from frames_of(int(path))
    elif _is_pattern(path):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  a Path cannot hold every pattern
        matches = (ImageSource(match, PurePath(PurePath(match).name), match) for match in with_image_names(path, found))
        yield from _or_none(path, matches, "matches no images")
    else:
        yield _nothing(path, f"cannot be read: {reason}", "check the path")


def _in_folder(folder: str, apart_from: Path | None) -> Iterator[ImageSource]:
    for found in images_under(folder, apart_from=apart_from):
        if isinstance(found, CondetrError):
            yield ImageSource(found.source or folder, PurePath(), found)
        else:
            yield ImageSource(found, PurePath(os.path.relpath(found, folder)), found)


def _listed(file: Path) -> Iterator[ImageSource]:
    try:
        for path, place in paths_in(file):
            yield ImageSource(path, place, path)
    except DataError as error:
        yield ImageSource(str(file), PurePath(file.name), error)
    except OSError as error:
        yield _nothing(str(file), f"cannot be read as a list of images: {error.strerror or error}")


def _or_none(path: str, found: Iterator[ImageSource], reason: str) -> Iterator[ImageSource]:
    empty = True
    for image in found:
        empty = False
        yield image
    if empty:
        yield _nothing(path, reason)


def _nothing(name: str, reason: str, hint: str | None = None) -> ImageSource:
    return ImageSource(name, PurePath(PurePath(name).name), UsageError(reason, source=name, hint=hint))


def _is_pattern(path: str) -> bool:
    return glob.has_magic(path) and not os.path.lexists(path)
