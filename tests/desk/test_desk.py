"""/poste by its forms: what each does, once however often it is sent, and what is never told."""

from __future__ import annotations

import itertools
import json
import re

from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select

from flows.steps import STEPS
from models.agents import agents as agent_rows
from models.agents.tables import leg
from models.centres.tables import centre
from models.desk import desk as rows
from models.queue import call_queues, queues
from models.queue.queues import NewQueueEntry
from models.queue.tables import queue_entry
from models.supervision import alerts, snapshots
from prompts.screens import LANGUAGES, screen
from services.accounts.staff import read_acts
from services.agents.conversation import CODES
from services.agents.conversation import STEPS as BACK_STEPS
from services.agents.presence import PAUSES
from services.agents.struggling import WriteStruggling
from services.booking.changed import WhyNot
from services.centre_day.operation import OperationKind
from services.desk.booking import Refusal
from services.desk.caller_profile import draft_of
from services.desk.cases import WORDS as CASE_WORDS
from services.desk.search import MOST_FILES
from services.messages.deliver_message import UNDELIVERED
from services.messages.incoming_text import WRONG_NUMBER
from services.messages.retry_plan import FATES
from services.messages.topics import Topic
from services.service import Service
from tests.support.house import MOBILE, House, Phone, StaffClient, a_mobile, mornings
from tests.support.statements import statements

ENTRY = "e" * 32
HTMX = {"HX-Request": "true"}
JSON = {"Accept": "application/json"}
NONCE = re.compile(r'name="nonce" value="(\w+)"')
CHOICE = re.compile(r'name="choice" value="([0-9-]+)"')
PLACES = re.compile(r'name="places" value="([0-9-]+)"')


class Provider:
    """A provider that does everything, and remembers what it was asked."""

    calls_per_second = 100.0

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def do(*args: Any, **options: Any) -> str:
            self.asked.append((name, *args))
            return f"CA{len(self.asked):032x}"

        return do


class Desk:
    """An agent at their page, with the house and the provider behind it."""

    def __init__(self, made: House, service: Service | None = None) -> None:
        self.made, self.provider = made, Provider()
        self.service = service or made.service()
        self.app = made.application(self.provider, self.service)
        self.client: StaffClient = made.signs_in("agent", app=self.app)
        assert self.client.staff is not None
        self.staff = self.client.staff

    def posts(self, path: str, headers: Any = JSON, **form: Any) -> Any:
        """Send a form of the page as it is now: it names the caller who is there."""
        with self.made.database.statement() as connection:
            now = rows.now_of(connection, self.staff.id)
        form.setdefault("entry", (now and now.entry_id) or "")
        return self.client.post(f"/poste{path}", data=form, headers=headers)

    def does(self, path: str, **form: Any) -> str:
        """Send a form as the page's script does; the part that comes back."""
        answer = self.posts(path, HTMX, **form)
        assert answer.status_code == 200, (path, answer.status_code)
        return str(answer.text)

    def state(self) -> dict[str, Any]:
        found = self.client.get("/poste/etat", headers=JSON).json
        assert isinstance(found, dict)
        return found

    def has(self, phone: Phone | None, state: str = "talking", **entry: Any) -> None:
        """This agent has a caller."""
        made, vault = self.made, self.made.store.vault
        call_id = phone.sid if phone else None
        with made.database.transaction() as connection:
            clock = made.store.clock
            call_queues.add_queue(connection, clock, "fr", "fr")
            new = NewQueueEntry(
                entry.pop("id", ENTRY), "fr", entry.pop("kind", "call"), "fr", call_id=call_id,
                origin_call_id=call_id, number=entry.pop("number", MOBILE), reason="offers",
                known=made.session(call_id).known if call_id else {}, staff_id=self.staff.id,
                state=state,
            )  # fmt: skip
            assert queues.add(connection, clock, vault, new)
            queues.change(
                connection, clock, new.id, [state], conference_sid="CF1", answered_at=clock.at()
            )
            agent_rows.begin(connection, clock, self.staff.id)
            assert agent_rows.move(
                connection, clock, self.staff.id, ("offline", "ready"), state, entry_id=new.id
            )

    def draft(self) -> dict[str, Any]:
        with self.made.database.statement() as connection:
            entry = queues.load(connection, self.made.store.vault, ENTRY)
        assert entry is not None
        return draft_of(entry)


FORM = {
    "people": "1", "born1": "12/03/1942", "place": "75011", "number": "06 12 34 56 78", "text": "1",
}  # fmt: skip


@pytest.fixture
def desk(made: House) -> Desk:
    for gid, kilometres in (("1", 0.4), ("2", 4.1), ("3", 12.2)):
        made.opens_centre(gid, kilometres=kilometres, starts=mornings(20), capacity=4)
    return Desk(made)


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """With a caller who typed everything and gave up at the offers."""
    desk.has(desk.made.phone(MOBILE).goes_to("offers"))
    return desk


# ---------------------------------------------------------------- the agent


