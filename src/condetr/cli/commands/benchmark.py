"""``condetr benchmark``: how fast a model is here, step by step."""

import io
import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import condetr
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.model_settings import Backend, Compile, Model, Precision, Revision, model_or_bundled
from condetr.cli.settings.shared import check_at_least, height_and_width_of
from condetr.cli.settings.value_types import is_count
from condetr.core.errors import SettingsError

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.evaluation.timing.machine import Machine
    from condetr.evaluation.timing.stages import Row


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings(CommonSettings):
    model: Model = None
    revision: Revision = None
    backend: Backend = None
    precision: Precision = "fp32"
    compile: Compile = False
    pictures: Annotated[str | None, "file or folder of images; default: one of handwriting"] = None
    image_size: Annotated[
        tuple[str, ...] | None, "HEIGHTxWIDTH that the network sees, or several; else what the model makes of 480x640"
    ] = None
    batch: Annotated[tuple[str, ...], "batch size, or several"] = ("1",)
    rounds: Annotated[int, "how often each is timed"] = 20
    output: Annotated[Path | None, "new folder for benchmark.json and benchmark.png"] = None

    def __post_init__(self) -> None:
        check_at_least(2, rounds=self.rounds)
        for text in self.image_size or ():
            height_and_width_of(text)
        for text in self.batch:
            if not is_count(text) or int(text) < 1:
                raise SettingsError(f"is {text!r}, expected whole numbers of at least 1", item="batch")


def benchmark(settings: BenchmarkSettings, reporter: Reporter) -> None:
    """Time decoding, preprocessing, network and scoring separately, at several sizes and batch sizes.

    Shows medians and percentiles, images per second, memory, and how much of the machine's measured peak is used.
    """
    reference = model_or_bundled(settings.model, reporter)
    files = _files(settings.pictures)

    from condetr.files.new_folder import new_folder

    with nullcontext() if settings.output is None else new_folder(settings.output):
        _measure(reference, files, settings, reporter)


def _measure(reference: str, files: list[Path], settings: BenchmarkSettings, reporter: Reporter) -> None:
    model = condetr.load(
        reference,
        revision=settings.revision,
        device=settings.device,
        backend=settings.backend,
        precision=settings.precision,
        compile=settings.compile,
    )

    from condetr.evaluation.timing.machine import machine_of

    machine = machine_of(model.device)
    rows = _rows(model, machine, files, settings, reporter)
    about = {
        "model": str(model.checkpoint.provenance.path),
        "backend": model.backend,
        "speed": model.speed(),
        "machine": machine.to_dict(),
        "pictures": len(files),
        "rounds": settings.rounds,
    }
    answer = jsonable(about | {"rows": [row.to_dict() for row in rows]})
    if settings.output is not None:
        _save(settings.output, rows, answer, title=f"{model.backend} on {machine.name}, threads: {machine.threads}")
    where = "" if settings.output is None else f"\n\nbenchmark.json and benchmark.png in {settings.output}"
    reporter.result(_text(answer) + where, answer)


def _files(images: str | None) -> list[Path]:
    if images is None:
        return []
    from condetr.core.errors import CondetrError
    from condetr.prediction.sources import images_in

    files = []
    for source in images_in(images):
        if isinstance(source.content, CondetrError):
            raise source.content
        files.append(Path(source.name))
    return files


def _rows(
    model: "LoadedModel", machine: "Machine", files: list[Path], settings: BenchmarkSettings, reporter: Reporter
) -> "list[Row]":
    from condetr.evaluation.timing.stages import WARM_UP, time_stages
    from condetr.prediction.flops import flops_of

    sizes = [model.preprocessing.fit((480, 640))]
    if settings.image_size is not None:
        sizes = [height_and_width_of(text) for text in settings.image_size]
    batches = [int(text) for text in settings.batch]
    network, rows = model.inference_model, []
    with progress("rounds", len(sizes) * len(batches) * (settings.rounds + WARM_UP), reporter) as step:
        for size in sizes:
            operations = flops_of(model.checkpoint.config, size)
            for batch in batches:
                row = time_stages(
                    network,
                    model.preprocessing,
                    files,
                    size=size,
                    batch=batch,
                    rounds=settings.rounds,
                    operations=operations,
                    machine=machine,
                    on_round=step,
                )
                rows.append(row)
    return rows


def _save(output: Path, rows: "list[Row]", answer: dict[str, Any], *, title: str) -> None:
    from condetr.evaluation.timing.stages_chart import stages_chart
    from condetr.files.atomic_write import write_files

    painted = io.BytesIO()
    stages_chart(rows, title).save(painted, "PNG")
    text = json.dumps(answer, indent=2) + "\n"
    writers = {
        "benchmark.json": lambda path: path.write_text(text, encoding="ascii"),
        "benchmark.png": lambda path: path.write_bytes(painted.getvalue()),
    }
    write_files(output, writers)


def _text(answer: dict[str, Any]) -> str:
    machine = answer["machine"]
    columns = (
        "size",
        "batch",
        "decode",
        "prepare",
        "forward",
        "score",
        "total",
        "p90",
        "p99",
        "pictures/s",
        "peak",
        "memory",
    )
    table: list[tuple[str, ...]] = [columns]
    for row in answer["rows"]:
        steps = [row["steps"][name]["p50"] for name in columns[2:6]]
        total = row["total"]
        memory = "-" if row["peak_memory"] is None else f"{row['peak_memory'] / 2**20:.0f} MiB"
        numbers = [f"{value:.1f}" for value in (*steps, total["p50"], total["p90"], total["p99"])]
        size, rate = "x".join(map(str, row["size"])), f"{row['pictures_per_second']:.2f}"
        table.append((size, str(row["batch"]), *numbers, rate, f"{row['share_of_peak']:.0%}", memory))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    peak = f"{machine['peak_gflops']} GFLOP/s in fp32, measured with a product of matrices"
    return "\n".join(
        [
            f"{answer['backend']} on {machine['name']} ({machine['device']}), threads: {machine['threads']}",
            f"peak {peak}",
            "medians in milliseconds a batch; p90 and p99 of the total; peak: share of it that the network reaches",
            "",
            *lines,
        ]
    )
