"""The DETR encoder: self-attention over the cells of the last feature map."""

from torch import nn

from condetr.core.shapes import CellMask, Memory
from condetr.model.attention import EncoderSelfAttention
from condetr.model.config import DetectorConfig
from condetr.model.feedforward import FeedForward, LayerDrop


class EncoderLayer(nn.Module):
    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels = config.d_model
        self.self_attention = EncoderSelfAttention(channels, config.encoder_attention_heads, config.attention_dropout)
        self.self_attention_norm = nn.LayerNorm(channels)
        self.feedforward = FeedForward(
            channels, config.encoder_ffn_dim, config.activation_function, config.activation_dropout
        )
        self.feedforward_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, memory: Memory, grid: Memory, mask: CellMask | None) -> Memory:
        memory = self.self_attention_norm(memory + self.dropout(self.self_attention(memory, grid, mask)))
        return self.feedforward_norm(memory + self.dropout(self.feedforward(memory)))


class Encoder(nn.Module):
    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.skip = LayerDrop(config.encoder_layerdrop)

    def forward(self, memory: Memory, grid: Memory, mask: CellMask | None) -> Memory:
        for layer in self.layers:
            if not self.skip():
                memory = layer(memory, grid, mask)
        return memory
