// What the page of the point says. Another language: mount(el, { words: { … } }).

export const POINT_WORDS = {
  title: "Drag y: which code explains it, and at what cost?",
  map: "the plane of y; colour: F(y)",
  mapHelp:
    "Map of the plane. Drag the point y with pointer or finger. Arrow keys move it by 0.05, " +
    "with Shift by 0.01.",
  lambda: "price λ",
  codes: "code z: move an entry yourself",
  entry: "z{number}",
  best: "Take the best z",
  y: "y",
  fit: "misfit ½‖y − Wz‖²",
  price: "price λ‖z‖₁",
  energy: "energy E(y, z)",
  F: "F(y): E at the best z",
  above: "E − F",
  low: "F = 0",
  high: "F ≥ {top}",
  data: "data",
  told: "y = ({y}), z = ({z}): misfit {fit}, price {price}, E {energy}, F {F}.",
};
