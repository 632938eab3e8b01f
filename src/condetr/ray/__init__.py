"""Detection on a Ray cluster: `Detect` for pipelines of Ray Data; the engine of ``condetr predict --engine ray``."""

from condetr.ray.detect import Detect

__all__ = ["Detect"]
