"""Is anything learned? If not, the likely causes, most likely first."""

from collections.abc import Sequence
from statistics import fmean

from condetr.data.records import Dataset
from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.training.run.metrics_log import Row
from condetr.training.settings import TrainingSettings

ENOUGH = 200  # steps after which a network that learns has come down from where it began
FALLEN = 0.95  # of the first loss: above it nothing worth the name was learned
DIVERGED = 2.0
KNOWN = 0.1  # AP of a model that knows something, whose loss need not fall any more


def is_untrained(detector: ConditionalDetr) -> bool:
    """Whether no images were ever seen: the norms have statistics of nothing, and boxes lie at their queries' points.

    Networks that began without pretrained norms never have statistics; their box head tells that they learned.
    """
    if detector.head.boxes.last.weight.any():
        return False
    norms = [module for module in detector.backbone.modules() if isinstance(module, FrozenBatchNorm)]
    return bool(norms) and all(bool((norm.running_var == 1).all() and (norm.running_mean == 0).all()) for norm in norms)


def warnings_at_the_start(detector: ConditionalDetr, dataset: Dataset, settings: TrainingSettings) -> list[str]:
    said = []
    if is_untrained(detector) and any(part in settings.freeze for part in ("early", "backbone")):
        said.append(
            "the backbone was never trained, and parts of it are frozen: it will learn little;"
            " start from a pretrained model, or give --set freeze=[]"
        )
    queries = detector.config.num_queries
    crowded = [example for example in dataset if len(example.objects) > queries]
    if crowded:
        fullest = max(crowded, key=lambda example: len(example.objects))
        said.append(
            f"{len(crowded)} images have more objects than the {queries} queries of the model, which find at most as"
            f" many: image {fullest.image_id} ({dataset.name_of(fullest)}) has {len(fullest.objects)}"
        )
    return said


def why_nothing_is_learned(rows: Sequence[Row], dataset: Dataset, settings: TrainingSettings) -> str | None:
    """What to tell about the training rows of a log so far; None while all is well or it is too early to say."""
    knows = any(row.get("ap", 0) >= KNOWN for row in rows)
    rows = [row for row in rows if "loss" in row]
    if knows or not rows or rows[-1]["step"] < ENOUGH:
        return None
    few = max(1, len(rows) // 10)
    first, recent = (fmean(row["loss"] for row in part) for part in (rows[:few], rows[-few:]))
    if recent <= FALLEN * first:
        return None
    direction = "rose" if recent > DIVERGED * first else "has not fallen"
    causes = "; ".join(_causes(rows, dataset, settings))
    return f"nothing is learned yet: the loss {direction}, {first:.4g} then {recent:.4g}. Likely causes: {causes}"


def _causes(rows: Sequence[Row], dataset: Dataset, settings: TrainingSettings) -> list[str]:
    causes = []
    lost = sum(row.get("skipped", 0) for row in rows)
    if lost:
        causes.append(f"{lost} steps were left out because of numbers that are not finite")
    empty = sum(not example.objects for example in dataset)
    if empty > len(dataset) / 2:
        causes.append(f"{empty} of {len(dataset)} images have no objects")
    if settings.lr > 1e-3:
        causes.append(f"a learning rate of {settings.lr:g} is too high; the paper's is 1e-4")
    if settings.lr < 1e-5:
        causes.append(f"a learning rate of {settings.lr:g} is too low; the paper's is 1e-4")
    if "decoder" in settings.freeze or "head" in settings.freeze:
        causes.append(f"what must learn the classes is frozen ({', '.join(settings.freeze)})")
    causes.append("a backbone or transformer without pretraining stays on a plateau for many epochs before it learns")
    causes.append("labels that do not fit their images (look at samples/ in the run folder)")
    causes.append("to tell data from settings: --overfit 8 must learn 8 images by heart")
    return causes
