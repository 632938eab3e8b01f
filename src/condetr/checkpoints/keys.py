"""Every parameter name that condetr reads or writes, in its key formats.

    condetr       our modules                               (the paper's words)
    hub           transformers 4, and 5 by default            (what we save)
    transformers  the module names of transformers 5
    original      the authors' .pth files

One row per module. Braces hold a number: small letters count from zero, capitals the same number from one.
Foreign names occur only in this room and in hf/.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from condetr.model.config import ResNetDescription, TimmDescription

KeyFormat = Literal["hub", "transformers", "original", "condetr"]
Layout = Literal["timm", "resnet"]
FORMATS: tuple[KeyFormat, ...] = get_args(KeyFormat)
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


class Fused(NamedTuple):
    """Query, key or value (0, 1, 2) of a matrix that stacks all three."""

    name: str
    part: int


class Row(NamedTuple):
    condetr: str
    hub: str
    transformers: str
    original: str | Fused


class ForeignKey(NamedTuple):
    """The key of one of our tensors: of the whole tensor, or of one third of its rows."""

    key: str
    part: int | None = None


_E, _D = "encoder.layers.{n}", "decoder.layers.{n}"
_HE, _HD = f"model.{_E}", f"model.{_D}"
_OE, _OD = f"transformer.{_E}", f"transformer.{_D}"

# fmt: off
TABLE: tuple[Row, ...] = (
    Row("input_projection",                    "model.input_projection",          "model.input_projection",             "input_proj"),
    Row("position.rows",                       "model.backbone.position_embedding.row_embeddings",    "model.position_embedding.row_embeddings",    "backbone.1.row_embed"),
    Row("position.columns",                    "model.backbone.position_embedding.column_embeddings", "model.position_embedding.column_embeddings", "backbone.1.col_embed"),
    Row(f"{_E}.self_attention.query",          f"{_HE}.self_attn.q_proj",         f"{_HE}.self_attn.q_proj",            Fused(f"{_OE}.self_attn.in_proj", 0)),
    Row(f"{_E}.self_attention.key",            f"{_HE}.self_attn.k_proj",         f"{_HE}.self_attn.k_proj",            Fused(f"{_OE}.self_attn.in_proj", 1)),
    Row(f"{_E}.self_attention.value",          f"{_HE}.self_attn.v_proj",         f"{_HE}.self_attn.v_proj",            Fused(f"{_OE}.self_attn.in_proj", 2)),
    Row(f"{_E}.self_attention.output",         f"{_HE}.self_attn.out_proj",       f"{_HE}.self_attn.o_proj",            f"{_OE}.self_attn.out_proj"),
    Row(f"{_E}.self_attention_norm",           f"{_HE}.self_attn_layer_norm",     f"{_HE}.self_attn_layer_norm",        f"{_OE}.norm1"),
    Row(f"{_E}.feedforward.expand",            f"{_HE}.fc1",                      f"{_HE}.mlp.fc1",                     f"{_OE}.linear1"),
    Row(f"{_E}.feedforward.contract",          f"{_HE}.fc2",                      f"{_HE}.mlp.fc2",                     f"{_OE}.linear2"),
    Row(f"{_E}.feedforward_norm",              f"{_HE}.final_layer_norm",         f"{_HE}.final_layer_norm",            f"{_OE}.norm2"),
    Row("decoder.object_queries",              "model.query_position_embeddings", "model.query_position_embeddings",    "query_embed"),
    Row("decoder.reference_points.layers.{n}", "model.decoder.ref_point_head.layers.{n}", "model.decoder.ref_point_head.layers.{n}", "transformer.decoder.ref_point_head.layers.{n}"),
    Row("decoder.spatial_scale.layers.{n}",    "model.decoder.query_scale.layers.{n}", "model.decoder.query_scale.layers.{n}", "transformer.decoder.query_scale.layers.{n}"),
    Row(f"{_D}.self_attention.content_query",  f"{_HD}.sa_qcontent_proj",         f"{_HD}.self_attn.q_content_proj",    f"{_OD}.sa_qcontent_proj"),
    Row(f"{_D}.self_attention.spatial_query",  f"{_HD}.sa_qpos_proj",             f"{_HD}.self_attn.q_pos_proj",        f"{_OD}.sa_qpos_proj"),
    Row(f"{_D}.self_attention.content_key",    f"{_HD}.sa_kcontent_proj",         f"{_HD}.self_attn.k_content_proj",    f"{_OD}.sa_kcontent_proj"),
    Row(f"{_D}.self_attention.spatial_key",    f"{_HD}.sa_kpos_proj",             f"{_HD}.self_attn.k_pos_proj",        f"{_OD}.sa_kpos_proj"),
    Row(f"{_D}.self_attention.value",          f"{_HD}.sa_v_proj",                f"{_HD}.self_attn.v_proj",            f"{_OD}.sa_v_proj"),
    Row(f"{_D}.self_attention.output",         f"{_HD}.self_attn.out_proj",       f"{_HD}.self_attn.o_proj",            f"{_OD}.self_attn.out_proj"),
    Row(f"{_D}.self_attention_norm",           f"{_HD}.self_attn_layer_norm",     f"{_HD}.self_attn_layer_norm",        f"{_OD}.norm1"),
    Row(f"{_D}.cross_attention.content_query", f"{_HD}.ca_qcontent_proj",         f"{_HD}.encoder_attn.q_content_proj", f"{_OD}.ca_qcontent_proj"),
    Row(f"{_D}.cross_attention.spatial_query", f"{_HD}.ca_qpos_sine_proj",        f"{_HD}.encoder_attn.q_pos_sine_proj", f"{_OD}.ca_qpos_sine_proj"),
    Row(f"{_D}.cross_attention.object_query",  f"{_HD}.ca_qpos_proj",             f"{_HD}.encoder_attn.q_pos_proj",     f"{_OD}.ca_qpos_proj"),
    Row(f"{_D}.cross_attention.content_key",   f"{_HD}.ca_kcontent_proj",         f"{_HD}.encoder_attn.k_content_proj", f"{_OD}.ca_kcontent_proj"),
    Row(f"{_D}.cross_attention.spatial_key",   f"{_HD}.ca_kpos_proj",             f"{_HD}.encoder_attn.k_pos_proj",     f"{_OD}.ca_kpos_proj"),
    Row(f"{_D}.cross_attention.value",         f"{_HD}.ca_v_proj",                f"{_HD}.encoder_attn.v_proj",         f"{_OD}.ca_v_proj"),
    Row(f"{_D}.cross_attention.output",        f"{_HD}.encoder_attn.out_proj",    f"{_HD}.encoder_attn.o_proj",         f"{_OD}.cross_attn.out_proj"),
    Row(f"{_D}.cross_attention_norm",          f"{_HD}.encoder_attn_layer_norm",  f"{_HD}.encoder_attn_layer_norm",     f"{_OD}.norm2"),
    Row(f"{_D}.feedforward.expand",            f"{_HD}.fc1",                      f"{_HD}.mlp.fc1",                     f"{_OD}.linear1"),
    Row(f"{_D}.feedforward.contract",          f"{_HD}.fc2",                      f"{_HD}.mlp.fc2",                     f"{_OD}.linear2"),
    Row(f"{_D}.feedforward_norm",              f"{_HD}.final_layer_norm",         f"{_HD}.final_layer_norm",            f"{_OD}.norm3"),
    Row("decoder.norm",                        "model.decoder.layernorm",         "model.decoder.layernorm",            "transformer.decoder.norm"),
    Row("head.classes",                        "class_labels_classifier",         "class_labels_classifier",            "class_embed"),
    Row("head.boxes.layers.{n}",               "bbox_predictor.layers.{n}",       "bbox_predictor.layers.{n}",          "bbox_embed.layers.{n}"),
    Row("mask_head.attention.query",           "bbox_attention.q_linear",         "bbox_attention.q_proj",              "bbox_attention.q_linear"),
    Row("mask_head.attention.key",             "bbox_attention.k_linear",         "bbox_attention.k_proj",              "bbox_attention.k_linear"),
    Row("mask_head.pyramid.conv1.conv",        "mask_head.lay1",                  "mask_head.conv1.conv",               "mask_head.lay1"),
    Row("mask_head.pyramid.conv1.norm",        "mask_head.gn1",                   "mask_head.conv1.norm",               "mask_head.gn1"),
    Row("mask_head.pyramid.conv2.conv",        "mask_head.lay2",                  "mask_head.conv2.conv",               "mask_head.lay2"),
    Row("mask_head.pyramid.conv2.norm",        "mask_head.gn2",                   "mask_head.conv2.norm",               "mask_head.gn2"),
    Row("mask_head.pyramid.fpn_stages.{n}.adapter", "mask_head.adapter{N}",            "mask_head.fpn_stages.{n}.fpn_adapter", "mask_head.adapter{N}"),
    Row("mask_head.pyramid.fpn_stages.0.refinement.conv", "mask_head.lay3",                  "mask_head.fpn_stages.0.refine.conv", "mask_head.lay3"),
    Row("mask_head.pyramid.fpn_stages.0.refinement.norm", "mask_head.gn3",                   "mask_head.fpn_stages.0.refine.norm", "mask_head.gn3"),
    Row("mask_head.pyramid.fpn_stages.1.refinement.conv", "mask_head.lay4",                  "mask_head.fpn_stages.1.refine.conv", "mask_head.lay4"),
    Row("mask_head.pyramid.fpn_stages.1.refinement.norm", "mask_head.gn4",                   "mask_head.fpn_stages.1.refine.norm", "mask_head.gn4"),
    Row("mask_head.pyramid.fpn_stages.2.refinement.conv", "mask_head.lay5",                  "mask_head.fpn_stages.2.refine.conv", "mask_head.lay5"),
    Row("mask_head.pyramid.fpn_stages.2.refinement.norm", "mask_head.gn5",                   "mask_head.fpn_stages.2.refine.norm", "mask_head.gn5"),
    Row("mask_head.pyramid.output",            "mask_head.out_lay",               "mask_head.output_conv",              "mask_head.out_lay"),
)

BACKBONE: dict[KeyFormat, str] = {
    "hub":                         "model.backbone.conv_encoder.model",
    "transformers":                "model.backbone.model",
    "original":                    "backbone.0.body",
}

# Inside the backbone the key formats agree, but there are two layouts: timm's, which is torchvision's, and transformers' ResNet's.
_BLOCK = "stages.{s}.{b}"
_TIMM_BLOCKS = {
    f"{_BLOCK}.convs.{{i}}.conv":  "layer{S}.{b}.conv{I}",
    f"{_BLOCK}.convs.{{i}}.norm":  "layer{S}.{b}.bn{I}",
}
_TIMM_STEM = {
    "stem.{i}.conv":               "conv1",
    "stem.{i}.norm":               "bn1",
}
_TIMM_DEEP_STEM = {
    "stem.0.conv":                 "conv1.0",
    "stem.0.norm":                 "conv1.1",
    "stem.1.conv":                 "conv1.3",
    "stem.1.norm":                 "conv1.4",
    "stem.2.conv":                 "conv1.6",
    "stem.2.norm":                 "bn1",
}
_TIMM_SHORTCUT = {
    f"{_BLOCK}.shortcut.conv":     "layer{S}.{b}.downsample.0",
    f"{_BLOCK}.shortcut.norm":     "layer{S}.{b}.downsample.1",
}
_TIMM_AVERAGE_SHORTCUT = {
    f"{_BLOCK}.shortcut.conv":     "layer{S}.{b}.downsample.1",  # .0 pools and holds nothing
    f"{_BLOCK}.shortcut.norm":     "layer{S}.{b}.downsample.2",
}
_RESNET = {
    "stem.{i}.conv":               "embedder.embedder.convolution",
    "stem.{i}.norm":               "embedder.embedder.normalization",
    f"{_BLOCK}.convs.{{i}}.conv":  "encoder.stages.{s}.layers.{b}.layer.{i}.convolution",
    f"{_BLOCK}.convs.{{i}}.norm":  "encoder.stages.{s}.layers.{b}.layer.{i}.normalization",
    f"{_BLOCK}.shortcut.conv":     "encoder.stages.{s}.layers.{b}.shortcut.convolution",
    f"{_BLOCK}.shortcut.norm":     "encoder.stages.{s}.layers.{b}.shortcut.normalization",
}
# fmt: on

_IN_BODY = re.compile(r"^((?:detector\.)?)body\.(?=(?:backbone|input_projection|position|encoder|decoder)\.)")
_FORMER = {"joining": "conv1", "narrowing": "conv2", "fusions": "fpn_stages"}
_RENAMED = re.compile(rf"(?<=mask_head\.pyramid\.)({'|'.join(_FORMER)})(?=\.)")

NETWORK = "backbone.network."  # below this a backbone built by timm keeps timm's names
EMBEDDING_KEYS = (
    "position.rows",
    "position.columns",
    "decoder.object_queries",
)  # parameters here, weights of embeddings elsewhere

# transformers 5 writes "hub" keys but keeps its own name for learned positions, and does not find version 4's.
TIED_KEYS = {
    "model.position_embedding.row_embeddings.weight": "model.backbone.position_embedding.row_embeddings.weight",
    "model.position_embedding.column_embeddings.weight": "model.backbone.position_embedding.column_embeddings.weight",
}

WRAPPERS = ("module.", "_orig_mod.")  # left by DistributedDataParallel and torch.compile
COUNTS = "num_batches_tracked"  # of plain batch norms; unused where they are frozen
SEGMENTER_PREFIXES = ("conditional_detr.", "detr.")  # before the detector's names; hub and original
MASK_PREFIXES = ("bbox_attention.", "mask_head.")  # the segmenter's own
BODY = "model."  # the hub's models without a head omit it


def own_name(name: str) -> str:
    """The table's name of a tensor of ours, from its name in a detector or in a file of an earlier version.

    Detectors used to inherit their body instead of holding it, and parts of the mask head had other names.
    """
    return _RENAMED.sub(lambda former: _FORMER[former[0]], _IN_BODY.sub(r"\1", name))


def in_segmenter(key: str) -> str:
    """The key in the hub's segmenters, of the mask head or of the detector inside them."""
    return key if key.startswith(MASK_PREFIXES) else SEGMENTER_PREFIXES[0] + key


