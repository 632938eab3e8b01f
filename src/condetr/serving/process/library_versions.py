"""A check that Pillow is new enough for untrusted images: older versions have known vulnerabilities."""

import PIL

from condetr.core.errors import UsageError

PILLOW = (12, 3)  # older versions write out of bounds for some images; same as in pyproject.toml


def check_pillow() -> None:
    """Call before images are accepted.

    Raises:
        UsageError: Pillow is too old.
    """
    installed = tuple(int(part) for part in PIL.__version__.split(".")[:2])
    if installed < PILLOW:
        least = ".".join(map(str, PILLOW))
        reason = f"is {PIL.__version__}, which has known vulnerabilities to hostile images; expected {least} or newer"
        raise UsageError(reason, item="Pillow", hint=f'pip install "pillow>={least}"')
