"""What cookies that name a web session share: their flags, and a token for its forms.

The token is tied to the web session, so that a page of an earlier one never answers for another.
"""

from __future__ import annotations

import hmac

from itsdangerous import Signer
from werkzeug import Response


class SignedWebSession:
    """A cookie of one name. Over https that name keeps other hosts from writing it."""

    def __init__(self, name: str, key: str, *, https: bool) -> None:
        self.name = f"{'__Host-' if https else ''}{name}"
        self._https = https
        self._forms = Signer(key, salt=f"{name}-form")

    def put(self, response: Response, signed: str) -> None:
        """Give it to the browser, until that is closed."""
        response.set_cookie(
            self.name, signed, secure=self._https, httponly=True, samesite="Lax", path="/"
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(
            self.name, secure=self._https, httponly=True, samesite="Lax", path="/"
        )

    def token(self, visit_id: str) -> str:
        """The token that the forms of a web session carry."""
        return self._forms.get_signature(visit_id).decode()

    def is_token(self, token: str, visit_id: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(visit_id).encode())
