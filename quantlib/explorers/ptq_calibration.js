import { HALO, Panel, logTicks, percent, python, rint, roundStep, significant } from "./panel.js";

// ---- what is computed, as in quantlib/ptq/by_histogram.py

/** The centres of the bins that hold values other than 0; none lies beyond the values seen. */
export function centres({ bins, width, low, high }) {
  return bins.map((i) => Math.min(Math.max((i + 0.5) * width, low), high));
}

/** Scale and zero point of unsigned codes for a range that contains 0. */
export function qparams(low, high, bits) {
  const most = 2 ** bits - 1;
  const scale = Math.fround(high / most - low / most) || 1;
  return { scale, zero: Math.min(Math.max(rint(-low / scale), 0), most), most };
}

/** The mean squared error of all values, that within the range and that beyond it. */
export function measure(values, counts, n, low, high, bits) {
  const { scale, zero, most } = qparams(low, high, bits);
  const reciprocal = 1 / scale;
  let [rounding, clipping, clipped] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    const steps = Math.min(Math.max(rint(x * reciprocal), -zero), most - zero);
    const error = (steps * scale - x) ** 2 * counts[i];
    if (x >= low && x <= high) {
      rounding += error;
    } else {
      clipping += error;
      clipped += counts[i];
    }
  }
  return {
    rounding: rounding / n,
    clipping: clipping / n,
    error: (rounding + clipping) / n,
    clipped: clipped / n,
  };
}

// ---- the panel

