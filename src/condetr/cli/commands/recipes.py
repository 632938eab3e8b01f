"""``condetr recipes``: what ``condetr train --recipe`` knows by name."""

from condetr.bundled import RECIPES
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.recipe import description_of


def recipes(settings: CommonSettings, reporter: Reporter) -> None:  # noqa: ARG001
    """List the training recipes of the package."""
    descriptions = {name: description_of(name) for name in RECIPES}
    reporter.result("\n".join(f"{name}: {text}" for name, text in descriptions.items()), descriptions)
