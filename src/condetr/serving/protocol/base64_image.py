"""Encoded images as base64 in JSON."""

import base64
import binascii

from condetr.serving.protocol.json_body import malformed


def decoded(text: object, where: str) -> bytes:
    """The bytes of an image.

    Args:
        text: base64, also with line breaks, or ``data:image/...;base64,...``.
        where: the field that holds it.

    Raises:
        Refused: it is something else, or empty.
    """
    if not isinstance(text, str):
        raise malformed(f"{where} is no string; expected an image as base64")
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise malformed(f"{where} is a data URI without base64")
    try:
        image = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise malformed(f"{where} is not base64; URL input is disabled: send the image itself") from None
    if not image:
        raise malformed(f"{where} is empty")
    return image
