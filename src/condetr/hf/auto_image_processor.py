"""AutoImageProcessor: the image processor of a stored model, by the class name that its file has."""

from pathlib import Path
from typing import Any

from condetr.core.errors import CheckpointError, UsageError
from condetr.files.json_reading import read_json_object
from condetr.hf.config.stored_config import WHERE
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil
from condetr.hf.processing.stored_processor import settings_file

_BACKENDS = {"torchvision": ConditionalDetrImageProcessor, "pil": ConditionalDetrImageProcessorPil}
_NAMES = (  # of the class through the versions of transformers
    "ConditionalDetrImageProcessor",
    "ConditionalDetrImageProcessorFast",
    "ConditionalDetrImageProcessorPil",
    "ConditionalDetrFeatureExtractor",
)


class AutoImageProcessor:
    def __init__(self) -> None:
        raise TypeError("AutoImageProcessor is not made but asked: AutoImageProcessor.from_pretrained(reference)")

    @staticmethod
    def from_pretrained(
        pretrained_model_name_or_path: str | Path,
        *,
        subfolder: str = "",
        use_fast: bool | None = None,
        backend: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """The processor stored in a folder, in a JSON file or on the hub; ``kwargs`` as its own `from_pretrained`.

        Which version stored it does not matter: it works with torchvision, unless ``backend="pil"`` or
        ``use_fast=False`` ask for PIL.

        Raises:
            CheckpointError: it is another model's processor.
        """
        backend = backend or ("pil" if use_fast is False else "torchvision")
        if backend not in _BACKENDS:
            raise UsageError(f"is {backend!r}, expected one of {', '.join(_BACKENDS)}", item="backend")
        chosen = _BACKENDS[backend]
        where = {name: kwargs.pop(name) for name in WHERE if name in kwargs}
        file = settings_file(pretrained_model_name_or_path, subfolder, **where)
        if file is None:
            return chosen.from_dict({}, **kwargs)
        _check_kind(file)
        return chosen.from_json_file(file, **kwargs)


def _check_kind(file: Path) -> None:
    said = read_json_object(file)
    for key in ("image_processor_type", "feature_extractor_type"):
        if said.get(key) in _NAMES:
            return
        if said.get(key) is not None:
            raise CheckpointError(
                f"is {said[key]!r}, the processor of another model; expected {_NAMES[0]!r}",
                source=file,
                item=key,
                hint=f"{_NAMES[0]}.from_pretrained reads its settings all the same",
            )
    config = file.parent / "config.json"
    model_type = read_json_object(config).get("model_type") if config.is_file() else None
    if model_type not in (None, "conditional_detr"):
        raise CheckpointError(f"is {model_type!r}, expected 'conditional_detr'", source=config, item="model_type")
