// One fuzzy ball on the map of codes, dragged and resized by hand: what the decoder draws from it, its
// fit, its spring, the price of its size, and the valley in which the best size lies.
//
// Everything is computed in the page: no kernel, no network. `mount` is for any page, the default
// export for a notebook (anywidget).

import { BALL_WORDS } from "./ball_words.js";
import { decode, meanFit, sizeOf, springOf, unpackLayers } from "./decoder.js";
import { element, fixed, followDrag, shape, slider } from "./dom.js";
import { say } from "./words.js";

const STEP = { coarse: 0.05, fine: 0.01 };
const SIZES = { min: -3, max: 0.6, step: 0.02 }; // of log₁₀ v
const HEATS = { min: -2, max: 2, step: 0.05 }; // of log₁₀ T
const PLACES = 19; // of v, for the curve of the fit
const CHART = { width: 320, height: 150, left: 26, bottom: 30, top: 8, high: 12 };
const PAUSE = 400; // ms without a change until it is told in words

// Show the page in `el`. data: { layers, side, noise, digits ({ label, pixels, mean, variance }), map
// ({ mean, sd, labels, names }), colours, reach, start }. Returns { state, set, destroy }; each
// redraw is an event "drawn" at el.
export function mount(el, { data, words = {}, level = 2 }) {
  const view = new BallView(el, data, { ...BALL_WORDS, ...words }, level);
  view.choose(data.start);
  return {
    state: () => view.state(),
    set: (values) => view.set(values),
    destroy: () => view.destroy(),
  };
}

function render({ model, el }) {
  return mount(el, { data: model.get("data"), words: model.get("words") }).destroy;
}

export default { render };

class BallView {
  constructor(el, data, words, level) {
    const digits = data.digits.map((one) => ({ ...one, y: toShares(one.pixels) }));
    Object.assign(this, { el, data, words, digits, layers: unpackLayers(data.layers), T: 1 });
    this.sizes = [...Array(PLACES).keys()].map(
      (k) => 10 ** (SIZES.min + ((SIZES.max - SIZES.min) * k) / (PLACES - 1)),
    );
    this.parts = this.build(level);
    this.listen();
  }

  // ---- what stands where ----

  build(level) {
    const title = element(`h${level}`, { class: "title" }, this.words.title);
    const status = element("p", { class: "status", role: "status" });
    const [map, controls] = [this.buildMap(level), this.buildControls(level)];
    const grid = element("div", { class: "grid" }, title, map.section, controls.section, status);
    this.el.replaceChildren(element("div", { class: "rlv-ball" }, grid));
    return { ...map, ...controls, status };
  }

  buildMap(level) {
    const { words, data } = this;
    const about = { class: "plane", tabindex: 0, role: "application", "aria-label": words.mapHelp };
    const plane = element("div", about);
    const [r, whole] = [data.reach, 2 * data.reach];
    const svg = shape(plane, "svg", { viewBox: `${-r} ${-r} ${whole} ${whole}`, "aria-hidden": "true" });
    shape(svg, "path", { class: "axes", d: `M${-r} 0H${r}M0 ${-r}V${r}` });
    drawOthers(svg, data);
    const names = ["theirs", "mine"].map((name) => shape(svg, "ellipse", { class: name }));
    const cross = shape(svg, "path", { class: "cross" });
    const section = element("section", { class: "map" }, element(`h${level + 1}`, {}, words.map), plane);
    section.append(this.buildDigits(level));
    return { section, plane, theirs: names[0], mine: names[1], cross };
  }

  buildDigits() {
    const { words, digits, data } = this;
    const picks = digits.map(({ label, y }, place) => {
      const name = say(words.digit, { label });
      const one = element("button", { type: "button", "aria-label": name }, picture(data.side, y));
      one.addEventListener("click", () => this.choose(place));
      return one;
    });
    this.picks = picks;
    return element("div", { class: "digits", role: "group", "aria-label": words.digits }, ...picks);
  }

