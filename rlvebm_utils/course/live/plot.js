// Curves of energies above the best one, both axes logarithmic, as SVG. Both axes stand still: what
// moves is what the reader does.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 58, top: 10, right: 96, bottom: 34 };
const LABEL_HEIGHT = 15;
const HIGH = 1e2;
const LOW = 1e-4;

// A new plot in `el`: `draw(curves)` shows curves { label, colour, x, above }, colour a CSS class.
// xlabel, ylabel: what stands at the axes; most: the largest x.
export function makePlot(el, { xlabel, ylabel, most }) {
  const svg = add(el, "svg", { role: "img" });
  const axes = add(svg, "g", { class: "axes" });
  const lines = add(svg, "g", { class: "lines" });
  const labels = add(svg, "g", { class: "labels" });
  let box = null;
  const fit = () => {
    const { width, height } = el.getBoundingClientRect();
    if (width < MARGIN.left + MARGIN.right || height < 60) return;
    box = scales(width, height, most);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawAxes(axes, box, xlabel, ylabel);
  };
  const draw = (curves) => {
    if (!box) fit();
    if (!box) return;
    const ends = curves.map((curve, place) => {
      const line = lines.children[place] ?? add(lines, "path", {});
      line.setAttribute("class", curve.colour);
      const { path, end } = trace(box, curve);
      line.setAttribute("d", path);
      return { ...curve, ...end };
    });
    placeLabels(labels, ends, box);
  };
  return { svg, fit, draw };
}

function scales(width, height, most) {
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const log = (value, low, high) => Math.log(value / low) / Math.log(high / low);
  return {
    most,
    right,
    bottom,
    x: (value) => MARGIN.left + (right - MARGIN.left) * log(value, 1, most),
    y: (value) => MARGIN.top + (bottom - MARGIN.top) * log(clamp(value), HIGH, LOW),
  };
}

function clamp(value) {
  return Math.min(Math.max(value, LOW), HIGH);
}

// The curve as the text of a path, and where it ends: at its last point, or where it leaves the
// plot at the bottom. What stands at x < 1 (the start) has no place on this axis.
function trace(box, { x, above }) {
  let [path, end] = ["", { endX: MARGIN.left, endY: box.y(HIGH) }];
  for (let k = 0; k < x.length; k++) {
    if (x[k] < 1) continue;
    end = { endX: box.x(x[k]), endY: box.y(above[k]) };
    path += `${path ? "L" : "M"}${end.endX.toFixed(1)} ${end.endY.toFixed(1)}`;
    if (above[k] <= LOW || x[k] >= box.most) break;
  }
  return { path, end };
}

// Each label beside the end of its curve: to the right, or to the left where another curve has
// ended there. Those that would lie over each other move apart.
function placeLabels(group, ends, box) {
  for (const one of ends) {
    const inTheWay = (other) =>
      other.endX > one.endX + 1 && Math.abs(other.endY - one.endY) < LABEL_HEIGHT;
    one.left = one.endX > MARGIN.left + 90 && ends.some(inTheWay);
  }
  spread(ends.filter((one) => !one.left), box);
  spread(ends.filter((one) => one.left), box);
  ends.forEach((one, place) => {
    const dot = group.children[2 * place] ?? add(group, "circle", { r: 3.5 });
    const text = group.children[2 * place + 1] ?? add(group, "text", { dy: "0.32em" });
    set(dot, { class: one.colour, cx: one.endX, cy: one.endY });
    const anchor = one.left ? "end" : "start";
    set(text, { x: one.endX + (one.left ? -9 : 9), y: one.labelY, "text-anchor": anchor });
    if (text.textContent !== one.label) text.textContent = one.label;
  });
}

// Heights for the labels, as near to the ends as they can be without touching.
function spread(ends, box) {
  const sorted = [...ends].sort((a, b) => a.endY - b.endY);
  let free = MARGIN.top;
  for (const one of sorted) {
    one.labelY = Math.max(one.endY, free);
    free = one.labelY + LABEL_HEIGHT;
  }
  let limit = box.bottom;
  for (const one of sorted.reverse()) {
    one.labelY = Math.min(one.labelY, limit);
    limit = one.labelY - LABEL_HEIGHT;
  }
}

function drawAxes(group, box, xlabel, ylabel) {
  group.replaceChildren();
  for (let power = Math.log10(LOW); power <= Math.log10(HIGH); power++) {
    const y = box.y(10 ** power);
    add(group, "path", { d: `M${MARGIN.left} ${y}H${box.right}` });
    if (power % 2 === 0) label(group, power === 0 ? "1" : tenTo(power), MARGIN.left - 7, y, "end");
  }
  for (let value = 1; value <= box.most; value *= 10) {
    const x = box.x(value);
    add(group, "path", { d: `M${x} ${MARGIN.top}V${box.bottom}` });
    label(group, String(value), x, box.bottom + 11, "middle");
  }
  label(group, xlabel, (MARGIN.left + box.right) / 2, box.bottom + 26, "middle");
  const middle = (MARGIN.top + box.bottom) / 2;
  const title = label(group, ylabel, 10, middle, "middle");
  title.setAttribute("transform", `rotate(-90 10 ${middle})`);
}

function tenTo(power) {
  const digits = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴" };
  return `10${[...String(power)].map((one) => digits[one]).join("")}`;
}

function label(group, words, x, y, anchor) {
  const text = add(group, "text", { x, y, dy: "0.32em", "text-anchor": anchor });
  text.textContent = words;
  return text;
}

function add(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  set(element, attributes);
  return parent.appendChild(element);
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
