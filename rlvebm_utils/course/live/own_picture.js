// A sheet for a picture of one's own: drawn on it, or read from a file. It goes to the kernel as
// side × side bytes, 0 paper and 255 ink.
//
// A file is read here and never sent: of any size, it arrives as those few bytes.

import { shifted } from "./pen.js";
import { followPointer, paintInk, picture } from "./sheet.js";

const LARGEST = 20; // megabytes of a file
const SMALLEST = 8; // pixels of a picture's width and height
const FINE = 16; // a pixel of the sheet is the mean of FINE × FINE
const PAUSE = 120; // ms between two messages to the kernel
const KINDS = "a picture (PNG, JPEG, WebP or GIF)";
const WORDS = {
  sheet: "sheet for your own picture: the arrow keys move what is on it, Delete empties it",
  hint: "Draw here, or open a file.",
  kept: "What was on the sheet stays.",
};

// Ink (side × side bytes) from the RGBA bytes of a square, `fine` times as wide: dark is ink, what
// is transparent is paper.
export function inkOf(rgba, side, fine) {
  const sums = new Float64Array(side * side);
  for (let at = 0; at < rgba.length / 4; at++) {
    const [red, green, blue, alpha] = rgba.subarray(4 * at, 4 * at + 4);
    const light = 0.299 * red + 0.587 * green + 0.114 * blue;
    const [row, column] = [Math.floor(at / (side * fine)), at % (side * fine)];
    sums[Math.floor(row / fine) * side + Math.floor(column / fine)] += (255 - light) * (alpha / 255);
  }
  return Uint8Array.from(sums, (sum) => Math.round(sum / fine ** 2));
}

// What is wrong with a file, as a sentence; "" if nothing can be seen from outside.
export function faultOfFile({ name, type, size }) {
  if (type && !type.startsWith("image/")) return `expected ${KINDS}, got “${name}”, ${type}`;
  if (size > LARGEST * 1e6)
    return `expected at most ${LARGEST} MB, got “${name}” of ${Math.round(size / 1e6)} MB`;
  return "";
}

// What is wrong with what was in it.
export function faultOfPicture(name, width, height, ink) {
  if (Math.min(width, height) < SMALLEST) {
    const least = `at least ${SMALLEST} × ${SMALLEST} pixels`;
    return `expected ${least}, got “${name}” of ${width} × ${height}`;
  }
  if (ink.every((one) => one === ink[0]))
    return `expected something to see, got “${name}”, whose middle has one shade`;
  return "";
}

// { ink, told } of a file, or { fault }.
async function readPicture(file, side) {
  const fault = faultOfFile(file);
  if (fault) return { fault };
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return { fault: `expected ${KINDS}, got “${file.name}”, which the browser cannot read` };
  const { width, height } = image;
  const square = Math.min(width, height);
  const canvas = picture(side * FINE);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const corner = [(width - square) / 2, (height - square) / 2];
  context.drawImage(image, ...corner, square, square, 0, 0, canvas.width, canvas.height);
  const ink = inkOf(context.getImageData(0, 0, canvas.width, canvas.height).data, side, FINE);
  const told = width === height ? "" : ", its middle square";
  const wrong = faultOfPicture(file.name, width, height, ink);
  return wrong ? { fault: wrong } : { ink, told: `“${file.name}”, ${width} × ${height}${told}.` };
}

class Sheet {
  constructor(model, el) {
    this.model = model;
    this.side = model.get("side");
    this.erasing = false;
    this.build(el);
    this.listen();
    this.take();
  }

  build(el) {
    el.innerHTML = `<div class="rlv-own"><canvas tabindex="0" role="application"></canvas><div>
      <b>your own picture</b>
      <button class="pen" aria-pressed="true">Pen</button>
      <button class="eraser" aria-pressed="false">Eraser</button>
      <button class="clear">Clear</button>
      <button class="open">Open a file…</button>
      <input type="file" accept="image/*" hidden>
      <p role="status"></p></div></div>`;
    this.part = (selector) => el.querySelector(selector);
    this.canvas = this.part("canvas");
    this.canvas.width = this.canvas.height = this.side;
    this.canvas.setAttribute("aria-label", WORDS.sheet);
    this.say(WORDS.hint);
  }

  listen() {
    const { canvas } = this;
    followPointer(canvas, this.side, {
      begin: () => {},
      draw: (line) => this.change((pixels) => line(pixels)),
      over: () => {},
      erases: () => this.erasing,
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.dataset.lmSuppressShortcuts = "true"; // a notebook's own keys are not meant here
    for (const erasing of [false, true])
      this.part(erasing ? ".eraser" : ".pen").addEventListener("click", () => this.choose(erasing));
    this.part(".clear").addEventListener("click", () => this.clear());
    const input = this.part("input");
    this.part(".open").addEventListener("click", () => input.click());
    input.addEventListener("change", () => this.open(input));
    this.taking = () => this.take();
    this.model.on("change:pixels", this.taking);
  }

  choose(erasing) {
    this.erasing = erasing;
    this.part(".pen").setAttribute("aria-pressed", !erasing);
    this.part(".eraser").setAttribute("aria-pressed", erasing);
  }

  clear() {
    this.change((pixels) => pixels.fill(0));
    this.say(WORDS.hint);
  }

  key(event) {
    event.stopPropagation();
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) this.change((pixels) => pixels.set(shifted(pixels, this.side, ...move)));
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  }

  async open(input) {
    const [file] = input.files;
    if (!file) return;
    const { ink, told, fault } = await readPicture(file, this.side);
    input.value = ""; // the same file once more is a change, too
    if (!fault) this.change((pixels) => pixels.set(ink));
    this.say(fault ? `Picture: ${fault}. ${WORDS.kept}` : told, Boolean(fault));
  }

  say(text, wrong = false) {
    this.part("p").textContent = text;
    this.part("p").classList.toggle("wrong", wrong);
  }

  // What the kernel has, unless the reader has drawn more since.
  take() {
    if (this.timer) return;
    this.pixels = Uint8Array.from(this.model.get("pixels"));
    paintInk(this.canvas, this.pixels, 255);
  }

  change(act) {
    act(this.pixels);
    paintInk(this.canvas, this.pixels, 255);
    this.timer ??= setTimeout(() => this.send(), PAUSE);
  }

  send() {
    this.timer = null;
    this.model.set("pixels", [...this.pixels]);
    this.model.set("changes", this.model.get("changes") + 1);
    this.model.save_changes();
  }

  destroy() {
    clearTimeout(this.timer);
    this.model.off("change:pixels", this.taking);
  }
}

// For a notebook (anywidget).
function render({ model, el }) {
  const sheet = new Sheet(model, el);
  return () => sheet.destroy();
}

export default { render };
