"""The C functions: called as their prototypes say, or not at all."""

import gc
import weakref

import pytest
import torch
from problems import needs_c, normal, random_dictionary

from rlvebm_utils.fast import compiled

pytestmark = needs_c
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@DTYPES
@pytest.mark.parametrize("file", compiled.FILES)
def test_each_function_has_its_types(file, dtype):
    source = (compiled.SOURCES / f"{file}.c").read_text("utf-8")
    functions = compiled.library(file, dtype)
    assert functions and len(functions) == source.count("EXPORT")
    for name, function in functions.items():
        head = source[source.index(f" {name}(size") :]
        head = head[: head.index(")")]
        assert [one.name.split(".")[1] for one in function.argtypes] == [
            part.split()[-1].strip("*") for part in head.split(",")
        ]
        assert head.count("*") == sum(type(a) is compiled.Pointer for a in function.argtypes)
        reals = [a for a in function.argtypes if getattr(a, "dtype", None) == dtype]
        assert len(reals) >= head.count("real *") > 0


def test_results_are_of_their_type():
    types = {
        name: function.run.restype
        for file in compiled.FILES
        for name, function in compiled.library(file, torch.float32).items()
    }
    c = compiled.ctypes
    assert types == {
        "solve_rows": c.c_int, "descend": None, "subtract_decoded": c.c_double,
        "places_at_work": c.c_int64, "sweep_rows": c.c_int, "update_atoms": c.c_int,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["long n", "float *x", "double **x", "size", "real x", ""])
def test_a_parameter_of_no_known_type(text):
    with pytest.raises(ValueError, match="^f: expected a parameter of a known type in C, got "):
        compiled._parameter("f", text, torch.float32)


def at_work(**changes):
    """A good call of a small function, but for the changes."""
    c, z = torch.tensor([2.0, 0.5, -3.0]), torch.zeros(3)
    arguments = dict(n=3, c=c, z=z, lam=1.0, sign=1.0, places=None) | changes
    return compiled.call("images", torch.float32, "places_at_work", *arguments.values())


TENSOR = "expected contiguous float32 tensor on the CPU"
SLIPS = {
    "dtype": ("c", torch.zeros(3).double(), TENSOR + ", got float64 tensor of shape (3,) on cpu"),
    "device": ("c", torch.zeros(3, device="meta"), TENSOR + ", got float32 tensor .* on meta"),
    "gaps": ("z", torch.zeros(6)[::2], TENSOR + ", got .* with strides (2,)"),
    "sparse": ("z", torch.zeros(3).to_sparse(), TENSOR + ", got sparse_coo float32 tensor"),
    "no tensor": ("z", [0.0, 0.0, 0.0], TENSOR + ", got list"),
    "no NULL": ("z", None, TENSOR + ", got NoneType"),
    "indices": ("places", torch.zeros(3).int(), "expected contiguous int64 .* or None, got int32"),
    "no number": ("lam", "1", "expected a number, got str"),
    "tensor, not number": ("lam", torch.tensor(1.0), "expected a number, got float32 tensor"),
    "float, not integer": ("n", 3.0, "expected an integer, got float"),
    "bool, not integer": ("n", True, "expected an integer, got bool"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_call_is_an_error(slip):
    name, value, words = SLIPS[slip]
    with pytest.raises(TypeError) as error:
        at_work(**{name: value})
    said = str(error.value)
    assert said.startswith(f"places_at_work.{name}: ")
    for word in words.split(" .* "):
        assert word in said


def test_a_good_call():
    places = torch.full((3,), -1)
    assert at_work() == at_work(places=places, lam=1) == 2
    assert places.tolist() == [0, 2, -1]


def test_an_integer_that_is_too_large():
    with pytest.raises(ValueError, match="places_at_work.n: expected an integer of 64 bits, got"):
        at_work(n=2**64 + 3)


def test_the_number_of_arguments():
    with pytest.raises(TypeError, match="^places_at_work: expected 6 arguments, got 7"):
        at_work(more=1)
    with pytest.raises(TypeError, match="^places_at_work: expected 6 arguments, got 2"):
        compiled.call("images", torch.float32, "places_at_work", 1.0, None)
    run = compiled.prepared("images", torch.float32, "places_at_work", 1.0, 1.0, None)
    x = torch.ones(3)
    assert run(3, x, x) == 3
    with pytest.raises(TypeError, match="^places_at_work: expected 6 arguments, got 5"):
        run(3, x)
    with pytest.raises(TypeError, match="^places_at_work.c: expected contiguous float32"):
        run(3, x.double(), x)


def test_tensors_live_as_long_as_what_uses_them():
    z = torch.ones(3)
    alive = weakref.ref(z)
    run = compiled.prepared("images", torch.float32, "places_at_work", z, 1.0, 1.0, None)
    del z
    gc.collect()
    assert alive() is not None and run(3, torch.ones(3)) == 3
    del run
    gc.collect()
    assert alive() is None


@DTYPES
def test_a_gap_at_its_sample_s_own_floor_is_none(dtype):
    """Each sample twice: one is to be as exact as can be, the other may have any gap."""
    W, y = random_dictionary(20, 48, seed=1).to(dtype).double(), normal(6, 20, seed=2)
    y = y.repeat_interleave(2, dim=0)
    G64, b, squared = W.T @ W, y @ W, y.square().sum(1)
    G, inverse = G64.to(dtype), (1 / G64.diagonal()).to(dtype)
    lam, floor = torch.full((12,), 0.2).double(), torch.tensor([0.0, 1e30] * 6).double()
    z, steps = torch.zeros(12, 48, dtype=dtype), torch.zeros(12, dtype=torch.int64)
    energy, dual = torch.zeros(2, 12, dtype=torch.float64)
    done = compiled.call(
        "codes", dtype, "solve_rows", 0, 12, 48, 48, G, G64, inverse, b, squared, lam, z, 1.0, 0.0,
        floor, float((G - G64).abs().max()), 1.0, energy, dual, steps,
    )  # fmt: skip
    gap = energy - dual
    assert done == 0 and gap[::2].max() < 1e-4 < 1e-2 < gap[1::2].max()
    assert (steps[::2] > steps[1::2]).all()
