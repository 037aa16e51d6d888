from __future__ import annotations

import inspect

import pytest

from core.shared_options import check_shared_options, documented, shared_options


def test_shared_options_have_one_type_and_default() -> None:
    def good(
        model: str = "digits_convnet", attacks: list[str] | str | None = ("a",), own: int = 1
    ) -> None: ...

    def bad(model: str = "resnet18", seed: float = 0, layers: list[str] | None = None) -> None: ...

    assert check_shared_options(good) == []
    assert [line.split(":")[0] for line in check_shared_options(bad)] == ["model", "seed", "layers"]
    assert {"model", "data", "out", "launch"} <= set(shared_options())


def test_only_an_option_whose_default_a_command_chooses_may_have_none() -> None:
    def chosen(examples: int | None = None) -> None: ...

    def fixed(seed: int | None = None) -> None: ...

    assert check_shared_options(chosen) == []
    assert [line.split(":")[0] for line in check_shared_options(fixed)] == ["seed", "seed"]


def test_a_command_says_its_own_options_and_is_given_the_lines_of_the_shared_ones() -> None:
    @documented
    def run(seed: int = 0, steps: int = 3, device: str = "auto") -> None:
        """Do it.

        Args:
            steps: how many,
                in two lines.

        Returns:
            Nothing.
        """

    said = inspect.getdoc(run) or ""
    names = [line.split(":")[0].strip() for line in said.splitlines() if line.startswith("    ")]
    assert names == ["seed", "steps", "in two lines.", "device", "Nothing."]
    assert shared_options()["device"].help in said
    assert said.endswith("Returns:\n    Nothing.")


def test_an_option_that_nobody_explains_is_found_at_import() -> None:
    def run(seed: int = 0, colour: str = "red") -> None:
        """Do it.

        Args:
            seed: of all.
        """

    with pytest.raises(ValueError, match="colour"):
        documented(run)
