// ISTA, FISTA and coordinate descent on the same digit, step by step, all from the empty code.

import { energyOf, subtract, sweep } from "./lasso.js";

// The runners. `advance(until)` takes steps, one of each in turn, until that moment (in ms, on the
// clock of performance.now) or until each has taken `steps`; it returns whether any is still on its
// way. A runner's `energies` begin with the empty code's; `work[k]` are the multiply–adds in WᵀW
// that led to `energies[k]`, zeros left out.
export function startRace(D, b, squared, lam, on, steps) {
  const problem = { D, b, squared, lam, on };
  const runners = [
    gradientSteps(problem, false),
    gradientSteps(problem, true),
    coordinateSteps(problem),
  ].map((step, place) => ({
    name: ["ista", "fista", "descent"][place],
    step,
    energies: [squared / 2],
    work: [0],
    finished: false,
  }));
  const running = () => runners.filter((one) => !one.finished);
  const advance = (until) => {
    while (running().length > 0 && performance.now() < until) running().forEach(oneStep);
    return running().length > 0;
  };
  const oneStep = (one) => {
    const { energy, work, settled } = one.step();
    one.energies.push(energy);
    one.work.push(one.work.at(-1) + work);
    one.finished = settled || one.energies.length > steps;
  };
  return { runners, advance };
}

// z ← max(v + (Wᵀ(y − Wv) − λ)/L, 0): from v = z (ISTA), or from a point ahead of z (FISTA), which
// restarts as the package's does: where a step turns against the momentum.
function gradientSteps({ D, b, squared, lam, on }, momentum) {
  const { n, G, L } = D;
  let z = new Float64Array(n);
  let c = Float64Array.from(b); // b − Gz
  let v = z;
  let seen = c; // b − Gv: it moves along a line as v does
  let t = 1;
  return () => {
    const next = new Float64Array(n);
    for (let j = 0; j < n; j++) if (on[j]) next[j] = Math.max(v[j] + (seen[j] - lam) / L, 0);
    const nextC = Float64Array.from(b);
    let products = 0;
    for (let j = 0; j < n; j++)
      if (next[j] !== 0) {
        subtract(nextC, next[j], G, j);
        products += n;
      }
    let ahead = 0;
    if (momentum) [ahead, t] = extrapolation(t, v, z, next);
    const beyond = (now, last) => now.map((entry, j) => entry + ahead * (entry - last[j]));
    v = ahead ? beyond(next, z) : next;
    seen = ahead ? beyond(nextC, c) : nextC;
    [z, c] = [next, nextC];
    return { energy: energyOf(b, c, z, squared, lam), work: products, settled: false };
  };
}

// How far to go on along the last move, and the next t.
function extrapolation(t, v, z, next) {
  let turned = 0;
  for (let j = 0; j < z.length; j++) turned += (v[j] - next[j]) * (next[j] - z[j]);
  if (turned > 0) return [0, 1];
  const after = (1 + Math.sqrt(1 + 4 * t * t)) / 2;
  return [(t - 1) / after, after];
}

function coordinateSteps({ D, b, squared, lam, on }) {
  const z = new Float64Array(D.n);
  const c = Float64Array.from(b);
  return () => {
    const moves = sweep(D.G, c, z, lam, on);
    const energy = energyOf(b, c, z, squared, lam);
    return { energy, work: moves * D.n, settled: moves === 0 };
  };
}
