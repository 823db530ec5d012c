# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6 · A convolutional sparse auto-encoder
#
# **You will train an encoder that guesses the sparse code of a photograph in one pass, see its filters and the decoder's grow alike although neither ever sees the other, and measure
# how much such filters help a classifier that has few labels.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - write the encoder and the energy that ties it to the decoder;
# - test whether two sets of filters look alike, against chance;
# - say why looking alike is not the same as predicting well;
# - set up a fair test of «learned features help», with the controls that it needs.
#
# **You need** [notebook 5](05_convolutional_sparse_coding.ipynb): kernels, feature maps, FISTA on images. **Time** 35 minutes to read; all cells together run in about a minute.
#
# This notebook follows the part on the convolutional sparse auto-encoder of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). Wherever it says «the lecture says», it means the
# notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is measured here; the cell's last line tells what came out.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $Y$ | an image (or a piece of one) | `Y` |
# | $K_i$ | the decoder's kernels, 9 × 9, $i = 1 \dots n$ | `dictionary.K` |
# | $C_i, b_i, g_i$ | the encoder's kernels, biases and gains | `encoder.C`, `.bias`, `.gain` |
# | $Z$ | the code: one feature map $Z_i$ for each kernel | `Z` |
# | $*$, $\star$ | convolution; correlation, which does not turn the kernel round (what deep learning calls a convolution) | |
# | $\lambda, \alpha$ | the price of a non-zero; the price of straying from the encoder's guess | `lam`, `alpha` |

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

from rlvebm_utils import energy, fista, track
from rlvebm_utils.course import csae
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs, local_contrast
from rlvebm_utils.course.plots import csae as draw
from rlvebm_utils.course.plots.diagrams import show_diagram

torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · Two halves that share a code
#
# In notebook 5 every code cost an iteration. An *encoder* guesses it in one pass. **The lecture says** that it is «simply a convolution followed by some non-linearity
# and then a diagonal layer to change the scale», and that the decoder is linear and convolutional with a squared error:
#
# $$\text{Enc}(Y)_i = g_i\,\varphi(C_i \star Y + b_i), \qquad \text{Dec}(Z) = \sum_i K_i * Z_i .$$
#
# Both are trained with one energy. To the one you know it adds the distance of the code from the guess:
#
# $$\min_Z \; \tfrac12\Big\Vert Y - \sum_i K_i * Z_i\Big\Vert^2 + \lambda\Vert Z\Vert_1 + \tfrac{\alpha}{2}\Vert Z - \text{Enc}(Y)\Vert^2 .$$
#
# So one step of training is: guess; improve the guess by a few steps of FISTA; move the kernels $K$ downhill for these codes, and the encoder towards them. Note
# who sees whom. $K$ and $C$ start from **different** noise, and neither is ever shown the other: they share nothing but $Z$.

# %%
show_diagram("autoencoder")

# %% [markdown]
# The images are pieces of photographs, in units of their local contrast as in notebook 5. Twenty pieces are kept aside.

# %%
photos = load_photographs(dtype=torch.float64)
contrast = {name: local_contrast(image) for name, image in photos.items()}
pieces = extract_patches(contrast, size=40, count=420, seed=0).reshape(-1, 40, 40)
train, held_out = pieces[:400], pieces[400:]
lam, n = 1.5, 8

encoder = csae.ConvEncoder(n, nonlinearity="tanh")
Y = held_out[:1]
by_hand = encoder.gain[:, None, None] * torch.tanh(
    torch.nn.functional.conv2d(Y[:, None], encoder.C[:, None], encoder.bias)
)
print(f"code {tuple(encoder(Y).shape)}, as by hand: {torch.allclose(encoder(Y), by_hand)}")

# %% [markdown]
# Two non-linearities are worth trying: $\tanh$, as in the first papers, and the *shrinkage* of notebook 2, whose width $\theta_i$ is learned too. Three starts of each.

