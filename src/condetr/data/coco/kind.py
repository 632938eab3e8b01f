"""Whether the annotations of a COCO file are panoptic: told by the first of them, not by the name of the file."""

import re
from pathlib import Path

_PART = 2**20  # bytes that are looked at together
_KEY = re.compile(rb'"(segments_info|segmentation|bbox|iscrowd|caption|keypoints)"\s*:')
_LONGEST_KEY = 64


def holds_segments(path: Path) -> bool:
    """Whether the first annotation of a JSON file speaks of segments, and not of boxes or outlines."""
    if not path.is_file():
        return False
    kept = b""
    with path.open("rb") as stream:
        while part := stream.read(_PART):
            found = _KEY.search(kept + part)
            if found:
                return found.group(1) == b"segments_info"
            kept = part[-_LONGEST_KEY:]
    return False
