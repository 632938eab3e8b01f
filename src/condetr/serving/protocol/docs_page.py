"""The description of the service as a page: one document, without scripts and without anything from elsewhere."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h2 { border-top: 1px solid #ddd; padding-top: 1rem; font-size: 1.1rem } table { border-collapse: collapse }
td, th { border: 1px solid #ddd; padding: .2rem .6rem; text-align: left; vertical-align: top }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto } code { font: .9em ui-monospace, monospace }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
DOCS_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'"

_EXAMPLES = """\
curl --data-binary @street.jpg "ADDRESS/predict?threshold=0.7"
curl -F first=@street.jpg -F second=@park.jpg ADDRESS/predict
(printf '{"inputs": "'; base64 -w0 street.jpg; printf '", "parameters": {"threshold": 0.7}}') |
    curl --json @- ADDRESS/predict"""


def docs_page(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    title = escape(info["title"])
    parts = [
        f"<h1>{title}</h1><p>{escape(info['description'])} Version {escape(info['version'])}.</p>",
        f"<pre>{escape(_EXAMPLES)}</pre>",
        *("".join(_routes(paths, *operation)) for operation, paths in _operations(document)),
        "<h2>Schemas</h2>",
        *(f"<h3 id={escape(name)}>{escape(name)}</h3>{_schema(s)}" for name, s in _schemas(document)),
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _schemas(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from document["components"]["schemas"].items()


def _operations(document: Mapping[str, Any]) -> list[tuple[tuple[str, Mapping[str, Any]], list[str]]]:
    """Every operation, as its method and description, with all paths that it has."""
    found: list[tuple[tuple[str, Mapping[str, Any]], list[str]]] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            same = next((paths for other, paths in found if other == (method, operation)), None)
            if same is None:
                found.append(((method, operation), [path]))
            else:
                same.append(path)
    return found


def _routes(paths: list[str], method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {', '.join(map(escape, paths))}</code></h2>"
    yield f"<p>{escape(operation['summary'])}{'; needs the token' if 'security' in operation else ''}.</p>"
    rows = [
        (f"{parameter['name']} ({parameter['in']})", parameter.get("description", ""))
        for parameter in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {})
    description = body.get("description", "")
    rows += [
        (f"body: {kind}", content.get("description", description) or _reference(content["schema"]))
        for kind, content in body.get("content", {}).items()
    ]
    rows += [(status, response["description"]) for status, response in operation["responses"].items() if status < "4"]
    refusals = [status for status in operation["responses"] if status >= "4"]
    if refusals:
        rows.append((", ".join(refusals), "errors"))
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    yield f"<table>{cells}</table>"


def _schema(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = (
        f"<tr><th>{escape(name)}</th><td>{escape(_reference(value))}{optional}</td></tr>"
        for name, value in schema.get("properties", {}).items()
        for optional in ("" if name in required else ", optional",)
    )
    return f"<table>{''.join(rows)}</table>"


def _reference(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(map(_reference, schema[choice])))
    if schema.get("type") == "array":
        return f"list of {_reference(schema['items'])}" if "items" in schema else "list"
    if schema.get("type") == "object" and schema.get("properties"):
        inner = ", ".join(f"{name}: {_reference(value)}" for name, value in schema["properties"].items())
        return f"{{{inner}}}"
    return str(schema.get("contentEncoding", schema.get("format", schema.get("type", "anything"))))
