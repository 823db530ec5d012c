/* The two loops of fast dictionary learning. */

#include "common.h"

#include <math.h>

/* Coordinate descent on each row of z (N x n) in place, from the code that it holds. G = W'W with a
   unit diagonal, b = YW (N x n), squared = ‖y‖² (N). A sample is left after `sweeps` passes over the
   atoms, or when one moves nothing by more than `enough`. sign: 1, or 0 for codes >= 0. energy (N):
   E of the new codes. Returns 0, or 1 where there is not enough memory. */
EXPORT int sweep_rows(size N, size n, const real *restrict G, const real *restrict b,
                      const real *restrict squared, double lam_, real *restrict z, double sign_,
                      size sweeps, double enough, real *restrict energy)
{
    real lam = lam_, sign = sign_, *restrict c = malloc(n * sizeof(real));
    if (c == NULL)
        return 1;
    for (size i = 0; i < N; i++, z += n, b += n) {
        memcpy(c, b, n * sizeof(real));
        for (size j = 0; j < n; j++)
            if (z[j] != 0)
                VECTORISE for (size m = 0; m < n; m++) c[m] -= z[j] * G[j * n + m];
        for (size sweep = 0; sweep < sweeps; sweep++) {
            real longest = 0;
            for (size j = 0; j < n; j++) {
                real new = best_value(1, c[j], z[j], lam, sign), move = new - z[j];
                if (move == 0)
                    continue;
                z[j] = new;
                longest = max(absolute(move), longest);
                VECTORISE for (size m = 0; m < n; m++) c[m] -= move * G[j * n + m];
            }
            if (longest <= enough)
                break;
        }
        real along = 0, norm = 0;
        VECTORISE_SUM(along, norm) for (size m = 0; m < n; m++)
        {
            along += z[m] * (b[m] + c[m]);
            norm += absolute(z[m]);
        }
        energy[i] = (real)0.5 * (squared[i] - along) + lam * norm;
    }
    free(c);
    return 0;
}

/* What rlvebm_utils.learning.update_atoms does, with atoms as rows: W and B are n x d, A n x n.
   Atoms with A_jj <= least are left alone. Returns 0, or 1 where there is not enough memory. */
EXPORT int update_atoms(size n, size d, real *restrict W, const real *restrict A,
                        const real *restrict B, double least, int64_t nonnegative)
{
    real *restrict atom = malloc(d * sizeof(real));
    if (atom == NULL)
        return 1;
    for (size j = 0; j < n; j++) {
        real usage = A[j * n + j], squared = 0, *own = W + j * d;
        if (usage <= least)
            continue;
        memcpy(atom, B + j * d, d * sizeof(real));
        for (size k = 0; k < n; k++) {
            real share = A[j * n + k];
            const real *other = W + k * d;
            if (share != 0)
                VECTORISE for (size m = 0; m < d; m++) atom[m] -= share * other[m];
        }
        VECTORISE_SUM(squared) for (size m = 0; m < d; m++)
        {
            real new = own[m] + atom[m] / usage;
            atom[m] = nonnegative ? max(new, 0) : new;
            squared += atom[m] * atom[m];
        }
        if (squared > 0) {
            real length = sqrt(squared);
            VECTORISE for (size m = 0; m < d; m++) own[m] = atom[m] / length;
        }
    }
    free(atom);
    return 0;
}
