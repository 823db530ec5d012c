"""The convolutional auto-encoder: its encoder by hand, codes against a dense solver, training on
planted kernels; likeness and its test; what the small net computes and learns.
"""

import itertools

import pytest
import torch
import torch.nn.functional as F
from problems import normal
from test_conv_learning import likeness as shifted_likeness
from test_conv_learning import planted

from rlvebm_utils import ConvDictionary, Dictionary, energy, fista
from rlvebm_utils.course import csae
from rlvebm_utils.course.csae import AutoEncoder, ConvEncoder, SmallNet, train_autoencoder

LAM = 0.9


@pytest.fixture(scope="module", params=["tanh", "softshrink"])
def trained(request) -> tuple[torch.Tensor, torch.Tensor, AutoEncoder]:
    true, images = planted(count=24, seed=3)
    images = 3 * images
    options = {"size": 5, "steps": 120, "alpha": 0.3, "iterations": 12, "seed": 1}
    run = train_autoencoder(images, 3, LAM, nonlinearity=request.param, **options)
    return true, images, run


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    _, images = planted(count=6)
    after = train_autoencoder(images, 3, LAM, size=5, steps=4, lr=0)
    calls = []

    def interrupting(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return infer(*arguments)

    infer = csae.infer
    monkeypatch.setattr(csae, "infer", interrupting)
    run = train_autoencoder(images, 3, LAM, size=5, steps=9, lr=0)
    assert run.interrupted and not after.interrupted
    assert torch.equal(run.dictionary.K, after.dictionary.K)
    assert torch.equal(run.energy, after.energy) and torch.equal(run.distance, after.distance)


def test_a_lambda_that_leaves_no_code_is_said():
    _, images = planted(count=6)
    with pytest.warns(UserWarning, match="^lam: all codes were zero at λ = 1e") as said:
        train_autoencoder(images, 3, 1e6, size=5, steps=2)
    assert len(said) == 1 and said[0].filename == __file__


@pytest.mark.parametrize("phi", csae.NONLINEARITIES)
def test_encoder_by_hand(phi):
    encoder = ConvEncoder(3, size=5, nonlinearity=phi, seed=4)
    y = normal(2, 9, 11, seed=0)
    with torch.no_grad():
        encoder.bias.copy_(normal(3, seed=1))
        encoder.gain.copy_(normal(3, seed=2))
    v = F.conv2d(y[:, None], encoder.C[:, None], encoder.bias)
    v = v.tanh() if phi == "tanh" else F.softshrink(v, 1.0)
    expected = encoder.gain[:, None, None] * v
    torch.testing.assert_close(encoder(y), expected)
    sign = encoder.gain.detach().sign()[:, None, None]
    assert set(sign.flatten().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(encoder.kernels, encoder.C.detach() * sign)
    torch.testing.assert_close(encoder.kernels.flatten(1).norm(dim=1), torch.ones(3).double())


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_correlation_is_the_decoders_adjoint(stride):
    y, K = normal(2, 12, 9, seed=0), normal(3, 4, 4, seed=1)
    maps = csae.correlate(y, K, stride)
    torch.testing.assert_close(maps, ConvDictionary(K).adjoint(y)[..., ::stride, ::stride])


@pytest.mark.parametrize("alpha", [0.0, 0.7, 30.0])
def test_codes_against_a_dense_solver(alpha):
    """½‖y − Wz‖² + ½α‖z − g‖² is ½‖[y, √α g] − [W; √α I]z‖²."""
    conv = ConvDictionary(csae.unit(normal(2, 3, 3, seed=0)))
    y, guess = normal(2, 6, 6, seed=1), normal(2, 2, 4, 4, seed=2)
    eye = torch.eye(32, dtype=torch.float64)
    W = conv.decode(eye.reshape(32, 2, 4, 4)).flatten(1).T
    stacked = Dictionary(torch.cat([W, alpha**0.5 * eye]))
    target = torch.cat([y.flatten(1), alpha**0.5 * guess.flatten(1)], 1)
    best = fista(stacked, target, 0.3, tol=1e-10, max_iter=100_000).energy
    before = guess.clone()
    z = csae.infer(conv, y, guess, 0.3, alpha, 3000)
    assert torch.equal(guess, before)
    torch.testing.assert_close(energy(stacked, target, z.flatten(1), 0.3), best, rtol=1e-5, atol=0)


def test_both_halves_find_the_planted_kernels(trained):
    true, images, run = trained
    assert shifted_likeness(run.dictionary.K, true).min() > 0.9
    cosines = csae.likeness(run.encoder.kernels, run.dictionary.K)
    assert cosines.diagonal().mean() > 0.7
    assert cosines.argmax(1).tolist() == [0, 1, 2]
    assert run.energy.shape == run.distance.shape == (120,)
    assert run.energy[-10:].mean() < run.energy[:10].mean()
    assert run.distance[-10:].mean() < 0.8 * run.distance[:10].mean()


def test_the_trained_guess_is_better_than_the_untrained(trained):
    _, images, run = trained
    code = fista(run.dictionary, images, LAM, tol=1e-3).z
    fresh = ConvEncoder(3, size=5, nonlinearity=run.encoder.nonlinearity, seed=10_001)

    def distance(encoder):
        with torch.no_grad():
            return float((encoder(images) - code).square().sum() / code.square().sum())

    assert distance(run.encoder) < 0.9 < distance(fresh)


def test_training_repeats_and_leaves_the_images_alone():
    _, images = planted(count=6)
    before = images.clone()
    first, again, other = (
        train_autoencoder(images, 2, 0.3, size=5, steps=4, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(images, before)
    assert torch.equal(first.dictionary.K, again.dictionary.K)
    assert torch.equal(first.encoder.C, again.encoder.C)
    assert not torch.equal(first.encoder.C, other.encoder.C)


def test_the_halves_start_from_different_noise():
    _, images = planted(count=6)
    run = train_autoencoder(images, 3, 0.3, size=5, steps=1, sweeps=1, seed=0)
    assert csae.likeness(run.encoder.kernels, run.dictionary.K, reach=0).diagonal().max() < 0.7


def test_likeness_aligns_and_minds_the_sign():
    C = torch.zeros(2, 7, 7, dtype=torch.float64)
    C[:, 2:5, 2:5] = normal(2, 3, 3, seed=0)
    K = 3 * torch.stack([C[0].roll((1, -2), (0, 1)), -C[1]])
    cosines = csae.likeness(C, K)
    assert cosines[0, 0] == pytest.approx(1)
    assert cosines[1, 1] < 0.9
    assert csae.likeness(C, K, reach=1)[0, 0] < 0.9


def test_permutation_test_counts_what_all_pairings_say():
    cosines = torch.rand(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = [cosines[range(4), order].mean() for order in itertools.permutations(range(4))]
    matched, chance, p = csae.permutation_test(cosines, 50_000)
    exact = float((torch.stack(means) >= cosines.diagonal().mean() - 1e-12).double().mean())
    assert matched == pytest.approx(float(cosines.diagonal().mean()))
    assert chance == pytest.approx(float(cosines.mean()), abs=5e-3)
    assert p == pytest.approx(exact, abs=0.01)
    sure = csae.permutation_test(cosines + 2 * torch.eye(4), 999)[2]
    assert sure == pytest.approx(1 / 24, abs=0.02)
    assert csae.permutation_test(torch.ones(3, 3).double(), 99)[2] == 1
    # No other pairing of nine is tried in 99: the given one is the one that counts.
    assert csae.permutation_test(torch.eye(9).double(), 99)[2] == 1 / 100


def test_random_phase_keeps_the_spectrum_and_nothing_else():
    K = normal(3, 9, 9, seed=5)
    twin = csae.random_phase(K, 0)
    torch.testing.assert_close(torch.fft.fft2(twin).abs(), torch.fft.fft2(K).abs())
    assert csae.likeness(twin, K).diagonal().abs().max() < 0.8
    assert not torch.equal(twin, csae.random_phase(K, 1))


# ---- few labels ----


def stripes(count: int, seed: int):
    """Images of noise with vertical (0) or horizontal (1) stripes, in random phase."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    shift = torch.rand(count, 1, generator=generator, dtype=torch.float64) * 6.28
    wave = torch.sin(1.2 * torch.arange(16) + shift)
    images = wave[:, None, :].repeat(1, 16, 1)
    images[labels == 1] = images[labels == 1].transpose(1, 2)
    return images + 0.3 * normal(count, 16, 16, seed=seed + 1), labels


def test_features_by_hand():
    images, _ = stripes(4, 0)
    net = SmallNet(5 * normal(3, 5, 5, seed=1), images)
    maps = F.conv2d(images[:, None], csae.unit(normal(3, 5, 5, seed=1))[:, None], stride=2)
    pooled = F.max_pool2d(torch.cat([maps.clamp(min=0), (-maps).clamp(min=0)], 1), 2).flatten(1)
    features = net.features(images)
    torch.testing.assert_close(features, pooled / pooled.square().mean().sqrt())
    assert features.square().mean().item() == pytest.approx(1)
    assert not net(images).any()


@pytest.mark.parametrize("frozen", [True, False])
def test_a_net_learns_and_only_what_it_may(frozen):
    images, labels = stripes(40, 0)
    net = SmallNet(normal(4, 5, 5, seed=1), images, classes=2)
    before = net.K.detach().clone()
    csae.fit(net, images, labels, frozen=frozen, steps=100)
    assert torch.equal(net.K, before) == frozen
    assert csae.accuracy(net, *stripes(60, 7)) > (0.75 if frozen else 0.9)


def test_accuracy_is_the_share_of_right_answers():
    scores = torch.eye(4).double()
    assert csae.accuracy(lambda x: x, scores, torch.tensor([0, 1, 2, 0])) == 0.75


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: ConvEncoder(0), "n_kernels"),
        (lambda: ConvEncoder(2, nonlinearity="relu"), "nonlinearity: expected one of 'tanh'"),
        (lambda: ConvEncoder(2)(normal(1, 8, 8, seed=0)), "y: expected images"),
        (lambda: ConvEncoder(2)(normal(1, 1, 9, 9, seed=0)), "y: expected images"),
        (lambda: train_autoencoder(normal(2, 3, 12, 12, seed=0), 2, 1.0), "images: expected (N"),
        (lambda: train_autoencoder(normal(2, 12, 12, seed=0), 2, -1.0), "lam"),
        (lambda: train_autoencoder(normal(2, 12, 12, seed=0), 2, 1.0, alpha=-1.0), "alpha: exp"),
        (lambda: train_autoencoder(normal(2, 12, 12, seed=0), 2, 1.0, lr="high"), "lr: expected"),
        (lambda: csae.likeness(normal(2, 9, 9, seed=0), normal(3, 9, 9, seed=0)), "K: expected"),
        (lambda: csae.permutation_test(normal(2, 3, seed=0)), "cosines: expected a square"),
    ],
)  # fmt: skip
def test_bad_input_is_told(call, told):
    with pytest.raises((TypeError, ValueError), match=told.replace("(", r"\(")):
        call()


def test_labels_for_each_image():
    images, labels = stripes(4, 0)
    with pytest.raises(ValueError, match="labels: expected 4"):
        csae.fit(SmallNet(normal(2, 5, 5, seed=0), images), images, labels[:3], frozen=True)
