"""Options by the names of other libraries, refused by telling ours."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_OUR_WORDS = {
    "conf": "threshold",
    "confidence": "threshold",
    "score_threshold": "threshold",
    "max_det": "top_k",
    "batch_size": "batch",
    "imgsz": "image_size",
    "img_size": "image_size",
    "class_names": "classes",
    "labels": "classes",
    "dataset_dir": "data",
    "data_dir": "data",
    "save_dir": "output",
    "output_dir": "output",
    "project": "output",
    "learning_rate": "lr",
    "lr0": "lr",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch",
    "gradient_accumulation_steps": "accumulate",
    "warmup_steps": "warmup",
    "num_workers": "workers",
    "resume_from_checkpoint": "resume",
    "amp": "precision",
}


def in_our_words(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Refuse the option names of other libraries by telling ours."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        for foreign in kwargs.keys() & _OUR_WORDS.keys() - known.keys():
            raise TypeError(f"{function.__name__}() has no option {foreign}=; condetr calls it {_OUR_WORDS[foreign]}")
        return function(*args, **kwargs)

    return call
