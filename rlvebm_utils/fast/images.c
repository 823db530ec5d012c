/* Convolutional sparse codes, place by place.

   Of a photograph's codes less than one entry in a hundred is not zero. Coordinate descent visits
   only those: one visit reads the residual image under one kernel, and writes it there. */

#include "common.h"

#include <stddef.h>

/* Kernels are n x C x a x B, padded from b columns to B with zeros; images C x h x (w + B), of which
   w columns count. Code maps are n x p x q. */
typedef struct {
    size C, a, B, b, h, w, p, q;
} Shape;

/* The same for the numbers of the loops and for float64. A kernel that leaves the image comes in at
   the other side. */
#define SUBTRACT_KERNEL(name, number)                                                            \
    INLINE void name(const Shape *s, number *restrict r, number x, const number *restrict K,     \
                     size i, size j)                                                             \
    {                                                                                            \
        int inside = i + s->a <= s->h && j + s->b <= s->w;                                       \
        size row = s->w + s->B;                                                                  \
        for (size c = 0; c < s->C; c++)                                                          \
            for (size k = 0; k < s->a; k++, K += s->B) {                                         \
                number *to = r + (c * s->h + (inside ? i + k : (i + k) % s->h)) * row;           \
                if (inside)                                                                      \
                    VECTORISE for (size m = 0; m < s->B; m++) to[j + m] -= x * K[m];             \
                else                                                                             \
                    for (size m = 0; m < s->b; m++)                                              \
                        to[(j + m) % s->w] -= x * K[m];                                          \
            }                                                                                    \
    }

SUBTRACT_KERNEL(subtract_kernel, real)
SUBTRACT_KERNEL(subtract_kernel_exactly, double)

INLINE real correlation(const Shape *s, const real *restrict r, const real *restrict K, size i,
                        size j)
{
    int inside = i + s->a <= s->h && j + s->b <= s->w;
    size row = s->w + s->B;
    real total = 0;
    for (size c = 0; c < s->C; c++)
        for (size k = 0; k < s->a; k++, K += s->B) {
            const real *from = r + (c * s->h + (inside ? i + k : (i + k) % s->h)) * row;
            if (inside) {
                VECTORISE_SUM(total) for (size m = 0; m < s->B; m++) total += K[m] * from[j + m];
            } else
                for (size m = 0; m < s->b; m++)
                    total += K[m] * from[(j + m) % s->w];
        }
    return total;
}

/* Exact updates of the entries of z at these places (`count` of them: indices into z), then
   `sweeps` passes over those of them that are not zero; r is kept equal to y − Wz. inverse: 1/‖K‖²
   of each kernel, 0 for a zero kernel. sign: 1, or 0 to keep z >= 0. places is overwritten. */
EXPORT void descend(size C, size a, size B, size b, size h, size w, size p, size q,
                    const real *K, const real *inverse, real *r, real *z, double lam, double sign,
                    size *places, size count, size sweeps)
{
    const Shape s = {C, a, B, b, h, w, p, q};
    for (size sweep = 0; sweep <= sweeps; sweep++) {
        size used = 0;
        for (size u = 0; u < count; u++) {
            size place = places[u], atom = place / (p * q), i = place / q % p, j = place % q;
            const real *kernel = K + atom * C * a * B;
            real old = z[place];
            real new = best_value(inverse[atom], correlation(&s, r, kernel, i, j), old, lam, sign);
            if (new != old) {
                subtract_kernel(&s, r, new - old, kernel, i, j);
                z[place] = new;
            }
            places[used] = place; /* never ahead of what has been read */
            used += new != 0;
        }
        count = used;
    }
}

/* r ← r − Wz in float64, whatever the numbers of z; returns ‖z‖₁. */
EXPORT double subtract_decoded(size n, size C, size a, size B, size b, size h, size w, size p,
                               size q, const double *K, double *r, const real *z)
{
    const Shape s = {C, a, B, b, h, w, p, q};
    double norm = 0;
    for (size place = 0; place < n * p * q; place++) {
        double amount = z[place];
        if (amount != 0) {
            const double *kernel = K + place / (p * q) * C * a * B;
            subtract_kernel_exactly(&s, r, amount, kernel, place / q % p, place % q);
            norm += absolute(amount);
        }
    }
    return norm;
}

/* Where z (n entries) is not zero, or would not stay so: counts them, and lists them unless places
   is NULL. */
EXPORT size places_at_work(size n, const real *c, const real *z, double lam, double sign,
                           size *OR_NULL places)
{
    real bound = lam, other = -sign;
    size count = 0;
    for (size place = 0; place < n; place++)
        if ((z[place] != 0) | (c[place] > bound) | (other * c[place] > bound)) {
            if (places)
                places[count] = place;
            count++;
        }
    return count;
}
