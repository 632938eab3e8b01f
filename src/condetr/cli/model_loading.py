"""The model that a command answers with."""

from typing import TYPE_CHECKING

import condetr
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.shared import size_of_text
from condetr.core.names import Backend, Precision

if TYPE_CHECKING:
    from condetr.api.detector import Detector
    from condetr.core.names import Task


def loaded(
    reference: str,
    reporter: Reporter,
    *,
    revision: str | None,
    device: str,
    image_size: str | None,
    backend: Backend | None = None,
    precision: Precision = "fp32",
    compile: bool = False,  # noqa: A002  the option's name
) -> "Detector":
    """Load it, and say what there is to say about it."""
    size = None if image_size is None else size_of_text(image_size, "image_size")
    model = condetr.load(
        reference,
        revision=revision,
        device=device,
        image_size=size,
        backend=backend,
        precision=precision,
        compile=compile,
    )
    where = model.checkpoint.provenance
    if where.revision is not None:
        reporter.note(f"condetr: {reference} is at commit {where.revision}")
    for note in where.notes:
        reporter.detail(f"condetr: {note}")
    return model


def found_at_any_score(model: "Detector") -> "Task":
    """What is found one by one, so that a threshold can be chosen afterwards; segments compete for their pixels."""
    return "detect" if model.task == "detect" else "instance"