def test_an_agent_says_ready_pauses_and_goes_home(desk):
    assert desk.state()["state"] == "offline"
    assert desk.posts("/pret", voice="browser").json["done"]
    assert desk.state()["state"] == "ready"
    answer = desk.posts("/pause", reason="lunch").json
    assert answer["message"] == "Vous êtes en pause."
    assert (desk.state()["state"], desk.state()["reason"]) == ("paused", "lunch")
    refused = desk.posts("/pause", reason="because")
    assert (refused.status_code, refused.json["message"]) == (409, "Choisissez une raison.")
    assert desk.posts("/absent").json["done"]
    assert desk.state()["state"] == "offline"


def test_a_pause_in_a_call_is_for_afterwards(busy):
    answer = busy.posts("/pause", reason="break")
    assert answer.json["message"] == "Pause notée\u00a0: après cet appel."
    assert (busy.state()["state"], busy.state()["later"]) == ("talking", "break")


def test_without_a_number_the_voice_stays_in_the_browser(desk):
    refused = desk.posts("/voix", voice="phone")
    assert refused.status_code == 409
    assert "Mon compte" in refused.json["message"]
    assert desk.posts("/voix", voice="browser").json["done"]
    assert desk.posts("/voix", voice="smoke").status_code == 409


def test_without_scripts_a_form_leads_back_to_the_page_which_says_the_same(desk):
    answer = desk.posts("/pret", {"Accept": "text/html"}, voice="browser")
    assert answer.status_code == 303
    page = desk.client.get(answer.headers["Location"])
    assert "Vous êtes prêt." in page.text
    # Words of ours, and nothing that somebody wrote into an address.
    for said in ("<script>", "refused", "../why.gone"):
        page = desk.client.get("/poste", query_string={"dit": said}).text
        assert '<p id="told" class="said" role="status" aria-live="polite"></p>' in page


# ---------------------------------------------------------------- what is asked each second


def test_what_is_asked_each_second_has_nothing_personal_in_it(busy):
    text = json.dumps(busy.state())
    for secret in ("612345678", "1942", "75011", "Paris"):
        assert secret not in text
    assert busy.state()["entry"]["id"] == ENTRY


def test_unchanged_it_is_one_statement_and_no_body(busy):
    first = busy.client.get("/poste/etat", headers=JSON)
    busy.client.get("/poste/etat", headers=JSON)
    tag = {"If-None-Match": first.headers["ETag"]}
    with statements(busy.made.database) as asked:
        again = busy.client.get("/poste/etat", headers=JSON | tag)
    assert (again.status_code, again.data) == (304, b"")
    # Who is signed in is known for two seconds, the line for half a second.
    about_agents = [one for one in asked if "FROM agent" in one]
    assert len(about_agents) == 1
    assert not [one for one in asked if one.startswith(("INSERT", "UPDATE"))]


def test_the_page_is_seen_every_five_seconds_and_not_every_second(busy):
    def seen() -> Any:
        with busy.made.database.statement() as connection:
            found = agent_rows.get(connection, busy.staff.id)
        assert found is not None
        return found.seen_at

    before = seen()
    busy.made.clock.advance(timedelta(seconds=2))
    busy.state()
    assert seen() == before
    busy.made.clock.advance(timedelta(seconds=4))
    busy.state()
    assert seen() > before


def test_desks_of_one_worker_are_seen_by_one_write(desk):
    made = desk.made
    desk.posts("/pret", voice="browser")
    other = made.signs_in("agent", app=desk.app)
    other.post("/poste/pret", data={"entry": ""}, headers=JSON)
    made.clock.advance(timedelta(seconds=4))
    other.get("/poste/etat", headers=JSON)
    made.clock.advance(timedelta(seconds=1))
    with statements(made.database) as written:
        desk.state()
        other.get("/poste/etat", headers=JSON)
    assert len([one for one in written if one.startswith("UPDATE agent")]) == 1
    with made.database.statement() as connection:
        for who in (desk.staff.id, other.staff.id):
            found = agent_rows.get(connection, who)
            assert found is not None
            assert found.seen_at == made.clock.now()


def looks(desk: Desk) -> tuple[list[str], int]:
    """The callers who struggle, on a page of a worker that was just started; its looks for them."""
    again = Desk(desk.made)
    with statements(desk.made.database) as asked:
        calls = [one["call"] for one in again.state()["struggling"]]
    return calls, len([one for one in asked if "FROM turn" in one])


def test_who_struggles_is_looked_for_by_one_process_and_here_where_it_is_late(desk):
    made = desk.made
    phone = made.phone("+33612000001").goes_to("postcode")
    phone.answers("9999", "9999")
    # No process has written anything so far.
    assert looks(desk) == ([phone.sid], 1)
    desk.posts("/pret", voice="browser")
    assert WriteStruggling(made.store)() == 1
    made.clock.advance(timedelta(seconds=5))
    assert looks(desk) == ([phone.sid], 0)
    # It is still told that they struggle, until the next time that it is written.
    phone.hangs_up()
    assert looks(desk) == ([phone.sid], 0)
    made.clock.advance(timedelta(seconds=2))
    assert looks(desk) == ([], 1)


