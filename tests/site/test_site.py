"""The built site in a real browser: at the root of a host, under a sub-path, and from a folder."""

import contextlib
import importlib.util
import re
import types
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from playwright.sync_api import expect

from tests.explorers.pages import DESKTOP, PATIENCE, PHONE, move_every_control

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
WAYS = ["root", "sub-path", "folder"]
# Found when the tests are collected; where nothing is built, the `site` fixture says so.
PAGES = sorted(path.name for path in HTML.glob("*.html")) or ["intro.html"]


def has_explorer(name):
    """Whether the page has widgets; no, where nothing is built."""
    return (HTML / name).exists() and "widget-view+json" in (HTML / name).read_text()


#: Widgets that draw themselves, and those of pictures that a slider of another library chooses.
PANELS, OTHERS = ".lowbit-panel", ".widget-subarea:has(.noUi-base)"


@contextlib.contextmanager
def opened(browser, address, page_name, viewport=DESKTOP, color_scheme="light"):
    """Open a page and wait until it is drawn; fail if it complained or asked another host."""
    context = browser.new_context(viewport=viewport, color_scheme=color_scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints = []

    def on_request(request):
        if not request.url.startswith((address, "data:", "blob:")):
            complaints.append(f"asks another host: {request.url[:200]}")

    def on_response(response):
        if response.status >= 400:
            complaints.append(f"{response.status} for {response.url[:200]}")

    def on_failure(request):
        if request.failure != "net::ERR_ABORTED":  # given up for another page, nothing missing
            complaints.append(f"failed: {request.failure} for {request.url[:200]}")

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("requestfailed", on_failure)

    def on_error(error):
        # anywidget says so after two seconds, and goes on; below we wait for the panel itself
        if "[anywidget] Failed to initialize model" not in str(error):
            complaints.append(f"script error: {error}")

    page.on("pageerror", on_error)
    page.on(
        "console",
        lambda message: (
            complaints.append(f"console: {message.text[:300]}") if message.type == "error" else None
        ),
    )
    try:
        page.goto(f"{address}/{page_name}", wait_until="load")
        # The frame of a widget is there before what stands in it.
        page.wait_for_function(
            """([panels, others]) => {
                const views = 'script[type="application/vnd.jupyter.widget-view+json"]';
                const count = (selector) => document.querySelectorAll(selector).length;
                return count(`${panels}[data-drawn]`) + count(others) === count(views);
            }""",
            arg=[PANELS, OTHERS],
        )
        page.evaluate(
            """async () => {
                if (document.querySelector('script[src*="tex-svg"]')) await MathJax.startup.promise;
            }"""
        )
        yield page
        assert complaints == []
    finally:
        context.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_and_its_formulas_are_set(browser, addresses, site, name, way):
    source = BeautifulSoup((site / name).read_text(), "html.parser")
    with opened(browser, addresses[way], name) as page:
        if name == "index.html":
            page.wait_for_url("**/intro.html")
            return
        assert page.locator("h1").count() >= 1
        assert page.locator("svg[data-icon=bars]").count() >= 1
        assert page.locator("svg[data-icon] .missing").count() == 0
        assert page.locator("mjx-container").count() == len(source.select("article .math"))
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
        assert page.locator("mjx-container:not(:has(mjx-assistive-mml math))").count() == 0


def test_some_page_has_formulas_and_some_page_has_an_explorer(site):
    assert any('class="math' in (site / name).read_text() for name in PAGES)
    assert any(has_explorer(name) for name in PAGES)


# What is looked at: everything on a desk, the colours in the dark, the layout on a phone.
VIEWS = {
    "desk": (DESKTOP, "light", {}),
    "dark": (DESKTOP, "dark", {"runOnly": ["color-contrast"]}),
    "phone": (PHONE, "light", {"rules": {"color-contrast": {"enabled": False}}}),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])
def test_a_page_is_accessible_and_fits_the_window(browser, addresses, name, view):
    viewport, color_scheme, options = VIEWS[view]
    options = {"preload": False, "resultTypes": ["violations"]} | options
    with opened(browser, addresses["root"], name, viewport, color_scheme) as page:
        assert page.locator("html").get_attribute("data-theme") == color_scheme
        assert page.evaluate("document.scrollingElement.scrollWidth") <= viewport["width"]
        violations = Axe().run(page, options=options).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["target"] for node in v["nodes"]]) for v in serious] == []


def frame(explorer):
    """Return the one picture that an explorer shows, and check that it is there to be seen."""
    picture = explorer.locator("img:visible")
    expect(picture).to_have_count(1)
    expect(picture).to_have_attribute("alt", re.compile(r"\w"))
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    return picture


@contextlib.contextmanager
def changes(explorer):
    """Check that what is done inside gives the explorer another picture."""
    before = frame(explorer).get_attribute("src")
    yield
    expect(explorer.locator("img:visible")).not_to_have_attribute("src", before)
    frame(explorer)


def at_end(slider):
    return slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in PAGES if has_explorer(name)])
