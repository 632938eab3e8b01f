"""The images of Label Studio's tasks, read from folders on this machine; nothing is fetched over the network."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from condetr.files.inside import OutsideFolderError, path_inside
from condetr.serving.protocol.http_errors import Refused

_LOCAL_FILES, _UPLOADS = "/data/local-files/", "/data/upload/"


@dataclass(frozen=True, slots=True)
class TaskImages:
    """Where images lie.

    Attributes:
        document_root: Label Studio's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, for images of local storage.
        data_folder: Label Studio's data folder, for images that were uploaded: they lie in its media/upload.
        largest: bytes of an image.
    """

    document_root: Path | None
    data_folder: Path | None
    largest: int

    def read(self, address: object) -> bytes:
        """The encoded image that a task names.

        Args:
            address: ``/data/local-files/?d=...``, ``/data/upload/...``, with or without the address of Label Studio
                before it, or ``data:image/...;base64,...``.

        Raises:
            Refused: it is no such address, leads out of the folders, or cannot be read.
        """
        if not isinstance(address, str):
            raise _refused("the task has no address of an image")
        if address.startswith("data:"):
            return self._inline(address)
        try:
            parts = urlsplit(address)
        except ValueError:
            raise _refused("the task's address of an image is malformed") from None
        at = parts.path.find("/data/")
        path = parts.path[at:] if at >= 0 else parts.path  # Label Studio may be served below a path
        if path.startswith(_LOCAL_FILES):
            name = parse_qs(parts.query).get("d", [""])[0]
            return self._file(self.document_root, name, "--document-root")
        if path.startswith(_UPLOADS):
            folder = None if self.data_folder is None else self.data_folder / "media/upload"
            return self._file(folder, unquote(path.removeprefix(_UPLOADS)), "--data-folder")
        raise _refused("only images of Label Studio's local storage and uploads are read, and none is fetched")

    def _file(self, folder: Path | None, name: str, option: str) -> bytes:
        if folder is None:
            raise _refused(f"start the server with {option}, the folder of such images")
        try:
            path = path_inside(folder, name.lstrip("/"), follow_links=True)
            with path.open("rb") as file:
                content = file.read(self.largest + 1)
        except OutsideFolderError:
            raise _refused("the task's image is outside of the folder") from None
        except (OSError, ValueError) as error:
            raise _refused(f"cannot be read: {getattr(error, 'strerror', None) or 'no file name'}") from None
        return self._checked(content)

    def _inline(self, address: str) -> bytes:
        head, _, text = address.partition(",")
        if not head.endswith(";base64") or len(text) > 4 * (self.largest // 3 + 2):
            raise _refused("the inline image is not base64, or too large")
        try:
            return self._checked(base64.b64decode(text, validate=True))
        except binascii.Error:
            raise _refused("the inline image is not base64") from None

    def _checked(self, content: bytes) -> bytes:
        if len(content) > self.largest:
            raise Refused(413, "too_large", f"the image is over the limit of {self.largest} bytes")
        return content


def _refused(reason: str) -> Refused:
    return Refused(422, "image", reason)
