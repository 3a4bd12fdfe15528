import { Panel, fixed, logTicks, python, significant } from "./panel.js";

// ---- what is computed, as in quantlib/ptq/equalization.py

/** The ranges of both layers' channels once the factors have moved. */
export function scaled(first, second, factors) {
  return [first.map((r, i) => r / factors[i]), second.map((r, i) => r * factors[i])];
}

/** The factors that make the ranges of each channel equal in both layers. */
export function equalizing(first, second) {
  return first.map((r, i) => Math.sqrt(r / second[i]));
}

/** The step of symmetric codes for a whole layer. */
export function stepOf(ranges, bits) {
  return Math.max(...ranges) / (2 ** (bits - 1) - 1);
}

/** The bits that each channel gets: the steps in its range, -r to r, as a power of two. */
export function bitsOf(ranges, bits) {
  const step = stepOf(ranges, bits);
  return ranges.map((r) => Math.max(0, Math.log2((2 * r) / step)));
}

/** What the second layer gets of a channel, in units before the factor. */
export function passed(x, factor, activation) {
  const ceiling = activation === "relu6" ? 6 * factor : Infinity;
  return Math.min(Math.max(x, 0), ceiling);
}

// ---- the panel

const ROW = 26; // pixels of a channel
const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
const power = (log) => String(Number((10 ** log).toPrecision(1)));

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "Channel ranges of two layers, and their factors");
  const ranges = [model.get("first_range"), model.get("second_range")];
  const count = ranges[0].length;
  const best = equalizing(...ranges);
  const reach = Math.ceil(Math.max(...best.map((s) => Math.abs(Math.log10(s)))) + 0.25);
  const factors = () => panel.get("factors");
  const bits = () => panel.get("bit_width");
  const channel = () => panel.get("channel");

  // ---- controls

  panel.slider({
    label: "Bits",
    min: 2,
    max: 8,
    step: 1,
    value: bits,
    change: (bit_width) => panel.set({ bit_width }),
  });
  panel.choice({
    label: "Between the layers",
    options: { relu: "ReLU", relu6: "ReLU6" },
    value: () => panel.get("activation"),
    change: (activation) => panel.set({ activation }),
  });
  panel.buttons({
    Equalize: () => panel.set({ factors: best }),
    "All factors 1": () => panel.set({ factors: best.map(() => 1) }),
  });

  // ---- the factors, a handle each

  const channels = { range: [count + 0.5, 0.5], ticks: best.map((_, i) => i + 1) };
  const levers = panel.plot({
    label: "The factor of each channel, which is a handle",
    height: 22 + 42 + ROW * count,
    top: 22,
    left: 30,
    right: 52,
    x: {
      range: [-reach, reach],
      ticks: logTicks(-reach, reach).map(Math.log10),
      label: "factor s",
      format: power,
    },
    y: { ...channels, label: "channel" },
  });
  best.forEach((_, i) => {
    const knob = levers.handle({
      label: `Factor of channel ${i + 1}`,
      color: "var(--yellow)",
      touch: 13,
      value: () => Math.log10(factors()[i]),
      change: (log) => {
        const changed = [...factors()];
        changed[i] = Number((10 ** log).toPrecision(4));
        panel.set({ factors: changed, channel: i });
      },
      limits: () => [-reach, reach],
      step: 0.05,
      say: (log) => significant(10 ** log),
      at: (log) => [levers.atX(log), levers.atY(i + 1)],
    });
    knob.addEventListener("focus", () => panel.set({ channel: i }));
  });

  function drawLevers() {
    levers.axes();
    factors().forEach((s, i) => {
      const [zero, here] = [levers.atX(0), levers.atX(Math.log10(s))];
      const look = { stroke: i === channel() ? "var(--blue)" : "var(--quiet)" };
      levers.shape("path", { d: `M${zero},${levers.atY(i + 1)}H${here}`, ...look });
      const x = levers.width;
      levers.shape("text", { x, y: levers.atY(i + 1) + 4, "text-anchor": "end" }, significant(s));
    });
  }

  // ---- what the layers' channels have then: bars on a logarithmic axis, from half a step on

  panel.legend([
    ["var(--sky)", "bits that a channel gets"],
    ["var(--blue)", "those of the channel in hand"],
    ["var(--quiet)", "half a step, below which all rounds to 0", "5 3"],
    ["currentColor", "range with s = 1"],
  ]);
  const layers = ["first", "second"].map((name, k) =>
    panel.plot({
      label: `The ranges of the ${name} layer's channels`,
      half: true,
      height: 22 + 42 + ROW * count,
      top: 22,
      left: 30,
      right: 52,
      x: { range: [0, 1], label: `range in the ${name} layer, r${"₁₂"[k]} ${"/·"[k]} s`, format: power },
      y: { ...channels, label: "channel" },
    }),
  );

  function drawLayer(plot, before, now, gets) {
    const half = stepOf(now, bits()) / 2;
    const all = [...before, ...now, ...best.map((s, i) => ranges[0][i] / s)];
    const [low, high] = [Math.min(half, ...all), Math.max(...all)].map(Math.log10);
    plot.x.range = [low - 0.1, high + 0.1];
    plot.x.ticks = logTicks(...plot.x.range).map(Math.log10);
    plot.axes();
    now.forEach((r, i) => {
      const here = i === channel();
      const [top, bottom] = [i + 0.75, i + 1.25];
      const [from, to] = [Math.log10(half), Math.log10(r)];
      if (to > from) plot.box(from, top, to, bottom, here ? "var(--blue)" : "var(--sky)");
      else plot.dot(to, i + 1, here ? "var(--blue)" : "var(--sky)", { r: 4 });
      const x = plot.atX(Math.log10(before[i]));
      const [y0, y1] = [plot.atY(i + 0.65), plot.atY(i + 1.35)];
      plot.shape("path", { d: `M${x},${y0}V${y1}`, stroke: "currentColor" });
      const place = { x: plot.width, y: plot.atY(i + 1) + 4, "text-anchor": "end" };
      plot.shape("text", place, `${fixed(gets[i], 1)} bits`);
    });
    const x = plot.atX(Math.log10(half));
    const line = `M${x},${plot.top}V${plot.height - plot.bottom}`;
    plot.shape("path", { d: line, stroke: "var(--quiet)", "stroke-dasharray": "5 3" });
  }

  // ---- what the activation between them lets through

  panel.legend([
    ["var(--quiet)", "what the second layer gets with s = 1"],
    ["var(--vermillion)", "with this factor", "6 3"],
  ]);
  const between = panel.plot({
    label: "What the second layer gets of the channel",
    height: 190,
    top: 22,
    x: { range: [-2, 14] },
    y: { range: [0, 14], ticks: [0, 6, 12] },
  });

  function drawBetween(s) {
    const name = { relu: "ReLU", relu6: "ReLU6" }[panel.get("activation")];
    between.x.label = `x, a value of channel ${channel() + 1} in front of the ${name}`;
    between.y.label = `s · ${name}(x / s)`;
    between.axes();
    const line = (factor) =>
      Array.from({ length: 161 }, (_, k) => {
        const x = -2 + k / 10;
        return [x, passed(x, factor, panel.get("activation"))];
      });
    between.curve(line(1), "var(--quiet)", { style: "stroke-width: 5" });
    between.curve(line(s), "var(--vermillion)", { "stroke-dasharray": "6 3" });
  }

  // ---- all of it

  const told = (gets) => {
    const ends = [Math.min(...gets), Math.max(...gets)].map((one) => fixed(one, 1));
    return `channels get ${ends[0]} to ${ends[1]} bits, ${fixed(mean(gets), 1)} in the mean`;
  };

  panel.start(() => {
    const now = scaled(...ranges, factors());
    const gets = now.map((one) => bitsOf(one, bits()));
    const [i, s] = [channel(), factors()[channel()]];
    drawLevers();
    layers.forEach((plot, k) => drawLayer(plot, ranges[k], now[k], gets[k]));
    drawBetween(s);
    const steps = now.map((one) => significant(stepOf(one, bits())));
    const ceiling = significant(6 * s);
    const relu6 =
      s === 1
        ? " A factor of 1 leaves ReLU6's ceiling where it is."
        : ` ReLU6 now cuts the channel at 6 · s = ${ceiling} instead of 6: where values go beyond ` +
          "the lower of the two, the layers compute something else.";
    panel.say(
      `Codes of ${bits()} bits. The first layer's step is ${steps[0]}: ${told(gets[0])}. The ` +
        `second layer's step is ${steps[1]}: ${told(gets[1])}. Channel ${i + 1} with the factor ` +
        `${significant(s)} has the ranges ${significant(now[0][i])} and ` +
        `${significant(now[1][i])}; their product, ${significant(ranges[0][i] * ranges[1][i])}, ` +
        `stays.${panel.get("activation") === "relu6" ? relu6 : ""}`,
    );
    const equal = factors().every((one, k) => one === best[k]);
    const given = equal ? "ptq.equalization_scales(first, second)" : `torch.tensor([${factors().map(python).join(", ")}])`;
    panel.code(
      `s = ${given}\n` +
        `(2 * first / s / uniform.choose_qparams(first / s, ${bits()}).scale).log2().clamp(min=0)`,
    );
  });
}

export default { render };
