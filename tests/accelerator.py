"""A simulated accelerator for machines without one: device "sim", whose tensors hold a CPU tensor.

It computes on the CPU, slowly, so that its results can be compared with the CPU's own. It adds:

* an operation that mixes devices raises, as it would on a GPU, and names the line that asked for
  it;
* whatever makes the host wait for a GPU is counted, line by line (:class:`Waits`).

Torch's backends in Python are experimental: this is tried with torch 2.13. What it cannot tell: how
fast a GPU would be, whether its kernels are right, how it rounds.
"""

import traceback
from collections import Counter
from contextlib import contextmanager
from functools import cache

import torch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
PACKAGE = "rlvebm_utils/"
INDEXING = (aten.index.Tensor, aten.index_put_.default, aten.index_put.default)
# On a GPU each of these ends only when the host knows a number, a flag or a size
READS = {
    aten._local_scalar_dense.default: "number",  # .item(), float(x), bool(x), int(x)
    aten.equal.default: "number",  # torch.equal
    aten._linalg_check_errors.default: "number",  # eigvalsh, inv, svd: did LAPACK succeed?
    aten._linalg_eigh.default: "number",
    aten._linalg_svd.default: "number",
    aten.nonzero.default: "size",
    aten.masked_select.default: "size",
    aten._unique2.default: "size",
}  # fmt: skip


class Waits(Counter):
    """How often the host had to wait: (kind, line of the package) → count.

    Kinds: "number", "size" (of what a mask or nonzero finds), "copy" (to the CPU) and "send" (from
    the CPU, unless it is ``non_blocking``: torch waits for those, too).
    """

    def note(self, kind: str) -> None:
        self[kind, place()] += 1

    @contextmanager
    def of(self):
        """Begin to count at 0; what is counted within is in the Counter that this gives."""
        self.clear()
        yield self


WAITS = Waits()


