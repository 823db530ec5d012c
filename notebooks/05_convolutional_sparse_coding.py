# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 · Convolutional sparse coding
#
# **You will take whole photographs apart with a handful of small kernels that are used at every place, learn such kernels from one to sixty-four at a time, and
# measure what they become: spots, edges, bars, gratings.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - write an image as a sum of feature maps convolved with kernels, and that sum as a matrix;
# - say which of the two is the dictionary and which the code;
# - explain why the code moves with the image;
# - learn kernels from photographs, and tell by numbers what they look like.
#
# **You need** [notebook 2](02_sparse_coding_fista.ipynb): energy, FISTA, the duality gap. **Time** 40 minutes to read; all cells together run in about a minute.
#
# This notebook follows the part on convolutional sparse coding of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). Wherever it says «the lecture says», it means the
# notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is measured here; the cell's last line tells what came out.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $Y$ | an image; a batch of them has one more axis in front | `Y` |
# | $K_i$ | the kernels, 9 × 9 pixels each, $i = 1 \dots n$ | `K`, shape (n, 9, 9) |
# | $Z_i$ | the *feature maps*: $Z_i$ says where, and how strongly, $K_i$ is used | `Z`, shape (n, h − 8, w − 8) |
# | $*$ | convolution | |
# | $\lambda \ge 0$ | the price of using a kernel somewhere | `lam` |
# | $W$ | the matrix that does the same as the kernels | `W` |

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

from rlvebm_utils import ConvDictionary, Dictionary, fista, label_kernels, learn_kernels
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import extract_patches, load_photographs, local_contrast
from rlvebm_utils.course.kernels import colour_share, orientation_bins
from rlvebm_utils.course.plots import conv as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.widgets.conv import conv_codes_panel

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · The same edge at a thousand places
#
# Six photographs, free to use. Light and shade say little about what there is to see, so we look at the *local contrast*: each pixel less the mean around it, in
# units of how much the surroundings vary.

# %%
photos = load_photographs(dtype=torch.float64)
contrast = {name: local_contrast(image) for name, image in photos.items()}  # 8 pixels are trimmed
draw.photograph(photos["camera"][8:-8, 8:-8], contrast["camera"])

# %% [markdown]
# Ordinary sparse coding needs one atom for every edge **at every place**. For an image of 500 × 500 pixels that is a matrix with 250 000 rows. But an edge is an edge,
# wherever it is. So let an atom be small, a *kernel* $K_i$, and let the code say *where*: one map $Z_i$ for each kernel.
#
# **The lecture says** that the reconstruction is then
#
# $$Y = \sum_i K_i * Z_i .$$
#
# A convolution with a map of few non-zeros is easy to say in words: at each non-zero, put down a copy of the kernel, times that number.

# %%
show_diagram("conv_sum")

# %% [markdown]
# In code:


# %%
def put_down(K, Z):
    n, p, q = Z.shape
    Y = torch.zeros(p + 8, q + 8)
    for i, row, column in Z.nonzero().tolist():
        Y[row : row + 9, column : column + 9] += Z[i, row, column] * K[i]
    return Y


# %% [markdown]
# An entry of $Z$ stands for a place where the whole kernel lies inside the image: that is why a map is 8 pixels smaller than the image, and nothing has to be made up
# beyond the border.
#
# To see it work we need kernels. Learn eight of them now, from 400 pieces of the photographs; how is the subject of section 3. Then FISTA finds the code of one piece.

# %%
pieces = extract_patches(contrast, size=40, count=400, seed=0).reshape(-1, 40, 40)
eight = [learn_kernels(pieces, 8, lam=2.5, steps=200, seed=seed).dictionary for seed in range(3)]
conv = eight[0]
Y = contrast["camera"][84:148, 196:260]  # part of a face
code = fista(conv, Y, lam=1.0)
print(
    f"{conv}\nrelative gap below {1e-4:g}: {bool(code.converged)}; {int((code.z != 0).sum())} of {code.z.numel()} entries are not zero"
)

# %% [markdown]
# That was **the same** `fista` as in notebook 2, with the same certificate: a solver asks an operator for `decode` ($Wz$), its `adjoint` ($W^\top r$) and $L$, and never
# whether there is a matrix inside.
#
# **Predict:** a matrix $W$ that does the same to the entries of $Z$ as the convolutions do: how many rows and columns has it, and how many *different* numbers?

