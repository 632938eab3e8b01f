"""``condetr demo`` in a real browser: upload, slide, click, download; and whom the page calls."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import condetr
from condetr.checkpoints.saving import save
from condetr.data.demo.scenes import scene
from condetr.serving.page.page_image import PageImage
from tests.tiny import PREPROCESSING, tiny_segmenter

pytest.importorskip("selenium", reason="needs selenium")
pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as EC  # noqa: N812  as selenium calls it
from selenium.webdriver.support.ui import WebDriverWait

from tests.end_to_end.chromium import browsing, need_chromium


@contextmanager
def shown(forked, *words):
    """``condetr demo`` with these options; gives its address."""
    need_chromium()
    command = ["-m", "condetr", "demo", "--port", "0", "--device", "cpu", *words]
    folder = Path(tempfile.mkdtemp())
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    process = forked.start(*command, stderr=subprocess.PIPE, text=True, env=surroundings)
    events = []
    reader = threading.Thread(target=lambda: events.extend(iter(process.stderr.readline, "")))
    reader.start()
    try:
        latest = time.monotonic() + 300
        while not (found := re.search(r"the page is at (http://127\.0\.0\.1:\d+)", "".join(events))):
            assert process.poll() is None, events
            assert time.monotonic() < latest, events
            time.sleep(0.1)
        yield found[1]
        process.terminate()
        assert process.wait(60) == 0, events
        assert list(folder.glob("condetr-demo-*")) == []
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()
        shutil.rmtree(folder)
    assert "Traceback" not in "".join(events), "".join(events)


@pytest.fixture(scope="module")
def address(forked):
    with shown(forked) as address:
        yield address


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(address, downloads):
    with browsing(address, downloads) as driver:
        yield driver


def until(browser, fact, seconds=60):
    return WebDriverWait(browser, seconds, poll_frequency=0.2).until(lambda _: fact())


def rows(browser):
    return browser.find_elements(By.CSS_SELECTOR, "#table .virtual-row")


def cells(row):
    return row.find_elements(By.CSS_SELECTOR, ".body-cell")


def table(browser):
    try:
        texts = [[cell.text.strip() for cell in cells(row)] for row in rows(browser)]
        return [row for row in texts if any(row)]  # an empty table has an empty row
    except StaleElementReferenceException:  # it was just replaced
        return None


def said(browser):
    return browser.find_element(By.CSS_SELECTOR, "#selected textarea, #selected input").get_attribute("value")


def found_image(browser):
    images = browser.find_elements(By.CSS_SELECTOR, "#detections img")
    return images[0] if images else None


def send(browser, path):
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#image input[type=file]"))
    browser.find_element(By.CSS_SELECTOR, "#image input[type=file]").send_keys(str(path))


def digits(folder, index):
    path = folder / f"mine-{index}.png"
    scene(index, split="val").image.save(path)
    return path


def slide(browser, value):
    number = browser.find_element(By.CSS_SELECTOR, "#threshold input[type=number]")
    number.send_keys(Keys.CONTROL + "a")
    number.send_keys(str(value))
    number.send_keys(Keys.TAB)


def take_image(browser, name):
    folder = os.environ.get("CONDETR_SCREENSHOTS")
    if folder:
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_a_image_is_dropped_slid_over_and_clicked_on(browser, tmp_path, downloads):
    send(browser, digits(tmp_path, 0))
    until(browser, lambda: table(browser) and found_image(browser))
    above_half = table(browser)
    assert all(row[1] in "0123456789" and float(row[2]) > 0.5 for row in above_half)
    assert "Click a box" in said(browser)
    take_image(browser, "uploaded")

    slide(browser, 0.05)
    until(browser, lambda: len(table(browser) or ()) > len(above_half))
    slide(browser, 0.5)
    until(browser, lambda: table(browser) == above_half)

    x1, y1, x2, y2 = (float(side) for side in above_half[0][3:7])
    image = found_image(browser)
    scale = min(image.size["width"] / 96, image.size["height"] / 96)
    across, down = ((x1 + x2) / 2 - 48) * scale, ((y1 + y2) / 2 - 48) * scale
    ActionChains(browser).move_to_element_with_offset(image, int(across), int(down)).click().perform()
    until(browser, lambda: said(browser).startswith("Detection 0: "))
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#attention img"))
    take_image(browser, "clicked")

    cells(rows(browser)[1])[1].click()
    until(browser, lambda: said(browser).startswith("Detection 1: "))

    browser.find_element(By.CSS_SELECTOR, "#download").click()
    until(browser, lambda: list(downloads.glob("*.json")))
    stored = json.loads(next(iter(downloads.glob("*.json"))).read_text())
    assert [detection["name"] for detection in stored["detections"]] == [row[1] for row in above_half]


def test_a_scene_that_comes_along_is_picked(browser):
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#scenes button")) > 1)
    before = table(browser)
    browser.find_elements(By.CSS_SELECTOR, "#scenes button")[1].click()
    until(browser, lambda: table(browser) and table(browser) != before)
    take_image(browser, "picked")


def test_a_broken_file_is_reported_and_replaces_the_last_image(browser, tmp_path):
    """After a scene was picked: gradio then decodes what is sent by itself, unless it is kept from it."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"<img src=x onerror=alert(1)>")
    assert table(browser)
    send(browser, broken)
    until(browser, lambda: said(browser).startswith("This image cannot be used: "))
    until(browser, lambda: table(browser) == [] and found_image(browser) is None)
    warned = browser.find_element(By.CSS_SELECTOR, ".toast-wrap").get_attribute("textContent")
    take_image(browser, "refused")
    for messages in (said(browser), warned):
        assert "damaged" in messages
        assert "/tmp" not in messages
        assert "Traceback" not in messages

    send(browser, digits(tmp_path, 3))
    until(browser, lambda: table(browser) and found_image(browser))
    assert "Click a box" in said(browser)
    send(browser, broken)
    until(browser, lambda: table(browser) == [] and "damaged" in said(browser))


