"""Count the blocks of the pages by what becomes of them: python -m tests.documentation."""

from collections import Counter

from tests.documentation.blocks import PAGES, blocks_of
from tests.documentation.reader import Outcome, outcome_of


def main() -> None:
    counts = {page.name: Counter(map(outcome_of, blocks_of(page.read_text(encoding="utf-8")))) for page in PAGES}
    counts = {name: count for name, count in counts.items() if count} | {"all": sum(counts.values(), Counter())}
    lines = ["| page | " + " | ".join(outcome.value for outcome in Outcome) + " |", "| --- " * (len(Outcome) + 1) + "|"]
    for name, count in counts.items():
        lines.append(f"| {name} | " + " | ".join(str(count[outcome]) for outcome in Outcome) + " |")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
