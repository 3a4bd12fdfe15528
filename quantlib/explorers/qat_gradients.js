import { Panel, fixed, python, rint, significant } from "./panel.js";

// ---- what is computed, as in quantlib/qat/quantizers.py

/** The largest code of `bits` bits without a sign. */
export function largest(bits) {
  return 2 ** bits - 1;
}

/** What becomes of a number: step, code, value, whether it is clamped, and its three gradients. */
export function quantized(x, clip, bits) {
  const step = clip / largest(bits);
  const ratio = x / step;
  const rounded = rint(ratio);
  const code = Math.min(Math.max(rounded, 0), largest(bits));
  const clamped = rounded !== code;
  return {
    step,
    ratio,
    code,
    value: code * step,
    clamped,
    byNumber: clamped ? 0 : 1,
    byClip: x >= clip ? 1 : 0,
    byStep: clamped ? code : code - ratio,
  };
}

// ---- the panel

const NUMBERS = [-2, 10];
const CLIPS = [0.5, 9];
const COLORS = { byNumber: "var(--blue)", byClip: "var(--green)", byStep: "var(--vermillion)" };
const DASHES = { byNumber: "", byClip: "8 4", byStep: "" };

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "A quantized number, and the gradients of its range");
  const x = () => panel.get("x");
  const clip = () => panel.get("clip");
  const bits = () => panel.get("bit_width");
  const at = (number) => quantized(number, clip(), bits());

  panel.slider({
    label: "Bits",
    min: 2,
    max: 4,
    step: 1,
    value: bits,
    change: (bit_width) => panel.set({ bit_width }),
  });

  // ---- the value of every number

  const stairs = panel.plot({
    label: "The value against the number; the number and the clip are handles",
    height: 230,
    top: 22,
    bottom: 50,
    x: { range: NUMBERS, label: "number x" },
    y: { range: [-1, 10], ticks: [0, 2, 4, 6, 8, 10], label: "value" },
  });
  stairs.handle({
    label: "Number x",
    color: "var(--yellow)",
    value: x,
    change: (value) => panel.set({ x: value }),
    limits: () => NUMBERS,
    step: 0.05,
    say: (value) => significant(value),
    at: (value) => [stairs.atX(value), stairs.atY(at(value).value)],
  });
  stairs.handle({
    label: "Clip α",
    color: "var(--green)",
    value: clip,
    change: (value) => panel.set({ clip: value }),
    limits: () => CLIPS,
    step: 0.05,
    say: (value) => significant(value),
    at: (value) => [stairs.atX(value), stairs.atY(-1)],
  });

  /** The edges of the steps, where lines are broken: [low, high, code] of each code. */
  function pieces() {
    const { step } = at(0);
    const top = largest(bits());
    return Array.from({ length: top + 1 }, (_, code) => [
      code ? (code - 0.5) * step : NUMBERS[0],
      code < top ? Math.min((code + 0.5) * step, NUMBERS[1]) : NUMBERS[1],
      code,
    ]);
  }

  function drawStairs() {
    stairs.axes();
    const { step } = at(0);
    stairs.curve([[-1, -1], [10, 10]], "currentColor", { "stroke-dasharray": "2 4" });
    const points = pieces().flatMap(([low, high, code]) => [
      [low, code * step],
      [high, code * step],
    ]);
    stairs.curve(points, "var(--sky)", { "stroke-width": 3 });
    stairs.curve([[clip(), -1], [clip(), 10]], COLORS.byClip, { "stroke-dasharray": "8 4" });
  }

  // ---- the gradients of every number

  panel.legend([
    [COLORS.byNumber, "by the number (straight-through)"],
    [COLORS.byClip, "by the clip (PACT)", DASHES.byClip],
    [COLORS.byStep, "by the step (LSQ)"],
  ]);
  const slopes = panel.plot({
    label: "The three gradients against the number",
    height: 230,
    top: 22,
    x: { range: NUMBERS, label: "number x" },
    y: { range: [-1, 4], label: "gradient" },
  });

  function drawSlopes() {
    const top = largest(bits());
    slopes.y.range = [-0.12 * top - 0.6, 1.08 * top];
    slopes.axes();
    const { step } = at(0);
    const [first, last] = [-0.5 * step, (top + 0.5) * step];
    const inside = [first, last].map((value) => Math.min(Math.max(value, NUMBERS[0]), NUMBERS[1]));
    const draw = (key, points) =>
      slopes.curve(points, COLORS[key], { "stroke-dasharray": DASHES[key], "stroke-width": 2 });
    draw("byStep", [[NUMBERS[0], 0], [inside[0], 0]]);
    for (const [low, high, code] of pieces()) {
      const [a, b] = [Math.max(low, inside[0]), Math.min(high, inside[1])];
      if (a < b) draw("byStep", [[a, code - a / step], [b, code - b / step]]);
    }
    draw("byStep", [[inside[1], top], [NUMBERS[1], top]]);
    draw("byNumber", [[NUMBERS[0], 0], [inside[0], 0], [inside[0], 1], [inside[1], 1], [inside[1], 0], [NUMBERS[1], 0]]);
    draw("byClip", [[NUMBERS[0], 0], [clip(), 0], [clip(), 1], [NUMBERS[1], 1]]);
    slopes.curve([[x(), slopes.y.range[0]], [x(), slopes.y.range[1]]], "currentColor", {
      "stroke-dasharray": "2 4",
    });
    const here = at(x());
    for (const key of Object.keys(COLORS)) slopes.dot(x(), here[key], COLORS[key]);
  }

  // ---- all of it

  panel.start(() => {
    drawStairs();
    drawSlopes();
    const here = at(x());
    const side = here.byStep > 0 ? "above" : "below";
    const why = here.clamped
      ? `It is clamped: nothing goes to the number, and the step's gradient is the code, ${here.code}`
      : here.byStep === 0
        ? "It lies on its level, and the step's gradient is 0"
        : `Its level lies ${side} it, and the step's gradient is ${here.code} − ` +
          `${significant(here.ratio, 4).replace(/^−(.*)$/, "(−$1)")} = ${fixed(here.byStep, 3)}`;
    const clipped = here.byClip
      ? "it lies at the clip or beyond, and pulls it up with 1"
      : "it lies below the clip, and moves it by nothing";
    panel.say(
      `The number ${significant(x(), 4)}, in steps of ${significant(here.step, 4)}, has the code ` +
        `${here.code} and the value ${significant(here.value, 4)}. ${why}. For PACT ${clipped}.`,
    );
    panel.code(
      `qat.LearnedStep(uniform.QParams(${python(here.step)}, 0, ${bits()}, signed=False))` +
        `(torch.tensor(${python(x())}))`,
    );
  });
}

export default { render };
