from condetr.bundled import DIGITS, bundled_models
from condetr.workflows.published import COCO


def test_models_are_listed_with_where_their_figures_are_from(condetr, condetr_json, monkeypatch):
    monkeypatch.setattr("condetr.checkpoints.hub.cached_revision", lambda name: None)
    status, said, _ = condetr_json("models")
    rows = {row["model"]: row for row in said["models"]}
    assert status == 0
    assert rows.keys() >= {*bundled_models(), COCO}
    digits, coco = rows[DIGITS], rows[COCO]
    assert (digits["published"], digits["license"], digits["available"]) == (False, "apache-2.0", "in the package")
    assert 550_000 < digits["parameters"] < 560_000
    assert digits["flops"] > 1e7
    assert (coco["published"], coco["size"], coco["ap"], coco["flops"]) == (True, "base", 0.41, 90_000_000_000)
    assert (coco["revision"], coco["available"]) == ("8f8795f", "on the hub, not cached")
    assert rows["Conditional DETR DC5-R101"]["size"] == "large"

    monkeypatch.setattr("condetr.checkpoints.hub.cached_revision", lambda name: "f" * 40)
    status, out, _ = condetr("models")
    (line,) = (line for line in out.splitlines() if line.startswith(COCO))
    assert line.split() == [COCO, "base", "0.410", "44", "M", "90", "apache-2.0", "f" * 12, "cached"]
    assert "published, not run here" in out
