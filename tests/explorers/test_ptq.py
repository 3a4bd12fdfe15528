"""The panels of chapter 9 in a browser: what they compute, beside quantlib, and what they say."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from quantlib import explorers, models, ptq, uniform
from quantlib.explorers.ptq import FACTOR
from tests.explorers.pages import drag, shown, words, write_page
from tests.explorers.test_panels import ACTIVATIONS, RANGES

slow = pytest.mark.slow


def calibration(activations=ACTIVATIONS, bit_width=4):
    return explorers.calibration_explorer(activations, bit_width=bit_width)


def equalization(first=RANGES[0], second=RANGES[1], bit_width=8):
    return explorers.equalization_explorer(first, second, bit_width=bit_width)


def code_line(page):
    return page.locator(".line code").text_content()


def number(text):
    return float(text.replace("−", "-"))


def three_digits(value):
    return pytest.approx(value, rel=6e-3)


# ---- without a browser


@pytest.mark.parametrize(
    ("make", "given", "kind", "message"),
    [
        (calibration, {"activations": [1.0]}, ValueError, "activations must be a dict from names"),
        (calibration, {"activations": {}}, ValueError, "activations must be a dict from names"),
        (
            calibration,
            {"activations": {"a": [[0.0]]}},
            ValueError,
            r"\['a'\] must hold a value",
        ),
        (
            calibration,
            {"activations": {"a": []}},
            ValueError,
            r"activations\['a'\] must hold a v",
        ),
        (calibration, {"activations": {"a": [0.5, 1.5]}}, ValueError, r"\['a'\] must hold batches"),
        (calibration, {"activations": {"a": [[np.nan]]}}, ValueError, r"\['a'\] must be finite"),
        (calibration, {"bit_width": 1}, ValueError, "bit_width must be from 2 to 8, got 1"),
        (calibration, {"bit_width": 9}, ValueError, "bit_width must be from 2 to 8, got 9"),
        (equalization, {"bit_width": 9}, ValueError, "bit_width must be from 2 to 8, got 9"),
        (equalization, {"first": [1.0]}, ValueError, r"first_range must have 2 to 16 numbers"),
        (equalization, {"second": [1.0] * 17}, ValueError, "second_range must have 2 to 16 number"),
        (equalization, {"second": [[1.0] * 4]}, ValueError, r"second_range .* got shape \(1, 4\)"),
        (equalization, {"second": [1.0] * 3}, ValueError, "must be of one length, got 4 and 3"),
        (equalization, {"first": [1, 0, 1, 1]}, ValueError, "first_range must be positive, got 0"),
        (equalization, {"first": [1, 1, 1, np.inf]}, ValueError, "first_range must be finite"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(make, given, kind, message):
    with pytest.raises(kind, match=message):
        make(**given)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"sum": 2**31}, ValueError, "sum must be from -2147483648 to 2147483647, got 2147483648"),
        ({"sum": 1.5}, TypeError, "sum must be a whole number, got 1.5"),
        ({"factor": 1.0}, ValueError, r"factor must be from 2\*\*-20 to 1 - 2\*\*-20, got 1.0"),
        ({"factor": np.nan}, ValueError, "factor must be from .* got nan"),
        ({"factor": True}, TypeError, "factor must be a number, got True"),
        ({"zero_point": 256}, ValueError, "zero_point must be from 0 to 255, got 256"),
        ({"zero_point": -1}, ValueError, "zero_point must be from 0 to 255, got -1"),
    ],
)
def test_what_cannot_be_requantized_is_refused_by_name(given, kind, message):
    with pytest.raises(kind, match=message):
        explorers.requantization_explorer(**given)


def test_the_ranges_on_the_page_are_those_that_the_observers_choose():
    panel = calibration()
    assert [tensor["name"] for tensor in panel.activations] == list(ACTIVATIONS)
    for tensor, batches in zip(panel.activations, ACTIVATIONS.values(), strict=True):
        found = tensor["ranges"]
        low, high = batches.min(), batches.max()
        assert found["MinMax"] == [(low, high)] * 7
        average = ptq.MovingAverage(momentum=0.9)
        for batch in batches:
            average.observe(batch)
        assert found["MovingAverage"] == [average.range()] * 7
        reach = 3 * batches.std(dtype=np.float64)
        sigmas = max(batches.mean() - reach, low), min(batches.mean() + reach, high)
        np.testing.assert_allclose(found["Sigmas"], [sigmas] * 7, rtol=1e-6)
        low, high = found["Percentile"][0]
        assert 0 < np.mean((batches < low) | (batches > high)) <= 0.001
        for k, bit_width in enumerate(range(2, 9)):
            assert found["MSE"][k] == ptq.MSE().observe(batches).range(bit_width)
            assert found["Entropy"][k] == ptq.Entropy().observe(batches).range(bit_width)
        assert found["MSE"][0] != found["MSE"][6]  # it depends on the bits


# ---- calibration


TENSORS = {
    **ACTIVATIONS,
    "negative": -ACTIVATIONS["behind it"],
    "one value": np.full((1, 3), 0.7, np.float32),
    "never near 0": np.linspace(3.0, 5.0, 50).reshape(2, 25),
}


@slow
def test_the_page_finds_the_errors_that_quantlib_finds_on_the_same_histogram(browser, tmp_path):
    panel = calibration(TENSORS)
    with shown(browser, write_page(panel, tmp_path)) as page:
        for i, (name, batches) in enumerate(TENSORS.items()):
            centres, counts = ptq.MSE().observe(batches).histogram.nonzero()
            given = f"model.get('activations')[{i}]"
            assert page.evaluate(f"computed.centres({given})") == centres.tolist()
            assert page.evaluate(f"{given}.counts") == counts.tolist()
            # as many values as there are, each at the centre of its bin
            values = np.repeat(centres, counts)
            values = np.append(values, np.zeros(batches.size - values.size))
            least, most = min(values.min(), 0.0), max(values.max(), 0.0)
            for bit_width in (2, 3, 5, 8):
                for share in (0.03, 0.2, 0.61, 1.0):
                    for low, high in ((share * least, most), (least, share * most)):
                        if low == high:
                            continue
                        seen = ptq.MinMax().observe([low, high])
                        row = ptq.compare_observers([seen], values, bit_width)[0]
                        outside = np.mean((values < low) | (values > high))
                        numbers = [batches.size, low, high, bit_width]
                        found = page.evaluate(
                            f"numbers => computed.measure(computed.centres({given}), "
                            f"{given}.counts, ...numbers)",
                            numbers,
                        )
                        at_most = pytest.approx(row.error, rel=1e-9, abs=1e-25)
                        assert found["error"] == at_most, (name, numbers)
                        parts = [found["rounding"], found["clipping"], found["clipped"]]
                        assert parts == pytest.approx(
                            [row.rounding_error, row.clipping_error, outside], rel=1e-9, abs=1e-25
                        ), (name, numbers)


def check_calibration(page, batches, line):
    """Check the line, that it gives the error that is told, and that error's two parts."""
    first, second = code_line(page).split("\n")
    assert first == line
    x, names = np.concatenate([batch.ravel() for batch in batches]), {"ptq": ptq}
    exec(first, names | {"x": x}, names)
    low, high = names["low"], names["high"]
    error = eval(second, names | {"x": x})
    told = words(page)
    assert number(re.search(r"error is (\S+), ", told).group(1)) == three_digits(error)
    outside = np.mean((x < low) | (x > high))
    if outside:
        parts = re.search(r", (\S+) by rounding and (\S+) by clipping (\S+)\s% of", told)
        rounding, clipping, clipped = map(number, parts.groups())
        assert rounding + clipping == pytest.approx(error, rel=0.02)
        assert clipped == pytest.approx(100 * outside, abs=0.1)
    else:
        assert "all by rounding, since no value is clipped" in told
    bit_width = page.evaluate("model.get('bit_width')")
    scale = uniform.qparams_from_range(
        low, high, bit_width, mapping="asymmetric", signed=False
    ).scale
    assert number(re.search(r"steps of (\S+)\. ", told).group(1)) == three_digits(scale)