def test_the_line_comes_from_the_boards_snapshot(desk):
    with desk.made.database.transaction() as connection:
        body = {"line": {"calls": 7, "longest": "2026-11-25T08:00:00Z"}}
        snapshots.put(connection, desk.made.store.clock, "board", body)
    assert desk.state()["line"] == {"count": 7, "longest": "2026-11-25T08:00:00Z"}


def test_a_supervisor_who_listens_is_seen_by_the_agent(busy):
    supervisor = busy.made.employs("supervisor", name="Maxence Durand")
    with busy.made.database.transaction() as connection:
        now = busy.made.clock.now()
        row = {
            "id": "l" * 32, "kind": "supervisor", "staff_id": supervisor.id, "entry_id": ENTRY,
            "state": "joined", "mode": "listen", "created_at": now, "updated_at": now,
        }  # fmt: skip
        connection.execute(leg.insert(), [row])
    (seen,) = busy.state()["watch"]
    assert seen == {"mode": "listen", "text": "Maxence Durand écoute cette conversation."}
    assert "Maxence Durand écoute" in busy.client.get("/poste").text


# ---------------------------------------------------------------- the file


def test_before_bonjour_the_page_shows_all_that_was_given(desk):
    phone = desk.made.phone(MOBILE).goes_to("date_of_birth")
    phone.presses("99999999").goes_to("offers")
    desk.has(phone, state="reserved")
    page = desk.client.get("/poste").text
    for shown in (
        "06 12 34 56 78", "12 mars 1942", "75011", "99/99/9999", "pas compris",
        "Choix du créneau", "Il manque", "gardé jusqu’à",
    ):  # fmt: skip
        assert shown in page, shown
    assert 'value="12/03/1942"' in page


def test_before_bonjour_the_page_shows_for_which_language_an_interpreter_is_asked(desk):
    phone = desk.made.phone(MOBILE).dials()
    phone.presses("6").hears_text("un interprète")
    phone.presses("3").hears_text("Nous pouvons vous rappeler")
    phone.presses("1")
    (promise,) = desk.made.promises()
    # The call back keeps it, and supervisors see the reason in the list of places.
    assert promise.known["interpreter"] == "tr"
    assert promise.reason == "interpreter"
    desk.has(desk.made.phone(a_mobile(7)).dials().presses("6").presses("1"), state="reserved")
    assert "Interprète à appeler : arabe" in desk.client.get("/poste").text


@pytest.mark.parametrize(
    ("days", "day"),
    [(0, "mercredi 25 novembre à 15h10 (aujourd"), (1, "jeudi 26 novembre à 15h10 (demain)")],
)
def test_the_card_of_a_promised_call_shows_for_when_it_was_promised(desk, days: int, day: str):
    at = desk.made.clock.now().replace(hour=14, minute=10) + timedelta(days=days)
    desk.has(None, state="reserved", kind="callback")
    with desk.made.database.transaction() as connection:
        queues.change(connection, desk.made.store.clock, ENTRY, ["reserved"], expected_at=at)
    page = desk.client.get("/poste").text
    # On the card that rings, and in the file below it.
    assert page.count(f"rappel promis le {day}") == 2


def test_reading_the_file_of_ones_own_call_is_written_down_once_and_needs_no_reason(busy):
    busy.client.get("/poste")
    busy.client.get("/poste/dossier")
    (act,) = [one.act for one in read_acts(busy.made.store)]
    assert (act.what, act.subject, act.why) == ("read_file", ENTRY, "call")
    assert act.staff_id == busy.staff.id


def test_nobody_else_sees_the_file(busy):
    other = busy.made.signs_in("agent", app=busy.app)
    page = other.get("/poste").text
    assert "06 12 34 56 78" not in page
    assert "06 12 34 56 78" not in other.get("/poste/dossier").text


def test_a_script_in_a_name_or_in_what_was_said_is_text(busy):
    evil = "<script>alert(1)</script>"
    busy.does("/offres", **{**FORM, "name1": evil})
    page = busy.client.get("/poste").text
    assert evil not in page
    assert "&lt;script&gt;" in page


# ---------------------------------------------------------------- book


def choose(desk: Desk, **form: str) -> tuple[dict[str, Any], str]:
    """Search and take the first offer; the form that is to be confirmed, and the part."""
    wanted: dict[str, Any] = {**FORM, **form}
    part = desk.does("/offres", **wanted)
    wanted["choice"] = CHOICE.findall(part)[0]
    part = desk.does("/choisir", **wanted)
    wanted |= {"places": PLACES.findall(part), "nonce": NONCE.findall(part)[0], "postcode": "75011"}
    return wanted, part


