"""A config as a dict, as JSON text and as a file; unknown settings are kept."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch

from condetr.checkpoints.hub import find
from condetr.core.errors import SettingsError, StorageError
from condetr.files.json_reading import read_json_object
from condetr.hf.config.labels import LABELS, Names, names_of, numbered
from condetr.hf.models.pretrained_loading import stored_settings

EVERY_MODEL: dict[str, Any] = {
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "architectures": None,
    "dtype": None,
    "name_or_path": "",
    "problem_type": None,
}
Config = TypeVar("Config", bound="StoredConfig")
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "token", "revision")


class StoredConfig:
    """Subclasses are dataclasses whose fields are the settings.

    ``attribute_map`` has other names of settings, ``synonyms`` groups of settings with one meaning.
    """

    model_type: ClassVar[str]
    attribute_map: ClassVar[dict[str, str]] = {}
    synonyms: ClassVar[tuple[tuple[str, ...], ...]] = ()
    _attn_implementation: ClassVar[str] = "sdpa"  # code written for transformers reads it; there is no other

    output_attentions: bool
    output_hidden_states: bool
    return_dict: bool
    architectures: list[str] | None
    dtype: torch.dtype | str | None
    name_or_path: str
    problem_type: str | None
    id2label: Names
    label2id: dict[str, int]

    def __init__(self, *settings: Any, **named: Any) -> None:
        defaults = {field.name: field.default for field in fields(self)}  # type: ignore[arg-type]  # subclasses are
        if len(settings) > len(defaults):
            name = type(self).__name__
            raise TypeError(f"{name} takes {len(defaults)} positional settings, {len(settings)} were given")
        values = dict(zip(defaults, settings, strict=False))
        if twice := values.keys() & named.keys():
            raise TypeError(f"{type(self).__name__} was given {', '.join(sorted(twice))} twice")
        if (model_type := named.pop("model_type", self.model_type)) != self.model_type:
            raise SettingsError(f"is {model_type!r}, expected {self.model_type!r}", item="model_type")
        # transformers 4 writes an alias beside the name it stands for; the name decides.
        aliases = {self.attribute_map[name]: named.pop(name) for name in self.attribute_map if name in named}
        values = aliases | values | named
        self.id2label = names_of(*(values.pop(name, None) for name in LABELS))
        self.label2id = {name: label for label, name in self.id2label.items()}
        for name, value in (defaults | EVERY_MODEL | values).items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name in self.attribute_map:
            return getattr(self, self.attribute_map[name])
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self.attribute_map.get(name, name), value)

    @property
    def num_labels(self) -> int:
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        if count != len(self.id2label):
            self.id2label = numbered(count)
            self.label2id = {name: label for label, name in self.id2label.items()}

    @property
    def use_return_dict(self) -> bool:
        return self.return_dict

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    def to_dict(self) -> dict[str, Any]:
        return {"model_type": self.model_type} | {name: _plain(value) for name, value in vars(self).items()}

    def to_diff_dict(self) -> dict[str, Any]:
        """Only what differs from the defaults, and ``model_type``."""
        defaults = type(self)().to_dict()
        return {
            name: value
            for name, value in self.to_dict().items()
            if name == "model_type" or name not in defaults or value != defaults[name]
        }

    def to_json_string(self, use_diff: bool = True) -> str:  # noqa: FBT001, FBT002  transformers' signature
        settings = self.to_diff_dict() if use_diff else self.to_dict()
        return json.dumps(settings, indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path, use_diff: bool = True) -> None:  # noqa: FBT001, FBT002
        try:
            Path(json_file_path).write_text(self.to_json_string(use_diff), encoding="utf-8")
        except OSError as error:
            raise StorageError(str(error), source=json_file_path) from error

    def update(self, config_dict: Mapping[str, Any]) -> None:
        for name, value in config_dict.items():
            setattr(self, name, value)

    def changed(self: Config, settings: Mapping[str, Any]) -> tuple[Config, dict[str, Any]]:
        """A copy with other settings, and the items of ``settings`` that are no settings."""
        known = {field.name for field in fields(self)}  # type: ignore[arg-type]  # subclasses are dataclasses
        known |= {*EVERY_MODEL, *self.attribute_map, *LABELS, *vars(self)}
        new = {name: value for name, value in settings.items() if name in known}
        unused = {name: value for name, value in settings.items() if name not in known}
        if new.get("num_labels") == self.num_labels:  # unchanged, and must not cost the names
            del new["num_labels"]
        replaced = {self.attribute_map.get(name, name) for name in new}
        for group in self.synonyms:
            replaced |= set(group) if replaced & set(group) else set()
        kept = {name: value for name, value in self.to_dict().items() if name not in replaced}
        return type(self)(**kept, **new), unused

    @classmethod
    def from_dict(
        cls,
        config_dict: Mapping[str, Any],
        return_unused_kwargs: bool = False,  # noqa: FBT001, FBT002  transformers' signature
        **kwargs: Any,
    ) -> Any:
        """The config of a dict, with the settings in ``kwargs`` changed.

        With ``return_unused_kwargs`` a pair: the config, and the items of ``kwargs`` that are no settings; else these
        are ignored, as in transformers.
        """
        config, unused = cls(**config_dict).changed(kwargs)
        return (config, unused) if return_unused_kwargs else config

    @classmethod
    def from_json_file(cls: type[Config], json_file: str | Path) -> Config:
        return cls(**read_json_object(Path(json_file)))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, subfolder: str = "", **kwargs: Any) -> Any:
        """The config of a folder, a file or a hub id, with the settings in ``kwargs`` changed; see `from_dict`.

        ``revision``, ``cache_dir``, ``token``, ``force_download`` and ``local_files_only`` are of the hub.

        Raises:
            CheckpointError: there is none, or it is broken.
        """
        hub_options = {name: kwargs.pop(name) for name in HUB_OPTIONS if name in kwargs}
        config = cls.stored_at(find(pretrained_model_name_or_path, settings_only=True, **hub_options).path / subfolder)
        config.name_or_path = str(pretrained_model_name_or_path)
        return config.from_dict(config.to_dict(), **kwargs)

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a stored model as a dict, and the items of ``kwargs`` that do not locate it."""
        hub_options = {name: value for name, value in kwargs.items() if name in (*HUB_OPTIONS, "subfolder")}
        config = cls.from_pretrained(pretrained_model_name_or_path, **hub_options)
        return config.to_dict(), {name: value for name, value in kwargs.items() if name not in hub_options}

    def get_text_config(self: Config, **_: Any) -> Config:
        """The config itself, as in transformers for a model without text."""
        return self

    @classmethod
    def stored_at(cls: type[Config], path: Path) -> Config:
        """The settings of the config.json there; those of a weights file without one come from the file itself."""
        return cls(**stored_settings(path))


def _plain(value: Any) -> Any:
    """The value as in JSON, but class ids stay numbers."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if hasattr(value, "to_dict"):
        return _plain(value.to_dict())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