@slow
def test_the_line_of_python_computes_the_error_that_the_panel_says(browser, tmp_path):
    two_sided, one_sided = ACTIVATIONS.values()
    with shown(browser, write_page(calibration(), tmp_path)) as page:
        activation, observer = page.locator("select").all()
        lower, upper = page.locator(".handle").all()
        check_calibration(page, two_sided, "low, high = ptq.MinMax().observe(x).range()")
        for choice, call in [
            ("Sigmas", "Sigmas().observe(x).range()"),
            ("Percentile", "Percentile(p=99.9).observe(x).range()"),
            ("Entropy", "Entropy().observe(x).range(4)"),
            ("MSE", "MSE().observe(x).range(4)"),
        ]:
            observer.select_option(choice)
            check_calibration(page, two_sided, f"low, high = ptq.{call}")
        page.locator("input[type=range]").press("ArrowLeft")
        check_calibration(page, two_sided, "low, high = ptq.MSE().observe(x).range(3)")
        upper.press("End")
        upper.press("PageDown")
        lower.press("Home")
        expect(observer).to_have_value("hand")
        low, high = page.evaluate("[model.get('low'), model.get('high')]")
        assert low == two_sided.min() and 14.0 <= high < two_sided.max()
        check_calibration(page, two_sided, f"low, high = {low:.6g}, {high:.6g}")
        observer.select_option("MSE")
        page.evaluate("model.set({ low: -1 })")  # as a notebook's Python does
        expect(observer).to_have_value("hand")
        activation.select_option("1")
        assert page.evaluate("[model.get('low'), model.get('high')]") == [0, one_sided.max()]
        share = 100 * np.mean(one_sided == 0)
        assert f"{share:.1f}\u00a0% of the values are 0, which every range keeps." in words(page)
        assert page.locator(".handle:visible").count() == 1
        observer.select_option("MovingAverage")
        high = page.evaluate("model.get('high')")
        check_calibration(page, one_sided, f"low, high = 0.0, {high:.6g}")