def test_the_controls_of_an_explorer_change_its_picture(browser, addresses, name, way):
    with opened(browser, addresses[way], name) as page:
        for panel in page.locator(PANELS).all():
            move_every_control(page, panel)
        for explorer in page.locator(OTHERS).all():
            sliders, menus = explorer.locator("[role=slider]"), explorer.locator("select")
            assert sliders.count() + menus.count() > 0
            for slider in sliders.all():
                expect(slider).to_have_attribute("aria-label", re.compile(r"\w"))
                with changes(explorer):
                    slider.press("ArrowLeft" if at_end(slider) else "ArrowRight")
                track = slider.locator("xpath=ancestor::div[contains(@class, 'noUi-base')]")
                size = track.bounding_box()
                end = 1 if at_end(slider) else size["width"] - 1
                with changes(explorer):
                    track.click(position={"x": end, "y": size["height"] / 2})
            for menu in menus.all():
                menu.select_option(index=0)
                pictures = {frame(explorer).get_attribute("src")}
                for _ in range(menu.locator("option").count() - 1):
                    with changes(explorer):
                        menu.press("ArrowDown")
                    pictures.add(frame(explorer).get_attribute("src"))
                assert len(pictures) == menu.locator("option").count()


@pytest.mark.parametrize("way", WAYS)
def test_search_finds_a_word(browser, addresses, way):
    with opened(browser, addresses[way], "intro.html") as page:
        page.locator("button.search-button-field:visible").first.click()
        field = page.locator("input[type=search]:visible").first
        field.fill("staircase")
        field.press("Enter")
        page.wait_for_url("**/search.html?q=staircase*")
        hits = page.locator("#search-results li a")
        expect(hits.filter(has_text="Uniform quantization").first).to_be_visible()
        with page.expect_navigation():
            hits.first.click()
        expect(page.locator("article")).to_contain_text(re.compile("staircase", re.IGNORECASE))


def test_no_output_is_the_text_of_an_object_that_was_to_be_seen(site):
    for name in PAGES:
        text = BeautifulSoup((site / name).read_text(), "html.parser").get_text()
        assert not re.search(r"<Figure size|VBox\(children|<IPython\.core|object at 0x", text), name


@pytest.fixture(scope="module")
def course_site():
    """The book's Sphinx extension as a module."""
    spec = importlib.util.spec_from_file_location(
        "course_site", ROOT / "book" / "_extensions" / "course_site.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_launch_links_need_nothing_but_the_address(course_site):
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    options = {
        "launch_buttons": settings["launch_buttons"],
        "repository_branch": settings["repository"]["branch"],
        "repository_url": "https://github.com/NAME/COURSE",
    }
    config = types.SimpleNamespace(html_theme_options=options)
    path = course_site.exercise_path("01_uniform")
    assert (ROOT / path).exists()
    assert course_site.launch_links(config, path) == {
        "Binder": f"https://mybinder.org/v2/gh/NAME/COURSE/main?urlpath=lab/tree/{path}",
        "Colab": f"https://colab.research.google.com/github/NAME/COURSE/blob/main/{path}",
    }
    assert list(course_site.launch_links(config, "book/01_uniform.md")) == ["Binder"]
    options["repository_url"] = ""
    assert course_site.launch_links(config, path) == {}


def test_no_line_ends_between_a_number_and_its_unit(course_site):
    document = new_document("page")
    parts = [
        nodes.Text("from 2 to 3 bits, 6 dB a bit, 3 bitmaps, "),
        nodes.inline("", "99.4"),  # a value that the page computed
        nodes.Text(" % of them; "),
        nodes.inline("", "some"),
        nodes.Text(" % of "),
        nodes.literal("", "8 bits"),
    ]
    document += nodes.paragraph("", "", *parts)
    course_site.UnitsStayWithNumbers(document).run()
    assert document.astext() == (
        "from 2 to 3\u00a0bits, 6\u00a0dB a bit, 3 bitmaps, 99.4\u00a0% of them; some % of 8 bits"
    )


def test_links_within_the_site_lead_somewhere(site):
    soups = {name: BeautifulSoup((site / name).read_text(), "html.parser") for name in PAGES}
    anchors = {name: {tag["id"] for tag in soup.select("[id]")} for name, soup in soups.items()}
    broken = []
    for name, soup in soups.items():
        for element in soup.select("a[href], link[href], script[src], img[src]"):
            address = element.get("href") or element.get("src") or "#"
            target, _, anchor = address.partition("#")
            target = unquote(target.partition("?")[0]) or name
            if ":" in target:  # another host, mail, data
                continue
            exists = (site / target).exists()
            if exists and anchor and target in anchors:
                exists = unquote(anchor) in anchors[target]
            if not exists:
                broken.append((name, address))
    assert broken == []


def test_a_page_loads_formulas_and_widgets_only_where_it_has_them(site):
    for name in PAGES:
        soup = BeautifulSoup((site / name).read_text(), "html.parser")
        scripts = " ".join(script.get("src", "") for script in soup.select("script"))
        assert ("mathjax" in scripts) == bool(soup.select("article .math")), name
        assert ("html-manager" in scripts) == has_explorer(name), name
