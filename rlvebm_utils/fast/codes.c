/* Sparse codes, one sample at a time.

   Everything happens in the space of codes: with G = W'W and b = W'y the gradient of ½‖y − Wz‖² is
   −c, where c = b − Gz. For each sample, in turn:

   1. long_moves: coordinate descent takes the longest moves over all atoms, until none is long.
      What is not zero by then, or nearly moves, is the set S of atoms that matter.
   2. solve_small: rows and columns S of G are copied into a small matrix K, and the problem is
      solved on these atoms alone. Sweeps of coordinate descent find the signs; conjugate gradients
      do the linear algebra that is left once the signs are known.
   3. certify: energy and dual value, with every rounding error that could matter in the account.
      Unless the gap is small enough, atoms that break |c_j| <= λ join S, and 2 goes on.
*/

#include "common.h"

#include <math.h>

enum { ROUNDS = 30, SCANS = 1000, SOLVES = 100, SWEEPS = 3, STEPS = 30 };

static const real EPS = sizeof(real) == 4 ? 6e-8 : 1.2e-16; /* half a unit in the last place */

/* The arrays that samples use one after the other. The room for them follows from this list, so
   none can lie beyond its end; each has room for a row of G, and a vector more.

   z, c, diagonal     over all atoms; diagonal: of G
   S, chosen          the atoms that matter; for each of all atoms, whether it is one of them
   used, atom_used    those of S with z != 0, as places in S and as atoms
   inverse_S … c_old  over S
   c64, all           c in float64: over S; over all atoms, where real is too coarse */
#define ARRAYS(ARRAY)                                                                            \
    ARRAY(real, z) ARRAY(real, c) ARRAY(int32_t, S) ARRAY(int32_t, used)                         \
    ARRAY(int32_t, atom_used) ARRAY(char, chosen) ARRAY(real, inverse_S) ARRAY(real, z_S)        \
    ARRAY(real, c_S) ARRAY(real, g) ARRAY(real, p) ARRAY(real, Kp) ARRAY(real, signs)            \
    ARRAY(double, c64) ARRAY(double, all) ARRAY(real, z_old) ARRAY(real, c_old)                  \
    ARRAY(real, diagonal)

#define MEMBER(type, name) type *name;
#define ONE_MORE(type, name) +1
enum { COUNT = 0 ARRAYS(ONE_MORE) };

/* One problem (fixed for a call), and the state of the sample at hand. */
typedef struct {
    size n, row;                   /* atoms; numbers in a row of G: n, then zeros to whole vectors */
    const real *G, *inverse;       /* inverse: 1/G_jj, 0 for an atom that is zero */
    const double *G64;             /* G in float64, n x n */
    double rounding, largest, tol; /* largest: of G's entries */
    real sign;                     /* 0 keeps codes >= 0 */

    const double *b;               /* of this sample: b = W'y, λ, ‖y‖², ‖b‖_∞, gap that is none */
    double lam, squared, reach, floor;
    int begun;                     /* whether z is not zero at the start */
    size k, width, known;          /* atoms in S; k in whole vectors; how many K has already */
    real *K;                       /* rows and columns S of G */
    ARRAYS(MEMBER)
    void *room, *room_K;           /* the memory that these lie in */
    double energy, dual, l1, slack; /* slack: how far c can be off outside of S */
} Work;

/* ---- 1. over all atoms ---- */

/* The longest move in each lane of the vectors, by how much it changes its own c_j; best: a lane's
   move with, in its last 12 bits, the number of its vector. (Positive floating-point numbers are
   ordered like their bits.) */
enum { NUMBER = 0xfff };

