"""Auto classes: the class for a stored model, by its ``model_type``."""

from pathlib import Path
from typing import Any, ClassVar

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.segmentation import ConditionalDetrForSegmentation


class AutoConfig:
    """`ConditionalDetrConfig`, the only kind of config there is; another ``model_type`` is refused by name."""

    def __new__(cls) -> "AutoConfig":
        raise TypeError("AutoConfig is not made but asked: AutoConfig.from_pretrained(reference)")

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
        raise TypeError(f"{name} is not made but asked: {name}.from_pretrained(reference) or .from_config(config)")

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
