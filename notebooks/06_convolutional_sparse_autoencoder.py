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
# **You will write and train an encoder that guesses the sparse code of a photograph in one pass, watch its kernels and the decoder's grow alike although neither ever sees the
# other, and measure how much such kernels help a classifier that has few labels.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - write the encoder, the energy that ties it to the decoder, and the training of both;
# - test whether two sets of kernels look alike, against chance;
# - say who follows whom, and why looking alike is not the same as predicting well;
# - set up a fair test of «learned features help», with the controls that it needs.
#
# **You need** [notebook 5](05_convolutional_sparse_coding.ipynb): kernels, feature maps, FISTA on images; shrinkage and ISTA from [notebook 2](02_sparse_coding_fista.ipynb), and the encoder
# of [notebook 3](03_lista.ipynb). **Time** 45 minutes with the exercises; all cells together run in one to two minutes.
#
# This notebook follows the part on the convolutional sparse auto-encoder of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). Wherever it says «the lecture says», it means the
# notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is measured here; a card under the cell tells what came out. What the lecture
# calls a *filter* is a *kernel* here, as in notebook 5.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $Y$ | an image (or a piece of one) | `Y` |
# | $K_i$ | the decoder's kernels, 9 × 9, $i = 1 \dots n$ | `K` |
# | $Z$ | the code: one feature map $Z_i$ for each kernel | `Z` |
# | $C_i, b_i, g_i$ | the encoder's kernels, biases and gains, one of each for a map | `C`, `b`, `g` |
# | $\varphi$ | the encoder's non-linearity: $\tanh$, or shrinkage with a threshold $\theta_i$ for each map | |
# | $\text{Enc}(Y)$ | the encoder's guess of the code | `guess` |
# | $E$ | the energy of a code: its fit (what is left of the image) plus its price | |
# | $D$ | how far the guess is from the code, relative to the code | `D` |
# | $*$, $\star$ | convolution; correlation, which does not turn the kernel round (what deep learning calls a convolution) | |
# | $\lambda, \alpha$ | the price per unit of code: all of it costs $\lambda\Vert Z\Vert_1$; the weight of the code's distance from the guess | `lam`, `alpha` |

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

import torch
import torch.nn.functional as F

from rlvebm_utils import ConvDictionary, energy, fista, soft_threshold, track
from rlvebm_utils.course import autoencoders, csae, few_labels
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.plots import csae as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.settled import length
from rlvebm_utils.course.widgets import csae as drag

# %% tags=["recipe"]
torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · Two halves that share a code
#
# In notebook 5 every code cost many iterations. An *encoder* guesses it in one pass, as in notebook 3. **The lecture says** that it is «simply a convolution followed by some non-linearity
# and then a diagonal layer to change the scale», and that the decoder is linear and convolutional with a squared error:
#
# $$\text{Enc}(Y)_i = g_i\,\varphi(C_i \star Y + b_i), \qquad \text{Dec}(Z) = \sum_i K_i * Z_i .$$
#
# Read it for one map. The kernel $C_i$ is laid on the image at every place where all of it fits in; its entries are multiplied with the pixels below them, and the products are added: that is the
# correlation. (So an image of 40 × 40 pixels and a kernel of 9 × 9 give a map of 32 × 32.) A bias $b_i$ is added. The non-linearity $\varphi$ acts on each entry. Then the whole
# map is multiplied by one number, its gain $g_i$; these gains are the «diagonal layer». The decoder goes the other way: for each entry of $Z_i$ it puts down a copy of $K_i$, times that
# entry.

# %%
show_diagram("autoencoder")

# %% [markdown]
# The picture shows more than the two formulas. The box with the bent line is $\varphi$; it shows shrinkage, and we shall try shrinkage and $\tanh$. The three boxes that hold a norm are the terms of
# an energy, which comes next. The code $Z$ is found by FISTA there; your own training will take ISTA, its simpler form.
#
# **Your turn.** Write the encoder for $\varphi = \tanh$. `Y` holds images (N, h, w), `C` kernels (n, a, a), `b` and `g` one number a map. `F.conv2d` computes $C \star Y$; it needs
# images (N, 1, h, w) and kernels (n, 1, a, a), and no padding. (The trainings below use the package's `ConvEncoder`: the same formula, with parameters that learn.)


# %% tags=["exercise"]
@your_turn("csae.encode")
def encode(Y, C, b, g):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def encode(Y, C, b, g):
#     return g[:, None, None] * F.conv2d(Y[:, None], C[:, None], b).tanh()
# ```
# </details>

# %% [markdown]
# ### One energy for both
#
# The energy of notebook 5 gets one more term, as in notebook 3: the squared distance of the code from the guess, with the weight $\alpha$.
#
# $$\min_Z \; \tfrac12\Big\Vert Y - \sum_i K_i * Z_i\Big\Vert^2 + \lambda\Vert Z\Vert_1 + \tfrac{\alpha}{2}\Vert Z - \text{Enc}(Y)\Vert^2 .$$
#
# To find the code we need the gradient of the two smooth terms, the first and the third. (The second has a corner at zero; for that one there is shrinkage.) The first term, the *fit*, has
# the gradient $-c$, as in notebook 5, where $c_i = K_i \star (Y - \sum_j K_j * Z_j)$ are the correlations of the kernels with what is not explained yet, the residual.
#
# **Your turn.** Return the gradient of both smooth terms together at the code `Z`, from the correlations `c`, the `guess` and `alpha`.