# %%
runs = {"tanh": [], "shrinkage": []}
for name, phi in {"tanh": "tanh", "shrinkage": "softshrink"}.items():
    for seed in range(3):
        runs[name].append(
            csae.train_autoencoder(train, n, lam, nonlinearity=phi, seed=seed, progress=True)
        )
    early, late = (
        float(runs[name][0].distance[k].mean()) for k in (slice(0, 10), slice(-10, None))
    )
    print(f"{name:9} distance ‖Z − Enc(Y)‖²/‖Z‖²: {early:.1f} at first, {late:.1f} at the end")

# %% [markdown]
# The distance $D$ falls: the encoder learns to predict. **Predict** before you run the next cell: will an encoder kernel resemble its partner in the decoder, resemble
# some *other* kernel, or have its own style?

# %%
first = runs["shrinkage"][0]
C, K = first.encoder.kernels, first.dictionary.K  # kernels turned over where the gain is negative
draw.pairs(C, K, csae.likeness(C, K))

# %% [markdown]
# ## 2 · Do they look alike? Ask chance
#
# «Very similar», says the lecture, and the eye agrees. But any two edges are somewhat alike, and with a few shifts allowed even more so. So: take the cosine of
# each encoder kernel with each decoder kernel, at the best alignment within 2 pixels. Then pair the two sets **at random**, ten thousand times. If the true pairs were nothing
# special, about half of the random pairings would do as well. The share that do is the p-value (the true pairing counts as one of them, so it is never zero).

# %% tags=["claim:CONV-3"]
tests, own = {}, 0
for name, three in runs.items():
    cosines = [csae.likeness(run.encoder.kernels, run.dictionary.K) for run in three]
    own += sum(int((c.argmax(1) == torch.arange(n)).sum()) for c in cosines)
    tests[name] = torch.tensor([csae.permutation_test(c) for c in cosines]).T
    matched, chance, p = tests[name]
    starts = ", ".join(f"{m:.2f}" for m in matched.tolist())
    print(f"{name:9} mean cosine {starts}; random pairings {chance.mean():.2f}; p ≤ {p.max():.4f}")
matched, chance, p = torch.cat(list(tests.values()), 1)
D = max(float(run.distance[-10:].mean()) for three in runs.values() for run in three)
claim("CONV-3", matched=matched, chance=chance.max(), p=p.max(), own=own, pairs=6 * n, D=D)
draw.against_chance(csae.likeness(C, K))

# %% [markdown]
# The statement holds, for both non-linearities and each start. One reason: to know how much of $K_i$ there is at a place, hold $K_i$ against it. The first
# gradient step of FISTA from $Z = 0$ is $K_i \star Y$, and shrinkage follows. An encoder that has to do all in one pass can hardly begin in another way.
#
# But who follows whom? **Predict:** if the encoder may *not* learn, and stays the noise that it was, will the decoder still look like it?

# %%
noise = csae.train_autoencoder(train, n, lam, nonlinearity="softshrink", lr=0.0, seed=0)
draw.pairs(
    noise.encoder.kernels,
    noise.dictionary.K,
    csae.likeness(noise.encoder.kernels, noise.dictionary.K),
    encoder="noise",
)
for name, run in {"trained together": first, "encoder left as noise": noise}.items():
    cosine = csae.likeness(run.encoder.kernels, run.dictionary.K).diagonal().mean()
    E, D_run = run.energy[-10:].mean(), run.distance[-10:].mean()
    print(f"{name:22} mean cosine {cosine:.2f}, D {D_run:.1f}, energy of the codes {E:.0f}")

# %% [markdown]
# It does! The codes are pulled towards the guess, so the decoder makes kernels that suit whatever the encoder says, noise included. *Both* halves follow, and
# a high cosine alone does not show that the encoder has learned anything. Two other numbers do: the guess of the trained encoder is close to the code ($D$ well below the 1 of an empty guess, noise is
# above it), and the codes' energy is lower. That is why the claim above asks for $D$ as well.
#
# ## 3 · Looking alike is not predicting well
#
# Now the codes. **Predict:** both encoders look like their decoders. Whose code is better? Judge by what the code is *for*: its energy
# $E = \tfrac12\Vert Y - \sum_i K_i * Z_i\Vert^2 + \lambda\Vert Z\Vert_1$ on pieces never seen. The empty code, $Z = 0$, is the one to beat.

