"""Loading of models from folders, files and the hub, and saving, with the arguments of transformers."""

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.config.backbone_writing import why_not_transformers
from condetr.checkpoints.empty_network import assembled, shapes_of, skeleton_of
from condetr.checkpoints.files import weights_file_in
from condetr.checkpoints.hub import find
from condetr.checkpoints.saving import save
from condetr.checkpoints.translate import to_condetr
from condetr.core.errors import UsageError
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.config.stored_config import HUB_OPTIONS
from condetr.hf.models.attention_choice import check_attention
from condetr.hf.models.placement import device_of, dtype_of
from condetr.hf.models.pretrained_loading import load_detector
from condetr.hf.pushing import PushesToHub, push_folder, refuse_unless_pushed
from condetr.model.detector import ConditionalDetr

log = logging.getLogger(__name__)
Model = TypeVar("Model", bound="StoredModel")
IGNORED = (  # how transformers loads and saves; no effect on the model
    "low_cpu_mem_usage", "trust_remote_code", "resume_download", "proxies", "weights_only", "_fast_init",
    "disable_mmap", "max_shard_size", "save_function", "save_original_format", "save_peft_format",
)  # fmt: skip


class StoredModel(PushesToHub, nn.Module):
    """Subclasses are constructed from a config, and optionally from an existing detector."""

    config_class: ClassVar[type[ConditionalDetrConfig]] = ConditionalDetrConfig
    headless: ClassVar[bool]
    kind: ClassVar[type[ConditionalDetr]] = ConditionalDetr

    def __init__(self, config: ConditionalDetrConfig, _: ConditionalDetr | None = None) -> None:
        super().__init__()
        self.config = config
        self.name_or_path = config.name_or_path  # adapters store it

    @classmethod
    def from_config(cls: type[Model], config: ConditionalDetrConfig, **kwargs: Any) -> Model:
        """A freshly initialized model, in training mode."""
        check_attention(kwargs.pop("attn_implementation", None))
        dtypes = kwargs.pop("dtype", None), kwargs.pop("torch_dtype", None)
        dtype = next((dtype for dtype in dtypes if dtype is not None), None)
        _reject_unknown("from_config", kwargs)
        return cls(copy.deepcopy(config)).to(dtype_of(dtype))

    _from_config = from_config

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: ConditionalDetrConfig | str | Path | None = None,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device_map: Any = None,
        subfolder: str = "",
        variant: str | None = None,
        use_safetensors: bool | None = None,
        attn_implementation: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A stored model, in evaluation mode.

        Args:
            pretrained_model_name_or_path: a folder, a weights file (also the authors' .pth) or a hub id.
            config: settings, or where to find them, instead of the stored ones.
            ignore_mismatched_sizes: initialize tensors of another shape afresh, such as a head for other classes.
            output_loading_info: return a pair: the model, and a dict of what was not loaded.
            dtype: of the weights, fp32 by default; "auto" for the stored one.
            torch_dtype: the same.
            device_map: one device, or "auto" for the accelerator if there is one.
            subfolder: of the folder, with the model.
            variant: which weights of the folder, such as "fp16" for model.fp16.safetensors.
            use_safetensors: True for these only, False for pytorch_model.bin only; by default whichever exists.
            attn_implementation: "eager" or "sdpa", which are the same here.
            **kwargs: settings to change, among them ``num_labels``, ``id2label`` and ``label2id``; and ``revision``,
                ``cache_dir``, ``token``, ``force_download``, ``local_files_only`` of the hub. Options of transformers'
                loading (``low_cpu_mem_usage``, ``weights_only``, ``disable_mmap``, ``trust_remote_code``) are accepted
                and ignored: condetr has one safe way of loading.

        Raises:
            CheckpointError: something is missing, broken, unsafe or does not fit.
        """
        check_attention(attn_implementation)
        where = {name: kwargs.pop(name) for name in HUB_OPTIONS if name in kwargs}
        path = find(pretrained_model_name_or_path, **where).path / subfolder
        if path.is_dir() and (variant is not None or use_safetensors is not None):
            path = weights_file_in(path, variant, safetensors=use_safetensors)
        if not isinstance(config, ConditionalDetrConfig):
            config = cls.config_class.stored_at(
                path if config is None else find(config, settings_only=True, **where).path
            )
        config, unknown = config.changed(kwargs)
        _reject_unknown("from_pretrained", unknown)
        config.name_or_path = str(pretrained_model_name_or_path)

        detector, info = load_detector(
            path,
            config.split(),
            dtype or torch_dtype,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            headless=cls.headless,
            kind=cls.kind,
        )
        model = cls(config, detector).eval().to(device_of(device_map))
        return (model, info) if output_loading_info else model

    def save_pretrained(
        self,
        save_directory: str | Path,
        is_main_process: bool = True,  # noqa: FBT001, FBT002  transformers' signature
        state_dict: Mapping[str, Tensor] | None = None,
        *,
        safe_serialization: bool = True,
        push_to_hub: bool = False,
        variant: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write config.json and model.safetensors, which condetr, transformers 4 and transformers 5 read.

        A warning is logged if transformers cannot: its ResNets have no output stride, deep stem or inner widths.

        Args:
            save_directory: created if missing.
            is_main_process: whether to write at all.
            state_dict: the tensors to write instead of the model's, under the keys of its ``state_dict()``.
            safe_serialization: False is rejected, because pickles can run code.
            push_to_hub: also upload the folder.
            variant: "fp16" for model.fp16.safetensors; `from_pretrained` loads it with the same name.
            **kwargs: ``repo_id``, the folder's name by default, ``token``, and the other arguments of `push_to_hub`.
                Options of transformers' saving (``max_shard_size``, ``save_original_format``, ``save_peft_format``)
                are accepted and ignored: there is always one file.
        """
        kwargs = {name: value for name, value in kwargs.items() if name not in IGNORED}
        token = {"token": kwargs.pop("token")} if "token" in kwargs else {}  # has an effect only with push_to_hub
        refuse_unless_pushed(kwargs, push_to_hub=push_to_hub)
        if not safe_serialization:
            raise UsageError("condetr writes safetensors only", item="safe_serialization", hint="leave it out")
        if not is_main_process:
            return
        split, detector = self.config.split(), self.network
        if state_dict is not None:
            skeleton = skeleton_of(split.config, self.kind)
            translation = to_condetr(
                StoredState.of(state_dict, "state_dict"), shapes_of(skeleton), split.config.backbone
            )
            detector = assembled(skeleton, translation.tensors, self.dtype)
        save(
            save_directory,
            cast("ConditionalDetr", detector),
            split.labels,
            source_ids=split.source_ids,
            flat=split.flat,
            dtype=self.dtype,
            variant=variant,
        )
        if (reason := why_not_transformers(cast("ConditionalDetr", detector).config.backbone)) is not None:
            log.warning("%s: transformers cannot load this model: %s", save_directory, reason)
        if push_to_hub:
            push_folder(save_directory, **{"repo_id": Path(save_directory).name, **token, **kwargs})

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


def _reject_unknown(call: str, arguments: Mapping[str, Any]) -> None:
    if unknown := arguments.keys() - set(IGNORED):
        raise TypeError(f"{call} has no {', '.join(sorted(unknown))}")
