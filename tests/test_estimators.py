"""scikit-learn's estimators: all of its own checks, and that they give what the package gives."""

import doctest
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import sparse_encode
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from rlvebm_utils import encode, learn_dictionary_fast
from rlvebm_utils.fast.estimators import MiniBatchDictionaryLearning, SparseCoder

ATOMS = np.random.default_rng(0).normal(size=(20, 12))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
X = np.random.default_rng(1).normal(size=(300, 12))


@parametrize_with_checks(
    [
        SparseCoder(),
        SparseCoder(transform_alpha=0.1, positive_code=True),
        MiniBatchDictionaryLearning(random_state=0),
        MiniBatchDictionaryLearning(5, alpha=0.1, positive=True, max_iter=3, batch_size=7),
        SparseCoder(backend="torch"),
        SparseCoder(transform_alpha=0.1, positive_code=True, backend="torch"),
        MiniBatchDictionaryLearning(random_state=0, backend="torch"),
    ]
)
def test_what_scikit_learn_asks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("algorithm", ["lasso_lars", "lasso_cd"])
def test_alpha_is_lambda_and_that_of_scikit_learn(algorithm):
    """Which divides it by the number of features, as its Lasso does with the squared error."""
    theirs = sparse_encode(X[:40], ATOMS, algorithm=algorithm, alpha=0.3, max_iter=10_000)
    coder = SparseCoder(ATOMS, transform_alpha=0.3, tol=1e-10).fit(X)
    assert abs(coder.transform(X[:40]) - theirs).max() < 2e-5
    other = coder.set_params(transform_alpha=0.3 / 12).transform(X[:40])
    assert abs(other - theirs).max() > 0.1


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_estimators_are_the_package(positive, dtype):
    x = X.astype(dtype)
    learner = MiniBatchDictionaryLearning(
        20, alpha=0.4, max_iter=3, batch_size=50, positive=positive, random_state=5
    ).fit(x)
    y = torch.from_numpy(x.copy())
    expected = learn_dictionary_fast(
        y, 20, 0.4, passes=3, batch_size=50, nonnegative=positive, seed=5
    )
    assert (learner.components_ == expected.dictionary.W.T.numpy()).all()
    assert learner.n_steps_ == len(expected.energy) and learner.energy_ == expected.energy[-1]
    z = encode(expected.dictionary, y, 0.4, nonnegative=positive).z.numpy()
    near = {"rtol": 0, "atol": 1e-5 if dtype == np.float32 else 1e-12}  # W lies otherwise there
    assert learner.transform(x).dtype == dtype
    np.testing.assert_allclose(learner.transform(x), z, **near)
    coder = SparseCoder(learner.components_, transform_alpha=0.4, positive_code=positive).fit(x)
    np.testing.assert_allclose(coder.transform(x), z, **near)
    assert np.allclose(coder.inverse_transform(z), z @ learner.components_)
    assert positive == bool((z >= 0).all()) and positive == bool((coder.components_ >= 0).all())


def test_partial_fit_is_a_step_of_learning():
    """Batches one by one, as the learner takes them from a list; a pickle in between."""
    batches = np.split(X, 6)
    learner = MiniBatchDictionaryLearning(20, alpha=0.4, random_state=5)
    for batch in batches:
        learner = pickle.loads(pickle.dumps(learner.partial_fit(batch)))
    expected = learn_dictionary_fast(batches, 20, 0.4, passes=1, seed=5)
    assert learner.n_steps_ == 6 and learner.energy_ == float(expected.energy[-1])
    assert (learner.components_ == expected.dictionary.W.T.numpy()).all()


def test_partial_fit_goes_on_from_fit():
    learner = MiniBatchDictionaryLearning(20, alpha=0.4, max_iter=4, random_state=5).fit(X)
    before = learner.components_.copy()
    learner.partial_fit(X[:50])
    assert learner.n_steps_ == 5
    cosines = (before * learner.components_).sum(1)
    assert 0.9 < cosines.min() < cosines.max() <= 1 + 1e-9 and cosines.min() < 1 - 1e-9


def test_in_a_pipeline_with_names():
    labels = (X[:, 0] > 0).astype(int)
    learner = MiniBatchDictionaryLearning(15, alpha=0.1, max_iter=5, random_state=0)
    pipeline = make_pipeline(learner, LogisticRegression()).fit(X, labels)
    assert pipeline.score(X, labels) > 0.8
    again = clone(pipeline).set_params(minibatchdictionarylearning__alpha=0.2)
    assert again[0].alpha == 0.2 and not hasattr(again[0], "components_")
    names = learner.get_feature_names_out()
    assert list(names[:2]) == ["minibatchdictionarylearning0", "minibatchdictionarylearning1"]
    pytest.importorskip("pandas")
    table = learner.set_output(transform="pandas").transform(X)
    assert list(table.columns) == list(names) and len(table) == 300


@pytest.mark.parametrize(
    ("estimator", "x", "named"),
    [
        (SparseCoder(), np.zeros((5, 3)), "X"), (MiniBatchDictionaryLearning(), X * 0, "X"),
        (SparseCoder(ATOMS), X[:, 1:], "dictionary"),
        (SparseCoder(positive_code="yes"), X, "positive_code"),
        (SparseCoder(backend="gpu"), X, "backend"), (SparseCoder(tol=2), X, "tol"),
        (SparseCoder(transform_alpha=-1), X, "lam"),
        (MiniBatchDictionaryLearning(alpha="much"), X, "lam"),
        (MiniBatchDictionaryLearning(0), X, "n_atoms"),
        (MiniBatchDictionaryLearning(max_iter=0), X, "passes"),
        (MiniBatchDictionaryLearning(batch_size=0.5), X, "batch_size"),
        (MiniBatchDictionaryLearning(positive=1), X, "nonnegative"),
    ],
)  # fmt: skip
def test_bad_input_is_named(estimator, x, named):
    with pytest.raises((TypeError, ValueError), match=f"^{named}: expected .*, got "):
        estimator.fit(x).transform(x)


@pytest.mark.parametrize("kind", [SparseCoder, MiniBatchDictionaryLearning])
def test_the_examples_give_what_they_say(kind):
    told, names = [], {"np": np, kind.__name__: kind}
    (one,) = doctest.DocTestFinder(recurse=False).find(kind, globs=names)
    doctest.DocTestRunner().run(one, out=told.append)
    assert one.examples and "".join(told) == ""


def test_without_scikit_learn_it_is_said_what_to_do():
    code = "import sys; sys.modules['sklearn'] = None\nimport rlvebm_utils.fast.estimators\n"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = run.stderr.strip().splitlines()[-1]
    assert said.startswith("ImportError: scikit-learn: expected an installed package")
    assert said.endswith("pip install 'rlvebm_utils[sklearn]'")
