"""Sparse codes one sample at a time, compiled by numba (the optional extra ``fast``).

Everything happens in the space of codes: with G = WᵀW and b = Wᵀy the gradient of ½‖y − Wz‖² is −c,
where c = b − Gz. For each sample, in turn:

1. a few passes of coordinate descent over all atoms, the longest moves first, find which matter;
2. their rows and columns of G are copied into a small matrix, and the problem is solved on these
   atoms alone: coordinate descent finds the signs, conjugate gradients do the linear algebra that
   is left once the signs are known;
3. c is computed afresh in float64, which gives the duality gap; atoms that break |c_j| ≤ λ join,
   and 2 is done again.

Arrays are padded to a multiple of 32 entries, so that the compiler needs whole vector registers
only.
"""

import numpy as np
from numba import njit

# Sums may be reordered (and so vectorised). No NaN nor infinity comes in, and none is made.
OPTIONS = {"fastmath": True, "error_model": "numpy"}
# Not called from Python: less to compile
helper = njit(**OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)

PAD = 32


@helper
def _sweep(G, inverse, c, z, lam, sign, atoms, width, least):
    """One exact update of each coordinate in turn; the largest change of c_j that one made. least:
    smaller moves are not made. sign: 0 keeps z ≥ 0.
    """
    zero = lam - lam  # of the working dtype: a literal 0 would make the sums float64
    largest = zero
    ahead = c[0]
    for j in range(atoms):
        here, following = ahead, min(j + 1, atoms - 1)
        # Read before this update is stored, and corrected: the processor need not wait for memory
        ahead = c[following]
        old = z[j]
        high, low = inverse[j] * (here - lam) + old, sign * (inverse[j] * (here + lam) + old)
        new = high if high > zero else (low if low < zero else zero)
        move = new - old
        if abs(move) > least:
            z[j] = new
            ahead -= move * G[j, following]
            for m in range(width):
                c[m] -= move * G[j, m]
            largest = abs(move) if abs(move) > largest else largest
    return largest


@helper
def _conjugate_gradients(G, c, z, lam, width, steps, tol, g, p, Gp):
    """Minimise over the coordinates at work, their signs kept: a step that would change a sign ends
    where it is 0.
    """
    zero = lam - lam
    one, tiny = G.dtype.type(1), G.dtype.type(1e-7)
    squared = zero
    for m in range(width):
        g[m] = c[m] - lam if z[m] > zero else (c[m] + lam if z[m] < zero else zero)
        p[m] = g[m]
        squared += g[m] * g[m]
    for taken in range(steps):
        if squared <= tol * tol:
            return taken
        for m in range(width):
            Gp[m] = zero
        # Four rows at a time: Gp is loaded and stored a quarter as often
        for q in range(0, width, 4):
            p0, p1, p2, p3 = p[q], p[q + 1], p[q + 2], p[q + 3]
            for m in range(width):
                Gp[m] += p0 * G[q, m] + p1 * G[q + 1, m] + p2 * G[q + 2, m] + p3 * G[q + 3, m]
        curvature = zero
        shortest = zero  # the largest −p/z is one over the shortest step that makes an entry zero
        for m in range(width):
            curvature += p[m] * Gp[m]
            rate = -p[m] / (z[m] if z[m] != zero else one)
            shortest = rate if rate > shortest else shortest
        if curvature <= tiny * squared:  # a direction in which nothing changes
            return taken
        stopped = squared * shortest > curvature
        step = one / shortest if stopped else squared / curvature
        new = zero
        for m in range(width):
            z[m] += step * p[m]
            c[m] -= step * Gp[m]
            g[m] = g[m] - step * Gp[m] if z[m] != zero else zero
            new += g[m] * g[m]
        if stopped:
            for m in range(width):
                if abs(z[m]) <= 1e-6 * abs(step * p[m]):
                    z[m] = 0
            return taken + 1
        for m in range(width):
            p[m] = g[m] + new / squared * p[m]
        squared = new
    return steps


@helper
def _solve_small(K, inverse, c, z, lam, sign, k, width, enough, g, p, Gp):
    """Coordinate descent and conjugate gradients in turn, until a sweep moves nothing by more than
    ``enough``.
    """
    work, zero = 0, lam - lam
    for _ in range(100):
        for _ in range(8):
            moved = _sweep(K, inverse, c, z, lam, sign, k, width, zero)
            work += 1
            if moved <= enough:
                return work
        work += _conjugate_gradients(K, c, z, lam, width, 30, enough, g, p, Gp)
    return work


@helper
def _refresh(G, b, i, S, z, k, c):
    """c = bᵢ − Gz in the precision of c; z is given by its k entries at the atoms S, padded with
    zeros to four more.
    """
    zero = c[0] - c[0]
    for m in range(len(c)):
        c[m] = b[i, m]
    for q in range(0, k, 4):
        j0, j1, j2, j3 = S[q], S[q + 1], S[q + 2], S[q + 3]
        z0, z1, z2, z3 = zero + z[q], zero + z[q + 1], zero + z[q + 2], zero + z[q + 3]
        for m in range(len(c)):
            c[m] -= z0 * G[j0, m] + z1 * G[j1, m] + z2 * G[j2, m] + z3 * G[j3, m]


