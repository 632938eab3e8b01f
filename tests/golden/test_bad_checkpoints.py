"""Every stored model of the hostile files: the good ones load, the others are refused in words that help."""

import json

from condetr.checkpoints.loading import load
from condetr.core.errors import CheckpointError


def test_each_is_loaded_or_refused(shared, subtests):
    corpus = shared / "badinputs" / "public"
    for case in json.loads((corpus / "manifest.json").read_text()):
        if case["use"] not in ("load", "load+predict", "convert"):
            continue
        with subtests.test(case["slug"]):
            expected = case["expect"]
            try:
                labels = load(corpus / case["file"]).labels
            except CheckpointError as error:
                said = str(error).lower()
                assert expected["outcome"] != "ok", said
                assert all(any(word.lower() in said for word in words) for words in expected["mention"])
            else:
                assert expected["outcome"] != "reject"
                assert len(labels) == expected.get("check", {}).get("num_labels", len(labels))
