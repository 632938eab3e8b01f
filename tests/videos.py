"""Small videos, made where they are needed: every frame has a brightness of its own."""

from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")


def image(number, size=(48, 64)):
    """Gray, brighter from frame to frame, with a white corner at the upper left."""
    pixels = np.full((*size, 3), 20 + 8 * number % 200, dtype=np.uint8)
    pixels[: size[0] // 3, : size[1] // 3] = 255
    return pixels


def brightness(image):
    """Of the lower right, where `image` has no corner."""
    return int(np.asarray(image)[-8:, -8:].mean())


def make_video(path, frames=12, *, size=(48, 64), rate=10, codec="libx264", times=None, rotation=None, faststart=False):
    """``times``: when each frame is shown, in tenths of a second; evenly unless given."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 4
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(image(number, size), "rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_noisy_video(path, frames=30, **options):
    """One that takes up enough bytes to be cut in the middle."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt, stream.gop_size = 48, 64, "yuv420p", 4
        for _ in range(frames):
            pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    return path


def make_sound(path, codec="aac"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path, share):
    """Leave only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
