"""Sparse coding as an energy-based model: operators, energies with certificates, solvers,
dictionary learning.
 Everything here needs torch alone. The parts with more needs are imported by name:
``rlvebm_utils.data``, ``rlvebm_utils.plots``, ``rlvebm_utils.widgets``, ``rlvebm_utils.claims``
(extra ``course``).
"""

from ._progress import track
from .encoding import compile_encoder, encode
from .energies import certificate, duality_gap, energy, kkt_residual, lambda_max
from .learning import LearnedDictionary, learn_dictionary
from .operators import Dictionary
from .prox import nonnegative_soft_threshold, soft_threshold
from .solvers import ConvergenceWarning, History, Solution, fista, ista

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "Dictionary",
    "History",
    "LearnedDictionary",
    "Solution",
    "certificate",
    "compile_encoder",
    "duality_gap",
    "encode",
    "energy",
    "fista",
    "ista",
    "kkt_residual",
    "lambda_max",
    "learn_dictionary",
    "nonnegative_soft_threshold",
    "soft_threshold",
    "track",
]
