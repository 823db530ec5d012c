// Sums of kernels at places, and the code of least energy: ½‖Y − Σᵢ Kᵢ * Zᵢ‖² + λ‖Z‖₁ by coordinate
// descent. Kernels are flat arrays of side × side numbers, images flat and square, codes flat:
// kernel, row, column.

// How a kernel at a place overlaps with each kernel at each place around: for i, j and a step s,
// Σₚ Kⱼ(p)Kᵢ(p + s).
export function overlaps(kernels, side) {
  const [n, lags] = [kernels.length, 2 * side - 1];
  const table = new Float64Array(n * n * lags * lags);
  let at = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      for (let down = 1 - side; down < side; down++)
        for (let right = 1 - side; right < side; right++)
          table[at++] = overlap(kernels[i], kernels[j], side, down, right);
  return table;
}

function overlap(first, second, side, down, right) {
  let sum = 0;
  for (let r = Math.max(0, -down); r < Math.min(side, side - down); r++)
    for (let c = Math.max(0, -right); c < Math.min(side, side - right); c++)
      sum += second[r * side + c] * first[(r + down) * side + c + right];
  return sum;
}

// The image, `size` pixels a side, of a code.
export function putDown(kernels, side, z, size) {
  const [image, places] = [new Float64Array(size * size), size - side + 1];
  z.forEach((weight, at) => {
    if (weight === 0) return;
    const kernel = kernels[Math.floor(at / places ** 2)];
    const corner = (Math.floor(at / places) % places) * size + (at % places);
    kernel.forEach((value, p) => {
      image[corner + Math.floor(p / side) * size + (p % side)] += weight * value;
    });
  });
  return image;
}

// Each kernel against each place of an image.
export function against(kernels, side, image, size) {
  const places = size - side + 1;
  const found = new Float64Array(kernels.length * places * places);
  image.forEach((value, at) => {
    if (value === 0) return; // most of the ground is empty
    const [row, column] = [Math.floor(at / size), at % size];
    const [top, low] = [Math.max(0, row - places + 1), Math.min(side - 1, row)];
    const [left, end] = [Math.max(0, column - places + 1), Math.min(side - 1, column)];
    kernels.forEach((kernel, i) => {
      for (let r = top; r <= low; r++)
        for (let c = left; c <= end; c++)
          found[(i * places + row - r) * places + column - c] += value * kernel[r * side + c];
    });
  });
  return found;
}

// The code of least energy. table: overlaps(kernels, side). The price falls to λ by steps, so that
// few entries are ever tried in vain.
export function convolutionalCode(kernels, side, table, image, size, lam, tol = 1e-4) {
  const places = size - side + 1;
  const c = against(kernels, side, image, size); // with what is not explained yet
  const z = new Float64Array(c.length);
  const state = { z, c, table, side, places, n: kernels.length };
  const every = Uint32Array.from(z.keys());
  for (let price = 0.7 * c.reduce((top, one) => Math.max(top, Math.abs(one)), 0); ; price *= 0.7) {
    state.lam = Math.max(price, lam);
    const last = state.lam === lam;
    settle(state, every, last ? tol : 0.05 * state.lam);
    if (last) return z;
  }
}

function settle(state, every, tol) {
  for (let round = 0; round < 200; round++) {
    if (sweep(state, every) < tol) return;
    const used = every.filter((at) => state.z[at] !== 0);
    for (let k = 0; k < 50 && sweep(state, used) >= tol; k++);
  }
}

// Each of these entries moved to where it is best with the others fixed; the largest move.
function sweep({ z, c, table, side, places, n, lam }, entries) {
  const lags = 2 * side - 1;
  const middle = (side - 1) * lags + side - 1;
  let largest = 0;
  for (const at of entries) {
    const i = Math.floor(at / places ** 2);
    const norm = table[(i * n + i) * lags * lags + middle];
    const target = z[at] * norm + c[at];
    const shrunk = Math.sign(target) * Math.max(Math.abs(target) - lam, 0);
    const step = shrunk / norm - z[at];
    if (step === 0) continue;
    z[at] += step;
    largest = Math.max(largest, Math.abs(step));
    const [row, column] = [Math.floor(at / places) % places, at % places];
    const [up, left] = [Math.max(0, row - side + 1), Math.max(0, column - side + 1)];
    const [low, end] = [Math.min(places, row + side), Math.min(places, column + side)];
    for (let j = 0; j < n; j++)
      for (let r = up; r < low; r++) {
        const from = ((i * n + j) * lags + r - row + side - 1) * lags + side - 1 - column;
        const to = (j * places + r) * places;
        for (let x = left; x < end; x++) c[to + x] -= step * table[from + x];
      }
  }
  return largest;
}

// The codes of the patches that the image is cut into, side × side pixels, with the same kernels as
// atoms: patch by patch (rows first), a number an atom.
export function patchCodes(kernels, side, image, size, lam, tol = 1e-9) {
  const [across, n] = [Math.floor(size / side), kernels.length];
  const gram = kernels.map((a) => kernels.map((b) => inner(a, b)));
  const codes = new Float64Array(across * across * n);
  for (let patch = 0; patch < across * across; patch++) {
    const corner = Math.floor(patch / across) * side * size + (patch % across) * side;
    const pixels = Float64Array.from(kernels[0], (_, p) =>
      image[corner + Math.floor(p / side) * size + (p % side)]);
    codes.set(patchCode(gram, kernels.map((one) => inner(one, pixels)), lam, tol), patch * n);
  }
  return codes;
}

function inner(a, b) {
  let sum = 0;
  for (let p = 0; p < a.length; p++) sum += a[p] * b[p];
  return sum;
}

function patchCode(gram, c, lam, tol) {
  const z = c.map(() => 0);
  for (let round = 0, largest = 1; round < 2000 && largest > tol; round++) {
    largest = 0;
    z.forEach((was, j) => {
      const target = was * gram[j][j] + c[j];
      z[j] = (Math.sign(target) * Math.max(Math.abs(target) - lam, 0)) / gram[j][j];
      const step = z[j] - was;
      largest = Math.max(largest, Math.abs(step));
      gram[j].forEach((value, k) => (c[k] -= step * value));
    });
  }
  return z;
}

// How far b is from a moved by (down, right), relative to a. shape: layers, rows, columns; a number
// at (layer, row, column) is number layer · step + (row · columns + column) · stride.
export function distanceMoved(a, b, { layers, side, stride, step }, down, right) {
  let [off, whole] = [0, 0];
  const at = (layer, r, c) => layer * step + (r * side + c) * stride;
  const inside = (r, c) => r >= 0 && c >= 0 && r < side && c < side;
  for (let layer = 0; layer < layers; layer++)
    for (let r = 0; r < side; r++)
      for (let c = 0; c < side; c++) {
        const was = inside(r - down, c - right) ? a[at(layer, r - down, c - right)] : 0;
        off += (b[at(layer, r, c)] - was) ** 2;
        whole += a[at(layer, r, c)] ** 2;
      }
  return whole > 0 ? Math.sqrt(off / whole) : NaN;
}