# %%
shown, rebuilt = {}, {}
for name, three in runs.items():
    share = {"encoder": [], "FISTA": []}
    for run in three:
        with torch.no_grad():
            guess = run.encoder(held_out)
        best = fista(run.dictionary, held_out, lam, tol=1e-2).z
        empty = energy(run.dictionary, held_out, 0 * guess, lam).mean()
        for who, Z in {"encoder": guess, "FISTA": best}.items():
            share[who].append(energy(run.dictionary, held_out, Z, lam).mean() / empty)
    for who, E in share.items():
        print(
            f"{name:9} {who:7} energy {100 * min(E):.0f} to {100 * max(E):.0f} % of that of Z = 0"
        )

# %%
codable = fista(first.dictionary, held_out, lam, tol=1e-2).energy
Y = held_out[codable.div(held_out.square().sum((1, 2))).argmin()][
    None
]  # the piece with most structure
for name, three in runs.items():
    with torch.no_grad():
        shown[name] = three[0].encoder(Y)[0]
    rebuilt[name] = three[0].dictionary.decode(shown[name])
shown["FISTA"] = fista(first.dictionary, Y, lam).z[0]
rebuilt["FISTA"] = first.dictionary.decode(shown["FISTA"])
draw.codes(Y[0], shown, rebuilt)

# %% [markdown]
# With $\tanh$ the pairs look alike, and yet the code is *worse than none*: $\tanh$ is never exactly zero, so all places pay a little of $\lambda\Vert Z\Vert_1$, everywhere, for nothing; and
# it saturates, so strong edges are cut short. Shrinkage has both what $\tanh$ lacks: exact zeros and no ceiling. It goes more than half of the way from the empty code to FISTA's in a single pass (whose
# maps, in the last row, have far fewer non-zeros still). With [notebook 3](03_lista.ipynb) you can add passes.
#
# (The maps of the first row belong to another decoder than those below: each auto-encoder has learned its own kernels.)
#
# ## 4 · Are the features any good?
#
# **The lecture says** that putting such features into a convolutional net does not necessarily beat training from scratch on a large set, but can help where samples are
# few. Photographs taught the kernels; let us read *digits* with them. 1000 digits are for testing; from the other 4000, nets get between 10 and 3000 labels.
#
# The net: kernels held against every other pixel; positive and negative parts; the largest of each 2 × 2 places; one linear layer. Only the kernels differ:
#
# - **random**: noise. *Frozen*, only the linear layer learns; *trained*, all of it does: that is «from scratch»;
# - **learned** on photographs, without a label: *frozen*, or *fine-tuned* along with the linear layer;
# - **same spectrum, random phase**: a control. As coarse and as oriented as the learned kernels, but nothing in them lines up to an edge.

# %%
digits = load_digits(dtype=torch.float64)
X, label = digits.images[:, 2:-2, 2:-2], digits.labels  # hardly any ink in the rim
X_train, label_train, X_test, label_test = X[:4000], label[:4000], X[4000:], label[4000:]


# %%
def kernels(seed):
    learned = runs["shrinkage"][seed % 3].encoder.kernels
    noise = torch.randn(learned.shape, generator=torch.Generator().manual_seed(seed))
    return {
        "random": noise,
        "same spectrum": csae.random_phase(learned, seed + 100),
        "learned": learned,
    }


draw.rows_of_kernels(
    kernels(0),
    "The same net with three kinds of kernels",
    "Noise; blurred stripes and blotches with the spectrum of the learned kernels; edges and bars.",
)

# %% [markdown]
# A seed decides which digits are labelled, the noise, and which of the three auto-encoders the kernels come from. Within a seed all nets see the same digits in the same order, so
# that they can be compared pair by pair. **Predict:** with 10 labels, one of each class, how far above 10 % does the best net come? And who is best with 3000?

