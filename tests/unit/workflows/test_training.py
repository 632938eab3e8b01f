from condetr.data.demo.scene_folder import write_scenes
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.initial_model import InitialModel
from condetr.training.run.events import Noted
from condetr.training.run.resumption import is_resumed
from condetr.workflows.training import run, settings_of
from tests.unit.training.networks import tiny_detector


def test_what_is_not_named_is_chosen_also_the_number_of_queries(tmp_path):
    write_scenes(tmp_path / "data", train=6, val=2)
    built, events = [], []

    def build(classes, queries):
        built.append(queries)
        detector = tiny_detector(num_labels=len(classes), num_queries=queries or 2)
        return InitialModel(detector, Preprocessing(size=Edges(64, 64)))

    named = {"steps": 1, "batch": 1, "workers": 0, "image_size": 64, "max_size": 64}
    result = run(tmp_path / "data", named, build, output=tmp_path / "run", device="cpu", say=events.append)
    assert built == [None, 50]
    assert result.progress.step == 1
    texts = [event.text for event in events if isinstance(event, Noted)]
    assert any(text.startswith("chosen for 6 images of about 96x96 pixels") for text in texts)
    assert "learning rate 0.00035, of the backbone 0.0001: for 1 images per step; 0.0007 is for 4" in texts
    assert is_resumed(tmp_path / "run", "auto")
    assert not is_resumed(tmp_path / "other", "auto")


def test_a_resumed_run_keeps_its_settings(tmp_path):
    write_scenes(tmp_path / "data", train=6, val=2)

    def build(classes, queries):
        return InitialModel(tiny_detector(num_labels=len(classes), num_queries=50), Preprocessing(size=Edges(64, 64)))

    named = {"steps": 1, "lr": 1e-3, "workers": 0, "image_size": 64, "max_size": 64}
    run(tmp_path / "data", named, build, output=tmp_path / "run", device="cpu")
    events = []
    again = settings_of({"steps": 2}, tmp_path / "run")
    assert (again["ema"], again["lr"], again.get("minutes")) == ("auto", 1e-3, None)
    run(tmp_path / "data", again, build, output=tmp_path / "run", resume=True, device="cpu", say=events.append)
    texts = [event.text for event in events if isinstance(event, Noted)]
    assert not any("chosen" in text for text in texts)
    assert "steps changes from 1 to 2" in texts
