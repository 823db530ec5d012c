// Elements of a page, numbers as text, and a pointer that is followed while it is down.

const SPACE = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...children);
  return one;
}

export function shape(parent, tag, attributes) {
  const one = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  return parent.appendChild(one);
}

// Two digits after the point, with a true minus; −0.00 is 0.00.
export function fixed(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

// A slider with its name and its value.
export function slider(name, { min = 0, max, step }) {
  const input = element("input", { type: "range", min, max, step, "aria-label": name });
  const output = element("output", { "aria-hidden": "true" });
  const row = element("label", {}, element("span", {}, name), input, output);
  const show = (value) => {
    input.value = value;
    output.textContent = fixed(value);
  };
  return { input, row, show };
}

// Where mouse, pen or finger is while it is down, both coordinates from −1 to 1 on the element.
export function followDrag(el, moved) {
  let down = false;
  const tellPlace = (event) => {
    const { left, top, width, height } = el.getBoundingClientRect();
    moved((2 * (event.clientX - left)) / width - 1, (2 * (event.clientY - top)) / height - 1);
  };
  el.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    el.setPointerCapture(event.pointerId);
    down = true;
    tellPlace(event);
  });
  el.addEventListener("pointermove", (event) => down && event.isPrimary && tellPlace(event));
  const up = () => (down = false);
  el.addEventListener("pointerup", up);
  el.addEventListener("pointercancel", up);
}
