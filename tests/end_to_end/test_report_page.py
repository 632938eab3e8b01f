"""``report.html`` in a real browser: its numbers are those of Python, at any threshold, and lead to their images."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from condetr.checkpoints.saving import save
from condetr.data.demo.scene_folder import write_scenes
from condetr.evaluation.measure import measure
from condetr.evaluation.worst import worst_rows
from tests.tiny import PREPROCESSING, tiny_detector
from tests.unit.evaluation.scored import distorted

pytest.importorskip("selenium", reason="needs selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.end_to_end.chromium import browsing

SET = (
    "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event(arguments[2]))"
)
HOSTILE = ("</script><script>document.title = 1</script>", "<img src=x onerror='document.title = 2'>", "a\"'&\u2028")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two hundred scenes; three classes and one image have hostile names."""
    dataset = write_scenes(tmp_path_factory.mktemp("page") / "data", train=0, val=200)["val"]
    classes = replace(dataset.classes, names=(*HOSTILE, *dataset.classes.names[3:]))
    first = dataset[0].path.rename(dataset.root / "<svg onload='document.title = 3'>#?%.jpg")
    return replace(dataset, classes=classes, examples=(replace(dataset[0], path=first), *dataset.examples[1:]))


@pytest.fixture(scope="module")
def found(scenes):
    return distorted(scenes)


@pytest.fixture(scope="module")
def address(scenes, found, tmp_path_factory):
    folder = measure(scenes, found).save(tmp_path_factory.mktemp("report") / "new", html=True)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser(address):
    with browsing(address) as driver:
        yield driver


def change(browser, name, value, event="change"):
    browser.execute_script(SET, name, str(value), event)


def numbers(browser):
    """The numbers beside the slider, by name."""
    texts = browser.find_element(By.ID, "now").text.split("\n")
    return dict(zip(texts[::2], map(float, texts[1::2]), strict=True))


def rows(browser, table):
    script = "return [...document.querySelectorAll(arguments[0])].map(r => [...r.cells].map(c => c.innerText.trim()))"
    return browser.execute_script(script, f"#{table} tbody tr")


def cards(browser):
    return browser.find_elements(By.CSS_SELECTOR, ".card")


def take_image(browser, name):
    folder = os.environ.get("CONDETR_SCREENSHOTS")
    if folder:
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.75])
def test_numbers_follow_the_threshold(browser, scenes, found, threshold):
    report = measure(scenes, found, threshold=threshold)
    counts, hits = report.errors.counts, report.errors.hits
    false = sum(counts.values()) - counts["missed"]
    change(browser, "class", -1)
    change(browser, "threshold", threshold, "input")
    shown = numbers(browser)
    assert (shown["objects"], shown["hits"], shown["false"]) == (report.errors.objects, hits, false)
    assert shown["not found"] == report.errors.objects - hits
    assert shown["precision"] == pytest.approx(hits / (hits + false), abs=6e-4)
    assert shown["recall"] == pytest.approx(hits / report.errors.objects, abs=6e-4)
    assert {row[0].split("\n")[0]: int(row[1]) for row in rows(browser, "kinds")} == dict(counts)
    matrix, names = report.confusion.matrix, report.confusion.names
    for name, objects, its_hits, *_ in rows(browser, "classes"):
        label = [" ".join(each.split()) for each in names].index(" ".join(name.split()))
        assert (int(objects), int(its_hits)) == (report.per_class[names[label]].objects, matrix[label][label])
    take_image(browser, f"page-{threshold}")


def test_the_best_f1_of_a_class_is_that_of_the_report(browser, scenes, found):
    name = "7"
    best = measure(scenes, found).per_class[name]
    change(browser, "class", scenes.classes.names.index(name))
    browser.find_element(By.ID, "best").click()
    shown = numbers(browser)
    assert shown["recall"] == pytest.approx(best.recall, abs=0.02)  # the report has 101 recalls, the slider 0.01
    assert shown["precision"] == pytest.approx(best.precision, abs=0.03)