@slow
def test_the_best_observer_and_all_their_errors_are_told(browser, tmp_path):
    panel = calibration()
    with shown(browser, write_page(panel, tmp_path)) as page:
        x = next(iter(ACTIVATIONS.values()))
        mse = ptq.MSE().observe(x)
        errors = {
            key: mse.costs(*ranges[2], 4).item()
            for key, ranges in panel.activations[0]["ranges"].items()
        }
        best = min(errors, key=errors.get)
        told = re.search(r"Of the observers (.*) has the least, (\S+)\.", words(page))
        assert told.group(1) == panel.observers[best]
        assert number(told.group(2)) == three_digits(errors[best])
        labels = page.locator(".lowbit-panel svg text").all_text_contents()
        for key, name in panel.observers.items():
            (label,) = [text for text in labels if text.startswith(f"{name}: ")]
            low, high, error = map(
                number, re.search(r": (\S+) to (\S+), error (\S+)", label).groups()
            )
            assert [low, high] == three_digits(panel.activations[0]["ranges"][key][2])
            assert error == three_digits(errors[key])


@slow
def test_a_range_is_dragged_along_the_values(browser, tmp_path):
    with shown(browser, write_page(calibration(), tmp_path)) as page:
        lower, upper = page.locator(".handle").all()
        before = page.evaluate("model.get('high')")
        drag(page, upper, -200)
        middle = page.evaluate("model.get('high')")
        drag(page, upper, -2000)
        assert page.evaluate("model.get('high')") == 0 < middle < before
        drag(page, lower, 2000)
        assert page.evaluate("[model.get('low'), model.get('high')]") == [0, 0]


