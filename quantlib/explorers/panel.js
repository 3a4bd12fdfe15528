// What the panels share: controls, a drawing area, the words for the result. A panel's own module
// imports it; panel.py joins the two into the one module that a page is given.

const SVG = "http://www.w3.org/2000/svg";

// ---- numbers as words

/** The number with `digits` digits behind the point, and a true minus sign. */
export function fixed(number, digits) {
  return number.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}

/** The number to `digits` digits that count, and a true minus sign. */
export function significant(number, digits = 3) {
  if (number === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(Number(number.toPrecision(digits)))));
  if (size < -5 || size > 6) return number.toExponential(digits - 1).replaceAll("-", "−");
  return fixed(number, Math.max(0, digits - 1 - size));
}

export function percent(share) {
  return `${fixed(100 * share, 1)}\u00a0%`;
}

/** The number as Python reads it, to six digits that count. */
export function python(number) {
  const text = String(Number(number.toPrecision(6)));
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** The whole number nearest to a number, of two equally near ones the even one, as NumPy's rint. */
export function rint(number) {
  const near = Math.round(number);
  return near - number === 0.5 && near % 2 ? near - 1 : near;
}

/** Some five round numbers from `low` to `high`. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const marks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    marks.push(Number((k * step).toPrecision(12)));
  }
  return marks;
}

/** Numbers whose logarithms lie from `low` to `high`: powers of ten, with 2 and 5 if they are few. */
export function logTicks(low, high) {
  const factors = high - low > 2 ? [1] : [1, 2, 5];
  const marks = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const factor of factors) marks.push(Number(`${factor}e${power}`));
  }
  return marks.filter((mark) => Math.log10(mark) >= low && Math.log10(mark) <= high);
}

// ---- elements

/** The look of letters that lines run behind. */
export const HALO =
  "paint-order: stroke; stroke-width: 8; " +
  "stroke: var(--pst-color-background, light-dark(#ffffff, #161616))";

/** An HTML element with attributes, and what is inside. */
export function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  // what stands behind an underscore is set below the line: W_n
  const [plain, below] = String(text).split("_");
  made.textContent = plain;
  if (below) made.append(shape("tspan", { dy: 3 }, below));
  return made;
}

// ---- the panel

/**
 * A panel: controls, drawings, the result in words, and the line of Python that computes the same.
 *
 * What it shows lies in the model, so that a notebook's Python sees it, and a second view follows.
 * `draw` is called whenever the model or the width has changed.
 */
export class Panel {
  constructor({ model, el, signal }, label) {
    this.model = model;
    this.plots = [];
    this.updates = []; // of the controls
    this.controls = element("div", { class: "controls" });
    this.body = element("div", { class: "body" });
    this.words = element("p", { class: "result", role: "status", "aria-live": "polite" });
    this.line = element("code");
    this.root = element(
      "div",
      { class: "lowbit-panel", role: "group", "aria-label": label },
      this.controls,
      this.body,
      this.words,
      element("div", { class: "line" }, element("span", {}, "The same in Python:"), this.line),
    );
    el.append(this.root);
    this.signal = signal;
  }

  get(name) {
    return this.model.get(name);
  }

  /** Change what the panel shows: {name: value}. */
  set(values) {
    this.model.set(values);
    this.model.save_changes();
  }

  /** Draw now, and again whenever something changes. */
  start(draw) {
    const redraw = () => {
      if (!this.root.clientWidth) return; // not to be seen yet
      for (const plot of this.plots) plot.clear(this.root.clientWidth);
      for (const update of this.updates) update();
      draw();
      for (const plot of this.plots) plot.placeHandles();
      this.root.dataset.drawn = "";
    };
    this.model.on("change", redraw);
    let width = 0;
    const observer = new ResizeObserver(() => {
      if (this.root.clientWidth === width) return;
      width = this.root.clientWidth;
      requestAnimationFrame(redraw);
    });
    observer.observe(this.root);
    this.signal?.addEventListener("abort", () => observer.disconnect());
  }

