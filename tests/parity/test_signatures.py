"""Every public method and argument of transformers' classes is here, or docs/differences.md says that it is not."""

import inspect
import re
from pathlib import Path

import pytest
from torch import nn

import condetr
from condetr.hf.processing.batch_feature import BatchFeature

transformers = pytest.importorskip("transformers")
TEXT = (Path(__file__).parents[2] / "docs/differences.md").read_text(encoding="utf-8")
LISTED = set(re.findall(r"`(\w+)`", TEXT.partition("## Methods and arguments that are not here")[2]))
KINDS = [
    "AutoConfig", "AutoImageProcessor", "AutoModel", "AutoModelForObjectDetection", "ConditionalDetrConfig",
    "ConditionalDetrForObjectDetection", "ConditionalDetrForSegmentation", "ConditionalDetrImageProcessor",
    "ConditionalDetrImageProcessorPil", "ConditionalDetrModel",
]  # fmt: skip


def public(kind):
    return {name for name in dir(kind) if not name.startswith("_")} - set(dir(nn.Module))


def arguments(method):
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name for name, one in inspect.signature(method).parameters.items() if one.kind not in kinds} - {"self"}


def lacking(ours, theirs):
    """Arguments that neither our signature nor its description knows."""
    described = set(re.findall(r"\w+", inspect.getdoc(ours) or ""))
    return arguments(theirs) - arguments(ours) - described


def knows(name):
    return hasattr(condetr.ConditionalDetrConfig(), name)


pytestmark = pytest.mark.skipif(
    not transformers.__version__.startswith("5.23."), reason="the list is of transformers 5.23"
)


@pytest.mark.parametrize("name", KINDS)
def test_methods(name):
    ours, theirs = getattr(condetr, name), getattr(transformers, name)
    here = set(dir(ours)) | set(ours.__annotations__ | getattr(ours.__mro__[1], "__annotations__", {}))
    if "Processor" in name and "Auto" not in name:
        here |= set(dir(ours()))
    absent = {one for one in public(theirs) - here - LISTED if name != "ConditionalDetrConfig" or not knows(one)}
    assert not absent
    for method in sorted(public(theirs) & set(dir(ours))):
        ours_of, theirs_of = getattr(ours, method), getattr(theirs, method)
        if callable(theirs_of) and not inspect.isclass(theirs_of) and callable(ours_of):
            assert not (lacking(ours_of, theirs_of) - LISTED), method


def test_functions():
    assert not lacking(condetr.pipeline, transformers.pipeline) - LISTED
    for method in public(transformers.BatchFeature) & public(BatchFeature):
        ours_of, theirs_of = getattr(BatchFeature, method), getattr(transformers.BatchFeature, method)
        if inspect.isfunction(theirs_of):
            assert not lacking(ours_of, theirs_of) - LISTED, method
