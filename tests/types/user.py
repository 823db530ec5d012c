"""A user's script, for pyright in strict mode: every public name, and what comes back."""

# pyright: strict

from typing import assert_type

import torch
from torch import Tensor

import rlvebm_utils as package
from rlvebm_utils import (
    L1,
    LISTA,
    ConvDictionary,
    Dictionary,
    GroupL1,
    KernelLabel,
    LearnedDictionary,
    LearnedKernels,
    Operator,
    Penalty,
    Solution,
)

version: str = package.__version__
y = torch.randn(20, 8)
dictionary = Dictionary(torch.randn(8, 16))
assert_type(dictionary.W, Tensor)
assert_type(dictionary.to(dtype=torch.float64), Dictionary)
assert_type(dictionary.decode(dictionary.adjoint(y)), Tensor)
operator: Operator = dictionary
lam = 0.2 * package.lambda_max(operator, y)
assert_type(lam, Tensor)

penalty: Penalty = L1(nonnegative=True, weights=torch.ones(16))
groups: Penalty = GroupL1(torch.arange(16) // 4)
for solution in (
    package.ista(operator, y, 0.1, penalty=penalty),
    package.fista(operator, y, lam, z0=torch.zeros(20, 16), tol=None, max_iter=10, history=True),
    package.encode(operator, y, lam, backend="torch"),
    *package.encode_path(operator, y, [0.3, lam], tol=1e-3),
):
    assert_type(solution, Solution)
    assert_type(solution.z, Tensor)
    assert_type(solution.relative_gap, Tensor)
    assert_type(solution.history, package.History | None)

many = package.encode(operator, (y for _ in range(3)), 0.1, sparse=True)
assert_type(many, Solution)
for part in package.encode_batches(operator, y.numpy(), 0.1, folder="codes", chunk=5):
    assert_type(part, Solution)
assert_type(package.load_codes("codes"), Solution)

z = package.fista(operator, y, lam, penalty=groups).z
assert_type(package.energy(operator, y, z, lam, penalty=groups), Tensor)
assert_type(package.duality_gap(operator, y, z, lam), Tensor)
assert_type(package.kkt_residual(operator, y, z, lam), Tensor)
assert_type(package.certificate(operator, y, z, lam), package.Certificate)
assert_type(package.Problem.of(operator, y, lam), package.Problem)
assert_type(package.soft_threshold(z, 0.1), Tensor)
assert_type(package.nonnegative_soft_threshold(z, lam[:, None]), Tensor)

assert_type(package.learn_dictionary(y, 16, 0.1, steps=2), LearnedDictionary)
assert_type(package.learn_dictionary_fast(y, 16, 0.1, passes=1).dictionary, Dictionary)
assert_type(package.learn_dictionary_fast([y, y], 16, 0.1, passes=1), LearnedDictionary)
network = LISTA(dictionary, 0.1, steps=3)
training = package.train_lista(network, y, steps=2)
assert_type(training.loss, Tensor)
assert_type(network.relative_gap(y), Tensor)

images = torch.randn(2, 12, 12)
kernels = ConvDictionary(torch.randn(4, 5, 5))
assert_type(package.encode_images(kernels, images, 1.0, tol=None, max_iter=2), Solution)
assert_type(package.admm(kernels, images, 1.0, tol=None, max_iter=2), Solution)
learned = package.learn_kernels(images, 2, 0.1, size=3, steps=1)
assert_type(learned, LearnedKernels)
assert_type(learned.dictionary, ConvDictionary)
assert_type(package.label_kernels(learned.dictionary.K), list[KernelLabel])

package.compile_loops()
for step in package.track(range(3), "steps"):
    assert_type(step, int)
warning: type[UserWarning] = package.ConvergenceWarning
