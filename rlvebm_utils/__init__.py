"""Sparse coding as an energy-based model: operators (dense and convolutional), energies with
certificates, solvers, dictionary learning, learned encoders.

Everything here needs torch alone. The parts with more needs are imported by name:
``rlvebm_utils.data``, ``rlvebm_utils.plots``, ``rlvebm_utils.widgets``, ``rlvebm_utils.claims``
(extra ``course``).
"""

from ._progress import track
from .conv import ConvDictionary
from .conv_learning import LearnedKernels, learn_kernels
from .energies import certificate, duality_gap, energy, kkt_residual, lambda_max
from .kernels import KernelLabel, label_kernels
from .learning import LearnedDictionary, learn_dictionary
from .lista import LISTA, train_lista
from .operators import Dictionary
from .prox import nonnegative_soft_threshold, soft_threshold
from .solvers import ConvergenceWarning, History, Solution, fista, ista

__version__ = "0.1.0"

__all__ = [
    "ConvDictionary",
    "ConvergenceWarning",
    "Dictionary",
    "History",
    "KernelLabel",
    "LISTA",
    "LearnedDictionary",
    "LearnedKernels",
    "Solution",
    "certificate",
    "duality_gap",
    "energy",
    "fista",
    "ista",
    "kkt_residual",
    "label_kernels",
    "lambda_max",
    "learn_dictionary",
    "learn_kernels",
    "nonnegative_soft_threshold",
    "soft_threshold",
    "track",
    "train_lista",
]
