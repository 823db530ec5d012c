// What the page of the stamps says. Another language: mount(el, { words: { … } }).

export const STAMP_WORDS = {
  title: "Stamp an image, then move it and watch its code follow",
  map: "a map: click to stamp",
  mapHelp:
    "Map of {places} by {places} places. Click or tap to stamp the chosen kernel. Arrow keys move " +
    "the cursor, Enter stamps, Delete erases what is stamped there.",
  kernels: "the kernels",
  kernel: "kernel K{number}",
  strength: "strength",
  erase: "Eraser",
  clear: "Empty the map",
  image: "Y = Σ Kᵢ * Zᵢ",
  ring: "dot: a stamp above 0; ring: below 0; colour: which kernel",
  move: "move the image",
  frame: "the image: drag it",
  frameHelp: "The image on empty ground. Drag it, or move it by a pixel with the arrow keys.",
  photo: "Photograph",
  mine: "My stamps",
  home: "Move back",
  lambda: "price λ",
  conv: "convolutional code",
  patches: "patch codes, the same kernels",
  convDots: "a dot for each entry that is not 0",
  patchDots: "one box for each patch of 9 × 9",
  moved: "moved by (down, right)",
  used: "not 0: convolutional",
  usedPatches: "not 0: patches",
  off: "distance from the old code, moved",
  offPatches: "patches: distance, at best",
  told:
    "Moved by {moved}: the convolutional code has {used} entries that are not 0, at a distance " +
    "of {off} from the old one, moved; the patch codes have {usedPatches}, at a distance of {offPatches}.",
  stamped: "Row {row}, column {column}: {count} stamps on the map.",
};
