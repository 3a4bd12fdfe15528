"""The panels in a browser, each on a page of its own: what they compute, and how they are used."""

import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from traitlets import TraitError

from quantlib import abc_net, bi_real, binary, explorers, ternary, uniform
from quantlib.explorers.bi_real import ESTIMATORS, STEPS, descend
from quantlib.explorers.panel import MOST_WEIGHTS, module
from quantlib.ternary.levels import RULES
from tests.explorers.pages import (
    PHONE,
    move_every_control,
    shown,
    words,
    write_page,
)

WEIGHTS = np.random.default_rng(0).standard_normal(300).astype(np.float32) * 0.05
PANELS = {
    "abc_net": lambda: explorers.abc_explorer(WEIGHTS, name="300 weights <b>"),
    "bi_real": explorers.estimator_explorer,
    "ternary": lambda: explorers.ternary_explorer(WEIGHTS, name="300 weights <b>"),
}
every_panel = pytest.mark.parametrize("name", PANELS)
slow = pytest.mark.slow


# ---- without a browser


@every_panel
def test_the_module_is_one_file_that_imports_nothing(name):
    text = PANELS[name]()._esm
    assert not re.search(r"\bimport\b.*\bfrom\b", text)
    assert text.count("export default") == 1
    assert "class Panel" in text


def test_a_module_that_does_not_import_the_shared_part_is_refused():
    with pytest.raises(ValueError, match=r"name must be a module that imports from panel\.js once"):
        module("panel.js")


@every_panel
def test_the_output_has_a_picture_with_words_beside_the_panel(name):
    data, _ = PANELS[name]()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    alternative = re.search(r'<img alt="([^"]+)"', data["text/html"]).group(1)
    assert len(alternative.split()) > 10
    assert "<b>" not in data["text/html"]


@pytest.mark.parametrize("make", [explorers.abc_explorer, explorers.ternary_explorer])
def test_weights_that_cannot_be_shown_are_refused_by_name(make):
    with pytest.raises(ValueError, match=f"weights must be at most {MOST_WEIGHTS} numbers"):
        make(np.ones((MOST_WEIGHTS + 1, 1)))
    with pytest.raises(ValueError, match="weights must not all be 0"):
        make(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="weights must be finite"):
        make([1.0, np.nan])
    with pytest.raises(ValueError, match="weights must not be empty"):
        make([])
    with pytest.raises(TypeError, match="weights must hold real numbers"):
        make(["a"])


def test_weights_that_are_all_equal_have_no_thresholds_between_them():
    with pytest.raises(ValueError, match="weights must not all be equal, got 3 times 0"):
        explorers.abc_explorer([0.1, 0.1, 0.1])


def test_shifts_are_one_to_five():
    panel = explorers.abc_explorer(WEIGHTS)
    for shifts in ([], [0.0] * 6):
        with pytest.raises(TraitError):
            panel.shifts = shifts


# ---- how they are used


@pytest.fixture
def address(name, tmp_path):
    return write_page(PANELS[name](), tmp_path)


@slow
@every_panel
def test_every_control_moves_by_keyboard_and_by_mouse(browser, address, name):
    with shown(browser, address) as page:
        move_every_control(page, page.locator(".lowbit-panel"))
        assert page.evaluate("model.saved") > 0


@slow
@every_panel
def test_handles_follow_a_finger(browser, address, name):
    with shown(browser, address, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        touch = page.context.new_cdp_session(page)
        for handle in page.locator(".handle:visible").all():
            handle.scroll_into_view_if_needed()
            before = words(page)
            box = handle.locator(".knob").bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            side = 1 if x < PHONE["width"] / 2 else -1
            points = [{"x": x + side * d, "y": y} for d in (0, 10, 25, 40)]
            touch.send(
                "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]}
            )
            for point in points[1:]:
                moved = {"type": "touchMove", "touchPoints": [point]}
                touch.send("Input.dispatchTouchEvent", moved)
            touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            expect(page.locator(".result")).not_to_have_text(before)
            expect(page.locator(".result")).not_to_have_attribute("aria-busy", "true")


@slow
@every_panel
def test_the_first_picture_is_there_without_scripts_and_goes_with_them(browser, address, name):
    with shown(browser, address, java_script_enabled=False) as page:
        expect(page.locator("figure img")).to_be_visible()
        expect(page.locator(".lowbit-panel")).to_have_count(0)
    with shown(browser, address) as page:
        expect(page.locator(".lowbit-panel svg").first).to_be_visible()
        expect(page.locator("figure")).to_be_hidden()


@slow
@every_panel
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desk", "phone"])
def test_a_panel_is_accessible_and_fits(browser, address, name, scheme, device):
    kind = {"viewport": PHONE} if device == "phone" else {}
    with shown(browser, address, color_scheme=scheme, **kind) as page:
        violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(v["id"], [node["target"] for node in v["nodes"]]) for v in violations] == []
        wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        assert wide <= 0
        sizes = page.locator(".lowbit-panel svg :is(text, tspan)").evaluate_all(
            """texts => texts.map(text => {
                const svg = text.ownerSVGElement;
                const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
                return parseFloat(getComputedStyle(text).fontSize) * scale;
            })"""
        )
        assert min(sizes) >= 9
        inside = page.locator(".lowbit-panel svg text").evaluate_all(
            """texts => texts.every(text => {
                const box = text.getBoundingClientRect();
                return box.left >= 0 && box.right <= innerWidth;
            })"""
        )
        assert inside


