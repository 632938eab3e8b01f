"""``condetr hub``: models to and from the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings


@dataclass(frozen=True, kw_only=True)
class PullSettings(CommonSettings):
    revision: Annotated[str | None, "branch, tag or commit"] = None


@dataclass(frozen=True, kw_only=True)
class PushSettings(CommonSettings):
    revision: Annotated[str | None, "branch"] = None
    private: Annotated[bool, "whether a new repository is private"] = False


_Id = Annotated[str, typer.Argument(help="organization/name", metavar="ID")]
_Folder = Annotated[Path, typer.Argument(help="A model folder.", metavar="FOLDER")]


def pull(model: _Id, settings: PullSettings, reporter: Reporter) -> None:
    """Download a model into the cache, and print its path."""
    from condetr.checkpoints.hub import find

    location = find(model, revision=settings.revision)
    reporter.result(str(location.path), {"path": str(location.path), "revision": location.revision})


def push(folder: _Folder, model: _Id, settings: PushSettings, reporter: Reporter) -> None:
    """Upload a model folder, after checking that it loads."""
    from condetr.checkpoints.loading import load
    from condetr.checkpoints.pushing import push as upload

    load(folder)
    address = upload(folder, model, private=settings.private or None, revision=settings.revision)
    reporter.result(address, {"address": address})
