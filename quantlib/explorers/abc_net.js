import { Panel, fixed, histogram, percent, python, significant } from "./panel.js";

// ---- what is computed, as in quantlib/abc_net

/** Evenly spaced shifts from -1 to 1; the one shift of one basis is 0. */
export function initialShifts(count) {
  if (count === 1) return [0];
  return Array.from({ length: count }, (_, m) => (m * 2) / (count - 1) - 1);
}

/** The mean of the weights, and the root of the mean square around it. */
export function meanAndDeviation(weights) {
  const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
  const squares = weights.reduce((sum, w) => sum + (w - mean) ** 2, 0);
  return [mean, Math.sqrt(squares / weights.length)];
}

/** The bases sign(W - mean + u std), one for each shift u. */
export function weightBases(weights, shifts) {
  const [mean, deviation] = meanAndDeviation(weights);
  return shifts.map((u) => weights.map((w) => (w - mean >= -u * deviation ? 1 : -1)));
}

/**
 * The factors of least squares for bases made by thresholds, of all equally good ones the smallest.
 *
 * Two such bases are equal, opposite (if one has no -1 and the other no +1), or independent. Those
 * that are equal but for the sign count once, and share their factor.
 */
export function fitAlphas(weights, bases) {
  const distinct = [];
  const place = bases.map((basis) => {
    const found = distinct.find(({ first }) => {
      const sign = basis[0] * first[0];
      return basis.every((value, i) => value === sign * first[i]);
    });
    const group = found ?? { first: basis, members: 0 };
    if (!found) distinct.push(group);
    group.members++;
    return { group, sign: basis[0] * group.first[0] };
  });
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const matrix = distinct.map(({ first }) => distinct.map((other) => dot(first, other.first)));
  const right = distinct.map(({ first }) => dot(first, weights));
  const factors = solve(matrix, right);
  distinct.forEach((group, k) => (group.factor = factors[k]));
  return place.map(({ group, sign }) => (sign * group.factor) / group.members);
}

/** The solution of a few linear equations, by elimination with the largest pivot of each column. */
function solve(matrix, right) {
  const rows = matrix.map((row, k) => [...row, right[k]]);
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    const rest = rows.slice(k).map((row) => Math.abs(row[k]));
    const pivot = k + rest.indexOf(Math.max(...rest));
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  const found = new Array(n);
  for (let k = n - 1; k >= 0; k--) {
    let value = rows[k][n];
    for (let j = k + 1; j < n; j++) value -= rows[k][j] * found[j];
    found[k] = value / rows[k][k];
  }
  return found;
}

/** The factors, the sums of the bases, and the squared error that they leave. */
export function approximate(weights, shifts) {
  const bases = weightBases(weights, shifts);
  const alphas = fitAlphas(weights, bases);
  const sums = weights.map((_, i) => bases.reduce((sum, b, m) => sum + alphas[m] * b[i], 0));
  const error = weights.reduce((sum, w, i) => sum + (w - sums[i]) ** 2, 0);
  const norm = weights.reduce((sum, w) => sum + w * w, 0);
  return { bases, alphas, sums, error, relative: error / norm };
}

// ---- the panel

const MOST = 5; // bases
const FAR = 3; // deviations from the mean, where a threshold may lie

