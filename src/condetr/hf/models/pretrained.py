"""What every model in transformers' form has besides its forward: freezing, checkpointing, counting, devices."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from condetr.core.errors import UsageError
from condetr.hf.models.attention_choice import check_attention
from condetr.hf.models.outputs import ModelOutput
from condetr.hf.models.recognized_outputs import recognized
from condetr.hf.models.stored_model import StoredModel
from condetr.model import activation_checkpointing
from condetr.model.backbone import early_layers
from condetr.model.decoder import ConditionalDecoder
from condetr.model.encoder import Encoder
from condetr.model.transformer import DetrTransformer

Output = TypeVar("Output", bound=ModelOutput)


class PretrainedModel(StoredModel):
    """Base class of the models with a head and without; ``base_model`` is the one without."""

    main_input_name: ClassVar[str] = "pixel_values"
    base_model_prefix: ClassVar[str] = "model"
    input_modalities: ClassVar[tuple[str, ...]] = ("image",)
    supports_gradient_checkpointing: ClassVar[bool] = True

    @classmethod
    def can_generate(cls) -> bool:
        """Whether it generates text; for transformers' pipelines."""
        return False

    @property
    def base_model(self) -> Any:
        """The model below the head, or the model itself."""
        return getattr(self, self.base_model_prefix, self)

    @property
    def _body(self) -> DetrTransformer:
        return self.base_model.network

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:  # noqa: FBT001, FBT002  transformers' signature
        """Number of parameters; object queries and learned positions count as embeddings."""
        embeddings = {self._body.decoder.object_queries, *self._body.position.parameters()}
        counted = [parameter for parameter in self.parameters() if parameter.requires_grad or not only_trainable]
        return sum(p.numel() for p in counted if not (exclude_embeddings and p in embeddings))

    def get_memory_footprint(self, return_buffers: bool = True) -> int:  # noqa: FBT001, FBT002  transformers' signature
        """Bytes of the weights, and of the buffers, such as the frozen norms of the backbone."""
        tensors = [*self.parameters(), *(self.buffers() if return_buffers else ())]
        return sum(tensor.nbytes for tensor in tensors)

    def set_attn_implementation(self, attn_implementation: Any, allow_all_kernels: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  transformers' signature
        """Check the name; "eager" and "sdpa" compute the same here.

        Raises:
            UsageError: it is neither.
        """
        check_attention(attn_implementation)

    def get_input_embeddings(self) -> nn.Module:
        """There are none, as in transformers.

        Raises:
            NotImplementedError: always; images are the input of the backbone.
        """
        raise NotImplementedError(
            "images have no embeddings; base_model.input_projection computes the input of the encoder"
        )

    def get_output_embeddings(self) -> None:
        """None, as in transformers: there is no language head."""

    def enable_input_require_grads(self) -> None:
        """Compute gradients from the input of the encoder on, even if the backbone is frozen: adapters need it."""
        self.disable_input_require_grads()
        hook = self._body.input_projection.register_forward_hook(_require_grad)
        vars(self)["_input_hook"] = hook

    def disable_input_require_grads(self) -> None:
        if (hook := vars(self).pop("_input_hook", None)) is not None:
            hook.remove()

    def tie_weights(self, **_: Any) -> None:
        """Does nothing: no weights are tied."""

    def post_init(self) -> None:
        """Does nothing; subclasses written for transformers call it."""

    def get_encoder(self, modality: str | None = None) -> Encoder:  # noqa: ARG002  transformers' signature
        return self._body.encoder

    def get_decoder(self) -> ConditionalDecoder:
        return self._body.decoder

    def freeze_backbone(self) -> None:
        self._body.backbone.requires_grad_(False)  # noqa: FBT003  torch's signature

    def unfreeze_backbone(self) -> None:
        """Train the backbone except its stem and first stage, which always stay frozen."""
        self._body.backbone.requires_grad_(True)  # noqa: FBT003
        self._freeze_early_layers()

    def _freeze_early_layers(self) -> None:
        for name in early_layers(self._body.backbone):
            self._body.backbone.get_parameter(name).requires_grad_(False)  # noqa: FBT003  torch's signature

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: Mapping[str, Any] | None = None,
        every_n_layers: int = 1,
        offload: bool = False,  # noqa: FBT001, FBT002  transformers' signature
    ) -> None:
        """Compute encoder and decoder layers again in the backward pass: less memory, more time.

        Args:
            activation_checkpointing_kwargs: for ``torch.utils.checkpoint.checkpoint``.
            every_n_layers: checkpoint only every n-th layer.
            offload: activations to the CPU; not supported.
        """
        if offload:
            raise UsageError("condetr does not offload activations to the CPU", item="offload", hint="leave it out")
        activation_checkpointing.disable(self._layers)
        activation_checkpointing.enable(self._layers[::every_n_layers], **(activation_checkpointing_kwargs or {}))

    def activation_checkpointing_disable(self) -> None:
        activation_checkpointing.disable(self._layers)

    @property
    def is_activation_checkpointing(self) -> bool:
        return any(map(activation_checkpointing.is_enabled, self._layers))

    # their names until transformers 5
    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs, **kwargs)

    gradient_checkpointing_disable = activation_checkpointing_disable
    is_gradient_checkpointing = is_activation_checkpointing

    @property
    def _layers(self) -> list[nn.Module]:
        return [*self._body.encoder.layers, *self._body.decoder.layers]

    def _returned(self, output: Output, return_dict: bool | None) -> Output | tuple[Any, ...]:  # noqa: FBT001
        as_dict = self.config.use_return_dict if return_dict is None else return_dict
        return recognized(output) if as_dict else output.to_tuple()


def _require_grad(_: nn.Module, _inputs: tuple[Any, ...], projected: torch.Tensor) -> torch.Tensor:
    return projected.requires_grad_(True)  # noqa: FBT003  torch's signature
