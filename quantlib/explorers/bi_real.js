import { Panel, fixed, python } from "./panel.js";

// ---- what is computed, as by binary.sign_ste and bi_real.approx_sign_ste

const clip = (x) => Math.min(Math.max(x, -1), 1);

/** What the sign is taken for on the way back: the curve, and its slope. */
export const ESTIMATORS = {
  clip: { curve: clip, slope: (x) => (Math.abs(x) <= 1 ? 1 : 0) },
  identity: { curve: (x) => x, slope: () => 1 },
  approx: {
    curve: (x) => clip(x) * (2 - Math.abs(clip(x))),
    slope: (x) => Math.max(2 - 2 * Math.abs(x), 0),
  },
};

export function sign(x) {
  return x >= 0 ? 1 : -1;
}

/** Where x is after 0, 1, 2, … steps down the cost (sign(x) - target)² / 2. */
export function descend(estimator, start, target, rate, steps) {
  const path = [start];
  for (let k = 0; k < steps; k++) {
    const x = path[k];
    path.push(x - rate * ((sign(x) - target) * ESTIMATORS[estimator].slope(x)));
  }
  return path;
}

// ---- the panel

const LOOKS = {
  clip: { name: "clip", color: "var(--blue)", dashes: "" },
  identity: { name: "identity", color: "var(--orange)", dashes: "7 3" },
  approx: { name: "ApproxSign", color: "var(--vermillion)", dashes: "2 3" },
};
const CALLS = {
  clip: "binary.sign_ste(x)",
  identity: "binary.sign_ste(x, clip_value=None)",
  approx: "bi_real.approx_sign_ste(x)",
};
const LAST = 40; // steps
const FAR = 2; // where x may start

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "Estimators, and where they lead one number");
  const chosen = () => panel.get("estimator");
  const seen = () => Object.keys(LOOKS).filter((key) => [key, "all"].includes(chosen()));
  const path = (key, steps) =>
    descend(key, panel.get("start"), panel.get("target"), panel.get("rate"), steps);

  // ---- controls

  const names = Object.entries(LOOKS).map(([key, { name }]) => [key, name]);
  panel.choice({
    label: "Estimator",
    options: { all: "all three", ...Object.fromEntries(names) },
    value: chosen,
    change: (estimator) => panel.set({ estimator }),
  });
  const number = (label, name, min, max, step, digits) =>
    panel.slider({
      label,
      min,
      max,
      step,
      value: () => panel.get(name),
      change: (value) => panel.set({ [name]: value }),
      say: (value) => fixed(value, digits),
    });
  number("Target", "target", -1.5, 1.5, 0.1, 1);
  number("Step size", "rate", 0.05, 0.5, 0.05, 2);
  panel.player({
    step: () => panel.set({ steps: panel.get("steps") + 1 }),
    done: () => panel.get("steps") >= LAST,
    restart: () => panel.set({ steps: 0 }),
  });

  // ---- the curves, their slopes, and the path

  panel.legend(Object.values(LOOKS).map(({ name, color, dashes }) => [color, name, dashes]));
  const range = [-1.1 * FAR, 1.1 * FAR];
  const curves = panel.plot({
    label: "The sign, and what it is taken for",
    half: true,
    height: 200,
    top: 22,
    x: { range, label: "x" },
    y: { range: [-1.6, 1.6], ticks: [-1, 0, 1], label: "sign(x) is taken for" },
  });
  const slopes = panel.plot({
    label: "The slopes, with the start as a handle",
    half: true,
    height: 200,
    top: 22,
    x: { range, label: "x: drag where it starts" },
    y: { range: [0, 2.2], ticks: [0, 1, 2], label: "slope" },
  });
  slopes.handle({
    label: "Start of x",
    color: "var(--yellow)",
    value: () => panel.get("start"),
    change: (start) => panel.set({ start }),
    limits: () => [-FAR, FAR],
    step: 0.05,
    say: (value) => fixed(value, 2),
    at: (value) => [slopes.atX(value), slopes.atY(0)],
  });
  const steps = panel.plot({
    label: "Where x is after each step",
    height: 240,
    top: 22,
    x: { range: [0, LAST], label: "steps" },
    y: { range, label: "x" },
  });

  const line = (key) => ({
    "stroke-dasharray": LOOKS[key].dashes,
    style: `stroke-width: ${key === chosen() ? 3.5 : 2}; opacity: ${seen().includes(key) ? 1 : 0.25}`,
  });

  function drawCurves() {
    curves.axes();
    slopes.axes();
    curves.curve([[range[0], -1], [0, -1], [0, 1], [range[1], 1]], "currentColor");
    const xs = Array.from({ length: 221 }, (_, k) => range[0] + (k / 220) * (range[1] - range[0]));
    for (const [key, { color }] of Object.entries(LOOKS)) {
      const { curve, slope } = ESTIMATORS[key];
      const visible = xs.filter((x) => Math.abs(curve(x)) <= 1.6);
      curves.curve(visible.map((x) => [x, curve(x)]), color, line(key));
      slopes.curve(xs.map((x) => [x, slope(x)]), color, line(key));
    }
  }

  function drawPaths(done) {
    const all = Object.keys(LOOKS).map((key) => path(key, LAST));
    const reach = Math.max(FAR, ...all.flat().map(Math.abs));
    steps.y.range = [-1.1 * reach, 1.1 * reach];
    steps.axes();
    const edge = { "stroke-dasharray": "1 4" };
    for (const y of [-1, 0, 1]) steps.curve([[0, y], [LAST, y]], "currentColor", edge);
    for (const key of Object.keys(LOOKS)) {
      const points = path(key, done).map((x, k) => [k, x]);
      const { color } = LOOKS[key];
      steps.curve(points, color, line(key));
      if (!seen().includes(key)) continue;
      const [k, x] = points.at(-1);
      steps.dot(k, x, color, { stroke: "currentColor" });
      if (Math.abs(x) <= range[1]) {
        slopes.dot(x, ESTIMATORS[key].slope(x), color, { stroke: "currentColor" });
      }
    }
  }

  // ---- all of it

  panel.start(() => {
    const done = panel.get("steps");
    drawCurves();
    drawPaths(done);
    const results = seen().map((key) => {
      const xs = path(key, done);
      const mean = xs.reduce((sum, x) => sum + sign(x), 0) / xs.length;
      const x = xs.at(-1);
      const stuck = done < LAST && ESTIMATORS[key].slope(x) === 0 ? ", and stays there" : "";
      return `by ${LOOKS[key].name} x is ${fixed(x, 3)}${stuck}, the signs' mean is ${fixed(mean, 2)}`;
    });
    const stopped = done
      ? `After ${done} of ${LAST} steps: ${results.join("; ")}.`
      : "Press Step or Play.";
    panel.say(
      `x starts at ${fixed(panel.get("start"), 2)}, the target is ` +
        `${fixed(panel.get("target"), 1)}, the step size ${fixed(panel.get("rate"), 2)}. ${stopped}`,
    );
    const call = CALLS[chosen()] ?? CALLS.approx;
    panel.code(
      `x = x - ${python(panel.get("rate"))} * torch.autograd.grad(` +
        `(${call} - ${python(panel.get("target"))}) ** 2 / 2, x)[0]  # one step`,
    );
  });
}

export default { render };
