"""Bad input, all of it: every public function × every argument × every kind of badness.

Each gets an error that begins with the argument's name, says what was expected and what came, in a
sentence of ours; and nothing that the caller owns is changed. The table has to name each argument
of each function: one that is new, and not in it, is a failure.
"""

import inspect
import warnings

import numpy as np
import pytest
import torch
from table import FUNCTIONS, LEFT_OUT, NOT_CALLED, OWNED, equal, right

import rlvebm_utils as package

ARGUMENTS = [(name, argument) for name in FUNCTIONS for argument in FUNCTIONS[name][1]]
IDS = [f"{name}-{argument}" for name, argument in ARGUMENTS]


@pytest.mark.parametrize("name, argument", ARGUMENTS, ids=IDS)
def test_the_error_is_clear(name, argument):
    function, arguments = FUNCTIONS[name]
    before, state = [x.clone() for x in OWNED], torch.get_rng_state()
    for badness, value in arguments[argument].bad.items():
        with pytest.raises((TypeError, ValueError)) as raised:
            function(**right(name) | {argument: value})
            print(f"{badness} was taken")
        said = str(raised.value)
        assert said.startswith((f"{argument}: expected ", f"{argument}[")), (badness, said)
        assert ", got " in said and len(said) < 220, (badness, said)
        assert raised.value.__cause__ is None, badness
    assert all(map(equal, OWNED, before))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_with_right_arguments_there_is_no_error(name):
    """Else a test above might see another argument's error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FUNCTIONS[name][0](**right(name))


@pytest.mark.parametrize("name, argument", ARGUMENTS, ids=IDS)
def test_numbers_of_numpy_are_numbers(name, argument):
    function, value = FUNCTIONS[name][0], FUNCTIONS[name][1][argument].good
    same = []
    if isinstance(value, bool):
        same = [np.bool_(value)]
    elif isinstance(value, int):
        same = [np.int64(value), np.int32(value), np.uint8(value)]  # 8 bits end at 255
    elif isinstance(value, float):
        value = float(np.float32(value))
        same = [np.float64(value), np.float32(value)]
        same += [np.array(value), torch.tensor(value)] if argument == "lam" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = [function(**right(name) | {argument: one}) for one in [value, *same] if same]
    assert all(equal(results[0], one) for one in results)


def test_lambdas_in_an_array():
    for name in ("fista", "encode", "energy", "certificate", "LISTA.forward"):
        lam = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
        function, arguments = FUNCTIONS[name][0], right(name)
        arguments |= {"tol": None} if "tol" in arguments and name != "encode" else {}
        expected = function(**arguments | {"lam": lam})
        assert equal(expected, function(**arguments | {"lam": lam.numpy()}))
        assert not equal(expected, function(**arguments | {"lam": lam.flip(0).numpy()}))
    path = right("encode_path") | {"lams": np.array([0.5, 0.2])}
    assert equal(package.encode_path(**path), package.encode_path(**right("encode_path")))


def test_the_table_is_whole():
    missing = {}
    for name, (function, arguments) in FUNCTIONS.items():
        left = set(inspect.signature(function).parameters) - set(arguments)
        if left - LEFT_OUT.get(name, set()):
            missing[name] = left
    assert not missing
    assert set(package.__all__) == NOT_CALLED | (set(FUNCTIONS) & set(package.__all__))


@pytest.mark.parametrize("name", ["learn_dictionary", "learn_dictionary_fast", "learn_kernels"])
def test_snapshots_of_the_first_and_the_last_step(name):
    steps = 1 if name == "learn_dictionary_fast" else 2
    run = FUNCTIONS[name][0](**right(name) | {"snapshots": (0, steps)})
    assert list(run.snapshots) == [0, steps]
    assert torch.equal(run.snapshots[steps], run.dictionary.atoms)
    assert not torch.equal(run.snapshots[0], run.dictionary.atoms)
