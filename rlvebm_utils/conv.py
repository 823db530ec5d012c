"""Convolutional dictionaries: a few small kernels, used at every place of an image.

Written as a matrix W, such a dictionary has one column for each kernel *and place*. Nobody writes
it: ``decode`` and ``adjoint`` are all that the solvers and certificates of the package ask for.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .operators import Operator
from .validate import check_choice, check_range, check_tensor, describe

METHODS = ("auto", "fourier", "spatial")
BORDERS = ("valid", "circular")


class ConvDictionary(Operator):
    """The map Z ↦ Σᵢ Kᵢ * Zᵢ from codes, one *feature map* Zᵢ a kernel, to images.

    K: the kernels, (n, a, b) for grey images or (n, C, a, b) for images of C channels, float32 or
    float64, on any device; copied. Samples are images (h, w) or (C, h, w), codes (n, h − a + 1,
    w − b + 1), and both may come as batches (N, …); images of every size that the kernels fit in.

    borders: with "valid" an entry of a code is a place where the whole kernel lies inside the image
    ("valid" codes, "full" convolution), so that nothing has to be made up beyond the border. With
    "circular" the image is a torus: a kernel that leaves at one side comes in at the other, and
    codes are (n, h, w); this is what Fourier methods in the literature solve.

    method: "spatial" cuts the image into patches and multiplies them by all kernels in one matrix
    product; "fourier" multiplies spectra instead. The first costs about 2·n·C·a·b multiplications
    a pixel, the second some 2·n·log(pixels) whatever the kernel's size; measured on a CPU they
    cross near C·a·b = 2n, where "auto" changes over.

    Raises TypeError or ValueError, naming the argument, on bad input.

    >>> dictionary = ConvDictionary(torch.tensor([[[1.0, -1.0]]]))  # one kernel, 1 × 2
    >>> dictionary.decode(torch.tensor([[[2.0, 0.0, 3.0]]]))
    tensor([[ 2., -2.,  3., -3.]])
    """

    code_ndim = 3  # dimensions of one code, without the batch

    def __init__(self, K: Tensor, method: str = "auto", borders: str = "valid"):
        check_tensor("K", K)
        if K.ndim not in (3, 4):
            raise ValueError(
                f"K: expected kernels (n, a, b) or (n, channels, a, b), got {describe(K)}"
            )
        check_range("K", K, "kernel")
        check_choice("method", method, METHODS)
        check_choice("borders", borders, BORDERS)
        self.K = K.detach().clone()
        self.method, self.borders = method, borders

    def __repr__(self) -> str:
        kernels = "×".join(map(str, self.K.shape[1:]))
        return f"ConvDictionary({self.n_atoms} kernels {kernels}, {self.K.dtype}, {self.K.device})"

    @property
    def n_atoms(self) -> int:
        """n, the number of kernels."""
        return self.K.shape[0]

    @property
    def sample_ndim(self) -> int:
        """Dimensions of one image: 2 if grey, 3 with channels."""
        return self.K.ndim - 1

    @property
    def uses_fourier(self) -> bool:
        """Whether the work is done on spectra."""
        if self.method == "auto":
            return self.K[0].numel() > 2 * self.n_atoms
        return self.method == "fourier"

    @property
    def atoms(self) -> Tensor:
        """The kernels K."""
        return self.K

    def with_atoms(self, atoms: Tensor) -> "ConvDictionary":
        """A dictionary of these kernels, neither copied nor checked."""
        other = ConvDictionary.__new__(ConvDictionary)
        other.K, other.method, other.borders = atoms, self.method, self.borders
        return other

    def decode(self, z: Tensor) -> Tensor:
        """Σᵢ Kᵢ * Zᵢ: codes (…, n, p, q) → images (…, h, w) or (…, C, h, w)."""
        batch, maps = z.shape[:-3], z.reshape(-1, *z.shape[-3:])
        size = self._image_size(z)
        if self.uses_fourier and len(maps):  # an FFT of nothing is an error
            grid = self.grid(size)
            x = crop(torch.fft.irfft2(self._mix(*self._spectra(maps, grid)), s=grid), size)
        else:
            M = self.channels.flatten(1)  # (n, C·a·b)
            full = tuple(z.shape[-2 + i] + self.window[i] - 1 for i in (0, 1))
            x = self._in_parts(lambda z: F.fold(M.T @ z.flatten(2), full, self.window), maps)
            x = _wrap(x, size)
        return x.reshape(*batch, *self.K.shape[1:-2], *size)

    def adjoint(self, r: Tensor) -> Tensor:
        """Every kernel against every place: images → codes; ⟨decode(z), r⟩ = ⟨z, adjoint(r)⟩."""
        batch, size = r.shape[: r.ndim - self.sample_ndim], r.shape[-2:]
        images = r.reshape(-1, self.channels.shape[1], *size)
        if self.uses_fourier and len(images):
            grid = self.grid(size)
            K, r = self._spectra(images, grid)
            z = self._back(K, r, grid, size)
        else:
            M, images = self.channels.flatten(1), self.continued(images)
            z = self._in_parts(lambda r: M @ F.unfold(r, self.window), images)
        return z.reshape(*batch, *self.code_shape(size))

    def gradient(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """For a batch of images y, the function z ↦ adjoint(decode(z) − y).

        On spectra it never leaves them between the two: an image fills its grid, so a full
        convolution does not wrap around (unless it should: then the grid is the image), and what
        wraps in the adjoint lies outside the code.
        """
        if not (self.uses_fourier and len(y)):
            return lambda z: self.adjoint(self.decode(z) - y)
        size = y.shape[-2:]
        grid = self.grid(size)
        K, target = self._spectra(y.reshape(-1, self.channels.shape[1], *size), grid)

        def gradient(z: Tensor) -> Tensor:
            residual = self._mix(K, torch.fft.rfft2(z, s=grid)) - target
            return self._back(K, residual, grid, size)

        return gradient

    def lipschitz(self) -> float:
        """L, no smaller than the largest eigenvalue of WᵀW for images of any size, and as a rule
        less than 4 % larger than for big ones.

        On an endless image WᵀW acts on each frequency ω by itself, and its largest eigenvalue there
        is that of the C × C matrix M(ω) = Σᵢ K̂ᵢ(ω) K̂ᵢ(ω)ᴴ; codes of a finite image are some of the
        codes of an endless one. M(ω) is a trigonometric polynomial, so its maximum is at most
        1/cos(π·degree/m) of that over m frequencies a side (H. Ehlich and K. Zeller, 1964). Of a
        matrix M(ω), the largest row sum of |M(ω)| stands for the largest eigenvalue.
        """
        return self.recall(_largest_eigenvalue)

    def check_samples(self, y: Tensor) -> None:
        """Raise unless y is an image or a batch of images that the kernels fit in."""
        check_tensor("y", y, like=self.K)
        one = ("C=" + str(self.K.shape[1]),) if self.K.ndim == 4 else ()
        wanted = ", ".join((*one, "height", "width"))
        channels = self.K.shape[1:-2]
        shape = y.shape[-self.sample_ndim : -2]
        if y.ndim not in (self.sample_ndim, self.sample_ndim + 1) or shape != channels:
            raise ValueError(f"y: expected shape ({wanted}) or (N, {wanted}), got {describe(y)}")
        if any(side < kernel for side, kernel in zip(y.shape[-2:], self.window, strict=True)):
            raise ValueError(
                f"y: expected images of at least {self.window[0]} × {self.window[1]}, the size "
                f"of the kernels, got {describe(y)}"
            )

    # ---- sizes ----

    @property
    def window(self) -> tuple[int, int]:
        """(a, b), the size of a kernel."""
        return tuple(self.K.shape[-2:])

    @property
    def channels(self) -> Tensor:
        """The kernels as (n, C, a, b)."""
        return self.K if self.K.ndim == 4 else self.K[:, None]

    def code_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape of the code of an image (…, h, w)."""
        (h, w), (a, b) = sample_shape[-2:], self.window
        return (self.n_atoms, h, w) if self._wraps else (self.n_atoms, h - a + 1, w - b + 1)

    def _image_size(self, z: Tensor) -> tuple[int, int]:
        (p, q), (a, b) = z.shape[-2:], self.window
        return (p, q) if self._wraps else (p + a - 1, q + b - 1)

    @property
    def _wraps(self) -> bool:
        return self.borders == "circular"

    def grid(self, size) -> tuple[int, int]:
        """Where the spectra live: a torus is its own grid, any other image may have some room."""
        return tuple(size) if self._wraps else fast_size(size)

    def continued(self, images: Tensor) -> Tensor:
        """Images (N, C, h, w) that go on beyond the border, if they do, by a kernel less one."""
        a, b = self.window
        return F.pad(images, (0, b - 1, 0, a - 1), "circular") if self._wraps else images

    # ---- the two ways to compute ----

    def _spectra(self, x: Tensor, grid) -> tuple[Tensor, Tensor]:
        return torch.fft.rfft2(self.channels, s=grid), torch.fft.rfft2(x, s=grid)

    def _mix(self, K: Tensor, z: Tensor) -> Tensor:
        """Spectra of the maps (N, n, …) → spectra of the images (N, C, …)."""
        return torch.stack([torch.einsum("nij,bnij->bij", one, z) for one in K.unbind(1)], 1)

    def _back(self, K: Tensor, r: Tensor, grid, size) -> Tensor:
        """Spectra of images (N, C, …) → codes: correlate, then keep the places inside."""
        spectrum = sum(one.conj() * r[:, c, None] for c, one in enumerate(K.unbind(1)))
        return crop(torch.fft.irfft2(spectrum, s=grid), self.code_shape(size)[1:])

    def _in_parts(self, function, x: Tensor) -> Tensor:
        """function(x) on as many samples at a time as keep the patches near 2²² numbers."""
        patches = self.channels[0].numel() * x.shape[-1] * x.shape[-2]
        return torch.cat([function(part) for part in x.split(max(1, 2**22 // patches))])


def _largest_eigenvalue(dictionary: ConvDictionary) -> float:
    """See :meth:`ConvDictionary.lipschitz`."""
    K, window = dictionary.channels.detach().double(), dictionary.window
    m, twice = [16 * side for side in window], [2 * side for side in window]
    spectra = torch.fft.rfft2(K, s=twice)  # K's autocorrelation…
    pairs = torch.einsum("nchw,ndhw->cdhw", spectra, spectra.conj())
    M = torch.fft.rfft2(_spread(torch.fft.irfft2(pairs, s=twice), m)).abs()  # …has the spectrum M
    slack = math.cos(math.pi * (window[0] - 1) / m[0]) * math.cos(math.pi * (window[1] - 1) / m[1])
    return float(M.sum(1).max()) / slack


def crop(x: Tensor, size) -> Tensor:
    """The corner of this size of the last two axes, in one piece."""
    return x[..., : size[0], : size[1]].contiguous()


def _wrap(x: Tensor, size) -> Tensor:
    """What lies beyond an image of this size comes in at the other side."""
    h, w = size
    if x.shape[-2:] == (h, w):
        return x
    image = x[..., :h, :w].clone()
    image[..., : x.shape[-2] - h, :] += x[..., h:, :w]
    image[..., : x.shape[-1] - w] += x[..., :h, w:]
    image[..., : x.shape[-2] - h, : x.shape[-1] - w] += x[..., h:, w:]
    return image


def fast_size(size) -> tuple[int, int]:
    """The next sides that have no prime factor above 5: FFTs of those are fast."""
    return tuple(fast_length(side) for side in size)


def fast_length(side: int) -> int:
    """The smallest length from ``side`` on that has no prime factor above 5."""
    rest = side
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return side if rest == 1 else fast_length(side + 1)


def _spread(lags: Tensor, m) -> Tensor:
    """An autocorrelation with lag 0 in the corner, set into a larger grid m of the same kind."""
    h, w = lags.shape[-2:]
    centred = F.pad(torch.fft.fftshift(lags, (-2, -1)), (0, m[1] - w, 0, m[0] - h))
    return centred.roll((-(h // 2), -(w // 2)), (-2, -1))
