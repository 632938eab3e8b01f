from pathlib import Path

from condetr.data.discovery.readable_formats import FORMATS, format_table, title_of

PAGE = Path(__file__).parents[4] / "docs/data.md"


def test_the_page_shows_the_table_of_formats():
    hint = "paste the output of `python -m condetr.data.discovery.readable_formats` into docs/data.md"
    assert f"\n{format_table()}\n" in PAGE.read_text(encoding="utf-8"), hint


def test_every_format_has_a_name_of_its_own():
    assert len({each.name for each in FORMATS}) == len({each.title for each in FORMATS}) == len(FORMATS)
    assert title_of("coco-panoptic") == "COCO panoptic"
    assert title_of("unknown") == "unknown"