INLINE void scan(const Work *w, real lam, word best[LANES])
{
    memset(best, 0, LANES * sizeof(word));
    for (size s = 0; s < w->row; s += LANES) {
        real far[LANES];
        word bits[LANES];
        VECTORISE for (int l = 0; l < LANES; l++)
        {
            real old = w->diagonal[s + l] * w->z[s + l];
            far[l] = absolute(best_value(1, w->c[s + l], old, lam, w->sign) - old);
        }
        memcpy(bits, far, sizeof bits);
        VECTORISE for (int l = 0; l < LANES; l++)
        {
            word numbered = (bits[l] & ~(word)NUMBER) | (word)(s / LANES);
            best[l] = max(numbered, best[l]);
        }
    }
}

static void long_moves(Work *w, real shortest)
{
    real lam = w->lam;
    for (int scans = 0; scans < SCANS; scans++) {
        word best[LANES];
        real longest = 0, far[LANES];
        scan(w, lam, best);
        memcpy(far, best, sizeof far);
        for (int l = 0; l < LANES; l++)
            longest = max(far[l], longest);
        if (longest <= shortest)
            return;
        real least = max(longest / 2, shortest);
        for (int l = 0; l < LANES; l++) {
            if (far[l] <= least)
                continue;
            size j = (best[l] & NUMBER) * LANES + l; /* others have moved since: ask again */
            real move = best_value(w->inverse[j], w->c[j], w->z[j], lam, w->sign) - w->z[j];
            if (absolute(move) * w->diagonal[j] > least) {
                w->z[j] += move;
                subtract(w->c, move, w->G + j * w->row, w->row);
            }
        }
    }
}

/* ---- 2. over the atoms S ---- */

/* One exact update of each coordinate in turn; returns the largest change of its own c_j. With
   v = z_j + c_j/K_jj the best value is v − cut, where cut is v clipped to ±λ/K_jj. */
static real sweep(const Work *w, real lam)
{
    real *restrict z = w->z_S, *restrict c = w->c_S;
    const real *restrict inverse = w->inverse_S;
    real longest = 0, v = inverse[0] * c[0] + z[0];
    for (size j = 0; j < w->k; j++) {
        const real *row = w->K + j * w->width;
        size after = min(j + 1, w->k - 1);
        real old = z[j], near = inverse[after] * row[after], reach = inverse[j] * lam;
        /* The next v, but for this move: the processor need not wait until c is stored. */
        real base = inverse[after] * c[after] + z[after] + old * near;
        real cut = w->sign > 0 ? max(v, -reach) : v;
        cut = min(cut, reach);
        real new = v - cut, move = new - old;
        v = (base - v * near) + cut * near;
        if (move != 0) {
            z[j] = new;
            subtract(c, move, row, w->width);
            longest = max(absolute(move) * row[j], longest);
        }
    }
    return longest;
}

/* to += Σ x[at[u]] · row `rows[u]` of M. COLUMNS(B) sums B vectors of columns in registers. */
#define COLUMNS(B)                                                              \
    {                                                                           \
        vec sum[B];                                                             \
        for (int t = 0; t < B; t++)                                             \
            sum[t] = *(vec *)(to + m + LANES * t);                              \
        for (size u = 0; u < count; u++) {                                      \
            const real *from = M + rows[u] * stride + m, one = x[at[u]];        \
            for (int t = 0; t < B; t++)                                         \
                sum[t] += one * *(const vec *)(from + LANES * t);               \
        }                                                                       \
        for (int t = 0; t < B; t++)                                             \
            *(vec *)(to + m + LANES * t) = sum[t];                              \
        m += B * LANES;                                                         \
    }

static void add_rows(real *restrict to, size stride, const real *restrict M,
                     const int32_t *restrict rows, const int32_t *restrict at,
                     const real *restrict x, size count)
{
    size m = 0;
    while (m + 8 * LANES <= stride)
        COLUMNS(8)
    switch ((stride - m) / LANES) {
    case 7: COLUMNS(7) break;
    case 6: COLUMNS(6) break;
    case 5: COLUMNS(5) break;
    case 4: COLUMNS(4) break;
    case 3: COLUMNS(3) break;
    case 2: COLUMNS(2) break;
    case 1: COLUMNS(1) break;
    }
}

