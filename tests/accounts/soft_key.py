"""A key as a browser and its authenticator have one, in software: it signs what a page asks."""

from __future__ import annotations

import hashlib
import json
import secrets

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, BACKUP, WITH_KEY = 0x01, 0x04, 0x08, 0x40
_COORDINATE = 32


def text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class SoftKey:
    """`origin` and `rp_id` are where the browser says that it is; `count` how often it was used."""

    origin: str = "https://allo.example"
    rp_id: str = "allo.example"
    flags: int = PRESENT | VERIFIED
    count: int = 1
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def makes(self, asked: dict[str, Any]) -> str:
        """The answer to what a page asks to make."""
        numbers = self.key.public_key().public_numbers()
        public = {
            1: 2,
            3: -7,
            -1: 1,
            -2: numbers.x.to_bytes(_COORDINATE, "big"),
            -3: numbers.y.to_bytes(_COORDINATE, "big"),
        }
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(public)
        data = self._data(WITH_KEY) + attested
        whole = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "attestationObject": text(whole),
            "clientDataJSON": text(self._client("webauthn.create", asked)),
            "transports": ["usb", "telepathy"],
        }
        return self._answer(response)

    def signs(self, asked: dict[str, Any]) -> str:
        """The answer to what a page asks to sign."""
        data, client = self._data(), self._client("webauthn.get", asked)
        signed = data + hashlib.sha256(client).digest()
        response = {
            "authenticatorData": text(data),
            "clientDataJSON": text(client),
            "signature": text(self.key.sign(signed, ec.ECDSA(SHA256()))),
        }
        return self._answer(response)

    def _data(self, more: int = 0) -> bytes:
        place = hashlib.sha256(self.rp_id.encode()).digest()
        return place + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, asked: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": asked["challenge"], "origin": self.origin}
        return json.dumps(told).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        named = text(self.id)
        return json.dumps({"id": named, "rawId": named, "type": "public-key", "response": response})
