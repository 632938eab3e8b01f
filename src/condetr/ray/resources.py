"""How many actors a cluster takes, with how many GPUs and threads each."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from condetr.core.errors import UsageError

_MOST_DECODERS = 8  # beside each GPU


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The processes of a run.

    Attributes:
        actors: that run the network.
        gpus: of each actor; may be a fraction.
        device: of each actor.
        threads: of the network, in each actor.
        decoders: blocks of images that may be decoded at once.
    """

    actors: int
    gpus: float
    device: str
    threads: int
    decoders: int


def workers_for(
    nodes: Sequence[Mapping[str, float]],
    *,
    device: str,
    actors: int | None = None,
    gpus_per_actor: float | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Workers:
    """As many actors as there are GPUs, or nodes where there are none.

    Args:
        nodes: "CPU" and "GPU" of each node.
        device: as of ``condetr predict``.
        actors: their number, if it is chosen.
        gpus_per_actor: 1 where there are GPUs, unless it is chosen.
        environment: OMP_NUM_THREADS overrides the number of threads.

    Raises:
        UsageError: the nodes do not have as many GPUs.
    """
    processors = sum(int(node.get("CPU", 0)) for node in nodes)
    cards = sum(node.get("GPU", 0) for node in nodes)
    if gpus_per_actor is None:
        gpus_per_actor = 1.0 if cards and device != "cpu" else 0.0
    if gpus_per_actor and device == "cpu":
        raise UsageError("the actors are on the CPU", item="gpus_per_actor", hint="leave out --device cpu")
    if not gpus_per_actor:
        count = actors or max(1, sum(1 for node in nodes if node.get("CPU", 0) >= 1))
        device = "cpu" if device == "auto" else device
        return Workers(
            actors=count,
            gpus=0.0,
            device=device,
            threads=_threads_in(environment) or max(1, processors // count),
            decoders=count,
        )
    most = sum(_fitting(node.get("GPU", 0), gpus_per_actor) for node in nodes)
    count = most if actors is None else actors
    if count > most or not most:
        reason = f"{count or 1} actors with {gpus_per_actor:g} GPUs each do not fit: the cluster has {cards:g} GPUs"
        raise UsageError(reason, item="actors", hint=f"at most {most} fit" if most else "--gpus-per-actor 0")
    return Workers(
        actors=count,
        gpus=gpus_per_actor,
        device=device,
        threads=_threads_in(environment) or 1,
        decoders=max(1, min(processors, _MOST_DECODERS * count)),
    )


def nodes_of(ray: Any) -> list[dict[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _fitting(cards: float, each: float) -> int:
    """Actors on one node: several share a GPU, or each has several; an actor never has parts of two."""
    return int(cards) * int(1 / each + 1e-6) if each < 1 else int(cards / each)


def _threads_in(environment: Mapping[str, str]) -> int | None:
    text = environment.get("OMP_NUM_THREADS", "").strip()
    return int(text) if text.isdecimal() and len(text) < 5 and int(text) > 0 else None
