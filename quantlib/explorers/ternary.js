import { Panel, histogram, percent, python, roundStep, significant } from "./panel.js";

// ---- what is computed, as in quantlib/ternary/levels.py

/** The squared error of three levels, also relative to the weights' squares, and the zeros. */
export function measure(weights, threshold, negative, positive) {
  let error = 0;
  let norm = 0;
  let zeros = 0;
  for (const w of weights) {
    const level = w > threshold ? positive : w < -threshold ? -negative : 0;
    if (Math.abs(w) <= threshold) zeros++;
    error += (w - level) ** 2;
    norm += w * w;
  }
  return { error, relative: error / norm, zeros, sparsity: zeros / weights.length };
}

function meanMagnitude(weights, chosen = () => true) {
  let sum = 0;
  let count = 0;
  for (const w of weights) {
    if (!chosen(w)) continue;
    sum += Math.abs(w);
    count++;
  }
  return count ? sum / count : 0;
}

/** The levels [W_n, W_p] that are best behind a threshold: one mean for both, or one for each. */
export function followingLevels(weights, threshold, each) {
  if (!each) {
    const level = meanMagnitude(weights, (w) => Math.abs(w) > threshold);
    return [level, level];
  }
  return [
    meanMagnitude(weights, (w) => w < -threshold),
    meanMagnitude(weights, (w) => w > threshold),
  ];
}

/** The threshold that leaves the least error, found by one sort and its cumulative sums. */
export function bestThreshold(weights, each) {
  const sorted = [...weights].sort((a, b) => Math.abs(b) - Math.abs(a));
  const groups = each ? [(w) => w < 0, (w) => w > 0] : [() => true];
  const sums = groups.map(() => ({ count: 0, total: 0 }));
  let best = { gain: -1, threshold: 0 };
  for (let i = 0; i < sorted.length; i++) {
    groups.forEach((belongs, g) => {
      if (!belongs(sorted[i])) return;
      sums[g].count++;
      sums[g].total += Math.abs(sorted[i]);
    });
    const after = i + 1 < sorted.length ? Math.abs(sorted[i + 1]) : 0;
    if (!(Math.abs(sorted[i]) > after)) continue; // equal ones are on one side
    let gain = 0;
    for (const { count, total } of sums) gain += (total * total) / Math.max(count, 1);
    if (gain > best.gain) best = { gain, threshold: after };
  }
  return best.threshold;
}

/** Threshold and levels by the rules that have a name in quantlib. */
export const RULES = {
  twn: (weights) => {
    const threshold = 0.7 * meanMagnitude(weights);
    return [threshold, ...followingLevels(weights, threshold, false)];
  },
  bitnet: (weights) => {
    const level = meanMagnitude(weights);
    return [0.5 * level, level, level];
  },
  optimal: (weights) => {
    const threshold = bestThreshold(weights, false);
    return [threshold, ...followingLevels(weights, threshold, false)];
  },
  two_levels: (weights) => {
    const threshold = bestThreshold(weights, true);
    return [threshold, ...followingLevels(weights, threshold, true)];
  },
};

// ---- the panel

const MODES = {
  one: "follow: one mean for both",
  each: "follow: a mean for each sign",
  free: "stay where you drag them",
};