  buildControls(level) {
    const { words, data } = this;
    const [size, heat] = [slider(words.size, SIZES), slider(words.temperature, HEATS)];
    const [theirs, best] = [words.encoder, words.best].map((text) =>
      element("button", { type: "button" }, text),
    );
    const [y, middle] = [picture(data.side), picture(data.side)];
    const around = [...Array(8).keys()].map(() => picture(data.side));
    const named = (one, text) => element("figure", {}, one, element("figcaption", {}, text));
    const row = element("div", { class: "around" }, ...around);
    const eight = element("figure", { class: "eight" }, row, element("figcaption", {}, words.around));
    const pictures = element("div", { class: "pictures" }, named(y, words.y));
    pictures.append(named(middle, words.middle), eight);
    const chart = buildChart(words);
    const heading = element(`h${level + 1}`, {}, words.valley);
    const numbers = this.buildNumbers();
    const section = element("section", { class: "controls" }, size.row, heat.row);
    const buttons = element("div", { class: "buttons" }, theirs, best);
    section.append(buttons, pictures, heading, chart.box, numbers.list);
    const found = { section, size, heat, theirsButton: theirs, best, y, middle, around, chart };
    return { ...found, numbers: numbers.cells };
  }

  buildNumbers() {
    const cells = {};
    const rows = ["fit", "spring", "price", "total", "theirs", "place"].map((name) => {
      cells[name] = element("dd");
      return element("div", { class: name }, element("dt", {}, this.words[name]), cells[name]);
    });
    return { list: element("dl", { class: "numbers" }, ...rows), cells };
  }

  // ---- what the reader does ----

  listen() {
    const { plane, size, heat, theirsButton, best } = this.parts;
    const { reach } = this.data;
    followDrag(plane, (x, y) => this.moveTo(reach * x, -reach * y));
    plane.addEventListener("keydown", (event) => this.key(event));
    const root = plane.closest(".rlv-ball");
    root.addEventListener("keydown", (event) => event.stopPropagation());
    root.addEventListener("focusin", ({ target }) => (target.dataset.lmSuppressShortcuts = "true"));
    size.input.addEventListener("input", () => this.set({ v: 10 ** Number(size.input.value) }));
    heat.input.addEventListener("input", () => this.set({ T: 10 ** Number(heat.input.value) }));
    theirsButton.addEventListener("click", () => this.choose(this.place));
    best.addEventListener("click", () => this.set({ v: this.bestSize() }));
  }

