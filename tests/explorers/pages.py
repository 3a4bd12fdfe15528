"""A page with one panel, as small as can be: no book, no server and no widget manager."""

import contextlib
import json
import math
import re

from ipywidgets.embed import escape_script
from playwright.sync_api import expect

from quantlib.explorers.panel import WIDGET_VIEW

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 800}
# Milliseconds that a loaded machine may take to draw; nobody waits where nothing is slow.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)

WORD = re.compile(r"\w")

# The model is as much of a widget's as a panel uses: it hands out its own values, and what is
# equal to a value that it holds is no change. The module is made of the state's text and gets its
# element, as anywidget does it.
PAGE = """<!DOCTYPE html>
<html lang="en" %(html)s>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A panel</title>
<style>%(css)s</style>
</head>
<body %(body)s>
<main><h1>A panel</h1>
%(output)s
</main>
<script type="application/json" id="state">%(state)s</script>
<script type="module">
  const state = JSON.parse(document.getElementById("state").textContent);
  const listeners = [];
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  window.model = {
    saved: 0,
    get: (name) => state[name],
    set(values) {
      const changed = Object.keys(values).filter((name) => !same(state[name], values[name]));
      for (const name of changed) state[name] = values[name];
      if (changed.length) for (const listener of listeners) listener();
    },
    save_changes() { this.saved += 1; },
    on(event, listener) { if (event === "change") listeners.push(listener); },
  };
  const source = new Blob([state._esm], { type: "text/javascript" });
  window.computed = await import(URL.createObjectURL(source));
  const area = document.createElement("div");
  area.className = "widget-subarea";
  document.querySelector("script[type*=widget-view]").before(area);
  const signal = new AbortController().signal;
  computed.default.render({ model, el: area, signal });
</script>
</body>
</html>
"""


def write_page(panel, folder, *, html="", body=""):
    """Write a page that shows the panel; return its address."""
    output = panel._repr_mimebundle_()[0]["text/html"]
    assert WIDGET_VIEW in output
    state = escape_script(json.dumps(panel.get_state()))
    path = folder / "page.html"
    parts = {"html": html, "body": body, "css": panel._css, "output": output, "state": state}
    path.write_text(PAGE % parts)
    return path.as_uri()


@contextlib.contextmanager
def shown(browser, address, *, viewport=DESKTOP, **context):
    """Open the page, wait until the panel is drawn; fail if it complained or asked a host."""
    opened = browser.new_context(viewport=viewport, **context)
    page = opened.new_page()
    page.set_default_timeout(PATIENCE)
    complaints = []
    own = (address, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else complaints.append(r.url[:200]))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    try:
        page.goto(address)
        if context.get("java_script_enabled", True):
            page.wait_for_selector(".lowbit-panel[data-drawn]")
        yield page
        assert complaints == []
    finally:
        opened.close()


def words(page):
    """Return the result that the live region says."""
    return page.locator(".result").text_content()


@contextlib.contextmanager
def says_another(panel):
    """Check that what is done inside changes the words of the live region."""
    result = panel.locator(".result")
    expect(result).to_have_attribute("aria-live", "polite")
    before = result.text_content()
    yield
    expect(result).not_to_have_text(before)


def centre(handle):
    box = handle.locator(".knob").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, handle, by):
    """Drag a handle sideways by so many pixels, with the mouse."""
    handle.scroll_into_view_if_needed()
    x, y = centre(handle)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y + 3)
    page.mouse.move(x + by, y + 3)
    page.mouse.up()


def room(handle):
    """Return +1 or -1: to which side a handle has more room."""
    low, high, now = (
        float(handle.get_attribute(f"aria-value{name}")) for name in ("min", "max", "now")
    )
    return 1 if high - now > now - low else -1


def move_every_control(page, panel):
    """Move all that a panel has, by keyboard and by mouse; each must change what it says."""
    expect(panel).to_have_attribute("data-drawn", "")  # before that all handles are to be seen
    for handle in panel.locator(".handle:visible").all():
        expect(handle).to_have_attribute("aria-valuetext", WORD)
        side = room(handle)
        with says_another(panel):
            handle.press("ArrowRight" if side > 0 else "ArrowLeft")
        before = centre(handle)
        with says_another(panel):
            handle.press("PageUp" if side > 0 else "PageDown")
        # One that snaps to few places has to be dragged as far as a key takes it.
        far = max(40, 1.2 * math.dist(before, centre(handle)))
        with says_another(panel):
            drag(page, handle, far * room(handle))
    for slider in panel.locator("input[type=range]").all():
        with says_another(panel):
            at_end = slider.evaluate("slider => slider.value === slider.max")
            slider.press("ArrowLeft" if at_end else "ArrowRight")
        with says_another(panel):
            box = slider.bounding_box()
            at_end = slider.evaluate("slider => slider.value === slider.max")
            slider.click(position={"x": 2 if at_end else box["width"] - 2, "y": box["height"] / 2})
    for field in panel.locator("input[type=number]").all():
        with says_another(panel):
            field.press("ArrowUp")
        with says_another(panel):
            field.fill("17")
            field.press("Enter")
    for menu in panel.locator("select").all():
        options = [option.get_attribute("value") for option in menu.locator("option").all()]
        menu.select_option(index=0)
        for value in options[1:]:
            menu.press("ArrowDown")
            expect(menu).to_have_value(value)
    for button in panel.get_by_role("button").all():
        for act in (button.click, lambda button=button: button.press("Enter")):
            act()
            expect(panel.locator(".result")).to_have_text(WORD)
