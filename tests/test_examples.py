"""The examples in the docstrings of what the package offers are run as they stand there."""

import doctest
import inspect

import pytest
import torch

import rlvebm_utils

SHOWN = (
    "ConvDictionary Dictionary LISTA encode encode_images encode_path fista ista lambda_max "
    "learn_dictionary learn_dictionary_fast soft_threshold"
).split()


def examples(name: str) -> list[doctest.DocTest]:
    value = getattr(rlvebm_utils, name)
    names = {**vars(rlvebm_utils), "torch": torch}
    found = doctest.DocTestFinder(recurse=False).find(inspect.unwrap(value), name, globs=names)
    return [one for one in found if one.examples]


@pytest.mark.parametrize("name", rlvebm_utils.__all__)
def test_examples_give_what_they_say(name):
    told = []
    for one in examples(name):
        doctest.DocTestRunner().run(one, out=told.append)
    assert "".join(told) == ""


def test_what_is_used_most_has_an_example():
    assert [name for name in SHOWN if not examples(name)] == []