def lightness(page, what):
    """Return the sum of the three parts of a colour of the panel."""
    color = page.locator(".lowbit-panel").evaluate(f"panel => getComputedStyle(panel).{what}")
    return sum(map(int, re.findall(r"\d+", color)[:3]))


@slow
@pytest.mark.parametrize(
    ("html", "body", "scheme", "dark"),
    [
        ("", "", "light", False),
        ("", "", "dark", True),
        ('data-theme="light"', "", "dark", False),
        ('data-theme="dark"', "", "light", True),
        ("", 'data-jp-theme-light="true"', "dark", False),
        ("", 'data-jp-theme-light="false"', "light", True),
    ],
)
def test_a_panel_is_dark_where_the_page_is(browser, tmp_path, html, body, scheme, dark):
    address = write_page(PANELS["ternary"](), tmp_path, html=html, body=body)
    with shown(browser, address, color_scheme=scheme) as page:
        ink, ground = lightness(page, "color"), lightness(page, "backgroundColor")
        assert (ink > ground) == dark


# ---- what they compute


CASES = {
    "normal": WEIGHTS,
    "one-sided": np.abs(WEIGHTS[:50]),
    "with ties": np.round(WEIGHTS * 40) / 40,
    "constant": np.full(9, -0.25),
    "tiny": WEIGHTS[:40] * 1e-30,
    "one": np.array([3.0]),
    "skewed": np.exp(20 * WEIGHTS[:100].astype(float)) - 1.2,
}


@slow
def test_the_page_finds_the_levels_and_the_error_that_quantlib_finds(browser, tmp_path):
    with shown(browser, write_page(PANELS["ternary"](), tmp_path)) as page:
        for case, values in CASES.items():
            w = values.astype(np.float64)
            for rule in RULES:
                qparams = ternary.choose_qparams(w, rule=rule)
                expected = [qparams.threshold, qparams.negative, qparams.positive]
                found = page.evaluate(f"w => computed.RULES.{rule}(w)", w.tolist())
                assert found == pytest.approx(expected, rel=1e-12), (case, rule)
                measured = page.evaluate(
                    "([w, l]) => computed.measure(w, ...l)", [w.tolist(), expected]
                )
                codes = ternary.quantize(w, qparams)
                error = np.sum((w - ternary.fake_quantize(w, qparams)) ** 2)
                assert measured["zeros"] == np.count_nonzero(codes == 0)
                assert measured["error"] == pytest.approx(error, rel=1e-9, abs=1e-300)
                assert measured["relative"] == pytest.approx(error / np.sum(w**2), rel=1e-9)


