"""Export a model to a folder with its graph; the graph is compared with the model before the folder is renamed."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condetr.checkpoints.config.config_json import SplitConfig, join_config
from condetr.checkpoints.loading import Checkpoint
from condetr.core.errors import UsageError
from condetr.core.names import Task
from condetr.data.discovery.formats import layout_of, read_dataset
from condetr.evaluation.evaluate import evaluate_detector, held_out
from condetr.export.accuracy import ApLost, FoundAgain, found_again
from condetr.export.agreement import agreement_of, batches_of
from condetr.export.build import GraphKind, build
from condetr.export.graph_formats import WITHOUT_MASKS, check_combination, libraries_of
from condetr.export.int8.target import target_here, warn_of_overflow
from condetr.export.running import ExportedNetwork, ExportedSegmenter, open_network
from condetr.export.sample_images import SampleImages, sample_images
from condetr.export.stored import LAYOUT, RECORD, as_json
from condetr.export.tensorrt_engine import gpu_name
from condetr.export.triton import write_repository
from condetr.files.new_folder import next_free, whole_folder
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Exactly, HeightWidth, Within
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.prediction.input.labeled_images import labeled_images
from condetr.prediction.predictor import Predictor
from condetr.workflows.export_options import GraphOptions

_DEFAULT_OUTPUT = Path("runs/export")
_COMPARED = 5  # images
_HELD_OUT = 20  # images that int8 is not calibrated on, where there are no labels


@dataclass(frozen=True, slots=True)
class Exported:
    """A folder that `condetr.load` reads, and the content of its export.json."""

    folder: Path
    record: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ExportOptions(GraphOptions):
    """How a model is exported.

    Attributes:
        image_size: (height, width) where not dynamic; that of a 480x640 image after preprocessing unless given.
        post_processing: detections per image that the graph itself gives besides logits and boxes; None for none.
        tolerance: 1e-4 for fp32 and 0.02, of scores and boxes, for fp16, unless given.
        pictures: images to compare on, and to calibrate int8 with.
        data: labeled images: int8 is calibrated on train, unless ``pictures`` are given, and its AP measured.
        split: of ``data`` to measure on.
    """

    image_size: HeightWidth | None = None
    pictures: object = None
    data: str | Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dynamic and self.image_size is not None:
            raise UsageError("is for a graph of one size", item="image_size", hint="give dynamic=False, too")
        if self.precision == "int8" and self.pictures is None and self.data is None:
            hint = "give images like those it will see, or data with a train split"
            raise UsageError("int8 is calibrated on images", item="pictures", hint=hint)


def options_of(options: Mapping[str, Any]) -> ExportOptions:
    """The options by name.

    Raises:
        TypeError: there is no such option.
    """
    known = [spec.name for spec in fields(ExportOptions)]
    for name in options:
        if name not in known:
            raise TypeError(f"export() has no option {name}=; it has {', '.join(known)}")
    return ExportOptions(**options)


def export(
    checkpoint: Checkpoint,
    preprocessing: Preprocessing,
    form: Any,
    options: ExportOptions,
    *,
    output: str | Path | None = None,
) -> Exported:
    """Export, compare, and write.

    Raises:
        GateError: the outputs of graph and model differ; nothing is written.
        UsageError: an option is out of its range, or the output is not new.
        MissingExtraError: a library of the extra is not installed.
        ModelError: the network cannot be exported.
        StorageError: the folder cannot be written.
    """
    check_combination(form, options.precision, dynamic=options.dynamic)
    libraries_of(form, options.precision)
    if options.triton and form != "onnx":
        raise UsageError(f"is for onnx, not for {form}", item="triton", hint="--format onnx")
    if form == "tensorrt":
        gpu_name()
    network = _on_cpu(checkpoint.detector, masks=options.masks)
    if isinstance(network, ConditionalDetrSegmenter) and form in WITHOUT_MASKS:
        raise UsageError(f"there is no graph of masks for {form}", item="masks", hint="--no-masks")
    config = checkpoint.config
    fixed = None
    if not options.dynamic:
        fixed = options.image_size or preprocessing.fit((480, 640))
        preprocessing = replace(
            preprocessing, do_resize=True, size=Within(*fixed), do_pad=True, pad_size=Exactly(*fixed)
        )
    target = target_here(options.target)
    kind = GraphKind(
        form=form,
        precision=options.precision,
        fixed=fixed,
        best=options.post_processing,
        target=target,
        max_batch=options.max_batch,
    )
    warn_of_overflow(target)
    calibration, compared = _images(options)
    with whole_folder(next_free(_DEFAULT_OUTPUT) if output is None else output) as written:
        folder = written.path_of("")
        record = build(
            network,
            kind,
            folder,
            colors=config.backbone.in_channels,
            preprocessing=preprocessing,
            calibration=calibration.images,
        )
        masks = isinstance(network, ConditionalDetrSegmenter)
        in_boxes = config.masks_in_boxes
        graph = open_network(form, folder, torch.get_num_threads(), masks=masks, fixed=fixed, masks_in_boxes=in_boxes)
        model = _Model(network, graph, preprocessing, checkpoint.labels)
        record |= _compared(model, compared, options) if options.verify else {"verification": None, "accuracy": None}
        where = checkpoint.provenance
        record |= {"layout": LAYOUT, "condetr": version("condetr")}
        record |= {"model": {"path": str(where.path), "revision": where.revision}}
        settings = SplitConfig(config, checkpoint.labels, checkpoint.source_ids, checkpoint.flat)
        (folder / "config.json").write_text(as_json(join_config(settings)), encoding="utf-8")
        (folder / "preprocessor_config.json").write_text(as_json(preprocessing.to_dict()), encoding="utf-8")
        (folder / RECORD).write_text(as_json(record), encoding="utf-8")
        if options.triton:
            write_repository(folder, record, where.path.name)
    return Exported(written.path, record)


@dataclass(frozen=True, slots=True)
class _Model:
    """The network and the graph, to be compared."""

    network: nn.Module
    graph: ExportedNetwork
    preprocessing: Preprocessing
    labels: dict[int, str]

    def found_by(self, network: nn.Module, images: SampleImages) -> list[Detections]:
        predictor = Predictor(network, self.preprocessing, self.labels, device="cpu")
        return [detections for detections in predictor.predict(images.images) if isinstance(detections, Detections)]


def _compared(model: _Model, images: SampleImages, options: ExportOptions) -> dict[str, Any]:
    """The part of export.json about the outputs of the graph, all within bounds."""
    if options.precision != "int8":
        batches = batches_of(images.images, model.preprocessing, fixed=not options.dynamic)
        found = agreement_of(
            model.network, model.graph, batches, precision=options.precision, tolerance=options.tolerance
        )
        found.require()
        return {"verification": found.to_dict() | {"pictures": images.names}, "accuracy": None}
    lost: ApLost | FoundAgain
    if options.data is not None:
        lost = _ap_lost(model, options)
    else:
        lost = found_again(model.found_by(model.network, images), model.found_by(model.graph, images))
    lost.require()
    kind = "ap" if options.data is not None else "found_again"
    return {"verification": None, "accuracy": {kind: lost.to_dict()}}


def _ap_lost(model: _Model, options: ExportOptions) -> ApLost:
    assert options.data is not None, "only with labeled images"
    task: Task = "instance" if isinstance(model.graph, ExportedSegmenter) else "detect"
    dataset = held_out(options.data, options.split, task=task)
    ours, theirs = (
        evaluate_detector(network, dataset, model.preprocessing, model.labels, device="cpu", metrics=(), task=task)
        for network in (model.network, model.graph)
    )
    lost = ApLost(len(dataset), ours.ap, theirs.ap)
    if ours.masks is None or theirs.masks is None:
        return lost
    return replace(lost, masks=ApLost(len(dataset), ours.masks.ap, theirs.masks.ap))


def _images(options: ExportOptions) -> tuple[SampleImages, SampleImages]:
    """Those to calibrate int8 with, and others to compare on."""
    if options.precision != "int8":
        return SampleImages([], []), sample_images(options.pictures, _COMPARED)
    if options.data is None:
        found = sample_images(options.pictures, options.calibrate + _HELD_OUT)
        apart = min(_HELD_OUT, max(1, len(found.names) // 5))
        if len(found.names) < 2:
            raise UsageError("has one image; int8 is calibrated on some and compared on others", item="pictures")
        return _part(found, slice(None, -apart)), _part(found, slice(-apart, None))
    if options.pictures is not None:
        return sample_images(options.pictures, options.calibrate), SampleImages([], [])
    if "train" not in layout_of(options.data).names:
        reason, hint = "has no train split to calibrate int8 on", "give images, too"
        raise UsageError(reason, source=str(options.data), hint=hint)
    return sample_images(labeled_images(read_dataset(options.data, "train")), options.calibrate), SampleImages([], [])


def _part(images: SampleImages, which: slice) -> SampleImages:
    return SampleImages(images.images[which], images.names[which])


def _on_cpu(network: nn.Module, *, masks: bool) -> nn.Module:
    """The network itself, or a copy where it is elsewhere or in another precision."""
    if isinstance(network, ConditionalDetrSegmenter) and not masks:
        network = network.without_masks().eval()
    parameter = next(network.parameters())
    if parameter.device.type == "cpu" and parameter.dtype == torch.float32:
        return network.eval()
    return copy.deepcopy(network).to("cpu", torch.float32).eval()
