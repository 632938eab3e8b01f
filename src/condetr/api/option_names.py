"""Option names of other libraries are rejected, with the name in condetr as a hint."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_THEIRS = {
    "threshold": "conf confidence conf_thres conf_threshold score_threshold score_thr thresh",
    "top_k": "max_det max_detections",
    "batch": "batch_size bs per_device_train_batch_size per_device_eval_batch_size",
    "image_size": "imgsz img_size input_size",
    "max_size": "longest_edge",
    "classes": "class_names labels",
    "data": "dataset dataset_dir data_dir data_path coco_path",
    "model": "checkpoint ckpt model_path model_name_or_path pretrained_model_name_or_path",
    "output": "save_dir output_dir out_dir work_dir project",
    "lr": "learning_rate lr0 base_lr",
    "epochs": "num_epochs num_train_epochs max_epochs",
    "steps": "max_steps total_steps max_iters",
    "accumulate": "gradient_accumulation_steps accumulate_grad_batches",
    "clip": "clip_max_norm max_grad_norm gradient_clip_val",
    "warmup": "warmup_steps",
    "schedule": "lr_scheduler lr_scheduler_type lr_schedule",
    "workers": "num_workers dataloader_num_workers",
    "resume": "resume_from_checkpoint",
    "precision": "amp half",
    "seed": "random_seed",
    "network.num_queries": "num_queries",
    "network.d_model": "d_model hidden_dim",
}
OUR_WORDS = {theirs: ours for ours, words in _THEIRS.items() for theirs in words.split()}


def reject_foreign_option_names(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """A decorator: option names of other libraries raise a TypeError that names condetr's."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        for foreign in kwargs.keys() & OUR_WORDS.keys() - known.keys():
            raise TypeError(f"{function.__name__}() has no option {foreign}=; condetr calls it {OUR_WORDS[foreign]}")
        return function(*args, **kwargs)

    return call