@slow
def test_the_line_of_python_computes_what_the_ternary_panel_says(browser, tmp_path):
    w = WEIGHTS.astype(np.float64)
    with shown(browser, write_page(PANELS["ternary"](), tmp_path)) as page:
        handles = page.locator(".handle")

        def check(start):
            line = page.locator(".line code").text_content()
            assert line.startswith(start)
            quantized = eval(line, {"ternary": ternary, "weights": w})
            share = np.sum((w - quantized) ** 2) / np.sum(w**2)
            assert f"The squared error is {100 * share:.1f}\u00a0% of" in words(page)
            zeros = np.mean(quantized == 0)
            assert f"{100 * zeros:.1f}\u00a0% of the {w.size} weights become 0" in words(page)

        by_rule = "ternary.fake_quantize(weights, ternary.choose_qparams(weights, rule="
        by_number = "ternary.fake_quantize(weights, ternary.TernaryQParams("
        check(by_rule + '"twn"')
        for button, rule in [("BitNet's rule", "bitnet"), ("The optimum", "two_levels")]:
            page.get_by_role("button", name=button).click()
            check(by_rule + f'"{rule}"')
        page.locator("select").select_option("one")
        page.get_by_role("button", name="The optimum").click()
        check(by_rule + '"optimal"')
        handles.nth(0).press("Home")
        assert "Threshold 0, " in words(page)
        check(by_number)
        handles.nth(0).press("End")
        assert "100.0\u00a0% of the 300 weights become 0" in words(page)
        check(by_number)
        handles.nth(0).press("PageDown")
        handles.nth(1).press("ArrowLeft")
        expect(page.locator("select")).to_have_value("free")
        handles.nth(2).press("Shift+ArrowRight")
        check(by_number)


@slow
def test_levels_follow_the_threshold_until_they_are_dragged(browser, tmp_path):
    w = WEIGHTS.astype(np.float64)
    with shown(browser, write_page(PANELS["ternary"](), tmp_path)) as page:
        page.locator("select").select_option("each")
        page.locator(".handle").nth(0).press("PageUp")
        threshold, negative, positive = (
            page.evaluate(f"model.get('{name}')") for name in ("threshold", "negative", "positive")
        )
        assert negative == pytest.approx(-w[w < -threshold].mean(), rel=1e-12)
        assert positive == pytest.approx(w[w > threshold].mean(), rel=1e-12)
        page.locator(".handle").nth(2).press("ArrowRight")
        page.locator(".handle").nth(0).press("PageUp")
        assert page.evaluate("model.get('negative')") == negative
        page.evaluate("model.set({ threshold: 0.04, mode: 'one' })")  # as a notebook's Python does
        expect(page.locator(".result")).to_contain_text("Threshold 0.0400")


@slow
@pytest.mark.parametrize("case", CASES)
def test_weights_of_every_kind_can_be_drawn(browser, tmp_path, case):
    panel = explorers.ternary_explorer(CASES[case])
    with shown(browser, write_page(panel, tmp_path)) as page:
        assert page.locator(".lowbit-panel rect").count() > 0
        assert "NaN" not in page.locator(".lowbit-panel").evaluate("panel => panel.outerHTML")
        assert "Infinity" not in page.locator(".lowbit-panel").evaluate("panel => panel.outerHTML")


SHIFTS = {
    **{f"{count} evenly spaced": abc_net.initial_shifts(count).tolist() for count in range(1, 6)},
    "two alike": [0.5, 0.5],
    "alike and apart": [-0.3, 1.0, -0.3, 1.0, -0.3],
    "all behind the weights": [60.0, -60.0, 50.0],
    "behind and between": [60.0, 0.0, -60.0, 0.2, 60.0],
}


@slow
def test_the_page_finds_the_bases_and_factors_that_quantlib_finds(browser, tmp_path):
    cases = {case: w for case, w in CASES.items() if case not in ("constant", "one")}
    cases["on a threshold"] = np.array([-3.0, -1.0, 1.0, 3.0])
    with shown(browser, write_page(PANELS["abc_net"](), tmp_path)) as page:
        for count in range(1, 6):
            found = page.evaluate("count => computed.initialShifts(count)", count)
            assert found == abc_net.initial_shifts(count).tolist()
        for case, values in cases.items():
            w = values.astype(np.float64)
            for name, shifts in SHIFTS.items():
                bases = abc_net.weight_bases(w, shifts)
                alphas = abc_net.fit_alphas(w, bases)
                sums = abc_net.sum_of_bases(bases, alphas)
                given = [w.tolist(), shifts]
                found = page.evaluate("([w, u]) => computed.approximate(w, u)", given)
                assert found["bases"] == bases.tolist(), (case, name)
                size = np.abs(alphas).max()
                assert found["alphas"] == pytest.approx(alphas, rel=1e-9, abs=1e-9 * size)
                assert found["sums"] == pytest.approx(sums, rel=1e-9, abs=1e-9 * size)
                error = np.sum((w - sums) ** 2) / np.sum(w**2)
                assert found["relative"] == pytest.approx(error, rel=1e-9, abs=1e-12)