/* Lists the coordinates of S that are not zero; returns how many. */
static size list_used(const Work *w)
{
    size count = 0;
    for (size q = 0; q < w->k; q++) {
        w->used[count] = q;
        count += w->z_S[q] != 0;
    }
    return count;
}

/* Minimise over the coordinates that are not zero as if their signs were sure. Returns the number
   of steps. */
static size conjugate_gradients(const Work *w, real lam, real enough)
{
    real *restrict z = w->z_S, *restrict c = w->c_S, *restrict g = w->g, *restrict p = w->p;
    real *restrict Kp = w->Kp, *restrict s = w->signs;
    size n = w->width, count = list_used(w), taken = 0;
    real squared = 0;
    VECTORISE_SUM(squared) for (size m = 0; m < n; m++)
    {
        s[m] = z[m] > 0 ? 1 : (z[m] < 0 ? -1 : 0);
        g[m] = p[m] = s[m] != 0 ? c[m] - lam * s[m] : 0;
        squared += g[m] * g[m];
    }
    for (; taken < STEPS && squared > enough * enough; taken++) {
        real curvature = 0, new = 0;
        memset(Kp, 0, n * sizeof(real));
        add_rows(Kp, n, w->K, w->used, w->used, p, count);
        VECTORISE_SUM(curvature) for (size m = 0; m < n; m++)
            curvature += p[m] * Kp[m];
        if (curvature <= (real)1e-7 * (real)w->largest * squared)
            break; /* a direction in which next to nothing changes */
        real step = squared / curvature;
        VECTORISE_SUM(new) for (size m = 0; m < n; m++)
        {
            z[m] += step * p[m];
            c[m] -= step * Kp[m];
            g[m] = s[m] != 0 ? g[m] - step * Kp[m] : 0;
            new += g[m] * g[m];
        }
        real turn = new / squared;
        VECTORISE for (size m = 0; m < n; m++)
            p[m] = g[m] + turn * p[m];
        squared = new;
    }
    return taken;
}

/* Conjugate gradients, and then what their signs allow: coordinates that come out with the other
   sign are set to zero. Where that would raise the energy, half of the step is tried, and so on; at
   the latest where the first of them is zero the energy is lower. So E never rises, and nothing can
   go round in a circle. */
static size leap(const Work *w, real lam, real enough)
{
    size n = w->width, bytes = n * sizeof(real);
    real *restrict z = w->z_S, *restrict c = w->c_S, *restrict s = w->signs;
    real *restrict z_old = w->z_old, *restrict c_old = w->c_old;
    real *restrict z_end = w->g, *restrict c_end = w->Kp; /* where the conjugate gradients end */
    memcpy(z_old, z, bytes);
    memcpy(c_old, c, bytes);
    size taken = conjugate_gradients(w, lam, enough);
    memcpy(z_end, z, bytes);
    memcpy(c_end, c, bytes);
    real safe = 1; /* share of the step at which the first of them is zero */
    for (size m = 0; m < n; m++)
        safe = z[m] * s[m] < 0 ? min(z_old[m] / (z_old[m] - z[m]), safe) : safe;
    for (real share = 1; safe < 1; share = max(share / 2, safe)) {
        double rise = 0; /* E(z) − E(z_old): quadratic, with −c for its gradient at both ends */
        for (size m = 0; m < n; m++) {
            z[m] = z_old[m] + share * (z_end[m] - z_old[m]);
            c[m] = c_old[m] + share * (c_end[m] - c_old[m]);
        }
        for (size m = 0; m < w->k; m++)
            if (z[m] * s[m] < 0 || absolute(z[m]) <= 4 * EPS * absolute(z_old[m])) {
                subtract(c, -z[m], w->K + m * n, n);
                z[m] = 0;
            }
        for (size m = 0; m < n; m++) {
            rise += lam * (absolute(z[m]) - absolute(z_old[m]));
            rise -= (real)0.5 * (z[m] - z_old[m]) * (c[m] + c_old[m]);
        }
        if (rise <= 0 || share == safe)
            break;
    }
    return taken;
}

