"""Whether what decodes the images of strangers is new enough: older versions have holes that an image may use."""

import PIL

from condetr.core.errors import UsageError

PILLOW = (12, 3)  # all before it write beyond their memory for some images; as pyproject.toml says


def check_pillow() -> None:
    """Look before anybody may send an image.

    Raises:
        UsageError: Pillow is too old.
    """
    found = tuple(int(part) for part in PIL.__version__.split(".")[:2])
    if found < PILLOW:
        least = ".".join(map(str, PILLOW))
        reason = (
            f"is {PIL.__version__}, which has known holes that images of strangers may use; expected {least} or newer"
        )
        raise UsageError(reason, item="Pillow", hint=f'pip install "pillow>={least}"')