@slow
@pytest.mark.parametrize("name", TENSORS)
def test_every_range_of_an_activation_can_be_drawn(browser, tmp_path, name):
    with shown(browser, write_page(calibration({name: TENSORS[name]}), tmp_path)) as page:
        for bit_width in (2, 8):
            page.evaluate(f"model.set({{ bit_width: {bit_width} }})")
            for handle in page.locator(".handle:visible").all():
                for key in ("Home", "End"):
                    handle.press(key)
                    html = page.locator(".lowbit-panel").evaluate("panel => panel.outerHTML")
                    assert "NaN" not in html and "Infinity" not in html
        assert page.locator(".handle:visible").count() > 0


# ---- requantization


FACTORS = [
    2.0**-20, 1e-5, 0.0377, 0.01, 0.125, 1 / 3, 0.5, 0.5 - 2.0**-40, 0.75, 1 - 2.0**-20,
]  # fmt: skip


def twice(total, multiplier, shift):
    """Round to a multiple of 2**31, halves up, and what is left by halves away from 0."""
    upper = math.floor(Fraction(total * multiplier, 2**31) + Fraction(1, 2))
    size = math.floor(Fraction(abs(upper), 2 ** (shift - 31)) + Fraction(1, 2))
    return size if upper >= 0 else -size


def some_sums(factor, zero_point, rng):
    reach = np.clip(np.rint(np.array([-400, 400]) / factor), -(2**31), 2**31 - 1).astype(int)
    sums = rng.integers(*reach, 300, endpoint=True).tolist()
    halves = np.rint((np.arange(-zero_point, 256 - zero_point, 5) + 0.5) / factor)
    halves = halves[np.abs(halves) < 2**31].astype(int).tolist()
    return [*sums, *halves, 0, 1, -1, 2**31 - 1, -(2**31)]


@slow
def test_the_page_requantizes_to_the_bit(browser, tmp_path):
    rng = np.random.default_rng(13)
    address = write_page(explorers.requantization_explorer(), tmp_path)
    with shown(browser, address) as page:
        for factor in [*FACTORS, *np.exp(rng.uniform(-13, 0, 20)).tolist()]:
            multiplier, shift = (int(part) for part in ptq.fixed_point(factor))
            found = page.evaluate("factor => computed.fixedPoint(factor)", factor)
            assert found == {"multiplier": multiplier, "shift": shift}
            for zero_point in (0, 7, 255):
                sums = some_sums(factor, zero_point, rng)
                options = {"zero_point": zero_point, "low": 0, "high": 255}
                codes = page.evaluate(
                    "([sums, ...given]) => sums.map((sum) => computed.codes(sum, ...given))",
                    [sums, factor, zero_point],
                )
                once = ptq.requantize(np.array(sums), multiplier, shift, **options)
                assert [row["once"] for row in codes] == once.tolist()
                in_float = np.clip(np.rint(np.array(sums) * factor) + zero_point, 0, 255)
                assert [row["float"] for row in codes] == in_float.tolist()
                by_gemmlowp = [twice(total, multiplier, shift) + zero_point for total in sums]
                expected = np.clip(by_gemmlowp, 0, 255).tolist()
                assert [row["twice"] for row in codes] == expected


@slow
def test_the_sums_that_two_roundings_tell_apart_are_all_found(browser, tmp_path):
    address = write_page(explorers.requantization_explorer(), tmp_path)
    with shown(browser, address) as page:
        for factor in (0.0377, 0.01, 0.01171875, 0.31, 0.5, 0.75, 0.9, 0.99):
            multiplier, shift = (int(part) for part in ptq.fixed_point(factor))
            for zero_point in (0, 100):
                sums = np.arange(*np.rint(np.array([-300, 300]) / factor), dtype=np.int64)
                options = {"zero_point": zero_point, "low": 0, "high": 255}
                once = ptq.requantize(sums, multiplier, shift, **options)
                two = [twice(int(total), multiplier, shift) + zero_point for total in sums]
                expected = sums[once != np.clip(two, 0, 255)].tolist()
                given = [factor, zero_point]
                assert page.evaluate("given => computed.differing(...given)", given) == expected
                if factor == 0.0377:
                    assert len(expected) > 10


