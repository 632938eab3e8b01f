"""The classes of a dataset: contiguous labels inside, names and the source's own ids outside."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

from condetr.core.errors import DataError

Id: TypeAlias = int | str


@dataclass(frozen=True)
class Classes:
    """A table of classes; a label is a position in it.

    Attributes:
        names: one per class; readers make equal ones `distinct`.
        source_ids: the id of each in its file, perhaps with gaps.
        stuff: labels of uncountable classes, such as sky: an image has at most one segment of each.
    """

    names: tuple[str, ...]
    source_ids: tuple[Id, ...]
    stuff: tuple[int, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.source_ids) or len(set(self.source_ids)) != len(self.source_ids):
            raise DataError(f"{len(self.names)} class names and {len(set(self.source_ids))} different ids")
        for name in self.names:
            if not name.isprintable() and any("\ud800" <= char <= "\udfff" for char in name):
                raise DataError(f"the class name {name!r} holds half a character, which no file can store")

    @classmethod
    def named(cls, names: Iterable[str]) -> "Classes":
        """Classes whose source has names or positions only."""
        ordered = tuple(names)
        return cls(ordered, tuple(range(len(ordered))))

    def __len__(self) -> int:
        return len(self.names)

    def distinct(self) -> "Classes":
        """With the source's id behind every name that a later class has, too.

        Roboflow's first category has the name of the project, which is often that of its only class.
        """
        last = {name: label for label, name in enumerate(self.names)}
        if len(last) == len(self):
            return self
        rows = enumerate(zip(self.names, self.source_ids, strict=True))
        names = (name if last[name] == label else f"{name} ({source})" for label, (name, source) in rows)
        return replace(self, names=tuple(names))

    @cached_property
    def label_of_source(self) -> Mapping[Id, int]:
        return {source: label for label, source in enumerate(self.source_ids)}

    def to_dict(self) -> dict[str, Any]:
        """The form that is stored with a model."""
        table = {"names": list(self.names), "source_ids": list(self.source_ids)}
        return table | {"stuff": list(self.stuff)} if self.stuff else table

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Classes":
        return cls(tuple(stored["names"]), tuple(stored["source_ids"]), tuple(stored.get("stuff", ())))
