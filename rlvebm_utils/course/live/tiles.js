// The strokes in use as tiles: a picture, a weight, a switch.

import { number, say } from "./words.js";
import { paintInk, picture } from "./sheet.js";

// In `list`, one tile for each stroke that is ever used, made when it first is. toggle(j) switches
// stroke j, look(j) shows where it acts, look(null) no longer.
export function makeTiles(list, { D, side, words, toggle, look }) {
  const made = new Map();

  const make = (j) => {
    const atom = D.W.subarray(j * D.d, (j + 1) * D.d);
    const canvas = picture(side);
    paintInk(canvas, atom, atom.reduce((a, b) => Math.max(a, b)) || 1);
    const button = document.createElement("button");
    button.type = "button";
    const weight = document.createElement("span");
    const bar = document.createElement("i");
    button.append(canvas, bar, weight);
    button.addEventListener("click", () => toggle(j));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => look(j));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => look(null));
    const item = document.createElement("li");
    item.append(button);
    made.set(j, { item, button, weight, bar });
    return made.get(j);
  };
  const tile = (j) => made.get(j) ?? make(j);

  // These strokes in this order, those that are there already moved as little as possible.
  const arrange = (strokes) => {
    const focused = list.getRootNode().activeElement;
    let at = list.firstElementChild;
    for (const j of strokes) {
      const { item } = tile(j);
      if (item === at) at = at.nextElementSibling;
      else list.insertBefore(item, at);
    }
    while (at) {
      const gone = at;
      at = at.nextElementSibling;
      gone.remove();
    }
    // An element that is moved loses the focus.
    if (list.contains(focused)) focused.focus({ preventScroll: true });
  };

  const show = (strokes, z, on) => {
    arrange(strokes);
    const most = strokes.reduce((top, j) => Math.max(top, z[j]), 1e-9);
    for (const j of strokes) {
      const { button, weight, bar } = tile(j);
      change(weight, on[j] ? number(z[j]) : words.off);
      bar.style.width = `${Math.round((100 * z[j]) / most)}%`;
      button.setAttribute("aria-pressed", Boolean(on[j]));
      if (!button.ariaLabel) name(j, z, on);
    }
  };

  // In words, for a screen reader: at rest, because it costs more than it is worth at each frame.
  const tell = (strokes, z, on) => strokes.forEach((j) => name(j, z, on));
  const name = (j, z, on) => {
    const values = { number: j + 1, weight: number(z[j]) };
    const label = say(on[j] ? words.stroke : words.strokeOff, values);
    tile(j).button.setAttribute("aria-label", label);
  };

  // Light up the tiles whose stroke has ink at pixel i; none for i < 0.
  const light = (strokes, i) => {
    for (const j of strokes) {
      const ink = i >= 0 ? D.W[j * D.d + i] : 0;
      tile(j).button.classList.toggle("here", ink > 0.1);
    }
  };

  return { show, tell, light };
}

// Only what differs is written: the browser lays out anew whatever is.
export function change(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
