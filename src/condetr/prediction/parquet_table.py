"""Detections as a Parquet table, one row each: the columns of the CSV, the size of the image, and masks."""

import importlib
import re
from collections.abc import Mapping
from typing import IO, Any

from condetr.core.errors import MissingExtraError

PARQUET = "predictions.parquet"
_ROWS = 65_536  # of a row group, which is what is kept in memory
_SURROGATES = re.compile("[\ud800-\udfff]")
_COLUMNS = ("source", "height", "width", "label", "name", "score", "x1", "y1", "x2", "y2", "mask")


def require_parquet() -> None:
    """Raises MissingExtraError where pyarrow is not installed."""
    _arrow()


class ParquetTable:
    """Writes rows as they are added.

    ``mask`` is the text of COCO's compressed run-length encoding, of which ``height`` and ``width`` are the size; null
    for boxes. Names that are not text have U+FFFD in place of their bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Write the head. Raises MissingExtraError where pyarrow is not installed."""
        self._arrow, parquet = _arrow()
        text, whole, number = self._arrow.string(), self._arrow.int64(), self._arrow.float32()
        kinds = (text, whole, whole, whole, text, number, number, number, number, number, text)
        self._schema = self._arrow.schema(list(zip(_COLUMNS, kinds, strict=True)))
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, image_id: int, entry: Mapping[str, Any]) -> None:  # noqa: ARG002  the signature of all tables
        height, width = entry["size"]
        source = _text(entry["source"])
        for row in entry["detections"]:
            mask = row["mask"]["counts"] if "mask" in row else None
            values = (source, height, width, row["label"], _text(row["name"]), row["score"], *row["box"], mask)
            self._rows.append(dict(zip(_COLUMNS, values, strict=True)))
        if len(self._rows) >= _ROWS:
            self._write()

    def end(self) -> None:
        if self._rows:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def _text(name: str) -> str:
    return _SURROGATES.sub("\ufffd", name)


def _arrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "a Parquet table") from None
