"""`flask deploy …`: what an operator puts elsewhere."""

from __future__ import annotations

import click

from ivr.conversation import LANGUAGE
from ivr.twiml import Addresses, elsewhere
from prompts.catalogue import load


def make(public_base_url: str) -> click.Group:
    """The group `deploy`."""

    @click.group("deploy")
    def group() -> None:
        """Print what has to lie outside this service."""

    @group.command(epilog="Example: flask deploy fallback > fallback.xml")
    def fallback() -> None:
        """The document to put at another origin, as the fallback address of the number.

        It speaks when this service cannot be reached, and leads back to PUBLIC_BASE_URL.
        """
        click.echo(elsewhere(load(LANGUAGE), Addresses(public_base_url)))

    return group
