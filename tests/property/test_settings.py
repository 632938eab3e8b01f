"""Whatever stands in a settings file or after --set: settings come of it, or an error that names the place."""

from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condetr.cli.main import _COMMANDS
from condetr.cli.settings import _paths_of, read_settings
from condetr.core.errors import SettingsError, UsageError

SCHEMAS = {schema.__name__: schema for schema in (get_type_hints(run)["settings"] for _, run in _COMMANDS)}
ODD = [
    *("", "null", "true", "no", "0", "-1", "1.5", "1e-4", "1e999", ".inf", ".nan", "010", "1:30", "0x" + "f" * 6000),
    *("9" * 400, "9" * 5000, "a" * 300, "../" * 2000, '"a\\0b"', '"\\ud800"', "auto", "64x64", "a,,b", "[a, [b]]"),
    *("!!bool x", '!!int ""', "!!timestamp", "!!float x", "!!binary x", "! x", "&a x", "*a", "<<: {}", "{a: b}"),
]  # fmt: skip
values = st.sampled_from(ODD) | st.text(max_size=12) | st.tuples(st.sampled_from(ODD), st.text(max_size=3)).map("".join)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_value_of_any_setting_is_taken_or_refused_in_words(name, data):
    schema = SCHEMAS[name]
    paths = st.sampled_from([*_paths_of(schema), "network", "a.b", ".", ""]) | st.text(max_size=5)
    overrides = [f"{data.draw(paths)}={data.draw(values)}" for _ in range(data.draw(st.integers(1, 2)))]
    try:
        read = read_settings(schema, overrides=overrides)
        read.beneath()
        if hasattr(read, "training"):
            read.training()
    except (SettingsError, UsageError) as error:
        assert 10 < len(str(error)) < 1200  # noqa: PT017  most values are refused, some are taken