function render({ model, el, signal }) {
  const weights = model.get("weights");
  const most = Math.max(...weights.map(Math.abs));
  const step = roundStep(most);
  const name = model.get("name");
  const panel = new Panel({ model, el, signal }, `Three levels for ${name}`);

  // ---- the state: a threshold, two levels, and whether these follow the threshold

  const follows = () => panel.get("mode") !== "free";
  const each = () => panel.get("mode") !== "one";
  const now = () => {
    const threshold = panel.get("threshold");
    const levels = follows()
      ? followingLevels(weights, threshold, each())
      : [panel.get("negative"), panel.get("positive")];
    return [threshold, ...levels];
  };
  const show = (mode, [threshold, negative, positive]) => {
    panel.set({ mode, threshold, negative, positive });
  };
  const setThreshold = (threshold) => {
    const levels = follows() ? followingLevels(weights, threshold, each()) : now().slice(1);
    show(panel.get("mode"), [threshold, ...levels]);
  };
  const setMode = (mode) => {
    panel.set({ mode });
    setThreshold(panel.get("threshold"));
  };
  const best = { one: RULES.optimal(weights), each: RULES.two_levels(weights) };
  best.free = best.each;

  // ---- controls

  panel.choice({
    label: "The levels",
    options: MODES,
    value: () => panel.get("mode"),
    change: setMode,
  });
  panel.buttons({
    "TWN's threshold": () => show("one", RULES.twn(weights)),
    "The optimum": () => {
      const mode = panel.get("mode") === "one" ? "one" : "each";
      show(mode, best[mode]);
    },
    "BitNet's rule": () => show("free", RULES.bitnet(weights)),
  });

  // ---- the histogram, with the threshold and the levels to be dragged

  const range = [-1.08 * most, 1.08 * most];
  const { bins, width } = histogram(weights, ...range);
  const tallest = Math.max(...bins);
  const bars = panel.plot({
    label: "Histogram of the weights, with the threshold and the levels as handles",
    height: 300,
    top: 80,
    bottom: 50,
    x: { range, label: "weight" },
    y: { range: [0, tallest], label: "weights in a bin" },
  });
  const floor = () => bars.atY(0);
  bars.handle({
    label: "Threshold",
    color: "var(--orange)",
    value: () => panel.get("threshold"),
    change: setThreshold,
    limits: () => [0, most],
    step,
    say: (value) => significant(value),
    at: (value) => [bars.atX(value), 40],
  });
  const level = (label, index, side, color) =>
    bars.handle({
      label,
      color,
      value: () => side * now()[index],
      change: (value) => {
        const levels = now();
        levels[index] = Math.abs(value);
        show("free", levels);
      },
      limits: () => (side < 0 ? [-most, 0] : [0, most]),
      step,
      say: (value) => significant(value),
      at: (value) => [bars.atX(value), floor()],
    });
  level("Negative level", 1, -1, "var(--vermillion)");
  level("Positive level", 2, 1, "var(--blue)");

  function drawBars(threshold, negative, positive) {
    bars.axes();
    const cuts = [-threshold, threshold];
    const colors = ["var(--vermillion)", "var(--zero)", "var(--blue)"];
    bins.forEach((count, i) => {
      const [left, right] = [range[0] + i * width, range[0] + (i + 1) * width];
      // a bin in which a threshold lies has two colours
      const edges = [left, ...cuts.filter((cut) => cut > left && cut < right), right];
      for (let k = 0; k + 1 < edges.length; k++) {
        const middle = (edges[k] + edges[k + 1]) / 2;
        const color = colors[middle < -threshold ? 0 : middle > threshold ? 2 : 1];
        bars.box(edges[k], 0, edges[k + 1], count, color);
      }
    });
    for (const cut of cuts) {
      const x = bars.atX(cut);
      const line = { stroke: "var(--orange)", "stroke-dasharray": "5 3" };
      bars.shape("path", { d: `M${x},40V${floor()}`, ...line });
    }
    const above = { y: 26, "text-anchor": "middle" };
    bars.shape("text", { x: bars.atX(-threshold), ...above }, "−Δ");
    bars.shape("text", { x: bars.atX(threshold), ...above }, "Δ");
    const levels = [
      ["−W_n", -negative, { dx: -3, "text-anchor": "end" }],
      ["W_p", positive, { dx: 3 }],
    ];
    for (const [text, value, aside] of levels) {
      const x = bars.atX(value);
      bars.shape("path", { d: `M${x},56V${floor()}`, stroke: "currentColor" });
      bars.shape("text", { x, y: 66, ...aside }, text);
    }
  }

  // ---- the error of every threshold, with this one and the best

  const curve = panel.plot({
    label: "Relative error against the threshold",
    height: 180,
    top: 22,
    x: { range: [0, most], label: "threshold Δ" },
    y: { range: [0, 1], label: "relative error", format: (y) => `${Math.round(100 * y)} %` },
  });

  function drawCurve(threshold, negative, positive) {
    const points = [];
    for (let k = 0; k <= 120; k++) {
      const x = (k / 120) * most;
      const levels = follows() ? followingLevels(weights, x, each()) : [negative, positive];
      points.push([x, measure(weights, x, ...levels).relative]);
    }
    const here = measure(weights, threshold, negative, positive).relative;
    curve.y.range = [0, Math.max(1, here, ...points.map(([, y]) => y))];
    curve.axes();
    curve.curve(points, "var(--quiet)");
    const [bestX, bestY] = [best[panel.get("mode")][0], least()];
    curve.dot(bestX, bestY, "none", { stroke: "var(--green)", r: 8 });
    const words = { "text-anchor": "middle", dy: 24 };
    curve.text(bestX, bestY, "optimum", bestY > 0.3 ? words : { ...words, dy: -14 });
    curve.dot(threshold, here, "var(--orange)", { stroke: "currentColor" });
  }
  const least = () => measure(weights, ...best[panel.get("mode")]).relative;

  // ---- all of it

  panel.start(() => {
    const state = now();
    const [threshold, negative, positive] = state;
    drawBars(...state);
    drawCurve(...state);
    const { relative, sparsity } = measure(weights, ...state);
    const kind = { one: "one level for both signs", each: "a level for each sign" };
    panel.say(
      `Threshold ${significant(threshold)}, levels ${significant(-negative)} and ` +
        `${significant(positive)}: ${percent(sparsity)} of the ${weights.length} weights ` +
        `become 0. The squared error is ${percent(relative)} of the weights' squares; ` +
        `the least with ${kind[panel.get("mode")] ?? kind.each} is ${percent(least())}, at ` +
        `threshold ${significant(best[panel.get("mode")][0])}.`,
    );
    const rule = Object.keys(RULES).find((key) =>
      RULES[key](weights).every((number, i) => number === state[i]),
    );
    panel.code(
      rule
        ? `ternary.fake_quantize(weights, ternary.choose_qparams(weights, rule="${rule}"))`
        : `ternary.fake_quantize(weights, ternary.TernaryQParams(${python(threshold)}, ` +
            `negative=${python(negative)}, positive=${python(positive)}))`,
    );
  });
}

export default { render };