  key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const grow = { "+": 1, "=": 1, "-": -1 }[event.key];
    const way = ways[event.key];
    if (!way && !grow) return;
    event.preventDefault();
    if (grow) return this.set({ v: this.v * 10 ** (0.1 * grow) });
    const step = event.shiftKey ? STEP.fine : STEP.coarse;
    this.moveTo(this.mean[0] + step * way[0], this.mean[1] + step * way[1]);
  }

  moveTo(...place) {
    const { reach } = this.data;
    const inside = (value) => Math.round(1e4 * Math.min(Math.max(value, -reach), reach)) / 1e4;
    this.set({ mean: place.map(inside) });
  }

  // Another digit, with the ball that the encoder gives it (of one size in both directions).
  choose(place) {
    const { mean, variance } = this.digits[place];
    this.place = place;
    this.set({ mean, v: Math.sqrt(variance[0] * variance[1]) });
  }

  // ---- what follows ----

  set({ mean, v, T }) {
    if (mean) this.mean = mean;
    if (v !== undefined) this.v = Math.min(Math.max(v, 10 ** SIZES.min), 10 ** SIZES.max);
    if (T !== undefined) this.T = T;
    this.frame ??= requestAnimationFrame(() => this.redraw());
  }

  redraw() {
    const begun = performance.now();
    this.frame = null;
    this.measure();
    this.drawMap();
    this.drawPictures();
    this.drawValley();
    this.showNumbers();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
    const detail = { work: performance.now() - begun };
    this.el.dispatchEvent(new CustomEvent("drawn", { detail }));
  }

  cost(mean, variance) {
    const { layers, data, T, digits, place } = this;
    const fit = meanFit(layers, digits[place].y, mean, variance, data.noise);
    const [spring, price] = [T * springOf(mean), T * sizeOf(variance)];
    return { fit, spring, price, total: fit + spring + price };
  }

  measure() {
    const { mean, v, digits, place, layers, data } = this;
    const key = `${place} ${mean}`;
    if (key !== this.known) {
      const fits = this.sizes.map((one) => meanFit(layers, digits[place].y, mean, [one, one], data.noise));
      [this.known, this.fits, this.lowest] = [key, fits, Math.min(...fits)];
    }
    this.now = this.cost(mean, [v, v]);
    const { mean: theirMean, variance } = digits[place];
    this.theirs = this.cost(theirMean, variance);
  }

  // The lowest point of the valley: between the neighbours of the lowest place, by thirds.
  bestSize() {
    const sums = this.sums();
    const k = sums.indexOf(Math.min(...sums));
    if (k === 0 || k === PLACES - 1) return this.sizes[k];
    let [low, high] = [k - 1, k + 1].map((place) => Math.log10(this.sizes[place]));
    const cost = (x) => this.cost(this.mean, [10 ** x, 10 ** x]).total;
    for (let turn = 0; turn < 14; turn += 1) {
      const third = (high - low) / 3;
      if (cost(low + third) < cost(high - third)) high -= third;
      else low += third;
    }
    return 10 ** ((low + high) / 2);
  }

  sums() {
    return this.sizes.map((v, k) => this.fits[k] - this.lowest + this.T * sizeOf([v, v]));
  }

  drawMap() {
    const { parts, mean, v, digits, place, data } = this;
    const put = (one, at, [rx, ry]) => {
      const all = { cx: at[0], cy: -at[1], rx, ry };
      for (const [name, value] of Object.entries(all)) one.setAttribute(name, value.toFixed(4));
    };
    put(parts.mine, mean, [Math.sqrt(v), Math.sqrt(v)]);
    put(parts.theirs, digits[place].mean, digits[place].variance.map(Math.sqrt));
    const arm = 0.05 * data.reach;
    const [x, y] = [mean[0], -mean[1]];
    parts.cross.setAttribute("d", `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`);
    this.picks.forEach((one, k) => one.setAttribute("aria-pressed", k === place));
  }

  drawPictures() {
    const { parts, layers, mean, v, digits, place, data } = this;
    paint(parts.y, digits[place].y);
    paint(parts.middle, decode(layers, mean));
    const sd = Math.sqrt(v);
    parts.around.forEach((one, k) => {
      const [a, b] = data.noise[k];
      paint(one, decode(layers, [mean[0] + sd * a, mean[1] + sd * b]));
    });
  }

  drawValley() {
    // The fit above its lowest, not above a dot's: far from its place a ball fits better if it grows.
    const { parts, sizes, fits, lowest, T, v, now } = this;
    const price = sizes.map((one) => T * sizeOf([one, one]));
    const path = (values) => `M${values.map((one, k) => chartPlace(sizes[k], one)).join("L")}`;
    const lines = { fitLine: fits.map((one) => one - lowest), sizeLine: price, sumLine: this.sums() };
    for (const [name, values] of Object.entries(lines))
      parts.chart[name].setAttribute("d", path(values));
    const put = (one, at, value) => {
      const [cx, cy] = chartPlace(at, value).split(" ");
      one.setAttribute("cx", cx);
      one.setAttribute("cy", cy);
    };
    put(parts.chart.here, v, now.fit - lowest + now.price);
    parts.best.disabled = false;
  }

  showNumbers() {
    const { parts, now, theirs, v, T, mean } = this;
    for (const name of ["fit", "spring", "price", "total"])
      parts.numbers[name].textContent = fixed(now[name]);
    parts.numbers.theirs.textContent = fixed(theirs.total);
    parts.numbers.place.textContent = mean.map((one) => fixed(one)).join(", ");
    showLog(parts.size, v);
    showLog(parts.heat, T);
  }

  tell() {
    const { now, v, mean } = this;
    const texts = Object.fromEntries(Object.entries(now).map(([name, one]) => [name, fixed(one)]));
    const place = mean.map((one) => fixed(one)).join(", ");
    this.parts.status.textContent = say(this.words.told, { ...texts, place, v: threeDigits(v) });
  }

  state() {
    const { mean, v, T, place, now, theirs } = this;
    return { mean: [...mean], v, T, place, ...now, theirs: theirs.total, best: this.bestSize() };
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.el.replaceChildren();
  }
}