class SimTensor(torch.Tensor):
    """A tensor on "sim". ``raw``: the numbers, on the CPU."""

    @staticmethod
    def __new__(cls, raw: torch.Tensor):
        layout = {"strides": raw.stride(), "storage_offset": raw.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(
            cls, raw.size(), dtype=raw.dtype, device=torch.device("sim", 0), **layout
        )
        made.raw = raw
        return made

    def __repr__(self, **_):
        return f"SimTensor({self.raw})"

    # Four for which torch's own has no answer in a subclass on another device

    def tolist(self):
        return self.cpu().tolist()

    def new_tensor(self, data):
        return tensor(data, dtype=self.dtype, device=self.device)

    def __getitem__(self, key):
        return super().__getitem__(without_lists(key))

    def __setitem__(self, key, value):
        super().__setitem__(without_lists(key), value)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def without_lists(key):
    """What stands in brackets, with tensors (of the CPU's) for lists of numbers."""
    if isinstance(key, tuple):
        return tuple(map(without_lists, key))
    return TENSOR(key) if isinstance(key, list) else key


def place() -> str:
    """The line of the package that is at work."""
    frames = [one for one in traceback.extract_stack() if PACKAGE in one.filename]
    if not frames:
        return "elsewhere"
    return f"{frames[-1].filename.split(PACKAGE)[-1]}:{frames[-1].lineno} {frames[-1].line}"


def is_sim(device) -> bool:
    return device is not None and torch.device(device).type == "sim"


def compute(func, args, kwargs):
    """One operation of torch's: counted, refused or done on the CPU."""
    tensors = [one for one in pytree.tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    here = any(isinstance(one, SimTensor) for one in tensors)
    count(func, args, kwargs, here)
    if here:
        refuse_mixtures(func, tensors)
    asked = kwargs.get("device")
    stays = is_sim(asked) or (here and asked is None)
    kwargs = kwargs | ({"device": torch.device("cpu")} if asked is not None else {})
    raw = pytree.tree_map(lambda x: x.raw if isinstance(x, SimTensor) else x, (args, kwargs))
    out = func(*raw[0], **raw[1])
    if writes_to_first(func):
        return args[0]
    if "out" in kwargs:
        if kwargs["out"].shape != out.shape:
            raise NotImplementedError(f"{func} sizes its result: add it to SIZED")
        return kwargs["out"]
    wrap = stays and func is not aten._local_scalar_dense.default
    return pytree.tree_map(lambda x: as_sim(x) if wrap else x, out)


def as_sim(x):
    # What is conjugated or negated lazily would be taken as it lies in memory
    return SimTensor(x.resolve_conj().resolve_neg()) if isinstance(x, torch.Tensor) else x


def writes_to_first(func) -> bool:
    name = func._schema.name.split("::")[1]
    return name.endswith("_") and not name.endswith("__") and bool(func._schema.returns)


def count(func, args, kwargs, here: bool) -> None:
    if func in READS:
        WAITS.note(READS[func])
    elif func in INDEXING:
        places = [one for one in args[1] if one is not None]
        if any(isinstance(one, SimTensor) and one.dtype == torch.bool for one in places):
            WAITS.note("size")
        if any(not isinstance(one, SimTensor) and one.ndim for one in places):
            WAITS.note("send")
    elif func in (aten._to_copy.default, aten.copy_.default):
        count_copy(func, args, kwargs, here)


def count_copy(func, args, kwargs, here: bool) -> None:
    """A copy between the two machines; numbers without dimensions are handed to a kernel."""
    if func is aten._to_copy.default:
        source, target = args[0], kwargs.get("device")
        to_sim, to_cpu = is_sim(target), target is not None and not is_sim(target)
        waits = not kwargs.get("non_blocking", False)
    else:
        target, source = args[:2]
        to_sim, to_cpu = isinstance(target, SimTensor), not isinstance(target, SimTensor)
        waits = not (len(args) > 2 and args[2])
    from_sim = isinstance(source, SimTensor)
    if from_sim and to_cpu:
        WAITS.note("copy")
    if waits and to_sim and not from_sim and (source.ndim or func is aten._to_copy.default):
        WAITS.note("send")


def refuse_mixtures(func, tensors) -> None:
    """On a GPU a tensor of the CPU's may stand beside others only as a number, or as an index."""
    if func in (aten.copy_.default, aten._to_copy.default, *INDEXING):
        return
    if any(one.ndim and not isinstance(one, SimTensor) for one in tensors):
        raise RuntimeError(f"{func} mixes sim and cpu, at {place()}")


TENSOR, AS_TENSOR = torch.tensor, torch.as_tensor


def tensor(data, *, dtype=None, device=None, **options):
    """torch.tensor, which makes its result on the CPU and sends it."""
    made = TENSOR(data, dtype=dtype, device=None if is_sim(device) else device, **options)
    return made.to(device) if is_sim(device) else made


def as_tensor(data, dtype=None, device=None):
    """torch.as_tensor, likewise."""
    if isinstance(data, torch.Tensor) or not is_sim(device):
        return AS_TENSOR(data, dtype=dtype, device=device)
    return AS_TENSOR(data, dtype=dtype).to(device)


# Made of nothing, and by torch in an empty tensor that it then sizes
SIZED = (
    aten.arange.default, aten.arange.start, aten.arange.start_step, aten.eye.default, aten.eye.m,
    aten.linspace.default, aten.fft_fftfreq.default, aten.fft_rfftfreq.default,
)  # fmt: skip


@cache
def set_up() -> list:
    """Name the device "sim" and say how it computes: once, for the whole process. What is returned
    has to be kept.
    """
    _setup_privateuseone_for_python_backend("sim")
    general, ours = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    general.fallback(lambda func, *a, **k: compute(func, a, k), dispatch_key="PrivateUse1")
    for func in SIZED:
        ours.impl(func, lambda *a, func=func, **k: compute(func, a, k), "PrivateUse1")
    return [general, ours]


@contextmanager
def accelerator():
    """The device in place; gives what counts the waits."""
    set_up()
    torch.tensor, torch.as_tensor = tensor, as_tensor
    try:
        yield WAITS
    finally:
        torch.tensor, torch.as_tensor = TENSOR, AS_TENSOR
