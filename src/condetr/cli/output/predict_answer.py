"""The result of ``condetr predict``: a summary, or one JSON document that grows with the images."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condetr.cli.output.outcome import ALL_FAILED, PARTIAL
from condetr.cli.output.reporting import Reporter, json_text, say

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.images.detections import Detections
    from condetr.prediction.predictor import Failure


class Answer:
    def __init__(self, reporter: Reporter, model: "LoadedModel", output: Path | None) -> None:
        self._reporter = reporter
        self._model, self._output = model, output
        self._failures: list[dict[str, Any]] = []
        self._not_painted = 0
        self._counts = Counter(ok=0, failed=0, before=0)

    def begin(self) -> None:
        if self._reporter.as_json:
            where = self._model.checkpoint.provenance
            output = None if self._output is None else str(self._output)
            head = {"model": {"path": str(where.path), "revision": where.revision}, "output": output}
            self._reporter.write(json_text(head)[:-1] + ', "results": [')

    def add(self, result: "Detections | Failure") -> None:
        from condetr.prediction.predictor import Failure

        if isinstance(result, Failure):
            self._counts["failed"] += 1
            self._failures.append(result.to_dict())
            say(f"condetr: failed: {result.error}")
            return
        if self._reporter.as_json:
            self._reporter.write((",\n" if self._counts["ok"] else "\n") + json_text(result.to_dict()))
        self._counts["ok"] += 1
        counts = Counter(result.names)
        found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
        self._reporter.detail(f"{result.source}: {found}")

    def done_before(self, count: int) -> None:
        """How many images an earlier run finished."""
        self._counts["before"] = count

    def end(
        self, *, interrupted: bool, videos: Mapping[str, Mapping[str, int]] | None = None, not_painted: int = 0
    ) -> None:
        """Sum up.

        Args:
            interrupted: whether it ended early.
            videos: how many frames of each were read, decoded, predicted on, and failed.
            not_painted: of how many images all is written but the painted image.
        """
        self._not_painted = not_painted
        counts = dict(self._counts) | ({"not_painted": not_painted} if not_painted else {})
        if self._reporter.as_json:
            tail = {"failures": self._failures, "counts": counts, "interrupted": interrupted}
            tail |= {"videos": videos} if videos else {}
            self._reporter.write("\n], " + json_text(tail)[1:] + "\n")
            return
        for name, frames in (videos or {}).items():
            self._reporter.note(f"condetr: {name}: {', '.join(f'{count} {what}' for what, count in frames.items())}")
        cut = ", interrupted" if interrupted else ""
        saved = f"; results in {self._output}" if self._output is not None else ""
        self._reporter.result(f"{summary_of(counts)}{cut}{saved}", counts)

    @property
    def exit_status(self) -> int:
        return exit_status_of(self._counts | {"not_painted": self._not_painted})


def summary_of(counts: Mapping[str, int]) -> str:
    """How many images are ok, failed, not painted, done before."""
    unpainted = f", {counts['not_painted']} not painted" if counts.get("not_painted") else ""
    before = f", {counts['before']} done before" if counts["before"] else ""
    return f"{counts['ok']} ok, {counts['failed']} failed{unpainted}{before}"


def exit_status_of(counts: Mapping[str, int]) -> int:
    if not counts["failed"]:
        return PARTIAL if counts.get("not_painted") else 0
    return PARTIAL if counts["ok"] or counts["before"] else ALL_FAILED