def test_the_agent_books_for_one(busy):
    form, read_back = choose(busy, name1="Odette Martin")
    assert "À dire, puis à confirmer" in read_back
    done = busy.does("/reserver", **form)
    (booking,) = busy.made.bookings()
    assert booking.channel == "agent"
    assert booking.reference[:2] in done
    assert busy.draft()["booked"]
    (text,) = busy.made.messages("sms")
    assert busy.made.woken.messages == [text.id]
    # After a reload it is in the file of this call.
    assert "Rendez-vous de cet appel" in busy.client.get("/poste").text


def test_the_agent_reads_an_address_of_e_mail_back_before_it_books(busy):
    busy.service.mails = True
    _, read_back = choose(busy, mail="anne.martin@exemple.fr")
    assert "Un e-mail part à anne.martin@exemple.fr" in read_back
    _, read_back = choose(busy)
    assert "e-mail part" not in read_back


def test_the_agent_books_for_two_in_one_go_and_a_form_sent_twice_books_once(busy):
    form, read_back = choose(busy, people="2", born2="01071944")
    assert len(form["places"]) == 2
    assert "1 juillet 1944" in read_back or "1er juillet 1944" in read_back
    busy.does("/reserver", **form)
    again = busy.does("/reserver", **form)
    assert len(busy.made.bookings()) == 2
    assert "déjà réservé" in again
    assert len(busy.made.messages("sms")) == 2


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_lost(busy):
    part = busy.does("/offres", **{**FORM, "born1": "32011942", "place": "99999", "number": "0899"})
    for told in ("Date de naissance\u00a0:", "Cette commune", "Ce numéro"):
        assert told in part
    assert 'value="32011942"' in part
    # A page that is lost comes back to what was typed.
    assert 'value="32011942"' in busy.client.get("/poste").text


def test_the_callers_own_places_are_the_desks_once_the_agent_has_answered(busy):
    page = busy.client.get("/poste").text
    assert "Reprendre ses créneaux" in page
    assert busy.posts("/repondre").json["done"]
    part = busy.client.get("/poste/travail?part=booking").text
    assert len(CHOICE.findall(part)) == 3
    assert part.count("déjà entendu") == 3
    with busy.made.database.statement() as connection:
        held = rows.held_by(connection, busy.made.store.clock, [f"desk:{ENTRY}"])
    assert len(held) == 3
    # Asked again, nothing is looked for anew.
    busy.posts("/repondre")
    assert len(CHOICE.findall(busy.client.get("/poste/travail?part=booking").text)) == 3


def test_a_choice_that_is_not_on_the_desk_is_none(busy):
    part = busy.does("/choisir", **FORM, choice="987654")
    assert "Choisissez un créneau." in part
    part = busy.does("/choisir", **FORM, choice="1 OR 1=1")
    assert "Choisissez un créneau." in part


def test_without_a_caller_nothing_new_is_booked(desk):
    assert desk.posts("/offres", HTMX, **FORM).status_code == 409
    assert desk.posts("/reserver", HTMX, **FORM, places="1", nonce="a" * 24).status_code == 409


def test_who_is_booked_already_is_shown_and_that_is_written_down(busy):
    form, _ = choose(busy)
    busy.does("/reserver", **form)
    part = busy.does("/offres", **FORM)
    assert "déjà un rendez-vous" in part
    acts = [one.act for one in read_acts(busy.made.store) if one.act.details.get("entry")]
    assert {act.why for act in acts} == {"call"}


def test_somebody_is_put_on_the_waiting_list(busy):
    part = busy.does("/liste-attente", **FORM)
    assert "Sur la liste d’attente, en premier." in part


def test_without_scripts_searching_gives_the_whole_page(busy):
    answer = busy.posts("/offres", {"Accept": "text/html"}, **FORM)
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert len(CHOICE.findall(answer.text)) == 3


# ---------------------------------------------------------------- change


def booked(desk: Desk) -> dict[str, str]:
    """A booking of this call; what its card sends."""
    form, _ = choose(desk)
    part = desk.does("/reserver", **form)
    booking_id = re.findall(r'name="booking_id" value="(\w+)"', part)[0]
    return {"booking_id": booking_id, "version": "1", "nonce": "b" * 24}


def test_a_booking_is_cancelled_and_the_cancellation_taken_back(busy):
    card = booked(busy)
    part = busy.does("/annuler", **card)
    assert "On peut revenir dessus pendant dix minutes." in part
    assert busy.made.bookings()[0].state == "cancelled"
    assert "C’était déjà fait." in busy.does("/annuler", **card)
    part = busy.does("/retablir", **{**card, "version": "2", "nonce": "c" * 24})
    assert "Le rendez-vous est rétabli." in part
    assert busy.made.bookings()[0].state == "confirmed"


def test_a_card_that_is_out_of_date_changes_nothing(busy):
    card = booked(busy)
    part = busy.does("/annuler", **{**card, "version": "9"})
    assert "modifié entre-temps" in part
    part = busy.does("/annuler", **{**card, "nonce": "x"})
    assert "trop vieux" in part
    assert busy.made.bookings()[0].state == "confirmed"


