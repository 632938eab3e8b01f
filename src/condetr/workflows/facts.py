"""What the default settings of a training are chosen from."""

import os

from condetr.core.device import device_of
from condetr.core.launcher import local_process_count
from condetr.data.checks.statistics import statistics_of
from condetr.data.records import Dataset
from condetr.model.config import TimmDescription
from condetr.training.diagnosis import is_untrained
from condetr.training.initial_model import InitialModel
from condetr.training.settings import TrainingSettings
from condetr.workflows.defaults import Facts

_TENTH, _MEDIAN, _LARGEST = 1, 2, 4  # of the percentiles 0, 10, 50, 90, 100


def facts_of(initial: InitialModel, dataset: Dataset, settings: TrainingSettings, device: str) -> Facts:
    """``settings`` as far as they are named."""
    measured, config = statistics_of(dataset), initial.detector.config
    return Facts(
        images=len(dataset),
        median_size=(round(measured.picture_heights[_MEDIAN]), round(measured.picture_widths[_MEDIAN])),
        small_object=measured.box_sides[_TENTH] if measured.box_sides else None,
        most_objects=int(measured.per_picture[_LARGEST]),
        class_names=dataset.classes.names,
        width=config.d_model,
        queries=config.num_queries,
        is_random=is_untrained(initial.detector),
        device=device_of(device).type,
        cores=max(1, _cores() // local_process_count()),
        task=settings.task,
        overfits=settings.overfit > 0,
        knows_classes=initial.is_trained,
        has_new_mask_head=initial.has_new_mask_head,
        has_timm_backbone=isinstance(config.backbone, TimmDescription),
    )


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
