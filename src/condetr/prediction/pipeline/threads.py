"""How many threads decode and predict.

Small images are predicted on a CPU several at once, each in a thread of its own: their operations are too short to be
shared among threads, which would wait for each other most of the time.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from condetr.core.names import Task
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly, Within
from condetr.speed.fast_detector import FastDetector

MOST_PIXELS = 512 * 512  # of an input of the network; the memory of larger ones would count several times
MOST_THREADS = 8


def decode_threads_for(device: torch.device) -> int:
    """Threads that decode images: one beside a network on the CPU, which needs its cores itself; else up to 8."""
    return 1 if device.type == "cpu" else max(1, min(MOST_THREADS, (os.cpu_count() or 1) // 2))


def network_threads_for(network: nn.Module, device: torch.device, task: Task, preprocessing: Preprocessing) -> int:
    """How many images to predict at once; 1: each with all threads of torch.

    Masks are left out, since those of several images take much memory, and compiled networks, whose code is not made
    for several threads.
    """
    is_plain = isinstance(network, FastDetector) and network.wrap_trace is None
    largest = largest_input(preprocessing)
    if device.type != "cpu" or task != "detect" or not is_plain or largest is None or largest > MOST_PIXELS:
        return 1
    return min(torch.get_num_threads(), MOST_THREADS)


def largest_input(preprocessing: Preprocessing) -> int | None:
    """The most pixels that the network gets of an image; None where there is no limit."""
    if preprocessing.do_pad and preprocessing.pad_size is not None:
        return preprocessing.pad_size.height * preprocessing.pad_size.width
    if not preprocessing.do_resize:
        return None
    match preprocessing.size:
        case Edges(shortest, longest):
            return None if longest is None else longest * (longest if shortest is None else min(shortest, longest))
        case Exactly(height, width) | Within(height, width):
            return height * width


@contextmanager
def divided_threads(parts: int) -> Iterator[Callable[[], None]]:
    """Divide the threads of torch among so many threads of Python, each of which calls what is yielded first."""
    threads = torch.get_num_threads()
    try:
        yield partial(torch.set_num_threads, max(1, threads // parts))
    finally:
        torch.set_num_threads(threads)  # some libraries have one number for all threads of Python
