// What the page says, in one table. Another language: mount(el, { words: { pen: "Stift", … } }).
// {name} stands for a value.

export const WORDS = {
  title: "Draw a digit: which strokes build it?",
  drawing: "your digit y",
  drawingHelp:
    "Drawing, {side} by {side} pixels. Draw with pointer, pen or finger. " +
    "Arrow keys move the digit, Delete erases it, Control Z takes a step back.",
  empty: "draw here",
  pen: "Pen",
  eraser: "Eraser",
  undo: "Undo",
  clear: "Clear",
  centre: "Centre",
  samples: "sample digits",
  sample: "sample digit {digit}",
  rebuilt: "rebuilt: Wz",
  rebuiltAlt: "The digit, rebuilt from {count} strokes",
  residual: "residual: y − Wz",
  residualAlt: "What is left over: half the squared error is {fit}",
  missing: "missing",
  extra: "too much",
  strokes: "strokes in use",
  strokesHelp: "largest weight first; click one to leave it out",
  stroke: "stroke {number}, weight {weight}",
  strokeOff: "stroke {number}, left out",
  off: "out",
  allOn: "All back in",
  none: "none: the empty code is the best one",
  lambda: "price of ink λ",
  lambdaSaid: "λ = {lam}, {share} of λ_max",
  lambdaMax: "λ_max",
  fit: "misfit ½‖y − Wz‖²",
  price: "price λ‖z‖₁",
  energy: "energy E",
  nonzeros: "strokes ‖z‖₀",
  share: "λ / λ_max",
  gap: "certified gap",
  gapBelow: "E is at most this much above the least energy, as a share of it. Proved, not guessed.",
  race: "race: three ways to the same code, from z = 0",
  raceAlt: "After the race, above the least energy: {each}",
  raceX: "steps (a sweep over all strokes is one)",
  raceWork: "multiply–adds / n² (one full product with WᵀW)",
  raceY: "E − best E",
  bySteps: "by steps",
  byWork: "by work",
  ista: "ISTA",
  fista: "FISTA",
  descent: "coordinates",
  told: "{count} strokes. Energy {energy}: misfit {fit}, price {price}.",
  toldEmpty: "The sheet is empty.",
};

// The words with {name} replaced by values.name.
export function say(words, values) {
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A number as a reader wants it, in three digits: 0.152, 7.25, 41.3.
export function number(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e4) return value.toExponential(1).replace("-", "−");
  return value.toPrecision(Math.max(3, Math.floor(Math.log10(size)) + 1)).replace("-", "−");
}

// A share in per cent, in two digits: 3.1 %, 120 %.
export function percent(share) {
  if (share > 0 && share < 1e-6) return "< 0.0001 %";
  if (share === 0) return "0 %";
  const value = 100 * share;
  const digits = Math.max(1 - Math.floor(Math.log10(value)), 0);
  return `${value.toFixed(Math.min(digits, 6))} %`;
}

// The dual point.
export const DUAL = {
  title: "Drag u: how high can you raise the floor?",
  help:
    "Green: where u keeps its promise to every atom. The floor is high where u is close to y: " +
    "on the dashed circle it is the same. Drag u or y, or move them with the arrow keys.",
  y: "sample y at {x}, {y}; arrow keys move it",
  u: "dual point u at {x}, {y}; arrow keys move it",
  atom: "atom {number}",
  lambda: "λ",
  floor: "⟨y, u⟩ − ½‖u‖²",
  least: "least E of all codes",
  verdict: "a lower bound?",
  broken: "promises broken",
  yes: "yes, proved",
  no: "no",
  none: "none",
  toldYes: "The floor {floor} is proved; the least energy is {least}.",
  toldNo: "A promise is broken: {floor} proves nothing; the least energy is {least}.",
};