  /** While something moves, only its end is to be read aloud. */
  moving(yes) {
    this.words.setAttribute("aria-busy", String(yes));
  }

  /** Say the result, in one or more sentences. */
  say(text) {
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  /** Show the line of Python that computes what is shown. */
  code(text) {
    if (this.line.textContent !== text) this.line.textContent = text;
  }

  #control(label, input, ...more) {
    this.controls.append(element("label", {}, element("span", {}, label), input, ...more));
    return input;
  }

  slider({ label, min, max, step, value, change, say = String }) {
    const shown = element("span", { class: "value", "aria-hidden": "true" });
    const input = this.#control(label, element("input", { type: "range", min, max, step }), shown);
    input.addEventListener("input", () => change(Number(input.value)));
    this.updates.push(() => {
      input.value = value();
      shown.textContent = say(value());
      input.setAttribute("aria-valuetext", say(value()));
    });
    return input;
  }

  /** A field for a number from `min` to `max`; what is no number changes nothing. */
  number({ label, min, max, step = 1, value, change }) {
    const input = this.#control(label, element("input", { type: "number", step }));
    input.addEventListener("change", () => {
      const wanted = input.valueAsNumber;
      const whole = step === 1 ? Math.round(wanted) : wanted;
      if (!Number.isNaN(wanted)) change(Math.min(Math.max(whole, min), max));
      input.value = value();
    });
    this.updates.push(() => (input.value = value()));
    return input;
  }

  /** A drop-down; `options` is {value: text}. */
  choice({ label, options, value, change }) {
    const entries = Object.entries(options);
    const list = entries.map(([key, text]) => element("option", { value: key }, text));
    const select = this.#control(label, element("select", {}, ...list));
    select.addEventListener("change", () => change(select.value));
    this.updates.push(() => (select.value = value()));
    return select;
  }

  /** Buttons in one row; `actions` is {text: function}. */
  buttons(actions) {
    const row = element("div", { class: "buttons" });
    const made = Object.entries(actions).map(([text, action]) => {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", action);
      return button;
    });
    row.append(...made);
    this.controls.append(row);
    return made;
  }

  /**
   * The buttons Step, Play and Start again. `step` goes one step on, `done` says whether there is
   * none left. Who asks for less motion is shown the end at once.
   */
  player({ step, done, restart, milliseconds = 350 }) {
    let timer = null;
    const pause = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
      this.moving(false);
    };
    const tick = () => {
      if (!done()) step();
      if (done()) pause();
    };
    const start = () => {
      if (done()) restart();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
        while (!done()) step();
        return;
      }
      this.moving(true);
      play.textContent = "Pause";
      timer = setInterval(tick, milliseconds);
    };
    const [one, play] = this.buttons({
      Step: () => (pause(), done() || step()),
      Play: () => (timer === null ? start() : pause()),
      "Start again": () => (pause(), restart()),
    });
    this.updates.push(() => (one.disabled = done()));
    this.signal?.addEventListener("abort", pause);
    return { pause };
  }

  /** What the colours mean; `entries` are [colour, text, dashes]. */
  legend(entries) {
    const list = element("p", { class: "legend" });
    for (const [color, text, dashes = ""] of entries) {
      const swatch = shape("svg", { width: 28, height: 10, "aria-hidden": "true" });
      const line = { d: "M2,5H26", stroke: color, "stroke-dasharray": dashes };
      swatch.append(shape("path", line));
      list.append(element("span", {}, swatch, text));
    }
    this.body.append(list);
  }

  plot(options) {
    const plot = new Plot(this, options);
    this.plots.push(plot);
    this.body.append(plot.svg);
    return plot;
  }
}

// ---- the drawing area

/**
 * Axes, and what is drawn in them, in the units of the data.
 *
 * One unit of the drawing is one pixel of the page, so that letters have one size on a phone and
 * on a desk. Handles outlive a redraw, since they may be held at that moment.
 */
