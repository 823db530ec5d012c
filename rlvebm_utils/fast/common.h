/* What the compiled loops share. Each file is compiled for float and for double: REAL is the number,
   WORD an integer of its size. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef REAL real;
typedef WORD word;
typedef int64_t size;

/* As many numbers as fill a line of the cache: one vector register, or a few. They may lie at any
   address that suits one number. */
typedef real vec __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
enum { LANES = 64 / sizeof(real) };

#define INLINE static inline __attribute__((always_inline))
#define VECTORISE _Pragma("omp simd")
#define VECTORISE_SUM(...) OMP(omp simd reduction(+ : __VA_ARGS__))
#define VECTORISE_MAX(...) OMP(omp simd reduction(max : __VA_ARGS__))
#define OMP(...) _Pragma(#__VA_ARGS__)
/* A function that Python calls. compiled.py reads its prototype and checks arguments against it:
   size, int64_t, int and double for numbers, pointers to real, double, size and int64_t for tensors
   that are contiguous, or NULL where it says OR_NULL. */
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define OR_NULL

#define max(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define absolute(a) ((a) < 0 ? -(a) : (a))

INLINE size whole_vectors(size n) { return (n + LANES - 1) / LANES * LANES; }

/* The value that minimises E in one coordinate, the others fixed: it was `old`, its atom sees
   c_j = `here` of the residual, and inverse = 1/‖w_j‖². sign: 0 keeps codes >= 0, else 1. */
INLINE real best_value(real inverse, real here, real old, real lam, real sign)
{
    real high = inverse * (here - lam) + old, low = sign * (inverse * (here + lam) + old);
    return max(high, 0) + min(low, 0);
}

/* to -= x * from; n: whole vectors. */
INLINE void subtract(real *restrict to, real x, const real *restrict from, size n)
{
    for (size m = 0; m < n; m += LANES)
        *(vec *)(to + m) -= x * *(const vec *)(from + m);
}
