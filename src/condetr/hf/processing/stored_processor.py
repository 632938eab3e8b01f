"""An image processor as a dict, as JSON text and as the ``preprocessor_config.json`` of a model."""

import copy
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from condetr.checkpoints.hub import find
from condetr.core.errors import CheckpointError, SettingsError
from condetr.files.atomic_write import write_files
from condetr.files.json_reading import read_json_object
from condetr.hf.config.stored_config import HUB_OPTIONS
from condetr.hf.processing.processor_attributes import DEFAULTS, ProcessorAttributes
from condetr.hf.processing.processor_settings import (
    OLD_SETTINGS,
    SETTINGS,
    check_names,
    under_new_names,
    warn_of_old_names,
)
from condetr.hf.pushing import SavedFile

_CLASS_NAMES = ("image_processor_type", "feature_extractor_type", "processor_class")
_logger = logging.getLogger(__name__)


class StoredProcessor(ProcessorAttributes, SavedFile):
    """Unknown keys of a file are kept and written back."""

    file_name: ClassVar[str] = "preprocessor_config.json"

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self._unknown: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    def to_dict(self) -> dict[str, Any]:
        """The content of ``preprocessor_config.json``, which transformers 4 and 5 read."""
        settings = {name: getattr(self, name) for name in SETTINGS}
        settings = {name: value for name, value in settings.items() if value is not None}
        return copy.deepcopy(self._unknown | settings) | {"image_processor_type": "ConditionalDetrImageProcessor"}

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path) -> None:
        path = Path(json_file_path)
        write_files(path.parent, {path.name: self._write})

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:  # noqa: FBT001, FBT002  transformers' signature
        """Write ``preprocessor_config.json`` into a folder, which is created if missing, and return its path."""
        return [self._save(save_directory, push_to_hub=push_to_hub, **kwargs)]

    def _write(self, path: Path) -> None:
        path.write_text(self.to_json_string(), encoding="utf-8")

    @classmethod
    def from_dict(cls, image_processor_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """The processor of a dict, with the settings in ``kwargs`` replaced.

        With ``return_unused_kwargs=True`` a pair: the processor, and the items of ``kwargs`` that are no settings.
        Otherwise these raise a ``TypeError``.
        """
        unknown = {name: value for name, value in image_processor_dict.items() if name not in _CLASS_NAMES}
        settings = {name: unknown.pop(name) for name in (*SETTINGS, *OLD_SETTINGS) if name in unknown}
        processor = cls(**under_new_names(settings, DEFAULTS["size"]))
        processor._unknown = unknown
        return processor._replaced(**kwargs)

    @classmethod
    def from_json_file(cls, json_file: str | Path, **kwargs: Any) -> Any:
        """The same from a file; errors name the file and the field."""
        path = Path(json_file)
        try:
            processor = cls.from_dict(read_json_object(path))
        except SettingsError as error:
            raise error.at(source=path) from None
        return processor._replaced(**kwargs)

    def _replaced(self, *, return_unused_kwargs: bool = False, **kwargs: Any) -> Any:
        names = (*SETTINGS, *OLD_SETTINGS)
        unused = {name: value for name, value in kwargs.items() if name not in names}
        if not return_unused_kwargs:
            check_names(unused, names, type(self).__name__)
        settings = {name: value for name, value in kwargs.items() if name in names}
        warn_of_old_names(settings)
        processor = self.with_settings(settings)
        processor.preprocessing()
        return (processor, unused) if return_unused_kwargs else processor

    @classmethod
    def get_image_processor_dict(
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a stored processor as a dict, and the items of ``kwargs`` that do not locate it."""
        hub_options = {name: value for name, value in kwargs.items() if name in (*HUB_OPTIONS, "subfolder")}
        processor = cls.from_pretrained(pretrained_model_name_or_path, **hub_options)
        return processor.to_dict(), {name: value for name, value in kwargs.items() if name not in hub_options}

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, subfolder: str = "", **kwargs: Any) -> Any:
        """The processor stored in a folder, beside a weights file, in a JSON file or on the hub.

        A model without ``preprocessor_config.json`` gets the documented defaults, with a warning in the log.

        Args:
            pretrained_model_name_or_path: the folder, file or hub id.
            subfolder: the folder of the processor inside it.
            **kwargs: settings to replace, ``return_unused_kwargs``; and ``revision``, ``cache_dir``, ``token``,
                ``force_download``, ``local_files_only`` of the hub.

        Raises:
            CheckpointError: it does not exist, or the file is no JSON.
            SettingsError: an invalid value; names the file and the field.
        """
        hub_options = {name: kwargs.pop(name) for name in HUB_OPTIONS if name in kwargs}
        file = settings_file(pretrained_model_name_or_path, subfolder, **hub_options)
        return cls.from_dict({}, **kwargs) if file is None else cls.from_json_file(file, **kwargs)


def settings_file(reference: str | Path, subfolder: str = "", **hub_options: Any) -> Path | None:
    """The ``preprocessor_config.json`` of a model, or None with a warning in the log."""
    path = find(reference, settings_only=True, **hub_options).path
    if path.suffix == ".json":
        return path
    file = (path if path.is_dir() else path.parent) / subfolder / StoredProcessor.file_name
    if file.is_file():
        return file
    if subfolder:
        raise CheckpointError(f"has no {file.name}", source=file.parent)
    _logger.warning("%s: no %s; preprocessing uses the documented defaults", file.parent, file.name)
    return None
