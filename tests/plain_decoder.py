"""The conditional decoder said again from the formulas of the paper, number by number, as slow as it is plain.

Meng et al., "Conditional DETR for Fast Training Convergence", ICCV 2021: section 3.1 to 3.3 and its figure of a decoder
layer. Weights are looked up by name; nothing of `condetr.model` is used.
"""

import math

import torch


def plain_decoder(
    weights, memory, grid, mask=None, *, heads, layers, embeddings=None, query_mask=None, carry_norm=False, branches=1.0
):
    """What each layer concludes, and the logits of the reference points; for one image after the other.

    ``branches`` scales what is added to the embeddings: 0 is a dropout of everything.
    """
    concluded, points = [], []
    for image in range(len(memory)):
        cells = range(memory.shape[1]) if mask is None else mask[image].nonzero()[:, 0].tolist()
        object_queries = weights["object_queries"]
        seen_queries = range(len(object_queries)) if query_mask is None else query_mask[image].nonzero()[:, 0].tolist()
        start = torch.zeros_like(object_queries) if embeddings is None else embeddings[image]
        one, s = _decode(
            weights, memory[image], grid[image], cells, seen_queries, start, heads, layers, carry_norm, branches
        )
        concluded.append(one)
        points.append(s)
    return [torch.stack(of_layer) for of_layer in zip(*concluded, strict=True)], torch.stack(points)


def _decode(weights, memory, grid, cells, seen_queries, f, heads, layers, carry_norm, branches):
    o_q = weights["object_queries"]
    channels = o_q.shape[1]
    s = _mlp(weights, "reference_points", o_q)  # s = FFN(o_q), of which the sigmoid is a place in the image
    p_s = torch.stack([_sinusoid(x, y, channels) for x, y in s.sigmoid().tolist()])
    concluded = []
    for number in range(layers):
        name = f"layers.{number}"
        t = torch.ones_like(f) if number == 0 else _mlp(weights, "spatial_scale", f)  # T = FFN(f)
        p_q = t * p_s  # the conditional spatial query

        # self-attention: content and position are added
        part = f"{name}.self_attention"
        q = _linear(weights, f"{part}.content_query", f) + _linear(weights, f"{part}.spatial_query", o_q)
        k = _linear(weights, f"{part}.content_key", f) + _linear(weights, f"{part}.spatial_key", o_q)
        v = _linear(weights, f"{part}.value", f)
        split = [[_head(x, head, heads) for x in (q, k, v)] for head in range(heads)]
        seen = torch.cat([_attention(*of_head, seen_queries) for of_head in split], dim=1)
        f = _normalized(weights, f"{part}_norm", f + branches * _linear(weights, f"{part}.output", seen))

        # cross-attention: c_q and p_q, c_k and p_k are concatenated, head by head
        part = f"{name}.cross_attention"
        c_q, c_k = _linear(weights, f"{part}.content_query", f), _linear(weights, f"{part}.content_key", memory)
        p_k = _linear(weights, f"{part}.spatial_key", grid)
        if number == 0:  # f has seen nothing: o_q says what is sought, and where cells are joins what they hold
            c_q = c_q + _linear(weights, f"{part}.object_query", o_q)
            c_k = c_k + p_k
        p_q = _linear(weights, f"{part}.spatial_query", p_q)
        v = _linear(weights, f"{part}.value", memory)
        seen = []
        for head in range(heads):
            query = torch.cat((_head(c_q, head, heads), _head(p_q, head, heads)), dim=1)
            key = torch.cat((_head(c_k, head, heads), _head(p_k, head, heads)), dim=1)
            seen.append(_attention(query, key, _head(v, head, heads), cells))
        seen = torch.cat(seen, dim=1)
        f = _normalized(weights, f"{part}_norm", f + branches * _linear(weights, f"{part}.output", seen))

        hidden = _linear(weights, f"{name}.feedforward.expand", f).clamp(min=0)
        added = _linear(weights, f"{name}.feedforward.contract", hidden)
        f = _normalized(weights, f"{name}.feedforward_norm", f + branches * added)

        concluded.append(_normalized(weights, "norm", f))  # which does not feed the next layer
        if carry_norm:  # except where transformers trained with it
            f = concluded[-1]
            if number == layers - 1:
                concluded[-1] = _normalized(weights, "norm", f)
    return concluded, s


def _linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _mlp(weights, name, x):
    return _linear(weights, f"{name}.layers.1", _linear(weights, f"{name}.layers.0", x).clamp(min=0))


def _normalized(weights, name, x):
    centred = x - x.mean(dim=1, keepdim=True)
    variance = (centred**2).mean(dim=1, keepdim=True)
    return centred / (variance + 1e-5).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _head(x, head, heads):
    width = x.shape[1] // heads
    return x[:, head * width : (head + 1) * width]


def _attention(query, key, value, seen):
    """A query after the other, over those keys alone that may be seen."""
    answers = []
    for one in query:
        scores = torch.stack([(one * key[place]).sum() / math.sqrt(len(one)) for place in seen])
        shares = scores.exp() / scores.exp().sum()
        answers.append(sum(share * value[place] for share, place in zip(shares, seen, strict=True)))
    return torch.stack(answers)


def _sinusoid(x, y, channels):
    """Of y, then of x: sin, cos, sin, cos, ... of ever longer waves."""
    half = channels // 2
    numbers = []
    for coordinate in (y, x):
        for place in range(half):
            angle = 2 * math.pi * coordinate / 10000 ** (2 * (place // 2) / half)
            numbers.append(math.cos(angle) if place % 2 else math.sin(angle))
    return torch.tensor(numbers, dtype=torch.float64)