# %%
labels, seeds = (10, 30, 100, 1000, 3000), range(5)
steps = {10: 60, 30: 60, 100: 60, 1000: 100, 3000: 150}
nets = {"random, frozen": True, "same spectrum, frozen": True, "learned, frozen": True}
nets |= {"random, trained": False, "learned, fine-tuned": False}
score = {name: torch.zeros(5, len(labels)) for name in nets}
for seed, k in track([(s, k) for s in seeds for k in range(len(labels))], "training the nets"):
    rows = (torch.arange(labels[k]) + 800 * seed) % len(X_train)
    for name, frozen in nets.items():
        net = csae.SmallNet(kernels(seed)[name.split(",")[0]], X_train[:500])
        csae.fit(
            net, X_train[rows], label_train[rows], frozen=frozen, steps=steps[labels[k]], seed=seed
        )
        score[name][seed, k] = csae.accuracy(net, X_test, label_test)

# %%
gains = {
    "fine-tuned − from scratch": score["learned, fine-tuned"] - score["random, trained"],
    "learned − random, frozen": score["learned, frozen"] - score["random, frozen"],
    "learned − same spectrum": score["learned, frozen"] - score["same spectrum, frozen"],
}
draw.few_labels(labels, score, gains)
print(f"{'labels':26}" + "".join(f"{count:>12}" for count in labels))
for name, s in (score | gains).items():
    error = (200 / 5**0.5 if name in gains else 100) * s.std(0)
    cells = zip((100 * s.mean(0)).tolist(), error.tolist(), strict=True)
    sign = "+" if name in gains else ""
    print(f"{name:26}" + "".join(f"{m:{sign}6.1f} ± {d:3.1f}" for m, d in cells))

# %% tags=["claim:CONV-5"]
few = 100 * torch.stack([g[:, :3].mean(1) for g in gains.values()])  # up to 100 labels
error = 2 * few.std(1) / 5**0.5
many = 100 * gains["fine-tuned − from scratch"][:, -1]
error_many = 2 * float(many.std()) / 5**0.5
claim("CONV-5", gain=few.mean(1), error=error, many=many.mean(), error_many=error_many)

# %% [markdown]
# The lecture's direction is right, with three remarks.
#
# - **Few labels: yes.** Up to 100 labels the learned kernels gain more than two standard errors over noise, frozen or fine-tuned. All of it came from photographs: their training saw no digit.
# - **Many labels: it fades, but is not over.** The gain over training from scratch is smaller at 3000 labels, and still above its error. Frozen kernels have had their day by then:
#   a net trained from scratch passes them. 3000 is not *large*; what happens at 60 000 cannot be told from these 5000 digits.
# - **Most of it is not the edges.** Kernels with the same spectrum and random phase, without a clean edge in them, are far above noise too. What helps first is the right
#   mixture of coarse and fine and of directions. The last row is what the edges themselves add: little, and not to be told from nothing at 10 or 30 labels taken alone. With white noise as the only baseline
#   one would have credited them with everything.
#
# So «in part».
#
# ## Try it yourself
#
# Replace the `...`, run the cell, and it tells at once whether you are right. Each cell stands alone. The solution is folded below it.
#
# **1. The encoder.** Return the code of the images `Y` (N, h, w) with kernels `C` (n, a, a), biases `b` and gains `g` (n), for $\varphi = \tanh$.

# %% tags=["exercise"]
import torch

from rlvebm_utils.course import csae
from rlvebm_utils.course.exercises import check


def encode(Y, C, b, g):
    return ...


def package_encode(Y, C, b, g):
    encoder = csae.ConvEncoder(len(C), size=C.shape[-1])
    encoder.C.data, encoder.bias.data, encoder.gain.data = C, b, g
    return encoder(Y).detach()


