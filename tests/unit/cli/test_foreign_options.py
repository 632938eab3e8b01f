"""Words of other programs are answered with ours, wherever they are written."""

import pytest


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("predict a.jpg --conf 0.3", "condetr calls it --threshold"),
        ("predict a.jpg conf=0.3", "conf=0.3: is no path (write --threshold 0.3)"),
        ("predict --source a.jpg", "condetr calls it SOURCES, without a flag"),
        ("predict a.jpg --weights best.pt", "condetr calls it --model"),
        ("train data --imgsz 640", "condetr calls it --image-size"),
        ("train data --batch-size 8", "condetr calls it --batch"),
        ("train data --num-queries 8", "condetr calls it --set network.num_queries=VALUE"),
        ("train data epochs=3", "(epochs=3) (write --epochs 3)"),
        ("train data lr0=3", "(lr0=3) (write --lr 3)"),
        ("train data=coco epochs=3", "(write --epochs 3)"),
        ("train epochs=3", "epochs=3: is no path (write --epochs 3)"),
        ("train data=coco", "data=coco: is no path (write coco)"),
        ("train data color=red", "settings are written --name VALUE, or --set NAME=VALUE"),
        ("train data --set batch_size=3", "batch_size: no such setting (condetr calls it batch)"),
        ("train data --set epoch=3", "epoch: no such setting (the nearest: epochs, "),
        ("evaluate --data coco", "condetr calls it DATA, without a flag"),
        ("explain a.jpg conf=0.3", "write --threshold 0.3"),
        ("export imgsz=640", "write --image-size 640"),
        ("train data --conf 0.3", "No such option: --conf"),  # a threshold is nothing to train with
    ],
)
def test_ours_is_named(condetr, words, says):
    status, _, err = condetr(*words.split())
    assert status == 2
    assert says in err
    assert err.count("\n") == 1
    assert len(err) < 300


def test_a_file_may_be_called_like_a_setting(condetr, tmp_path):
    (tmp_path / "conf=0.3").write_text("")
    status, _, err = condetr("data", "check", "conf=0.3")
    assert status != 1
    assert "write" not in err


@pytest.mark.parametrize("words", ["train {}", "predict {}", "evaluate {}", "data check {}", "convert a {}", "info {}"])
def test_a_name_that_no_file_can_have_is_refused(condetr, words):
    status, _, err = condetr(*words.format("a" * 300).split())
    assert status == 2
    assert "holds a name of 300 bytes, expected at most 255" in err
    assert len(err) < 200
