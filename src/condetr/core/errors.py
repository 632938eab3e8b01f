"""Every error that condetr expects: what is wrong, where, and what to do.

A `CondetrError` is one line of text and five fields. The classes also inherit the builtin that code written for
transformers catches (`ValueError`, `OSError`, ...).
"""

from typing import Any, ClassVar


def first_line_of(error: BaseException) -> str:
    """The first line of a library's error message; the name of its class where the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class CondetrError(Exception):
    """An expected failure.

    Attributes:
        code: stable machine-readable name of the class, e.g. ``"image"``.
        exit_status: of the command line.
        reason: what is wrong and what was expected.
        source: the file, folder, URL or reference in which it occurred, if any.
        item: the field, key, annotation or class inside ``source``, if any.
        hint: what to do about it, if known.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(
        self,
        reason: str,
        *,
        source: object = None,
        item: object = None,
        hint: str | None = None,
    ) -> None:
        self.reason = reason
        self.source = None if source is None else str(source)
        self.item = None if item is None else str(item)
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        where = ": ".join(part or "''" for part in (self.source, self.item) if part is not None)
        message = f"{where}: {self.reason}" if where else self.reason
        return f"{message} ({self.hint})" if self.hint else message

    def at(
        self, *, source: object = None, item: object = None, kind: "type[CondetrError] | None" = None
    ) -> "CondetrError":
        """A copy with another source, item or class (``kind``); what is not given stays."""
        return _error_of(
            type(self) if kind is None else kind,
            self.reason,
            self.source if source is None else source,
            self.item if item is None else item,
            self.hint,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """So that an error of another process arrives whole."""
        return _error_of, (type(self), self.reason, self.source, self.item, self.hint)

    def to_dict(self) -> dict[str, str | None]:
        return {
            "code": self.code,
            "source": self.source,
            "item": self.item,
            "reason": self.reason,
            "hint": self.hint,
        }


def _error_of(cls: type[CondetrError], reason: str, source: object, item: object, hint: str | None) -> CondetrError:
    """Without the constructor of the class, which may take other arguments."""
    error = cls.__new__(cls)
    CondetrError.__init__(error, reason, source=source, item=item, hint=hint)
    return error


class UsageError(CondetrError, ValueError):
    """A call or command that cannot be carried out."""

    code, exit_status = "usage", 2


class SettingsError(CondetrError, ValueError):
    """A setting that is unknown, missing, contradictory or of the wrong kind."""

    code, exit_status = "settings", 2


class DataError(CondetrError, ValueError):
    """Data that cannot be used."""

    code, exit_status = "data", 3


class ImageError(DataError):
    """An image, array or tensor that cannot be decoded, or whose pixels contradict its description."""

    code = "image"


class VideoError(DataError):
    """A video or camera that cannot be opened, or a frame of it that cannot be decoded."""

    code = "video"


class AnnotationError(DataError):
    """An annotation that is malformed or contradicts its image."""

    code = "annotation"


class CheckpointError(CondetrError, ValueError):
    """Weights or settings of a stored model that are broken, unsafe or do not fit."""

    code, exit_status = "checkpoint", 5


class ModelError(CondetrError, RuntimeError):
    """The network ran, and its output cannot be used."""

    code, exit_status = "model", 5


class LostContactError(ModelError):
    """Another process of the same training or evaluation died or cannot be reached."""


class StorageError(CondetrError, OSError):
    """Reading or writing failed: disk full, unwritable, vanished."""

    code, exit_status = "storage", 6


class MissingExtraError(CondetrError, ImportError):
    """An optional extra is not installed; the hint is the pip line."""

    code, exit_status = "missing_extra", 7

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}", hint=f'pip install "condetr[{extra}]"')


class GateError(CondetrError):
    """A measured value is below a required minimum, e.g. ``--min-ap``."""

    code, exit_status = "gate", 8