@helper
def _bounds(b, c, z, i, squared, lam, sign):
    """Energy of zᵢ, and the dual value of its residual shortened until |Wᵀu| ≤ λ; from ‖y‖², b and
    c alone.
    """
    zero = squared - squared
    zb = zc = l1 = seen = zero
    for m in range(len(c)):
        value = zero + z[i, m]
        zb += value * b[i, m]
        zc += value * c[m]
        l1 += abs(value)
        size = c[m] if c[m] > -sign * c[m] else -sign * c[m]
        seen = size if size > seen else seen
    residual = squared - zb - zc  # ‖y − Wz‖²
    along = squared - zb  # ⟨y, y − Wz⟩
    scale = along / residual if residual > zero else zero + 1
    scale = lam / seen if scale * seen > lam else scale
    return 0.5 * residual + lam * l1, scale * along - 0.5 * scale * scale * residual


@helper
def _nonzero(z, i, c, lam, sign, S, also_missing):
    """Write to S the atoms in use and, if wanted, those whose |c_j| > λ says that they should be;
    return how many.
    """
    k, zero = 0, lam - lam
    for j in range(len(c)):
        if z[i, j] != zero or (also_missing and (c[j] > lam or -sign * c[j] > lam)):
            S[k] = j
            k += 1
    return k


@njit(**OPTIONS, nogil=True, cache=True)
def solve_rows(G, G64, inverse, b, squared, lam, z, sign, tol, floor, rounds, energy, dual, work):
    """Solve rows of b into z (N × n, the working dtype of G), starting from what z holds.

    b = YW (N × n), squared = ‖y‖² and lam (N,) are float64; so are the results energy and dual
    (N,). inverse: one over the diagonal of G. G64: G in float64, for the certificate. sign: 1, or 0
    for codes ≥ 0. floor: a gap below floor·½‖y‖² counts as none. work (N,): sweeps and conjugate-
    gradient steps, the same for all widths.
    """
    N, n = z.shape
    real = z.dtype.type
    sign_ = real(sign)
    full = (n + PAD - 1) // PAD * PAD
    S = np.zeros(full + 4, np.uint64)
    K = np.zeros((full, full), z.dtype)
    c, c64 = np.zeros(n, z.dtype), np.zeros(n, np.float64)
    c_S, z_S, inverse_S = np.zeros(full, z.dtype), np.zeros(full + 4, z.dtype), np.zeros(n, z.dtype)
    g, p, Gp = np.zeros(full, z.dtype), np.zeros(full, z.dtype), np.zeros(full, z.dtype)
    for i in range(N):
        lam_i = real(lam[i])
        zero = lam_i - lam_i
        k = _nonzero(z, i, c, lam_i, sign_, S, False)
        for q in range(k):
            z_S[q] = z[i, S[q]]
        for q in range(k, full + 4):
            z_S[q] = zero
        _refresh(G, b, i, S, z_S, k, c)
        if k == 0:
            least = lam_i  # only long moves at first: a short one would soon be taken back
            for j in range(n):
                least = abs(c[j]) if abs(c[j]) > least else least
            while least > real(0.3) * lam_i:
                least *= real(0.5)
                _sweep(G, inverse, c, z_S, lam_i, sign_, n, n, least)
                work[i] += 1
            for j in range(n):
                z[i, j] = z_S[j]

        enough = real(0.1) * lam_i  # how exact the small problem is solved: roughly at first
        aim = real(0.5 * tol) * lam_i
        for j in range(n):  # no more exact than the dtype is
            noise = real(floor) * abs(real(b[i, j]))
            aim = noise if noise > aim else aim
        enough = aim if aim > enough else enough
        for round_ in range(rounds):
            k = _nonzero(z, i, c, lam_i, sign_, S, True)
            width = (k + PAD - 1) // PAD * PAD
            for q in range(k):
                j = S[q]
                for m in range(k):
                    K[q, m] = G[j, S[m]]
                for m in range(k, width):
                    K[q, m] = zero
                c_S[q], z_S[q], inverse_S[q] = c[j], z[i, j], inverse[j]
            for q in range(k, width):
                c_S[q] = zero
            for q in range(k, width + 4):
                z_S[q] = zero
            work[i] += _solve_small(
                K, inverse_S, c_S, z_S, lam_i, sign_, k, width, enough, g, p, Gp
            )
            for q in range(k):
                z[i, S[q]] = z_S[q]

            _refresh(G, b, i, S, z_S, k, c)
            enough = aim
            missing = False
            for j in range(n):
                missing |= z[i, j] == zero and (c[j] > lam_i + aim or -sign_ * c[j] > lam_i + aim)
            if missing and round_ < rounds - 1:
                continue
            _refresh(G64, b, i, S, z_S, k, c64)
            energy[i], dual[i] = _bounds(b, c64, z, i, squared[i], lam[i], sign)
            gap = energy[i] - dual[i]
            if gap <= tol * dual[i] or gap <= floor * 0.5 * squared[i]:
                break
            aim *= real(0.25)
            enough = aim
            for j in range(n):
                c[j] = c64[j]