def test_masks_are_painted_and_no_script_in_a_name_runs(forked, tmp_path, downloads):
    hostile = '<script>alert(1)</script><img src=x onerror=alert(1)>"><svg onload=alert(1)>'
    names = {number: f"{number} {hostile}" for number in range(3)}
    folder, least = tmp_path / "<img src=y onerror=alert(2)>", 0.6
    save(folder, tiny_segmenter(), names, preprocessing=PREPROCESSING.to_dict())
    predictor = condetr.load(folder, device="cpu").predictor(threshold=0, task="instance")
    [found] = predictor.predict([digits(tmp_path, 1)])
    with Image.open(digits(tmp_path, 1)) as image:
        expected = PageImage(image.convert("RGB"), found)
    assert len(expected.rows(least)) > 1
    with shown(forked, "--model", folder, "--threshold", least) as address, browsing(address, downloads) as browser:
        send(browser, digits(tmp_path, 1))
        until(browser, lambda: table(browser) and found_image(browser))
        assert [row[1] for row in table(browser)] == [row[1] for row in expected.rows(least)]
        assert alike(browser, expected.painted(least))
        cells(rows(browser)[0])[1].click()
        until(browser, lambda: said(browser).startswith(f"Detection 0: {table(browser)[0][1]}, "))
        assert until(browser, lambda: alike(browser, expected.painted(least, 0)))
        until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#attention img"))
        take_image(browser, "masks")
        assert browser.find_elements(By.CSS_SELECTOR, "img[src=x], img[src=y], svg[onload]") == []
        assert not EC.alert_is_present()(browser)
        browser.find_element(By.CSS_SELECTOR, "#download").click()
        until(browser, lambda: [path for path in downloads.glob("*.json") if "counts" in path.read_text()])


def alike(browser, expected):
    """Whether the image on the page is this one; pixels at the edge of a mask may tip."""
    with urllib.request.urlopen(found_image(browser).get_attribute("src")) as file, Image.open(file) as original:
        pixels = np.asarray(original.convert("RGB"), dtype=float)
    return pixels.shape == (*expected.size[::-1], 3) and abs(pixels - np.asarray(expected, dtype=float)).mean() < 1


def test_a_graph_is_shown_without_what_its_heads_looked_at(forked, digits_as, tmp_path, downloads):
    [found] = condetr.load(device="cpu").predict([digits(tmp_path, 1)], threshold=0.5)
    graph = digits_as("onnx").folder
    with shown(forked, "--model", graph, "--backend", "onnx") as address, browsing(address, downloads) as browser:
        send(browser, digits(tmp_path, 1))
        until(browser, lambda: table(browser) and found_image(browser))
        shown_rows = table(browser)
        assert [row[1] for row in shown_rows] == list(found.names)
        assert [float(row[2]) for row in shown_rows] == pytest.approx(found.scores.tolist(), abs=1e-3)
        cells(rows(browser)[0])[1].click()
        until(browser, lambda: said(browser).startswith("Detection 0: "))
        assert browser.find_elements(By.CSS_SELECTOR, "#attention img") == []


def test_the_page_makes_no_outside_requests(browser, address):
    """Last, for it looks at everything that the browser did until now."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(addresses) > 20
    elsewhere = [item for item in addresses if not item.startswith((f"{address}/", "data:", "blob:"))]
    assert elsewhere == []
    refused = [
        entry["message"] for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]
    ]
    assert refused == []