def test_a_booking_moves_and_keeps_its_reference(busy):
    card = booked(busy)
    before = busy.made.bookings()[0]
    part = busy.does("/deplacer", **card, moving="first")
    assert "Déplacer le rendez-vous" in part
    choice = CHOICE.findall(part)[-1]
    form = {"booking_id": card["booking_id"], "moving": "first", "version": "1", "place": "75011"}
    part = busy.does("/choisir", **form, choice=choice)
    form |= {"places": PLACES.findall(part)[0], "nonce": NONCE.findall(part)[0]}
    assert "Confirmer le déplacement" in part
    busy.does("/deplacer/confirmer", **form)
    after = busy.made.bookings()[0]
    assert after.reference == before.reference
    assert (after.centre_id, after.start_at) != (before.centre_id, before.start_at)
    again = busy.does("/deplacer", stop="1")
    assert "Déplacer le rendez-vous" not in again


def test_the_text_is_sent_again_and_that_is_written_down(busy):
    card = booked(busy)
    assert "SMS renvoyé." in busy.does("/texte", **card)
    assert len(busy.made.messages("sms")) == 2
    assert "texted" in [one.act.what for one in read_acts(busy.made.store)]


def test_nobody_changes_a_booking_that_they_have_not_been_shown(busy):
    card = booked(busy)
    other = busy.made.signs_in("agent", app=busy.app)
    for path in ("/annuler", "/deplacer", "/texte", "/appeler", "/retablir"):
        answer = other.post(f"/poste{path}", data=card, headers=HTMX)
        assert answer.status_code == 404, path
    assert busy.made.bookings()[0].state == "confirmed"
    assert busy.posts("/annuler", HTMX, booking_id="' OR 1", version="1").status_code == 404


# ---------------------------------------------------------------- search


KNOWN = {"number": "0612345678", "born": "12 03 1942", "postcode": "75011"}
MASKED = re.compile(r'name="booking_id" value="(\w+)"')


def idle(busy: Desk) -> Desk:
    """A colleague without a caller."""
    return Desk(busy.made)


def opens(desk: Desk, found: str, **form: str) -> str:
    """Open the first file that a search found."""
    booking_id = MASKED.findall(found)[0]
    return desk.does("/chercher/ouvrir", booking_id=booking_id, **{"reason": "asked", **form})


def test_without_a_caller_a_search_needs_three_things_known_of_the_person(busy):
    booked(busy)
    other, reference = idle(busy), busy.made.bookings()[0].reference
    too_few = [
        {},
        {"reference": reference},
        {"reference": reference, "born": "12 03 1942"},
        {"number": "0612345678", "born": "12 03 1942"},
        {"postcode": "75011", "name": "Durand"},
    ]
    for known in too_few:
        assert "trois renseignements" in other.does("/chercher", **known), known
    # Nobody was looked for, and nothing tells whether there is somebody.
    assert not read_acts(busy.made.store, staff_id=other.staff.id)
    for known in (KNOWN, {"reference": reference, "born": "12 03 1942", "postcode": "75011"}):
        assert len(MASKED.findall(other.does("/chercher", **known))) == 1
    for wrong in ({"postcode": "35000"}, {"born": "13 03 1942"}, {"name": "Durand"}):
        assert "Rien n’est trouvé." in other.does("/chercher", **KNOWN | wrong), wrong


def test_with_the_caller_on_the_line_the_reference_is_enough(busy):
    booked(busy)
    reference = busy.made.bookings()[0].reference
    assert MASKED.findall(busy.does("/chercher", reference=reference))
    two = {"number": "0612345678", "born": "12 03 1942"}
    assert MASKED.findall(busy.does("/chercher", **two))
    assert "Donnez la référence" in busy.does("/chercher", born="12 03 1942")


def test_what_is_found_is_masked_until_a_reason_is_chosen(busy):
    booked(busy)
    (booking,) = busy.made.bookings()
    other = idle(busy)
    found = other.does("/chercher", **KNOWN)
    for secret in (booking.reference, "12 mars", "06 12 34 56 78", "Salle des fêtes", "75011"):
        assert secret not in found
    assert f"•••• •••• {booking.reference[-2:]}" in found
    assert "•••• 78" in found
    assert "La personne rappelle" in found
    for reason in ("", "because", "La personne rappelle"):
        refused = opens(other, found, reason=reason)
        assert "Choisissez une raison" in refused
        assert "12 mars" not in refused
    assert "12 mars 1942" in opens(other, found, reason="rings_back")
    acts = [one.act for one in read_acts(busy.made.store, staff_id=other.staff.id)]
    booking_id = MASKED.findall(found)[0]
    assert [(act.what, act.subject, act.why) for act in acts] == [
        ("read_file", booking_id, "rings_back"),
        ("searched", booking_id, ""),
    ]
    assert acts[1].details == {"by": "number+born+postcode", "found": 1}
    # What was opened may be changed, by whoever opened it.
    card = {"booking_id": booking_id, "version": "1", "nonce": "d" * 24}
    assert other.posts("/annuler", HTMX, **card).status_code == 200
    assert busy.made.bookings()[0].state == "cancelled"