/* Until a sweep changes no c_j by more than `enough`. */
static size solve_small(const Work *w, real enough)
{
    size work = 0;
    real lam = w->lam;
    for (int turn = 0; turn < SOLVES; turn++) {
        for (int i = 0; i < SWEEPS; i++) {
            work++;
            if (sweep(w, lam) <= enough)
                return work;
        }
        work += leap(w, lam, enough);
    }
    return work;
}

/* Copies into K what it lacks of the atoms S: rows and, by symmetry, columns. */
static void gather(Work *w)
{
    size k = w->k, width = whole_vectors(k);
    if (width != w->width)
        w->known = 0; /* rows have another length now */
    w->width = width;
    for (size q = w->known; q < k; q++) {
        const real *from = w->G + w->S[q] * w->row;
        real *to = w->K + q * width;
        for (size m = 0; m < k; m++)
            to[m] = from[w->S[m]];
        for (size m = k; m < width; m++)
            to[m] = 0;
        w->inverse_S[q] = w->inverse[w->S[q]];
    }
    for (size q = 0; q < w->known; q++)
        for (size m = w->known; m < k; m++)
            w->K[q * width + m] = w->K[m * width + q];
    w->known = k;
    for (size q = k; q < width; q++)
        w->z_S[q] = w->c_S[q] = 0;
}

/* Atoms that are not in S and would move, or that a rounding error keeps from moving, join it. */
static size join(Work *w, real margin)
{
    size before = w->k;
    real bound = (real)w->lam - margin;
    for (size j = 0; j < w->n; j++) {
        w->S[w->k] = j;
        int moves = (w->z[j] != 0) | (w->c[j] > bound) | (-w->sign * w->c[j] > bound);
        w->k += moves & (w->chosen[j] == 0);
    }
    for (size q = before; q < w->k; q++) {
        w->chosen[w->S[q]] = 1;
        w->z_S[q] = w->z[w->S[q]];
        w->c_S[q] = w->c[w->S[q]];
    }
    return w->k - before;
}

/* ---- 3. what is certain ---- */

