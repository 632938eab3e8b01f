import pytest


def test_a_list_that_predict_and_label_take(condetr, condetr_json, model, photos, tmp_path):
    words = ("data", "pick", photos, "--model", model, "--count", "2")
    status, answer, err = condetr_json(*words, "--output", "next.txt")
    assert status == 4
    assert "bad1.jpg" in err
    assert [len(answer[key]) for key in ("picked", "failures")] == [2, 2]
    listed = (tmp_path / "next.txt").read_text().splitlines()
    assert len(listed) == 2
    assert all(path.startswith(str(photos)) for path in listed)
    assert condetr(*words)[1].splitlines() == listed, "without --output, the list is on stdout"
    status, answer, _ = condetr_json("label", "next.txt", "--model", model, "--output", "out")
    assert (status, answer["counts"]["images"]) == (0, 2)
    status, answer, _ = condetr_json("predict", "next.txt", "--model", model)
    assert (status, [result["source"] for result in answer["results"]]) == (0, listed)


def test_labeled_images_are_excluded(condetr, model, photos, tmp_path):
    words = ("data", "pick", photos / "a.png", photos / "b.png", photos / "c.png", "--model", model)
    everything = set(condetr(*words)[1].splitlines())
    assert len(everything) == 3
    (tmp_path / "done.txt").write_text(f"{photos / 'a.png'}\n")
    left = set(condetr(*words, "--exclude", f"done.txt,{photos / 'b.png'}")[1].splitlines())
    assert left == {str(photos / "c.png")}
    assert condetr("label", photos / "c.png", "--model", model, "--output", "labeled")[0] == 0
    left = set(condetr(*words, "--exclude", "labeled")[1].splitlines())
    assert left == {str(photos / "a.png"), str(photos / "b.png")}, "the dataset holds links"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "0"], "--count: is 0, expected at least 1"),
        (["--output", "next"], "expected a name that ends in .txt"),
        (["--exclude", "gone"], "gone: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused(condetr, model, photos, words, message):
    status, _, err = condetr("data", "pick", photos, "--model", model, *words)
    assert status == 2
    assert message in err