def test_numbers_lead_to_their_images_and_these_are_made_when_they_are_seen(browser, scenes, found):
    change(browser, "class", -1)
    change(browser, "threshold", 0.5, "input")
    number = browser.find_element(By.CSS_SELECTOR, "#kinds tbody tr:nth-child(4) button")
    assert number.get_attribute("aria-label") == f"{number.text} duplicate of all classes"
    number.click()
    shown = int(browser.find_element(By.ID, "shown").text.split()[0])
    with_duplicates = {row["file"] for row in worst_rows(scenes, found, threshold=0.5) if row["duplicate"]}
    assert shown == len(with_duplicates)
    names = {card.get_attribute("title") for card in cards(browser)}
    assert names <= with_duplicates
    browser.find_element(By.ID, "all").click()
    assert browser.find_element(By.ID, "shown").text == "200 of 200 images"
    assert 0 < len(cards(browser)) < 200

    def all_are_made(_):
        browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
        return len(cards(browser)) == 200

    WebDriverWait(browser, 30, poll_frequency=0.05).until(all_are_made)


def test_images_are_sorted_searched_and_opened(browser, scenes):
    change(browser, "sort", "file name")
    browser.execute_script("document.getElementById('all').click(); window.scrollTo(0, 0)")
    names = sorted(scenes.name_of(example) for example in scenes)
    assert [card.get_attribute("title") for card in cards(browser)][:20] == names[:20]
    change(browser, "search", "svg onload", "input")
    [card] = cards(browser)
    card.click()
    assert browser.find_element(By.ID, "large-name").text == scenes.name_of(scenes[0])
    original = browser.execute_async_script(
        "const done = arguments[0], img = document.querySelectorAll('#large-frame img')[1];"
        "const tell = () => done(img.naturalWidth); img.complete ? tell() : (img.onload = img.onerror = tell)"
    )
    assert original == 96, "the file itself, by a link with a hostile name"
    assert len(rows(browser, "marks")) >= len(scenes[0].objects) - 1
    take_image(browser, "page-image")
    browser.find_element(By.ID, "close").click()
    change(browser, "search", "", "input")


def test_names_are_text_and_nothing_is_requested(browser, address):
    """Last, for it looks at everything that the browser did until now."""
    assert browser.title == "data: val: evaluation"
    assert browser.find_elements(By.CSS_SELECTOR, "img[src=x], svg[onload]") == []
    assert {" ".join(row[0].split()) for row in rows(browser, "classes")} > {" ".join(name.split()) for name in HOSTILE}
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert address in addresses
    assert [item for item in addresses if not item.startswith(("file://", "data:"))] == []
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [420, 1280])
def test_nothing_is_wider_than_the_window(browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_command_writes_it_and_it_shows_small_copies_where_images_went_away(command, tmp_path):
    write_scenes(tmp_path / "scenes", train=0, val=3)
    save(tmp_path / "model", tiny_detector(), dict(enumerate("012")), preprocessing=PREPROCESSING.to_dict())
    (tmp_path / "map.yaml").write_text("".join(f'"{digit}": []\n' for digit in "3456789"))
    words = ["evaluate", "scenes", "--model", "model", "--map", "map.yaml", "--device", "cpu", "--html", "--json"]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == "runs/evaluate"
    shutil.rmtree(tmp_path / "scenes")
    with browsing((tmp_path / "runs/evaluate/report.html").as_uri()) as driver:
        driver.find_element(By.ID, "all").click()
        cards(driver)[0].click()
        widths = "return [...document.querySelectorAll('#large-frame img:not([hidden])')].map(e => e.naturalWidth)"
        assert driver.execute_script(widths) == [96]
        assert driver.execute_script("return document.querySelector('#large-frame img').src").startswith("data:")
