"""The options of ``condetr predict``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from condetr.cli.settings.model_settings import (
    Backend,
    Batch,
    Compile,
    DetectionSettings,
    Precision,
    Task,
    Tile,
    tile_of,
)
from condetr.cli.settings.shared import check_at_least
from condetr.core.errors import SettingsError
from condetr.core.names import ResultFormat
from condetr.prediction.options import PredictionOptions

_FORMATS = (
    "what to write: images, crops, video, json, jsonl, coco, coco-panoptic, yolo, csv, parquet; "
    "default: images,jsonl, or video,jsonl for videos"
)

Format: TypeAlias = Literal[ResultFormat, "video"]
Engine: TypeAlias = Literal["local", "ray"]
DEFAULT_FORMATS: tuple[ResultFormat, ...] = ("images", "jsonl")
DEFAULT_OF_VIDEOS: tuple[Format, ...] = ("video", "jsonl")


@dataclass(frozen=True, kw_only=True)
class PredictSettings(DetectionSettings):
    PANELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": ("model", "revision", "task", "image_size", "backend", "precision", "compile"),
        "Detections": ("threshold", "classes", "top_k", "mask_threshold", "tile", "track"),
        "Output": ("save", "output", "scores", "overwrite", "resume"),
        "Images and speed": ("batch", "decode_workers", "max_pixels"),
        "Several processes": ("shard", "merge", "engine", "address", "actors", "gpus_per_actor"),
    }
    model: Annotated[
        str | None,
        "hub id, weights file, or folder of a model, run or export; optional only for images of condetr data demo",
    ] = None
    task: Task = None
    backend: Backend = None
    precision: Precision = "fp32"
    compile: Compile = False
    mask_threshold: Annotated[float, "probability from which a pixel belongs to a mask"] = 0.5
    batch: Batch = 1
    track: Annotated[bool, "track objects in videos: each keeps its number from frame to frame"] = False
    save: Annotated[tuple[Format, ...] | None, _FORMATS] = None
    output: Annotated[
        Path | None, "folder for the results; default: runs/predict, or none with --json and no --save"
    ] = None
    scores: Annotated[bool, "write scores as a sixth column of yolo files"] = False
    tile: Tile = None
    decode_workers: Annotated[
        int | None,
        "threads that decode images; default: up to 8 beside a GPU, else 1, or those that predict small images",
    ] = None
    max_pixels: Annotated[
        int | None, "refuse images with more pixels; default: CONDETR_PIXEL_LIMIT, or 100,000,000"
    ] = None
    overwrite: Annotated[bool, "replace the results of an earlier run in the output folder"] = False
    resume: Annotated[bool, "resume an earlier run in the output folder"] = False
    shard: Annotated[
        str | None,
        "predict only this part of the images: 2/8, or auto for the numbers that torchrun or a Slurm array sets",
    ] = None
    merge: Annotated[Path | None, "merge the results of all shards in this output folder; without SOURCE"] = None
    engine: Annotated[Engine, "where to predict: in this process, or in those of a Ray cluster"] = "local"
    address: Annotated[
        str | None,
        "of a Ray cluster, or auto for the one of this machine; default: RAY_ADDRESS, or Ray on this machine",
    ] = None
    actors: Annotated[
        int | None, "processes of Ray that hold the model; default: one for each GPU, else for each node"
    ] = None
    gpus_per_actor: Annotated[
        float | None, "number of GPUs of each actor, such as 0.5; default: 1 where there are GPUs"
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(batch=self.batch, mask_threshold=self.mask_threshold)  # raises
        tile_of(self.tile)
        limits = {"decode_workers": self.decode_workers, "max_pixels": self.max_pixels, "actors": self.actors}
        check_at_least(1, **{name: limit for name, limit in limits.items() if limit is not None})
        if self.scores and "yolo" not in (self.save or ()):
            raise SettingsError("is a column of yolo", item="scores", hint="--save yolo --scores")
        if self.overwrite and self.resume:
            raise SettingsError("cannot be combined with resume", item="overwrite")
        if self.resume and self.output is None:
            raise SettingsError("needs the folder of the run to resume", item="resume", hint="give --output")
        if self.shard is not None and self.output is None:
            raise SettingsError("needs the folder that all shards share", item="shard", hint="give --output")
        self._check_engine()

    def _check_engine(self) -> None:
        if self.gpus_per_actor is not None and self.gpus_per_actor < 0:
            raise SettingsError(f"is {self.gpus_per_actor}, expected at least 0", item="gpus_per_actor")
        if self.engine == "ray" and self.decode_workers is not None:
            raise SettingsError("is of --engine local; Ray decodes on all free processors", item="decode_workers")
        for name in ("address", "actors", "gpus_per_actor"):
            if self.engine != "ray" and getattr(self, name) is not None:
                raise SettingsError("is of a Ray cluster", item=name, hint="--engine ray")
