// A pen on a small sheet of pixels: side × side bytes, 0 paper, 255 ink. Places are in pixels, with
// (0, 0) at the upper left corner of the sheet.

// Ink along the line from `from` to `to`, soft at its edge; or paper, with erase. `width` 1 is a
// line about as wide as those of the MNIST digits.
export function stroke(pixels, side, from, to, { erase = false, width = 1 } = {}) {
  const spread = 1.6 * width * width * (erase ? 4 : 1);
  const reach = 3.5 * Math.sqrt(spread / 1.6);
  const [left, right] = range(from.x, to.x, reach, side);
  const [top, bottom] = range(from.y, to.y, reach, side);
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++) {
      const away = squaredDistance(column + 0.5, row + 0.5, from, to);
      const ink = Math.round(255 * Math.min(1.3 * Math.exp(-away / spread), 1));
      const at = row * side + column;
      pixels[at] = erase ? Math.min(pixels[at], 255 - ink) : Math.max(pixels[at], ink);
    }
}

function range(a, b, reach, side) {
  const low = Math.floor(Math.min(a, b) - reach);
  const high = Math.ceil(Math.max(a, b) + reach);
  return [Math.max(low, 0), Math.min(high, side)];
}

function squaredDistance(x, y, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const along = ((x - from.x) * dx + (y - from.y) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.min(Math.max(along, 0), 1);
  return (x - from.x - t * dx) ** 2 + (y - from.y - t * dy) ** 2;
}

// The same drawing, dx pixels to the right and dy down. What leaves the sheet is lost.
export function shifted(pixels, side, dx, dy) {
  const moved = new Uint8Array(pixels.length);
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++) {
      const [x, y] = [column - dx, row - dy];
      const inside = x >= 0 && x < side && y >= 0 && y < side;
      if (inside) moved[row * side + column] = pixels[y * side + x];
    }
  return moved;
}

// The same drawing with its centre of mass in the middle, as the MNIST digits have it.
export function centred(pixels, side) {
  let [mass, x, y] = [0, 0, 0];
  pixels.forEach((ink, at) => {
    mass += ink;
    x += ink * ((at % side) + 0.5);
    y += ink * (Math.floor(at / side) + 0.5);
  });
  const off = (sum) => Math.round(side / 2 - sum / mass);
  return mass > 0 ? shifted(pixels, side, off(x), off(y)) : pixels;
}