const BARS = 100;
const PLACES = 200; // of the curves
const ROW = 34; // pixels of an observer
const PARTS = {
  error: ["currentColor", ""],
  rounding: ["var(--blue)", "6 3"],
  clipping: ["var(--vermillion)", "2 3"],
};

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "A range for an activation, and its errors");
  const observers = model.get("observers");
  const codes = model.get("codes");
  const tensors = model.get("activations").map((given) => {
    const [low, high] = [Math.min(given.low, 0), Math.max(given.high, 0)];
    const step = roundStep(high - low);
    return { ...given, least: low, most: high, step, values: centres(given) };
  });
  const tensor = () => tensors[panel.get("activation")];
  const bits = () => panel.get("bit_width");
  const ends = () => [panel.get("low"), panel.get("high")];
  const errors = (low, high) => {
    const { values, counts, n_values: n } = tensor();
    return measure(values, counts, n, low, high, bits());
  };
  /** What an observer chooses of a tensor, for codes of so many bits. */
  const chosen = (name, activation = panel.get("activation"), bit_width = bits()) =>
    tensors[activation].ranges[name][bit_width - 2];
  /** Whose range it is: an observer's as long as nobody has moved it. */
  const owner = () => {
    const name = panel.get("observer");
    const same = name !== "hand" && chosen(name).every((end, i) => end === ends()[i]);
    return same ? name : "hand";
  };
  /** Show another tensor or other codes, with the range that the same observer chooses for them. */
  const show = ({ observer = owner(), activation = panel.get("activation"), bit_width = bits() }) => {
    const { least, most } = tensors[activation];
    const kept = activation === panel.get("activation") ? ends() : [least, most];
    const [low, high] = observer === "hand" ? kept : chosen(observer, activation, bit_width);
    panel.set({ observer, activation, bit_width, low, high });
  };

  // ---- controls

  panel.choice({
    label: "Activation",
    options: Object.fromEntries(tensors.map(({ name }, i) => [i, name])),
    value: () => String(panel.get("activation")),
    change: (i) => show({ activation: Number(i) }),
  });
  panel.slider({
    label: "Bits",
    min: 2,
    max: 8,
    step: 1,
    value: bits,
    change: (bit_width) => show({ bit_width }),
  });
  panel.choice({
    label: "Range",
    options: { hand: "as you drag it", ...observers },
    value: owner,
    change: (observer) => show({ observer }),
  });

  // ---- the histogram, with the ends of the range to be dragged

  panel.legend([
    ["var(--sky)", "in the range"],
    ["var(--vermillion)", "clipped"],
    ["currentColor", "levels, up to 5 bits"],
  ]);
  const x = { range: [0, 1] };
  const bars = panel.plot({
    label: "Histogram of the activation, with the ends of its range as handles",
    height: 220,
    top: 56,
    bottom: 28,
    x,
    y: { range: [0, 1], label: "values other than 0 in a bin" },
  });
  const KNOB = 34; // pixels
  const handle = (label, name, limits) =>
    bars.handle({
      label,
      color: "var(--yellow)",
      touch: 16,
      value: () => panel.get(name),
      change: (end) => panel.set({ [name]: end, observer: "hand" }),
      limits,
      step: () => tensor().step,
      say: (value) => significant(value),
      at: (value) => [bars.atX(value), KNOB],
      hidden: () => limits()[0] >= limits()[1], // all values are on the other side of 0
    });
  // one of the ends stays away from 0, so that the range has a width
  handle("Lower end of the range", "low", () => {
    const { least, most, step } = tensor();
    return [least, most ? 0 : -step];
  });
  handle("Upper end of the range", "high", () => {
    const { least, most, step } = tensor();
    return [least ? 0 : step, most];
  });

  /** A dashed line at an end of the range. */
  function mark(plot, end, top, bottom) {
    const look = { class: "axis", "stroke-dasharray": "5 3" };
    plot.shape("path", { d: `M${plot.atX(end)},${top}V${bottom}`, ...look });
  }

  function drawBars([low, high]) {
    const { values, counts, width } = tensor();
    const [left, right] = x.range;
    const size = Math.max(width, (right - left) / BARS);
    const sums = new Map(); // of bars, each side of an end of the range by itself
    values.forEach((value, i) => {
      const key = `${Math.floor(value / size)} ${value < low ? -1 : value > high ? 1 : 0}`;
      sums.set(key, (sums.get(key) ?? 0) + counts[i]);
    });
    const tallest = Math.log10(Math.max(...sums.values()));
    bars.y.range = [-0.3, tallest + 0.1]; // half a value, so that a bar of one can be seen
    bars.y.ticks = logTicks(0, tallest).filter((mark) => mark >= 1).map(Math.log10);
    bars.y.format = (log) => String(Math.round(10 ** log));
    bars.axes();
    for (const [key, count] of sums) {
      const [bar, side] = key.split(" ").map(Number);
      const from = side > 0 ? Math.max(bar * size, high) : bar * size;
      const to = side < 0 ? Math.min((bar + 1) * size, low) : (bar + 1) * size;
      const within = side ? [from, to] : [Math.max(from, low), Math.min(to, high)];
      const color = side ? "var(--vermillion)" : "var(--sky)";
      bars.box(within[0], bars.y.range[0], within[1], Math.log10(count), color);
    }
    const floor = bars.height - bars.bottom;
    if (tensor().least) mark(bars, low, KNOB, floor);
    if (tensor().most) mark(bars, high, KNOB, floor);
    if (bits() > 5) return;
    const { scale, zero, most } = qparams(low, high, bits());
    for (let code = 0; code <= most; code++) {
      const at = bars.atX((code - zero) * scale);
      bars.shape("path", { d: `M${at},${floor}v-10`, stroke: "currentColor" });
    }
  }

  // ---- the error of every place of an end, the other one staying where it is

  panel.legend([
    [PARTS.error[0], "mean squared error"],
    [PARTS.rounding[0], "its part by rounding", PARTS.rounding[1]],
    [PARTS.clipping[0], "its part by clipping", PARTS.clipping[1]],
  ]);
  const curve = panel.plot({
    label: "The errors against the ends of the range",
    height: 220,
    top: 22,
    x: { ...x, label: "end of the range" },
    y: { range: [0, 1], label: "squared error" },
  });
  const known = new Map(); // so that one end's curve is computed once while it is dragged
  function errorsAlong(side) {
    const fixed = ends()[1 - side];
    const key = [panel.get("activation"), bits(), side, fixed].join();
    if (!known.has(key)) {
      const far = side ? tensor().most : tensor().least;
      const places = Array.from({ length: PLACES }, (_, k) => ((k + 1) / PLACES) * far);
      const pair = (end) => (side ? [fixed, end] : [end, fixed]);
      known.set(key, far ? places.map((end) => [end, errors(...pair(end))]) : []);
    }
    return known.get(key);
  }

  function drawCurve(range) {
    const here = errors(...range);
    const sides = [errorsAlong(0), errorsAlong(1)];
    const all = [here, ...sides.flat().map(([, found]) => found)].map(({ error }) => error);
    const floor = Math.max(Math.min(...all) / 10, Math.max(...all) * 1e-9);
    curve.y.range = [Math.log10(floor), Math.log10(Math.max(...all)) + 0.1];
    curve.y.ticks = logTicks(...curve.y.range).map(Math.log10);
    curve.y.format = (log) => String(Number((10 ** log).toPrecision(1)));
    curve.axes();
    for (const [part, [color, dashes]] of Object.entries(PARTS)) {
      for (const side of sides) {
        const points = side
          .filter(([, found]) => found[part] >= floor)
          .map(([end, found]) => [end, Math.log10(found[part])]);
        if (points.length) curve.curve(points, color, { "stroke-dasharray": dashes });
      }
    }
    for (const [side, points] of sides.entries()) {
      if (!points.length) continue;
      mark(curve, range[side], curve.top, curve.height - curve.bottom);
      curve.dot(range[side], Math.log10(here.error), "var(--yellow)", { stroke: "currentColor" });
    }
  }

  // ---- what the observers choose

  const names = Object.keys(observers);
  const rows = panel.plot({
    label: "The ranges that observers choose",
    height: 18 + ROW * names.length,
    top: 18,
    bottom: 0,
    x,
    y: { range: [names.length, 0], ticks: [], label: "chosen by observers, with the squared error" },
  });

  function drawRows(range) {
    for (const end of range) mark(rows, end, rows.top, rows.height);
    rows.shape("text", { x: 2, y: 11 }, rows.y.label);
    names.forEach((name, i) => {
      const [low, high] = chosen(name);
      const color = name === owner() ? "var(--blue)" : "var(--quiet)";
      const y = rows.atY(i) + 24;
      const from = low ? `${significant(low)} to ` : "to ";
      const error = significant(errors(low, high).error);
      const text = `${observers[name]}: ${from}${significant(high)}, error ${error}`;
      rows.shape("text", { x: rows.left, y: y - 9, style: HALO }, text);
      const span = `M${rows.atX(low)},${y}H${rows.atX(high)}`;
      rows.shape("path", { d: span, stroke: color, style: "stroke-width: 4" });
      for (const end of [low, high]) rows.shape("circle", { cx: rows.atX(end), cy: y, r: 4, fill: color });
    });
  }

  // ---- all of it

  panel.start(() => {
    const range = ends();
    const { least, most, counts, n_values: n, name } = tensor();
    const margin = 0.03 * (most - least);
    x.range = [least - margin, most + margin];
    curve.x.range = x.range;
    drawBars(range);
    drawCurve(range);
    drawRows(range);
    const [low, high] = range;
    const { rounding, clipping, error, clipped } = errors(...range);
    const zeros = n - counts.reduce((sum, count) => sum + count, 0);
    const by = owner();
    const best = names.reduce((a, b) =>
      errors(...chosen(b)).error < errors(...chosen(a)).error ? b : a,
    );
    const parts = clipped
      ? `${significant(rounding)} by rounding and ${significant(clipping)} by clipping ` +
        `${percent(clipped)} of the values`
      : "all by rounding, since no value is clipped";
    panel.say(
      `${name[0].toUpperCase()}${name.slice(1)}: with ${bits()} bits the range from ${significant(low)} to ${significant(high)}` +
        `${by === "hand" ? "" : `, that of ${observers[by]},`} has steps of ` +
        `${significant(qparams(low, high, bits()).scale)}. The mean squared error is ` +
        `${significant(error)}, ${parts}. Of the observers ` +
        `${observers[best]} has the least, ${significant(errors(...chosen(best)).error)}.` +
        (zeros ? ` ${percent(zeros / n)} of the values are 0, which every range keeps.` : ""),
    );
    // what saw the batches one by one is not made again from all values at once
    const takes = { MSE: bits(), Entropy: bits() }[by] ?? "";
    const choice =
      by === "hand" || by === "MovingAverage"
        ? `${python(low)}, ${python(high)}`
        : `ptq.${codes[by]}.observe(x).range(${takes})`;
    panel.code(
      `low, high = ${choice}\n` +
        `ptq.MSE().observe(x).costs(low, high, ${bits()}) * (x != 0).mean()`,
    );
  });
}

export default { render };
