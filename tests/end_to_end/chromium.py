"""A real browser without a window."""

import shutil
from contextlib import contextmanager

import pytest
from selenium import webdriver


def need_chromium():
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("needs chromium and chromedriver")


@contextmanager
def browsing(address, downloads=None, *, size=(1280, 1400)):
    """Chromium with a page, which keeps a log of its console and requests."""
    need_chromium()
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size={},{}".format(*size)):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    if downloads is not None:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(address)
        yield driver
    finally:
        driver.quit()
