// Draw a digit; see the strokes that build it, what they cost, and three methods that find them.
//
// Everything is computed in the page: no kernel, no network. `mount` is for any page, the default
// export for a notebook (anywidget).

import { build } from "./layout.js";
import { centred, shifted } from "./pen.js";
import { Problem } from "./problem.js";
import { followPointer, paintInk, paintLight, paintSigned, wipe } from "./sheet.js";
import { change, makeTiles } from "./tiles.js";
import { number, percent, say, WORDS } from "./words.js";
import { makePlot } from "./plot.js";

const RACE_TIME = 1; // ms of each frame that the race may take while the pen moves
const REST_TIME = 4; // and when nothing else is to be done
const REST = 400; // ms without a change until it is told in words
const TELL = 1000; // ms between two messages to a screen reader
const STEPS = 300;

// Show the page in `el`. data: atoms and sample digits, as strokes.json has them. start: what there
// is at first: { lam, pixels (bytes, or the number of a sample), off (strokes left out) }. words:
// replacements for WORDS. level: of the heading. changed(state) is called when what is drawn has
// come to rest. Returns { state, set, destroy }; each redraw is an event "drawn" at el.
export async function mount(el, options) {
  const { data, start = {} } = options;
  const atoms = await unpack(data.atoms);
  const samples = await unpack(data.samples);
  const view = new View(el, new Problem(atoms, data.side, start.lam ?? 0.15), samples, options);
  view.set({ pixels: 3, ...start });
  return {
    state: () => view.state(),
    set: (values) => view.set(values),
    destroy: () => view.destroy(),
  };
}

// For a notebook: the same, and what is drawn goes to the kernel when it has come to rest.
async function render({ model, el }) {
  const start = { lam: model.get("lam"), off: model.get("off") };
  if (model.get("pixels").length > 0) start.pixels = model.get("pixels");
  const changed = ({ pixels, lam, off }) => {
    model.set("pixels", pixels);
    model.set("lam", lam);
    model.set("off", off);
    model.save_changes();
  };
  const data = model.get("data");
  const shown = await mount(el, { data, start, words: model.get("words"), changed });
  return shown.destroy;
}

export default { render };