# %% tags=["exercise"]
@your_turn("csae.gradient")
def gradient(c, Z, guess, alpha):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def gradient(c, Z, guess, alpha):
#     return -c + alpha * (Z - guess)
# ```
# </details>

# %% [markdown]
# With it, a code is found as in ISTA: a step against the gradient, then shrinkage. How long may the step be? In notebook 2 it was $1/L$, where $L$ is the largest curvature of the fit (the
# largest eigenvalue of $W^\top W$). The third term has the curvature $\alpha$ in every direction. So the largest curvature of both together is $L + \alpha$, and the step is $1/(L + \alpha)$.
#
# In the code, `dictionary.lipschitz()` is $L$, and `dictionary.adjoint(R)` is $K_i \star R$ for an image $R$ and all $i$. `improve` gets the guess as its `Z`. `lam` is λ; the cell that loads the images sets it.


# %%
def improve(Z, Y, dictionary, alpha, steps=8):
    """ISTA on the code's energy, from the encoder's guess."""
    guess, step = Z, 1 / (dictionary.lipschitz() + alpha)
    for _ in range(steps):
        c = dictionary.adjoint(Y - dictionary.decode(Z))
        Z = soft_threshold(Z - step * gradient(c, Z, guess, alpha), step * lam)
    return Z


# %% [markdown]
# ### The training, written out
#
# One step of the training has four parts: guess the code; improve the guess; move the decoder's kernels down the slope of the fit, for this code; move the encoder towards this code. Note
# who sees whom. $K$ and $C$ start from **different** noise. What moves $K$ is $Y$ and $Z$; what moves $C$ is $Y$ and $Z$ as well. Neither is ever shown the other: they share nothing but $Z$.
#
# The images are pieces of photographs, 40 × 40 pixels, in units of their local contrast as in notebook 5: 400 pieces of four photographs to learn from, 20 pieces of two *other* photographs
# held out. There are eight kernels, and the price λ is 1.5.
#
# In the code, `csae.unit` scales kernels to norm 1, and `csae.descend` is one step of PyTorch's Adam. (The length of Adam's steps does not depend on a factor in front of the loss, so the encoder's loss has no
# $\alpha$ and no ½.) The encoder is the one with shrinkage (`softshrink` is PyTorch's name for it),
# $g_i\,\text{shrink}(C_i \star Y + b_i, \theta_i)$, and its thresholds $\theta_i$ are learned like the rest. `distance` will say how good a guess is; you write it next.

# %%
train, held_out = autoencoders.pieces(seed=0)
lam, n = autoencoders.LAM, autoencoders.N_KERNELS


def decoder_step(K, Y, Z, rate=3e-5):
    """Kernels moved down the slope of the fit, then scaled back to norm 1."""
    with torch.enable_grad():
        K = K.clone().requires_grad_()
        decoded = F.conv_transpose2d(Z, K[:, None])[:, 0]  # Σᵢ Kᵢ * Zᵢ
        fit = 0.5 * (Y - decoded).square().sum()
        slope = torch.autograd.grad(fit, K)[0]
    return csae.unit((K - rate * slope).detach())


# %%
def train_by_hand(steps, alpha=1.0):
    generator = torch.Generator().manual_seed(0)
    K = csae.unit(torch.randn(n, 9, 9, generator=generator))
    encoder = csae.ConvEncoder(n, nonlinearity="softshrink", seed=1)
    optimiser, D = torch.optim.Adam(encoder.parameters(), lr=0.02), []
    for _ in track(range(steps), "training by hand"):
        Y = train[torch.randint(400, (4,), generator=generator)]
        guess = encoder(Y)  # Adam needs its gradient, the code does not
        Z = improve(guess.detach(), Y, ConvDictionary(K), alpha)
        K = decoder_step(K, Y, Z)
        csae.descend(optimiser, (Z - guess).square().mean())
        D.append(distance(Z, guess.detach()))
    return encoder, K, torch.stack(D)


# %% [markdown]
# How good are the guesses? Take the squared distance of the guess from the code, relative to the code: $D = \Vert Z - \text{Enc}(Y)\Vert^2 / \Vert Z\Vert^2$. An empty guess, all zeros, has $D = 1$.
# (In notebook 3, $D$ was half the squared distance itself. Relative to the code it does not depend on the code's scale.)
#
# **Your turn.** Return $D$ for a code `Z` and a `guess` of the same shape.


# %% tags=["exercise"]
@your_turn("csae.distance")
def distance(Z, guess):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def distance(Z, guess):
#     return (Z - guess).square().sum() / Z.square().sum()
# ```
# </details>

