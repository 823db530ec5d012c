"""Convolutional sparse codes place by place, compiled by numba (the optional extra ``fast``).

Of a photograph's codes less than one entry in a hundred is not zero. Coordinate descent visits only
those: one visit reads the residual image under one kernel, and writes it there.
"""

import numpy as np
from numba import njit

OPTIONS = {"fastmath": True, "error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def descend(K, inverse, r, size, z, lam, sign, places, sweeps):
    """Exact updates of the entries of z at these places, then ``sweeps`` passes over those of them
    that are not zero; r is kept equal to y − Wz.

    K: (n, C, a, B), padded from size[2] columns. inverse: 1/‖K‖² of each kernel, 0 for a zero
    kernel. r: (C, h, w + B), of which an image of size[:2] counts. z: (n, p, q). sign: 1, or 0 to
    keep z ≥ 0. places: indices into z.ravel(), overwritten.
    """
    n, p, q = z.shape
    zero = lam - lam  # of the working dtype: a literal 0 would make the sums float64
    for _ in range(sweeps + 1):
        used = 0
        for place in places:
            atom, i, j = place // (p * q), place // q % p, place % q
            old = z[atom, i, j]
            best = inverse[atom] * _correlation(K, r, size, atom, i, j, zero) + old
            threshold = inverse[atom] * lam
            new = max(best - threshold, zero) + sign * min(best + threshold, zero)
            if new != old:
                _subtract(K, r, size, atom, i, j, new - old)
                z[atom, i, j] = new
            if new != zero:
                places[used] = place  # never ahead of what has been read
                used += 1
        places = places[:used]


@njit(**OPTIONS)
def _correlation(K, r, size, atom, i, j, zero):
    _, C, a, B = K.shape
    h, w, b = size
    total = zero
    if i + a <= h and j + b <= w:
        for c in range(C):
            for k in range(a):
                for start in range(0, B, 8):
                    for m in range(start, start + 8):
                        total += K[atom, c, k, m] * r[c, i + k, j + m]
    else:  # leaves the image: comes in at the other side
        for c in range(C):
            for k in range(a):
                for m in range(b):
                    total += K[atom, c, k, m] * r[c, (i + k) % h, (j + m) % w]
    return total


@njit(**OPTIONS)
def _subtract(K, r, size, atom, i, j, amount):
    _, C, a, B = K.shape
    h, w, b = size
    if i + a <= h and j + b <= w:
        for c in range(C):
            for k in range(a):
                for start in range(0, B, 8):
                    for m in range(start, start + 8):
                        r[c, i + k, j + m] -= amount * K[atom, c, k, m]
    else:
        for c in range(C):
            for k in range(a):
                for m in range(b):
                    r[c, (i + k) % h, (j + m) % w] -= amount * K[atom, c, k, m]


@njit(**OPTIONS)
def subtract_decoded(K, r, size, z):
    """r ← r − Wz in float64, whatever the dtype of z; returns ‖z‖₁."""
    n, p, q = z.shape
    norm = 0.0
    for atom in range(n):
        for i in range(p):
            for j in range(q):
                amount = np.float64(z[atom, i, j])
                if amount != 0:
                    _subtract(K, r, size, atom, i, j, amount)
                    norm += abs(amount)
    return norm


@njit(**OPTIONS)
def places_at_work(c, z, lam, sign):
    """Where z is not zero, or would not stay so. c, z: one-dimensional."""
    count = 0
    for place in range(len(z)):
        count += z[place] != 0 or c[place] > lam or -sign * c[place] > lam
    found = np.empty(count, np.int64)
    count = 0
    for place in range(len(z)):
        if z[place] != 0 or c[place] > lam or -sign * c[place] > lam:
            found[count] = place
            count += 1
    return found
