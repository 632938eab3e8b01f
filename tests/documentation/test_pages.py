"""Every block of the README and the pages runs as it is printed, or a remark says why it does not."""

from collections import Counter

import pytest

from tests.documentation.blocks import PAGES, ROOT, blocks_of
from tests.documentation.reader import Outcome, outcome_of

WITH_BLOCKS = [page for page in PAGES if blocks_of(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_as_printed(page, reader_of):
    reader = reader_of(page)
    for block in blocks_of(page.read_text(encoding="utf-8")):
        try:
            reader.follow(block)
        except Exception as error:
            error.add_note(f"{page.relative_to(ROOT)}:{block.line}:\n{block.text}")
            raise


def test_every_block_is_run_or_has_a_reason():
    outcomes = {
        f"{page.name}:{block.line}": outcome_of(block)
        for page in PAGES
        for block in blocks_of(page.read_text(encoding="utf-8"))
    }
    assert [where for where, outcome in outcomes.items() if outcome is Outcome.UNKNOWN] == []
    counts = Counter(outcomes.values())
    assert counts[Outcome.RUN] + counts[Outcome.SHORTENED] > counts[Outcome.NOT_RUN]
