"""The columns of a dataset: one flat array for each field of its images and objects."""

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Int16, Int32, Int64, UInt8

Bytes: TypeAlias = UInt8[np.ndarray, "_"]  # values one behind the other; where each ends is in another column

NUMBER, TEXT, NO_ID = 0, 1, 2  # what an id is: the number itself, a position in the texts, or nothing
KINDS = ("objects", "crowds", "lost", "lost_crowds")  # of objects, as the fields of an `Example` are called


@dataclass(frozen=True, slots=True, eq=False)
class ExampleArrays:
    """All fields of all images, in their order, and of all objects, image after image.

    Attributes:
        paths: of the image files, as bytes of the file system.
        path_ends: where each begins and ends: a zero, then the ends.
        segments: of the PNGs that assign pixels to objects; empty for an image without.
        segment_ends: likewise.
        parts: of the images that are parts of a file, see `data.stored_images.ImagePart`; zeros for others.
        sizes: height and width of the upright images.
        image_ids: the ids, or positions in the texts.
        image_id_kinds: `NUMBER` or `TEXT`.
        object_ends: where the objects of each image begin and end, of each of the `KINDS` in turn.
        boxes: x1, y1, x2, y2 in pixels.
        labels: contiguous classes.
        areas: in pixels.
        ids: of the objects, or positions in the texts.
        id_kinds: `NUMBER`, `TEXT` or `NO_ID`.
        orders: positions among the annotations of the source.
        marks: positions in ``mark_sets``.
        annotated: x, y, width, height, area as the source states them, of the objects that have these.
        annotated_rows: the row of each object there; -1 for none.
        outlines: the segmentation of each object, see `condetr.data.columns.outlines`.
        outline_ends: likewise.
        texts: ids that are text, in UTF-8.
        text_ends: likewise.
        mark_sets: all combinations of marks that occur.
    """

    paths: Bytes
    path_ends: Int64[np.ndarray, "images_and_one"]
    segments: Bytes
    segment_ends: Int64[np.ndarray, "images_and_one"]
    parts: Int64[np.ndarray, "images 3"]
    sizes: Int32[np.ndarray, "images 2"]
    image_ids: Int64[np.ndarray, "images"]
    image_id_kinds: UInt8[np.ndarray, "images"]
    object_ends: Int64[np.ndarray, "_"]
    boxes: Float64[np.ndarray, "objects 4"]
    labels: Int32[np.ndarray, "objects"]
    areas: Float64[np.ndarray, "objects"]
    ids: Int64[np.ndarray, "objects"]
    id_kinds: UInt8[np.ndarray, "objects"]
    orders: Int64[np.ndarray, "objects"]
    marks: Int16[np.ndarray, "objects"]
    annotated: Float64[np.ndarray, "_ 5"]
    annotated_rows: Int32[np.ndarray, "objects"]
    outlines: Bytes
    outline_ends: Int64[np.ndarray, "objects_and_one"]
    texts: Bytes
    text_ends: Int64[np.ndarray, "_"]
    mark_sets: tuple[tuple[str, ...], ...]


ARRAYS = tuple(spec.name for spec in fields(ExampleArrays) if spec.name != "mark_sets")
