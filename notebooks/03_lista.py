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
import json
import math
from pathlib import Path

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
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.settled import length

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% tags=["recipe"]
photos = load_photographs(dtype=torch.float64)


def patches(names, side, count, seed):
    P = extract_patches({name: photos[name] for name in names}, side, count, seed=seed)
    P = P - P.mean(1, keepdim=True)
    contrast = P.std(1, keepdim=True)
    return (P / contrast)[contrast[:, 0] > 0.02]


# %% tags=["recipe"]
lam, n = 0.5, 100
held_out = ("camera", "coins")
Y_train = patches([name for name in photos if name not in held_out], 10, 20_000, seed=0)
Y_test = patches(held_out, 10, 1500, seed=0)[:500]

# %% tags=["recipe"]
dictionary = learn_dictionary(Y_train, n, lam, steps=length(100)).dictionary
W, L = dictionary.W, dictionary.lipschitz()
best = fista(dictionary, Y_test, lam, tol=1e-9)
as_ista = {"W_e": W / L, "S": torch.eye(n) - W.T @ W / L, "theta": torch.full((n,), lam / L)}


# %% tags=["exercise", "recipe"]
@your_turn("lista.one_round")
def one_round(y, z, W_e, S, theta):
    return ...


# %% tags=["recipe"]
def unrolled(y, W_e, S, theta, K=3):
    """The code after K rounds, for a batch y (N, d)."""
    z = torch.zeros(len(y), len(S))
    for _ in range(K):
        z = one_round(y, z, W_e, S, theta.clamp(min=0))
    return z


# %% tags=["exercise", "recipe"]
@your_turn("lista.energy_loss")
def energy_loss(y, z, W, lam):
    return ...


# %% tags=["recipe"]
RATES = {"W_e": 0.006, "S": 0.02, "theta": 0.03, "step": 0.06}  # of Adam, at their highest


def train(code_of, start, learned, steps, seed, aims=None):
    p = {name: value.clone().requires_grad_(name in learned) for name, value in start.items()}
    moving, rates = [p[name] for name in learned], [RATES[name] for name in learned]
    optimiser = torch.optim.Adam([{"params": [one]} for one in moving])
    warm = {"pct_start": 0.1, "cycle_momentum": False}
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, steps, **warm)
    generator = torch.Generator().manual_seed(seed)
    for _ in track(range(steps), "training"):
        rows = torch.randint(len(Y_train), (100,), generator=generator)
        y, z = Y_train[rows], code_of(Y_train[rows], **p)
        loss = energy_loss(y, z, W, lam) if aims is None else half_square(z - aims[rows])
        optimiser.zero_grad()
        loss.backward()  # through all rounds
        nn.utils.clip_grad_norm_(moving, 1.0)
        optimiser.step(), schedule.step()
    return {name: value.detach() for name, value in p.items()}


def half_square(r):
    return 0.5 * r.square().sum(1).mean()


# %% tags=["recipe"]
@torch.no_grad()
def errors_of(dictionary, Y, best, lam, z):
    """Mean squared distance to the best codes, and mean energy above the least, as a share."""
    distance = (z - best.z).square().sum(1).mean()
    above = energy(dictionary, Y, z, lam).mean() / best.energy.mean() - 1
    return {"distance": float(distance), "energy": float(above)}


# %% tags=["recipe"]
def steps_only(y, step, K=3):
    """ISTA with a learned length of each step, and the thresholds that go with it."""
    z = torch.zeros(len(y), n)
    for t in step.clamp(min=0) / L:
        z = soft_threshold(z + t * (y - z @ W.T) @ W, t * lam)
    return z


# %% tags=["recipe"]
def relatives(seed, steps, K=3):
    """Networks of the same depth that share more or less; errors on unseen patches."""
    everything, step = ["W_e", "S", "theta"], {"step": torch.ones(K)}
    aims = encode(dictionary, Y_train, lam).z
    tied = train(unrolled, as_ista, everything, steps, seed, aims)
    codes = {"published": unrolled(Y_test, **tied)}
    codes["steps"] = steps_only(Y_test, **train(steps_only, step, ["step"], steps, seed))
    for name in ("coupled", "product"):
        network = LISTA(dictionary, lam, K)
        network.B.requires_grad_(name == "product")
        train_lista(network, Y_train, steps=steps, batch_size=100, seed=seed)
        codes[name] = network(Y_test)
    return {name: errors_of(dictionary, Y_test, best, lam, z) for name, z in codes.items()}


# %% tags=["recipe"]
@torch.no_grad()
def fista_errors(dictionary, Y, best, lam, nonnegative=False, iterations=60):
    """FISTA as in notebook 2, without restart; its mean errors after each iteration."""
    z = v = torch.zeros_like(best.z)
    shift, step, grad = 1.0, 1 / dictionary.lipschitz(), dictionary.gradient(Y)
    errors = []
    for _ in range(iterations):
        z_last, shift_last = z, shift
        z = soft_threshold(v - step * grad(v), lam * step)
        z = z.clamp(min=0) if nonnegative else z
        shift = (1 + (1 + 4 * shift**2) ** 0.5) / 2
        v = z + (shift_last - 1) / shift * (z - z_last)
        errors.append(errors_of(dictionary, Y, best, lam, z))
    return {key: torch.tensor([e[key] for e in errors]) for key in errors[0]}


# %% tags=["recipe"]
depths = {1: length(400), 3: length(800), 7: length(800)}  # rounds K: steps of training


def compare(dictionary, Y, Y_unseen, lam, nonnegative=False, *, seed=0, share=1):
    """FISTA's errors, those of a network of each depth, and the networks."""
    best = fista(dictionary, Y_unseen, lam, nonnegative=nonnegative, tol=1e-9)
    curve = fista_errors(dictionary, Y_unseen, best, lam, nonnegative)
    point, networks = {}, {}
    for K, steps in depths.items():
        networks[K] = LISTA(dictionary, lam, K, nonnegative=nonnegative)
        train_lista(networks[K], Y, steps=int(share * steps), batch_size=100, seed=seed)
        point[K] = errors_of(dictionary, Y_unseen, best, lam, networks[K](Y_unseen))
    return curve, point, networks


# %% tags=["recipe"]
folds = [("camera", "coins"), ("astronaut", "rocket"), ("coffee", "chelsea")]
lam_digits = 0.1


def photographs(fold, seed):
    """What learns from the other four photographs, and patches of the two."""
    Y = patches([name for name in photos if name not in fold], 10, 20_000, seed)
    unseen = patches(fold, 10, 1500, seed)[:500]
    return learn_dictionary(Y, n, lam, steps=length(100), seed=seed).dictionary, Y, unseen, lam


def small_digits(seed):
    """Strokes for digits of 10×10 pixels, what they were learned from, and unseen digits."""
    images = load_digits(dtype=torch.float64).images[:, None, 4:24, 4:24]  # the middle
    digits = nn.functional.avg_pool2d(images, 2).flatten(1)
    options = {"nonnegative": True, "steps": length(50), "seed": seed}
    strokes = learn_dictionary(digits[:4000], n, lam_digits, **options).dictionary
    return strokes, digits[:4000], digits[4000:4500], lam_digits, True
