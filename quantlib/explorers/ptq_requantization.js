import { Panel, element, fixed, rint } from "./panel.js";

// ---- what is computed, as in quantlib/ptq/requantization.py

const [LOW, HIGH] = [0, 255]; // codes
const LIMIT = 2 ** 31; // of sums

/** The multiplier m and the shift n of a factor, m / 2^n. */
export function fixedPoint(factor) {
  let exponent = Math.floor(Math.log2(factor)) + 1;
  while (2 ** exponent <= factor) exponent++;
  while (2 ** (exponent - 1) > factor) exponent--;
  let shift = Math.min(31 - exponent, 62);
  let multiplier = rint(factor * 2 ** shift);
  if (multiplier === 2 ** 31) [multiplier, shift] = [2 ** 30, shift - 1];
  return { multiplier, shift };
}

const half = (shift) => 1n << BigInt(shift - 1);
const clamp = (code) => Math.min(Math.max(code, LOW), HIGH);

/** The number that the sum becomes, before the zero point: rounded once, half up. */
export function roundedOnce(sum, multiplier, shift) {
  return Number((BigInt(sum) * BigInt(multiplier) + half(shift)) >> BigInt(shift));
}

/** The same by gemmlowp's two roundings, for shifts from 31 on: [after the first, after both]. */
export function roundedTwice(sum, multiplier, shift) {
  const product = BigInt(sum) * BigInt(multiplier);
  const nudge = product >= 0n ? 1n << 30n : 1n - (1n << 30n);
  const upper = (product + nudge) / (1n << 31n); // BigInt's division goes towards 0
  const rest = BigInt(shift - 31);
  const mask = (1n << rest) - 1n;
  const threshold = (mask >> 1n) + (upper < 0n ? 1n : 0n);
  const up = (upper & mask) > threshold ? 1n : 0n;
  return [Number(upper) / 2 ** (shift - 31), Number((upper >> rest) + up)];
}

/** The codes of a sum by one rounding, by two, and by floating point. */
export function codes(sum, factor, zero) {
  const { multiplier, shift } = fixedPoint(factor);
  return {
    once: clamp(roundedOnce(sum, multiplier, shift) + zero),
    twice: clamp(roundedTwice(sum, multiplier, shift)[1] + zero),
    float: clamp(rint(sum * factor) + zero),
  };
}

/**
 * All sums, in rising order, that two roundings give another code than one.
 *
 * They lie beside a half, on its side towards 0, or on a negative one: the first rounding moves
 * them there, and the second one goes on away from 0. There is at most one beside each half, since
 * products lie 2^30 or more apart and the first rounding moves them by 2^30 at most.
 */
export function differing(factor, zero) {
  const { multiplier, shift } = fixedPoint(factor);
  const found = new Set();
  for (let code = LOW; code < HIGH; code++) {
    const edge = BigInt(2 * (code - zero) + 1) * half(shift);
    const sum = Number(edge / BigInt(multiplier)); // rounded towards 0
    const { once, twice } = codes(sum, factor, zero);
    if (once !== twice && Math.abs(sum) < LIMIT) found.add(sum);
  }
  return [...found].sort((a, b) => a - b);
}

/** The bits of a whole number in two's complement, the highest first. */
export function bitsOf(number, count) {
  return BigInt.asUintN(count, BigInt(number)).toString(2).padStart(count, "0");
}

// ---- the panel