# %% tags=["claim:CONV-1"]
small = ConvDictionary(conv.K[:3])
Z = torch.randn(3, 6, 7, generator=torch.Generator().manual_seed(0))  # codes of a 14 × 15 image
W = torch.zeros(14 * 15, Z.numel())
for column in range(Z.numel()):
    one = torch.zeros(Z.numel())
    one[column] = 1.0
    W[:, column] = put_down(small.K, one.reshape(Z.shape)).flatten()  # a kernel at one place
R = torch.randn(14, 15, generator=torch.Generator().manual_seed(1))
decode = (W @ Z.flatten() - small.decode(Z).flatten()).abs().max()
adjoint = (W.T @ R.flatten() - small.adjoint(R).flatten()).abs().max()
L_ratio = small.lipschitz() / torch.linalg.matrix_norm(W, 2) ** 2
squared = (Y - conv.decode(code.z)).square().sum() / Y.square().sum()
share = (code.z != 0).double().mean()
claim("CONV-1", size=W.shape, off=[decode, adjoint], L_ratio=L_ratio, share=share, squared=squared)
draw.toeplitz(W, 3)

# %% [markdown]
# The stripes are the sharing: a column is its neighbour, one pixel further on. Such a matrix is called *Toeplitz*. Nobody should ever store it.
# The image, term by term:

# %%
terms = torch.stack([put_down(conv.K[i : i + 1], code.z[i : i + 1]) for i in range(8)])
print("put_down gives what conv.decode gives:", torch.allclose(terms.sum(0), conv.decode(code.z)))
draw.term_by_term(conv.K, code.z, terms, Y)

# %% [markdown]
# ### How the sum is computed
#
# There are two ways. *Spatial*: cut the image into overlapping patches and multiply them by all kernels in one matrix product. *Fourier*: multiply spectra. Timed
# on a CPU, the spectra win while a kernel has more numbers than there are kernels, twice over (81 > 2n); with more kernels than that the matrix product shares
# its work better. `ConvDictionary` chooses by this rule, and `method=` overrules it.
#
# ### Which is the dictionary?
#
# **The lecture's notes say** that «the dictionary matrix is now a bunch of feature maps». Test it. A dictionary is what stays when the next image comes; the code is
# what is found anew. Take a second image. Keep the kernels and find new maps; or keep the *maps* of the first image and fit new kernels, by least squares.
#
# **Predict:** which of the two explains the second image?

# %% tags=["claim:ERR-9"]
Y2 = contrast["coffee"][100:164, 300:364]
kept_kernels = Y2 - conv.decode(fista(conv, Y2, lam=1.0).z)

columns = []  # K ↦ Σ K_i * Z_i is linear too: a column for each of the 8·81 numbers in K
for place in torch.eye(81).reshape(81, 9, 9):
    columns += [put_down(place[None], code.z[i : i + 1]).flatten() for i in range(8)]
M = torch.stack(columns, 1)
kept_maps = Y2.flatten() - M @ torch.linalg.lstsq(M, Y2.flatten(), driver="gelsd").solution
total = Y2.square().sum()
kernels_fail, maps_fail = (float(r.square().sum() / total) for r in (kept_kernels, kept_maps))
claim("ERR-9", kernels_fail=kernels_fail, maps_fail=maps_fail)

# %% [markdown]
# The kernels carry over, the maps do not. **The kernels are the dictionary; the feature maps are the code.** (The notes are right that the sum is still linear: in the maps for
# fixed kernels, and in the kernels for fixed maps.)
#
# ## 2 · Move the image, and the code moves along
#
# All places share one dictionary. So if an image moves by a few pixels, its best code should be the old one, moved. **Predict:** does this also hold for ordinary sparse coding
# of patches, with the same eight 9 × 9 atoms, on the image cut into squares of 9 × 9?

# %%
ground = torch.zeros(72, 72)
ground[18:50, 18:50] = contrast["coffee"][120:152, 330:362]  # a piece of a cup on empty ground
moved = ground.roll((4, 5), (0, 1))
both = fista(conv, torch.stack([ground, moved]), lam=1.0, tol=1e-9)
Z_here, Z_there = both.z
strongest = int(Z_here.abs().amax((1, 2)).argmax())
draw.shifted_codes((ground, moved), (Z_here[strongest], Z_there[strongest]), (4, 5))

