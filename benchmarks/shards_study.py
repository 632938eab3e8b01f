"""What reading an image costs in a training: from a file, a tar archive, and Parquet files of two sizes of row groups.

    python -m benchmarks.shards_study FOLDER [--images N]

The images are JPEG files of 640x480 pixels and about 100 KB. Each source is read in order and in random order, and once
more with decoding; the table has CPU milliseconds for an image (user and system), with all files in the page cache.
"""

import argparse
import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from condetr.data.stored_images import ImagePart, StoredImage
from condetr.images.decoding.decode import decode

ROW_GROUPS = (20, 100)


def encoded(number: int) -> bytes:
    levels = np.random.default_rng(number).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).resize((640, 480), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def sources(folder: Path, images: int) -> dict[str, Sequence[Path | StoredImage]]:
    contents = [encoded(number) for number in range(images)]
    print(f"{images} images of {sum(map(len, contents)) / images / 1000:.0f} KB")
    files = [folder / f"{number:06d}.jpg" for number in range(images)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    shard, members = folder / "a.tar", []
    with tarfile.open(shard, "w") as tar:
        for file in files:
            tar.add(file, file.name)
    with tarfile.open(shard) as tar:
        members = [StoredImage(shard / info.name, ImagePart(1, info.offset_data, info.size)) for info in tar]
    found: dict[str, Sequence[Path | StoredImage]] = {"files": files, "tar": members}
    for rows in ROW_GROUPS:
        table = folder / f"{rows}.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"image": contents}), table, row_group_size=rows)
        parts = [ImagePart(1, *divmod(number, rows)) for number in range(images)]
        name = f"Parquet, row groups of {rows}"
        found[name] = [StoredImage(table / file.name, part) for file, part in zip(files, parts, strict=True)]
    return found


def cpu_ms(images: Sequence[Path | StoredImage], *, decoded: bool) -> float:
    before = os.times()
    for image in images:
        if decoded:
            decode(image)
        elif isinstance(image, Path):
            image.read_bytes()
        else:
            image.read()
    after = os.times()
    return 1000 * (after.user + after.system - before.user - before.system) / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(chosen.images)
    print("| | in order | random order | random order, decoded |\n| --- | --- | --- | --- |")
    for name, images in sources(chosen.folder, chosen.images).items():
        shuffled = [images[position] for position in order]
        times = (
            cpu_ms(images, decoded=False),
            cpu_ms(shuffled, decoded=False),
            cpu_ms(shuffled, decoded=True),
        )
        print(f"| {name} | {' | '.join(f'{each:.2f} ms' for each in times)} |", flush=True)


if __name__ == "__main__":
    main()
