"""A page of the settings of training, as ``--config``, ``--set`` and `Detector.train` take them."""

from dataclasses import MISSING, fields
from typing import get_args

from condetr.training.settings import TrainingOptions, TrainingSettings
from condetr.workflows.defaults import CHOSEN
from reference.markdown import code, from_docstring, table


def settings_page() -> str:
    described = {spec.name: get_args(spec.type)[1] for spec in fields(TrainingOptions) if len(get_args(spec.type)) > 1}
    rows = [
        (code(spec.name), described.get(spec.name, ""), _default(spec.name, spec.default))
        for spec in fields(TrainingSettings)
    ]
    intro = (
        "The same names are options of `condetr train` (with hyphens), keys of `--config FILE.yaml` and of recipes, and"
        " arguments of `Detector.train`. Settings that fit data and machine are chosen where none is named;"
        " [training](../training.md) says how."
    )
    text = from_docstring(TrainingSettings.__doc__)
    return f"# Settings of training\n\n{intro}\n\n{table(('setting', 'what it is', 'default'), rows)}\n\n{text}\n"


def _default(name: str, value: object) -> str:
    if name in CHOSEN:
        return "fits data and machine"
    return "" if value is MISSING else code(str(value))
