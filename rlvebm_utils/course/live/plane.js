// The energy of points y in a plane, for codes z ≥ 0 of a few numbers:
// F(y) = min over z of ½‖y − Wz‖² + λ‖z‖₁. An atom is a pair of numbers; none is zero.
//
// In a plane some best code has at most two non-zeros: what Wz is can be had at the same price from
// two atoms at most (a linear programme with two equations). So all supports of up to two atoms are
// tried, and each has a formula: nothing is iterated, and λ = 0 is no special case.

function dot2([a, b], [c, d]) {
  return a * c + b * d;
}

// What is known of a code: Wz, the two terms of the energy and their sum.
export function judge(atoms, y, z, lam) {
  const sum = (axis) => z.reduce((all, weight, j) => all + weight * atoms[j][axis], 0);
  const Wz = [sum(0), sum(1)];
  const fit = ((y[0] - Wz[0]) ** 2 + (y[1] - Wz[1]) ** 2) / 2;
  const price = lam * z.reduce((all, weight) => all + weight, 0);
  return { z, Wz, fit, price, energy: fit + price };
}

// The code of least energy, judged.
export function bestCode(atoms, y, lam) {
  const empty = () => new Array(atoms.length).fill(0);
  let best = judge(atoms, y, empty(), lam);
  const attempt = (weights) => {
    if (Object.values(weights).some((weight) => !(weight > 0))) return;
    const found = judge(atoms, y, Object.assign(empty(), weights), lam);
    if (found.energy < best.energy) best = found;
  };
  for (let j = 0; j < atoms.length; j++) {
    const seen = dot2(atoms[j], y) - lam;
    attempt({ [j]: seen / dot2(atoms[j], atoms[j]) });
    for (let k = 0; k < j; k++) attempt(pair(atoms, y, lam, j, k));
  }
  return best;
}

// The weights of atoms j and k alone: (WᵀW) z = Wᵀy − λ. Parallel atoms give none.
function pair(atoms, y, lam, j, k) {
  const [jj, jk, kk] = [[j, j], [j, k], [k, k]].map(([a, b]) => dot2(atoms[a], atoms[b]));
  const [bj, bk] = [dot2(atoms[j], y) - lam, dot2(atoms[k], y) - lam];
  const determinant = jj * kk - jk * jk;
  if (determinant < 1e-12 * jj * kk) return { [j]: 0 };
  return { [j]: (kk * bj - jk * bk) / determinant, [k]: (jj * bk - jk * bj) / determinant };
}

// F in the middle of each cell of a square map, row by row from the top.
export function energies(atoms, lam, reach, cells) {
  const middle = (place) => reach * ((2 * place + 1) / cells - 1);
  const F = new Float64Array(cells * cells);
  for (let row = 0; row < cells; row++)
    for (let column = 0; column < cells; column++) {
      const y = [middle(column), -middle(row)];
      F[row * cells + column] = bestCode(atoms, y, lam).energy;
    }
  return F;
}
