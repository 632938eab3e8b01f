"""The detections of one image: the result type of prediction, evaluation and serving."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import torch
from jaxtyping import Bool, Float, Int, Int64
from PIL import Image
from torch import Tensor

from condetr.core.errors import DataError, UsageError
from condetr.images.detection import Detection, Moment
from condetr.images.drawing.draw import draw, draw_segments
from condetr.images.file_formats import coco_rows, csv_rows, csv_text, json_rows, segment_rows, yolo_text
from condetr.images.image_inputs import ImageInput, image_of, pil_of
from condetr.images.library_objects import data_frame, fiftyone_detections, supervision_detections
from condetr.images.masks.rle import mask_of_rle, rle_of_mask
from condetr.images.masks.segment_png import image_of_numbers
from condetr.images.saving import IMAGE_FORMATS, image_bytes, save_as, text_bytes
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The objects of one image, best first.

    Attributes:
        boxes: (x1, y1, x2, y2) in pixels of the original, upright image.
        scores: in [0, 1].
        labels: class ids.
        names: class names, one per detection.
        size: (height, width) of the original, upright image.
        source: the file or name of the image.
        masks: one per detection, at the size of the image.
        segments: the detection that each pixel belongs to: 0 none, 1 the first.
        picture: the image that ``draw`` paints on; None: the file ``source``.
        moment: frame number and time in a video.
        tracks: track ids, the same from frame to frame, one per detection; None where it has none yet.

    Raises:
        DataError: lengths, sizes or values contradict each other.
    """

    boxes: Float[Tensor, "_detections 4"]
    scores: Float[Tensor, "_detections"]
    labels: Int64[Tensor, "_detections"]
    names: tuple[str, ...]
    size: HeightWidth
    source: str | None = None
    masks: Bool[Tensor, "_detections _height _width"] | None = field(default=None, repr=False)
    segments: Int[Tensor, "_height _width"] | None = field(default=None, repr=False)
    picture: ImageInput | None = field(default=None, repr=False)
    moment: Moment | None = None
    tracks: tuple[int | None, ...] | None = None

    def __post_init__(self) -> None:
        counts = {name: len(getattr(self, name)) for name in ("boxes", "scores", "labels", "names")}
        counts |= {} if self.masks is None else {"masks": len(self.masks)}
        counts |= {} if self.tracks is None else {"tracks": len(self.tracks)}
        if len(set(counts.values())) > 1:
            lengths = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise DataError(f"{lengths}; expected the same number of each", source=self.source)
        for name, plane in (("masks", self.masks), ("segments", self.segments)):
            if plane is not None and tuple(plane.shape[-2:]) != self.size:
                reason = f"is {tuple(plane.shape[-2:])}, expected the image's {self.size}"
                raise DataError(reason, source=self.source, item=name)
        if not (self.boxes.isfinite().all() and self.scores.isfinite().all()):
            raise DataError("boxes and scores must be finite", source=self.source)
        if (self.boxes[:, 2:] < self.boxes[:, :2]).any():
            raise DataError("a box ends before it begins; expected (x1, y1, x2, y2)", source=self.source, item="boxes")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Detection]:
        rows = zip(self.boxes.tolist(), self.scores.tolist(), self.labels.tolist(), self.names, strict=True)
        return (Detection((x1, y1, x2, y2), score, label, name) for (x1, y1, x2, y2), score, label, name in rows)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice) -> "Detections": ...

    def __getitem__(self, index: int | slice) -> "Detection | Detections":
        """One detection; with a slice, Detections."""
        if isinstance(index, slice):
            return self.chosen(torch.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"detection {index} of {len(self)}")
        return next(iter(self.chosen(torch.tensor([index % len(self)]))))

    def above(self, threshold: float | int) -> "Detections":
        """The detections that score above the threshold."""
        return self.chosen((self.scores > threshold).nonzero()[:, 0].cpu())

    def chosen(self, positions: Int64[Tensor, "chosen"]) -> "Detections":
        """The detections at these positions; pixels of other segments become 0."""
        segments = self.segments
        if segments is not None:
            renumbered = torch.zeros(len(self) + 1, dtype=segments.dtype)
            renumbered[positions + 1] = torch.arange(1, len(positions) + 1, dtype=segments.dtype)
            segments = renumbered[segments.long()]
        return Detections(
            boxes=self.boxes[positions],
            scores=self.scores[positions],
            labels=self.labels[positions],
            names=tuple(self.names[i] for i in positions.tolist()),
            size=self.size,
            source=self.source,
            masks=None if self.masks is None else self.masks[positions],
            segments=segments,
            picture=self.picture,
            moment=self.moment,
            tracks=None if self.tracks is None else tuple(self.tracks[i] for i in positions.tolist()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; masks as COCO's run-length encoding, segments as masks that do not overlap."""
        rows = json_rows(self)
        if self.masks is not None or self.segments is not None:
            rows = [row | {"mask": rle_of_mask(mask)} for row, mask in zip(rows, self._each_mask(), strict=True)]
        if self.tracks is not None:
            rows = [row | {"track": track} for row, track in zip(rows, self.tracks, strict=True)]
        record: dict[str, Any] = {"source": self.source, "size": list(self.size), "detections": rows}
        if self.segments is not None:
            record["panoptic"] = True
        return record if self.moment is None else record | self.moment._asdict()

    def to_json(self) -> str:
        """One line of ASCII, so that file names that are not UTF-8 survive: ``os.fsencode`` restores their bytes."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Detections":
        """The inverse of ``to_dict``.

        Raises:
            DataError: not a record of ``to_dict``.
        """
        try:
            rows, size = record["detections"], (int(record["size"][0]), int(record["size"][1]))
            masks = [mask_of_rle(row["mask"], size) for row in rows if "mask" in row]
            is_panoptic = bool(record.get("panoptic", False))
            return cls(
                boxes=torch.tensor([row["box"] for row in rows], dtype=torch.float32).reshape(-1, 4),
                scores=torch.tensor([row["score"] for row in rows], dtype=torch.float32),
                labels=torch.tensor([row["label"] for row in rows], dtype=torch.int64),
                names=tuple(row["name"] for row in rows),
                size=size,
                source=record["source"],
                masks=torch.stack(masks) if masks and not is_panoptic else None,
                segments=_numbered(masks, size) if is_panoptic else None,
                moment=Moment(record["frame"], record["seconds"]) if "frame" in record else None,
                tracks=tuple(row["track"] for row in rows) if rows and "track" in rows[0] else None,
            )
        except (KeyError, TypeError, RuntimeError) as error:
            raise DataError(f"is not a record of detections: {error}") from None

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """COCO results: boxes as (x, y, width, height). Category ids are the model's label ids."""
        rows = coco_rows(self, image_id)
        if self.masks is None and self.segments is None:
            return rows
        return [row | {"segmentation": rle_of_mask(mask)} for row, mask in zip(rows, self._each_mask(), strict=True)]

    def to_coco_panoptic(self, image_id: int, file_name: str) -> tuple[Image.Image, dict[str, Any]]:
        """COCO panoptic results: the PNG image to store under ``file_name``, and its annotation.

        Category ids are the model's label ids.

        Raises:
            UsageError: there are no segments.
        """
        if self.segments is None:
            raise UsageError("there are no segments", source=self.source, hint='predict with task="panoptic"')
        infos = segment_rows(self.labels.tolist(), self.scores.tolist())
        numbers = torch.tensor([0, *(info["id"] for info in infos)])
        png = image_of_numbers(numbers[self.segments.cpu().long()])
        return png, {"image_id": image_id, "file_name": file_name, "segments_info": infos}

    def _each_mask(self) -> Iterator[Bool[Tensor, "_height _width"]]:
        if self.masks is not None:
            return iter(self.masks)
        assert self.segments is not None
        return (self.segments == number for number in range(1, len(self) + 1))

    def to_yolo(self, *, scores: bool = False) -> str:
        """One line per detection: label, center, width and height relative to the image; with ``scores`` also those."""
        return yolo_text(self, self.size, scores=scores)

    def to_csv_rows(self) -> list[tuple[str | int | float, ...]]:
        """One row per detection, with the columns of ``file_formats.CSV_HEADER``."""
        return csv_rows(self, self.source)

    def to_dataframe(self) -> Any:
        """As a pandas DataFrame with a row for each detection.

        Columns: source, label, name, score, x1, y1, x2, y2; track where there are tracks; frame and seconds of a video.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        corners = dict(zip(("x1", "y1", "x2", "y2"), self.boxes.cpu().T.numpy(), strict=True))
        columns: dict[str, Any] = {"source": [self.source] * len(self), "label": self.labels.cpu().numpy()}
        columns |= {"name": list(self.names), "score": self.scores.cpu().numpy(), **corners}
        columns |= {} if self.tracks is None else {"track": list(self.tracks)}
        if self.moment is not None:
            columns |= {name: [value] * len(self) for name, value in self.moment._asdict().items()}
        return data_frame(columns, "to_dataframe()")

    def to_supervision(self) -> Any:
        """As ``supervision.Detections``, for its trackers, zones and annotators.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        return supervision_detections(list(self), self._masks_or_segments(), self.tracks)

    def to_fiftyone(self) -> Any:
        """As ``fiftyone.Detections``, a field of a FiftyOne sample: ``sample["predictions"] = found.to_fiftyone()``.

        Raises:
            MissingExtraError: fiftyone is not installed.
        """
        return fiftyone_detections(list(self), self.size, self._masks_or_segments(), self.tracks)

    def _masks_or_segments(self) -> Iterator[Bool[Tensor, "_height _width"]] | None:
        return None if self.masks is None and self.segments is None else self._each_mask()

    def draw(self, picture: ImageInput | None = None) -> Image.Image:
        """The upright image with boxes, masks and labels; with segments, those and a legend below.

        Args:
            picture: the image to paint on; by default ``self.picture``, else the file ``self.source``.

        Raises:
            UsageError: there is no image to draw on.
            ImageError: it cannot be decoded.
            DataError: it has another size.
        """
        canvas = self.upright(picture)
        if self.segments is not None:
            return draw_segments(canvas, self._with_track_ids(), self.segments)
        return draw(canvas, self._with_track_ids(), self.masks)

    def upright(self, picture: ImageInput | None = None) -> Image.Image:
        """The upright image itself; arguments and errors are those of ``draw``."""
        image = next((image for image in (picture, self.picture, self.source) if image is not None), None)
        if image is None:
            raise UsageError("there is no image to draw on", hint="pass one: draw(image)")
        canvas = pil_of(image_of(image))
        if (canvas.height, canvas.width) != self.size:
            reason = f"the image is {(canvas.height, canvas.width)} (height, width), expected {self.size}"
            raise DataError(reason, source=self.source)
        return canvas

    def _with_track_ids(self) -> list[Detection]:
        if self.tracks is None:
            return list(self)
        return [
            detection if track is None else detection._replace(name=f"#{track}: {detection.name}")
            for detection, track in zip(self, self.tracks, strict=True)
        ]

    def save(self, path: str | Path) -> Path:
        """Write a file in the format of its extension: an annotated image, .json, .jsonl, .csv or YOLO's .txt.

        Raises:
            UsageError: an unknown extension.
            StorageError: the file cannot be written.
        """
        path = Path(path)
        extension = path.suffix.lower()
        painted = dict.fromkeys(IMAGE_FORMATS, lambda: image_bytes(self.draw(), extension))
        as_json = dict.fromkeys((".json", ".jsonl"), lambda: text_bytes(self.to_json() + "\n"))
        tables = {".csv": lambda: text_bytes(csv_text(self.to_csv_rows())), ".txt": lambda: text_bytes(self.to_yolo())}
        return save_as(path, painted | as_json | tables)


def _numbered(masks: Sequence[Bool[Tensor, "_height _width"]], size: HeightWidth) -> Int[Tensor, "_height _width"]:
    segments = torch.zeros(size, dtype=torch.int32)
    for number, mask in enumerate(masks, start=1):
        segments[mask] = number
    return segments