// Bytes from base64 of what zlib has compressed.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class View {
  constructor(el, problem, samples, { words, changed = () => {}, level = 2 }) {
    this.el = el;
    this.problem = problem;
    this.words = { ...WORDS, ...words };
    this.changed = changed;
    this.weightsOfTheOut = new Map(); // a stroke that is left out stays where it was in the list
    this.erasing = this.byWork = false;
    this.lit = -1; // the pixel under the pointer
    this.told = -Infinity;
    this.stillness = matchMedia("(prefers-reduced-motion: reduce)");
    this.parts = build(el, problem, samples, this.words, level);
    this.tiles = this.makeTiles();
    this.plot = this.makePlot();
    this.listen(samples);
  }

  makeTiles() {
    const { D, side } = this.problem;
    const toggle = (j) => this.toggle(j);
    const look = (j) => this.look(j);
    return makeTiles(this.parts.strokes, { D, side, words: this.words, toggle, look });
  }

  makePlot() {
    const { raceX, raceWork, raceY } = this.words;
    const xlabel = this.byWork ? raceWork : raceX;
    this.parts.plot.replaceChildren();
    return makePlot(this.parts.plot, { xlabel, ylabel: raceY, most: STEPS });
  }

  // ---- what the reader does ----

  listen(samples) {
    const { parts, problem } = this;
    followPointer(parts.sheet, problem.side, {
      begin: () => problem.remember(),
      draw: (line) => this.edit(() => line(problem.pixels)),
      over: (place) => this.over(place),
      erases: () => this.erasing,
    });
    parts.sheet.addEventListener("keydown", (event) => this.key(event));
    // Where a notebook has keys of its own, they are not meant while the focus is in here. (The
    // classic one listens further up; JupyterLab and Notebook 7 ask the element with the focus.)
    parts.root.addEventListener("keydown", (event) => event.stopPropagation());
    parts.root.addEventListener("focusin", ({ target }) => {
      target.dataset.lmSuppressShortcuts = "true";
    });
    parts.pen.addEventListener("click", () => this.choose(false));
    parts.eraser.addEventListener("click", () => this.choose(true));
    parts.undo.addEventListener("click", () => this.edit(() => problem.undo()));
    parts.clear.addEventListener("click", () => this.replace((pixels) => pixels.map(() => 0)));
    const middle = (pixels) => centred(pixels, problem.side);
    parts.centre.addEventListener("click", () => this.replace(middle));
    parts.samples.forEach((button, digit) => {
      const size = problem.pixels.length;
      const sample = samples.slice(digit * size, (digit + 1) * size);
      button.addEventListener("click", () => this.replace(() => sample.slice()));
    });
    parts.lam.addEventListener("input", () => {
      problem.lam = 10 ** Number(parts.lam.value);
      this.ask();
    });
    parts.allOn.addEventListener("click", () => this.allOn());
    parts.bySteps.addEventListener("click", () => this.measureBy(false));
    parts.byWork.addEventListener("click", () => this.measureBy(true));
    this.resized = new ResizeObserver(() => {
      this.plot.fit();
      this.drawPlot();
    });
    this.resized.observe(parts.plot);
  }

  choose(erasing) {
    this.erasing = erasing;
    this.parts.pen.setAttribute("aria-pressed", !erasing);
    this.parts.eraser.setAttribute("aria-pressed", erasing);
  }

  // The arrow keys move the digit, Delete erases it, Ctrl + Z takes a step back.
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) this.replace((pixels) => shifted(pixels, this.problem.side, ...move));
    else if (event.key === "Delete" || event.key === "Backspace") this.parts.clear.click();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.parts.undo.click();
    else return;
    event.preventDefault();
  }

  // A new drawing made from the old one.
  replace(make) {
    this.problem.remember();
    this.edit(() => (this.problem.pixels = make(this.problem.pixels)));
  }

  edit(act) {
    act();
    this.ask();
  }

  toggle(j) {
    const { on, z } = this.problem;
    if (on[j]) this.weightsOfTheOut.set(j, z[j]);
    on[j] = 1 - on[j];
    this.ask();
  }

  allOn() {
    this.problem.on.fill(1);
    this.parts.strokes.focus(); // the button is about to go
    this.ask();
  }

  measureBy(work) {
    this.byWork = work;
    this.parts.bySteps.setAttribute("aria-pressed", !work);
    this.parts.byWork.setAttribute("aria-pressed", work);
    this.plot = this.makePlot();
    this.drawPlot();
  }

  // Stroke j lights up on the drawing.
  look(j) {
    const { D } = this.problem;
    if (j === null) return wipe(this.parts.light);
    const atom = D.W.subarray(j * D.d, (j + 1) * D.d);
    paintLight(this.parts.light, atom, atom.reduce((a, b) => Math.max(a, b)));
  }

  // The strokes that act where the pointer is light up.
  over(place) {
    const { side } = this.problem;
    const inside = place && Math.min(place.x, place.y) >= 0 && Math.max(place.x, place.y) < side;
    this.lit = inside ? Math.floor(place.y) * side + Math.floor(place.x) : -1;
    if (!this.stale) this.tiles.light(this.shown, this.lit);
  }

  // ---- what follows ----

  // A redraw at the next frame of the browser: whatever happens until then is in it.
  ask() {
    this.stale = this.restarts = true;
    this.next();
  }

  next() {
    this.frame ??= requestAnimationFrame(() => this.redraw());
  }

  redraw() {
    const begun = performance.now();
    this.frame = null;
    const { problem } = this;
    const { stale } = this;
    if (stale) {
      problem.solve();
      this.show();
    }
    if (this.restarts) problem.startRace(STEPS);
    const racing = problem.race.advance(performance.now() + (stale ? RACE_TIME : REST_TIME));
    if (!racing || !this.stillness.matches) this.drawPlot();
    this.restarts = false;
    this.stale = !problem.settled;
    if (racing || this.stale) this.next();
    this.rest();
    const detail = { work: performance.now() - begun, stale };
    this.el.dispatchEvent(new CustomEvent("drawn", { detail }));
  }

  show() {
    const { parts, problem } = this;
    const { found, y, z, on } = problem;
    this.shown = problem.used(this.weightsOfTheOut);
    paintInk(parts.ink, y);
    paintInk(parts.rebuilt, found.picture);
    paintSigned(parts.residual, found.r);
    parts.empty.hidden = problem.squared > 0;
    this.tiles.show(this.shown, z, on);
    this.tiles.light(this.shown, this.lit);
    parts.none.hidden = this.shown.length > 0;
    parts.allOn.hidden = on.every(Boolean);
    this.showNumbers();
  }

  showNumbers() {
    const { parts, problem } = this;
    const { found, lam, lamMax, squared } = problem;
    for (const [name, text] of Object.entries(this.numbers())) change(parts.numbers[name], text);
    const share = (value) => `${squared > 0 ? (200 * value) / squared : 0}%`;
    parts.fitBar.style.width = share(found.fit);
    parts.priceBar.style.width = share(found.price);
    change(parts.lamSaid, number(lam));
    const [low, high] = [Number(parts.lam.min), Number(parts.lam.max)];
    const place = (Math.log10(lamMax) - low) / (high - low);
    parts.lamMax.hidden = !(place >= 0 && place <= 1);
    if (!parts.lamMax.hidden) parts.lamMax.style.setProperty("--place", place);
  }

  numbers() {
    const { found, lam, lamMax, z } = this.problem;
    return {
      fit: number(found.fit),
      price: number(found.price),
      energy: number(found.energy),
      nonzeros: String(z.reduce((count, entry) => count + (entry > 0), 0)),
      share: lamMax > 0 ? number(lam / lamMax) : "–",
      gap: percent(found.gap),
    };
  }

  drawPlot() {
    const { race, found } = this.problem;
    if (!race) return;
    const unit = this.problem.D.n ** 2;
    const curves = race.runners.map((one) => ({
      label: this.words[one.name],
      colour: one.name,
      x: this.byWork ? one.work.map((work) => work / unit) : [...one.energies.keys()],
      above: one.energies.map((energy) => energy - found.energy),
    }));
    this.plot.draw(curves);
  }

  // ---- at rest: in words, and to the kernel ----

  rest() {
    clearTimeout(this.timer);
    const wait = Math.max(REST, this.told + TELL - performance.now());
    this.timer = setTimeout(() => this.tell(), wait);
  }

  tell() {
    this.told = performance.now();
    const { parts, problem, words } = this;
    const { z, on, race, found } = problem;
    const values = { ...this.numbers(), count: this.numbers().nonzeros };
    this.tiles.tell(this.shown, z, on);
    change(parts.status, problem.squared > 0 ? say(words.told, values) : words.toldEmpty);
    parts.rebuilt.setAttribute("aria-label", say(words.rebuiltAlt, values));
    parts.residual.setAttribute("aria-label", say(words.residualAlt, values));
    const lam = { lam: number(problem.lam), share: values.share };
    parts.lam.setAttribute("aria-valuetext", say(words.lambdaSaid, lam));
    const left = (one) => number(Math.max(one.energies.at(-1) - found.energy, 0));
    const each = race.runners.map((one) => `${words[one.name]} ${left(one)}`).join(", ");
    this.plot.svg.setAttribute("aria-label", say(words.raceAlt, { each }));
    this.changed(this.state());
  }

  // ---- for who embeds it ----

  state() {
    const { pixels, lam, on, z, found } = this.problem;
    const off = [...on.keys()].filter((j) => !on[j]);
    const { fit, price, energy, bound, gap } = found;
    return { pixels: [...pixels], lam, off, z: [...z], fit, price, energy, bound, gap };
  }

  set({ pixels, lam, off }) {
    const { problem, parts } = this;
    if (typeof pixels === "number") parts.samples[pixels].click();
    else if (pixels) problem.pixels = Uint8Array.from(pixels);
    if (lam) problem.lam = lam;
    parts.lam.value = Math.log10(problem.lam);
    if (off) problem.on.forEach((_, j) => (problem.on[j] = off.includes(j) ? 0 : 1));
    for (const j of off ?? []) this.weightsOfTheOut.set(j, 0);
    this.ask();
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.resized.disconnect();
    this.el.replaceChildren();
  }
}
