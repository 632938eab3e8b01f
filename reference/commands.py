"""A page for each command of ``condetr``, from what ``--help`` shows."""

import inspect
from pathlib import Path
from typing import Any

import typer

from condetr.cli.examples import EXAMPLES
from condetr.cli.main import app
from condetr.cli.settings.command import EVERYWHERE
from reference.markdown import code, from_docstring, table


def command_pages() -> dict[str, str]:
    """Text by file name."""
    group = typer.main.get_command(app)
    pages = {"commands/index.md": _overview(group)}
    for words, command in _commands(group, ("condetr",)):
        pages[f"commands/{'-'.join(words[1:])}.md"] = _page(words, command)
    return pages


def _commands(group: Any, words: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, command in group.commands.items():
        inner = (*words, name)
        found += _commands(command, inner) if hasattr(command, "commands") else [(inner, command)]
    return found


def _overview(group: Any) -> str:
    rows = [
        (f"[{' '.join(words)}]({'-'.join(words[1:])}.md)", (command.help or "").split("\n")[0])
        for words, command in _commands(group, ("condetr",))
    ]
    return f"# Commands\n\n{table(('command', 'what it does'), rows)}\n"


def _page(words: tuple[str, ...], command: Any) -> str:
    arguments = [parameter for parameter in command.params if not _is_option(parameter)]
    usage = " ".join([*words, *(f"{argument.metavar}{'...' * (argument.nargs != 1)}" for argument in arguments)])
    examples = "\n".join(EXAMPLES[" ".join(words[1:])])
    parts = [f"# {' '.join(words)}", f"    {usage} [OPTIONS]", from_docstring(inspect.cleandoc(command.help or ""))]
    parts.append(f"```sh\n{examples}\n```")
    panels: dict[str, list[tuple[str, str, str]]] = {}
    for option in command.params:
        if _is_option(option) and not option.hidden:
            panels.setdefault(option.rich_help_panel or "Options", []).append(_row(option))
    everywhere = panels.pop(EVERYWHERE)
    for title, rows in {**panels, EVERYWHERE: everywhere}.items():
        parts.append(f"## {title}\n\n{table(('option', 'what it does', 'default'), rows)}")
    return "\n\n".join(parts)


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _row(option: Any) -> tuple[str, str, str]:
    names = ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or option.count else f" {code(option.metavar or _kind(option))}"
    default = option.show_default if isinstance(option.show_default, str) else ""
    return names + value, option.help or "", default


def _kind(option: Any) -> str:
    kind = option.type_descriptor.annotation
    return {str: "TEXT", int: "N", float: "X", Path: "PATH"}.get(kind, "VALUE")