const COLORS = {
  plain: ["var(--zero)", "#000000"],
  kept: ["var(--blue)", "#ffffff"],
  dropped: ["var(--orange)", "#000000"],
};
const TALL = 18; // pixels of a bit
const plain = (number) => String(number).replace("-", "−");
const power = (n) => `2${[...String(n)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
const decimal = (number) => fixed(number, 9).replace(/\.?0+$/, "");

function render({ model, el, signal }) {
  const panel = new Panel({ model, el, signal }, "From a sum to a code, in whole numbers");
  const sum = () => panel.get("sum");
  const factor = () => panel.get("factor");
  const zero = () => panel.get("zero_point");
  const known = { key: "", sums: [] };
  const different = () => {
    const key = `${factor()} ${zero()}`;
    if (known.key !== key) Object.assign(known, { key, sums: differing(factor(), zero()) });
    return known.sums;
  };

  // ---- controls

  panel.number({
    label: "Sum s",
    min: -LIMIT,
    max: LIMIT - 1,
    value: sum,
    change: (value) => panel.set({ sum: value }),
  });
  const [least, most] = model.get("factors");
  panel.number({
    label: "Factor M",
    min: least,
    max: most,
    step: 0.0001,
    value: factor,
    change: (value) => panel.set({ factor: value }),
  });
  panel.number({
    label: "Zero point z",
    min: LOW,
    max: HIGH,
    value: zero,
    change: (value) => panel.set({ zero_point: value }),
  });
  panel.buttons({
    "A sum that gemmlowp rounds otherwise": () => {
      const next = different().find((one) => one > sum()) ?? different()[0];
      if (next !== undefined) panel.set({ sum: next });
    },
  });

  // ---- the code of every sum

  const stairs = panel.plot({
    label: "The code against the sum, which is a handle",
    height: 170,
    top: 22,
    x: { range: [0, 1], label: "sum s" },
    y: { range: [-10, 265], ticks: [0, 64, 128, 192, 255], label: "code q" },
  });
  const inside = (value) => Math.min(Math.max(value, stairs.x.range[0]), stairs.x.range[1]);
  const limits = () =>
    [LOW - 40, HIGH + 40].map((code) => {
      const wanted = Math.round((code - zero()) / factor());
      return Math.min(Math.max(wanted, -LIMIT), LIMIT - 1);
    });
  stairs.handle({
    label: "Sum s",
    color: "var(--yellow)",
    value: sum,
    change: (value) => panel.set({ sum: value }),
    limits,
    step: 1,
    say: plain,
    at: (value) => [
      stairs.atX(inside(value)),
      stairs.atY(codes(value, factor(), zero()).once),
    ],
  });

  function drawStairs() {
    stairs.x.range = limits();
    stairs.axes();
    const [left, right] = stairs.x.range;
    const corners = [left, ...[LOW, HIGH].map((code) => (code - zero()) / factor()), right];
    const points = corners.map((s) => [s, clamp(s * factor() + zero())]);
    stairs.curve(points, "var(--blue)");
  }

  // ---- the bits

  panel.legend([
    ["var(--orange)", "bits that the shift drops"],
    ["var(--blue)", "bits that it keeps"],
    ["currentColor", "the bit that decides the rounding"],
  ]);
  const picture = panel.plot({
    label: "The bits of each step",
    height: 304,
    x: { range: [0, 1] },
    y: { range: [0, 1] },
  });
  const across = () => Math.min(20, (picture.width - 8) / 32);

  /** Draw bits in rows of 32, right-aligned; `kindOf` says of each place, from 0, what it is. */
  function drawBits(top, text, bits, kindOf, marked = -1) {
    picture.shape("text", { x: 0, y: top + 12 }, text);
    const cell = across();
    [...bits].forEach((bit, i) => {
      const place = bits.length - 1 - i;
      const column = 31 - (place % 32);
      const x = column * cell + 2 * Math.floor(column / 8);
      const row = Math.ceil(bits.length / 32) - 1 - Math.floor(place / 32);
      const y = top + 18 + row * (TALL + 3);
      const [color, ink] = COLORS[kindOf(place)];
      const [fill, stroke] = [bit === "1" ? color : "none", place === marked ? "currentColor" : color];
      const look = { fill, stroke, "stroke-width": place === marked ? 3 : 1 };
      picture.shape("rect", { x: x + 1, y, width: cell - 2, height: TALL - 1, ...look });
      const style = `font-size: 10px; ${bit === "1" ? `fill: ${ink}` : ""}`;
      picture.shape("text", { x: x + cell / 2, y: y + 12, "text-anchor": "middle", style }, bit);
    });
  }

  function drawSteps({ multiplier, shift }, rounded, code) {
    const product = BigInt(sum()) * BigInt(multiplier);
    const withHalf = product + half(shift);
    const kind = (place) => (place < shift ? "dropped" : "kept");
    const plainly = () => "plain";
    drawBits(0, `s = ${plain(sum())}`, bitsOf(sum(), 32), plainly);
    const about = `m = ${multiplier}, 31 bits, with n = ${shift}: M ≈ m / ${power(shift)}`;
    drawBits(44, about, bitsOf(multiplier, 31), plainly);
    drawBits(88, `m · s = ${plain(product)}`, bitsOf(product, 64), kind, shift - 1);
    drawBits(154, `plus the half, ${power(shift - 1)}: ${plain(withHalf)}`, bitsOf(withHalf, 64), kind, shift - 1);
    drawBits(220, `shifted by n = ${shift}: ${plain(rounded)}`, bitsOf(rounded, 32), () => "kept");
    const moved = `${plain(rounded)} + ${zero()} = ${plain(rounded + zero())}`;
    const clamped = code === rounded + zero() ? "" : `, clamped to ${code}`;
    drawBits(264, `with the zero point: ${moved}${clamped}`, bitsOf(code, 8), plainly);
  }

  // ---- three ways

  const WAYS = {
    once: "one rounding",
    float: "floating point",
    twice: "gemmlowp's two",
  };
  const rows = {};
  const table = element("table");
  const head = ["way", "before the last rounding", "code"].map((text) =>
    element("th", { scope: "col" }, text),
  );
  table.append(element("thead", {}, element("tr", {}, ...head)), element("tbody"));
  for (const [way, text] of Object.entries(WAYS)) {
    rows[way] = [element("td"), element("td")];
    const row = element("tr", {}, element("th", { scope: "row" }, text), ...rows[way]);
    table.lastChild.append(row);
  }
  panel.body.append(table);

  // ---- all of it

  panel.start(() => {
    const [s, M, z] = [sum(), factor(), zero()];
    const { multiplier, shift } = fixedPoint(M);
    const rounded = roundedOnce(s, multiplier, shift);
    const [upper, twice] = roundedTwice(s, multiplier, shift);
    const found = codes(s, M, z);
    drawStairs();
    drawSteps({ multiplier, shift }, rounded, found.once);
    const before = { once: (s * multiplier) / 2 ** shift, float: s * M, twice: upper };
    for (const way of Object.keys(WAYS)) {
      rows[way][0].textContent = decimal(before[way]);
      rows[way][1].textContent = String(found[way]);
    }
    const up = ((BigInt(s) * BigInt(multiplier)) >> BigInt(shift - 1)) & 1n;
    const clamped = found.once === rounded + z ? "" : `, clamped to ${found.once}`;
    const even = Math.abs(s * M - Math.floor(s * M)) === 0.5 ? ", to the even number," : "";
    const float =
      found.float === found.once
        ? "Floating point gives the same code"
        : `Floating point${even} gives ${found.float}`;
    const two =
      found.twice === found.once
        ? "gemmlowp's two roundings give the same."
        : `gemmlowp rounds to ${decimal(upper)} first, then to ${plain(twice)}: its code is ` +
          `${found.twice}.`;
    const none = different().length ? "" : " With this M and z gemmlowp gives all sums the same codes.";
    panel.say(
      `The sum ${plain(s)} times m / ${power(shift)} is ${decimal(before.once)}. The highest bit ` +
        `that the shift drops is ${up}: it is rounded ${up ? "up" : "down"} to ${plain(rounded)}. With ` +
        `the zero point ${z} the code is ${plain(rounded + z)}${clamped}. ${float}; ${two}${none}`,
    );
    panel.code(
      `ptq.requantize(${s}, *ptq.fixed_point(${M}), zero_point=${z}, low=${LOW}, high=${HIGH})`,
    );
  });
}

export default { render };
