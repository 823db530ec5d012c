"""The exercises of notebook 02. The answers are found in another way than the notebook's solutions:
shrinkage by a projection, the lower bound by a distance, the λ of a paper by a search.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .turn import Exercise, Mistake


def numbers(*values) -> Tensor:
    """A float64 tensor."""
    return torch.tensor(values, dtype=torch.float64)


W = numbers([1.0, 0.6], [0.0, 0.8])  # two atoms of length 1 in the plane
Y, Z, LAM, L = numbers(2.0, -1.0), numbers(1.5, -0.5), 0.25, 4.0
V = numbers(2.0, 0.5, -0.25, -1.5)


# ---- the energy ----


def energy_of(y, W, z, lam):
    """½‖y − Wz‖² + λ‖z‖₁ of one sample and one code."""
    r = y - W @ z
    return 0.5 * r @ r + lam * torch.linalg.vector_norm(z, 1)


ENERGY = Exercise(
    like=energy_of,
    on=[(Y, W, Z, LAM), (Y, W, 0 * Z, LAM), (Y, W, 2 * Z, 2.0)],  # in Z, ‖z‖₀ is ‖z‖₁
    mistakes=[
        Mistake(
            "The ½ is missing: that is the energy as the notes print it. Ours has ½‖y − Wz‖².",
            lambda y, W, z, lam: (y - W @ z).square().sum() + lam * z.abs().sum(),
        ),
        Mistake(
            "‖z‖₁ adds up sizes: without | | a negative weight would earn money.",
            lambda y, W, z, lam: 0.5 * (y - W @ z).square().sum() + lam * z.sum(),
        ),
        Mistake(
            "The fit is squared: ½‖y − Wz‖², not ½‖y − Wz‖.",
            lambda y, W, z, lam: 0.5 * (y - W @ z).norm() + lam * z.abs().sum(),
        ),
        Mistake(
            "You charge for z²: that makes weights small, but none of them zero. ‖z‖₁ is Σ|z_j|.",
            lambda y, W, z, lam: 0.5 * (y - W @ z).square().sum() + lam * z.square().sum(),
        ),
        Mistake(
            "You charge for the number of non-zeros, ‖z‖₀. ‖z‖₁ adds up their sizes.",
            lambda y, W, z, lam: 0.5 * (y - W @ z).square().sum() + lam * (z != 0).sum(),
        ),
        Mistake(
            "That is the length ‖z‖₂. ‖z‖₁ is Σ|z_j|.",
            lambda y, W, z, lam: 0.5 * (y - W @ z).square().sum() + lam * z.norm(),
        ),
    ],
)


# ---- shrinkage ----


def shrink(v, t):
    """v less what of it lies within ±t: the projection onto that interval."""
    return v - v.clamp(-t, t)


SHRINK = Exercise(
    like=shrink,
    on=[(V, 0.8), (V, 0.25), (V, 0.0)],
    mistakes=[
        Mistake(
            "You cut at zero: a v below −t may stay below zero.",
            lambda v, t: (v - t).clamp(min=0),
        ),
        Mistake(
            "You keep or drop, but what is kept moves towards zero by t as well.",
            lambda v, t: v * (v.abs() > t),
        ),
        Mistake(
            "A v closer to zero than t is carried across it. It has to stop at zero.",
            lambda v, t: v - t * v.sign(),
        ),
        Mistake(
            "The size is right, the sign is lost.",
            lambda v, t: (v.abs() - t).clamp(min=0),
        ),
        Mistake(
            "Below −t, v − t is further from zero than v. Move v towards zero: v + t there.",
            lambda v, t: torch.where(v.abs() > t, v - t, 0 * v),
        ),
        Mistake(
            "That is the part of v within ±t, which shrinkage takes away. Return the rest.",
            lambda v, t: v.clamp(-t, t),
        ),
    ],
)


# ---- ISTA ----


def ista_step(y, W, z, lam, L):
    """One step of ISTA."""
    return shrink(z + W.T @ (y - W @ z) / L, lam / L)


STEP = Exercise(
    like=ista_step,
    on=[(Y, W, Z, LAM, L), (Y, W, 0 * Z, LAM, L), (Y, W, Z, 2.0, L)],
    mistakes=[
        Mistake(
            "You shrink by λ. The step is 1/L long, so shrink by λ/L.",
            lambda y, W, z, lam, L: shrink(z - W.T @ (W @ z - y) / L, lam),
        ),
        Mistake(
            "You walk uphill: the gradient Wᵀ(Wz − y) is taken away from z.",
            lambda y, W, z, lam, L: shrink(z + W.T @ (W @ z - y) / L, lam / L),
        ),
        Mistake(
            "Your gradient is that of ‖y − Wz‖², without the ½: it is twice as long.",
            lambda y, W, z, lam, L: shrink(z - 2 * W.T @ (W @ z - y) / L, lam / L),
        ),
        Mistake(
            "You shrink before the gradient step. The gradient step comes first.",
            lambda y, W, z, lam, L: shrink(z, lam / L) - W.T @ (W @ shrink(z, lam / L) - y) / L,
        ),
        Mistake(
            "Your gradient step has length 1. It is 1/L.",
            lambda y, W, z, lam, L: shrink(z - W.T @ (W @ z - y), lam / L),
        ),
        Mistake(
            "That is the gradient step alone. Then shrink its end by λ/L.",
            lambda y, W, z, lam, L: z - W.T @ (W @ z - y) / L,
        ),
        Mistake(
            "You divide the shrunk code by L. It is the price that is divided: shrink by λ/L.",
            lambda y, W, z, lam, L: shrink(z - W.T @ (W @ z - y) / L, lam) / L,
        ),
    ],
)


# ---- when is a code the best one? ----


def violation(y, W, z, lam):
    """The largest violation of the optimality conditions over the entries of a code."""
    c = W.T @ (y - W @ z)
    idle = (c.abs() - lam).clamp(min=0)
    return torch.where(z == 0, idle, (c - lam * z.sign()).abs()).max()


KKT = Exercise(
    like=violation,
    on=[
        (Y, W, Z, LAM),
        (Y, W, 0 * Z, 1.5),
        (Y, W, 0 * Z, 3.0),  # the best code: no violation
        (Y, W, numbers(1.75, 0.0), LAM),
        (numbers(0.25, 0.0), W, numbers(0.5, 0.0), LAM),
        (numbers(0.6, 0.0), W, numbers(0.5, 0.0), LAM),
    ],
    mistakes=[
        Mistake(
            "You ask |c_j| ≤ λ of every atom. An active one has to be at ±λ exactly.",
            lambda y, W, z, lam: ((W.T @ (y - W @ z)).abs() - lam).clamp(min=0).max(),
        ),
        Mistake(
            "You ask c_j = λ sign(z_j) of every atom. An idle one may be anywhere from −λ to λ.",
            lambda y, W, z, lam: (W.T @ (y - W @ z) - lam * z.sign()).abs().max(),
        ),
        Mistake(
            "An active atom's c_j has the sign of z_j: |c_j| = λ is not enough.",
            lambda y, W, z, lam: torch.where(
                z == 0,
                ((W.T @ (y - W @ z)).abs() - lam).clamp(min=0),
                ((W.T @ (y - W @ z)).abs() - lam).abs(),
            ).max(),
        ),
        Mistake(
            "An idle atom with |c_j| below λ violates nothing: cut |c_j| − λ at zero.",
            lambda y, W, z, lam: torch.where(
                z == 0,
                (W.T @ (y - W @ z)).abs() - lam,
                (W.T @ (y - W @ z) - lam * z.sign()).abs(),
            ).max(),
        ),
        Mistake(
            "An idle atom with |c_j| below λ violates nothing: cut |c_j| − λ at zero, no | |.",
            lambda y, W, z, lam: torch.where(
                z == 0,
                ((W.T @ (y - W @ z)).abs() - lam).abs(),
                (W.T @ (y - W @ z) - lam * z.sign()).abs(),
            ).max(),
        ),
        Mistake(
            "Your c has the wrong sign: it is Wᵀ(y − Wz), not the gradient Wᵀ(Wz − y).",
            lambda y, W, z, lam: torch.where(
                z == 0,
                ((W.T @ (W @ z - y)).abs() - lam).clamp(min=0),
                (W.T @ (W @ z - y) - lam * z.sign()).abs(),
            ).max(),
        ),
    ],
)


def lambda_max(y, W):
    """‖Wᵀy‖_∞: from this λ on the best code is empty."""
    return torch.linalg.vector_norm(y @ W, float("inf"))


LAMBDA_MAX = Exercise(
    like=lambda_max,
    on=[(Y, W), (-Y, W), (numbers(0.0, 1.0), W)],
    mistakes=[
        Mistake(
            "A negative weight is allowed here, so a correlation below zero counts as well: | |.",
            lambda y, W: (W.T @ y).max(),
        ),
        Mistake(
            "That is the length ‖Wᵀy‖₂. Each condition is about one atom: take the largest entry.",
            lambda y, W: (W.T @ y).norm(),
        ),
        Mistake(
            "That is the place of the largest entry. Its size was asked.",
            lambda y, W: (W.T @ y).abs().argmax(),
        ),
        Mistake(
            "That adds up all atoms. One atom that wants to enter is enough: take the largest.",
            lambda y, W: (W.T @ y).abs().sum(),
        ),
    ],
)


# ---- FISTA ----


def look_ahead(z, z_last, theta, theta_next):
    """The point ahead of z: on the line from the last code through z."""
    return torch.lerp(z_last, z, 1 + (theta - 1) / theta_next)


AHEAD = Exercise(
    like=look_ahead,
    on=[(Z, numbers(1.0, 0.0), 2.0, 2.5), (Z, numbers(1.0, 0.0), 1.0, 1.62), (Z, Z, 3.0, 3.5)],
    mistakes=[
        Mistake(
            "You look back: the move is z − z_last.",
            lambda z, z_last, theta, theta_next: z + (theta - 1) / theta_next * (z_last - z),
        ),
        Mistake(
            "You start from the last code, and stay behind z. Start from z, to be ahead of it.",
            lambda z, z_last, theta, theta_next: z_last + (theta - 1) / theta_next * (z - z_last),
        ),
        Mistake(
            "β is (θ_t − 1)/θ_{t+1}: the 1 is taken away above, and the next θ stands below.",
            lambda z, z_last, theta, theta_next: z + (theta_next - 1) / theta * (z - z_last),
        ),
        Mistake(
            "β is (θ_t − 1)/θ_{t+1}. Without the −1 it is not 0 in the first step.",
            lambda z, z_last, theta, theta_next: z + theta / theta_next * (z - z_last),
        ),
        Mistake(
            "That is only the move. The point ahead is z and that move.",
            lambda z, z_last, theta, theta_next: (theta - 1) / theta_next * (z - z_last),
        ),
        Mistake(
            "You divide by θ_t. The next θ stands below: β is (θ_t − 1)/θ_{t+1}.",
            lambda z, z_last, theta, theta_next: z + (theta - 1) / theta * (z - z_last),
        ),
    ],
)


# ---- the lower bound ----


def lower_bound(y, W, z, lam):
    """The floor that the residual proves, scaled down until it is feasible."""
    u = _scaled(y, W, z, lam)
    return 0.5 * (y @ y - (y - u) @ (y - u))


def _floor(y, u):
    return y @ u - 0.5 * u @ u


def _scaled(y, W, z, lam):
    r = y - W @ z
    return r * (lam / (W.T @ r).abs().max()).clamp(max=1)


BOUND = Exercise(
    like=lower_bound,
    on=[(Y, W, Z, LAM), (-Y, W, 0 * Z, LAM), (Y, W, 0.1 * Z, 5.0), (Y, W, -Z, LAM)],
    mistakes=[
        Mistake(
            "Unscaled, the residual breaks |w_jᵀu| ≤ λ for some atom and proves nothing.",
            lambda y, W, z, lam: _floor(y, y - W @ z),
        ),
        Mistake(
            "Where the residual meets |w_jᵀu| ≤ λ already, leave it as it is: s = min(1, …).",
            lambda y, W, z, lam: _floor(y, (y - W @ z) * lam / (W.T @ (y - W @ z)).abs().max()),
        ),
        Mistake(
            "The bound is ⟨y, u⟩ − ½‖u‖²: the ½ is missing.",
            lambda y, W, z, lam: (
                lower_bound(y, W, z, lam) - 0.5 * _scaled(y, W, z, lam).square().sum()
            ),
        ),
        Mistake(
            "A correlation below −λ breaks the promise too: take the largest |w_jᵀr|.",
            lambda y, W, z, lam: _floor(
                y, (y - W @ z) * (lam / (W.T @ (y - W @ z)).max()).clamp(max=1)
            ),
        ),
        Mistake(
            "You took ⟨r, u⟩ − ½‖u‖². The floor is ⟨y, u⟩ − ½‖u‖², with the sample.",
            lambda y, W, z, lam: lower_bound(y, W, z, lam) - (W @ z) @ _scaled(y, W, z, lam),
        ),
    ],
)


# ---- learning ----


def rescaled(W, z):
    """The code for columns of length 1 that leaves Wz as it is."""
    return z * W.square().sum(0).sqrt()


TWO = numbers([3.0, 0.5], [4.0, 0.0])  # atoms of length 5 and ½
RESCALE = Exercise(
    like=rescaled,
    on=[(TWO, Z), (W, Z)],
    mistakes=[
        Mistake(
            "You divide the code too, so Wz changes. What divides the atom multiplies its weight.",
            lambda W, z: z / W.norm(dim=0),
        ),
        Mistake(
            "That is the code of the notes' rule. Here each atom is divided by its own length.",
            lambda W, z: z / W.norm(dim=0).sum(),
        ),
        Mistake(
            "You left the code as it is. The atoms change their lengths, so Wz changes.",
            lambda W, z: z,
        ),
        Mistake(
            "Those are the squared lengths. Multiply by the lengths.",
            lambda W, z: z * W.square().sum(0),
        ),
        Mistake(
            "One number for all. Each weight is multiplied by the length of its own atom.",
            lambda W, z: z * W.norm(),
        ),
        Mistake(
            "That is the length of each row. An atom is a column: norm(dim=0).",
            lambda W, z: z * W.norm(dim=1),
        ),
    ],
)


# ---- at the end ----


def shrink_nonnegative(v, t):
    """The shrinkage of weights that may not be negative."""
    return torch.relu(v - t)


NONNEGATIVE = Exercise(
    like=shrink_nonnegative,
    on=[(V, 0.8), (V, 0.25), (V, 0.0)],
    mistakes=[
        Mistake("Negative weights are left: that is the ordinary shrinkage.", shrink),
        Mistake(
            "Take t away first, then cut at zero: your answers go below zero.",
            lambda v, t: v.clamp(min=0) - t,
        ),
        Mistake(
            "You cut at zero, and the price t was never charged.",
            lambda v, t: v.clamp(min=0),
        ),
        Mistake(
            "For v below zero the best z ≥ 0 is zero. Leave out the | |.",
            lambda v, t: (v.abs() - t).clamp(min=0),
        ),
    ],
)


def lam_of(mu):
    """The λ for which our best code is the paper's, for W = 1 and y = 5: by trying numbers z."""
    tries = torch.linspace(0, 5, 500_001, dtype=torch.float64)
    z = float(tries[((5 - tries) ** 2 + mu * tries).argmin()])
    return 5 - z  # our code of y = 5 is 5 − λ


PAPER = Exercise(
    like=lam_of,
    on=[(1.0,), (2.0,), (3.0,)],
    mistakes=[
        Mistake("Their squared error counts twice as much as ours: μ is no λ.", lambda mu: mu),
        Mistake(
            "The other way round: their fit counts double, so their price has to be double.",
            lambda mu: 2 * mu,
        ),
    ],
    rtol=1e-4,
)

EXERCISES = {
    "energy_of": ENERGY,
    "shrink": SHRINK,
    "ista_step": STEP,
    "violation": KKT,
    "lambda_max": LAMBDA_MAX,
    "look_ahead": AHEAD,
    "lower_bound": BOUND,
    "rescaled": RESCALE,
    "shrink_nonnegative": NONNEGATIVE,
    "lam_of": PAPER,
}
