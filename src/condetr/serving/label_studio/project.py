"""What a Label Studio project labels: the tags of its labeling configuration, and their labels.

https://labelstud.io/tags/ describes the configuration, an XML text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.parsers import expat

from condetr.data.label_studio.regions import Controls
from condetr.serving.protocol.http_errors import Refused

_KINDS = ("RectangleLabels", "PolygonLabels")
_LARGEST = 2**20  # characters


@dataclass(frozen=True, slots=True)
class Project:
    """The tags that get predictions.

    Attributes:
        controls: their names.
        labels: the project's label for each class name of the model, as far as it has one.
    """

    controls: Controls
    labels: Mapping[str, str]


def project_of(configuration: object, classes: Iterable[str]) -> Project:
    """Find the image of a labeling configuration, and the boxes and polygons that label it.

    A label belongs to the class of its ``value`` or ``alias``, or to those in ``predicted_values``, separated by
    commas; upper and lower case are the same.

    Args:
        configuration: the XML text.
        classes: of the model.

    Raises:
        Refused: it is no such text, or has no boxes or polygons on an image.
    """
    root = _xml_of(configuration)
    images = {tag.get("name"): tag.get("value", "") for tag in root.iter("Image")}
    names: dict[str, str] = {}
    image, table = "", dict[str, str]()
    for kind in _KINDS:
        for tag in root.iter(kind):
            if tag.get("toName") not in images or (image and tag.get("toName") != image) or kind in names:
                continue
            names[kind], image = tag.get("name", ""), tag.get("toName", "")
            for label in tag.iter("Label"):
                table.update(_names_of(label))
    if not names:
        reason = f"the labeling configuration has no {' or '.join(_KINDS)} for an Image"
        raise Refused(400, "label_config", reason)
    controls = Controls(names.get(_KINDS[0]), names.get(_KINDS[1]), image, images[image].removeprefix("$"))
    return Project(controls, {name: table[name.casefold()] for name in classes if name.casefold() in table})


def _names_of(label: ElementTree.Element) -> Iterable[tuple[str, str]]:
    value = label.get("value", "")
    written = label.get("alias") or value
    predicted = label.get("predicted_values", "")
    for name in (value, written, *predicted.split(",")):
        if name.strip():
            yield name.strip().casefold(), written


def _xml_of(configuration: object) -> ElementTree.Element:
    """The outermost tag, without document types, whose entities could grow without end."""
    if not isinstance(configuration, str) or len(configuration) > _LARGEST:
        raise Refused(400, "label_config", f"expected a labeling configuration of at most {_LARGEST} characters")
    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = _refuse_document_type
    try:
        guard.Parse(configuration, True)  # noqa: FBT003  the end of the text
        return ElementTree.fromstring(configuration)  # noqa: S314  checked above
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        raise Refused(400, "label_config", f"the labeling configuration is no XML: {error}") from None


def _refuse_document_type(*_: object) -> None:
    raise Refused(400, "label_config", "the labeling configuration has a document type, which is not allowed")
