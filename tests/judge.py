"""Whether what a solution tells of its codes is true: arithmetic of our own, in long double, from
the inputs and the codes alone. Nothing of the package is used; scikit-learn and celer are asked for
better codes.
"""

import warnings
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from sklearn.linear_model import Lasso

LONG = np.longdouble
EPS = 2.0**-52
TINY = 1e-300  # below it float64 has fewer digits, and squares vanish


@dataclass
class Case:
    """A problem and how to solve it. W: as a matrix (d, n); samples and codes are flat."""

    W: np.ndarray
    y: np.ndarray
    lam: np.ndarray
    nonnegative: bool
    weights: np.ndarray | None
    groups: np.ndarray | None
    tol: float
    name: str
    call: object = field(repr=False)
    inputs: list = field(repr=False, default_factory=list)


def norms(z, groups) -> np.ndarray:
    return np.array([np.sqrt((z[:, groups == g] ** 2).sum(1)) for g in np.unique(groups)]).T


def dual_norm(c, nonnegative, weights, groups) -> np.ndarray:
    if groups is not None:
        return norms(c, groups).max(1)
    c = c if weights is None else c / weights.astype(LONG)
    return np.maximum(c.max(1), 0) if nonnegative else np.abs(c).max(1)


def value(z, weights, groups) -> np.ndarray:
    if groups is not None:
        return norms(z, groups).sum(1)
    return (np.abs(z) if weights is None else np.abs(z) * weights.astype(LONG)).sum(1)


def energy_of(case: Case, z) -> np.ndarray:
    r = case.y.astype(LONG) - z @ case.W.T.astype(LONG)
    return (r * r).sum(1) / 2 + case.lam * value(z, case.weights, case.groups)


def rounding_of(case: Case, z, r) -> tuple[np.ndarray, np.ndarray]:
    """What float64 may lose of ‖r‖ and of the energy: each sum of k terms is off by at most k·ε of
    the sum of their sizes.
    """
    sizes = np.abs(case.y).astype(LONG) + np.abs(z) @ np.abs(case.W.T).astype(LONG)
    lost = np.sqrt((((case.W.shape[1] + 3) * EPS * sizes) ** 2).sum(1))
    length, E = np.sqrt((r * r).sum(1)), energy_of(case, z)
    return lost, length * lost + lost**2 / 2 + (sum(case.W.shape) + 9) * EPS * E


def bound(case: Case, r, lost) -> tuple[np.ndarray, np.ndarray]:
    """A lower bound on every energy from a residual; and how much higher one can be that is found
    from this residual with float64's rounding in it. (Where r is nothing but rounding, so is that.)
    """
    W, y = case.W.astype(LONG), case.y.astype(LONG)
    kind = case.nonnegative, case.weights, case.groups
    seen, squared, along = dual_norm(r @ W, *kind), (r * r).sum(1), (y * r).sum(1)
    lengths = np.sqrt((W * W).sum(0))[None]
    off = dual_norm(lengths, *kind) * (np.sqrt(squared) * (len(W) + 3) * EPS + lost)

    def dual(seen, squared, along):
        with np.errstate(all="ignore"):
            most = np.where(seen > 0, case.lam / seen, np.inf)
            best = np.where(squared > 0, along / squared, 1)
        scale = np.clip(best, 0 if case.nonnegative else -most, most)
        return scale * along - scale**2 * squared / 2

    known, length = dual(seen, squared, along), np.sqrt(squared)
    along = along + np.sqrt((y * y).sum(1)) * lost
    highest = dual(np.maximum(seen - off, 0), (length - lost) ** 2, along)
    return known, np.where(lost < length, np.maximum(highest - known, 0), np.inf)


def polished(W, y, lam, nonnegative, weights, sweeps: int) -> np.ndarray:
    """Codes by coordinate descent in long double."""
    W, y = W.astype(LONG), y.astype(LONG)
    squared = (W * W).sum(0)
    z, r = np.zeros((len(y), W.shape[1]), LONG), y.copy()
    threshold = lam[:, None] * (np.ones(W.shape[1]) if weights is None else weights)
    for _ in range(sweeps):
        for j in np.flatnonzero(squared > 0):
            v = z[:, j] + r @ W[:, j] / squared[j]
            t = threshold[:, j] / squared[j]
            new = np.maximum(v - t, 0) if nonnegative else v - np.clip(v, -t, t)
            r -= (new - z[:, j])[:, None] * W[:, j]
            z[:, j] = new
    return z


