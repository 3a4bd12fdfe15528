import { Panel, fixed, python, significant } from "./panel.js";

// ---- what is computed, as in quantlib/dst/grid.py

/** The levels from 0 on. */
export function gridLevels(q2, n) {
  return [0, ...Array.from({ length: n - 1 }, (_, i) => q2 * 2 ** i)];
}

/** The thresholds, half-way between the levels. */
export function gridThresholds(q2, n) {
  const levels = gridLevels(q2, n);
  return levels.slice(1).map((level, i) => (levels[i] + level) / 2);
}

/** 1 - erf(x) for x from 0 on: by a series whose terms are all positive, or a continued fraction. */
export function erfc(x) {
  if (x > 30) return 0;
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let k = 1; term > 1e-17 * sum; k++) {
      term *= (2 * x * x) / (2 * k + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = x;
  for (let k = 80; k > 0; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

export function density(x) {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/** The expected squared error of normal numbers above 0, in closed form. */
export function expectedError(q2, n) {
  const bounds = [0, ...gridThresholds(q2, n), Infinity];
  let error = 0;
  gridLevels(q2, n).forEach((q, i) => {
    const [a, b] = [bounds[i], bounds[i + 1]];
    const area = (erfc(a / Math.SQRT2) - erfc(b / Math.SQRT2)) / 2;
    const end = b === Infinity ? 0 : (2 * q - b) * density(b);
    error += (q * q + 1) * area + end - (2 * q - a) * density(a);
  });
  return error;
}

/** The first level of least error, and that error: the best of a coarse grid, then refined. */
export function optimum(n) {
  const at = (u) => expectedError(2 ** u, n);
  let best = 0;
  for (let u = -6; u < 1.95; u += 0.1) if (at(u) < at(best)) best = u;
  let [low, high] = [best - 0.1, best + 0.1];
  const golden = (Math.sqrt(5) - 1) / 2;
  while (high - low > 1e-9) {
    const [left, right] = [high - golden * (high - low), low + golden * (high - low)];
    if (at(left) < at(right)) high = right;
    else low = left;
  }
  return { q2: 2 ** ((low + high) / 2), error: at((low + high) / 2) };
}

/** The bits of a code for one of the levels of both signs. */
export function bitWidth(n) {
  return Math.ceil(Math.log2(2 * n - 1));
}

// ---- the panel

const FAR = 4; // the largest activation that is drawn
const POWERS = [-6, 1]; // of two, between which the first level may lie
const COLORS = ["zero", "sky", "yellow", "orange", "green", "purple", "blue", "vermillion"];

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "Levels of activations, and the expected error");
  const q2 = () => panel.get("q2");
  const n = () => panel.get("n_levels");
  const found = new Map();
  const best = () => {
    if (!found.has(n())) found.set(n(), optimum(n()));
    return found.get(n());
  };

  // ---- controls

  panel.slider({
    label: "Levels from 0 on, n",
    min: 2,
    max: 8,
    step: 1,
    value: n,
    change: (n_levels) => panel.set({ n_levels }),
  });
  panel.buttons({ "The optimum": () => panel.set({ q2: best().q2 }) });

  // ---- the density, with an interval for each level

  panel.legend([
    ["currentColor", "level"],
    ["currentColor", "threshold", "2 4"],
  ]);
  const hill = panel.plot({
    label: "The normal density above 0, with the first level as a handle",
    height: 230,
    top: 22,
    bottom: 50,
    x: { range: [0, FAR], label: "activation x" },
    y: { range: [0, 0.42], ticks: [0, 0.2, 0.4], label: "normal density" },
  });
  hill.handle({
    label: "First level q₂",
    color: "var(--yellow)",
    value: q2,
    change: (value) => panel.set({ q2: value }),
    limits: () => POWERS.map((power) => 2 ** power),
    step: 0.005,
    say: (value) => significant(value),
    at: (value) => [hill.atX(value), hill.atY(0)],
  });

  /** Fill the area below a function, in each interval with the colour of its level. */
  function fill(plot, height) {
    const bounds = [0, ...gridThresholds(q2(), n()), FAR].map((x) => Math.min(x, FAR));
    gridLevels(q2(), n()).forEach((level, i) => {
      const [a, b] = [bounds[i], bounds[i + 1]];
      if (a === b) return;
      const xs = Array.from({ length: 41 }, (_, k) => a + (k / 40) * (b - a));
      const points = [[a, 0], ...xs.map((x) => [x, height(x, level)]), [b, 0]];
      plot.curve(points, "none", { fill: `var(--${COLORS[i]})` });
    });
  }

  function drawHill() {
    hill.axes();
    fill(hill, density);
    const lines = [
      [gridLevels(q2(), n()), ""],
      [gridThresholds(q2(), n()), "2 4"],
    ];
    for (const [values, dashes] of lines) {
      for (const value of values.filter((value) => value <= FAR)) {
        const ends = [[value, 0], [value, 0.42]];
        hill.curve(ends, "currentColor", { "stroke-dasharray": dashes });
      }
    }
  }

  // ---- where the error comes from, and that of every first level

  const parts = panel.plot({
    label: "What each activation adds to the error",
    half: true,
    height: 220,
    top: 22,
    x: { range: [0, FAR], label: "activation x; the area is the error" },
    y: { range: [0, 1], label: "density × squared error" },
  });
  const logs = [0.02, 0.05, 0.1, 0.2, 0.5].map(Math.log10);
  const curve = panel.plot({
    label: "The expected error against the first level, which is a handle",
    half: true,
    height: 220,
    top: 22,
    x: {
      range: POWERS,
      label: "first level q_2",
      format: (power) => (power < 0 ? `1/${2 ** -power}` : String(2 ** power)),
    },
    y: {
      range: [Math.log10(0.015), Math.log10(0.6)],
      ticks: logs,
      label: "expected squared error",
      format: (log) => String(Number((10 ** log).toPrecision(2))),
    },
  });
  curve.handle({
    label: "First level q₂, on the curve of the error",
    color: "var(--yellow)",
    value: () => Math.log2(q2()),
    change: (power) => panel.set({ q2: 2 ** power }),
    limits: () => POWERS,
    step: 0.05,
    say: (power) => significant(2 ** power),
    at: (power) => [curve.atX(power), curve.atY(Math.log10(expectedError(2 ** power, n())))],
  });

  function drawParts() {
    const height = (x, level) => density(x) * (level - x) ** 2;
    const bounds = [0, ...gridThresholds(q2(), n()), FAR];
    let most = 0;
    gridLevels(q2(), n()).forEach((level, i) => {
      for (let k = 0; k <= 40; k++) {
        const x = bounds[i] + (k / 40) * (bounds[i + 1] - bounds[i]);
        most = Math.max(most, height(x, level));
      }
    });
    parts.y.range = [0, 1.05 * most];
    parts.axes();
    fill(parts, height);
  }

  function drawCurve() {
    curve.axes();
    const [low, high] = POWERS;
    const points = Array.from({ length: 141 }, (_, k) => low + (k / 140) * (high - low));
    curve.curve(points.map((u) => [u, Math.log10(expectedError(2 ** u, n()))]), "var(--blue)");
    const [u, error] = [Math.log2(best().q2), Math.log10(best().error)];
    curve.dot(u, error, "none", { stroke: "var(--green)", r: 13 });
    curve.text(u, error, "optimum", { "text-anchor": "middle", dy: -22 });
  }

  // ---- all of it

  panel.start(() => {
    drawHill();
    drawParts();
    drawCurve();
    const levels = gridLevels(q2(), n()).map((level) => String(Number(level.toPrecision(3))));
    panel.say(
      `${n()} levels from 0 on, ${levels.slice(0, -1).join(", ")} and ${levels.at(-1)}: the ` +
        `expected squared error is ${fixed(expectedError(q2(), n()), 4)}. The least for ` +
        `${n()} levels is ${fixed(best().error, 4)}, where the first above 0 is ` +
        `${significant(best().q2)}. With both signs there are ${2 * n() - 1} levels, and a code ` +
        `takes ${bitWidth(n())} bits.`,
    );
    panel.code(`dst.expected_error(${python(q2())}, ${n()})`);
  });
}

export default { render };
