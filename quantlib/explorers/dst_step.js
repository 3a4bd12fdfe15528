import { HALO, Panel, fixed, percent, python } from "./panel.js";

// ---- what is computed, as in quantlib/dst/states.py

/** All states of weights that are 0 or ±2^p, …, ±1, in rising order. */
export function states(p) {
  const positive = Array.from({ length: 1 - p }, (_, k) => 2 ** k);
  return [...positive.map((s) => -s).reverse(), 0, ...positive];
}

/** The two states that a whole number may become, the one nearer 0 first, and the other's odds. */
export function neighbours(number) {
  const size = Math.abs(number);
  const low = size ? 2 ** Math.floor(Math.log2(size)) : 0;
  const sign = number < 0 ? -1 : 1;
  return size === low
    ? { low: number, high: number, odds: 0 }
    : { low: sign * low, high: sign * 2 * low, odds: 0.5 };
}

/** k, the whole states that a change goes, and the chance that it goes one more. */
export function wholeAndChance(p, change, th) {
  const steps = change / 2 ** p;
  const whole = Math.trunc(steps) + 0; // no -0
  return { whole, chance: Math.tanh(th * Math.abs(steps - whole)) };
}

function moved(p, state, whole, change, gate) {
  const most = 2 ** -p;
  const wanted = state + whole + (gate ? Math.sign(change) : 0);
  return Math.min(Math.max(wanted, -most), most);
}

/** The probability of every state after one step. */
export function stepDistribution(p, state, change, th) {
  const { whole, chance } = wholeAndChance(p, change, th);
  const found = new Map(states(p).map((s) => [s, 0]));
  for (const [gate, share] of [[true, chance], [false, 1 - chance]]) {
    const { low, high, odds } = neighbours(moved(p, state, whole, change, gate));
    found.set(low, found.get(low) + share * (1 - odds));
    found.set(high, found.get(high) + share * odds);
  }
  return [...found.values()];
}

/** The state after one step with two given numbers from 0 to 1. */
export function takeStep(p, state, change, th, gateDraw, oddsDraw) {
  const { whole, chance } = wholeAndChance(p, change, th);
  const { low, high, odds } = neighbours(moved(p, state, whole, change, gateDraw < chance));
  return oddsDraw < odds ? high : low;
}

/** The k-th of a fixed sequence of numbers that look random, from 0 to 1. */
export function draw(k) {
  let bits = Math.imul(k + 1, 0x9e3779b9);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}

/** The state nearest to a weight, as its place among the states. */
export function nearest(p, weight) {
  const far = states(p).map((s) => Math.abs(s * 2 ** p - weight));
  return far.indexOf(Math.min(...far));
}

// ---- the panel

const MOST = 200; // steps of a walk
const EDGE = 1.4; // of the drawing of weights
const SPACES = {
  0: "p = 0: 0 and ±1",
  "-1": "p = −1: 0, ±0.5 and ±1",
  "-2": "p = −2: 0 and ±0.25 to ±1",
  "-3": "p = −3: 0 and ±0.125 to ±1",
};
const PUSHES = { same: "is the same in every step", alternating: "goes back and forth" };

