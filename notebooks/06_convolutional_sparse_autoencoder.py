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
# **You will write and train an encoder that guesses the sparse code of a photograph in one pass, watch its filters and the decoder's grow alike although neither ever sees the
# other, and measure how much such filters help a classifier that has few labels.**
#
# *Open in Colab: here, after you publish (`make address TO=owner/name`).*
#
# **After this notebook you can**
#
# - write the encoder, the energy that ties it to the decoder, and the training of both;
# - test whether two sets of filters look alike, against chance;
# - say who follows whom, and why looking alike is not the same as predicting well;
# - set up a fair test of «learned features help», with the controls that it needs.
#
# **You need** [notebook 5](05_convolutional_sparse_coding.ipynb): kernels, feature maps, FISTA on images. **Time** 45 minutes with the exercises; all cells together run in about three minutes.
#
# This notebook follows the part on the convolutional sparse auto-encoder of Yann LeCun's lecture
# [*Regularized Latent Variable Energy Based Models*](https://atcold.github.io/NYU-DLSP20/en/week08/08-2/) (NYU, 2020). Wherever it says «the lecture says», it means the
# notes that Henry Steinitz, Rutvi Malaviya and Aathira Manoj took there. Each statement is measured here; the cell's last line tells what came out.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $Y$ | an image (or a piece of one) | `Y` |
# | $K_i$ | the decoder's kernels, 9 × 9, $i = 1 \dots n$ | `K` |
# | $C_i, b_i, g_i$ | the encoder's kernels, biases and gains | `C`, `b`, `g` |
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
import itertools

import torch
import torch.nn.functional as F

from rlvebm_utils import ConvDictionary, energy, fista, soft_threshold, track
from rlvebm_utils.course import autoencoders, csae
from rlvebm_utils.course.claims import claim
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.exercises import your_turn
from rlvebm_utils.course.plots import csae as draw
from rlvebm_utils.course.plots.diagrams import show_diagram
from rlvebm_utils.course.settled import length
from rlvebm_utils.course.widgets import csae as drag

# %%
torch.set_default_dtype(torch.float64)  # so that the printed digits are the same everywhere

# %% [markdown]
# ## 1 · Two halves that share a code
#
# In notebook 5 every code cost many iterations. An *encoder* guesses it in one pass. **The lecture says** that it is «simply a convolution followed by some non-linearity
# and then a diagonal layer to change the scale», and that the decoder is linear and convolutional with a squared error:
#
# $$\text{Enc}(Y)_i = g_i\,\varphi(C_i \star Y + b_i), \qquad \text{Dec}(Z) = \sum_i K_i * Z_i .$$

# %%
show_diagram("autoencoder")

# %% [markdown]
# **Your turn.** Write the encoder for $\varphi = \tanh$. `Y` holds images (N, h, w), `C` kernels (n, a, a), `b` and `g` one number a map. `F.conv2d` computes $C \star Y$; it wants
# images (N, 1, h, w) and kernels (n, 1, a, a). Until you have written it, the notebook uses ours.


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
# The energy of notebook 5 gets one more term, the squared distance of the code from the guess:
#
# $$\min_Z \; \tfrac12\Big\Vert Y - \sum_i K_i * Z_i\Big\Vert^2 + \lambda\Vert Z\Vert_1 + \tfrac{\alpha}{2}\Vert Z - \text{Enc}(Y)\Vert^2 .$$
#
# To find the code we need the slope of the two smooth terms. The fit alone has the slope $-c$, where $c_i = K_i \star (Y - \sum_j K_j * Z_j)$ are the correlations of the kernels with what
# is not explained yet (notebook 5).
#
# **Your turn.** Return the slope of both smooth terms together at the code `Z`, from the correlations `c`.


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
# With it, a code is found as always: a step down the slope, then shrinkage. The largest curvature of the two smooth terms is $L + \alpha$, so the step is $1/(L + \alpha)$.


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
# One round: guess; improve the guess; move the decoder's kernels downhill for this code; move the encoder towards this code. Note
# who sees whom. $K$ and $C$ start from **different** noise, and neither is ever shown the other: they share nothing but $Z$.
#
# The images are pieces of photographs, in units of their local contrast as in notebook 5: 400 pieces of four photographs to learn from, 20 pieces of two *other* photographs held out.

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
# How good are the guesses? Take the squared distance of the guess from the code, relative to the code: $D = \Vert Z - \text{Enc}(Y)\Vert^2 / \Vert Z\Vert^2$. An empty guess has $D = 1$.
#
# **Your turn.**


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
    "Eight kernels of the encoder above the eight of the decoder, still half noise.",
)