typedef real part __attribute__((vector_size(8 * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef double exact __attribute__((vector_size(64), aligned(sizeof(double)), may_alias));

/* c = b − Gz again, with no error of the updates: in float64 over S, where c matters to all digits;
   elsewhere in the working precision, and that only has to be surely below what S has. Returns how
   far the latter can be off. */
static double refresh(Work *w, size count)
{
    for (size j = 0; j < w->n; j++)
        w->c[j] = w->b[j];
    for (size u = 0; u < count; u++) {
        w->atom_used[u] = w->S[w->used[u]];
        w->p[w->used[u]] = -w->z_S[w->used[u]];
    }
    add_rows(w->c, w->row, w->G, w->atom_used, w->used, w->p, count);

    for (size q = 0; q < w->width; q++)
        w->c64[q] = q < w->k ? w->b[w->S[q]] : 0;
    for (size m = 0; m < w->width; m += LANES) {
        exact sum[LANES / 8];
        memcpy(sum, w->c64 + m, sizeof sum);
        for (size u = 0; u < count; u++) {
            const real *row = w->K + w->used[u] * w->width + m;
            double z = w->z_S[w->used[u]];
            for (int t = 0; t < LANES / 8; t++)
                sum[t] -= z * __builtin_convertvector(*(const part *)(row + 8 * t), exact);
        }
        memcpy(w->c64 + m, sum, sizeof sum);
    }
    return (count + 1) * EPS * (w->reach + w->largest * w->l1);
}

/* The same in float64 for all atoms and from G in float64. */
static double refresh_exactly(Work *w, size count)
{
    double *all = w->all, longest = 0;
    memcpy(all, w->b, w->n * sizeof(double));
    for (size u = 0; u < count; u++) {
        const double *row = w->G64 + w->S[w->used[u]] * w->n;
        double z = w->z_S[w->used[u]];
        VECTORISE for (size j = 0; j < w->n; j++) all[j] -= z * row[j];
    }
    for (size j = 0; j < w->n; j++) {
        w->c[j] = all[j];
        longest = max(absolute(all[j]), longest);
    }
    for (size q = 0; q < w->k; q++)
        w->c64[q] = all[w->S[q]];
    return EPS * longest;
}

/* Energy of z, and the dual value of u, the best multiple of its residual with |W'u| <= λ; from ‖y‖²,
   b and c alone. Entries of G are off by at most `rounding`, so those of c by at most rounding·‖z‖₁:
   the dual value is lowered by all that this can do to both. */
static void bounds(Work *w, size count, double rounding)
{
    double zb = 0, zc = 0, most = 0;
    real outside = 0, other = -w->sign;
    const real *restrict c = w->c;
    for (size u = 0; u < count; u++) {
        size q = w->used[u];
        zb += w->z_S[q] * w->b[w->S[q]];
        zc += w->z_S[q] * w->c64[q];
    }
    for (size q = 0; q < w->k; q++) {
        double one = max(w->c64[q], -w->sign * w->c64[q]);
        most = max(one, most);
        w->c_S[q] = w->c64[q];
        w->c[w->S[q]] = 0; /* S has been seen to */
    }
    VECTORISE_MAX(outside) for (size j = 0; j < w->n; j++)
    {
        real one = max(c[j], other * c[j]);
        outside = max(one, outside);
    }
    most = max(outside + w->slack, most) + rounding * w->l1;
    double residual = w->squared - zb - zc; /* ‖y − Wz‖² */
    double along = w->squared - zb;         /* ⟨y, y − Wz⟩ */
    double scale = residual > 0 ? along / residual : 1, reach = most > 0 ? w->lam / most : HUGE_VAL;
    scale = max(min(scale, reach), -w->sign * reach);
    w->energy = 0.5 * residual + w->lam * w->l1;
    w->dual = scale * along - 0.5 * scale * scale * residual
              - 0.5 * (1 + scale * scale) * rounding * w->l1 * w->l1;
}

static void certify(Work *w)
{
    size count = list_used(w);
    w->l1 = 0;
    for (size u = 0; u < count; u++)
        w->l1 += absolute((double)w->z_S[w->used[u]]);
    w->slack = refresh(w, count);
    bounds(w, count, w->rounding);
    if (w->rounding * w->l1 * w->l1 > 0.05 * w->tol * w->energy || w->slack > 0.05 * w->lam) {
        w->slack = refresh_exactly(w, count);
        bounds(w, count, 0);
    }
}

/* ---- one sample ---- */

/* How much the last sweep may change: c_j past λ by v costs the dual value about v·‖z‖₁, which
   may be tol·E in all. */
static real aim(const Work *w)
{
    real finest = 8 * EPS * (real)w->reach; /* what rounding leaves of c */
    real enough = w->l1 > 0 ? 2.5 * w->tol * w->energy / w->l1 : 0.1 * w->lam;
    return max(enough, finest);
}

static size solve(Work *w)
{
    real *restrict c = w->c, reach = 0;
    const double *restrict b = w->b;
    VECTORISE_MAX(reach) for (size j = 0; j < w->n; j++)
    {
        c[j] = b[j];
        reach = max(absolute(c[j]), reach);
    }
    w->reach = reach;
    for (size j = 0; w->begun && j < w->n; j++)
        if (w->z[j] != 0)
            subtract(c, w->z[j], w->G + j * w->row, w->row);
    long_moves(w, 0.1 * w->lam);

    memset(w->chosen, 0, w->n);
    w->k = w->known = w->width = 0;
    join(w, 0.05 * w->lam);
    double inner = w->l1 = 0;
    for (size q = 0; q < w->k; q++) {
        inner += w->z_S[q] * (b[w->S[q]] + w->c_S[q]);
        w->l1 += absolute(w->z_S[q]);
    }
    w->energy = 0.5 * (w->squared - inner) + w->lam * w->l1; /* roughly */
    real enough = aim(w);
    size work = 0;
    double last = HUGE_VAL;
    for (int round = 0; round < ROUNDS; round++) {
        gather(w);
        if (w->k)
            work += solve_small(w, enough);
        certify(w);
        double gap = w->energy - w->dual;
        if (gap <= max(w->tol * w->dual, w->floor))
            break;
        size joined = join(w, 2 * w->slack);
        enough = joined ? aim(w) : min(aim(w), enough) / 4;
        if (sizeof(real) == 4 && !joined && gap > last / 2)
            break; /* float is at its end; the caller goes on in double */
        last = gap;
    }
    return work;
}

/* ---- the call ---- */

/* The first address from here that is the beginning of a line of the cache. */
enum { LINE = 64 };

INLINE void *at_a_line(char *here) { return here + (LINE - (uintptr_t)here % LINE) % LINE; }

/* Gives each array its piece of new memory, all zeros, and K its own. Returns 0 where there is not
   enough; free_arrays is to be called in both cases. */
static int make_arrays(Work *w)
{
    size bytes = (w->row + LANES) * sizeof(double); /* enough for any type */
    char *next = w->room = calloc(COUNT, bytes + LINE);
    w->room_K = malloc(w->row * w->row * sizeof(real) + LINE);
    if (w->room == NULL || w->room_K == NULL)
        return 0;
#define PLACE(type, name) next = (char *)(w->name = at_a_line(next)) + bytes;
    ARRAYS(PLACE)
    w->K = at_a_line(w->room_K);
    return 1;
}

static void free_arrays(Work *w)
{
    free(w->room);
    free(w->room_K);
}

/* Solves rows first … last − 1 of b into z (N x n), starting from what z holds. b = YW (N x n),
   squared = ‖y‖² and lam (N) are float64; so are the results energy and dual (N). G: n x row, in
   zeros to whole vectors. rounding: how far its entries are from G64, n x n. largest: of its
   entries. sign: 1, or 0 for codes >= 0. A sample is done when energy − dual is at most tol·dual,
   or at most its floor (N, float64). steps (N): sweeps and conjugate-gradient steps. Returns 0, or
   1 where there is not enough memory. */
EXPORT int solve_rows(size first, size last, size n, size row, const real *G, const double *G64,
                      const real *inverse, const double *b, const double *squared,
                      const double *lam, real *z, double sign, double tol, const double *floor,
                      double rounding, double largest, double *energy, double *dual, size *steps)
{
    Work w = {.n = n, .row = row, .G = G, .inverse = inverse, .G64 = G64, .rounding = rounding,
              .largest = largest, .tol = tol, .sign = sign};
    if (!make_arrays(&w)) {
        free_arrays(&w);
        return 1;
    }
    for (size j = 0; j < n; j++)
        w.diagonal[j] = G[j * row + j];
    for (size i = first; i < last; i++) {
        w.lam = lam[i], w.squared = squared[i], w.b = b + i * n, w.floor = floor[i];
        memcpy(w.z, z + i * n, n * sizeof(real));
        real any = 0;
        VECTORISE_MAX(any) for (size j = 0; j < n; j++) any = max(absolute(w.z[j]), any);
        w.begun = any > 0;
        steps[i] = solve(&w);
        energy[i] = w.energy, dual[i] = w.dual;
        memset(z + i * n, 0, n * sizeof(real));
        for (size q = 0; q < w.k; q++)
            z[i * n + w.S[q]] = w.z_S[q];
    }
    free_arrays(&w);
    return 0;
}