generator = torch.Generator().manual_seed(0)
Y_toy, C_toy, b, g = (
    torch.randn(shape, generator=generator, dtype=torch.float64)
    for shape in ((2, 9, 8), (3, 5, 5), (3,), (3,))
)
check(
    encode,
    package_encode,
    (Y_toy, C_toy, b, g),
    (Y_toy, C_toy, 0 * b, -g),
    hint="torch.nn.functional.conv2d wants images (N, 1, h, w) and kernels (n, 1, a, a); g[:, None, None] multiplies maps",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def encode(Y, C, b, g):
#     return g[:, None, None] * torch.nn.functional.conv2d(Y[:, None], C[:, None], b).tanh()
# ```
# </details>

# %% [markdown]
# **2. The p-value.** Given the matrix of cosines, take *every* way to pair rows with columns. Which share of them, the diagonal included, has a mean at least as large as the diagonal's?

# %% tags=["exercise"]
import itertools

import torch

from rlvebm_utils.course.exercises import check


def p_value(cosines):
    return ...


def counted_one_by_one(cosines):
    rows, as_good, pairings = cosines.tolist(), 0, 0
    diagonal = sum(row[i] for i, row in enumerate(rows))
    for order in itertools.permutations(range(len(rows))):
        pairings += 1
        as_good += sum(row[j] for row, j in zip(rows, order, strict=True)) >= diagonal - 1e-12
    return as_good / pairings


generator = torch.Generator().manual_seed(0)
noise = torch.rand(4, 4, generator=generator, dtype=torch.float64)
check(
    p_value,
    counted_one_by_one,
    (noise + torch.eye(4),),
    (noise,),
    (torch.ones(3, 3).double(),),
    hint="itertools.permutations(range(n)) gives all orders; cosines[range(n), order] picks the pairs; allow for rounding",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def p_value(cosines):
#     n = len(cosines)
#     means = [cosines[range(n), order].mean() for order in itertools.permutations(range(n))]
#     return float((torch.stack(means) >= cosines.diagonal().mean() - 1e-12).double().mean())
# ```
# </details>

# %% [markdown]
# **3. How small is it?** How many numbers does an encoder with 8 kernels of 9 × 9 learn, with $\tanh$?

# %% tags=["exercise"]
from rlvebm_utils.course import csae
from rlvebm_utils.course.exercises import check

numbers = ...

check(
    numbers,
    sum(p.numel() for p in csae.ConvEncoder(8).parameters()),
    hint="each map has a kernel, a bias and a gain; the kernel is shared by all places",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# numbers = 8 * (9 * 9 + 1 + 1)
# ```
# </details>

# %% [markdown]
# ## What to remember
#
# - Encoder and decoder share only the code, and that is enough to make their filters alike: far beyond chance, which a permutation test shows. Each follows the other, so likeness alone proves no learning.
# - Alike filters are the *first step* of FISTA. How good a code is depends on what comes after: exact zeros and no ceiling (shrinkage) beat $\tanh$.
# - «Features help» is a statement about a comparison. Give the number of labels, the spread over seeds, and a control that has everything but what you claim.
#
# ## What breaks
#
# - Judging codes by how the filters look: $\tanh$ passes that test, against chance, and its code is worse than none.
# - More kernels with shrinkage, trained together from noise: where $\theta_i$ is above all responses the encoder's map is zero everywhere, its gradient too, and the kernel dies.
# - A random baseline of another scale or smoothness: «learned against white noise» mixes what was learned about *edges* with what any smooth filter does.
# - Conclusions past this net and these digits. The labelled sets of large counts overlap between seeds (there are only 4000 digits to draw from), which makes their error bars too small.
#
# ## References
#
# - K. Kavukcuoglu, P. Sermanet, Y. Boureau, K. Gregor, M. Mathieu, Y. LeCun, [*Learning convolutional feature hierarchies for visual recognition*](https://papers.nips.cc/paper/2010/hash/8c19f571e251e61cb8dd3612f26d5ecf-Abstract.html), NIPS 2010: the convolutional auto-encoder of this notebook.
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun, [*Fast inference in sparse coding algorithms with applications to object recognition*](https://arxiv.org/abs/1010.3467), 2008: predictive sparse decomposition.
# - K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, [*What is the best multi-stage architecture for object recognition?*](https://doi.org/10.1109/ICCV.2009.5459469), ICCV 2009: how far random filters get.
# - A. Saxe et al., *On random weights and unsupervised feature learning*, ICML 2011: why they do.
