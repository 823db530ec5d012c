"""Convolutional sparse codes place by place, compiled by numba (the optional extra ``fast``).

Of a photograph's codes less than one entry in a hundred is not zero. Coordinate descent visits only
those: one visit reads the residual image under one kernel, and writes it there.
"""

import numpy as np
from numba import njit

OPTIONS = {"fastmath": True, "error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def descend(K, inverse, r, z, lam, sign, places, sweeps):
    """Exact updates of the entries of z at these places, then ``sweeps`` passes over those of them
    that are not zero; r is kept equal to y − Wz.

    K: (n, C, a, b). inverse: 1/‖K‖² of each kernel, 0 for a zero kernel. r: (C, h, w), a torus
    where z (n, p, q) is as large. sign: 1, or 0 to keep z ≥ 0. places: indices into z.ravel().
    """
    n, p, q = z.shape
    zero = lam - lam  # of the working dtype: a literal 0 would make the sums float64
    for sweep in range(sweeps + 1):
        used = 0
        for place in places:
            atom, i, j = place // (p * q), place // q % p, place % q
            old = z[atom, i, j]
            best = inverse[atom] * _correlation(K, r, atom, i, j, zero) + old
            threshold = inverse[atom] * lam
            new = max(best - threshold, zero) + sign * min(best + threshold, zero)
            if new != old:
                _subtract(K, r, atom, i, j, new - old)
                z[atom, i, j] = new
            if new != zero:
                places[used] = place  # never ahead of what has been read
                used += 1
        places = places[:used]


@njit(**OPTIONS)
def _correlation(K, r, atom, i, j, zero):
    _, C, a, b = K.shape
    _, h, w = r.shape
    total = zero
    if i + a <= h and j + b <= w:
        for c in range(C):
            for k in range(a):
                for m in range(b):
                    total += K[atom, c, k, m] * r[c, i + k, j + m]
    else:
        for c in range(C):
            for k in range(a):
                for m in range(b):
                    total += K[atom, c, k, m] * r[c, (i + k) % h, (j + m) % w]
    return total


@njit(**OPTIONS)
def _subtract(K, r, atom, i, j, amount):
    _, C, a, b = K.shape
    _, h, w = r.shape
    if i + a <= h and j + b <= w:
        for c in range(C):
            for k in range(a):
                for m in range(b):
                    r[c, i + k, j + m] -= amount * K[atom, c, k, m]
    else:
        for c in range(C):
            for k in range(a):
                for m in range(b):
                    r[c, (i + k) % h, (j + m) % w] -= amount * K[atom, c, k, m]


@njit(**OPTIONS)
def residual(K, y, z):
    """y − Wz in float64, whatever the dtype of z."""
    r = y.astype(np.float64)
    n, p, q = z.shape
    for atom in range(n):
        for i in range(p):
            for j in range(q):
                if z[atom, i, j] != 0:
                    _subtract(K, r, atom, i, j, np.float64(z[atom, i, j]))
    return r


@njit(**OPTIONS)
def places_at_work(c, z, lam, sign):
    """Where z is not zero, or would not stay so: indices into z.ravel()."""
    found = np.empty(z.size, np.int64)
    count = 0
    for place in range(z.size):
        here = c.flat[place]
        if z.flat[place] != 0 or here > lam or -sign * here > lam:
            found[count] = place
            count += 1
    return found[:count]