function render({ model, el, signal }) {
  const weights = model.get("weights");
  const uniform = model.get("uniform_errors");
  const panel = new Panel({ model, el, signal }, `Bases for ${model.get("name")}`);
  const [mean, deviation] = meanAndDeviation(weights);
  const threshold = (u) => mean - u * deviation;

  const shifts = () => panel.get("shifts");
  const setShift = (m, u) => panel.set({ shifts: shifts().map((old, i) => (i === m ? u : old)) });

  // ---- controls

  panel.slider({
    label: "Bases M",
    min: 1,
    max: MOST,
    step: 1,
    value: () => shifts().length,
    change: (count) => panel.set({ shifts: initialShifts(count) }),
  });
  panel.buttons({
    "Evenly spaced shifts": () => panel.set({ shifts: initialShifts(shifts().length) }),
  });

  // ---- three drawings over one axis: the weights, the bases, and what they add up to

  const room = (FAR + 0.2) * deviation;
  const range = [
    Math.min(mean - room, ...weights),
    Math.max(mean + room, ...weights),
  ];
  const sides = { left: 48, right: 58 };
  const { bins, width } = histogram(weights, ...range);
  const bars = panel.plot({
    label: "Histogram of the weights",
    ...sides,
    height: 150,
    top: 22,
    bottom: 10,
    x: { range, format: () => "" }, // the numbers stand below the last drawing
    y: { range: [0, Math.max(...bins)], label: "weights in a bin" },
  });
  const rowHeight = 30;
  const rowAt = (m) => 20 + (m + 0.5) * rowHeight;
  const rows = panel.plot({
    label: "The bases, with their thresholds as handles",
    ...sides,
    height: () => 24 + shifts().length * rowHeight,
    x: { range },
    y: { range: [0, 1] },
  });
  for (let m = 0; m < MOST; m++) {
    rows.handle({
      label: `Threshold of basis ${m + 1}`,
      color: "var(--yellow)",
      touch: 15,
      hidden: () => m >= shifts().length,
      // to the right the threshold grows, and the shift becomes smaller
      value: () => 0 - shifts()[m],
      change: (value) => setShift(m, 0 - value),
      limits: () => [-FAR, FAR],
      step: 0.05,
      say: (value) => `shift ${significant(0 - value)}, at ${significant(threshold(-value))}`,
      at: (value) => [rows.atX(threshold(-value)), rowAt(m)],
      fromX: (x) => (x - mean) / deviation,
    });
  }
  const steps = panel.plot({
    label: "What a weight is represented by",
    ...sides,
    height: 230,
    top: 24,
    x: { range, label: "weight" },
    y: { range, label: "represented by" },
  });

  function drawBars() {
    bars.axes();
    bins.forEach((count, i) => {
      bars.box(range[0] + i * width, 0, range[0] + (i + 1) * width, count, "var(--zero)");
    });
    for (const u of shifts()) {
      const x = bars.atX(threshold(u));
      bars.shape("path", { d: `M${x},${bars.top}V${bars.height}`, stroke: "currentColor" });
    }
  }

  function drawRows(alphas) {
    const end = rows.width - rows.right;
    rows.shape("text", { x: end + 8, y: 14 }, "factor");
    for (const u of shifts()) {
      const x = rows.atX(threshold(u));
      rows.shape("path", { d: `M${x},0V${rows.height}`, stroke: "currentColor" });
    }
    alphas.forEach((alpha, m) => {
      const y = rowAt(m) - 10;
      const cut = rows.atX(threshold(shifts()[m]));
      const parts = [
        [rows.left, cut, "var(--vermillion)", "−1", "black"],
        [cut, end, "var(--blue)", "+1", "white"],
      ];
      for (const [from, to, fill, text, color] of parts) {
        rows.shape("rect", { x: from, y, width: Math.max(to - from, 0), height: 20, fill });
        const middle = { x: (from + to) / 2, y: y + 14, "text-anchor": "middle" };
        if (to - from > 50) rows.shape("text", { ...middle, style: `fill: ${color}` }, text);
      }
      rows.shape("text", { x: rows.left - 8, y: y + 14, "text-anchor": "end" }, `B_${m + 1}`);
      rows.shape("text", { x: end + 8, y: y + 14 }, significant(alpha));
    });
  }

  function drawSteps(alphas, levels) {
    steps.y.range = [Math.min(range[0], ...levels), Math.max(range[1], ...levels)];
    steps.axes();
    const line = { "stroke-dasharray": "2 4" };
    steps.curve([[range[0], range[0]], [range[1], range[1]]], "var(--quiet)", line);
    const cuts = shifts().map(threshold).sort((a, b) => a - b);
    const edges = [range[0], ...cuts, range[1]];
    const points = [];
    for (let k = 0; k + 1 < edges.length; k++) {
      const inside = (edges[k] + edges[k + 1]) / 2;
      const level = alphas.reduce(
        (sum, alpha, m) => sum + (inside >= threshold(shifts()[m]) ? alpha : -alpha),
        0,
      );
      points.push([edges[k], level], [edges[k + 1], level]);
    }
    steps.curve(points, "var(--green)", { style: "stroke-width: 3" });
  }

  // ---- all of it

  panel.start(() => {
    const count = shifts().length;
    const { alphas, sums, relative } = approximate(weights, shifts());
    const levels = [...new Set(sums.map((sum) => Number(sum.toPrecision(9))))];
    drawBars();
    drawRows(alphas);
    drawSteps(alphas, levels);
    const beside =
      count === 1
        ? "Uniform codes of one bit have no two levels around 0."
        : `Uniform quantization to ${count} bits leaves ${percent(uniform[count - 2])}.`;
    const several = (number, word, words) => (number === 1 ? `1 ${word}` : `${number} ${words}`);
    panel.say(
      `${several(count, "basis", "bases")} by shifts of ` +
        `${shifts().map((u) => fixed(u, 2)).join(", ")}, with factors of ` +
        `${alphas.map((alpha) => significant(alpha)).join(", ")}, make ` +
        `${several(levels.length, "level", "levels")} for the ${weights.length} weights. ` +
        `The squared error is ${percent(relative)} of the weights' squares. ${beside}`,
    );
    const even = initialShifts(count).every((u, m) => u === shifts()[m]);
    const list = even ? `abc_net.initial_shifts(${count})` : `[${shifts().map(python).join(", ")}]`;
    panel.code(`abc_net.fit_alphas(weights, abc_net.weight_bases(weights, ${list}))`);
  });
}

export default { render };