# %% tags=["claim:CONV-2"]
off = (Z_there - Z_here.roll((4, 5), (1, 2))).abs().max() / Z_here.abs().max()

atoms = Dictionary(conv.K.flatten(1).T)  # the same kernels as atoms of ordinary sparse coding


def patch_codes(image):  # (8 atoms, 8 × 8 patches)
    patches = image.unfold(0, 9, 9).unfold(1, 9, 9).reshape(64, 81)
    return fista(atoms, patches, lam=1.0, tol=1e-9).z.T.reshape(8, 8, 8)


here, there = patch_codes(ground), patch_codes(moved)
steps = [(down, right) for down in (0, 1) for right in (0, 1)]  # whole patches only
patches_off = min((there - here.roll(s, (1, 2))).norm() / here.norm() for s in steps)
h, w = photos["camera"].shape
claim("CONV-2", off=off, patches_off=patches_off, numbers=conv.K.numel(), h=h, w=w)

# %% [markdown]
# Patches see the same edge in another position each time, and their code has nothing to do with the old one. The convolutional code only moves.
#
# ## 3 · What kernels become
#
# Learning is as in notebook 2: codes for the kernels at hand, then better kernels for these codes, in turn, with kernels of length 1. The statistics that an update needs
# are correlations between maps, and between maps and images, over all shifts within a kernel. Learn dictionaries of 1 to 64 kernels, each from noise.

# %%
settings = {1: (1.0, 60), 2: (2.5, 100), 4: (2.5, 120), 16: (2.5, 80), 32: (2.5, 60), 64: (2.5, 40)}
family = {8: conv.K}
for n, (lam, steps) in settings.items():
    run = learn_kernels(pieces, n, lam, steps=steps, nonnegative=n == 1, progress=n >= 16)
    family[n] = run.dictionary.K
family = {n: family[n] for n in sorted(family)}
draw.kernels_by_number(family)

# %% [markdown]
# It is tempting to squint and see what one wants to see. So let us measure. A kernel is called
#
# - **centre-surround** if more than 75 % of its energy is the same in all directions about its centre;
# - otherwise **other** if its power spectrum prefers no direction;
# - otherwise by its profile across its lines: two lobes make an **edge**, one or three a **bar**, more a **grating**.
#
# The package tests these labels on synthetic kernels. Now the lecture's sentences, one by one.
#
# ### «One filter is a centre-surround»
#
# With one kernel much depends on λ. Five starts for each of four values, with codes ≥ 0:

# %%
alone = {}
for lam in (0.5, 1.0, 2.0, 4.0):
    runs = [learn_kernels(pieces, 1, lam, nonnegative=True, steps=60, seed=s) for s in range(5)]
    alone[lam] = [run.dictionary.K[0] for run in runs]
    labels = label_kernels(torch.stack(alone[lam]))
    count = sum(label.kind == "centre-surround" for label in labels)
    blobs = sum(label.kind in ("centre-surround", "other") for label in labels)
    print(f"λ = {lam}: centre-surround in {count} of 5 starts, no direction in {blobs} of 5")
draw.one_kernel(alone)

# %% [markdown]
# At one price, between low and high, one kernel does become a centre with a faint surround, on most starts. A lower price leaves it ragged, since every detail may be
# explained; at a higher price only what is strong pays, and that is edges. So «one filter is a centre-surround» is true at some λ, and not of others.
#
# ### «Two: odd shapes. Four: horizontal and vertical edges, with two polarities»
#
# *Polarity*: which side is light. **Predict:** if a code may be negative, is there any use for a second kernel that is the negative of the first?


# %%
def four(seed, nonnegative):
    return learn_kernels(pieces, 4, 2.5, nonnegative=nonnegative, steps=120, seed=seed).dictionary.K


signed, positive = ([four(seed, rule) for seed in range(3)] for rule in (False, True))
draw.polarity(signed, positive)


# %%
def two_polarities(K):  # pairs of edges with opposite light sides, to 20°
    edges = [x for x in label_kernels(K) if x.kind == "edge"]
    apart = [abs((a.light - b.light + 180) % 360 - 180) for a in edges for b in edges]
    return sum(angle > 160 for angle in apart) // 2


