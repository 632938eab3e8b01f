"""Whatever stands in a settings file or after --set: settings come of it, or an error that names the place."""

from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condetr.cli.main import _COMMANDS
from condetr.cli.settings.settings_tree import _paths_of, read_settings
from condetr.core.errors import SettingsError, UsageError

SCHEMAS = {schema.__name__: schema for schema in (get_type_hints(run)["settings"] for _, run in _COMMANDS)}
ODD = [
    *("", "null", "true", "no", "0", "-1", "1.5", "1e-4", "1e999", ".inf", ".nan", "010", "1:30", "0x" + "f" * 6000),
    *("9" * 400, "9" * 5000, "a" * 300, "../" * 2000, '"a\\0b"', '"\\ud800"', "auto", "64x64", "a,,b", "[a, [b]]"),
    *("!!bool x", '!!int ""', "!!timestamp", "!!float x", "!!binary x", "! x", "&a x", "*a", "<<: {}", "{a: b}"),
    *("!!set {a}", "!!python/object:os.system x", "1:30.5", "2024-02-31", f"[{'1,' * 2000}]", "0x0", "cuda:99"),
]  # fmt: skip
values = st.sampled_from(ODD) | st.text(max_size=12) | st.tuples(st.sampled_from(ODD), st.text(max_size=3)).map("".join)


@st.composite
def overrides(draw, schema):
    """What may stand behind --set."""
    known = st.sampled_from([*_paths_of(schema)])
    paths = st.one_of(known, known, st.sampled_from(["network", "a.b", ".", ""]), st.text(max_size=5))
    return [f"{draw(paths)}={draw(values)}" for _ in range(draw(st.integers(1, 2)))]


def taken(schema, lines, file=None):
    """Whether settings come of it; else it is refused in words."""
    try:
        read = read_settings(schema, overrides=lines, file=file)
        read.beneath()
        if hasattr(read, "training"):
            read.training()
    except (SettingsError, UsageError) as error:
        assert 10 < len(str(error)) < 1200  # noqa: PT017  most values are refused, some are taken
        return False
    return True


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_value_of_any_setting_is_taken_or_refused_in_words(name, data):
    taken(SCHEMAS[name], data.draw(overrides(SCHEMAS[name])))
