"""The engine ray on the command line, without Ray; `test_ray` has the runs."""

import importlib.util

import pytest


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--actors", "2"], "--actors: is of a Ray cluster (--engine ray)"),
        (["--address", "auto"], "--address: is of a Ray cluster (--engine ray)"),
        (["--engine", "ray", "--actors", "0"], "--actors: is 0, expected at least 1"),
        (["--engine", "ray", "--gpus-per-actor", "-1"], "--gpus-per-actor: is -1.0, expected at least 0"),
        (["--engine", "ray", "--decode-workers", "2"], "--decode-workers: is of --engine local"),
    ],
)
def test_what_cannot_be_done_is_refused(condetr, photos, words, says):
    status, out, err = condetr("predict", photos, *words)
    assert (status, out) == (2, "")
    assert says in err


def test_without_ray_the_extra_is_named_before_anything_else(condetr, photos, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    status, out, err = condetr("predict", photos, "--model", "no/such", "--engine", "ray", "--output", "out")
    assert (status, out) == (7, "")
    assert err == 'condetr: error: --engine ray needs ray (pip install "condetr[ray]")\n'
    assert not (tmp_path / "out").exists()