pairs_signed, pairs_positive = ([two_polarities(K) for K in runs] for runs in (signed, positive))
print(
    f"pairs of opposite polarity in three starts: signed codes {pairs_signed}, codes ≥ 0 {pairs_positive}"
)
print("the two kernels of the pair above:", [label.kind for label in label_kernels(family[2])])

# %% [markdown]
# With signed codes $K$ and $-K$ are the same atom, so a pair is a waste: the four kernels spread over more directions, and where two lie alike, one is broad and one
# narrow. Codes ≥ 0 give the lecture's pairs, upright and level. Its figure must come from such codes, or from an encoder that makes them.
#
# ### «Eight: edges at eight orientations»

# %%
draw.eight([run.K for run in eight])
bins = [orientation_bins(label_kernels(run.K)) for run in eight]
oriented = [sum(x.kind in ("edge", "bar") for x in label_kernels(run.K)) for run in eight]
print(
    "edges or bars among 8:",
    oriented,
    "bins of 22.5° filled:",
    [sum(c > 0 for c in b) for b in bins],
)

# %% [markdown]
# ### «Sixteen: more orientations, and centres. More: gratings too»

# %%
draw.kinds(family)
draw.angles({n: orientation_bins(label_kernels(family[n])) for n in (16, 32, 64)})

# %% tags=["claim:CONV-4"]
kinds = {n: [label.kind for label in label_kernels(K)] for n, K in family.items()}
filled = {n: sum(c > 0 for c in orientation_bins(label_kernels(K))) for n, K in family.items()}
centres = sum(
    label.kind == "centre-surround"
    for kernels in alone.values()
    for label in label_kernels(torch.stack(kernels))
)
least_bins = min(sum(c > 0 for c in b) for b in bins)
pairs, directions = [sum(pairs_positive), sum(pairs_signed)], [least_bins, filled[16]]
many = [(kinds[32] + kinds[64]).count(kind) for kind in ("grating", "centre-surround")]
claim("CONV-4", centres=centres, pairs=pairs, edges=min(oriented), directions=directions, many=many)

# %% [markdown]
# **What came out.** Edges from two kernels on, and more directions with more kernels: as the lecture says. A centre-surround for one kernel needs
# the right λ. The two polarities need codes ≥ 0. Gratings and spots do appear among many kernels, but they are a small minority here. The lecture's
# figure shows filters that were learned together with an *encoder*; [notebook 6](06_convolutional_sparse_autoencoder.ipynb) does that.
#
# ## 4 · Colour
#
# For colour an image has three channels, and so has a kernel; the maps have none. **The lecture says** that in the codes of colour images, with 9 × 9 kernels, nearly all entries are zero.
#
# **Predict:** what share of 16 kernels will be colour, and what share light against dark?

# %% tags=["claim:CONV-6"]
in_colour = load_photographs(color=True, dtype=torch.float64)
detail = {name: local_contrast(image) for name, image in in_colour.items()}
colour_pieces = extract_patches(detail, size=36, count=300, seed=0).reshape(-1, 3, 36, 36)
colour = learn_kernels(colour_pieces, 16, lam=2.0, steps=70, progress=True).dictionary
scene = detail["coffee"][:, 100:196, 250:346]
Z = fista(colour, scene, lam=0.7, tol=1e-3).z
rebuilt = colour.decode(Z)
error = (scene - rebuilt).square().sum() / scene.square().sum()
nonzero = (Z != 0).double().mean()
draw.colour(colour.K, Z, scene, rebuilt, float(nonzero))
claim("CONV-6", nonzero=nonzero, error=error)

# %%
shares = colour_share(colour.K)  # of each kernel's energy, what is not grey
spread = torch.linalg.eigvalsh(torch.cov(torch.cat([v.flatten(1) for v in detail.values()], 1)))
print(f"colour is {shares.max():.0%} of a kernel's energy at most, {shares.mean():.0%} on average")
print(f"light against dark is {spread[-1] / spread.sum():.0%} of the contrast in the photographs")

# %% [markdown]
# The maps are grey almost everywhere, as in the lecture's figure 7. The kernels are light and dark edges with a tint, often blue against orange. They spend little of
# their length on colour because there is little to explain by it.
#
# ## 5 · Drag λ
#
# **Predict** first: which maps empty out first as λ grows? The panel shows the first piece of this notebook and the eight kernels of section 1. The codes for all
# positions of the slider have just been computed, each from its neighbour.