function threeDigits(value) {
  return String(Number(value.toPrecision(2)));
}

function showLog(one, value) {
  one.input.value = Math.log10(value);
  one.row.querySelector("output").textContent = threeDigits(value);
}

function toShares(text) {
  return Float64Array.from(atob(text), (one) => one.charCodeAt(0) / 255);
}

function picture(side, y) {
  const canvas = element("canvas", { width: side, height: side, "aria-hidden": "true" });
  if (y) paint(canvas, y);
  return canvas;
}

// Ink on paper, in light and dark alike: a digit is a digit.
function paint(canvas, y) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  y.forEach((share, i) => {
    const grey = 255 * (1 - share);
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

function drawOthers(svg, { map, colours, reach }) {
  map.mean.forEach(([x, y], i) => {
    const [rx, ry] = map.sd[i];
    const fill = colours[map.labels[i]];
    shape(svg, "ellipse", { class: "other", cx: x, cy: -y, rx, ry, fill });
  });
  for (const [label, [x, y]] of Object.entries(map.names)) {
    const about = { class: "name", x, y: -y + 0.03 * reach, "font-size": 0.085 * reach };
    const text = shape(svg, "text", about);
    text.textContent = label;
  }
}

// "x y" of a point of the chart.
function chartPlace(v, value) {
  const { left, width, top, height, bottom, high } = CHART;
  const share = (Math.log10(v) - SIZES.min) / (SIZES.max - SIZES.min);
  const up = Math.min(Math.max(value / high, -0.05), 4); // what is higher is cut off
  const x = left + (width - left - 6) * share;
  const y = top + (height - top - bottom) * (1 - up);
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

function buildChart(words) {
  const { width, height, high } = CHART;
  const box = element("div", { class: "chart" });
  const svg = shape(box, "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const text = (x, y, anchor, said) => {
    const one = shape(svg, "text", { x, y, "text-anchor": anchor });
    one.textContent = said;
  };
  for (const value of [0, high / 2, high]) {
    const [x, y] = chartPlace(10 ** SIZES.min, value).split(" ").map(Number);
    shape(svg, "path", { class: "grid", d: `M${x} ${y}H${width - 6}` });
    text(x - 4, y + 4, "end", String(value));
  }
  for (const v of [0.001, 0.01, 0.1, 1]) {
    const x = chartPlace(v, 0).split(" ")[0];
    text(x, height - 16, "middle", String(v));
  }
  text(width / 2, height - 2, "middle", words.size);
  const key = element("p", { class: "key" });
  const parts = {};
  const plot = { y: CHART.top - 2, width, height: height - CHART.top - CHART.bottom + 10 };
  const inside = shape(svg, "svg", { ...plot, viewBox: `0 ${plot.y} ${width} ${plot.height}` });
  for (const name of ["fitLine", "sizeLine", "sumLine"]) {
    parts[name] = shape(inside, "path", { class: name });
    key.append(element("i", { class: name }), words[name]);
  }
  parts.here = shape(inside, "circle", { class: "here", r: 5 });
  box.append(key);
  return { box, ...parts };
}
