"""Images that belong together, by their folder or their name: of one patient, camera or video."""

import re
from collections.abc import Hashable
from pathlib import PurePosixPath

from condetr.core.errors import UsageError
from condetr.data.records import Dataset

FOLDER = "folder"


def groups_of(dataset: Dataset, rule: str) -> list[Hashable]:
    """The group of each image.

    Args:
        dataset: the images.
        rule: "folder", or a regular expression that is searched in the path of each image below the dataset's root:
            its groups in parentheses, or all of what it matches, name the group. An image in which it is not found is
            a group of its own.

    Raises:
        UsageError: it is no regular expression, or is found in no image.
    """
    names = [dataset.name_of(example) for example in dataset]
    if rule == FOLDER:
        return [PurePosixPath(name).parent for name in names]
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise UsageError(f"is {rule!r}, no regular expression: {error}", item="group") from None
    found = [pattern.search(name) for name in names]
    if names and not any(found):
        raise UsageError(f"{rule!r} is found in no name of an image, such as {names[0]}", item="group")
    return [(match.groups() or match.group()) if match else (None, position) for position, match in enumerate(found)]
