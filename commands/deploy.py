"""`flask deploy …`: what an operator puts elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from ivr.addresses import Addresses
from ivr.conversation import LANGUAGE
from ivr.twiml import elsewhere
from prompts.catalogue import COUNTRY_LANGUAGE, load
from web import alone

# What a proxy in front answers by itself (deploy/nginx.conf, deploy/haproxy.cfg).
OF_A_PROXY = (400, 413, 414, 429, 500, 502, 503, 504)


def make(public_base_url: str, national_number: str) -> click.Group:
    """The group `deploy`. `national_number` (E.164) is what pages say to ring."""
    group = click.Group("deploy", help="Print what has to lie outside this service.")

    @group.command(epilog="Example: flask deploy fallback > fallback.xml")
    def fallback() -> None:
        """The document to put at another origin, as the fallback address of the number.

        It speaks when this service cannot be reached, and leads back to PUBLIC_BASE_URL.
        """
        click.echo(elsewhere(load(LANGUAGE), Addresses(public_base_url)))

    @group.command(epilog="Example: flask deploy errors /etc/allo/errors")
    @click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
    def errors(folder: Path) -> None:
        """Write the pages that a proxy shows while no server of this service answers.

        One for each error, 502.html and so on; each stands alone, and has NATIONAL_NUMBER.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for status in OF_A_PROXY:
            page = alone.page(status, COUNTRY_LANGUAGE, national_number)
            (folder / f"{status}.html").write_bytes(page)
        click.echo(f"{len(OF_A_PROXY)} pages in {folder}; their policy: {alone.policy()}")

    return group
