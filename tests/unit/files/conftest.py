from tests.unit.data.conftest import coco

__all__ = ["coco"]
