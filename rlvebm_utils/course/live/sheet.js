// Small pictures on canvases, one canvas pixel for each of theirs, and the sheet that is drawn on.
// Ink is black that lets more or less of the paper through, so that CSS alone makes it light in
// a dark theme.

import { stroke } from "./pen.js";

const BLUE = [0, 114, 178];
const VERMILION = [213, 94, 0];
const ORANGE = [230, 159, 0];

export function picture(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  return canvas;
}

// Values from 0 (paper) to `full` (ink).
export function paintInk(canvas, values, full = 1) {
  paint(canvas, values, () => [0, 0, 0], full);
}

// Values about zero: blue above, vermilion below, full colour at ±½.
export function paintSigned(canvas, values) {
  paint(canvas, values, (value) => (value > 0 ? BLUE : VERMILION), 0.5);
}

// Where an atom has ink, over the drawing.
export function paintLight(canvas, values, full) {
  paint(canvas, values, () => ORANGE, full / 1.5);
}

export function wipe(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

function paint(canvas, values, colour, full) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    if (value === 0) return;
    const [red, green, blue] = colour(value);
    image.data[4 * i] = red;
    image.data[4 * i + 1] = green;
    image.data[4 * i + 2] = blue;
    image.data[4 * i + 3] = 255 * Math.min(Math.abs(value) / full, 1);
  });
  context.putImageData(image, 0, 0);
}

// Follow mouse, pen and finger over `el`. begin() stands before a line, draw(change) takes each
// piece of it, a function that changes the pixels; over(place) tells where the pointer is, null
// when it has left; erases() whether the eraser is chosen.
export function followPointer(el, side, { begin, draw, over, erases }) {
  let last = null;
  const placeOf = (event) => {
    const { left, top, width, height } = el.getBoundingClientRect();
    const x = ((event.clientX - left) / width) * side;
    const y = ((event.clientY - top) / height) * side;
    return { x, y };
  };
  const line = (event) => {
    const to = placeOf(event);
    const from = last ?? to;
    const erase = erases() || Boolean(event.buttons & 32); // 32: the other end of the pen
    const width = event.pointerType === "pen" ? 0.7 + 0.6 * event.pressure : 1;
    draw((pixels) => stroke(pixels, side, from, to, { erase, width }));
    last = to;
  };
  el.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || (event.button !== 0 && event.button !== 5)) return;
    el.setPointerCapture(event.pointerId);
    begin();
    line(event);
  });
  el.addEventListener("pointermove", (event) => {
    over(placeOf(event));
    if (last === null || !event.isPrimary) return;
    // Between two frames there may be many moves: the line goes through all of them.
    const all = event.getCoalescedEvents?.() ?? [];
    (all.length > 0 ? all : [event]).forEach(line);
  });
  const end = () => (last = null);
  el.addEventListener("pointerup", end);
  el.addEventListener("pointercancel", end);
  el.addEventListener("pointerleave", () => over(null));
}