@slow
def test_the_button_goes_to_sums_that_gemmlowp_gives_other_codes(browser, tmp_path):
    address = write_page(explorers.requantization_explorer(), tmp_path)
    with shown(browser, address) as page:
        button = page.get_by_role("button")
        assert "gemmlowp's two roundings give the same." in words(page)
        multiplier, shift = (int(part) for part in ptq.fixed_point(0.0377))
        seen = []
        for _ in range(3):
            button.click()
            seen.append(page.evaluate("model.get('sum')"))
            row = page.locator("tbody tr").nth(2).locator("td").all_text_contents()
            assert int(row[1]) == twice(seen[-1], multiplier, shift) + 3
            assert f"its code is {row[1]}." in words(page)
            once = page.locator("tbody tr").nth(0).locator("td").nth(1).text_content()
            assert int(once) != int(row[1])
        assert 2024 < seen[0] < seen[1] < seen[2]
        page.evaluate("model.set({ sum: 2 ** 31 - 1 })")
        handle = page.locator(".handle")
        assert handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        button.click()
        assert page.evaluate("model.get('sum')") < seen[0]  # round to the first one
        page.evaluate("model.set({ factor: 0.01, zero_point: 0 })")
        total = page.evaluate("model.get('sum')")
        button.click()
        assert page.evaluate("model.get('sum')") == total
        assert words(page).endswith("With this M and z gemmlowp gives all sums the same codes.")


def check_requantization(page):
    """Check that the line computes what the panel says, and the bits that it draws."""
    total, factor, zero_point = (
        page.evaluate(f"model.get('{name}')") for name in ("sum", "factor", "zero_point")
    )
    line = code_line(page)
    assert line.startswith(f"ptq.requantize({total}, ") and f"zero_point={zero_point}" in line
    code = int(eval(line, {"ptq": ptq}))
    multiplier, shift = (int(part) for part in ptq.fixed_point(factor))
    product = total * multiplier
    rounded = (product + (1 << (shift - 1))) >> shift
    plain = f"{rounded + zero_point}".replace("-", "−")
    clamped = "" if code == rounded + zero_point else f", clamped to {code}"
    assert f"the code is {plain}{clamped}. " in words(page)
    up = product % 2**shift >= 2 ** (shift - 1)
    assert f"drops is {int(up)}: it is rounded {'up' if up else 'down'} to" in words(page)
    cells = page.locator(".lowbit-panel svg").nth(-1).locator("text[style*='10px']")
    drawn = "".join(cells.all_text_contents())
    steps = [(total, 32), (multiplier, 31), (product, 64), (product + (1 << (shift - 1)), 64)]
    steps += [(rounded, 32), (code, 8)]
    assert page.locator(".lowbit-panel rect[stroke-width='3']").count() == 2  # the half, twice
    assert drawn == "".join(f"{value % 2**count:0{count}b}" for value, count in steps)


@slow
def test_the_line_of_python_computes_the_code_that_the_panel_says(browser, tmp_path):
    address = write_page(explorers.requantization_explorer(), tmp_path)
    with shown(browser, address) as page:
        total, factor, zero_point = page.locator("input[type=number]").all()
        handle = page.locator(".handle")
        check_requantization(page)
        handle.press("Home")
        assert "clamped to 0" in words(page)
        check_requantization(page)
        handle.press("End")
        assert "clamped to 255" in words(page)
        check_requantization(page)
        total.fill("-300")
        zero_point.fill("128")
        factor.fill("0.0625")
        factor.press("Enter")
        check_requantization(page)
        for field, typed, taken in [
            (total, "3000000000", "2147483647"),
            (total, "-3e9", "-2147483648"),
            (total, "", "-2147483648"),
            (factor, "2", FACTOR[1]),
            (factor, "0", FACTOR[0]),
            (zero_point, "-4", "0"),
            (zero_point, "7.6", "8"),
        ]:
            field.fill(typed)
            field.press("Tab")
            assert float(field.input_value()) == float(taken)
            check_requantization(page)


