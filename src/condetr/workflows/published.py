"""Conditional DETR models that others have published, as published; none of the figures was measured here."""

from dataclasses import dataclass

AUTHORS = "https://github.com/Atten4Vis/ConditionalDETR"  # its README is the source of the figures
COCO = "microsoft/conditional-detr-resnet-50"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """A model trained for 50 epochs on COCO 2017.

    Attributes:
        name: of the network, in the words of the paper.
        revision: commit of its main branch, where it is on the hub; as it was looked up.
        reference: hub id, or the page with the authors' ``.pth``, which `condetr.load` reads from a file.
        ap: on COCO 2017 val.
        parameters: rounded to millions.
        flops: rounded to billions, counted by the authors.
    """

    name: str
    reference: str
    ap: float
    parameters: int
    flops: int
    license: str = "apache-2.0"
    revision: str | None = None

    @property
    def is_on_hub(self) -> bool:
        return self.reference != AUTHORS


PUBLISHED = (
    PublishedModel(
        name="R50", reference=COCO, revision="8f8795f", ap=0.410, parameters=44_000_000, flops=90_000_000_000
    ),
    PublishedModel(name="DC5-R50", reference=AUTHORS, ap=0.437, parameters=44_000_000, flops=195_000_000_000),
    PublishedModel(name="R101", reference=AUTHORS, ap=0.428, parameters=63_000_000, flops=156_000_000_000),
    PublishedModel(name="DC5-R101", reference=AUTHORS, ap=0.450, parameters=63_000_000, flops=262_000_000_000),
)
