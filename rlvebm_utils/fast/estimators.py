"""Sparse coding as scikit-learn's estimators, so that a pipeline changes one import.

Needs the extra ``sklearn``. NumPy in and out; ``fit``, ``partial_fit``, ``transform``,
``inverse_transform``, ``components_`` (atoms as rows, scikit-learn's way round), pickles,
``set_output`` and ``get_feature_names_out`` as there.

``alpha`` is λ of ½‖y − Wz‖² + λ‖z‖₁, here and there: scikit-learn's ``sparse_encode`` divides alpha
by the number of features, and so does its Lasso with the squared error, so that both give the same
codes for the same alpha.
"""

from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..operators import Dictionary
from ..validate import check_flag
from .codes import encode
from .learning import OnlineLearner, learn, new_learner

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_array, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "scikit-learn: expected an installed package, for the estimators, got none; "
        "pip install 'rlvebm_utils[sklearn]'"
    ) from error

DTYPES = [np.float64, np.float32]
SWEEPS, MEMORY = 20, 0.025  # of learn_dictionary_fast, where codes begin at zero


class _Coder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What the two estimators share: codes over ``components_``."""

    def _codes(self, X, alpha: float, positive: bool) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        W = as_tensor(self.components_.T)
        options = {"nonnegative": bool(positive), "tol": self.tol, "backend": self.backend}
        return encode(Dictionary(W), as_tensor(X).to(W.dtype), alpha, **options).z.numpy()

    def inverse_transform(self, X):
        """Wz: samples (n_samples, n_features) from codes (n_samples, n_components)."""
        check_is_fitted(self)
        X = check_array(X, dtype=DTYPES)
        if X.shape[1] != self._n_features_out:
            raise ValueError(f"X: expected {self._n_features_out} columns, got {X.shape[1]}")
        return X @ self.components_

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class SparseCoder(_Coder):
    """Sparse codes over given atoms, every one certified: :func:`rlvebm_utils.encode`.

    dictionary: array (n_components, n_features), atoms as rows. Without one, the atoms are the
    samples that ``fit`` is given, scaled to norm 1 (as in classification by sparse
    representation). transform_alpha: λ ≥ 0. positive_code: codes ≥ 0. tol: the certified relative
    duality gap of the worst sample. backend: "c", "torch" or "auto".

    After ``fit``: ``components_``, the atoms as rows; ``n_features_in_``.

    >>> coder = SparseCoder(np.eye(2), transform_alpha=1.5).fit([[3.0, 1.0]])
    >>> coder.transform([[3.0, 1.0]]).round(3).tolist()
    [[1.5, 0.0]]
    """

    def __init__(
        self, dictionary=None, *, transform_alpha: float = 1.0, positive_code: bool = False,
        tol: float = 1e-4, backend: str = "auto",
    ):  # fmt: skip
        self.dictionary = dictionary
        self.transform_alpha = transform_alpha
        self.positive_code = positive_code
        self.tol = tol
        self.backend = backend

    def fit(self, X, y=None) -> "SparseCoder":
        """Take the atoms; X (n_samples, n_features) tells how many features there are."""
        X = validate_data(self, X, dtype=DTYPES)
        check_flag("positive_code", self.positive_code)
        if self.dictionary is None:
            atoms = X[X.any(1)]
            if not len(atoms):
                raise ValueError("X: expected at least one non-zero sample, got zeros alone")
            atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
        else:
            atoms = check_array(self.dictionary, dtype=DTYPES, input_name="dictionary")
            if atoms.shape[1] != X.shape[1]:
                raise ValueError(
                    f"dictionary: expected atoms of {X.shape[1]} features like X, "
                    f"got {atoms.shape[1]}"
                )
        self.components_ = atoms
        return self

    def transform(self, X) -> np.ndarray:
        """The codes (n_samples, n_components) of X (n_samples, n_features)."""
        return self._codes(X, self.transform_alpha, self.positive_code)


class MiniBatchDictionaryLearning(_Coder):
    """Atoms learned from samples, and codes over them: :func:`rlvebm_utils.learn_dictionary_fast`
    and :func:`rlvebm_utils.encode`.

    n_components: how many atoms; as many as features if not given. alpha: λ ≥ 0, while learning.
    max_iter: passes over the samples. batch_size: samples a step. positive: codes *and* atoms ≥ 0.
    transform_alpha: λ of ``transform``; alpha if not given. tol: the certified relative duality
    gap of the worst sample of ``transform``. backend: "c", "torch" or "auto". random_state: the
    order of the samples and the first atoms.

    ``partial_fit`` makes one step with the samples that it is given, from where ``fit`` or the
    last ``partial_fit`` ended.

    After either: ``components_``, the atoms as rows, of norm 1; ``n_features_in_``; ``n_steps_``,
    the steps that were made; ``energy_``, the mean energy of the last step's samples before it.
    After ``fit``: ``n_iter_``, the passes.

    >>> X = np.random.default_rng(0).normal(size=(200, 8))
    >>> learner = MiniBatchDictionaryLearning(12, alpha=0.5, max_iter=3, random_state=0).fit(X)
    >>> learner.components_.shape, learner.transform(X).shape
    ((12, 8), (200, 12))
    """

    def __init__(
        self, n_components: int | None = None, *, alpha: float = 1.0, max_iter: int = 30,
        batch_size: int = 256, positive: bool = False, transform_alpha: float | None = None,
        tol: float = 1e-4, backend: str = "auto", random_state=None,
    ):  # fmt: skip
        self.n_components = n_components
        self.alpha = alpha
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.positive = positive
        self.transform_alpha = transform_alpha
        self.tol = tol
        self.backend = backend
        self.random_state = random_state

    def fit(self, X, y=None) -> "MiniBatchDictionaryLearning":
        """Learn from X (n_samples, n_features), in ``max_iter`` passes."""
        X = self._samples(X, reset=True)
        learner, run, _ = learn(
            as_tensor(X), self._n_atoms(X), plain(self.alpha), nonnegative=self.positive,
            passes=self.max_iter, batch_size=self.batch_size, backend=self.backend,
            seed=self._seed(),
        )  # fmt: skip
        self.n_iter_ = self.max_iter
        return self._keep(learner, run.steps, run.energies[-1])

    def partial_fit(self, X, y=None) -> "MiniBatchDictionaryLearning":
        """Make one step with X (n_samples, n_features), one batch; the first call begins anew."""
        begun = hasattr(self, "components_")
        X = self._samples(X, reset=not begun)
        if begun:
            X = X.astype(self.components_.dtype, copy=False)
        batch, learner = as_tensor(X), self._learner(as_tensor(X), begun)
        z = batch.new_zeros(len(batch), len(learner.W))
        energy = learner.code(batch, z)
        steps = self.n_steps_ + 1 if begun else 1
        learner.update(batch, z, steps)
        return self._keep(learner, steps, energy)

    def transform(self, X) -> np.ndarray:
        """The codes (n_samples, n_components) of X (n_samples, n_features)."""
        alpha = self.alpha if self.transform_alpha is None else self.transform_alpha
        return self._codes(X, alpha, self.positive)

    def _samples(self, X, reset: bool) -> np.ndarray:
        X = validate_data(self, X, dtype=DTYPES, reset=reset)
        if reset and not X.any():
            raise ValueError("X: expected at least one non-zero sample, got zeros alone")
        return X

    def _n_atoms(self, X: np.ndarray) -> int:
        return X.shape[1] if self.n_components is None else plain(self.n_components)

    def _seed(self) -> int:
        seed = self.random_state
        if isinstance(seed, Integral):
            return int(seed)
        return int(check_random_state(seed).randint(2**31 - 1))

    def _learner(self, batch: Tensor, begun: bool) -> OnlineLearner:
        """With the atoms and the statistics as they are now."""
        seed = 0 if begun else self._seed()
        learner = new_learner(
            batch, len(self.components_) if begun else self._n_atoms(batch), plain(self.alpha),
            nonnegative=self.positive, sweeps=SWEEPS, memory=MEMORY, backend=self.backend,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        if begun:
            A, B = self._statistics
            for mine, kept in ((learner.W, self.components_), (learner.A, A), (learner.B, B)):
                mine.copy_(as_tensor(kept))
        return learner

    def _keep(self, learner: OnlineLearner, steps: int, energy: Tensor):
        self.components_ = learner.W.numpy()
        self._statistics = learner.A.numpy(), learner.B.numpy()
        self.n_steps_, self.energy_ = steps, float(energy)
        return self


def as_tensor(x: np.ndarray) -> Tensor:
    """A copy, in one piece: arrays of others may be read-only."""
    return torch.from_numpy(np.array(x, order="C"))


def plain(value: Any) -> Any:
    """A number of NumPy's as Python's."""
    return value.item() if isinstance(value, np.generic) else value
