"""An image processor as a dict, as JSON and as the ``preprocessor_config.json`` of a model."""

import copy
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from condetr.checkpoints.hub import find
from condetr.core.errors import CheckpointError, SettingsError
from condetr.files.atomic_write import write_files
from condetr.files.json_reading import read_json_object
from condetr.hf.config.stored_config import WHERE
from condetr.hf.processing.processor_attributes import DEFAULTS, ProcessorAttributes
from condetr.hf.processing.processor_settings import (
    OLD_SETTINGS,
    SETTINGS,
    check_names,
    under_new_names,
    warn_of_old_names,
)
from condetr.hf.pushing import push_folder

FILE = "preprocessor_config.json"
_CLASS_NAMES = ("image_processor_type", "feature_extractor_type", "processor_class")
_logger = logging.getLogger(__name__)


class StoredProcessor(ProcessorAttributes):
    """What a file says beyond the settings is carried along, and written back."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self._carried: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    def to_dict(self) -> dict[str, Any]:
        """What ``preprocessor_config.json`` holds, as transformers 4 and 5 read it."""
        said = {name: getattr(self, name) for name in SETTINGS}
        said = {name: value for name, value in said.items() if value is not None}
        return copy.deepcopy(self._carried | said) | {"image_processor_type": "ConditionalDetrImageProcessor"}

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path) -> None:
        path = Path(json_file_path)
        write_files(path.parent, {path.name: self._write})

    def _write(self, path: Path) -> None:
        path.write_text(self.to_json_string(), encoding="utf-8")

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:  # noqa: FBT001, FBT002  transformers' signature
        """Write ``preprocessor_config.json`` into a folder, which is made where it is missing; returns its path.

        With ``push_to_hub`` also upload it; ``kwargs`` are ``repo_id``, the folder's name by default, and what else
        `push_to_hub` takes.
        """
        if kwargs and not push_to_hub:
            raise TypeError(f"save_pretrained has no {', '.join(sorted(kwargs))}")
        path = Path(save_directory) / FILE
        self.to_json_file(path)
        if push_to_hub:
            self.push_to_hub(**{"repo_id": path.parent.name, **kwargs})
        return [str(path)]

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Upload ``preprocessor_config.json``; gives the address of the commit.

        Args:
            repo_id: ``organisation/name``; made if it does not exist.
            **kwargs: ``private``, ``token``, ``revision``, ``create_pr``, ``commit_message``, ``commit_description``
                and ``tags`` for a model card.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(folder, repo_id, **kwargs)

    @classmethod
    def from_dict(cls, image_processor_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """The processor of a dict, with the settings in ``kwargs`` replaced.

        With ``return_unused_kwargs=True`` a pair: the processor, and what of ``kwargs`` is no setting. Without, a
        ``TypeError`` names it.
        """
        said = {name: value for name, value in image_processor_dict.items() if name not in _CLASS_NAMES}
        settings = {name: said.pop(name) for name in (*SETTINGS, *OLD_SETTINGS) if name in said}
        processor = cls(**under_new_names(settings, DEFAULTS["size"]))
        processor._carried = said
        return processor._replaced(**kwargs)

    @classmethod
    def from_json_file(cls, json_file: str | Path, **kwargs: Any) -> Any:
        """The same from a file, which is named where a value in it is at fault."""
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
        """The settings of a stored processor as a dict, and what of ``kwargs`` does not say where it is."""
        where = {name: value for name, value in kwargs.items() if name in (*WHERE, "subfolder")}
        processor = cls.from_pretrained(pretrained_model_name_or_path, **where)
        return processor.to_dict(), {name: value for name, value in kwargs.items() if name not in where}

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, subfolder: str = "", **kwargs: Any) -> Any:
        """The processor stored in a folder, beside a weights file, in a JSON file or on the hub.

        A model without ``preprocessor_config.json`` gets the documented defaults, which the log says.

        Args:
            pretrained_model_name_or_path: where it is.
            subfolder: where it lies inside the folder.
            **kwargs: settings to replace, ``return_unused_kwargs``; and ``revision``, ``cache_dir``, ``token``,
                ``force_download``, ``local_files_only`` of the hub.

        Raises:
            CheckpointError: no such place, or the file is no JSON.
            SettingsError: a value that cannot be used, named by file and field.
        """
        where = {name: kwargs.pop(name) for name in WHERE if name in kwargs}
        file = settings_file(pretrained_model_name_or_path, subfolder, **where)
        return cls.from_dict({}, **kwargs) if file is None else cls.from_json_file(file, **kwargs)


def settings_file(reference: str | Path, subfolder: str = "", **where: Any) -> Path | None:
    """The ``preprocessor_config.json`` of a model, or None where it has none, which the log says."""
    path = find(reference, settings_only=True, **where).path
    if path.suffix == ".json":
        return path
    file = (path if path.is_dir() else path.parent) / subfolder / FILE
    if file.is_file():
        return file
    if subfolder:
        raise CheckpointError(f"has no {FILE}", source=file.parent)
    _logger.warning("%s: no %s; images are prepared with the documented defaults", file.parent, FILE)
    return None