# %%
encoder, K, D = train_by_hand(steps=150)
print(f"D over the first ten steps {D[:10].mean():.2f}, over the last ten {D[-10:].mean():.2f}")
draw.rows_of_kernels(
    {"encoder": encoder.kernels, "decoder": K},
    "After 150 steps of your own training",
    "Encoder above decoder: mostly noise, in most pairs light and dark in the same places.",
)

# %% [markdown]
# It learns: $D$ falls from 2.13, which is worse than an empty guess, to 0.14. Now compare the two rows of the picture, column by column (grey is zero). Both are still mostly noise, but in most columns
# most light and dark pixels agree: it is nearly the *same* noise. (This $D$ is too small to be fair: its code began at the guess and was pulled towards it. From here on we measure against the code that FISTA finds *without* the
# guess, on the held-out pieces.)
#
# The package's `train_autoencoder` does the same with FISTA for the code and a better step for the kernels. We use trainings of 800 steps from three *starts*: each has its own noise, its own
# pieces and its own pair of held-out photographs. That takes too long for a notebook, so they were computed once and are shipped with the package (`python -m tools.autoencoders` computes them
# again).
#
# ## 2 · Watch the halves grow alike
#
# Two non-linearities are worth trying: $\tanh$, as in the first papers, and shrinkage with learned thresholds. The two kernels of one map, $C_i$ and $K_i$, are *partners*. How alike they are is
# told by their cosine: 1 if one is the other, up to scale; about 0.3 for two kernels of noise, which step 0 of the panel shows. (Section 3 says how it is computed, and why that is not 0.)
#
# **Predict:** will an encoder kernel come to resemble its own partner in the decoder, some *other* kernel, or none?
#
# <details><summary>Answer</summary>
#
# Its own partner: kernel by kernel, from different noise. Drag the step from 0 to 800 and see.
#
# </details>
#
# **Predict:** and if the encoder may *not* learn, and stays the noise that it was? Tick the box of the panel below.
#
# <details><summary>Answer</summary>
#
# They become alike all the same! The decoder follows the encoder, noise or not: the codes that it learns from begin at the guess and are pulled towards it. But look at the energy of the guess (its third term is 0: the
# guess is no distance from itself), with shrinkage at step 800. With an encoder that learned it is 0.79 of the energy of $Z = 0$. With one that did not it is 1.68: such a guess is worse than none. So likeness alone does not show that an encoder has
# learned anything.
#
# </details>
#
# In the panel red and blue are the two signs, and white is zero. Below each pair stands its cosine.

# %% tags=["slider-setup"]
names = {"shrinkage": "softshrink", "tanh": "tanh"}
steps = (0, 5, 20, 80, 200, 400, autoencoders.STEPS)
images = held_out[:8]
empty = 0.5 * images.square().sum((1, 2)).mean()  # the energy of Z = 0


def halves(phi, frozen, step):
    return autoencoders.load(autoencoders.Training(names[phi], frozen=frozen), step)


# %% tags=["slider-setup"]
def measured(phi, frozen, step, images=images):
    encoder, dictionary = halves(phi, frozen, step)
    with torch.no_grad():
        guess = encoder(images)
    E = energy(dictionary, images, guess, lam).mean() / empty
    return {"energy of the guess / of Z = 0": float(E)}


# %% tags=["slider"]
drag.growing_panel(halves, measured, list(names), steps)

# %% [markdown]
# ## 3 · Do they look alike? Ask chance
#
# «Very similar», says the lecture. Take the cosine of each encoder kernel with each decoder kernel. Two kernels that differ by a shift do the same work, if the map is shifted too. So we
# shift them against each other by up to 2 pixels and keep the largest cosine. (Where a gain $g_i$ is negative, the map answers to $-C_i$, so that is what we compare and show.)
#
# But any two edges are somewhat alike, and with the best of many shifts even more so. How large would the cosines be by chance? Pair the two sets **at random**. If the true pairs were nothing
# special, about half of the random pairings would do as well. The share that do, the true pairing included, is the *p-value*: if it is small, chance is a poor explanation. (This is a *permutation
# test*: it needs no assumption about how cosines are spread.)
#
# **Your turn.** `cosines` is the square matrix of cosines, encoder kernels in rows, decoder kernels in columns. Go through *every* way to pair rows with columns. Which share of them, the true pairing
# included, has a sum at least as large as the diagonal's? (`itertools.permutations(range(n))` gives all pairings. Sums that differ by no more than rounding, say by 1e-12, count as equal.)


# %% tags=["exercise"]
@your_turn("csae.p_value")
def p_value(cosines):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def p_value(cosines):
#     n = len(cosines)
#     sums = [cosines[range(n), order].sum() for order in itertools.permutations(range(n))]
#     return float((torch.stack(sums) >= cosines.diagonal().sum() - 1e-12).double().mean())
# ```
# </details>

# %%
first, dictionary = autoencoders.load(autoencoders.Training())
cosines = csae.likeness(first.kernels, dictionary.K)
print(
    f"all {len(list(itertools.permutations(range(6))))} pairings of the first six kernels:", end=" "
)
print(f"p = {p_value(cosines[:6, :6]):.4f}")
draw.against_chance(cosines)