# %% [markdown]
# It learns, slowly: this $D$ falls. (It is measured against a code that was itself pulled towards the guess, so it flatters. From here on we measure against the code that FISTA finds
# *without* the guess, on the held-out pieces.)
#
# The package's `train_autoencoder` does the same with FISTA for the code and a better step for the kernels. Three starts of 800 steps take too long for a notebook, so they were
# computed once and are shipped with the package (`python -m tools.autoencoders` computes them again). Each start has its own pair of held-out photographs.
#
# ## 2 · Watch the halves grow alike
#
# Two non-linearities are worth trying: $\tanh$, as in the first papers, and the *shrinkage* of notebook 2, whose width $\theta_i$ is learned too.
#
# **Predict:** will an encoder kernel come to resemble its own partner in the decoder, some *other* kernel, or none?
#
# <details><summary>Answer</summary>
#
# Its own partner: kernel by kernel, from different noise. Drag the step from 0 to 800 and see.
#
# </details>
#
# **Predict:** and if the encoder may *not* learn, and stays the noise that it was? Tick the box.
#
# <details><summary>Answer</summary>
#
# They become alike all the same! The decoder follows the encoder, noise or not: its codes are pulled towards the guess. But look at $D$ and at the energy: a noisy
# encoder predicts worse than an empty guess ($D > 1$), and its codes stay dear. Likeness alone does not show that an encoder has learned anything.
#
# </details>

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
# «Very similar», says the lecture. But any two edges are somewhat alike, and with a few shifts allowed even more so. So take the cosine of
# each encoder kernel with each decoder kernel, at the best alignment within 2 pixels. Then pair the two sets **at random**. If the true pairs were nothing
# special, about half of the random pairings would do as well. The share that do is the *p-value*.
#
# **Your turn.** `cosines` is the square matrix of cosines, encoder kernels in rows, decoder kernels in columns. Go through *every* way to pair rows with columns. Which share of them, the true pairing
# included, has a sum at least as large as the diagonal's? (`itertools.permutations(range(n))` gives all pairings; allow for rounding.)


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
# Eight kernels have 40320 pairings; the package's `permutation_test` draws ten thousand of them. Now all starts of both encoders, at the end of their training and at half of it, with $D$ against the true code of held-out
# pieces.


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
# The statement holds, for both non-linearities and each start. One reason: to know how much of $K_i$ there is at a place, hold $K_i$ against it. The first
# gradient step from $Z = 0$ is $K_i \star Y$, and shrinkage follows. An encoder that has to do all in one pass can hardly begin in another way.
#
# ### Who follows whom?
#
# The box in section 2 showed that the decoder follows the encoder. Two things tie the code to the guess: the price α, and the *start*, since the few steps of FISTA begin at the guess. Take them away one by
# one.
#
# **Predict:** take both away: α = 0, and the code starts from 0. Will the halves be alike if the encoder learns? And if it does not?
#
# <details><summary>Answer</summary>
#
# If it learns, yes: then the encoder does all of the following. If it does not learn, nothing ties the two, and the cosine falls to that of random pairings. So both halves can follow, and it takes only one of them.
#
# </details>

# %%
ties = {
    "the start and α = 1": (True, 1.0),
    "the start, α = 0": (True, 0.0),
    "α = 1, start at 0": (False, 1.0),
    "nothing": (False, 0.0),
}


