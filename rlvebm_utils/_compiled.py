"""Sparse codes one sample at a time, compiled by numba (the optional extra ``fast``).

Everything happens in the space of codes: with G = WᵀW and b = Wᵀy the gradient of ½‖y − Wz‖² is −c,
where c = b − Gz. For each sample, in turn:

1. the longest moves of coordinate descent over all atoms find which atoms matter;
2. their rows and columns of G are copied into a small matrix, and the problem is solved on these
   atoms alone: coordinate descent finds the signs, conjugate gradients do the linear algebra that
   is left once the signs are known;
3. c is computed afresh, summed in float64, which gives the duality gap; unless it is small enough,
   atoms that break |c_j| ≤ λ join, and 2 goes on from where it was.

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
ROUNDS = 30
OFF = 16  # rows a power of two apart would share a few lines of the cache


@helper
def _aligned(size, like):
    """Zeros that begin where a line of the cache does: vectors across two lines are slow."""
    room = np.zeros(size + 16, like.dtype)
    skip = (-room.ctypes.data // room.itemsize) % (64 // room.itemsize)
    return room[skip : skip + size]


@njit(**OPTIONS, inline="always")  # part of the loops that use it, so that they are vectorised
def _moved(inverse, here, old, lam, sign):
    """The best value of a coordinate, the others fixed, that is ``old`` and sees c_j = ``here``.
    sign: 0 keeps z ≥ 0.
    """
    zero = lam - lam  # of the working dtype: a literal 0 would make the sums float64
    high, low = inverse * (here - lam) + old, sign * (inverse * (here + lam) + old)
    return max(high, zero) + min(low, zero)


@helper
def _long_moves(G, inverse, c, z, lam, sign, least, far):
    """Exact updates of the coordinates that would move by more than ``least``, in turn. far: room
    for what each would move by.
    """
    for j in range(len(c)):  # most would not: all are asked at once, with vectors
        far[j] = abs(_moved(inverse[j], c[j], z[j], lam, sign) - z[j])
    for j in range(len(c)):
        if far[j] > least:
            new = _moved(inverse[j], c[j], z[j], lam, sign)
            move = new - z[j]
            if abs(move) > least:
                z[j] = new
                for m in range(len(c)):
                    c[m] -= move * G[j, m]


@helper
def _sweep(G, inverse, c, z, lam, sign, atoms, width):
    """One exact update of each coordinate in turn; the largest move that one made.

    With v = z_j + c_j/G_jj the best value is v − cut, where cut is v clipped to ±λ/G_jj.
    """
    zero = lam - lam
    largest = zero
    v = inverse[0] * c[0] + z[0]
    for j in range(atoms):
        after = min(j + 1, atoms - 1)
        old, near, reach = z[j], inverse[after] * G[j, after], inverse[j] * lam
        # The next v, but for this move: the processor need not wait until c is stored
        base = inverse[after] * c[after] + z[after] + old * near
        cut = min(max(v, -reach) if sign > zero else v, reach)
        new = v - cut
        v = (base - v * near) + cut * near
        move = new - old
        if abs(move) > zero:
            z[j] = new
            for m in range(width):
                c[m] -= move * G[j, m]
            largest = max(largest, abs(move))
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
    work = 0
    for _ in range(100):
        for _ in range(8):
            moved = _sweep(K, inverse, c, z, lam, sign, k, width)
            work += 1
            if moved <= enough:
                return work
        work += _conjugate_gradients(K, c, z, lam, width, 30, enough, g, p, Gp)
    return work


@helper
def _refresh(G, b, i, S, z, k, c):
    """c = bᵢ − Gz in float64; z is given by its k entries at the atoms S, padded with zeros to four
    more.
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
def _bounds(b, c, i, S, z, k, squared, lam, sign, rounding):
    """Energy of z, and the dual value of its residual shortened until |Wᵀu| ≤ λ; from ‖y‖², b and c
    alone. Also ‖z‖₁.

    Entries of G are off by at most ``rounding``, so those of c by at most rounding·‖z‖₁: the dual
    value is lowered by all that this can do to both.
    """
    zero = squared - squared
    zb = zc = l1 = seen = zero
    for m in range(len(c)):
        size = c[m] if c[m] > -sign * c[m] else -sign * c[m]
        seen = size if size > seen else seen
    for q in range(k):
        value = zero + z[q]
        zb += value * b[i, S[q]]
        zc += value * c[S[q]]
        l1 += abs(value)
    seen += rounding * l1
    residual = squared - zb - zc  # ‖y − Wz‖²
    along = squared - zb  # ⟨y, y − Wz⟩
    scale = along / residual if residual > zero else zero + 1
    scale = lam / seen if scale * seen > lam else scale
    dual = scale * along - 0.5 * scale * scale * residual
    dual -= 0.5 * (1 + scale * scale) * rounding * l1 * l1
    return 0.5 * residual + lam * l1, dual, l1