# %% [markdown]
# p = 0.0014 is 1/720: no pairing but the true one does as well. The picture has all eight kernels. The peaks of its histogram, from left to right, are the pairings that keep none of
# the true pairs, one of them, two, and so on; the average is one.
#
# Eight kernels have 40320 pairings. The package's `permutation_test` draws 9999 of them and counts the true one as well, so its p is never below 1/10000. Now all three starts with both
# non-linearities, at the end of their training and at half of it, with $D$ against the code that FISTA finds for held-out pieces.


# %%
def likeness_and_distance(one):
    encoder, dictionary = autoencoders.load(one)
    _, images = autoencoders.pieces(one.seed)
    Z = fista(dictionary, images, lam, tol=1e-2).z
    with torch.no_grad():
        D = distance(Z, encoder(images))
    return csae.likeness(encoder.kernels, dictionary.K), float(D)


def all_starts(steps):
    runs = [
        autoencoders.Training(phi, seed=s, steps=steps) for phi in names.values() for s in range(3)
    ]
    cosines, D = zip(*map(likeness_and_distance, runs), strict=True)
    return torch.tensor([csae.permutation_test(c) for c in cosines]).T, cosines, D


# %% tags=["claim:CONV-3"]
(matched, chance, p), cosines, D = all_starts(autoencoders.STEPS)
(half_matched, _, _), _, half_D = all_starts(autoencoders.STEPS // 2)
own = sum(int((c.argmax(1) == torch.arange(n)).sum()) for c in cosines)
for name, k in {"shrinkage": slice(0, 3), "tanh": slice(3, 6)}.items():
    starts = ", ".join(f"{m:.2f}" for m in matched[k].tolist())
    print(f"{name:9} mean cosine {starts}; D {min(D[k]):.2f} to {max(D[k]):.2f}")
claim("CONV-3", matched=matched, half_matched=half_matched, chance=chance.max(), p=p.max(),
      own=own, pairs=6 * n, D=D, half_D=half_D)  # fmt: skip

# %% [markdown]
# The statement holds, for both non-linearities and each start. (The end of the card means: at half of the training no figure was further off than 9 % of the largest one of its kind.)
#
# Here is one reason. To know how much of $K_i$ there is at a place, hold $K_i$ against it. The first step of ISTA from $Z = 0$, without the term with α, does just that: a gradient step leads to
# $\tfrac1L K_i \star Y$, and shrinkage follows. So for an encoder that has only one pass, $K_i$ is a natural choice of $C_i$. Whether its guesses are good is another question, the one
# of section 4.
#
# ### Who follows whom?
#
# The box in section 2 showed that the decoder can follow the encoder. Two things tie the code to the guess. One is the term with α. The other is the place where FISTA begins: it begins at the guess,
# and eight iterations are too few to forget that. Take these two ties away, one by one: α = 0 in place of 1; and codes that begin at 0, not at the guess. (α = 0 changes only how the code is
# found. The encoder still learns from the distance between its guess and the code.) An encoder that does not learn is called *frozen*.
#
# **Predict:** take both away: α = 0, and the code begins at 0. Will the halves be alike if the encoder learns? And if it does not?
#
# <details><summary>Answer</summary>
#
# If it learns, yes: then the encoder follows the decoder. If it does not learn, nothing ties the two, and the cosine falls to that of random pairings. So each half can follow the other, and it is
# enough that one does.
#
# </details>

# %%
ties = {
    "the guess, α = 1": (True, 1.0),
    "the guess, α = 0": (True, 0.0),
    "0, α = 1": (False, 1.0),
    "0, α = 0": (False, 0.0),
}


def tied(tie, frozen, seed=0):
    from_guess, alpha = ties[tie]
    return autoencoders.Training(alpha=alpha, frozen=frozen, seed=seed, from_guess=from_guess)


# %%
def pairs_and_chance(one):
    """The mean cosine of the pairs, and of all pairings."""
    encoder, dictionary = autoencoders.load(one)
    cosines = csae.likeness(encoder.kernels, dictionary.K)
    return cosines.diagonal().mean(), cosines.mean()


# %%
print(f"{'encoder':9}{'code begins at':19}{'mean cosine of pairs':23}random pairings")
for frozen, tie in itertools.product((False, True), ties):
    each = [pairs_and_chance(tied(tie, frozen, seed)) for seed in range(3)]
    own, chance = ("  ".join(f"{c:.2f}" for c in one) for one in zip(*each, strict=True))
    print(f"{'frozen' if frozen else 'learns':9}{tie:19}{own:23}{chance}")

# %% [markdown]
# A row has the three starts. Read the rows from below. With nothing to tie them, a frozen encoder and the decoder are as unlike as random pairings: the method alone does not make
# kernels alike. The term with α alone ties them a little, beginning at the guess much more. And an encoder that learns needs no tie at all: it follows. (Codes that begin at 0 even make it more like
# its decoder: 0.95 against 0.89 in the first start. We have not measured why.)
#
# Cut the ties: 0 cuts none, 1 the term with α, 2 the beginning at the guess, 3 both. Then take the tick out of the box, so that the encoder learns.

# %% tags=["slider-setup"]
tied_distance = {
    (tie, frozen): likeness_and_distance(tied(tie, frozen))[1]
    for tie in ties
    for frozen in (False, True)
}

# %% tags=["slider"]
drag.tie_panel(
    lambda tie, frozen: autoencoders.load(tied(tie, frozen)),
    lambda tie, frozen: {"D": tied_distance[tie, frozen]},
    list(ties),
)

# %% [markdown]
# ## 4 · Looking alike is not predicting well
#
# Look at the panel once more, with no tie cut and a frozen encoder: the mean cosine is 0.77, and $D$ is 1.25. The halves are alike, and the guess is further from the code than an empty guess.
#
# So now the codes themselves. Judge a code by what it is *for*: a low energy $E = \tfrac12\Vert Y - \sum_i K_i * Z_i\Vert^2 + \lambda\Vert Z\Vert_1$ on pieces never seen. (The term
# with α is left out: it is a help in training.) The empty code, $Z = 0$, is the one to beat.
#
# **Predict:** both encoders look like their decoders. Whose code is better, that of $\tanh$ or that of shrinkage? Is each better than no code at all?
#
# <details><summary>Answer</summary>
#
# Shrinkage. The code of $\tanh$ is *no better than none*: its energy is 100 % or more of that of $Z = 0$. $\tanh$ is zero at zero only, so nearly every entry pays its part of
# $\lambda\Vert Z\Vert_1$, also where there is nothing to explain. Shrinkage has what $\tanh$ lacks: exact zeros.
#
# </details>


# %%
def shares(dictionary, images, Z):
    """A code's energy in % of that of Z = 0, then its two parts: the fit, and the price."""
    fit = 0.5 * (images - dictionary.decode(Z)).square().sum()
    price, empty = lam * Z.abs().sum(), 0.5 * images.square().sum()
    return 100 * torch.stack([fit + price, fit, price]) / empty


def tell(name, three_starts):
    low, high = torch.stack(three_starts).aminmax(dim=0)
    cells = (f"{a:.0f} to {b:.0f} %" for a, b in zip(low, high, strict=True))
    print(f"{name:31}" + "".join(f"{cell:>14}" for cell in cells))


# %%
def on_held_out(one):
    """The shares of the encoder's guess, and of FISTA's code."""
    encoder, dictionary = autoencoders.load(one)
    _, images = autoencoders.pieces(one.seed)
    with torch.no_grad():
        both = encoder(images), fista(dictionary, images, lam, tol=1e-2).z
    return [shares(dictionary, images, Z) for Z in both]


print(f"{'in % of the energy of Z = 0':31}{'energy E':>14}{'fit':>14}{'price':>14}")
for name, phi in names.items():
    each = [on_held_out(autoencoders.Training(phi, seed=seed)) for seed in range(3)]
    guesses, best = zip(*each, strict=True)
    tell(f"{name}, the encoder's guess", guesses)
    tell(f"{name}, FISTA's code", best)

# %%
codable = fista(dictionary, held_out, lam, tol=1e-2).energy
place = codable.div(held_out.square().sum((1, 2))).argmin()  # the one that FISTA codes best
Y, shown, rebuilt = held_out[place][None], {}, {}
for name, phi in names.items():
    encoder, its_dictionary = autoencoders.load(autoencoders.Training(phi))
    with torch.no_grad():
        shown[name] = encoder(Y)[0]
    rebuilt[name] = its_dictionary.decode(shown[name])
shown["FISTA"] = fista(dictionary, Y, lam).z[0]
rebuilt["FISTA"] = dictionary.decode(shown["FISTA"])
draw.codes(Y[0], shown, rebuilt)

# %% [markdown]
# The piece is the one of the 20 that FISTA codes best. All entries of the maps of $\tanh$ are non-zero, 11 % of those of shrinkage, 2 % of FISTA's. (The maps of each row have a colour scale of their own. The row of $\tanh$ has another decoder than the
# other two, so its maps 1, 8 and 5 belong to other kernels.) The table tells the same: the fit of the two encoders is about as good, but $\tanh$ pays about twice the price. $D$ in section 3
# said it too: 0.90 or more for $\tanh$, hardly better than an empty guess, and 0.69 for shrinkage.
#
# Is it the zeros? There is another possible reason: $\tanh$ never goes beyond 1, so strong edges may come out too weak. So change the guess of $\tanh$ afterwards, and see what helps: another gain for all
# maps, or a threshold and another gain. They are chosen on 40 pieces to learn from, and judged on the pieces held out.


# %%
def choose(encoder, dictionary, few, cuts):
    """The threshold and the gain, applied to the guess, that give the least energy."""
    every = list(itertools.product(cuts, (0.3, 0.4, 0.6, 0.8, 1, 2, 3, 4, 6)))
    guess = encoder(few)
    E = [shares(dictionary, few, g * soft_threshold(guess, cut))[0] for cut, g in every]
    return every[int(torch.stack(E).argmin())]


def changed(cuts, seed):
    encoder, dictionary = autoencoders.load(autoencoders.Training("tanh", seed=seed))
    to_learn, images = autoencoders.pieces(seed)
    with torch.no_grad():
        cut, g = choose(encoder, dictionary, to_learn[:40], cuts)
        return shares(dictionary, images, g * soft_threshold(encoder(images), cut))


# %%
def beyond(seed):
    """The share of held-out responses of tanh's kernels beyond 1 or −1."""
    encoder, _ = autoencoders.load(autoencoders.Training("tanh", seed=seed))
    v = csae.correlate(autoencoders.pieces(seed)[1], encoder.C) + encoder.bias[:, None, None]
    return float((v.abs() > 1).double().mean())


tell("tanh, another gain", [changed((0.0,), seed) for seed in range(3)])
tell("tanh, a threshold and a gain", [changed((0.02, 0.04, 0.06), seed) for seed in range(3)])
print(f"responses beyond ±1: {max(map(beyond, range(3))):.1%} at most")

# %% [markdown]
# It is the zeros. With a threshold, the guess of $\tanh$ is about as good as that of shrinkage; with another gain alone, it stays about as bad as no code. And its limit is not the reason here:
# nearly all responses are too small to come near it.
#
# ### Be the encoder
#
# How good can one pass be? Take an encoder with shrinkage whose kernels $C$ are the decoder's own, without biases. Choose its threshold θ and its gain $g$ yourself, one of each for all
# maps. At $\theta = 0$ the encoder is linear. How low can you bring the energy? Beside it stands that of the trained encoder (section 2, shrinkage), which has a θ, a $g$ and a bias for each map.

# %% tags=["slider-setup"]
by_hand = held_out[place - 1 : place + 2] if place else held_out[:3]
best_codes = fista(dictionary, by_hand, lam, tol=1e-3).z
with torch.no_grad():
    trained_codes = first(by_hand)

# %% tags=["slider"]
drag.encoder_panel(dictionary, by_hand, best_codes, trained_codes, lam)

# %% [markdown]
# The panel begins with a linear encoder, and its energy is 374 % of the empty code's. Two things go wrong. Neighbouring entries and similar kernels all answer to the same edge, and
# together they put down far too much of it: look at the decoded image. And all entries are non-zero, so all of them cost. A smaller gain mends the first: with θ still 0 and $g = 0.02$ the energy is
# about that of the empty code. A threshold mends much of the second: $\theta = 3$ and $g = 0.1$ give 82 % for piece 1. The trained encoder gives 83 %. (You choose for this one piece; it has to do for
# all. Piece 2 is the one of the picture above.)
#
# FISTA's 73 % is the least that any code has. One pass stays above it, and the reason is the overlap again: kernels that overlap explain the same edge several times, and one pass cannot
# make them compete. In the rounds of ISTA they do, as similar atoms inhibit each other in [notebook 3](03_lista.ipynb).
#
# ## 5 · Are the features any good?
#
# **The lecture says** that putting such features into a convolutional net does not *necessarily* beat training from scratch on a large set, but can help where samples are
# few. Our kernels were learned from photographs. Let us classify *digits* with them. 1000 digits are for testing; of the other 4000, a net gets between 10 and 4000 with their labels.
#
# The net: kernels of norm 1, correlated with the image at every other pixel (a stride of 2); the positive and the negative parts as maps of their own; the largest of each 2 × 2 places (max pooling); one linear layer.
# (The features are scaled to a mean square of 1 on 500 of the 4000 digits; that needs no label.)
# The nets differ in their kernels, and in whether these learn:
#
# - **random**: white noise, each pixel drawn by itself. *Frozen*, only the linear layer learns; *trained*, all of it does: that is «from scratch»;
# - **learned** on photographs, without a label: the encoder's kernels of section 2, with shrinkage. *Frozen*, or *fine-tuned*: they go on learning, along with the linear layer;
# - **same spectrum**, frozen: a control. A kernel, like any image, is a sum of waves. How strong each wave is says the *spectrum*; where its crests lie says its *phase*. These kernels
#   have the spectra of the learned ones, so they are as coarse and as oriented; but their phases are random, and so the waves seldom meet in a clean edge.

# %% tags=["recipe"]
digits = load_digits(dtype=torch.float64)
X, label = digits.images[:, 2:-2, 2:-2], digits.labels  # hardly any ink in the rim
X_train, label_train, X_test, label_test = X[:4000], label[:4000], X[4000:], label[4000:]


def kernels(seed):
    learned = autoencoders.load(autoencoders.Training(seed=seed % 3))[0].kernels
    noise = torch.randn(learned.shape, generator=torch.Generator().manual_seed(seed))
    spectrum = csae.random_phase(learned, seed + 100)
    return {"random": noise, "same spectrum": spectrum, "learned": learned}


# %%
words = "Noise; stripes and blotches with the spectrum of the learned kernels; learned kernels."
draw.rows_of_kernels(kernels(0), "The same net with three kinds of kernels", words)

# %% [markdown]
# A seed decides which digits are labelled, the noise, and which of the three auto-encoders the kernels come from. (With five seeds, two of the three serve twice.) Within a seed all nets see the
# same digits in the same order, so that they can be compared pair by pair. Every net is trained for 2400 steps, and once more, from its beginning, for 1200: does longer training change the results?
# `train_net` below trains one net. All of them take about twenty minutes, so it was run beforehand, and the accuracies are shipped with the package (`python -m tools.few_labels` computes them
# again). Two nets are trained here, to compare.
#
# **Predict:** with 10 labels, one of each class, how far above the 10 % of chance does the best net come? And who is best with 4000?
#
# <details><summary>Answer</summary>
#
# Ten labels are enough to classify more than half of the digits: the best nets reach about 54 %, which is 44 points above chance. With 4000, the two nets whose kernels learn are level, at
# about 97 %, whether they began with learned kernels or with noise; frozen kernels are behind.
#
# </details>

# %% tags=["recipe"]
labels, seeds = (10, 30, 100, 1000, 4000), range(5)
nets = {"random, frozen": True, "same spectrum, frozen": True, "learned, frozen": True}
nets |= {"random, trained": False, "learned, fine-tuned": False}


def train_net(name, count, seed, steps):
    """The share of the test digits that a net classifies, having learned from so many labels."""
    rows = (torch.arange(count) + 800 * seed) % len(X_train)
    net = csae.SmallNet(kernels(seed)[name.split(",")[0]], X_train[:500])
    csae.fit(net, X_train[rows], label_train[rows], frozen=nets[name], steps=steps, seed=seed)
    return csae.accuracy(net, X_test, label_test)


# %%
score, half_score = few_labels.scores(), few_labels.scores("half")
for name in ("random, trained", "learned, fine-tuned"):
    here = train_net(name, 10, seed=2, steps=length(few_labels.STEPS))
    print(f"{name}, 10 labels: {here:.0%} trained here, {score[name][2, 0]:.0%} shipped")

# %% [markdown]
# The next figure shows the accuracies on the left: dashed lines are frozen kernels, solid lines are kernels that learn; grey is random, orange the same spectrum, blue learned. On the
# right, and in the table, are the gains of one net over another: in blue fine-tuned over «from scratch», then learned over random (grey) and over the same spectrum (orange), all frozen. Those you
# compute. It is given in *points*: one point is 1 % of the test digits. (Such a gain has nothing to do with the gains $g_i$ of an encoder.)
#
# **Your turn.** `a` and `b` are the accuracies of two nets, one entry a seed. Return the mean of the differences $a - b$, and *two standard errors* of that mean: $2 s/\sqrt{m}$, where
# $m$ is the number of seeds and $s$ is the standard deviation of the differences (with $m - 1$). With many seeds, the true mean is within that distance in about 95 of 100 experiments;
# with five seeds, in about 88.


# %% tags=["exercise"]
@your_turn("csae.gain")
def gain(a, b):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def gain(a, b):
#     d = a - b
#     return d.mean(), 2 * d.std() / len(d) ** 0.5
# ```
# </details>

# %%
compared = {
    "fine-tuned − from scratch": ("learned, fine-tuned", "random, trained"),
    "learned − random, frozen": ("learned, frozen", "random, frozen"),
    "learned − same spectrum, frozen": ("learned, frozen", "same spectrum, frozen"),
}
draw.few_labels(labels, score, {name: score[a] - score[b] for name, (a, b) in compared.items()})
print(f"{'gain in points':31}" + "".join(f"{count:>12}" for count in labels))
for name, (a, b) in compared.items():
    both = [gain(100 * score[a][:, k], 100 * score[b][:, k]) for k in range(len(labels))]
    print(f"{name:31}" + "".join(f"{mean:+6.1f} ± {error:3.1f}" for mean, error in both))


# %% tags=["claim:CONV-5"]
def gains(score):
    """Up to 100 labels, each comparison; then with 4000, fine-tuned against from scratch."""
    few = [
        (100 * score[a][:, :3].mean(1), 100 * score[b][:, :3].mean(1)) for a, b in compared.values()
    ]
    many = [100 * score[name][:, -1] for name in compared["fine-tuned − from scratch"]]
    return torch.tensor([gain(a, b) for a, b in [*few, many]]).T


(value, error), (half_value, half_error) = gains(score), gains(half_score)
print(f"4000 labels, half of the training: {half_value[-1]:+.1f} ± {half_error[-1]:.1f}")
claim("CONV-5", gain=value, error=error, half_gain=half_value, half_error=half_error)

# %% tags=["slider"]
drag.labels_panel(labels, score)

# %% [markdown]
# So the statement holds, and it did after half of the training.
#
# - **Few labels: yes.** Up to 100 labels the learned kernels gain more than two standard errors over noise, frozen or fine-tuned. All of it came from photographs: their training saw no digit.
# - **Many labels: it fades.** Fine-tuning gains 0.8 ± 0.5 points with 1000 labels, and 0.1 ± 0.5 with 4000. (The last error is too small, since all five seeds see the same 4000 digits.) That fits «not
#   necessarily better», and does not prove it: 4000 is not *large*, and half a point may hide in the error.
# - **The nets have settled, their kernels less so.** Half of the training gives nearly the same gains. (The 13 % on the card are those of an error, ± 0.8 in place of ± 0.5.) But train the auto-encoders four times as long,
#   and nets with those kernels gain less: 3.5 ± 1.4 frozen and 2.0 ± 1.3 fine-tuned with few labels, 0.3 ± 0.3 with 4000. The verdict is the same. (We did this once; it takes hours.)
# - **Not all of it is edges.** With up to 100 labels, frozen, the learned kernels gain 4.9 points over noise, but only 2.1 ± 2.4 over kernels with the same spectrum and random phases, which seldom
#   have a clean edge. So about half of the gain comes from the right mixture of coarse and fine and of directions, as far as five seeds can tell: the error is as large as the other half. What
#   the edges add is the last row of the table: uncertain with few labels, 1.3 ± 0.9 points with 1000. With white noise as the only baseline, we would have taken all of the gain for the work
#   of edges.
#
# ## Try it yourself
#
# **1. Why a map can die.** With shrinkage, a map is zero everywhere if none of its responses $v$ (the entries of $C_i \star Y + b_i$) lies beyond θ or −θ. Such a map is called *dead*.
# Can it come back? Return $\partial\,\text{shrink}(v, \theta) / \partial\theta$ for each entry of `v` (no entry is exactly at θ or −θ).


# %% tags=["exercise"]
@your_turn("csae.slope")
def slope(v, theta):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def slope(v, theta):
#     return -v.sign() * (v.abs() > theta)
# ```
#
# In a dead map all these slopes are 0, so θ gets no gradient. The slope in $v$ is 0 as well, so the kernel and the bias get none, and the gain only multiplies zeros, so it gets none either. While the images are
# such as these, the map stays dead.
# </details>

# %% [markdown]
# **2. How small is it?** How many numbers does an encoder with `n` kernels of `side` × `side` learn? With shrinkage (`shrinkage` is True or False) each map also learns its θ.


# %% tags=["exercise"]
@your_turn("csae.learned_numbers")
def learned_numbers(n, side, shrinkage):
    return ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def learned_numbers(n, side, shrinkage):
#     return n * (side**2 + 2 + shrinkage)
# ```
# </details>

# %% [markdown]
# **3. Open: who follows whom in your own training?** Add a cell and train for 300 steps with α = 0.1, 1 and 10: `mine = train_by_hand(300, alpha=0.1)` gives the encoder, the decoder's
# kernels and the `D` of each step. Look at them as in section 1. How do `D` and the kernels change with α? Is a smaller `D` a better encoder here? (Remember against which code this `D` is
# measured.) Then let the decoder stand still: write `rate=0` in the first line of `decoder_step`, run that cell again, and train once more. Who follows whom now?
#
# ## What to remember
#
# - Encoder and decoder share only the code, and that is enough to make their kernels alike if one can follow the other: far beyond chance, which a permutation test shows. Each can follow, so
#   likeness alone does not prove that the encoder learned.
# - An encoder whose kernels are like the decoder's begins as the *first step* of ISTA does. How good its code is depends on what comes after: shrinkage beats $\tanh$, by its exact zeros.
# - «Features help» is a statement about a comparison. Give the number of labels, the spread over seeds, and a control that has everything but what you claim.
#
# ## What breaks
#
# - Judging codes by how the kernels look: $\tanh$ passes that test, against chance, and its code is no better than none.
# - Giving a reason that sounds right without testing it: $\tanh$ is limited, but the limit is not what makes its codes bad here.
# - Measuring the guess against a code that was pulled towards it. Take the code that FISTA finds without it, on held-out images.
# - Too large a threshold at the beginning: where $\theta_i$ is above all responses, the map is zero everywhere, its gradient too, and the map is dead (exercise 1).
# - A random baseline of another scale or smoothness: «learned against white noise» mixes what was learned about *edges* with what any smooth kernel does.
# - Conclusions beyond this net and these digits. With 4000 labels all seeds see the same digits, in another order, which makes their error bars too small.
#
# ## References
#
# - K. Kavukcuoglu, P. Sermanet, Y. Boureau, K. Gregor, M. Mathieu, Y. LeCun, [*Learning convolutional feature hierarchies for visual recognition*](https://papers.nips.cc/paper/2010/hash/8c19f571e251e61cb8dd3612f26d5ecf-Abstract.html), NIPS 2010: the convolutional auto-encoder of this notebook.
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun, [*Fast inference in sparse coding algorithms with applications to object recognition*](https://arxiv.org/abs/1010.3467), 2008: predictive sparse decomposition.
# - K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, [*What is the best multi-stage architecture for object recognition?*](https://doi.org/10.1109/ICCV.2009.5459469), ICCV 2009: how far random kernels get.
# - A. Saxe et al., *On random weights and unsupervised feature learning*, ICML 2011: why they do.