def test_nobody_opens_a_file_that_they_did_not_find(busy):
    booked(busy)
    found = idle(busy).does("/chercher", **KNOWN)
    form = {"booking_id": MASKED.findall(found)[0], "reason": "asked"}
    other = idle(busy)
    assert other.posts("/chercher/ouvrir", HTMX, **form).status_code == 404
    assert other.posts("/chercher/ouvrir", HTMX, booking_id="x'", reason="asked").status_code == 404
    finder = idle(busy)
    finder.does("/chercher", **KNOWN)
    busy.made.clock.advance(timedelta(minutes=30))
    finder.client.get("/poste")
    busy.made.clock.advance(timedelta(minutes=30, seconds=1))
    assert finder.posts("/chercher/ouvrir", HTMX, **form).status_code == 404


def raised(busy: Desk) -> list[str]:
    with busy.made.database.statement() as connection:
        return [one.name for one in alerts.raised(connection)]


def test_sixty_files_an_hour_are_enough_for_work_and_no_way_to_read_the_neighbours(busy):
    booked(busy)
    other = idle(busy)
    found = other.does("/chercher", **KNOWN)
    for _ in range(MOST_FILES - 1):
        assert "12 mars 1942" in opens(other, found)
    # A search that finds nothing counts, too: guessing is not free.
    assert "Rien n’est trouvé." in other.does("/chercher", **KNOWN | {"postcode": "35000"})
    assert raised(busy) == []
    for refused in (opens(other, found), other.does("/chercher", **KNOWN)):
        assert "12 mars 1942" not in refused
        assert not MASKED.findall(refused)
        assert "Soixante dossiers" in refused
    # A supervisor is told, once.
    (act,) = [one.act for one in read_acts(busy.made.store) if one.act.what == "search_limit"]
    assert (act.staff_id, act.subject) == (other.staff.id, other.staff.id)
    assert raised(busy) == ["search_limit"]
    # A colleague's searches are their own, and an hour later one's own are, too.
    colleague = idle(busy)
    assert "12 mars 1942" in opens(colleague, colleague.does("/chercher", **KNOWN))
    busy.made.clock.advance(timedelta(minutes=59, seconds=59))
    assert "Soixante dossiers" in other.does("/chercher", **KNOWN)
    busy.made.clock.advance(timedelta(seconds=2))
    assert "12 mars 1942" in opens(other, other.does("/chercher", **KNOWN))


def test_with_a_caller_on_the_line_no_limit_stops_and_a_supervisor_is_told(busy):
    booked(busy)
    reference = busy.made.bookings()[0].reference
    for _ in range(MOST_FILES + 1):
        assert "Rien n’est trouvé." in busy.does("/chercher", reference="1234567890")
    assert raised(busy) == ["search_limit"]
    assert "12 mars 1942" in opens(busy, busy.does("/chercher", reference=reference))
    # The call is over: the agent has nobody to ask for.
    busy.posts("/raccrocher")
    assert "Soixante dossiers" in busy.does("/chercher", **KNOWN)


def test_a_booking_on_another_number_than_the_callers_counts_as_a_search(busy):
    phone = busy.made.phone("+33612000009").goes_to("offers")
    form, _ = choose(busy, number="06 12 00 00 09")
    busy.does("/reserver", **form)
    other = Desk(busy.made)
    other.has(phone, id="f" * 32, number="+33612000001")
    asked = {**FORM, "number": "06 12 00 00 09"}
    for _ in range(MOST_FILES):
        other.does("/chercher", reference="1234567890")
    assert raised(busy) == []
    # The caller is served, and a supervisor is told.
    assert 'class="card"' in other.does("/offres", **asked)
    assert raised(busy) == ["search_limit"]


def test_a_file_that_was_shown_long_ago_is_looked_for_again(busy):
    card = booked(busy)
    other = idle(busy)
    opens(other, other.does("/chercher", **KNOWN))
    busy.made.clock.advance(timedelta(minutes=59))
    assert other.posts("/texte", HTMX, **card).status_code == 200
    busy.made.clock.advance(timedelta(minutes=2))
    assert other.posts("/annuler", HTMX, **card).status_code == 404
    assert busy.made.bookings()[0].state == "confirmed"


def test_a_file_that_is_read_again_later_is_in_the_history_again(busy):
    busy.client.get("/poste")
    busy.made.clock.advance(timedelta(minutes=61))
    busy.client.get("/poste")
    busy.client.get("/poste/dossier")
    acts = [one.act for one in read_acts(busy.made.store) if one.act.subject == ENTRY]
    assert [act.what for act in acts] == ["read_file", "read_file"]