@slow
def test_a_half_is_told_where_floating_point_goes_the_other_way(browser, tmp_path):
    panel = explorers.requantization_explorer(sum=1, factor=0.5, zero_point=10)
    with shown(browser, write_page(panel, tmp_path)) as page:
        assert "Floating point, to the even number, gives 10" in words(page)
        page.evaluate("model.set({ sum: 3 })")
        assert "Floating point gives the same code" in words(page)
        for total in (1, 3, -1, -(2**31), 2**31 - 1):
            for factor in FACTORS:
                page.evaluate("given => model.set(given)", {"sum": total, "factor": factor})
                html = page.locator(".lowbit-panel").evaluate("panel => panel.outerHTML")
                assert "NaN" not in html and "Infinity" not in html


# ---- equalization


def a_pair():
    """Return two layers of a depthwise network with spread ranges: a depthwise, a pointwise one."""
    model = models.MobileNet(widths=(8, 8), halved=(), activation="relu", seed=3).eval()
    graph = ptq.fold(ptq.trace(model))
    graph = ptq.spread_ranges(graph, 3, generator=torch.Generator().manual_seed(0))
    return graph.layers["depthwise1"], graph.layers["pointwise1"]


@slow
def test_the_page_finds_the_factors_and_ranges_that_quantlib_finds(browser, tmp_path):
    first, second = a_pair()
    ranges = [first.weight.abs().amax((1, 2, 3)), second.weight.abs().amax((0, 2, 3))]
    ranges = [one.detach().double() for one in ranges]
    with shown(browser, write_page(equalization(*ranges), tmp_path)) as page:
        given = [one.tolist() for one in ranges]
        found = page.evaluate("given => computed.equalizing(...given)", given)
        expected = ptq.equalization_scales(*ranges)
        assert found == pytest.approx(expected.tolist(), rel=1e-12)
        after = page.evaluate("given => computed.scaled(...given)", [*given, found])
        scales = ptq.equalize_pair(first, second)
        assert found == pytest.approx(scales.tolist(), rel=1e-5)
        for told, dims, layer in zip(after, ((1, 2, 3), (0, 2, 3)), (first, second), strict=True):
            assert told == pytest.approx(layer.weight.abs().amax(dims).tolist(), rel=1e-5)
        page.get_by_role("button", name="Equalize").click()
        assert page.evaluate("model.get('factors')") == found
        assert code_line(page).startswith("s = ptq.equalization_scales(first, second)\n")


@slow
def test_the_page_finds_the_steps_and_the_bits_that_quantlib_finds(browser, tmp_path):
    with shown(browser, write_page(equalization(), tmp_path)) as page:
        for ranges in RANGES:
            for bit_width in range(2, 9):
                scale = uniform.choose_qparams(np.array(ranges), bit_width).scale
                given = [list(ranges), bit_width]
                step = page.evaluate("given => computed.stepOf(...given)", given)
                assert step == pytest.approx(scale, rel=1e-12)
                bits = page.evaluate("given => computed.bitsOf(...given)", given)
                expected = np.maximum(np.log2(2 * np.array(ranges) / scale), 0)
                assert bits == pytest.approx(expected, rel=1e-9, abs=1e-9)
                # a channel without bits is one whose weights all round to 0
                codes = uniform.quantize(
                    np.array(ranges), uniform.choose_qparams(np.array(ranges), bit_width)
                )
                assert [b == 0 for b in bits] == [code == 0 for code in codes]


