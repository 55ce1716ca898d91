"""The results page in Chromium: what a reader sees and clicks."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "needs Chromium: Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, page_file):
    """The page, open, with what it asked for and what went wrong."""
    page = browser.new_page(viewport={"width": 1024, "height": 800})
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(page_file.as_uri())
    yield page
    assert page.errors == []
    page.close()


def column(page, n):
    """The cells of a column in the visible rows of the table of systems."""
    return page.locator(f"#systems-table tbody tr:visible td:nth-child({n})").all_inner_texts()


def test_it_opens_without_a_network(opened):
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert opened.locator("article.card").count() == 1
    assert opened.locator("h1").inner_text().startswith("A system published at 90.0\N{NO-BREAK SPACE}%")


def test_systems_are_sorted_by_a_click(opened):
    head = opened.locator("#systems-table th", has_text="Unseen speakers")
    names = opened.locator("#systems-table tbody tr:visible td:first-child")
    # On unseen speakers two and three of six are right.
    for direction, expected in (
        ("descending", ["Second net", "Net & <sons>"]),
        ("ascending", ["Net & <sons>", "Second net"]),
    ):
        head.click()
        expect(head).to_have_attribute("aria-sort", direction)
        expect(names).to_have_text(expected)


def test_systems_are_filtered_and_the_metric_is_chosen(opened):
    opened.fill("#filter", "second")
    assert column(opened, 1) == ["Second net"]
    opened.fill("#filter", "")
    opened.select_option("#metric", "UA")
    assert len(column(opened, 1)) == 2
    opened.fill("#error-filter", "u3_5")
    assert set(opened.locator("#errors-table tbody tr:visible td:nth-child(1)").all_inner_texts()) <= {"u3_5"}


@pytest.mark.parametrize("width", [390, 1024, 1600])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(opened).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_a_recording_plays_from_its_place(opened):
    opened.locator(".play").first.click()
    opened.wait_for_function("player.currentTime > 0 || player.error", timeout=10_000)
    assert opened.evaluate("player.error") is None
