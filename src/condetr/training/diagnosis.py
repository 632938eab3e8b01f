"""Detects that nothing is learned, and lists the likely causes, most likely first."""

from collections.abc import Sequence
from statistics import fmean

from condetr.data.records import Dataset
from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.training.run.metrics_log import Row
from condetr.training.settings import TrainingSettings

MIN_STEPS = 200  # after which the loss of a network that learns has fallen
FALLEN = 0.95  # of the first loss: above it the loss has not fallen
DIVERGED = 2.0  # of the first loss
PLATEAU_AP, MIN_EVALUATIONS = 0.02, 5  # below it after so many evaluations, a training is on a plateau
PLATEAU_SHARE, PLATEAU_STEPS = 0.6, 500  # of the steps, over which a loss is flat; not before so many of them
FEWEST_ROWS = 8  # of the log, to compare their losses
FLAT = 0.98  # of the loss before
TRAINED_AP = 0.1  # of a model whose loss need not fall any more


def is_untrained(detector: ConditionalDetr) -> bool:
    """Whether the detector has random weights: box offsets and statistics of norms have their initial values.

    Networks trained from scratch never have statistics in their norms; their box head shows that they were trained.
    """
    if detector.head.boxes.last.weight.any():
        return False
    norms = [module for module in detector.body.backbone.modules() if isinstance(module, FrozenBatchNorm)]
    return bool(norms) and all(bool((norm.running_var == 1).all() and (norm.running_mean == 0).all()) for norm in norms)


def start_warnings(detector: ConditionalDetr, dataset: Dataset, settings: TrainingSettings) -> list[str]:
    warnings = []
    if is_untrained(detector) and any(part in settings.freeze for part in ("early", "backbone")):
        warnings.append(
            "the backbone has random weights, and parts of it are frozen: it will learn little;"
            " start from a pretrained model, or give --freeze none"
        )
    queries = detector.config.num_queries
    counts = dataset.columns.counts()
    if crowded := int((counts > queries).sum()):
        fullest = dataset[int(counts.argmax())]
        warnings.append(
            f"{crowded} images have more objects than the model has queries ({queries}), the most that it can"
            f" detect: image {fullest.image_id} ({dataset.name_of(fullest)}) has {len(fullest.objects)};"
            " --set network.num_queries gives it more"
        )
    return warnings


def explain_no_learning(rows: Sequence[Row], dataset: Dataset, settings: TrainingSettings) -> str | None:
    """A warning about the training rows of a log so far; None while the loss falls or it is too early to say."""
    is_trained = any(row.get("ap", 0) >= TRAINED_AP for row in rows)
    rows = [row for row in rows if "loss" in row]
    if is_trained or not rows or rows[-1]["step"] < MIN_STEPS:
        return None
    tenth = max(1, len(rows) // 10)
    first, recent = (fmean(row["loss"] for row in part) for part in (rows[:tenth], rows[-tenth:]))
    if recent <= FALLEN * first:
        return None
    direction = "rose" if recent > DIVERGED * first else "has not fallen"
    causes = "; ".join(_causes(rows, dataset, settings))
    return f"nothing is learned yet: the loss {direction}, {first:.4g} then {recent:.4g}. Likely causes: {causes}"


def explain_plateau(rows: Sequence[Row]) -> str | None:
    """A warning where a training is on a plateau, by AP or by its loss, with what helps; None otherwise."""
    measured = [row["ap"] for row in rows if "ap" in row]
    if any(ap >= TRAINED_AP for ap in measured):
        return None
    if len(measured) >= MIN_EVALUATIONS and max(measured) < PLATEAU_AP:
        sign = f"AP is at most {max(measured):.3f} after {len(measured)} evaluations"
    elif (flat := _flat_loss(rows)) is not None:
        sign = f"the loss stays at {flat:.4g} over {PLATEAU_SHARE:.0%} of the steps"
    else:
        return None
    remedies = "start from trained weights (--model); train for more steps (--minutes); smaller images (--image-size)"
    return f"the training is on a plateau: {sign}. What helps: {remedies}"


def _flat_loss(rows: Sequence[Row]) -> float | None:
    """The loss of the last steps, where it has not fallen during them and the learning rate has not, either."""
    rows = [row for row in rows if "loss" in row]
    late = rows[int((1 - PLATEAU_SHARE) * len(rows)) :]
    if len(late) < FEWEST_ROWS or rows[-1]["step"] < PLATEAU_STEPS:
        return None
    if rows[-1].get("lr", 0.0) < 0.5 * max(row.get("lr", 0.0) for row in rows):
        return None
    first, second = (fmean(row["loss"] for row in half) for half in (late[: len(late) // 2], late[len(late) // 2 :]))
    return second if second > FLAT * first else None


def _causes(rows: Sequence[Row], dataset: Dataset, settings: TrainingSettings) -> list[str]:
    causes = []
    skipped = sum(row.get("skipped", 0) for row in rows)
    if skipped:
        causes.append(f"{skipped} steps were skipped because of values that are not finite")
    empty = int((dataset.columns.counts() == 0).sum())
    if empty > len(dataset) / 2:
        causes.append(f"{empty} of {len(dataset)} images have no objects")
    if settings.lr > 1e-3:
        causes.append(f"a learning rate of {settings.lr:g} is too high; the paper's is 1e-4")
    if settings.lr < 1e-5:
        causes.append(f"a learning rate of {settings.lr:g} is too low; the paper's is 1e-4")
    if "decoder" in settings.freeze or "head" in settings.freeze:
        causes.append(f"the parts that must learn the classes are frozen ({', '.join(settings.freeze)})")
    causes.append("a backbone or transformer without pretraining stays on a plateau for many epochs before it learns")
    causes.append("labels that do not match their images (see samples/ in the run folder)")
    causes.append("to tell data from settings: --overfit 8 must overfit 8 images")
    return causes
