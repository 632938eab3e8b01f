"""From a function and its settings dataclass to a command with flags."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import typer

from condetr.cli.foreign_options import check_arguments
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.settings_tree import flag_of, flagged, read_settings
from condetr.core.errors import SettingsError

Run: TypeAlias = Callable[..., int | None]


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """The options of every command."""

    device: Annotated[str, "cpu, cuda, cuda:1, mps or auto"] = "auto"
    seed: Annotated[int | None, "seed of all random number generators"] = None
    CHOSEN: ClassVar[frozenset[str]] = frozenset()  # settings without a fixed default, for the help
    PANELS: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # of the help: settings that belong together, by title
    named: ClassVar[frozenset[str]] = frozenset()  # the settings in files and options, by path; `read_settings` sets it

    def beneath(self) -> Path | None:
        """A file of settings that all others override, if there is one."""
        return None


_HIGHEST_SEED = 2**32 - 1  # that numpy takes
EVERYWHERE = "On every command"


def _everywhere(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=EVERYWHERE, **more)


_COMMON = {
    "config": Annotated[
        Path | None, _everywhere("--config", help="read settings from a YAML file", metavar="FILE.yaml")
    ],
    "overrides": Annotated[
        list[str] | None, _everywhere("--set", help="set one setting; may be repeated", metavar="NAME=VALUE")
    ],
    "as_json": Annotated[bool, _everywhere("--json", help="print the result as JSON on stdout, all else on stderr")],
    "quiet": Annotated[bool, _everywhere("--quiet", "-q", help="print only results and errors")],
    "verbose": Annotated[
        int, _everywhere("--verbose", "-v", help="print more; -vv everything", count=True, show_default=False)
    ],
    "debug": Annotated[bool, _everywhere("--debug", help="show the traceback of an error")],
}
_COMMON_DEFAULTS = {"as_json": False, "quiet": False, "verbose": 0, "debug": False}


def as_command(run: Run) -> Callable[..., int]:
    """A function for typer with the arguments of ``run`` and one flag per field of its settings.

    ``run(settings, reporter, **arguments)`` gets checked settings: defaults < the file of
    ``settings.beneath()`` < --config < --set < flags.
    """
    kinds = get_type_hints(run, include_extras=True)
    schema = kinds["settings"]
    arguments = {name: kind for name, kind in kinds.items() if name not in ("settings", "reporter", "return")}
    optional = {
        name: parameter.default
        for name, parameter in inspect.signature(run).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    flags, paths = {}, {}
    panels = {path: _panel_of(path, spec, schema.PANELS) for path, spec in flagged(schema).items()}
    order = [None, *schema.PANELS, EVERYWHERE]  # in which the help shows them
    for path, spec in sorted(flagged(schema).items(), key=lambda item: order.index(panels[item[0]])):
        name = flag_of(path)[2:].replace("-", "_") if "." in path else path
        flags[name] = _flag(path, spec, chosen=path in schema.CHOSEN, panel=panels[path])
        paths[name] = path

    def command(**values: Any) -> int:
        reporter = Reporter(as_json=values["as_json"], verbosity=-1 if values["quiet"] else values["verbose"])
        reporter.take_over_warnings()
        check_arguments(
            (values[name] for name in arguments), {name: name in arguments for name in (*arguments, *flags)}
        )
        read = partial(
            read_settings,
            schema,
            file=values["config"],
            overrides=values["overrides"] or (),
            flags={path: _joined(values[name]) for name, path in paths.items()},
        )
        settings = read()
        if (beneath := settings.beneath()) is not None:
            settings = read(beneath=beneath)
        if settings.seed is not None:
            _seed(settings.seed)
        return run(settings=settings, reporter=reporter, **{name: values[name] for name in arguments}) or 0

    command.__doc__ = inspect.getdoc(run)
    annotations = arguments | flags | _COMMON
    command.__annotations__ = annotations
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what typer reads
        [
            _parameter(name, kind, required=name in arguments and name not in optional, optional=optional.get(name))
            for name, kind in annotations.items()
        ]
    )
    return command


def _parameter(name: str, kind: Any, *, required: bool, optional: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if required else _COMMON_DEFAULTS.get(name, optional)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _panel_of(path: str, spec: Any, panels: Mapping[str, tuple[str, ...]]) -> str | None:
    if spec.name in CommonSettings.__dataclass_fields__:
        return EVERYWHERE
    return next((title for title, paths in panels.items() if path in paths), None)


def _flag(path: str, spec: Any, *, chosen: bool, panel: str | None) -> Any:
    kind, explanation = get_args(spec.type)
    wanted, metavar = _parsed_as(get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,))
    flag = flag_of(path)
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if wanted is bool else flag,
        help=explanation,
        metavar=metavar,
        show_default="fits data and machine" if chosen else _shown_default(spec.default),
        rich_help_panel=panel,
    )
    return Annotated[wanted | None, option]


_OTHERS = {int: "N", float: "N", Path: "FILE.yaml"}  # values besides words


def _parsed_as(allowed: tuple[Any, ...]) -> tuple[Any, str | None]:
    """The type for typer, and its name in the help; `read_value` reads the rest."""
    if bool in allowed:
        return bool, None
    if get_origin(allowed[0]) is tuple:
        return list[str], "A,B,..."
    words = [str(word) for kind in allowed if get_origin(kind) is Literal for word in get_args(kind)]
    if words:
        return str, "|".join([*words, *(_OTHERS[kind] for kind in allowed if kind in _OTHERS)])
    kind = next(kind for kind in allowed if kind is not NoneType)
    return kind, None


def _joined(value: Any) -> Any:
    """A flag of a list may be repeated, each time with several values."""
    if not isinstance(value, list):
        return value
    return ",".join(value) if value else None


def _shown_default(value: Any) -> str | bool:
    """The default in the help; False where there is none, or where the help text names it."""
    if value is MISSING or value is None or value is False:
        return False
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _seed(seed: int) -> None:
    if not 0 <= seed <= _HIGHEST_SEED:
        raise SettingsError(f"is {seed}, expected a number from 0 to {_HIGHEST_SEED}", item="--seed")

    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
