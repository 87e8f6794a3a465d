"""The bill of materials: every library of the service and of its pages, in CycloneDX.

    python -m tests.support.sbom [FILE]

reads the locked files (`requirements.txt`, those of the extras, `web/package-lock.json`) and writes
JSON, by default into var/sbom.cdx.json. It asks nobody and is the same for the same locks: it has
no clock and no random number in it. What the checks need is no part of a release, and is left out.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tomllib
import uuid

from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tests.support.keeper import ROOT

SERVICE, PAGES = "requirements.txt", "web/package-lock.json"
EXTRAS = ("requirements/sip.txt", "requirements/tracing.txt")
# "name==1.2 ; markers \" and below it, indented, the hashes of its files.
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_MARKER = re.compile(r";\s*(?P<marker>.*?)\s*\\?$")
_HASH = re.compile(r"^\s+--hash=sha256:(?P<digest>[0-9a-f]{64})")
_MODULES = "node_modules/"


def components(root: Path = ROOT) -> list[Component]:
    """Every library, by its package URL. What only an extra needs is optional."""
    found = {
        str(one.purl): one
        for extra in EXTRAS
        for one in _python(root / extra, ComponentScope.OPTIONAL)
    }
    found |= {str(one.purl): one for one in _python(root / SERVICE, ComponentScope.REQUIRED)}
    found |= {str(one.purl): one for one in _scripts(root / PAGES)}
    return [found[purl] for purl in sorted(found)]


def _python(lock: Path, scope: ComponentScope) -> Iterator[Component]:
    """Of a lock of uv. Each component has the hashes of all its files, one for each platform."""
    part: Component | None = None
    for line in lock.read_text("utf-8").splitlines():
        pinned, digest = _PINNED.match(line), _HASH.match(line)
        if pinned:
            if part is not None:
                yield part
            name = re.sub(r"[-_.]+", "-", pinned["name"]).lower()
            part = Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=pinned["version"],
                purl=PackageURL("pypi", None, name, pinned["version"]),
                bom_ref=f"pypi:{name}@{pinned['version']}",
                scope=scope,
            )
            marker = _MARKER.search(line)
            if marker:
                part.properties.add(Property(name="allo:marker", value=marker["marker"]))
        elif digest and part is not None:
            part.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=digest["digest"]))
    if part is not None:
        yield part


def _scripts(lock: Path) -> Iterator[Component]:
    """What pages of the service load; what only the checks load is left out."""
    for path, told in json.loads(lock.read_text("utf-8"))["packages"].items():
        if not path.startswith(_MODULES) or told.get("dev"):
            continue
        name = path.rpartition(_MODULES)[2]
        group, _, short = name.rpartition("/")
        algorithm, _, digest = told["integrity"].partition("-")
        part = Component(
            type=ComponentType.LIBRARY,
            group=group or None,
            name=short,
            version=told["version"],
            purl=PackageURL("npm", group or None, short, told["version"]),
            bom_ref=f"npm:{name}@{told['version']}",
            scope=ComponentScope.REQUIRED,
            hashes=[
                HashType(
                    alg={"sha512": HashAlgorithm.SHA_512}[algorithm],
                    content=base64.b64decode(digest).hex(),
                )
            ],
        )
        if told.get("license"):
            part.licenses.add(LicenseExpression(told["license"]))
        yield part


def bill(root: Path = ROOT) -> str:
    """The bill as JSON, the same for the same locks."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    parts = components(root)
    service = Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        bom_ref=project["name"],
    )
    # By what is in it, where others are by chance.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(str(one.purl) for one in parts))
    made = Bom(components=parts, serial_number=serial)
    made.metadata.component = service
    made.register_dependency(service, parts)
    told = json.loads(JsonV1Dot6(made).output_as_string())
    # The library writes when it was made; two bills of one lock would differ.
    told["metadata"].pop("timestamp", None)
    return json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write it; gives the exit status."""
    file = Path(arguments[0]) if arguments else ROOT / "var" / "sbom.cdx.json"
    text = bill()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    sys.stdout.write(f"{file}: {len(json.loads(text)['components'])} components\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