def backbone_rows(backbone: ResNetDescription | TimmDescription, layout: Layout) -> dict[str, str]:
    if isinstance(backbone, TimmDescription):
        return {}
    if layout == "resnet":
        return _RESNET
    stem = _TIMM_STEM if len(backbone.stem_widths) == 1 else _TIMM_DEEP_STEM
    shortcut = _TIMM_SHORTCUT if backbone.shortcut == "convolution" else _TIMM_AVERAGE_SHORTCUT
    return _TIMM_BLOCKS | stem | shortcut


def foreign_keys(
    names: Iterable[str], backbone: ResNetDescription | TimmDescription, key_format: KeyFormat, layout: Layout
) -> dict[str, ForeignKey]:
    """The key of each of our tensors in a key format. Every name must have a row: a KeyError is a bug here.

    For networks with further names (adapters, parametrizations, wrapped layers) use `known_keys`.
    """
    named = known_keys(names := list(names), backbone, key_format, layout)
    return {name: named[name] for name in names}


def known_keys(
    names: Iterable[str], backbone: ResNetDescription | TimmDescription, key_format: KeyFormat, layout: Layout
) -> dict[str, ForeignKey]:
    """The keys of those names that have a row."""
    if key_format == "condetr":
        return {name: ForeignKey(own_name(name)) for name in names}
    rows: dict[str, str | Fused] = {row.condetr: getattr(row, key_format) for row in TABLE}
    root = BACKBONE[key_format]
    rows |= {f"backbone.{ours}": f"{root}.{theirs}" for ours, theirs in backbone_rows(backbone, layout).items()}
    patterns = {_pattern(ours): (re.findall(r"\{(\w)\}", ours), theirs) for ours, theirs in rows.items()}

    def foreign(name: str) -> ForeignKey | None:
        if name.startswith(NETWORK):
            return ForeignKey(f"{root}.{name.removeprefix(NETWORK)}")
        module, _, leaf = (name, "", "weight") if name in EMBEDDING_KEYS else name.rpartition(".")
        if module in rows:
            theirs, numbers = rows[module], {}
        else:
            if (row := patterns.get(_pattern(module))) is None:
                return None
            letters, theirs = row
            numbers = dict(zip(letters, map(int, re.findall(r"(?<=\.)\d+", module)), strict=True))
            numbers |= {letter.upper(): number + 1 for letter, number in numbers.items()}
        if isinstance(theirs, Fused):
            return ForeignKey(f"{theirs.name.format(**numbers)}_{leaf}", theirs.part)
        return ForeignKey(f"{theirs.format(**numbers)}.{leaf}")

    return {name: key for name in names if (key := foreign(own_name(name))) is not None}


def _pattern(name: str) -> str:
    """``encoder.layers.3.x`` and ``encoder.layers.{n}.x`` -> ``encoder.layers.#.x``."""
    return re.sub(r"(?<=\.)(\d+|\{\w\})", "#", name)