def tied(tie, frozen, seed=0):
    from_guess, alpha = ties[tie]
    return autoencoders.Training(alpha=alpha, frozen=frozen, seed=seed, from_guess=from_guess)


# %%
def mean_cosine(one):
    encoder, dictionary = autoencoders.load(one)
    return float(csae.likeness(encoder.kernels, dictionary.K).diagonal().mean())


# %%
for frozen, tie in itertools.product((False, True), ties):
    starts = ", ".join(f"{mean_cosine(tied(tie, frozen, seed)):.2f}" for seed in range(3))
    print(f"encoder {'frozen' if frozen else 'learns'}, tied by {tie:20} mean cosine {starts}")

# %% [markdown]
# Read the rows from below. With nothing to tie them, a frozen encoder and the decoder are as unlike as random pairings: likeness is not a gift of the method. The price α alone ties them a little, the start at the guess much more.
# And an encoder that learns needs no tie at all: it follows.
#
# Cut the ties one after another: 0 none, 1 the price α, 2 the start, 3 both. Then let the encoder learn.

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
# Now the codes themselves. Judge a code by what it is *for*: its energy
# $E = \tfrac12\Vert Y - \sum_i K_i * Z_i\Vert^2 + \lambda\Vert Z\Vert_1$ on pieces never seen. The empty code, $Z = 0$, is the one to beat.
#
# **Predict:** both encoders look like their decoders. Whose code is better, that of $\tanh$ or that of shrinkage? Is each better than no code at all?
#
# <details><summary>Answer</summary>
#
# Shrinkage. The code of $\tanh$ looks right and is *no better than none* (100 % or more): $\tanh$ is never exactly zero, so all places pay a little of $\lambda\Vert Z\Vert_1$, everywhere, for nothing; and it
# saturates, so strong edges are cut short. Shrinkage has both what $\tanh$ lacks: exact zeros and no ceiling.
#
# </details>


# %%
def energies(one):
    """Of the guess and of FISTA's code, as a share of that of Z = 0, on held-out pieces."""
    encoder, dictionary = autoencoders.load(one)
    _, images = autoencoders.pieces(one.seed)
    with torch.no_grad():
        guess = encoder(images)
    best = fista(dictionary, images, lam, tol=1e-2).z
    E = torch.stack([energy(dictionary, images, Z, lam).mean() for Z in (guess, best, 0 * best)])
    return (E[:2] / E[2]).tolist()


for name, phi in names.items():
    both = [energies(autoencoders.Training(phi, seed=seed)) for seed in range(3)]
    for who, shares in zip(("encoder", "FISTA"), zip(*both, strict=True), strict=True):
        print(f"{name:9} {who:7} {100 * min(shares):.0f} to {100 * max(shares):.0f} % of Z = 0")

# %%
codable = fista(dictionary, held_out, lam, tol=1e-2).energy
place = codable.div(held_out.square().sum((1, 2))).argmin()  # the piece with most structure
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
# (The maps of $\tanh$ belong to another decoder than those below: each auto-encoder has learned its own kernels.)
#
# ### Be the encoder
#
# How good can one pass be? Take the decoder's own kernels for $C$ and choose the width θ of the shrinkage and one gain yourself. At $\theta = 0$ the encoder is linear.

# %% tags=["slider-setup"]
by_hand = held_out[place - 1 : place + 2] if place else held_out[:3]
best_codes = fista(dictionary, by_hand, lam, tol=1e-3).z

# %% tags=["slider"]
drag.encoder_panel(dictionary, by_hand, best_codes, lam)

