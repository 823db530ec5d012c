"""Sparse coding as an energy-based model: operators (dense and convolutional), energies with
certificates, solvers, dictionary learning, learned encoders.

Three wings: the library (the modules beside this file, to be read), ``fast`` (the same answers,
sooner) and ``course`` (what the notebooks need on top: data, plots, widgets …; extra ``course``).
What is named here needs torch alone.
"""

from .conv import ConvDictionary
from .conv_learning import LearnedKernels, learn_kernels
from .course.kernels import KernelLabel, label_kernels
from .energies import Certificate, certificate, duality_gap, energy, kkt_residual, lambda_max
from .fast.admm import admm
from .fast.codes import encode, encode_path
from .fast.compiled import compile_loops
from .fast.images import encode_images
from .fast.learning import learn_dictionary_fast
from .fast.parts import encode_batches, load_codes
from .learning import LearnedDictionary, learn_dictionary
from .lista import LISTA, train_lista
from .operators import Dictionary, Operator
from .penalties import L1, GroupL1, Penalty, nonnegative_soft_threshold, soft_threshold
from .problem import Problem
from .progress import track
from .solvers import ConvergenceWarning, History, Solution, fista, ista

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "ConvDictionary",
    "ConvergenceWarning",
    "Dictionary",
    "GroupL1",
    "History",
    "KernelLabel",
    "L1",
    "LISTA",
    "LearnedDictionary",
    "LearnedKernels",
    "Operator",
    "Penalty",
    "Problem",
    "Solution",
    "admm",
    "certificate",
    "compile_loops",
    "duality_gap",
    "encode",
    "encode_batches",
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
    "load_codes",
    "nonnegative_soft_threshold",
    "soft_threshold",
    "track",
    "train_lista",
]