@slow
def test_the_page_cuts_where_relu6_cuts(browser, tmp_path):
    x = torch.linspace(-3, 40, 87, dtype=torch.float64)
    kinds = {"relu": torch.nn.ReLU(), "relu6": torch.nn.ReLU6()}
    with shown(browser, write_page(equalization(), tmp_path)) as page:
        for name, activation in kinds.items():
            for s in (0.02, 0.5, 1.0, 4.0):
                found = page.evaluate(
                    "([xs, ...given]) => xs.map((x) => computed.passed(x, ...given))",
                    [x.tolist(), s, name],
                )
                assert found == pytest.approx((s * activation(x / s)).tolist(), abs=1e-12)
                same = np.allclose(found, activation(x))
                assert same == (s == 1 or name == "relu")


@slow
def test_the_line_of_python_computes_the_bits_that_the_panel_says(browser, tmp_path):
    first, second = (torch.tensor(one, dtype=torch.float64) for one in RANGES)

    def check(page):
        line, last = code_line(page).split("\n")
        names = {"first": first, "second": second, "torch": torch, "ptq": ptq, "uniform": uniform}
        exec(line, names)
        bits = eval(last, names)
        s = names["s"].double()
        told = words(page)
        for name, gets, now in (("first", bits, first / s), ("second", None, second * s)):
            found = re.search(
                rf"The {name} layer's step is (\S+): channels get (\S+) to (\S+) bits, (\S+) in",
                told,
            )
            bit_width = page.evaluate("model.get('bit_width')")
            scale = uniform.choose_qparams(now, bit_width).scale
            if gets is None:
                gets = (2 * now / scale).log2().clamp(min=0)
            assert number(found.group(1)) == three_digits(scale)
            expected = [float(one) for one in (gets.min(), gets.max(), gets.mean())]
            assert [float(one) for one in found.groups()[1:]] == pytest.approx(expected, abs=0.051)
        i = page.evaluate("model.get('channel')")
        channel = re.search(r"Channel (\d+) with .* ranges (\S+) and (\S+); .* (\S+), stays", told)
        assert int(channel.group(1)) == i + 1
        now = [one[i].item() for one in (first / s, second * s, first * second)]
        assert [number(one) for one in channel.groups()[1:]] == three_digits(now)

    with shown(browser, write_page(equalization(), tmp_path)) as page:
        check(page)
        handles = page.locator(".handle")
        assert handles.count() == len(RANGES[0])
        handles.nth(2).press("PageUp")
        assert page.evaluate("model.get('factors')") == pytest.approx([1, 1, 10**0.5, 1], rel=1e-3)
        check(page)
        page.get_by_role("button", name="Equalize").click()
        check(page)
        page.locator("input[type=range]").press("Home")
        check(page)
        handles.nth(3).press("Home")
        check(page)
        assert "ReLU6" not in words(page)
        page.locator("select").select_option("relu6")
        s = page.evaluate("model.get('factors')[3]")
        told = re.search(r"at 6 · s = (\S+) instead of 6", words(page))
        assert number(told.group(1)) == three_digits(6 * s)
        page.get_by_role("button", name="All factors 1").click()
        assert "A factor of 1 leaves ReLU6's ceiling where it is." in words(page)
        check(page)


@slow
@pytest.mark.parametrize("count", [2, 16])
def test_ranges_of_every_size_can_be_drawn(browser, tmp_path, count):
    ranges = np.geomspace(1e-4, 1e4, count)
    with shown(browser, write_page(equalization(ranges, ranges[::-1]), tmp_path)) as page:
        for change in ("bit_width: 2", "activation: 'relu6'", f"channel: {count - 1}"):
            page.evaluate(f"model.set({{ {change} }})")
        for key in ("Home", "End"):
            page.locator(".handle").last.press(key)
            html = page.locator(".lowbit-panel").evaluate("panel => panel.outerHTML")
            assert "NaN" not in html and "Infinity" not in html
        page.get_by_role("button", name="Equalize").click()
        html = page.locator(".lowbit-panel").evaluate("panel => panel.outerHTML")
        assert "NaN" not in html and "Infinity" not in html
