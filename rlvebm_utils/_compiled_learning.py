"""The two loops of fast dictionary learning, compiled by numba (the optional extra ``fast``)."""

import numpy as np
from numba import njit

# Sums may be reordered (and so vectorised). No NaN nor infinity comes in, and none is made.
OPTIONS = {"fastmath": True, "error_model": "numpy", "nogil": True, "cache": True}


@njit(**OPTIONS)
def sweep_rows(G, b, squared, lam, z, sign, sweeps, enough, energy):
    """Coordinate descent on each row of z (N × n) in place, from the code that it holds.

    G = WᵀW with a unit diagonal, b = YW (N × n), squared = ‖y‖² (N,). A sample is left after
    ``sweeps`` passes over the atoms, or when one moves nothing by more than ``enough``. sign: 1, or
    0 for codes ≥ 0. energy (N,): E of the new codes.
    """
    N, n = z.shape
    c = np.zeros(n, z.dtype)
    zero = lam - lam  # of the working dtype: a literal 0 would make the sums float64
    half = z.dtype.type(0.5)
    for i in range(N):
        for m in range(n):
            c[m] = b[i, m]
        for j in range(n):
            if z[i, j] != zero:
                for m in range(n):
                    c[m] -= z[i, j] * G[j, m]
        for _ in range(sweeps):
            largest = zero
            for j in range(n):
                v = c[j] + z[i, j]  # the best value of this entry, were λ zero
                new = v - lam if v > lam else (sign * (v + lam) if v < -lam else zero)
                move = new - z[i, j]
                if move != zero:
                    z[i, j] = new
                    for m in range(n):
                        c[m] -= move * G[j, m]
                    largest = max(largest, abs(move))
            if largest <= enough:
                break
        along, size = zero, zero
        for m in range(n):
            along += z[i, m] * (b[i, m] + c[m])
            size += abs(z[i, m])
        energy[i] = half * (squared[i] - along) + lam * size


@njit(**OPTIONS)
def update_atoms(W, A, B, least, nonnegative):
    """What :func:`rlvebm_utils.learning.update_atoms` does, with atoms as rows: W and B are n × d.
    Atoms with A_jj ≤ least are left alone.
    """
    n, d = W.shape
    atom = np.zeros(d, W.dtype)
    zero = least - least
    for j in range(n):
        if A[j, j] <= least:
            continue
        for m in range(d):
            atom[m] = B[j, m]
        for k in range(n):
            if A[j, k] != zero:
                for m in range(d):
                    atom[m] -= A[j, k] * W[k, m]
        squared = zero
        for m in range(d):
            atom[m] = W[j, m] + atom[m] / A[j, j]
            atom[m] = max(atom[m], zero) if nonnegative else atom[m]
            squared += atom[m] * atom[m]
        if squared > zero:
            for m in range(d):
                W[j, m] = atom[m] / np.sqrt(squared)
