"""The panels in a browser, each on a page of its own: what they compute, and how they are used."""

import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from scipy import special
from traitlets import TraitError

from quantlib import abc_net, bi_real, binary, dst, explorers, ternary, uniform
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
BATCHES = np.random.default_rng(9).standard_normal((4, 500)).astype(np.float32)
BATCHES[::2, 0] = [12.0, 16.5]
ACTIVATIONS = {"in front of a ReLU <b>": BATCHES, "behind it": np.maximum(BATCHES, 0.0)}
RANGES = [3.1, 0.012, 0.6, 0.004], [0.02, 1.9, 0.11, 6.0]
PANELS = {
    "abc_net": lambda: explorers.abc_explorer(WEIGHTS, name="300 weights <b>"),
    "bi_real": explorers.estimator_explorer,
    "dst_grid": explorers.grid_explorer,
    "dst_step": explorers.step_explorer,
    "ptq_calibration": lambda: explorers.calibration_explorer(ACTIVATIONS, bit_width=4),
    "ptq_equalization": lambda: explorers.equalization_explorer(*RANGES, bit_width=8),
    "ptq_requantization": explorers.requantization_explorer,
    "qat_gradients": lambda: explorers.gradient_explorer(bit_width=3),
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


@pytest.mark.parametrize(
    ("make", "given", "kind", "message"),
    [
        ("step", {"p": 1}, ValueError, "p must be from -3 to 0, got 1"),
        ("step", {"p": -4}, ValueError, "p must be from -3 to 0, got -4"),
        ("step", {"p": -2.0}, TypeError, "p must be a whole number, got -2.0"),
        ("step", {"state": 3}, ValueError, r"state must be one of \(.*4\), got 3"),
        ("step", {"p": -1, "state": 4}, ValueError, "state must be from -2 to 2, got 4"),
        ("step", {"change": 1.5}, ValueError, "change must be from -1 to 1, got 1.5"),
        ("step", {"change": np.nan}, ValueError, "change must be from -1 to 1, got nan"),
        ("step", {"th": 0}, ValueError, "th must be from 0.05 to 3, got 0"),
        ("step", {"th": "a"}, TypeError, "th must be a number, got 'a'"),
        ("grid", {"q2": 0.0}, ValueError, "q2 must be from 0.015625 to 2, got 0.0"),
        ("grid", {"q2": True}, TypeError, "q2 must be a number, got True"),
        ("grid", {"n_levels": 1}, ValueError, "n_levels must be from 2 to 8, got 1"),
        ("grid", {"n_levels": 9}, ValueError, "n_levels must be from 2 to 8, got 9"),
    ],
)
def test_what_a_panel_of_dst_cannot_show_is_refused_by_name(make, given, kind, message):
    with pytest.raises(kind, match=message):
        getattr(explorers, f"{make}_explorer")(**given)


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


SPACES = {p: dst.StateSpace(p) for p in (0, -1, -2, -3)}
CHANGES = (-1.0, -0.8, -0.3, -0.25, -0.01, 0.0, 0.05, 0.125, 0.3, 0.62, 1.0)


@slow
def test_the_page_finds_the_probabilities_of_states_that_quantlib_finds(browser, tmp_path):
    with shown(browser, write_page(PANELS["dst_step"](), tmp_path)) as page:
        for p, space in SPACES.items():
            assert page.evaluate("p => computed.states(p)", p) == list(space.states)
            for state in space.states:
                for change in CHANGES:
                    for th in (0.05, 0.5, 3.0):
                        expected = dst.step_distribution(state, change, space, th=th)
                        given = [p, state, change, th]
                        found = page.evaluate("given => computed.stepDistribution(...given)", given)
                        assert found == pytest.approx(expected, rel=1e-12, abs=1e-15), given
                        assert [x == 0 for x in found] == [x == 0 for x in expected], given


@slow
def test_the_page_takes_the_steps_that_quantlib_takes(browser, tmp_path):
    count = 200
    rng = np.random.default_rng(8)
    with shown(browser, write_page(PANELS["dst_step"](), tmp_path)) as page:
        for p, space in SPACES.items():
            states = rng.choice(space.states, count)
            changes, *draws = rng.uniform(-1, 1, count), rng.random(count), rng.random(count)
            expected = dst.take_step(
                torch.tensor(states, dtype=torch.int8), torch.tensor(changes), space, th=0.7,
                draws=[torch.tensor(values) for values in draws],
            )  # fmt: skip
            given = [[int(s), *row] for s, *row in zip(states, changes, *draws, strict=True)]
            found = page.evaluate(
                "([p, rows]) => rows.map(([s, c, ...d]) => computed.takeStep(p, s, c, 0.7, ...d))",
                [p, given],
            )
            assert found == expected.tolist()


@slow
def test_the_page_s_random_numbers_are_spread_evenly(browser, tmp_path):
    count = 20_000
    with shown(browser, write_page(PANELS["dst_step"](), tmp_path)) as page:
        numbers = page.evaluate("n => Array.from({ length: n }, (_, k) => computed.draw(k))", count)
    numbers = np.array(numbers)
    assert numbers.min() >= 0 and numbers.max() < 1
    # pairs, as a step takes them, fall into each of 10 x 10 cells about equally often
    cells, _, _ = np.histogram2d(numbers[::2], numbers[1::2], bins=10, range=[[0, 1], [0, 1]])
    expected = count / 2 / cells.size
    assert np.sum((cells - expected) ** 2) / expected < special.chdtri(cells.size - 1, 1e-3)


@slow
def test_a_walk_is_the_same_on_every_visit_and_another_when_it_starts_again(browser, tmp_path):
    address = write_page(PANELS["dst_step"](), tmp_path)

    def walk(page):
        page.get_by_role("button", name="Take 20 steps").click()
        page.get_by_role("button", name="Take a step").click()
        return page.evaluate("[model.get('path'), model.get('real')]")

    with shown(browser, address) as page:
        page.evaluate("model.set({ path: [-2], real: [-0.5], change: 0.06 })")
        first, real = walk(page)
        assert "After 21 steps" in words(page)
        page.get_by_role("button", name="Start again").click()
        assert page.evaluate("model.get('path')") == [-2]
        second, _ = walk(page)
        draws = page.evaluate("Array.from({ length: 42 }, (_, k) => computed.draw(k))")
    with shown(browser, address) as page:
        page.evaluate("model.set({ path: [-2], real: [-0.5], change: 0.06 })")
        assert walk(page)[0] == first
    assert first != second and first[0] == second[0] == -2
    # By quantlib, with the page's random numbers.
    states, change = torch.tensor([-2], dtype=torch.int8), torch.tensor([0.06], dtype=torch.float64)
    for k, expected in enumerate(first[1:]):
        gate_and_odds = [torch.tensor([x]) for x in draws[2 * k : 2 * k + 2]]
        states = dst.take_step(states, change, SPACES[-2], draws=gate_and_odds)
        assert states.item() == expected
    assert real == pytest.approx(np.minimum(-0.5 + 0.06 * np.arange(22), 1))


@slow
def test_a_push_back_and_forth_changes_its_sign_after_every_step(browser, tmp_path):
    with shown(browser, write_page(PANELS["dst_step"](), tmp_path)) as page:
        page.locator("select").nth(1).select_option("alternating")
        page.get_by_role("button", name="Take a step").click()
        assert page.evaluate("model.get('change')") == -0.3
        page.get_by_role("button", name="Take 20 steps").click()
        real = page.evaluate("model.get('real')")
        assert real == pytest.approx([0.5, 0.8] * 11)
        for _ in range(9):
            page.get_by_role("button", name="Take 20 steps").click()
        expect(page.get_by_role("button", name="Take a step")).to_be_disabled()
        assert len(page.evaluate("model.get('path')")) == 201


@slow
def test_a_weight_goes_to_the_nearest_state_of_another_space(browser, tmp_path):
    with shown(browser, write_page(PANELS["dst_step"](), tmp_path)) as page:
        page.get_by_role("button", name="Take a step").click()
        page.evaluate("model.set({ path: [0, -1], real: [0, -0.3] })")
        page.locator("select").nth(0).select_option("-3")
        assert page.evaluate("[model.get('path'), model.get('real')]") == [[-2], [-0.25]]
        page.locator("select").nth(0).select_option("0")
        assert page.evaluate("[model.get('path'), model.get('real')]") == [[0], [0]]


@slow
def test_the_line_of_python_computes_the_probabilities_that_the_panel_says(browser, tmp_path):
    with shown(browser, write_page(PANELS["dst_step"](), tmp_path)) as page:

        def check(line):
            assert page.locator(".line code").text_content() == line
            probabilities = eval(line, {"dst": dst})
            p = page.evaluate("model.get('p')")
            ends = [
                f"{state * 2.0**p:g} with {100 * probability:.1f}\u00a0%"
                for state, probability in zip(SPACES[p].states, probabilities, strict=True)
                if probability
            ]
            said = re.search(r"The next weight is (.*?): ", words(page)).group(1)
            assert said.replace("−", "-") == ", ".join(ends)
            labels = page.locator(".lowbit-panel svg text").all_text_contents()
            for end in ends:
                assert end.split(" with ")[1] in labels

        check("dst.step_distribution(2, 0.3, dst.StateSpace(-2), th=0.5)")
        state, wanted = page.locator(".handle").all()
        wanted.press("Home")
        check("dst.step_distribution(2, -1.0, dst.StateSpace(-2), th=0.5)")
        assert "is no state" not in words(page)
        assert "Weights end" not in words(page)
        state.press("Home")
        assert "Weights end at ±1." in words(page)
        state.press("End")
        check("dst.step_distribution(4, -1.0, dst.StateSpace(-2), th=0.5)")
        for _ in range(78):
            wanted.press("ArrowRight")
        check("dst.step_distribution(4, -0.22, dst.StateSpace(-2), th=0.5)")
        assert "3 is no state, and becomes 2 or 4 with equal odds." in words(page)
        page.locator("select").nth(0).select_option("-3")
        page.locator("input[type=range]").press("End")
        wanted.press("PageDown")
        check("dst.step_distribution(8, -0.32, dst.StateSpace(-3), th=3.0)")
        assert "6 is no state" in words(page) and "5 is no state" in words(page)


@slow
def test_the_page_finds_the_errors_and_the_optima_of_grids_that_quantlib_finds(browser, tmp_path):
    with shown(browser, write_page(PANELS["dst_grid"](), tmp_path)) as page:
        xs = np.concatenate([np.linspace(0, 6, 121), [1.9999, 2.0, 10.0, 25.0, 40.0]])
        found = page.evaluate("xs => xs.map(computed.erfc)", xs.tolist())
        assert found == pytest.approx(special.erfc(xs), rel=1e-12, abs=1e-15)
        for n in range(2, 9):
            for q2 in (2.0**-6, 0.0625, 0.1, 0.125, 0.25, 0.29, 0.5, 1.0, 1.7, 2.0):
                levels = page.evaluate("given => computed.gridLevels(...given)", [q2, n])
                thresholds = page.evaluate("given => computed.gridThresholds(...given)", [q2, n])
                assert levels == dst.grid_levels(q2, n).tolist()
                assert thresholds == dst.grid_thresholds(q2, n).tolist()
                error = page.evaluate("given => computed.expectedError(...given)", [q2, n])
                assert error == pytest.approx(dst.expected_error(q2, n), rel=1e-11), (q2, n)
            best = page.evaluate("n => computed.optimum(n)", n)
            expected = dst.optimal_q2(n)
            assert best["error"] == pytest.approx(expected.error, rel=1e-11)
            # where the error is least it is flat: of its digits half are known of the place
            assert best["q2"] == pytest.approx(expected.q2, rel=1e-6)
            codes = 2 * n - 1
            bits = page.evaluate("n => computed.bitWidth(n)", n)
            assert 2 ** (bits - 1) < codes <= 2**bits


@slow
def test_the_line_of_python_computes_the_error_that_the_grid_s_panel_says(browser, tmp_path):
    with shown(browser, write_page(PANELS["dst_grid"](), tmp_path)) as page:
        near, on_curve = page.locator(".handle").all()

        def check(line):
            assert page.locator(".line code").text_content() == line
            error = eval(line, {"dst": dst})
            assert f"the expected squared error is {error:.4f}." in words(page)
            n = page.evaluate("model.get('n_levels')")
            assert f"The least for {n} levels is {dst.optimal_q2(n).error:.4f}" in words(page)

        check("dst.expected_error(0.25, 5)")
        assert "9 levels, and a code takes 4 bits" in words(page)
        near.press("Home")
        check("dst.expected_error(0.015625, 5)")
        on_curve.press("End")
        check("dst.expected_error(2.0, 5)")
        on_curve.press("PageDown")
        on_curve.press("PageDown")
        check("dst.expected_error(1.0, 5)")
        slider = page.locator("input[type=range]")
        for key, n in (("Home", 2), ("End", 8)):
            slider.press(key)
            check(f"dst.expected_error(1.0, {n})")
            page.get_by_role("button", name="The optimum").click()
            best = dst.optimal_q2(n)
            assert page.evaluate("model.get('q2')") == pytest.approx(best.q2, rel=1e-6)
            assert f"the expected squared error is {best.error:.4f}." in words(page)
            page.evaluate("model.set({ q2: 1 })")


@slow
@pytest.mark.parametrize("name", ["dst_grid", "dst_step"])
def test_a_panel_of_dst_draws_numbers_at_its_ends_too(browser, address, name):
    ends = {
        "dst_grid": ["q2: 2, n_levels: 8", "q2: 0.015625, n_levels: 2", "q2: 2, n_levels: 2"],
        "dst_step": [
            "path: [8], real: [1], p: -3, change: 1, th: 3",
            "path: [-1], real: [-1], p: 0, change: -1, th: 0.05",
            "path: [0], real: [0], p: 0, change: 0",
        ],
    }
    with shown(browser, address) as page:
        panel = page.locator(".lowbit-panel")
        for numbers in ends[name]:
            page.evaluate(f"model.set({{ {numbers} }})")
            html = panel.evaluate("panel => panel.outerHTML")
            assert "NaN" not in html and "Infinity" not in html
