from __future__ import annotations

from typing import Any

import pytest

from pipelines.references import filled, inserted_bytes, names_in

PARAMS: dict[str, Any] = {
    "command": "curl -H 'Bearer ${{ secrets.TOKEN }}' ${{secrets._host_2}}",
    "env": {"A": "${{ secrets.TOKEN }}${{\tsecrets.B }}", "${{ secrets.KEY }}": "plain"},
    "list": [{"deep": ["${{ secrets.DEEP }}"]}, 1, None, True],
}
VALUES = {"TOKEN": "t", "_host_2": "h", "B": "b", "DEEP": "${{ secrets.TOKEN }}"}


def test_it_finds_names_in_texts_at_any_depth_and_not_in_keys() -> None:
    assert names_in(PARAMS) == {"TOKEN", "_host_2", "B", "DEEP"}


def test_every_reference_is_filled_in_and_nothing_else_changes() -> None:
    assert filled(PARAMS, values=VALUES) == {
        "command": "curl -H 'Bearer t' h",
        "env": {"A": "tb", "${{ secrets.KEY }}": "plain"},
        "list": [{"deep": ["${{ secrets.TOKEN }}"]}, 1, None, True],  # what a secret holds is no reference
    }
    assert PARAMS["command"].endswith("${{secrets._host_2}}")


def test_one_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled(PARAMS, values={"TOKEN": "t"})


@pytest.mark.parametrize(
    "text", ["$TOKEN", "${TOKEN}", "${{ TOKEN }}", "${{ env.A }}", "$ {{ secrets.A }}", "{{secrets.A}}"]
)
def test_other_dollars_and_braces_are_left_alone(text: str) -> None:
    assert names_in({"command": text}) == set()
    assert filled({"command": text}, values={}) == {"command": text}


def test_how_much_filling_puts_in_is_known_before() -> None:
    assert inserted_bytes({"a": "${{ secrets.A }}" * 1000}, values={"A": "é" * 1000}) == 2_000_000
