"""The page in a real browser: type, submit, see the entities."""

from __future__ import annotations

import json
import shutil

import pytest

from albert.serving.page import load_page
from tests.serving.service_kit import STAND_IN, serving

pytestmark = pytest.mark.slow
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("no chromium and chromedriver here", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

# Sent through JavaScript: the driver's keys know no character beyond U+FFFF.
TEXT = "𠀀甲x乙\nxx <b>丙</b>"
NAMES = ("first", "second", "pairs", "reader")
TYPED = (
    "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("page")
    for name in NAMES:
        (path / name).mkdir()
    (path / "token").write_text("open-sesame")
    return path


@pytest.fixture(scope="module")
def service(folder):
    flags = [f"--model={name}={folder}/{name}" for name in NAMES]
    with serving(STAND_IN, folder / "log", *flags, "--max_text_length=50") as server:
        yield server


@pytest.fixture(scope="module")
def driver():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--lang=en"),
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"intl.accept_languages": "en"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, service):
    """The page just loaded; it may leave no line in the console."""
    page = Page(driver, service.url)
    yield page
    assert driver.get_log("browser") == []


class Page:
    """What a person does and sees."""

    def __init__(self, driver, url):
        self.driver = driver
        driver.set_window_size(1000, 800)
        driver.get(url + "/")
        self.wait(lambda: self.find("model").get_attribute("value") or "token" in url)

    def find(self, name):
        return self.driver.find_element(By.ID, name)

    def wait(self, condition):
        WebDriverWait(self.driver, 30).until(lambda _: condition())

    def type(self, text):
        self.driver.execute_script(TYPED, self.find("input"), text)

    def submit(self, text):
        self.type(text)
        self.find("submit").click()
        self.wait(lambda: self.find("submit").is_enabled())

    def marks(self):
        """Return the title of each entity that is shown."""
        found = self.driver.find_elements(By.TAG_NAME, "mark")
        return [mark.get_attribute("title") for mark in found]


def test_type_submit_see_the_entities(page):
    page.type(TEXT)
    assert page.find("count").text == "16 / 50"
    page.submit(TEXT)
    assert page.marks() == ["X 0.5000 [2, 3)", "X 0.5000 [5, 6)", "X 0.5000 [6, 7)"]
    note = "X 0.50"
    shown = page.find("text").get_attribute("textContent")
    assert shown == f"𠀀甲x{note}乙\nx{note}x{note} <b>丙</b>"  # nothing is markup
    assert page.find("legend").text == "X · 3"


def test_the_keys_send_the_text(page):
    page.type("x")
    page.find("input").send_keys(Keys.CONTROL, Keys.ENTER)
    page.wait(page.marks)
    assert page.marks() == ["X 0.5000 [0, 1)"]


def test_types_and_low_scores_can_be_hidden(page):
    page.submit("xyx")
    legend = page.find("legend").find_element(By.TAG_NAME, "button")
    legend.click()
    assert page.marks() == []
    assert page.find("text").text == "xyx"
    page.find("legend").find_element(By.TAG_NAME, "button").click()
    assert len(page.marks()) == 2
    page.driver.execute_script(TYPED, page.find("least"), "0.55")
    assert page.marks() == []
    page.driver.execute_script(TYPED, page.find("least"), "0.5")
    assert len(page.marks()) == 2


def test_the_answer_is_copied_as_json(page, service):
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite"], "origin": service.url},
    )
    page.submit("甲x")
    page.find("copy").click()
    page.wait(lambda: page.find("copy").text == "Copied")
    copied = page.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0])"
    )
    assert json.loads(copied) == service.predict(text="甲x").json["results"][0]


def test_text_without_entities_says_so(page):
    page.submit("甲")
    assert page.find("legend").text == "No entities found."


def test_another_model_is_asked(page, folder):
    page.find("model").send_keys("second")
    page.submit("for the second")
    assert "for the second" in (folder / "second" / "texts").read_text()


def test_a_model_that_answers_shows_where_the_answer_stands(page):
    page.find("model").send_keys("reader")
    page.driver.execute_script(TYPED, page.find("second"), "何物？")
    page.submit(TEXT)
    assert page.find("answer").text.split() == ["甲x", "0.7500"]
    (mark,) = page.find("text").find_elements(By.TAG_NAME, "mark")
    assert mark.text == "甲x"
    assert page.find("text").text.startswith("𠀀甲x乙")
    assert page.driver.title == "Questions and answers"
    page.driver.execute_script(TYPED, page.find("second"), "？")
    page.submit(TEXT)
    assert page.find("answer").text == "The text does not answer this."
    assert not page.find("text").find_elements(By.TAG_NAME, "mark")
    assert not page.find("labels").is_displayed()


def test_a_model_of_pairs_shows_its_labels(page):
    assert not page.find("second").is_displayed()
    page.find("model").send_keys("pairs")
    page.driver.execute_script(TYPED, page.find("second"), "乙")
    page.submit("甲")
    assert page.find("labels").text.split() == ["same", "0.7500", "other", "0.2500"]
    assert page.find("text").text == "甲\n乙"
    assert not page.find("legend").is_displayed()
    assert page.driver.title == "Classification"


def test_labels_are_english_or_chinese(page):
    assert page.find("submit").text == "Find entities"
    page.submit("x")
    page.find("language").click()
    assert page.find("submit").text == "识别实体"
    assert page.find("copy").text == "复制 JSON"
    assert (
        page.driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "zh-CN"
    )
    page.find("language").click()
    assert page.find("copy").text == "Copy as JSON"


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_telephone_nothing_is_cut_off(page, width):
    size = {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.submit("长" * 40 + "x")
        script = "return document.documentElement.scrollWidth"
        assert page.driver.execute_script(script) <= width
        for name in ("submit", "copy", "language", "least"):
            box = page.find(name).rect
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_refusal_is_shown(driver, service):
    page = Page(driver, service.url)
    page.submit("长" * 51)
    assert page.find("message").text == (
        "text 1 has 51 characters, more than the 50 that are allowed"
    )
    page.submit("x")
    assert page.find("message").text == ""
    assert len(driver.get_log("browser")) == 1  # the browser's own note of the 422


def test_a_token_is_asked_for(driver, folder):
    flags = [f"--model_dir={folder}/first", f"--token_file={folder}/token"]
    with serving(STAND_IN, folder / "token_log", *flags) as server:
        driver.get(server.url + "/")
        wait = WebDriverWait(driver, 30)
        token = driver.find_element(By.ID, "token")
        wait.until(lambda _: token.is_displayed())
        token.send_keys("open-sesame")
        driver.find_element(By.ID, "input").send_keys("x")
        driver.find_element(By.ID, "submit").click()
        wait.until(lambda _: driver.find_elements(By.TAG_NAME, "mark"))
    driver.get_log("browser")


def test_the_browser_may_load_and_send_nothing_elsewhere(driver, service):
    """What the headers promise: a page changed by somebody reaches no other host."""
    driver.get(service.url + "/")
    script = (
        "fetch('http://127.0.0.1:9/').catch(() => 0).then(() => 0);"
        "document.addEventListener('securitypolicyviolation',"
        " (event) => arguments[0](event.effectiveDirective))"
    )
    assert driver.execute_async_script(script) == "connect-src"
    assert "img-src data:" in load_page().headers["Content-Security-Policy"]
    driver.get_log("browser")
