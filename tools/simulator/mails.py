"""Where mails go in development: a server for them on this machine, and a page that shows them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from flask import Blueprint, render_template_string

from exchange.rest.server import Simulator
from exchange.settings import LOOPBACK, Settings

MOST = 200
_PAGE = """<!doctype html><html lang="fr"><meta charset="utf-8"><title>E-mails</title>
<style>body{font:1.1rem system-ui;max-width:44rem;margin:2rem auto}pre{white-space:pre-wrap}</style>
<h1>E-mails</h1><p><a href="/telephone">SMS</a></p>
{% for one in mails %}<article><h2>{{ one["Subject"] }}</h2>
<p>{{ one["To"] }}, {{ one["Date"] }}</p>
<pre>{{ one.get_body(("plain",)).get_content() }}</pre>
{% for file in one.iter_attachments() %}<details><summary>{{ file.get_filename() }}</summary>
<pre>{{ file.get_content() }}</pre></details>{% endfor %}</article>
{% else %}<p>Aucun.</p>{% endfor %}"""


@dataclass
class Letterbox:
    """The mails that came, newest first. Each process has its own."""

    mails: deque[EmailMessage]

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        """Take a mail; aiosmtpd calls it so."""
        mail = message_from_bytes(envelope.content, EmailMessage, policy=policy.default)
        self.mails.appendleft(mail)
        return "250 OK"


KEPT = Letterbox(deque(maxlen=MOST))


def listen(settings: Settings) -> None:
    """Take mails a port above our own, if SMTP_URL leads there."""
    server, port = urlsplit(settings.smtp_url), settings.rest_port + 1
    if server.hostname in LOOPBACK and server.port == port:
        Controller(KEPT, hostname=server.hostname, port=port).start()


def blueprint(simulator: Simulator) -> Blueprint:
    """/mails, beside /telephone, which shows the texts."""
    pages = Blueprint("mails", __name__)
    simulator.links["/mails"] = "Mails that were sent"

    @pages.get("/mails")
    def show() -> str:
        return render_template_string(_PAGE, mails=list(KEPT.mails))

    return pages