@helper
def _start(G, inverse, b, i, lam, z, sign, S, z_S, c, c64, far):
    """c and z of sample i where the small problem begins: as given, or after the long moves."""
    k, n = 0, len(c)
    zero, smaller = lam - lam, c.dtype.type(0.7)
    for j in range(n):
        S[k], z_S[k] = j, z[i, j]
        k += z[i, j] != zero
    for q in range(k, k + 4):
        z_S[q] = zero
    _refresh(G, b, i, S, z_S, k, c64)
    longest = zero
    for j in range(n):
        c[j] = c64[j]
        longest = abs(c[j]) if abs(c[j]) > longest else longest
    if k == 0:
        z_i = z[i]
        least = longest
        while least > 0.2 * lam:
            least *= smaller
            _long_moves(G, inverse, c, z_i, lam, sign, least, far)


@njit(**OPTIONS, nogil=True, cache=True)
def solve_rows(G, G64, inverse, b, squared, lam, z, sign, tol, floor, rounding, energy, dual, work):
    """Solve rows of b into z (N × n, the working dtype of G), starting from what z holds.

    b = YW (N × n), squared = ‖y‖² and lam (N,) are float64; so are the results energy and dual
    (N,). G64: G in float64, read where entries of G are too far (``rounding``) from it. inverse:
    one over the diagonal of G. sign: 1, or 0 for codes ≥ 0. floor: a gap below floor·½‖y‖² counts
    as none. work (N,): sweeps and conjugate-gradient steps, the same for all widths.
    """
    N, n = z.shape
    real = z.dtype.type
    sign_ = real(sign)
    full = (n + PAD - 1) // PAD * PAD
    S = np.zeros(full + 4, np.uint64)
    chosen = np.zeros(n, np.bool_)
    K = _aligned(full * (full + OFF), z).reshape(full, full + OFF)
    c, far, c64, inverse_S = _aligned(n, z), _aligned(n, z), _aligned(n, lam), _aligned(full, z)
    c_S, z_S = _aligned(full, z), _aligned(full + 4, z)
    g, p, Gp = _aligned(full, z), _aligned(full, z), _aligned(full, z)
    for i in range(N):
        lam_i = real(lam[i])
        zero = lam_i - lam_i
        _start(G, inverse, b, i, lam_i, z, sign_, S, z_S, c, c64, far)
        k = known = 0
        for j in range(n):
            chosen[j] = z[i, j] != zero or c[j] > lam_i or -sign_ * c[j] > lam_i
            S[k], z_S[k], c_S[k] = j, z[i, j], c[j]
            k += chosen[j]

        enough = real(0.1) * lam_i  # how exact the small problem is solved: roughly at first
        for _ in range(ROUNDS):
            width = (k + PAD - 1) // PAD * PAD
            for q in range(known, k):  # atoms that joined: their rows and, by symmetry, columns
                inverse_S[q] = inverse[S[q]]
                for m in range(k):
                    K[q, m] = G[S[q], S[m]]
            for q in range(known):
                for m in range(known, k):
                    K[q, m] = K[m, q]
            known = k
            for q in range(k, width + 4):
                z_S[q] = zero
            work[i] += _solve_small(
                K, inverse_S, c_S, z_S, lam_i, sign_, k, width, enough, g, p, Gp
            )
            _refresh(G, b, i, S, z_S, k, c64)
            energy[i], dual[i], l1 = _bounds(
                b, c64, i, S, z_S, k, squared[i], lam[i], sign, rounding
            )
            if rounding * l1 * l1 > 0.05 * tol * energy[i]:
                _refresh(G64, b, i, S, z_S, k, c64)
                energy[i], dual[i], l1 = _bounds(
                    b, c64, i, S, z_S, k, squared[i], lam[i], sign, 0.0
                )
            gap = energy[i] - dual[i]
            if gap <= tol * dual[i] or gap <= floor * 0.5 * squared[i]:
                break
            # c_j past λ by v costs the dual value about v·‖z‖₁, which may be tol·E
            aim = real(0.8 * tol * energy[i] / l1) if l1 > 0 else enough
            enough = aim if aim < enough else real(0.25) * enough
            for q in range(k):
                c_S[q] = c64[S[q]]
            for j in range(n):
                if not chosen[j] and (c64[j] > lam[i] or -sign * c64[j] > lam[i]):
                    S[k], z_S[k], c_S[k], chosen[j] = j, zero, c64[j], True
                    k += 1
        for j in range(n):
            z[i, j] = zero
        for q in range(k):
            z[i, S[q]] = z_S[q]
