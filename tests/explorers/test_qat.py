"""The panel of chapter 10 in a browser: what it computes, beside quantlib, and what it says."""

import numpy as np
import pytest
import torch

from quantlib import explorers, qat, uniform
from tests.explorers.pages import shown, words, write_page

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"x": 10.5}, ValueError, "x must be from -2 to 10, got 10.5"),
        ({"x": np.nan}, ValueError, "x must be from -2 to 10, got nan"),
        ({"x": "a"}, TypeError, "x must be a number, got 'a'"),
        ({"clip": 0.0}, ValueError, "clip must be from 0.5 to 9, got 0.0"),
        ({"bit_width": 1}, ValueError, "bit_width must be from 2 to 4, got 1"),
        ({"bit_width": 3.0}, TypeError, "bit_width must be a whole number, got 3.0"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(given, kind, message):
    with pytest.raises(kind, match=message):
        explorers.gradient_explorer(**{"bit_width": 3} | given)


@slow
def test_the_page_finds_the_values_and_gradients_that_quantlib_finds(browser, tmp_path):
    page_of = write_page(explorers.gradient_explorer(bit_width=3), tmp_path)
    xs = np.linspace(-2, 10, 241) + 0.003  # on no threshold
    seen = set()
    with shown(browser, page_of) as page:
        for bits in (2, 3, 4):
            for clip in (0.5, 3.3, 7.0, 9.0):
                step = clip / (2**bits - 1)
                found = page.evaluate(
                    "given => given[0].map(x => computed.quantized(x, given[1], given[2]))",
                    [xs.tolist(), clip, bits],
                )
                quantizer = qat.LearnedStep(uniform.QParams(step, 0, bits, signed=False))
                height = qat.LearnedClip(bits, first_clip=clip)
                for x, told in zip(xs, found, strict=True):
                    number = torch.tensor([x], dtype=torch.float64, requires_grad=True)
                    quantizer.zero_grad()
                    height.zero_grad()
                    value = quantizer(number)
                    value.sum().backward()
                    height(number.detach()).sum().backward()
                    factor = quantizer.step.item() / np.sqrt(2**bits - 1)
                    assert told["value"] == pytest.approx(value.item(), rel=1e-5, abs=1e-6)
                    assert told["byNumber"] == number.grad.item()
                    assert told["byClip"] == height.clip.grad.item()
                    by_step = quantizer.log_step.grad.item() / factor
                    assert told["byStep"] == pytest.approx(by_step, rel=1e-3, abs=1e-3)
                    seen.add((told["clamped"], told["code"] > 0, told["byClip"]))
    assert (
        len(seen) >= 5
    )  # clamped below and above, on level 0, inside, at the clip but not clamped


@slow
def test_the_line_of_python_computes_the_value_that_the_panel_says(browser, tmp_path):
    page_of = write_page(explorers.gradient_explorer(bit_width=3), tmp_path)
    with shown(browser, page_of) as page:
        number, clip = page.locator(".handle").all()

        def check(*told):
            line = page.locator(".line code").text_content()
            value = eval(line, {"qat": qat, "uniform": uniform, "torch": torch}).item()
            told = (f"and the value {value:.4g}.", *told)
            assert all(text in words(page) for text in told), (told, words(page))

        check("has the code 3", "is 3 − 2.600 = 0.400", "Its level lies above it", "below the clip")
        number.press("ArrowLeft")
        number.press("PageDown")
        check("has the code 2", "is 2 − 2.050 = −0.050", "Its level lies below it")
        number.press("End")
        check("has the code 7", "the step's gradient is the code, 7", "pulls it up with 1")
        number.press("Home")
        check("has the code 0", "the step's gradient is the code, 0", "moves it by nothing")
        clip.press("PageUp")
        page.locator("input[type=range]").press("Home")
        page.evaluate("model.set({ x: 5 })")
        check("has the code 2", "in steps of 2.5", "lies on its level")


@slow
def test_the_panel_draws_numbers_at_its_ends_too(browser, tmp_path):
    page_of = write_page(explorers.gradient_explorer(bit_width=3), tmp_path)
    with shown(browser, page_of) as page:
        panel = page.locator(".lowbit-panel")
        for numbers in ("x: -2, clip: 0.5, bit_width: 4", "x: 10, clip: 9, bit_width: 2", "x: 0"):
            page.evaluate(f"model.set({{ {numbers} }})")
            html = panel.evaluate("panel => panel.outerHTML")
            assert "NaN" not in html and "Infinity" not in html
