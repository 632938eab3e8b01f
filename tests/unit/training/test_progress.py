import pytest

from condetr.training.progress import Position, Progress


def test_progress_comes_back_as_it_was_stored():
    progress = Progress(step=7, position=Position(1, 3), evaluated_step=5, best=0.5, best_epoch=1.5)
    stored = progress.to_dict() | {"position": [1, 3]}
    assert Progress.from_dict(stored) == progress


@pytest.mark.parametrize(("epochs", "step"), [(2, 8), (1, 0)])
def test_checkpoints_of_earlier_versions_count_evaluations_in_epochs(epochs, step):
    stored = Progress(step=8).to_dict() | {"position": [2, 0], "evaluated": epochs}
    del stored["evaluated_step"]
    assert Progress.from_dict(stored) == Progress(step=8, position=Position(2, 0), evaluated_step=step)