# %% [markdown]
# The linear encoder is worse than no code: its many small entries all cost. With a good θ and a small gain the guess gets well below the empty code, about as low as the trained encoder's, and no θ and $g$ reach FISTA: kernels that overlap explain the same edge several
# times over, and one pass cannot make them compete. Rounds of inhibition can, as in [notebook 3](03_lista.ipynb).
#
# ## 5 · Are the features any good?
#
# **The lecture says** that putting such features into a convolutional net does not *necessarily* beat training from scratch on a large set, but can help where samples are
# few. Photographs taught the kernels; let us read *digits* with them. 1000 digits are for testing; from the other 4000, nets get between 10 and 4000 labels.
#
# The net: kernels held against every other pixel; positive and negative parts; the largest of each 2 × 2 places; one linear layer. Only the kernels differ:
#
# - **random**: noise. *Frozen*, only the linear layer learns; *trained*, all of it does: that is «from scratch»;
# - **learned** on photographs, without a label: *frozen*, or *fine-tuned* along with the linear layer;
# - **same spectrum**: a control. As coarse and as oriented as the learned kernels, but with random phases, so that nothing in them lines up to an edge.

# %%
digits = load_digits(dtype=torch.float64)
X, label = digits.images[:, 2:-2, 2:-2], digits.labels  # hardly any ink in the rim
X_train, label_train, X_test, label_test = X[:4000], label[:4000], X[4000:], label[4000:]


def kernels(seed):
    learned = autoencoders.load(autoencoders.Training(seed=seed % 3))[0].kernels
    noise = torch.randn(learned.shape, generator=torch.Generator().manual_seed(seed))
    spectrum = csae.random_phase(learned, seed + 100)
    return {"random": noise, "same spectrum": spectrum, "learned": learned}


words = "Noise; stripes and blotches with the spectrum of the learned kernels; learned kernels."
draw.rows_of_kernels(kernels(0), "The same net with three kinds of kernels", words)

# %% [markdown]
# A seed decides which digits are labelled, the noise, and which of the three auto-encoders the kernels come from. Within a seed all nets see the same digits in the same order, so
# that they can be compared pair by pair. Every net is trained for 600 steps, and once more for 300: has it settled?
#
# **Predict:** with 10 labels, one of each class, how far above the 10 % of chance does the best net come? And who is best with 4000?
#
# <details><summary>Answer</summary>
#
# Ten labels are enough to read more than half of the digits. With 4000, the net that starts from learned kernels and the one that starts from noise end within a point of each other; frozen kernels are behind.
#
# </details>

# %%
labels, seeds = (10, 30, 100, 1000, 4000), range(5)
nets = {"random, frozen": True, "same spectrum, frozen": True, "learned, frozen": True}
nets |= {"random, trained": False, "learned, fine-tuned": False}


def accuracies(steps):
    score = {name: torch.zeros(5, len(labels)) for name in nets}
    every = list(itertools.product(seeds, range(len(labels)), nets))
    for seed, k, name in track(every, "training the nets"):
        rows = (torch.arange(labels[k]) + 800 * seed) % len(X_train)
        net = csae.SmallNet(kernels(seed)[name.split(",")[0]], X_train[:500])
        shown = X_train[rows], label_train[rows]
        csae.fit(net, *shown, frozen=nets[name], steps=steps, seed=seed)
        score[name][seed, k] = csae.accuracy(net, X_test, label_test)
    return score


# %%
score, half_score = accuracies(length(600)), accuracies(length(600) // 2)

# %% [markdown]
# **Your turn.** `a` and `b` are the accuracies of two nets, one entry a seed. Return the mean of the differences within a seed, and *two standard errors* of that mean: $2 s/\sqrt{n}$, where $s$ is the standard
# deviation of the differences (with $n - 1$).


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
    "learned − same spectrum": ("learned, frozen", "same spectrum, frozen"),
}
draw.few_labels(labels, score, {name: score[a] - score[b] for name, (a, b) in compared.items()})
print(f"{'gain in points':26}" + "".join(f"{count:>12}" for count in labels))
for name, (a, b) in compared.items():
    both = [gain(100 * score[a][:, k], 100 * score[b][:, k]) for k in range(len(labels))]
    print(f"{name:26}" + "".join(f"{mean:+6.1f} ± {error:3.1f}" for mean, error in both))


