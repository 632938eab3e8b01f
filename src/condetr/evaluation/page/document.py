"""The page of a report: one HTML document with its style, scripts and data, which fetches nothing."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from condetr.evaluation.page.content import content_of
from condetr.evaluation.report import Report

_SCRIPTS = ("data.js", "counts.js", "elements.js", "charts.js", "classes.js", "images.js", "main.js")  # in this order
_NAMES = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ar100": "AR", "mask_ap": "mask AP", "pq": "PQ", "miou": "mIoU"}
_HARMLESS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})  # in JSON, within a script element


def document_of(report: Report, folder: Path) -> str:
    """The HTML of the page.

    Args:
        report: to show.
        folder: of the page; links to the images are relative to it.

    Raises:
        UsageError: it has too many classes.
    """
    style, script = _asset("page.css"), _script()
    averages = report.averages()
    numbers = [(label, averages[name]) for name, label in _NAMES.items() if name in averages]
    dataset = report.dataset
    root = dataset.root.parent if dataset.root.name == dataset.split else dataset.root
    title = f"{root.name or root}: {dataset.split}"
    objects = sum(len(example.objects) for example in dataset)
    return Template(_asset("page.html")).substitute(
        title=_text(title),
        about=_text(f"{len(dataset):,} images, {objects:,} objects, {len(dataset.classes):,} classes"),
        averages="".join(f"<div><dt>{name}</dt><dd>{number:.3f}</dd></div>" for name, number in numbers),
        notes="".join(f"<p class='note'>{_text(note)}</p>" for note in report.notes),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=json.dumps(content_of(report, folder), allow_nan=False, separators=(",", ":")).translate(_HARMLESS),
    )


def _script() -> str:
    parts = "\n".join(_asset(name) for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def _asset(name: str) -> str:
    return (files("condetr.evaluation.page") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy has it; of the text between the tags."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _text(text: str) -> str:
    """Also where a name is not UTF-8."""
    return escape(text.encode("utf-8", "replace").decode())
