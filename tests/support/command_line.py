"""The command line of a house, as an operator has it."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from tests.support.house import House

Flask = Callable[..., Result]


def command_line(town: House) -> Flask:
    """`flask` with these arguments; what is no ending of its own is raised here.

    `says` is what the operator types.
    """
    runner = town.app.test_cli_runner()

    def invoke(*arguments: object, says: str | None = None) -> Result:
        result = runner.invoke(args=[str(argument) for argument in arguments], input=says)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