# %% tags=["slider"]
conv_codes_panel(conv, Y)

# %% [markdown]
# ## Exercises
#
# Each cell stands alone and answers at once. Replace the `...`.
#
# **1. The adjoint.** FISTA needs the kernels against every place of a residual `R`: entry $(i, r, c)$ is the sum of $K_i$ times the piece of $R$ whose upper left corner
# is $(r, c)$. Return it, shape $(n, h - a + 1, w - a + 1)$.

# %% tags=["exercise"]
import torch

from rlvebm_utils import ConvDictionary
from rlvebm_utils.course.exercises import check


def adjoint(K, R):
    return ...


def package_adjoint(K, R):
    return ConvDictionary(K).adjoint(R)


K = torch.arange(18, dtype=torch.float64).reshape(2, 3, 3) - 4
R = torch.arange(30, dtype=torch.float64).reshape(5, 6).cos()
check(
    adjoint,
    package_adjoint,
    (K, R),
    (K[:1], R[:3, :3]),
    hint="torch.nn.functional.conv2d is a correlation; or loop over the places",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def adjoint(K, R):
#     return torch.nn.functional.conv2d(R[None, None], K[:, None])[0]
# ```
# </details>

# %% [markdown]
# **2. From which λ on is every map empty?** In notebook 2 it was $\max_j |w_j^\top y|$. Return it for an image and kernels.

# %% tags=["exercise"]
import torch

from rlvebm_utils import ConvDictionary, lambda_max
from rlvebm_utils.course.exercises import check


def emptying(K, Y):
    return ...


def package_emptying(K, Y):
    return lambda_max(ConvDictionary(K), Y)


K = torch.arange(18, dtype=torch.float64).reshape(2, 3, 3) - 4
Y_toy = torch.arange(30, dtype=torch.float64).reshape(5, 6).cos()
check(emptying, package_emptying, (K, Y_toy), (K, -Y_toy), hint="an atom is a kernel at a place")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def emptying(K, Y):
#     return ConvDictionary(K).adjoint(Y).abs().max()
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - $Y = \sum_i K_i * Z_i$: kernels are the dictionary, feature maps the code. It is sparse coding with a Toeplitz matrix that nobody stores.
# - Solvers and certificates need `decode`, `adjoint` and $L$ alone: FISTA runs unchanged.
# - One dictionary for all places: the code moves with the image, and a few hundred numbers serve an image of any size.
# - From photographs come edges; with codes ≥ 0 in both polarities, with signed codes in more directions.
#
# ## What breaks
#
# - **Borders.** Here codes exist only where a kernel fits into the image. Circular convolution is simpler in Fourier space, and glues opposite borders together.
# - **Convolution or correlation.** Deep-learning libraries call correlation «convolution». Mixing them up turns the kernels by 180°.
# - **Neighbours.** A kernel and itself one pixel further are nearly the same atom, so $L$ is large, and FISTA needs more iterations than on patches.
# - **Light and shade.** Without taking out the local mean, one kernel becomes a constant patch and the others refine it.
# - **Labels by eye.** Fix the rule before you look.
#
# ## References
#
# - Y. LeCun, lecture 8-2 of *Deep Learning*, NYU 2020; notes by H. Steinitz, R. Malaviya and A. Manoj: [atcold.github.io](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/)
# - M. Zeiler, D. Krishnan, G. Taylor, R. Fergus, *Deconvolutional networks*, CVPR 2010, [doi:10.1109/CVPR.2010.5539957](https://doi.org/10.1109/CVPR.2010.5539957)
# - K. Kavukcuoglu, P. Sermanet, Y.-L. Boureau, K. Gregor, M. Mathieu, Y. LeCun, *Learning convolutional feature hierarchies for visual recognition*, NIPS 2010: where the lecture's figure comes from
# - B. Wohlberg, *Efficient algorithms for convolutional sparse representations*, IEEE Trans. Image Process. 25 (2016), [doi:10.1109/TIP.2015.2495260](https://doi.org/10.1109/TIP.2015.2495260)
# - K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, *What is the best multi-stage architecture for object recognition?*, ICCV 2009, [doi:10.1109/ICCV.2009.5459469](https://doi.org/10.1109/ICCV.2009.5459469): local contrast normalisation
#
# Photographs: those that scikit-image ships; credits in `rlvebm_utils.course.data.PHOTOGRAPHS`.
