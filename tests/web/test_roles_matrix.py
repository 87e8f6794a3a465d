"""Who may ask for what: every route of the service, by every role, asked for in earnest.

A new route needs a row here, written by somebody who has thought about it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask import Flask
from werkzeug.routing import Rule

from models.accounts.staff import ROLES
from tests.support.house import BASE, House
from web.marks import SIGNED, public, roles, undeclared, who_may

PUBLIC = "public"
# The provider's alone: whoever has no signature of it gets 403, staff too.
PROVIDER = "provider"
EVERYBODY = ROLES
DESK = ("agent", "supervisor")
BOARD = ("supervisor", "operator")
SUPERVISOR = ("supervisor",)
CENTRE = ("secretary", "supervisor")

# By method and path as routes write it.
VERDICTS: dict[tuple[str, str], str | tuple[str, ...]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/readyz/machine"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/salle"): PUBLIC,
    ("GET", "/salle/etat"): PUBLIC,
    ("GET", "/audio/<string:language>/<string:name>"): PUBLIC,
    ("GET", "/assets/<string:name>"): PUBLIC,
    ("GET", "/telephone"): PUBLIC,
    ("GET", "/"): PUBLIC,
    ("GET", "/confidentialite"): PUBLIC,
    ("GET", "/accessibilite"): PUBLIC,
    ("GET", "/robots.txt"): PUBLIC,
    ("GET", "/.well-known/security.txt"): PUBLIC,
    ("GET", "/centres"): PUBLIC,
    ("POST", "/centres"): PUBLIC,
    ("GET", "/centres/dep/<string:code>"): PUBLIC,
    ("GET", "/pour/<string:pour>/centres"): PUBLIC,
    ("POST", "/pour/<string:pour>/centres"): PUBLIC,
    ("GET", "/pour/<string:pour>/centres/dep/<string:code>"): PUBLIC,
    ("GET", "/centres/<string:centre_id>"): PUBLIC,
    ("GET", "/pour/<string:name>"): PUBLIC,
    ("GET", "/pour/<string:name>/affiche"): PUBLIC,
    ("GET", "/etat"): PUBLIC,
    ("GET", "/etat.json"): PUBLIC,
    ("GET", "/api/slots/$bulk-publish"): PUBLIC,
    ("GET", "/api/slots/<string:name>"): PUBLIC,
    ("GET", "/rendez-vous"): PUBLIC,
    ("POST", "/rendez-vous"): PUBLIC,
    ("GET", "/rendez-vous/reprendre"): PUBLIC,
    ("POST", "/rendez-vous/reprendre"): PUBLIC,
    ("GET", "/rendez-vous/rendez-vous.ics"): PUBLIC,
    ("POST", "/rendez-vous/terminer"): PUBLIC,
    ("POST", "/rendez-vous/quitter-la-liste"): PUBLIC,
    ("GET", "/rendez-vous/liste-quittee"): PUBLIC,
    ("GET", "/rendez-vous/<string:slug>"): PUBLIC,
    ("POST", "/rendez-vous/<string:slug>"): PUBLIC,
    ("GET", "/connexion"): PUBLIC,
    ("POST", "/connexion"): PUBLIC,
    ("GET", "/connexion/code"): PUBLIC,
    ("POST", "/connexion/code"): PUBLIC,
    ("POST", "/connexion/secours"): PUBLIC,
    ("POST", "/connexion/cle/defi"): PUBLIC,
    ("POST", "/connexion/cle"): PUBLIC,
    ("POST", "/connexion/inscription/cle/defi"): PUBLIC,
    ("POST", "/connexion/inscription/cle"): PUBLIC,
    ("GET", "/connexion/inscription"): PUBLIC,
    ("POST", "/connexion/inscription"): PUBLIC,
    ("GET", "/connexion/mot-de-passe"): PUBLIC,
    ("POST", "/connexion/mot-de-passe"): PUBLIC,
    ("POST", "/deconnexion"): PUBLIC,
    ("GET", "/compte"): EVERYBODY,
    ("POST", "/compte/cle/nom"): EVERYBODY,
    ("POST", "/compte/cle/retirer"): EVERYBODY,
    ("GET", "/compte/secours"): EVERYBODY,
    ("POST", "/compte/secours"): EVERYBODY,
    ("POST", "/compte/telephone"): EVERYBODY,
    ("POST", "/compte/partout"): EVERYBODY,
    ("POST", "/compte/fin"): EVERYBODY,
    ("GET", "/compte/preuve"): EVERYBODY,
    ("POST", "/compte/preuve"): EVERYBODY,
    ("GET", "/poste/personne"): DESK,
    ("POST", "/poste/personne"): DESK,
    ("POST", "/poste/personne/copie"): DESK,
    ("POST", "/poste/personne/effacement"): DESK,
    ("POST", "/poste/personne/decision"): SUPERVISOR,
    ("GET", "/supervision"): BOARD,
    ("GET", "/supervision/mur"): BOARD,
    ("POST", "/supervision/mur"): BOARD,
    ("GET", "/supervision/mur/etat"): BOARD,
    ("GET", "/supervision/etat"): BOARD,
    ("GET", "/supervision/historique"): BOARD,
    ("GET", "/supervision/actes"): BOARD,
    ("GET", "/supervision/retenus"): BOARD,
    ("POST", "/supervision/retenus"): SUPERVISOR,
    ("GET", "/supervision/export.csv"): BOARD,
    ("POST", "/supervision/apercu"): SUPERVISOR,
    ("POST", "/supervision/files"): SUPERVISOR,
    ("POST", "/supervision/agents"): SUPERVISOR,
    ("POST", "/supervision/confier"): SUPERVISOR,
    ("POST", "/supervision/ecouter"): SUPERVISOR,
    ("POST", "/supervision/quitter"): SUPERVISOR,
    ("POST", "/supervision/plancher"): SUPERVISOR,
    ("POST", "/supervision/seuil"): SUPERVISOR,
    ("POST", "/supervision/alerte"): SUPERVISOR,
    ("POST", "/supervision/gel"): SUPERVISOR,
    ("POST", "/supervision/annuler"): SUPERVISOR,
    ("GET", "/supervision/accords"): SUPERVISOR,
    ("POST", "/supervision/accords"): SUPERVISOR,
    ("GET", "/supervision/noms"): SUPERVISOR,
    ("POST", "/supervision/noms"): SUPERVISOR,
    ("POST", "/supervision/noms/retirer"): SUPERVISOR,
    ("GET", "/supervision/groupes"): BOARD,
    ("POST", "/supervision/groupes/voir"): SUPERVISOR,
    ("POST", "/supervision/groupes/liberer"): SUPERVISOR,
    ("POST", "/supervision/groupes/annuler"): SUPERVISOR,
    ("GET", "/centre"): CENTRE,
    ("GET", "/centre/etat"): CENTRE,
    ("GET", "/centre/imprimer"): CENTRE,
    ("POST", "/centre/chercher"): CENTRE,
    ("POST", "/centre/presence"): CENTRE,
    ("POST", "/centre/arrivee"): CENTRE,
    ("POST", "/centre/suivant"): CENTRE,
    ("POST", "/centre/reponse"): CENTRE,
    ("POST", "/centre/ouvrir"): CENTRE,
    ("GET", "/centre/fermeture"): CENTRE,
    ("POST", "/centre/fermer"): CENTRE,
    ("POST", "/centre/rouvrir"): CENTRE,
    ("POST", "/poste/jeton"): DESK,
    ("GET", "/poste"): DESK,
    ("GET", "/poste/travail"): DESK,
    ("GET", "/poste/etat"): DESK,
    ("GET", "/poste/dossier"): DESK,
    ("GET", "/poste/centres"): DESK,
    ("POST", "/poste/pret"): DESK,
    ("POST", "/poste/pause"): DESK,
    ("POST", "/poste/absent"): DESK,
    ("POST", "/poste/voix"): DESK,
    ("POST", "/poste/repondre"): DESK,
    ("POST", "/poste/attente"): DESK,
    ("POST", "/poste/micro"): DESK,
    ("POST", "/poste/rappel"): DESK,
    ("POST", "/poste/manque"): DESK,
    ("POST", "/poste/transfert"): DESK,
    ("POST", "/poste/transfert/terminer"): DESK,
    ("POST", "/poste/transfert/annuler"): DESK,
    ("POST", "/poste/conference"): DESK,
    ("POST", "/poste/rendre"): DESK,
    ("POST", "/poste/raccrocher"): DESK,
    ("POST", "/poste/cloture"): DESK,
    ("POST", "/poste/prendre"): DESK,
    ("POST", "/poste/offres"): DESK,
    ("POST", "/poste/choisir"): DESK,
    ("POST", "/poste/reprendre"): DESK,
    ("POST", "/poste/reserver"): DESK,
    ("POST", "/poste/liste-attente"): DESK,
    ("POST", "/poste/garder"): DESK,
    ("POST", "/poste/deplacer"): DESK,
    ("POST", "/poste/deplacer/confirmer"): DESK,
    ("POST", "/poste/annuler"): DESK,
    ("POST", "/poste/partenaire"): DESK,
    ("GET", "/poste/partenaire"): DESK,
    ("POST", "/poste/retablir"): DESK,
    ("POST", "/poste/texte"): DESK,
    ("POST", "/poste/appeler"): DESK,
    ("GET", "/poste/cas"): DESK,
    ("POST", "/poste/cas/ouvrir"): DESK,
    ("POST", "/poste/cas/rappeler"): DESK,
    ("POST", "/poste/cas/clore"): DESK,
    ("POST", "/poste/chercher"): DESK,
    ("POST", "/poste/chercher/ouvrir"): DESK,
    ("POST", "/poste/code"): DESK,
    ("POST", "/poste/lien"): DESK,
    ("GET", "/mon-rendez-vous"): PUBLIC,
    ("POST", "/mon-rendez-vous"): PUBLIC,
    ("GET", "/mon-rendez-vous/envoye"): PUBLIC,
    ("GET", "/mon-rendez-vous/voir"): PUBLIC,
    ("GET", "/mon-rendez-vous/rendez-vous.ics"): PUBLIC,
    ("POST", "/mon-rendez-vous/fin"): PUBLIC,
    ("GET", "/mon-rendez-vous/<string:slug>"): PUBLIC,
    ("POST", "/mon-rendez-vous/<string:slug>"): PUBLIC,
    ("GET", "/r/<string:token>"): PUBLIC,
    ("POST", "/r/<string:token>"): PUBLIC,
    ("GET", "/s/<string:token>"): PUBLIC,
    ("POST", "/s/<string:token>"): PUBLIC,
    ("GET", "/rendez-vous/telephone"): PUBLIC,
    ("POST", "/rendez-vous/telephone"): PUBLIC,
}
FILLED = {"int": "1", "float": "1.0", "uuid": "0" * 32}


def routes(app: Flask) -> Iterator[tuple[str, Rule]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule


def verdict(method: str, rule: Rule) -> str | tuple[str, ...]:
    if rule.rule.startswith(SIGNED):
        return PROVIDER
    # Where there is no row, nobody is expected; the first test says that it is missing.
    return VERDICTS.get((method, rule.rule), ())


def address(rule: Rule) -> str:
    values = {
        name: FILLED.get(type(converter).__name__.removesuffix("Converter").lower(), "x1")
        for name, converter in rule._converters.items()
    }
    built = rule.build(values, append_unknown=False)
    assert built is not None
    return built[1]


def is_let_in(answer: object) -> bool:
    """Whether a route itself answered; that it may find nothing there is another matter."""
    status = answer.status_code  # type: ignore[attr-defined]
    # What is not ready yet says so.
    assert status < 500 or (status == 503 and "Retry-After" in answer.headers), answer  # type: ignore[attr-defined]
    if status == 302:
        return "/connexion?" not in answer.headers["Location"]  # type: ignore[attr-defined]
    body = answer.get_json(silent=True) or {}  # type: ignore[attr-defined]
    refused = isinstance(body, dict) and body.get("error") in {"forbidden", "signed_out"}
    return not (status in {401, 403} and refused)


def test_every_route_has_a_row_and_every_row_a_route(made: House):
    there = {
        (method, rule.rule)
        for method, rule in routes(made.app)
        if verdict(method, rule) != PROVIDER
    }
    assert sorted(there - set(VERDICTS)) == []
    assert sorted(set(VERDICTS) - there) == []


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_let_in_where_the_table_says_so_and_nowhere_else(made: House, role: str):
    wrong = []
    for method, rule in routes(made.app):
        expected = verdict(method, rule)
        client = made.signs_in(role)
        headers = {"Accept": "application/json", "X-CSRFToken": client.csrf()}
        answer = client.open(address(rule), method=method, headers=headers)
        if expected == PROVIDER:
            right = answer.status_code == 403
        else:
            allowed = expected == PUBLIC or role in expected
            right = is_let_in(answer) is allowed
        if not right:
            wrong.append((method, rule.rule, answer.status_code, expected))
    assert wrong == []


def test_without_a_session_pages_lead_to_signing_in_and_scripts_are_refused(made: House):
    wrong = []
    for method, rule in routes(made.app):
        expected = verdict(method, rule)
        client = made.app.test_client()
        if expected == PROVIDER:
            right = client.open(address(rule), method=method).status_code == 403
        elif expected == PUBLIC:
            right = client.open(address(rule), method=method).status_code not in {401, 403}
        else:
            page = client.open(address(rule), method=method, headers={"Origin": BASE})
            script = client.open(
                address(rule), method=method, headers={"Accept": "application/json"}
            )
            right = script.status_code == 401 and script.json == {"error": "signed_out"}
            if method == "GET":
                right &= page.status_code == 302
                right &= page.headers["Location"].startswith("/connexion?")
            else:
                right &= page.status_code == 401
        if not right:
            wrong.append((method, rule.rule, expected))
    assert wrong == []


def test_whatever_changes_something_needs_the_token_of_the_page(made: House):
    for method, rule in routes(made.app):
        allowed = verdict(method, rule)
        if method == "GET" or allowed == PROVIDER:
            continue
        role = allowed[0] if isinstance(allowed, tuple) and allowed else "agent"
        client = made.signs_in(role)
        who = who_may(made.app, rule.endpoint)
        # A page that is the same for everybody has no token: there the origin alone is looked at.
        tries = [] if who is not None and who.free_form else [{"X-CSRFToken": "invented"}]
        for headers in (*tries, {"Origin": "https://evil.example"}):
            answer = client.open(address(rule), method=method, headers=headers)
            assert answer.status_code in {400, 403}, (method, rule.rule)


def test_a_route_that_does_not_say_whom_it_is_for_stops_the_start_and_is_never_answered():
    app = Flask("bare")
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    app.add_url_rule("/open", "open", public(lambda: "open"))
    app.add_url_rule("/staff", "staff", roles("agent")(lambda: "staff"))
    app.add_url_rule("/voice/x", "voice", lambda: "signed")
    # Flask's own route for files is none of ours, and the service has none.
    assert undeclared(app) == ["/forgotten", "/static/<path:filename>"]


def test_a_forgotten_route_is_refused_even_where_nobody_looked(made: House):
    made.app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert made.app.test_client().get("/forgotten").status_code == 403
    assert made.signs_in("supervisor").get("/forgotten").status_code == 403


@pytest.mark.parametrize("names", [(), ("boss",), ("agent", "boss")])
def test_only_roles_that_there_are_can_be_named(names: tuple[str, ...]):
    with pytest.raises(ValueError, match="no such role"):
        roles(*names)


def test_every_route_of_a_browser_has_the_strict_policy(made: House):
    for method, rule in routes(made.app):
        expected = verdict(method, rule)
        if expected == PROVIDER:
            continue
        role = expected[0] if isinstance(expected, tuple) and expected else "agent"
        with made.signs_in(role).open(address(rule), method=method) as answer:
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, rule
        assert "unsafe" not in policy, rule
        assert answer.headers["X-Content-Type-Options"] == "nosniff", rule
        if isinstance(expected, tuple):
            cached = answer.headers["Cache-Control"]
            assert "no-store" in cached or "private" in cached, rule