def by_others(case: Case) -> list[np.ndarray]:
    """What scikit-learn and celer find, where they can: λ > 0, numbers of usual sizes."""
    sizes = np.abs(case.W)[case.W != 0]
    usual = case.groups is None and (case.lam > 0).all() and 1e-6 < sizes.min() < sizes.max() < 1e6
    if not usual or len(case.y) > 4 or not (np.abs(case.y).max(1) > 1e-6).all():
        return []
    weights = np.ones(case.W.shape[1]) if case.weights is None else case.weights
    found = [Lasso(max_iter=2000)]
    if find_spec("celer") and (np.abs(case.W).max(0) > 0).all():
        found.append(import_module("celer").Lasso(max_iter=20))
    return [_solved(case, model, weights) for model in found]


def _solved(case: Case, model, weights) -> np.ndarray:
    """One sample after the other; a weight goes into the atom, and out of its entry."""
    options = {"fit_intercept": False, "positive": case.nonnegative, "tol": 1e-10}
    z = np.zeros((len(case.y), case.W.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row, y, lam in zip(z, case.y, case.lam, strict=True):
            model.set_params(alpha=lam / len(y), **options)
            row[:] = np.nan_to_num(model.fit(case.W / weights, y).coef_ / weights, nan=0)
    return z.astype(LONG)


def rivals(case: Case) -> np.ndarray:
    """The lowest energy that we find ourselves: no bound may be above it."""
    kind = case.nonnegative, case.weights
    found = [np.zeros((len(case.y), case.W.shape[1]), LONG)]
    if case.groups is None:
        found.append(polished(case.W, case.y, case.lam, *kind, sweeps=30))
    if not case.nonnegative:
        scale = np.abs(case.W).max(0)
        scale[scale == 0] = 1
        solved = np.linalg.lstsq(case.W / scale, case.y.T, rcond=1e-10)[0].T
        found.append((solved / scale).astype(LONG))
    found += by_others(case)
    return np.min([energy_of(case, z) for z in found], axis=0)


def judge(case: Case, solution) -> None:
    """Raise AssertionError if what is told of the codes is not true of them."""
    z = solution.z.double().flatten(1).numpy().astype(LONG)
    told, dual = solution.energy.numpy(), solution.certificate.dual.numpy()
    done = solution.converged.numpy()
    assert np.isfinite(z).all(), "codes are not finite"
    assert np.isfinite(told[done]).all() and (told[done] >= 0).all(), f"energy {told}"
    finite = np.isfinite(z).all(1) & np.isfinite(told)
    with np.errstate(all="ignore"):
        r = case.y.astype(LONG) - z @ case.W.T.astype(LONG)
        true = energy_of(case, z)
        lost, slack = rounding_of(case, z, r)
        floor = np.finfo(str(solution.z.dtype).removeprefix("torch.")).eps
        floor = floor * (case.y.astype(LONG) ** 2).sum(1) / 2
        allowed = np.maximum(case.tol * true, floor) + TINY
        off = np.abs(told - true) <= slack + np.where(done, 0.1 * allowed, 0) + TINY
        assert (off | ~finite).all(), f"energy told {told}, true {true}, slack {slack}"
        best = rivals(case)
        over = (true - best <= 1.0001 * allowed + 2 * slack) | ~done
        assert over.all(), f"converged at {true}, there is {best}"
        low = (dual <= best + 0.1 * np.maximum(case.tol * best, floor) + 2 * slack + TINY) | ~finite
        assert low.all(), f"bound {dual} above an energy {best}"
        known, blurred = bound(case, r, lost)
        free = case.lam == 0
        tight = (true - known <= 1.1001 * allowed + 2 * slack + blurred) | ~done | free
        assert tight.all(), f"converged at {true}, bound {known} ± {blurred}"
