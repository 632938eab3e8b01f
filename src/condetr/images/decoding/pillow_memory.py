"""The pixels of a PIL image as a tensor, read in place where possible.

PIL keeps RGB as four bytes per pixel, in blocks of at most 16 MiB. Packing a large image into a numpy array
takes longer than resizing it, so an image of one block is read in place, through Pillow's Arrow C data
interface (its layout is fixed: https://arrow.apache.org/docs/format/CDataInterface.html). Where that is not
possible, the pixels are copied.
"""

import ctypes

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor


class _ArrowArray(ctypes.Structure):
    pass


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.POINTER(_ArrowArray)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


def pixels_of(image: Image.Image) -> UInt8[Tensor, "height width bytes"]:
    """The pixels of an RGB image: red, green, blue, and possibly an unused fourth byte.

    Treat them as read-only: they may be the image's own memory.
    """
    in_place = pixels_in_place(image)
    return torch.from_numpy(np.array(image)) if in_place is None else in_place


def pixels_in_place(image: Image.Image) -> UInt8[Tensor, "height width 4"] | None:
    """The image's own memory; None where it is not in one block, or this Pillow or Python does not expose it."""
    try:
        _, capsule = image.__arrow_c_array__()
        pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    except (AttributeError, ValueError):
        return None
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    array = ctypes.cast(pointer_of(capsule, b"arrow_array"), ctypes.POINTER(_ArrowArray)).contents
    if array.n_children != 1:
        return None
    values, size = array.children[0].contents, image.width * image.height * 4
    address = values.buffers[1] if values.n_buffers == 2 else None
    if address is None or values.length != size or array.offset or values.offset:
        return None
    memory = (ctypes.c_uint8 * size).from_address(address)
    memory.owner = capsule  # type: ignore[attr-defined]  # an attribute of ours: keeps the image's memory alive
    return torch.frombuffer(memory, dtype=torch.uint8).view(image.height, image.width, 4)
