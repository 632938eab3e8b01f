import os
import subprocess
import sys

import pytest
import torch

from tests.end_to_end.ranks import starting
from tests.scramble import scramble


@pytest.fixture(scope="session")
def command(forked):
    """Runs ``python -m condetr`` as a person would; ``start`` leaves it running.

    Forked, unless it has an environment of its own, which libraries read while they are imported.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    readable = {"text": True, "errors": "surrogateescape"}

    def words_of(words):
        return "-m", "condetr", *map(str, words)

    def run(*words, env=None, **options):
        if env is None:
            return forked.run(*words_of(words), env=environment, **(readable | options))
        options = {"capture_output": True, "check": False} | readable | options
        return subprocess.run([sys.executable, *words_of(words)], env=environment | env, **options)

    def start(*words, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return forked.start(*words_of(words), env=environment, **pipes)

    run.start = start
    return run


@pytest.fixture
def started_ranks(forked):
    """Starts a program as the processes of one job."""
    with starting(forked) as start:
        yield start


@pytest.fixture(scope="session")
def stored_by_transformers(tmp_path_factory):
    """Makes folders with a scrambled model and its image processor, as transformers writes them."""
    transformers = pytest.importorskip("transformers")

    def store(processor=None, **fields):
        config = transformers.ConditionalDetrConfig(**fields)
        torch.manual_seed(0)
        model = scramble(transformers.ConditionalDetrForObjectDetection(config).eval())
        folder = tmp_path_factory.mktemp("stored")
        model.save_pretrained(folder)
        transformers.ConditionalDetrImageProcessor(**(processor or {})).save_pretrained(folder)
        return folder

    return store


@pytest.fixture(scope="session")
def tiny(stored_by_transformers):
    import transformers

    resnet = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    names = {0: "cat", 1: "dog", 2: "bird"}
    return stored_by_transformers(
        {"size": {"shortest_edge": 96, "longest_edge": 128}},
        **sizes,
        **heads,
        backbone_config=resnet,
        use_timm_backbone=False,
        num_queries=30,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
