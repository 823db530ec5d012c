"""Sparse coding as an energy-based model: operators (dense and convolutional), energies with
certificates, solvers, dictionary learning, learned encoders.

Everything here needs torch alone. The parts with more needs are imported by name:
``rlvebm_utils.data``, ``rlvebm_utils.plots``, ``rlvebm_utils.widgets``, ``rlvebm_utils.claims``
(extra ``course``).
"""

from ._native import compile_loops
from ._progress import track
from .admm import admm
from .conv import ConvDictionary
from .conv_encoding import encode_images
from .conv_learning import LearnedKernels, learn_kernels
from .encoding import encode, encode_path
from .energies import certificate, duality_gap, energy, kkt_residual, lambda_max
from .fast_learning import learn_dictionary_fast
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
    "admm",
    "certificate",
    "compile_loops",
    "duality_gap",
    "encode",
    "encode_images",
    "encode_path",
    "energy",
    "fista",
    "ista",
    "kkt_residual",
    "label_kernels",
    "lambda_max",
    "learn_dictionary",
    "learn_dictionary_fast",
    "learn_kernels",
    "nonnegative_soft_threshold",
    "soft_threshold",
    "track",
    "train_lista",
]