def test_who_missed_a_call_is_told_that_no_other_comes(desk):
    made = desk.made
    desk.posts("/pret", voice="browser")
    told = screen("fr")["desk.bar.missed"]
    assert told not in desk.client.get("/poste").text
    with made.database.transaction() as connection:
        agent_rows.move(
            connection, made.clock, desk.staff.id, ("ready",), "paused", reason="no_answer"
        )
    assert told in desk.client.get("/poste").text
    # A break of one's own is none of it.
    desk.posts("/pret", voice="browser")
    desk.posts("/pause", reason="lunch")
    assert told not in desk.client.get("/poste").text


# ---------------------------------------------------------------- calls


ABOUT_A_CALLER = [
    "/attente", "/transfert", "/transfert/terminer", "/transfert/annuler", "/conference",
    "/rendre", "/raccrocher", "/cloture", "/offres", "/choisir", "/reprendre", "/reserver",
    "/liste-attente", "/deplacer", "/deplacer/confirmer", "/annuler", "/retablir", "/texte",
]  # fmt: skip


def assert_nothing_was_done(busy: Desk, path: str) -> None:
    """The next caller is talked with, and nothing of the one before was done with them."""
    assert busy.provider.asked == [], path
    assert busy.state()["state"] == "talking", path
    # What was typed about somebody else is not kept with this one.
    assert "form" not in busy.draft(), path
    assert busy.made.bookings() == [], path


def test_the_caller_who_comes_between_the_look_and_the_act_is_left_alone(busy, monkeypatch):
    """The page was right when its wish came in; the next caller is there when it is carried out."""
    busy.client.get("/poste")
    busy.provider.asked.clear()
    before = "f" * 32
    monkeypatch.setattr("web.desk.pages.entry_of", lambda _now: {"id": before})
    form = {"code": "booked", "step": "welcome", "on": "1", "colleague": "someone", **FORM}
    for path in ABOUT_A_CALLER:
        late = busy.posts(path, JSON, entry=before, **form)
        assert (late.status_code, late.json["why"]) == (409, "other_call"), (path, late.text)
        assert_nothing_was_done(busy, path)
    assert {one.act.what for one in read_acts(busy.made.store)} <= {"read_file"}


def test_a_page_that_is_a_second_late_does_nothing_to_the_next_caller(busy):
    busy.client.get("/poste")
    busy.provider.asked.clear()
    for path, entry in itertools.product(ABOUT_A_CALLER, ("f" * 32, "")):
        late = busy.posts(path, JSON, entry=entry, code="booked", step="offers", on="1", **FORM)
        assert late.status_code == 409, (path, late.text)
        assert late.json["message"] == "Cet appel n’est plus le vôtre\u00a0: rien n’a été fait."
        assert busy.posts(path, HTMX, entry=entry, **FORM).status_code == 409
        assert_nothing_was_done(busy, path)


def test_every_form_of_the_page_names_its_caller(busy):
    card = booked(busy)
    pages = [
        busy.client.get("/poste").text,
        busy.client.get("/poste/centres?q=salle").text,
        busy.does("/texte", **card),
        busy.does("/offres", **FORM),
    ]
    for page in pages:
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="/poste.*?</form>', page, re.DOTALL)
        assert [form for form in forms if f'name="entry" value="{ENTRY}"' not in form] == []


def test_a_caller_waits_with_music_and_comes_back(busy):
    busy.posts("/attente", on="1")
    assert busy.state()["entry"]["held"]
    assert busy.provider.asked[-1][0] == "hold"
    busy.posts("/attente", on="0")
    assert busy.state()["entry"]["held"] is None


def test_hanging_up_needs_a_code_before_the_next_caller(busy):
    busy.posts("/repondre")
    assert busy.posts("/raccrocher").json["done"]
    assert busy.state()["state"] == "wrapup"
    refused = busy.posts("/cloture", code="", note="")
    assert (refused.status_code, refused.json["message"]) == (409, "Choisissez un motif.")
    page = busy.client.get("/poste/travail?part=actions").text
    assert "Pas de donnée de santé" in page
    assert busy.posts("/cloture", code="booked", note="Rappeler le matin").json["done"]
    assert busy.state()["state"] == "ready"
    assert busy.made.held() == 0
    with busy.made.database.statement() as connection:
        noted = connection.execute(select(queue_entry.c.note_enc)).scalar_one()
    opened = busy.made.store.vault.open_text(noted, f"queue_entry.note:{ENTRY}")
    assert opened == "Rappeler le matin"


def test_a_number_that_costs_or_is_abroad_is_not_rung(busy):
    for number in ("0899123456", "+447911123456", "15"):
        assert busy.posts("/transfert", number=number).status_code == 409
    assert busy.provider.asked == []
    assert busy.posts("/transfert", number="01 42 68 53 00").json["done"]
    assert busy.provider.asked[-1][:2] == ("ring", "+33142685300")