# %% tags=["claim:CONV-5"]
def gains(score):
    """Up to 100 labels, each comparison; then with 4000, fine-tuned against from scratch."""
    few = [
        (100 * score[a][:, :3].mean(1), 100 * score[b][:, :3].mean(1)) for a, b in compared.values()
    ]
    many = [100 * score[name][:, -1] for name in compared["fine-tuned − from scratch"]]
    return torch.tensor([gain(a, b) for a, b in [*few, many]]).T


(value, error), (half_value, half_error) = gains(score), gains(half_score)
claim("CONV-5", gain=value, error=error, half_gain=half_value, half_error=half_error)

# %% tags=["slider"]
drag.labels_panel(labels, score)

# %% [markdown]
# So «in part».
#
# - **Few labels: yes.** Up to 100 labels the learned kernels gain more than two standard errors over noise, frozen or fine-tuned. All of it came from photographs: their training saw no digit.
# - **Many labels: it fades.** With 4000 labels about half a point is left of the gain, just above its error, and the error is too small, since all five seeds see the same 4000 digits. That fits «not necessarily better»,
#   and does not prove it: 4000 is not *large*.
# - **Most of it is not the edges.** Kernels with the same spectrum and random phase, without a clean edge in them, are far above noise too. What helps first is the right
#   mixture of coarse and fine and of directions. The last row of the table is what the edges themselves add. With white noise as the only baseline one would have credited them with everything.
#
# ## Try it yourself
#
# **1. Why a map can die.** With shrinkage, a map whose responses all lie within θ is zero everywhere. Can it come back? Return $\partial\,\text{shrink}(v, \theta) / \partial\theta$ for each entry of `v`
# (no entry is exactly at θ).


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
# **3. Open: make the decoder follow less.** `train_by_hand(steps, alpha)` of section 1 is yours. Train for 300 steps with α = 0.1, 1 and 10. How do `D` and the kernels change? Is a smaller `D` a better encoder here?
# (Remember against which code that `D` is measured.) Then let the step of the kernels, `rate`, be zero: who follows whom now?
#
# ## What to remember
#
# - Encoder and decoder share only the code, and that is enough to make their filters alike: far beyond chance, which a permutation test shows. Each can follow the other, so likeness alone proves no learning.
# - Alike filters are the *first step* of ISTA. How good a code is depends on what comes after: exact zeros and no ceiling (shrinkage) beat $\tanh$.
# - «Features help» is a statement about a comparison. Give the number of labels, the spread over seeds, and a control that has everything but what you claim.
#
# ## What breaks
#
# - Judging codes by how the filters look: $\tanh$ passes that test, against chance, and its code is no better than none.
# - Measuring the guess against a code that was pulled towards it. Take the code that FISTA finds without it, on held-out images.
# - More kernels with shrinkage, trained together from noise: where $\theta_i$ is above all responses the map is zero everywhere, its gradient too, and the kernel dies.
# - A random baseline of another scale or smoothness: «learned against white noise» mixes what was learned about *edges* with what any smooth filter does.
# - Conclusions past this net and these digits. With 4000 labels all seeds see the same digits, in another order, which makes their error bars too small.
#
# ## References
#
# - K. Kavukcuoglu, P. Sermanet, Y. Boureau, K. Gregor, M. Mathieu, Y. LeCun, [*Learning convolutional feature hierarchies for visual recognition*](https://papers.nips.cc/paper/2010/hash/8c19f571e251e61cb8dd3612f26d5ecf-Abstract.html), NIPS 2010: the convolutional auto-encoder of this notebook.
# - K. Kavukcuoglu, M. Ranzato, Y. LeCun, [*Fast inference in sparse coding algorithms with applications to object recognition*](https://arxiv.org/abs/1010.3467), 2008: predictive sparse decomposition.
# - K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, [*What is the best multi-stage architecture for object recognition?*](https://doi.org/10.1109/ICCV.2009.5459469), ICCV 2009: how far random filters get.
# - A. Saxe et al., *On random weights and unsupervised feature learning*, ICML 2011: why they do.
