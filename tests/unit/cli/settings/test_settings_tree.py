import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from condetr.cli.settings.settings_tree import read_settings
from condetr.core.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    lr: Annotated[float, "learning rate"] = 1e-4
    clip: Annotated[float | None, "largest norm of the gradients"] = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    data: Annotated[Path, "data set"]
    epochs: Annotated[int, "rounds"] = 50
    name: Annotated[str | None, "name"] = None
    save: Annotated[tuple[Literal["images", "json"], ...], "formats"] = ("json",)
    verify: Annotated[bool, "check"] = True
    optimizer: Optimizer = field(default_factory=Optimizer)

    def __post_init__(self):
        if self.epochs < 1:
            raise SettingsError(f"is {self.epochs}, expected at least 1", item="epochs")


def read(*overrides, text=None, tmp_path=None, **flags):
    file = None
    if text is not None:
        file = tmp_path / "run.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_settings(Run, file=file, overrides=["data=/coco", *overrides], flags=flags)


def test_defaults_then_file_then_set_then_flags(tmp_path):
    text = "epochs: 2\noptimizer: {lr: 1.0e-3, clip: 5}\nname: from file\n"
    run = read("optimizer.clip=null", "name=from set", text=text, tmp_path=tmp_path, name="from flag", verify=None)
    assert run == Run(data=Path("/coco"), epochs=2, name="from flag", optimizer=Optimizer(lr=1e-3, clip=None))


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1.e-4", "1E-04", "1.0e-4"])
def test_every_way_to_write_a_number(text):
    assert read(f"optimizer.lr={text}").optimizer.lr == 1e-4


@pytest.mark.parametrize("value", ["images,json", "[images, json]", "images, json"])
def test_lists_are_words_with_commas_or_yaml(value):
    assert read(f"save={value}").save == ("images", "json")


def test_an_empty_file_says_nothing(tmp_path):
    assert read(text="# only a comment\n", tmp_path=tmp_path) == Run(data=Path("/coco"))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "optimizer.lrr=1",
            "optimizer.lrr: no such setting (the nearest: optimizer.lr, optimizer.clip; config.yaml of a run has all)",
        ),
        ("epoch=3", "epoch: no such setting (the nearest: epochs, "),
        ("optimizer.lr=fast", "optimizer.lr: is 'fast', expected a number"),
        ("optimizer.lr.x=1", "optimizer.lr: is a mapping, expected a number"),
        ("optimizer=3", "optimizer: is 3, expected settings of its own"),
        ("epochs=2.0", "epochs: is 2.0, expected a whole number"),
        ("epochs=true", "epochs: is True, expected a whole number"),
        ("epochs=0", "--set epochs=0: epochs: is 0, expected at least 1"),
        ("name=no", 'name: is False, expected text or nothing (null) (put text in quotes: "...")'),
        ("name=1.10", 'name: is 1.1, expected text or nothing (null) (put text in quotes: "...")'),
        ('name="a\\0b"', "name: holds a NUL character"),
        ('name="\\ud800"', "name: is '\\ud800', which is no text"),
        ('data="a\\0b"', "data: holds a NUL character"),
        ("data=a/" + "é" * 150, "data: holds a name of 300 bytes, expected at most 255"),
        ("data=" + "a/" * 3000, "data: is a path of"),
        ("verify=!!bool x", "is not readable YAML: tags (!) are not read"),
        ('epochs=!!int ""', "is not readable YAML: tags (!) are not read"),
        ("name=!!timestamp x", "is not readable YAML: tags (!) are not read"),
        ("epochs=! 1", "is not readable YAML: tags (!) are not read"),
        ("epochs=010", "epochs: is '010', expected a whole number"),
        ("epochs=1:30", "epochs: is '1:30', expected a whole number"),
        ("epochs=" + "9" * 400, "expected a whole number"),
        ("epochs=0x" + "f" * 6000, "expected a whole number"),
        ("optimizer.lr=" + "9" * 400, "expected a number"),
        ("optimizer.lr=1e999", "optimizer.lr: is '1e999', expected a number"),
        ("optimizer.lr=.inf", "optimizer.lr: is '.inf', expected a number"),
        ("batch_size=3", "batch_size: no such setting (the nearest: "),
        ("save=images,csv", "save: is 'images,csv', expected a list, each one of images, json"),
        ("save=images,,json", "save: is 'images,,json'"),
        ("save=[[images]]", "save: is a list"),
        ("verify=1", "verify: is 1, expected true or false"),
        ("data=", "data: is None, expected a path"),
        ("data", "--set data: expected NAME=VALUE"),
        ("=3", "--set =3: expected NAME=VALUE"),
        ("epochs={a: 1, a: 2}", "duplicate key 'a'"),
        ("epochs=[", "is not readable YAML"),
        ("epochs=!!python/object/apply:os.getcwd []", "is not readable YAML"),
        ("epochs=" + "9" * 5000, "expected a whole number"),
        ("epochs={[a]: 1}", "a setting's name must be text"),
    ],
)
def test_a_mistake_is_named_by_its_path_and_place(override, says):
    with pytest.raises(SettingsError) as caught:
        read(override)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "name"),
    [("7", "7"), ("2024-02-31", "2024-02-31"), ("010", "010"), ("1_000", "1_000"), ("8e" * 20, "8e" * 20)],
)
def test_text_may_look_like_something_else(text, name):
    """A folder called like a day, a revision of digits."""
    assert read(f"name={text}").name == name


@pytest.mark.parametrize("value", [10**400, -(2**63), 2**63])
def test_a_flag_may_be_too_large_as_well(value):
    with pytest.raises(SettingsError, match=r"--epochs: is .*, expected a whole number"):
        read(epochs=value)


def test_what_is_required_is_asked_for():
    with pytest.raises(SettingsError, match=r"data: is required \(give --data"):
        read_settings(Run)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"epochs: 3\nepochs: 4\n", "line 2: is not readable YAML: duplicate key 'epochs'"),
        (b"- 1\n- 2\n", "holds a list, expected NAME: VALUE lines"),
        (b"epochs: \xff\n", "is not UTF-8 text"),
        (b"a: &a [x]\nb: *a\n", "line 1: is not readable YAML: anchors"),
        (b"optimizer: " + b"{lr: " * 40 + b"1" + b"}" * 40, "nested deeper than 16"),
        (b"epochs: 1\n---\nepochs: 2\n", "is not readable YAML"),
        (b"1: 2\n", "a setting's name must be text"),
        (b"epochs: 1\x00", "is not readable YAML"),
        (b"#" + b"x" * 300_000, "expected at most"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, says):
    with pytest.raises(SettingsError) as caught:
        read(text=text, tmp_path=tmp_path)
    assert says in str(caught.value)
    assert "run.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read_settings(Run, file=tmp_path / "nowhere.yaml")


def test_an_alias_bomb_is_refused_at_once(tmp_path):
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    start = time.process_time()
    with pytest.raises(SettingsError, match="aliases"):
        read(text=bomb, tmp_path=tmp_path)
    assert time.process_time() - start < 1
