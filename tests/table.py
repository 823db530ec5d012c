"""A table of the public functions: for each of their arguments a value that is right, and many that
are not. What goes over all of them is in test_every_argument.py and test_wherever.py.
"""

import copy
import math
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial, wraps
from typing import NamedTuple

import numpy as np
import torch
from problems import normal, random_dictionary

import rlvebm_utils as package
from rlvebm_utils import L1, LISTA, ConvDictionary, Dictionary, GroupL1
from rlvebm_utils.course import csae, data, gabor, kernels, vae

W, Y, Z = random_dictionary(), normal(5, 12, seed=1), normal(5, 20, seed=2)
K, IMAGES = normal(3, 4, 4, seed=3), normal(2, 9, 8, seed=4)
D, C = Dictionary(W), ConvDictionary(K)
MAPS = C.adjoint(IMAGES)
NAN, INF = math.nan, math.inf


class Argument(NamedTuple):
    """A value that is right, and a dict of those that are not."""

    good: object
    bad: dict


# ---- kinds of badness ----

NO_TENSOR = {
    "None": None, "string": "y", "number": 0.5, "list": [[0.5]], "object": object(),
    "array": np.ones((5, 12)), "array of objects": np.array([None]),
}  # fmt: skip
DTYPES = [
    torch.int64, torch.uint8, torch.bool, torch.complex64, torch.complex128, torch.float16,
    torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def spoilt(x, value):
    x = x.clone()
    x.view(-1)[-1] = value
    return x


def nested(x, layout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([x, x[:1]] if x.ndim else [x], layout=layout)


def quantized(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8)


def tensor(good, *, dims=True, like=True, huge=True, optional=False) -> Argument:
    """dims: another number of dimensions is wrong. like: so is another dtype. huge: so are numbers
    whose squares leave the dtype.
    """
    bad = dict(NO_TENSOR)
    bad |= {str(dtype): good.to(dtype) for dtype in DTYPES}
    bad |= {
        "NaN": spoilt(good, NAN), "infinite": spoilt(good, INF), "empty": good[:0],
        "sparse": good.to_sparse(), "meta": good.to("meta"), "quantized": quantized(good),
        "nested": nested(good, torch.strided), "jagged": nested(good, torch.jagged),
    }  # fmt: skip
    if good.ndim == 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bad |= {"CSR": good.to_sparse_csr(), "CSC": good.to_sparse_csc()}
    if dims:
        bad |= {"0-d": good.sum(), "more dimensions": good[None, None, None]}
    if like:
        bad["float32"] = good.float()
    if huge:
        bad["huge"] = good / good.abs().max() * 1e200
    if optional:
        del bad["None"]
    return Argument(None if optional else good, bad)


NO_NUMBER = {
    "string": "0.1", "list": [0.1], "complex": 1j, "object": object(), "fraction": Fraction(1, 3),
    "True": True, "NumPy's True": np.True_, "text of NumPy": np.str_("1"), "dict": {},
    "array": np.array([[0.1, 0.2]]), "array of objects": np.array(None), "0-d text": np.array("1"),
}  # fmt: skip
NUMBER = NO_NUMBER | {"None": None, "NaN": NAN, "infinite": INF, "negative": -0.1}
NUMBER |= {"beyond floats": 10**400, "NumPy's NaN": np.float32("nan")}


def number(good, *, most=None, above_zero=False, optional=False) -> Argument:
    bad = dict(NUMBER)
    if most is not None:
        bad["too large"] = most + 1e-9
    if above_zero:
        bad["0"] = 0
    if optional:
        del bad["None"]
    return Argument(good, bad | {"tensor": torch.tensor([0.1, 0.2])})


def lam(rows: int | None = None, good=0.5) -> Argument:
    """rows: one λ for each of so many samples is right, too."""
    off, dtypes = 3 if rows is None else rows + 1, [d for d in DTYPES if d.is_complex]
    bad = NUMBER | {
        "too many": torch.full((off,), 0.1), "too many in an array": np.full(off, 0.1),
        "none": torch.ones(0), "matrix": torch.ones(off, 2), "meta": torch.ones((), device="meta"),
        "Booleans": torch.ones(off, dtype=torch.bool), "sparse": torch.ones(off).to_sparse(),
        "array of text": np.array(["a"] * off), "fp8": torch.ones(1).to(torch.float8_e5m2),
        "nested": nested(torch.ones(2, 2), torch.strided), "NaN in it": torch.full((off,), NAN),
    }  # fmt: skip
    bad |= {str(dtype): torch.ones(off, dtype=dtype) for dtype in dtypes}
    if rows:
        bad |= {
            "one negative": spoilt(torch.ones(rows), -1e-9),
            "one NaN": spoilt(torch.ones(rows), NAN),
            "NaN in an array": np.full(rows, NAN),
            "jagged": nested(torch.ones(2, 2), torch.jagged),
        }
    return Argument(good, bad)


def count(good, minimum=1) -> Argument:
    bad = NO_NUMBER | {
        "None": None, "too small": minimum - 1, "far too small": -(2**70), "float": 2.0, "NaN": NAN,
        "infinite": INF, "tensor": torch.tensor(3), "beyond 64 bits": 2**70, "huge": 10**400,
        "NumPy's float": np.float64(2), "beyond 63 bits": np.uint64(2**63),
    }  # fmt: skip
    return Argument(good, bad)


NO_FLAG = {"no": "no", "1": 1, "0": 0, "None": None, "array": np.array([True, False]), "list": []}
FLAG = Argument(False, NO_FLAG | {"tensor": torch.tensor(True), "NaN": NAN})
SEED = count(0, minimum=0)
SNAPSHOTS = Argument(
    (),
    {
        "number": 3, "None": None, "string": "12", "negative": (-1,), "float": (1.0,),
        "later than the last": (1, 10**6), "beyond 64 bits": (2**70,), "nested": ((1,),),
        "flag": (True,), "tensor": torch.tensor([[1]]), "text": ("1",),
    },
)  # fmt: skip
DICTIONARY = {
    "matrix": W,
    "None": None,
    "string": "W",
    "array": np.ones((3, 3)),
    "class": Dictionary,
}
PENALTY = Argument(
    None,
    {
        "string": "l1", "number": 1.0, "class": L1, "function": abs, "tensor": torch.ones(20),
        "weights of another length": L1(weights=torch.ones(7)),
        "groups of another length": GroupL1(torch.arange(7)),
    },
)  # fmt: skip


def plain_penalty(shape) -> Argument:
    others = {"weights": L1(weights=torch.ones(shape)), "groups": GroupL1(torch.ones(shape).int())}
    return Argument(None, PENALTY.bad | others)


def choice(good) -> Argument:
    bad = {"other": "nope", "None": None, "number": 3, "list": [good], "array": np.array([good])}
    return Argument(good, bad | {"upper case": good.upper(), "empty": "", "object": object()})


def codes(good) -> Argument:
    made = tensor(good)
    return made._replace(bad=made.bad | {"fewer": good[:1], "shorter": good[..., :-1]})


def start(good) -> Argument:
    bad = codes(good).bad
    return Argument(None, {name: value for name, value in bad.items() if name != "None"})


DENSE = Argument(D, DICTIONARY)
IMAGES_ONLY = Argument(C, DICTIONARY | {"dense": D})
SAMPLES, PICTURES = tensor(Y), tensor(IMAGES)
TOL = number(1e-2, most=1, optional=True)
BACKEND = choice("torch")
NO_PATH = {
    "number": 3, "bytes": b"codes", "list": ["codes"], "dict": {}, "object": object(), "empty": "",
    "zero byte": "a\0b", "flag": True, "tensor": torch.ones(1), "below a file": __file__ + "/codes",
}  # fmt: skip
CHECKPOINT = Argument(None, NO_PATH | {"folder": ".", "no such folder": "nowhere/at/all.pt"})
NO_GROUP = {"string": "WORLD", "number": 0, "flag": True, "list": [0, 1], "class": torch.nn.Module}
GROUP = Argument(None, NO_GROUP)
LEARNING = {
    "lam": lam(), "nonnegative": FLAG, "batch_size": count(3), "seed": SEED,
    "snapshots": SNAPSHOTS, "progress": FLAG, "checkpoint": CHECKPOINT,
}  # fmt: skip
SOLVING = {
    "dictionary": DENSE, "y": SAMPLES, "lam": lam(5), "z0": start(Z), "penalty": PENALTY,
    "nonnegative": FLAG, "tol": TOL, "max_iter": count(5), "history": FLAG, "progress": FLAG,
}  # fmt: skip
OF_IMAGES = {
    "dictionary": IMAGES_ONLY, "y": PICTURES, "lam": lam(2), "z0": start(MAPS),
    "penalty": plain_penalty((3, 6, 5)), "nonnegative": FLAG, "tol": TOL, "max_iter": count(5),
}  # fmt: skip
MEASURE = {
    "dictionary": DENSE, "y": SAMPLES, "z": codes(Z), "lam": lam(5), "nonnegative": FLAG,
    "penalty": PENALTY,
}  # fmt: skip


def without(arguments: dict, *names) -> dict:
    return {name: value for name, value in arguments.items() if name not in names}


def dense(solution):
    """The same solution, so that its numbers can be compared with any others."""
    return replace(solution, z=solution.z.to_dense())


@wraps(package.encode_batches)
def encode_batches(*arguments, **named) -> list:
    """All of them: some of what is wrong with samples shows when they come."""
    return list(map(dense, package.encode_batches(*arguments, **named)))


@wraps(package.load_codes)
def load_codes(folder):
    return dense(package.load_codes(folder))


CODES = tempfile.TemporaryDirectory()
encode_batches(D, Y, 0.5, chunk=3, folder=CODES.name)
NO_SAMPLES = without(tensor(Y).bad, "array")  # one of NumPy's is right
NO_SAMPLES |= {"no batches": [], "text": "y", "a dict": {}, "batches of text": ["a", "b"]}
NO_SAMPLES |= {"one sample": [Y[0]], "integers in an array": np.ones((5, 12), int)}
NET, BALLS = LISTA(D, 0.3, 2), vae.FuzzyBallAutoencoder(12, hidden=(3,)).double()
GROUPS = {str(d): torch.ones(20).to(d) for d in DTYPES[2:]} | NO_TENSOR
GROUPS |= {"empty": torch.ones(0).int(), "sparse": torch.ones(20).int().to_sparse()}
GROUPS |= {"meta": torch.ones(20, device="meta").int()}
WEIGHTS = tensor(torch.ones(20), dims=False, like=False, huge=False, optional=True)
WEIGHTS = WEIGHTS._replace(bad=WEIGHTS.bad | {"negative": -torch.ones(20), "zero": torch.zeros(20)})
V = tensor(Y, dims=False, like=False, huge=False)
V = V._replace(bad=without(V.bad, "NaN", "infinite", "empty", "torch.float16", "torch.bfloat16"))
THRESHOLD = number(0.1)
THRESHOLD = THRESHOLD._replace(bad=without(THRESHOLD.bad, "tensor", "infinite", "beyond floats"))
LAMS = {
    "number": 0.1, "None": None, "string": "0.1", "0-d": torch.tensor(0.1), "dict": {},
    "one is text": [0.1, "x"], "one is negative": [0.1, -1.0], "one is NaN": [NAN],
    "too many each": [torch.ones(6)], "meta": torch.ones(2, device="meta"), "set": {0.1},
    "0-d array": np.array(0.1), "generator": (x for x in [0.1]),
    "sparse": torch.ones(2).to_sparse(),
}  # fmt: skip

FUNCTIONS: dict[str, tuple[Callable, dict[str, Argument]]] = {
    "Dictionary": (Dictionary, {"W": tensor(W, like=False)}),
    "ConvDictionary": (
        ConvDictionary,
        {
            "K": tensor(K, like=False), "method": choice("spatial"), "borders": choice("valid"),
        },
    ),
    "L1": (L1, {"nonnegative": FLAG, "weights": WEIGHTS}),
    "GroupL1": (GroupL1, {"groups": Argument(torch.arange(20) // 4, GROUPS)}),
    "soft_threshold": (package.soft_threshold, {"v": V, "threshold": THRESHOLD}),
    "nonnegative_soft_threshold": (
        package.nonnegative_soft_threshold, {"v": V, "threshold": THRESHOLD},
    ),
    "ista": (package.ista, SOLVING),
    "fista": (package.fista, SOLVING | {"restart": FLAG}),
    "encode": (
        package.encode,
        without(SOLVING, "max_iter", "history", "progress")
        | {
            "penalty": plain_penalty(20), "tol": number(1e-2, most=1), "backend": BACKEND,
            "chunk": count(3), "sparse": FLAG,
        },
    ),
    "encode_batches": (
        encode_batches,
        {
            "dictionary": DENSE, "y": tensor(Y)._replace(bad=NO_SAMPLES), "lam": lam(),
            "folder": Argument(None, NO_PATH), "nonnegative": FLAG, "tol": number(1e-2, most=1),
            "backend": BACKEND, "chunk": count(3), "group": GROUP,
        },
    ),
    "load_codes": (
        load_codes,
        {
            "folder": Argument(CODES.name, NO_PATH | {"None": None, "no codes": "."}),
        },
    ),
    "encode_path": (
        package.encode_path,
        {
            "dictionary": DENSE, "y": SAMPLES, "lams": Argument([0.5, 0.2], LAMS), "z0": start(Z),
        },
    ),
    "admm": (package.admm, OF_IMAGES | {"progress": FLAG}),
    "encode_images": (package.encode_images, OF_IMAGES | {"backend": BACKEND}),
    "energy": (package.energy, without(MEASURE, "nonnegative")),
    "lambda_max": (package.lambda_max, without(MEASURE, "z", "lam")),
    "certificate": (package.certificate, MEASURE),
    "duality_gap": (package.duality_gap, MEASURE),
    "kkt_residual": (package.kkt_residual, MEASURE),
    "learn_dictionary": (
        package.learn_dictionary,
        LEARNING
        | {
            "y": tensor(Y, like=False), "n_atoms": count(4), "steps": count(2),
            "iterations": count(2),
            "forgetting": number(0.9, most=1),
        },
    ),
    "learn_dictionary_fast": (
        package.learn_dictionary_fast,
        LEARNING
        | {
            "y": Argument(Y, without(NO_SAMPLES, "float32")), "n_atoms": count(4),
            "passes": count(1), "sweeps": Argument(1, without(count(1).bad, "None")),
            "group": GROUP, "memory": number(0.1, most=1, above_zero=True), "backend": BACKEND,
        },
    ),
    "learn_kernels": (
        package.learn_kernels,
        LEARNING
        | {
            "images": tensor(IMAGES, like=False), "n_kernels": count(2), "size": count(3),
            "zero_mean": FLAG,
            "steps": count(2), "iterations": count(2), "sweeps": count(1),
            "forgetting": number(0.9, most=1), "group": GROUP,
        },
    ),
    "LISTA": (
        LISTA,
        {
            "dictionary": DENSE, "lam": Argument(0.3, lam().bad | {"0": 0}), "steps": count(2),
            "nonnegative": FLAG, "shared": FLAG,
        },
    ),
    "LISTA.forward": (
        NET.forward,
        {"y": SAMPLES, "lam": Argument(None, without(lam(5).bad, "None"))},
    ),
    "LISTA.relative_gap": (
        NET.relative_gap,
        {"y": SAMPLES, "z": start(Z), "lam": Argument(None, without(lam(5).bad, "None"))},
    ),
    "LISTA.trusted": (
        NET.trusted,
        {
            "y": SAMPLES, "z": start(Z), "lam": Argument(None, without(lam(5).bad, "None")),
            "gap": number(0.1, optional=True),
        },
    ),
    "LISTA.calibrate": (NET.calibrate, {"y": SAMPLES, "share": number(0.9, most=1)}),
    "train_lista": (
        package.train_lista,
        {
            "lista": Argument(NET, DICTIONARY | {"dictionary": D, "LISTA": LISTA}), "y": SAMPLES,
            "codes": start(Z), "steps": count(1), "batch_size": count(3),
            "learning_rate": number(0.01, most=1), "seed": SEED, "progress": FLAG,
        },
    ),
    "label_kernels": (package.label_kernels, {"K": tensor(K, like=False)}),
    "ConvEncoder": (
        csae.ConvEncoder,
        {
            "n_kernels": count(2), "size": count(3), "nonlinearity": choice("tanh"), "seed": SEED,
            "dtype": Argument(
                torch.float64,
                {"string": "float64", "None": None, "half": torch.half, "integers": torch.int64},
            ),
        },
    ),
    "train_autoencoder": (
        csae.train_autoencoder,
        {
            "images": tensor(IMAGES, like=False), "n_kernels": count(2), "lam": lam(),
            "alpha": number(1.0),
            "forgetting": number(0.9, most=1), "lr": number(0.01), "nonlinearity": choice("tanh"),
            "size": count(3), "steps": count(1), "batch_size": count(2), "iterations": count(1),
            "sweeps": count(1), "seed": SEED, "progress": FLAG, "from_guess": FLAG,
            "snapshots": SNAPSHOTS,
        },
    ),
    "likeness": (
        csae.likeness,
        {"C": tensor(K, huge=False, like=False), "K": tensor(K, huge=False), "reach": count(1,
        minimum=0)},
    ),
    "permutation_test": (
        csae.permutation_test,
        {"cosines": tensor(W[:, :12], like=False, huge=False), "permutations": count(9),
        "seed": SEED},
    ),
    "random_phase": (csae.random_phase, {"K": tensor(K, dims=False, like=False), "seed": SEED}),
    "FuzzyBallAutoencoder": (
        vae.FuzzyBallAutoencoder,
        {
            "dim": count(12), "code": count(2), "spring": number(0.1),
            "sigma": number(1.0, above_zero=True, optional=True), "size": number(0.0),
            "hidden": Argument(
                (3,), {"number": 3, "None": None, "string": "34", "zero": (0,), "float": (3.0,)}
            ),
            "seed": SEED,
        },
    ),
    "train_balls": (
        vae.train_balls,
        {
            "model": Argument(BALLS, DICTIONARY | {"another": NET}), "y": SAMPLES,
            "epochs": count(1), "batch_size": count(3),
            "learning_rate": number(0.001, above_zero=True), "seed": SEED, "snapshots": SNAPSHOTS,
            "progress": FLAG,
        },
    ),
    "collapse_spring": (
        vae.collapse_spring,
        {"y": tensor(Y, like=False), "sigma": number(1.0, above_zero=True)},
    ),
    "whiten": (
        data.whiten,
        {
            "image": tensor(IMAGES, dims=False, like=False, huge=False),
            "cutoff": number(0.4, above_zero=True),
        },
    ),
    "high_pass": (
        data.high_pass,
        {
            "image": tensor(normal(2, 20, 20, seed=1), dims=False, like=False, huge=False),
            "sigma": number(1.0, above_zero=True),
        },
    ),
    "local_contrast": (
        data.local_contrast,
        {
            "image": tensor(normal(2, 40, 40, seed=1), dims=False, like=False, huge=False),
            "sigma": number(1.0, above_zero=True), "margin": count(2, minimum=0),
        },
    ),
    "extract_patches": (
        data.extract_patches,
        {
            "images": tensor(IMAGES, like=False, huge=False), "size": count(3), "count": count(4),
            "seed": SEED,
        },
    ),
    "load_photographs": (
        data.load_photographs,
        {
            "color": FLAG, "textures": FLAG,
            "dtype": Argument(torch.float32, {"string": "float32", "None": None,
            "int": torch.int8}),
        },
    ),
    "load_digits": (
        data.load_digits,
        {
            "source": choice("embedded"), "split": choice("train"),
            "dtype": Argument(torch.float32, {"string": "float32", "None": None,
            "int": torch.int8}),
        },
    ),
    "gabor": (
        gabor.gabor, {"parameters": tensor(normal(2, 8, seed=1), like=False), "side": count(5)},
    ),
    "fit_gabors": (
        gabor.fit_gabors,
        {"patches": tensor(normal(2, 5, 5, seed=1), like=False), "iterations": count(2)},
    ),
    "colour_share": (kernels.colour_share, {"K": tensor(normal(2, 3, 4, 4, seed=1), like=False)}),
}  # fmt: skip

# In the table no argument, because …
LEFT_OUT = {
    "load_digits": {"cache_dir", "mirrors", "sha256"},  # tests/test_data.py
    "encode_path": {"options"},  # encode's
}
# … or no function: results and base classes, which are not called with arguments by a user
NOT_CALLED = {
    "Certificate", "ConvergenceWarning", "History", "KernelLabel", "LearnedDictionary",
    "LearnedKernels", "Operator", "Penalty", "Problem", "Solution", "compile_loops", "track",
}  # fmt: skip

# What the values above are made of: no call may change it
OWNED = [
    W,
    D.W,
    Y,
    Z,
    K,
    C.K,
    IMAGES,
    MAPS,
    *NET.parameters(),
    *NET.buffers(),
    *BALLS.parameters(),
]


def right(name: str) -> dict:
    """All arguments of a function, right; a network, which a call may train, is a copy."""
    good = {argument: kind.good for argument, kind in FUNCTIONS[name][1].items()}
    return {k: copy.deepcopy(x) if isinstance(x, torch.nn.Module) else x for k, x in good.items()}


def same_numbers(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())


def equal(a, b, same=same_numbers) -> bool:
    """Whether two results hold the same numbers: tensors, and whatever has tensors in it."""
    every = partial(equal, same=same)
    if isinstance(a, torch.Tensor):
        return same(a, b)
    if isinstance(a, torch.nn.Module):
        return every(a.state_dict(), b.state_dict())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(every(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(every, a, b))
    if hasattr(a, "__dict__") and not isinstance(a, type):
        return type(a) is type(b) and every(_public(a), _public(b))
    return same(torch.tensor(a), torch.tensor(b)) if isinstance(a, float) else a == b


def _public(x) -> dict:
    return {name: value for name, value in vars(x).items() if not name.startswith("_")}