@slow
def test_the_line_of_python_computes_the_factors_that_the_panel_says(browser, tmp_path):
    w = WEIGHTS.astype(np.float64)
    with shown(browser, write_page(PANELS["abc_net"](), tmp_path)) as page:

        def check(count, argument):
            line = page.locator(".line code").text_content()
            assert argument in line
            alphas = eval(line, {"abc_net": abc_net, "weights": w})
            said = re.search(r"with factors of (.*?), make", words(page)).group(1)
            said = [float(one.replace("−", "-")) for one in said.split(", ")]
            assert len(said) == count
            assert said == pytest.approx(alphas, rel=5e-3)

        check(3, "abc_net.initial_shifts(3)")
        quantized = uniform.fake_quantize(w, uniform.choose_qparams(w, 3))
        share = np.sum((w - quantized) ** 2) / np.sum(w**2)
        assert f"to 3 bits leaves {100 * share:.1f}\u00a0%" in words(page)
        page.locator(".handle").nth(1).press("ArrowRight")
        check(3, "[-1.0, -0.05, 1.0]")
        assert page.locator(".handle:visible").count() == 3
        slider = page.locator("input[type=range]")
        slider.press("End")
        check(5, "abc_net.initial_shifts(5)")
        slider.press("Home")
        check(1, "abc_net.initial_shifts(1)")
        assert page.locator(".handle:visible").count() == 1
        page.locator(".handle").nth(0).press("PageDown")
        page.get_by_role("button", name="Evenly spaced shifts").click()
        check(1, "abc_net.initial_shifts(1)")


KEYS = {"clip": "clip", "identity": "identity", "ApproxSign": "approx"}


@slow
def test_the_page_descends_as_torch_does(browser, tmp_path):
    with shown(browser, write_page(PANELS["bi_real"](), tmp_path)) as page:
        for start in (-2.0, -1.0, -0.8, 0.0, 0.35, 1.0, 1.3):
            for target in (-1.5, -1.0, -0.3, 0.0, 0.4, 1.0):
                for rate in (0.05, 0.5):
                    for name, sign in ESTIMATORS.items():
                        expected = descend(sign, start, target, rate, 25)
                        given = [KEYS[name], start, target, rate, 25]
                        found = page.evaluate("given => computed.descend(...given)", given)
                        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), given


@slow
def test_steps_are_taken_one_by_one_or_played_to_the_end(browser, tmp_path):
    address = write_page(PANELS["bi_real"](), tmp_path)
    with shown(browser, address) as page:
        one = page.get_by_role("button", name="Step", exact=True)
        one.click()
        one.press("Enter")
        expect(page.locator(".result")).to_contain_text("After 2 of 40 steps")
        page.clock.install()  # from here on the page's time passes when the test says so
        page.get_by_role("button", name="Play").click()
        expect(page.locator(".result")).to_have_attribute("aria-busy", "true")
        page.clock.run_for(2 * 350)
        assert "After 4 of 40 steps" in words(page)
        page.get_by_role("button", name="Pause").click()
        page.clock.run_for(5 * 350)
        assert "After 4 of 40 steps" in words(page)
        expect(page.locator(".result")).to_have_attribute("aria-busy", "false")
        page.get_by_role("button", name="Play").click()
        page.clock.run_for(100 * 350)
        assert "After 40 of 40 steps" in words(page)
        expect(page.get_by_role("button", name="Play")).to_be_visible()
        page.get_by_role("button", name="Start again").click()
        expect(page.locator(".result")).to_contain_text("Press Step or Play")
    with shown(browser, address, reduced_motion="reduce") as page:
        page.get_by_role("button", name="Play").click()
        assert f"After {STEPS} of {STEPS} steps" in words(page)  # at once
        expect(page.get_by_role("button", name="Step", exact=True)).to_be_disabled()


@slow
def test_the_line_of_python_takes_the_step_that_the_estimator_panel_takes(browser, tmp_path):
    with shown(browser, write_page(PANELS["bi_real"](), tmp_path)) as page:
        for name, key in KEYS.items():
            page.get_by_role("button", name="Start again").click()
            page.locator("select").select_option(key)
            x = torch.tensor(page.evaluate("model.get('start')"), dtype=torch.float64)
            for _ in range(3):
                page.get_by_role("button", name="Step", exact=True).click()
                names = {"x": x.requires_grad_(), "torch": torch}
                names |= {"binary": binary, "bi_real": bi_real}
                exec(page.locator(".line code").text_content(), names)
                x = names["x"].detach()
                told = f"by {name} x is {x.item():.3f}".replace("-", "−")
                assert told in words(page)
