// The lasso of one digit: min over z ≥ 0 of ½‖y − Wz‖² + λ‖z‖₁, by coordinate descent, certified.
//
// y has d pixels, W has n atoms (strokes) of d pixels and length 1, `on` says which atoms may be
// used. A code z has n entries. All numbers are float64, as in the package.

// What a solver asks of W: its atoms (atom j is W[j·d … j·d + d − 1]), where each of them has ink,
// G = WᵀW, and L, the largest eigenvalue of G. bytes: the atoms, n·d numbers from 0 to 255.
export function dictionary(bytes, d) {
  const n = bytes.length / d;
  const W = new Float64Array(n * d);
  const ink = [];
  for (let j = 0; j < n; j++) {
    const atom = bytes.subarray(j * d, (j + 1) * d);
    const length = Math.sqrt(atom.reduce((sum, v) => sum + v * v, 0)) || 1;
    ink.push(Uint16Array.from(atom.keys()).filter((i) => atom[i] > 0));
    for (const i of ink[j]) W[j * d + i] = atom[i] / length;
  }
  const D = { n, d, W, ink };
  D.G = gram(D);
  D.L = largestEigenvalue(D.G, n);
  return D;
}

function gram({ n, d, W, ink }) {
  const G = new Float64Array(n * n);
  for (let j = 0; j < n; j++)
    for (let k = j; k < n; k++) {
      let sum = 0;
      for (const i of ink[j]) sum += W[j * d + i] * W[k * d + i];
      G[j * n + k] = G[k * n + j] = sum;
    }
  return G;
}

// By power iteration. Nothing in G is negative, so a start that is positive everywhere has a share
// in the leading eigenvector.
function largestEigenvalue(G, n) {
  let v = new Float64Array(n).fill(1 / Math.sqrt(n));
  let length = 0;
  for (let round = 0; round < 1000; round++) {
    const u = new Float64Array(n);
    for (let j = 0; j < n; j++) subtract(u, -v[j], G, j);
    const before = length;
    length = Math.sqrt(dot(u, u));
    if (length === 0) return 1; // no ink at all: every step will do
    v = u.map((entry) => entry / length);
    if (Math.abs(length - before) <= 1e-14 * length) break;
  }
  return length;
}

// c ← c − move · (column j of G)
export function subtract(c, move, G, j) {
  const n = c.length;
  const from = j * n;
  for (let k = 0; k < n; k++) c[k] -= move * G[from + k];
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// Wᵀr: how much each atom sees of r.
export function adjoint({ n, d, W, ink }, r) {
  const seen = new Float64Array(n);
  for (let j = 0; j < n; j++) for (const i of ink[j]) seen[j] += W[j * d + i] * r[i];
  return seen;
}

// Wz: what a code draws.
export function decode({ n, d, W, ink }, z) {
  const picture = new Float64Array(d);
  for (let j = 0; j < n; j++)
    if (z[j] !== 0) for (const i of ink[j]) picture[i] += z[j] * W[j * d + i];
  return picture;
}

// The least λ at which the empty code is the best one. b = Wᵀy.
export function lambdaMax(b, on) {
  return b.reduce((most, seen, j) => (on[j] ? Math.max(most, seen) : most), 0);
}

// From b = Wᵀy, ‖y‖² and the start z, which becomes the answer: sweeps over the atoms until the
// relative gap is at most tol. Returns how many.
export function solve(D, b, squared, lam, z, on, { tol = 1e-6, most = 1000 } = {}) {
  const c = Float64Array.from(b); // c = b − Gz: what each atom still sees of y
  for (let j = 0; j < D.n; j++) {
    if (!on[j]) z[j] = 0;
    if (z[j] !== 0) subtract(c, z[j], D.G, j);
  }
  let sweeps = 0;
  do {
    sweep(D.G, c, z, lam, on);
    sweeps++;
  } while (sweeps < most && relativeGap(b, c, z, squared, lam, on) > tol);
  return sweeps;
}

// Every z_j in turn is set to the best it can be while the others stay. Returns the moves made.
export function sweep(G, c, z, lam, on) {
  let moves = 0;
  for (let j = 0; j < z.length; j++) {
    if (!on[j]) continue;
    const best = Math.max(z[j] + c[j] - lam, 0);
    if (best === z[j]) continue;
    subtract(c, best - z[j], G, j);
    z[j] = best;
    moves++;
  }
  return moves;
}

// E(y, z) without a look at the pixels: ‖r‖² = ‖y‖² − ⟨z, b⟩ − ⟨z, c⟩.
export function energyOf(b, c, z, squared, lam) {
  let sum = squared;
  for (let j = 0; j < z.length; j++) sum += z[j] * (2 * lam - b[j] - c[j]);
  return sum / 2;
}

function relativeGap(b, c, z, squared, lam, on) {
  const zb = dot(z, b);
  const rr = Math.max(squared - zb - dot(z, c), 0);
  const bound = lowerBound(squared - zb, rr, lambdaMax(c, on), lam);
  return share(energyOf(b, c, z, squared, lam) - bound, bound);
}

// No code has a lower energy than this: ⟨y, u⟩ − ½‖u‖² for u = s·r, with the best s for which no
// atom sees more than λ of u. yr = ⟨y, r⟩, rr = ‖r‖², most = the most that an atom sees of r.
function lowerBound(yr, rr, most, lam) {
  if (rr === 0) return 0;
  const s = Math.max(Math.min(yr / rr, most > 0 ? lam / most : Infinity), 0);
  return s * yr - (s * s * rr) / 2;
}

// What is known of a code, computed anew from its pixels: the residual r = y − Wz, the two terms of
// the energy, a bound that no code can be below, and the relative gap between the two.
export function certificate(D, y, z, lam, on) {
  const picture = decode(D, z);
  const r = Float64Array.from(y, (v, i) => v - picture[i]);
  const rr = dot(r, r);
  const fit = rr / 2;
  const price = lam * z.reduce((sum, entry) => sum + entry, 0);
  const energy = fit + price;
  const bound = lowerBound(dot(y, r), rr, lambdaMax(adjoint(D, r), on), lam);
  return { picture, r, fit, price, energy, bound, gap: share(energy - bound, bound) };
}

// A gap as a share of the bound; rounding alone can make a gap negative. A bound of 0 says nothing
// (and may be −0), so no code is good enough for it, but the empty code of an empty sheet.
function share(gap, bound) {
  if (gap <= 0) return 0;
  return bound > 0 ? gap / bound : Infinity;
}
