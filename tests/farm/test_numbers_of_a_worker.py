"""What `invoke worker` answers to a number that cannot be meant: an example in the unit of that option."""

from __future__ import annotations

import pytest

from ascend_wheelhouse.commands.worker import NoNumberError, number


@pytest.mark.parametrize(
    ("option", "example"),
    [("--memory", "--memory 16384"), ("--cores", "--cores 4"), ("--builds", "--builds 4")],
)
@pytest.mark.parametrize("text", ["0", "16G"])
def test_the_example_is_a_number_that_the_option_can_use(option: str, example: str, text: str) -> None:
    with pytest.raises(NoNumberError) as caught:
        number(option, text, 0)
    assert caught.value.next_step == example
