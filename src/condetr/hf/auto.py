"""Auto classes: the class of a stored model by its ``model_type``, and its image processor by the class name stored."""

from pathlib import Path
from typing import Any, ClassVar

from condetr.core.errors import CheckpointError, UsageError
from condetr.files.json_reading import read_json_object
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.config.stored_config import HUB_OPTIONS
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.segmentation import ConditionalDetrForSegmentation
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil
from condetr.hf.processing.stored_processor import settings_file

_BACKENDS = {"torchvision": ConditionalDetrImageProcessor, "pil": ConditionalDetrImageProcessorPil}
_PROCESSOR_NAMES = (  # in the versions of transformers
    "ConditionalDetrImageProcessor",
    "ConditionalDetrImageProcessorFast",
    "ConditionalDetrImageProcessorPil",
    "ConditionalDetrFeatureExtractor",
)


class AutoConfig:
    """`ConditionalDetrConfig`, the only kind of config; another ``model_type`` is an error."""

    def __new__(cls) -> "AutoConfig":
        raise TypeError("AutoConfig cannot be instantiated; use AutoConfig.from_pretrained(...)")

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Any:
        return ConditionalDetrConfig.from_pretrained(pretrained_model_name_or_path, **kwargs)

    @staticmethod
    def for_model(model_type: str, **settings: Any) -> ConditionalDetrConfig:
        return ConditionalDetrConfig(model_type=model_type, **settings)


class _AutoModel:
    _model: ClassVar[type[PretrainedModel]]

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"{name} cannot be instantiated; use {name}.from_pretrained(...) or .from_config(config)")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Any:
        return cls._model.from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def from_config(cls, config: ConditionalDetrConfig, **kwargs: Any) -> Any:
        return cls._model.from_config(config, **kwargs)


class AutoModel(_AutoModel):
    _model = ConditionalDetrModel


class AutoModelForObjectDetection(_AutoModel):
    _model = ConditionalDetrForObjectDetection


class AutoModelForImageSegmentation(_AutoModel):
    _model = ConditionalDetrForSegmentation


class AutoImageProcessor:
    def __init__(self) -> None:
        raise TypeError("AutoImageProcessor cannot be instantiated; use AutoImageProcessor.from_pretrained(...)")

    @staticmethod
    def from_pretrained(
        pretrained_model_name_or_path: str | Path,
        *,
        subfolder: str = "",
        use_fast: bool | None = None,
        backend: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """The processor stored in a folder, in a JSON file or on the hub; ``kwargs`` as in its own `from_pretrained`.

        Whichever version stored it, it works with torchvision, or with PIL for ``backend="pil"`` or ``use_fast=False``.

        Raises:
            CheckpointError: it is another model's processor.
        """
        backend = backend or ("pil" if use_fast is False else "torchvision")
        if backend not in _BACKENDS:
            raise UsageError(f"is {backend!r}, expected one of {', '.join(_BACKENDS)}", item="backend")
        processor_class = _BACKENDS[backend]
        hub_options = {name: kwargs.pop(name) for name in HUB_OPTIONS if name in kwargs}
        file = settings_file(pretrained_model_name_or_path, subfolder, **hub_options)
        if file is None:
            return processor_class.from_dict({}, **kwargs)
        _check_model(file)
        return processor_class.from_json_file(file, **kwargs)


def _check_model(file: Path) -> None:
    settings = read_json_object(file)
    for key in ("image_processor_type", "feature_extractor_type"):
        if settings.get(key) in _PROCESSOR_NAMES:
            return
        if settings.get(key) is not None:
            raise CheckpointError(
                f"is {settings[key]!r}, the processor of another model; expected {_PROCESSOR_NAMES[0]!r}",
                source=file,
                item=key,
                hint=f"{_PROCESSOR_NAMES[0]}.from_pretrained reads its settings all the same",
            )
    config = file.parent / "config.json"
    model_type = read_json_object(config).get("model_type") if config.is_file() else None
    if model_type not in (None, "conditional_detr"):
        raise CheckpointError(f"is {model_type!r}, expected 'conditional_detr'", source=config, item="model_type")
