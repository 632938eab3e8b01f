"""``condetr demo`` in a real browser: upload, slide, click, download; and whom the page calls."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from condetr.data.scenes import scene

pytest.importorskip("selenium", reason="needs selenium")
pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


@pytest.fixture(scope="module")
def address():
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("needs chromium and chromedriver")
    command = [sys.executable, "-m", "condetr", "demo", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    said = []
    reader = threading.Thread(target=lambda: said.extend(iter(process.stderr.readline, "")))
    reader.start()
    try:
        latest = time.monotonic() + 300
        while not (found := re.search(r"the page is at (http://127\.0\.0\.1:\d+)", "".join(said))):
            assert process.poll() is None, said
            assert time.monotonic() < latest, said
            time.sleep(0.1)
        yield found[1]
        process.terminate()
        assert process.wait(60) == 0, said
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(address, downloads):
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1400"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.get(address)
    yield driver
    driver.quit()


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
    return browser.find_element(By.CSS_SELECTOR, "#said textarea, #said input").get_attribute("value")


def found_picture(browser):
    pictures = browser.find_elements(By.CSS_SELECTOR, "#found img")
    return pictures[0] if pictures else None


def slide(browser, value):
    number = browser.find_element(By.CSS_SELECTOR, "#threshold input[type=number]")
    number.send_keys(Keys.CONTROL + "a")
    number.send_keys(str(value))
    number.send_keys(Keys.TAB)


def take_picture(browser, name):
    folder = os.environ.get("CONDETR_SCREENSHOTS")
    if folder:
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_a_picture_is_dropped_slid_over_and_clicked_on(browser, tmp_path, downloads):
    picture = tmp_path / "mine.png"
    scene(0, split="val").picture.save(picture)
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#given input[type=file]"))
    browser.find_element(By.CSS_SELECTOR, "#given input[type=file]").send_keys(str(picture))
    until(browser, lambda: table(browser) and found_picture(browser))
    above_half = table(browser)
    assert all(row[1] in "0123456789" and float(row[2]) > 0.5 for row in above_half)
    assert "Click a box" in said(browser)
    take_picture(browser, "uploaded")

    slide(browser, 0.05)
    until(browser, lambda: len(table(browser) or ()) > len(above_half))
    slide(browser, 0.5)
    until(browser, lambda: table(browser) == above_half)

    x1, y1, x2, y2 = (float(side) for side in above_half[0][3:7])
    image = found_picture(browser)
    scale = min(image.size["width"] / 96, image.size["height"] / 96)
    across, down = ((x1 + x2) / 2 - 48) * scale, ((y1 + y2) / 2 - 48) * scale
    ActionChains(browser).move_to_element_with_offset(image, int(across), int(down)).click().perform()
    until(browser, lambda: said(browser).startswith("Detection 0: "))
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#bands img"))
    take_picture(browser, "clicked")

    cells(rows(browser)[1])[1].click()
    until(browser, lambda: said(browser).startswith("Detection 1: "))

    browser.find_element(By.CSS_SELECTOR, "#download").click()
    until(browser, lambda: list(downloads.glob("*.json")))
    stored = json.loads(next(iter(downloads.glob("*.json"))).read_text())
    assert [one["name"] for one in stored["detections"]] == [row[1] for row in above_half]


def test_a_scene_that_comes_along_is_picked(browser):
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#scenes button")) > 1)
    before = table(browser)
    browser.find_elements(By.CSS_SELECTOR, "#scenes button")[1].click()
    until(browser, lambda: table(browser) and table(browser) != before)
    take_picture(browser, "picked")


def test_the_page_calls_nobody(browser, address):
    """Last, for it looks at everything that the browser did until now."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(addresses) > 20
    elsewhere = [one for one in addresses if not one.startswith((f"{address}/", "data:", "blob:"))]
    assert elsewhere == []
    refused = [
        entry["message"] for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]
    ]
    assert refused == []