def test_a_call_of_the_menu_is_taken(desk):
    phone = desk.made.phone("+33612000001").goes_to("postcode")
    with desk.made.database.transaction() as connection:
        call_queues.add_queue(connection, desk.made.store.clock, "fr", "fr")
    desk.posts("/pret", voice="browser")
    # It goes on by itself: knowing its id is not enough.
    assert desk.posts("/prendre", call_id=phone.sid).json["why"] == "not_struggling"
    phone.answers("9999", "9999")
    answer = desk.posts("/prendre", call_id=phone.sid)
    assert answer.json["done"], answer.json
    assert desk.state()["state"] == "reserved"
    page = desk.client.get("/poste").text
    assert "Appel repris dans le menu" in page
    assert "12 mars 1942" in page
    assert desk.posts("/prendre", call_id="CAnobody").status_code == 409


def test_a_caller_goes_back_to_the_machine_with_their_places(busy):
    busy.posts("/repondre")
    assert busy.posts("/rendre", step="nowhere").status_code == 409
    assert busy.posts("/rendre", step="offers").json["done"]
    with busy.made.database.statement() as connection:
        clock = busy.made.store.clock
        entry = queues.load(connection, busy.made.store.vault, ENTRY)
        assert entry is not None
        assert len(rows.held_by(connection, clock, [entry.call_id or ""])) == 3
        assert rows.held_by(connection, clock, [f"desk:{ENTRY}"]) == []


def test_centres_are_found_by_name_town_or_code(desk):
    with desk.made.database.transaction() as connection:
        connection.execute(
            centre.update().where(centre.c.id == "1").values(phones='["+33142685300"]')
        )
    for asked in ("salle", "PARIS", "75011 fêtes"):
        part = desk.client.get("/poste/centres", query_string={"q": asked}).text
        assert "01 42 68 53 00" in part, asked
    assert "Aucun centre trouvé" in desk.client.get("/poste/centres?q=zanzibar").text
    assert "01 42 68" not in desk.client.get("/poste/centres?q=%25").text


def test_where_nothing_is_free_an_agent_is_told_who_takes_people_without_an_appointment(busy):
    with busy.made.database.transaction() as connection:
        connection.execute(centre.update().values(booking_mode="own_phone", walk_in="only"))
    part = busy.does("/offres", **FORM).replace("\u00a0", " ")
    assert "Rien n’est libre à cet endroit." in part
    assert "Sans rendez-vous : Salle des fêtes, 12 rue de la Paix, Paris 11e, 0,4 km." in part
    # Who is kept for professionals is told to nobody, and a long way is not proposed.
    with busy.made.database.transaction() as connection:
        connection.execute(
            centre.update().where(centre.c.id == "1").values(booking_mode="reserved")
        )
        connection.execute(centre.update().where(centre.c.id != "1").values(latitude=44.0))
    assert "Sans rendez-vous" not in busy.does("/offres", **FORM)


def test_an_agent_reads_where_people_come_without_an_appointment(desk):
    with desk.made.database.transaction() as connection:
        connection.execute(centre.update().values(phones="[]"))
    assert "Aucun centre trouvé" in desk.client.get("/poste/centres?q=paris").text
    for way, told in (("only", "sans rendez-vous"), ("also", "avec ou sans rendez-vous")):
        with desk.made.database.transaction() as connection:
            connection.execute(centre.update().where(centre.c.id == "1").values(walk_in=way))
        assert f" · {told}<" in desk.client.get("/poste/centres?q=paris").text


# ---------------------------------------------------------------- words


def test_every_key_that_is_put_together_has_words_in_both_languages():
    wanted = [
        *(f"step.{one}" for one in STEPS),
        *(f"back.{one}" for one in BACK_STEPS),
        *(f"wrapup.{one}" for one in CODES),
        *(f"pause.{one}" for one in PAUSES),
        *(f"refused.{one}" for one in Refusal),
        *(f"unchanged.{one}" for one in WhyNot),
        *(f"watch.{one}" for one in ("listen", "whisper", "join")),
        *(f"struggle.{one}" for one in ("misses", "repeats", "silence")),
        *(f"actions.third_{one}" for one in ("asked", "ringing", "answered", "joined")),
        *(f"topic.{one}" for one in Topic),
        *(f"case.word.{one}" for one in CASE_WORDS),
        *(f"case.kind_{one}" for one in (*OperationKind, UNDELIVERED, WRONG_NUMBER)),
        *(f"error.e{one}" for one in FATES),
    ]
    for language in LANGUAGES:
        words = screen(language)
        assert [one for one in wanted if f"desk.{one}" not in words] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", ["reserved", "talking", "wrapup"])
def test_the_page_is_whole_in_every_state_and_language(desk, state, language):
    desk.has(desk.made.phone(MOBILE).goes_to("offers"), state=state)
    page = desk.client.get(f"/poste?lang={language}")
    assert page.status_code == 200
    assert f'lang="{language}"' in page.text
    assert "style=" not in page.text
    assert "onclick" not in page.text
    for part in ("work", "bar", "actions", "booking"):
        assert desk.client.get(f"/poste/travail?part={part}").status_code == 200
    assert desk.client.get("/poste/travail?part=../base").status_code == 404
