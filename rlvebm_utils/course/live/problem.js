// What is drawn and what follows from it: the state of the page, without the page.

import { adjoint, certificate, dictionary, dot, lambdaMax, solve } from "./lasso.js";
import { startRace } from "./race.js";

const TOL = 1e-6; // relative gap at which a code is good enough
const SWEEPS = 100; // in one call: what is not done then goes on at the next

export class Problem {
  constructor(atoms, side, lam) {
    this.side = side;
    this.D = dictionary(atoms, side * side);
    this.pixels = new Uint8Array(side * side);
    this.lam = lam;
    this.on = new Uint8Array(this.D.n).fill(1);
    this.z = new Float64Array(this.D.n);
    this.past = [];
    this.race = null;
  }

  // Before a change: `undo` comes back to here.
  remember() {
    this.past.push(this.pixels.slice());
    if (this.past.length > 200) this.past.shift();
  }

  undo() {
    if (this.past.length > 0) this.pixels = this.past.pop();
  }

  // Solve from the last code. What is shown is certified, whether it is at its best or not;
  // `settled` says whether it is.
  solve() {
    this.y = Float64Array.from(this.pixels, (byte) => byte / 255);
    this.b = adjoint(this.D, this.y);
    this.squared = dot(this.y, this.y);
    this.lamMax = lambdaMax(this.b, this.on);
    const { D, b, y, squared, lam, z, on } = this;
    this.sweeps = solve(D, b, squared, lam, z, on, { tol: TOL / 2, most: SWEEPS });
    this.found = certificate(D, y, z, lam, on);
    this.settled = this.found.gap <= TOL;
  }

  startRace(steps) {
    this.race = startRace(this.D, this.b, this.squared, this.lam, this.on, steps);
  }

  // The strokes in use, largest weight first. One that was left out keeps the place of the weight
  // that it had then.
  used(weightsOfTheOut) {
    const weight = (j) => (this.on[j] ? this.z[j] : weightsOfTheOut.get(j));
    const all = [...this.z.keys()].filter((j) => this.z[j] > 0 || !this.on[j]);
    return all.sort((j, k) => weight(k) - weight(j) || j - k);
  }
}