class Plot {
  constructor(panel, { label, height, x, y, left = 48, right = 12, top = 12, bottom = 40, half }) {
    this.panel = panel;
    Object.assign(this, { x, y, left, right, top, bottom, half });
    this.heightNow = typeof height === "function" ? height : () => height;
    this.svg = shape("svg", { role: "group", "aria-label": label });
    this.picture = shape("g", { "aria-hidden": "true" });
    this.handles = [];
    this.svg.append(this.picture);
  }

  /** Make room in a panel of some width; two halves stand side by side where there is room. */
  clear(width) {
    this.width = this.half && width >= 560 ? Math.floor((width - 1) / 2) : width;
    this.height = this.heightNow();
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("width", this.width);
    this.svg.setAttribute("height", this.height);
    this.picture.replaceChildren();
  }

  /** Where a value lies, in pixels; x.range and y.range are [low, high]. */
  atX(value) {
    const [low, high] = this.x.range;
    return this.left + ((value - low) / (high - low)) * (this.width - this.left - this.right);
  }

  atY(value) {
    const [low, high] = this.y.range;
    const size = this.height - this.top - this.bottom;
    return this.top + ((high - value) / (high - low)) * size;
  }

  #valueAt(event) {
    const box = this.svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * this.width;
    const [low, high] = this.x.range;
    const share = (at - this.left) / (this.width - this.left - this.right);
    return low + share * (high - low);
  }

  /** Draw a bare SVG shape, in pixels. */
  shape(name, attributes, text) {
    const made = shape(name, attributes, text);
    this.picture.append(made);
    return made;
  }

  axes() {
    const bottom = this.height - this.bottom;
    for (const mark of this.x.ticks ?? ticks(...this.x.range, this.width < 480 ? 4 : 8)) {
      const x = this.atX(mark);
      this.shape("path", { class: "grid", d: `M${x},${this.top}V${bottom}` });
      const text = (this.x.format ?? tickText)(mark);
      this.shape("text", { x, y: bottom + 16, "text-anchor": "middle" }, text);
    }
    for (const mark of this.y.ticks ?? ticks(...this.y.range, 4)) {
      const y = this.atY(mark);
      this.shape("path", { class: "grid", d: `M${this.left},${y}H${this.width - this.right}` });
      const text = (this.y.format ?? tickText)(mark);
      this.shape("text", { x: this.left - 6, y: y + 4, "text-anchor": "end" }, text);
    }
    this.shape("path", { class: "axis", d: `M${this.left},${bottom}H${this.width - this.right}` });
    const middle = (this.left + this.width - this.right) / 2;
    const below = { x: middle, y: this.height - 5, "text-anchor": "middle" };
    if (this.x.label) this.shape("text", below, this.x.label);
    if (this.y.label) this.shape("text", { x: 2, y: 11 }, this.y.label);
  }

  /** A filled box from (x0, y0) to (x1, y1); what lies outside of the axes is cut off. */
  box(x0, y0, x1, y1, color, attributes = {}) {
    const [left, right] = [this.#insideX(x0), this.#insideX(x1)].sort((a, b) => a - b);
    const [top, bottom] = [this.atY(y0), this.atY(y1)].sort((a, b) => a - b);
    const sizes = { x: left, y: top, width: right - left, height: bottom - top };
    return this.shape("rect", { ...sizes, fill: color, ...attributes });
  }

  #insideX(value) {
    return Math.min(Math.max(this.atX(value), this.left), this.width - this.right);
  }

  /** A line through points [[x, y], …]. */
  curve(points, color, attributes = {}) {
    const d = points.map(([x, y]) => `${this.atX(x)},${this.atY(y)}`).join("L");
    return this.shape("path", { d: `M${d}`, fill: "none", stroke: color, ...attributes });
  }

  dot(x, y, color, attributes = {}) {
    const at = { cx: this.atX(x), cy: this.atY(y), r: 5 };
    return this.shape("circle", { ...at, fill: color, ...attributes });
  }

  text(x, y, text, attributes = {}) {
    return this.shape("text", { x: this.atX(x), y: this.atY(y), ...attributes }, text);
  }

  /**
   * A knob that is dragged along the x axis, or moved by the arrow keys.
   *
   * Its value lies at `at(value)` in pixels, [x, y]. It snaps to multiples of `step`, a number or a
   * function, within `limits()`; by Shift or the page keys it goes ten steps. `fromX` makes the value of a place,
   * `hidden()` says whether there is nothing to be moved at present.
   */
  handle({
    label,
    value,
    change,
    limits,
    step,
    say,
    at,
    color,
    fromX = (x) => x,
    hidden = () => false,
    touch = 20,
  }) {
    const knob = shape("g", { class: "handle", role: "slider", tabindex: "0", "aria-label": label });
    const parts = [{ class: "touch", r: touch }, { class: "ring", r: 12 }, { class: "knob", r: 8 }];
    const circles = parts.map((part) => shape("circle", part));
    circles[2].setAttribute("fill", color);
    knob.append(...circles);
    this.svg.append(knob);
    const stepNow = typeof step === "function" ? step : () => step;
    const snapped = (wanted) => {
      const [[low, high], step] = [limits(), stepNow()];
      const near = Number((Math.round(wanted / step) * step).toPrecision(12));
      return Math.min(Math.max(near, low), high);
    };
    const move = (wanted) => {
      if (snapped(wanted) !== value()) change(snapped(wanted));
    };
    knob.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      knob.setPointerCapture(event.pointerId);
      knob.focus();
      this.panel.moving(true);
      event.preventDefault();
    });
    knob.addEventListener("pointermove", (event) => {
      if (knob.hasPointerCapture(event.pointerId)) move(fromX(this.#valueAt(event)));
    });
    for (const end of ["lostpointercapture", "pointercancel"]) {
      knob.addEventListener(end, () => this.panel.moving(false));
    }
    knob.addEventListener("keydown", (event) => {
      const [[low, high], step] = [limits(), stepNow()];
      const far = event.shiftKey ? 10 : 1;
      // from between two steps to the next of them
      const up = Math.floor(value() / step + 1e-6) * step;
      const down = Math.ceil(value() / step - 1e-6) * step;
      const targets = {
        ArrowRight: up + far * step,
        ArrowUp: up + far * step,
        ArrowLeft: down - far * step,
        ArrowDown: down - far * step,
        PageUp: up + 10 * step,
        PageDown: down - 10 * step,
        Home: low,
        End: high,
      };
      if (!(event.key in targets) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const wanted = targets[event.key];
      if (wanted === low || wanted === high) change(wanted);
      else move(wanted);
    });
    const place = () => {
      knob.style.display = hidden() ? "none" : "";
      if (hidden()) return;
      const [x, y] = at(value());
      knob.setAttribute("transform", `translate(${x},${y})`);
      const [low, high] = limits();
      knob.setAttribute("aria-valuemin", low);
      knob.setAttribute("aria-valuemax", high);
      knob.setAttribute("aria-valuenow", Math.min(Math.max(value(), low), high));
      knob.setAttribute("aria-valuetext", say(value()));
    };
    this.handles.push({ knob, place });
    return knob;
  }

  placeHandles() {
    for (const { place } of this.handles) place();
  }
}

function tickText(number) {
  return String(number).replace("-", "−");
}

// ---- what several panels draw

/** How many of the weights lie in each of some bins of one width from `low` to `high`. */
export function histogram(weights, low, high) {
  const count = Math.min(61, 2 * Math.round(Math.sqrt(weights.length)) + 1);
  const bins = new Array(count).fill(0);
  const width = (high - low) / count;
  for (const w of weights) bins[Math.min(Math.floor((w - low) / width), count - 1)]++;
  return { bins, width };
}

/** A round step, 1, 2 or 5 times a power of ten, of which some hundred or two make `size`. */
export function roundStep(size) {
  const power = 10 ** Math.floor(Math.log10(size / 100));
  const factor = [5, 2, 1].find((one) => one * power <= size / 100);
  return Number((factor * power).toPrecision(1));
}
