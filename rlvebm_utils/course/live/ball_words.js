// What the page of the ball says. Another language: mount(el, { words: { … } }).

export const BALL_WORDS = {
  title: "Drag one ball: fit against spring",
  map: "the plane of codes: the balls of other digits",
  mapHelp:
    "Map of the plane of codes. Drag the ball with pointer or finger. Arrow keys move it by 0.05, " +
    "with Shift by 0.01; plus and minus change its size.",
  digits: "the digit y",
  digit: "digit {label}",
  size: "variance v",
  temperature: "temperature T",
  encoder: "The encoder's ball",
  best: "Best v here",
  y: "y",
  middle: "Dec(z̄)",
  around: "drawn from eight points of the ball",
  valley: "what changes with v, in nats",
  fitLine: "fit, above its lowest",
  sizeLine: "T · size",
  sumLine: "sum",
  fit: "fit ⟨½‖y − ŷ‖²⟩",
  spring: "T · spring ½‖z̄‖²",
  price: "T · size ½Σ(v − log v − 1)",
  total: "variational free energy",
  theirs: "of the encoder's ball",
  place: "z̄",
  told: "z̄ = ({place}), v = {v}: fit {fit}, spring {spring}, size {price}, sum {total}.",
};