const plain = (number) => String(number).replace("-", "−");
const short = (number) => plain(Number(number.toPrecision(3)));
const clip = (weight) => Math.min(Math.max(weight, -1), 1);

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "One step of a weight over its states, and a walk");
  const unit = () => 2 ** panel.get("p");
  const state = () => panel.get("path").at(-1);
  const done = () => panel.get("path").length - 1;
  const begin = (state, p = panel.get("p")) =>
    panel.set({ p, path: [state], real: [state * 2 ** p], walk: panel.get("walk") + 1 });

  function take(steps) {
    let change = panel.get("change");
    const [path, real] = [[...panel.get("path")], [...panel.get("real")]];
    const [p, th] = [panel.get("p"), panel.get("th")];
    const first = 2 * MOST * panel.get("walk"); // of this walk's random numbers
    const end = Math.min(done() + steps, MOST);
    for (let k = done(); k < end; k++) {
      const draws = [draw(first + 2 * k), draw(first + 2 * k + 1)];
      path.push(takeStep(p, path.at(-1), change, th, ...draws));
      real.push(clip(real.at(-1) + change));
      if (panel.get("push") === "alternating") change = 0 - change;
    }
    panel.set({ path, real, change });
  }

  // ---- controls

  panel.choice({
    label: "Weights",
    options: SPACES,
    value: () => String(panel.get("p")),
    change: (value) => {
      const p = Number(value);
      begin(states(p)[nearest(p, state() * unit())], p);
    },
  });
  panel.slider({
    label: "th",
    min: 0.05,
    max: 3,
    step: 0.05,
    value: () => panel.get("th"),
    change: (th) => panel.set({ th }),
    say: (value) => fixed(value, 2),
  });
  panel.choice({
    label: "Δw",
    options: PUSHES,
    value: () => panel.get("push"),
    change: (push) => panel.set({ push }),
  });
  const steppers = panel.buttons({
    "Take a step": () => take(1),
    "Take 20 steps": () => take(20),
    "Start again": () => begin(panel.get("path")[0]),
  });
  panel.updates.push(() => {
    for (const button of steppers.slice(0, 2)) button.disabled = done() >= MOST;
  });

  // ---- the weight, what is wanted of it, and the chances of where it goes

  const bars = panel.plot({
    label: "The chances of the next state, with the weight and the wanted one as handles",
    height: 290,
    top: 100,
    x: { range: [-EDGE, EDGE], label: "weight" },
    y: {
      range: [0, 1],
      ticks: [0, 0.5, 1],
      label: "chance of the next state",
      format: (y) => `${100 * y} %`,
    },
  });
  const [rowState, rowWanted] = [36, 72]; // pixels
  const inside = (weight) => Math.min(Math.max(weight, 0.05 - EDGE), EDGE - 0.05);
  bars.handle({
    label: "Weight w′",
    color: "var(--yellow)",
    touch: 16,
    value: () => states(panel.get("p")).indexOf(state()),
    change: (place) => begin(states(panel.get("p"))[place]),
    limits: () => [0, states(panel.get("p")).length - 1],
    step: 1,
    say: (place) => `state ${plain(states(panel.get("p"))[place])}`,
    at: (place) => [bars.atX(states(panel.get("p"))[place] * unit()), rowState],
    fromX: (x) => nearest(panel.get("p"), x),
  });
  bars.handle({
    label: "Wanted change Δw",
    color: "var(--vermillion)",
    touch: 16,
    value: () => panel.get("change"),
    change: (change) => panel.set({ change }),
    limits: () => [-1, 1],
    step: 0.01,
    say: (value) => fixed(value, 2),
    at: (value) => [bars.atX(inside(state() * unit() + value)), rowWanted],
    fromX: (x) => x - state() * unit(),
  });

  function drawBars(chances) {
    bars.axes();
    const width = Math.min(0.4 * unit(), 0.12);
    const all = states(panel.get("p"));
    all.forEach((s, i) => {
      const x = s * unit();
      bars.box(x - width / 2, 0, x + width / 2, chances[i], "var(--sky)");
      bars.dot(x, 0, "currentColor", { r: 3 });
    });
    const [here, wanted] = [state() * unit(), inside(state() * unit() + panel.get("change"))];
    const marks = [
      [here, rowState, "w′", "currentColor"],
      [wanted, rowWanted, "w′ + Δw", "var(--vermillion)"],
    ];
    for (const [weight, row, , stroke] of marks) {
      const x = bars.atX(weight);
      bars.shape("path", { d: `M${x},${row}V${bars.atY(0)}`, stroke, "stroke-dasharray": "5 3" });
    }
    for (const [weight, row, name] of marks) {
      const [side, anchor] = weight < 0.6 ? [16, "start"] : [-16, "end"];
      const at = { x: bars.atX(weight) + side, y: row + 4, "text-anchor": anchor };
      bars.shape("text", { ...at, style: HALO }, name);
    }
    // there are one or two states to go to, which may be close together
    const going = all.filter((_, i) => chances[i] > 0);
    going.forEach((s, k) => {
      const chance = chances[all.indexOf(s)];
      const [anchor, dx] = going.length < 2 ? ["middle", 0] : [["end", 8], ["start", -8]][k];
      const look = { "text-anchor": anchor, dx, dy: -5, style: HALO };
      bars.text(s * unit(), chance, percent(chance), look);
    });
  }

  // ---- the walk

  panel.legend([
    ["var(--blue)", "the weight"],
    ["var(--vermillion)", "a real weight", "6 3"],
  ]);
  const walk = panel.plot({
    label: "The weight after each step, beside a real weight",
    height: 230,
    top: 22,
    x: { range: [0, 20], label: "steps" },
    y: { range: [-1.1, 1.1], ticks: [-1, -0.5, 0, 0.5, 1], label: "weight" },
  });

  function drawWalk() {
    const end = Math.max(20, 20 * Math.ceil(done() / 20));
    walk.x.range = [0, end];
    walk.axes();
    for (const s of states(panel.get("p"))) {
      const line = { "stroke-dasharray": "1 4", style: "stroke-width: 1" };
      walk.curve([[0, s * unit()], [end, s * unit()]], "currentColor", line);
    }
    const real = panel.get("real").map((weight, k) => [k, weight]);
    walk.curve(real, "var(--vermillion)", { "stroke-dasharray": "6 3" });
    const weights = panel.get("path").map((s) => s * unit());
    // at once from one state to the next
    const points = weights.flatMap((w, k) => (k ? [[k, weights[k - 1]], [k, w]] : [[k, w]]));
    walk.curve(points, "var(--blue)", { style: "stroke-width: 3" });
    walk.dot(...real.at(-1), "var(--vermillion)", { stroke: "currentColor" });
    walk.dot(done(), weights.at(-1), "var(--blue)", { stroke: "currentColor" });
  }

  // ---- all of it

  function movement(p, change, th) {
    if (!change) return "No change is wanted.";
    const { whole, chance } = wholeAndChance(p, change, th);
    const [count, way] = [Math.abs(whole), change < 0 ? "down" : "up"];
    const units = `That is ${count} whole ${count === 1 ? "unit" : "units"} ${way}`;
    const gate = `with the gate's chance of ${percent(chance)}`;
    const going = !count
      ? `That is less than one unit: it goes one ${way} ${gate}.`
      : `${units}${chance ? `, and one more ${gate}` : ""}.`;
    const ends = (chance ? [false, true] : [false]).map((open) =>
      moved(p, state(), whole, change, open),
    );
    const odds = ends
      .map((number) => [number, neighbours(number)])
      .filter(([, { odds }]) => odds)
      .map(
        ([number, { low, high }]) =>
          ` ${plain(number)} is no state, and becomes ${plain(low)} or ${plain(high)} with equal odds.`,
      );
    const beyond = Math.abs(state() + whole + (chance ? Math.sign(change) : 0)) > 2 ** -p;
    return `${going}${odds.join("")}${beyond ? " Weights end at ±1." : ""}`;
  }

  panel.start(() => {
    const [p, change, th] = [panel.get("p"), panel.get("change"), panel.get("th")];
    const chances = stepDistribution(p, state(), change, th);
    drawBars(chances);
    drawWalk();
    const all = states(p);
    const mean = all.reduce((sum, s, i) => sum + chances[i] * s * unit(), 0);
    const ends = all.flatMap((s, i) =>
      chances[i] ? [`${plain(s * unit())} with ${percent(chances[i])}`] : [],
    );
    const real = clip(state() * unit() + change);
    const steps = done() === 1 ? "one step" : `${done()} steps`;
    const walked = done()
      ? ` After ${steps} the weight is at ${plain(state() * unit())}, a real weight at ` +
        `${short(panel.get("real").at(-1))}.`
      : "";
    panel.say(
      `The weight is ${plain(state() * unit())}, state ${plain(state())}, and should change by ` +
        `${fixed(change, 2)}, ${fixed(change / unit(), 2)} times L = ${unit()}, with th = ` +
        `${fixed(th, 2)}. ${movement(p, change, th)} The next weight is ${ends.join(", ")}: ` +
        `${short(mean)} in the mean, where a real weight would be ${short(real)}.${walked}`,
    );
    const space = `dst.StateSpace(${p})`;
    panel.code(`dst.step_distribution(${state()}, ${python(change)}, ${space}, th=${python(th)})`);
  });
}

export default { render };
