"""What each partner is asked, in which order, and that a centre is all there or not at all."""

from __future__ import annotations

from datetime import date

import pytest

from partners.platforms.doctolib import walk
from partners.platforms.keldoc import walk as keldoc_walk
from partners.platforms.maiia import walk as maiia_walk
from partners.walking import (
    CentreReading,
    Gone,
    LinkToRead,
    PartnerAnswer,
    ReadingPlan,
    ReadingTrouble,
)
from tests.partners.answers import (
    doctolib_page,
    doctolib_slots,
    keldoc_motives,
    keldoc_slots,
    maiia_centre,
    maiia_reason,
    maiia_slot,
)
from tests.partners.site import Site, paged, walked

TODAY = date(2021, 5, 1)
LINK = "https://www.doctolib.fr/centre-de-sante/vitre/centre-du-marais"
KELDOC_LINK = "https://vaccination-covid.keldoc.com/centre-hospitalier/vitre-35500/ch-du-lin"
API = "/api/patients/v2"


def plan(*links: LinkToRead | str, **more: object) -> ReadingPlan:
    wanted = tuple(LinkToRead(link) if isinstance(link, str) else link for link in links)
    return ReadingPlan("https://partner.example", TODAY, links=wanted, **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------ Doctolib


def test_doctolib_is_asked_page_by_page_agendas_in_the_page_s_order():
    page = doctolib_page()
    page["data"]["agendas"].append(
        {"id": 4, "practice_id": 701, "visit_motive_ids_by_practice_id": {"701": [11]}}
    )
    page["data"]["doctors"] = [{"link": "/cabinet/vitre/autre", "place_id": 900}]
    free = doctolib_slots("2021-05-03T09:00:00+02:00")
    site = Site({"/booking/centre-du-marais.json": page, "/availabilities.json": free})
    found = walked(walk.walk(plan(LINK)), site)
    assert site.queries("/availabilities.json") == [
        {
            "start_date": "2021-05-01",
            "visit_motive_ids": "11",
            "agenda_ids": agendas,
            "practice_ids": practice,
            "insurance_sector": "public",
            "destroy_temporary": "true",
            "limit": "7",
        }
        for practice, agendas in (("701", "22-4"), ("702", "21"))
    ]
    assert [(one.centre.id, one.centre.link, len(one.slots)) for one in found] == [
        ("doctolib:40:practice-701", f"{LINK}?pid=practice-701", 1),
        ("doctolib:40:practice-702", f"{LINK}?pid=practice-702", 1),
    ]
    assert {one.slots[0].bookable_for for one in found} == {"public"}


def test_doctolib_reads_only_the_place_that_a_link_selects_and_a_page_once():
    site = Site(
        {
            "/booking/centre-du-marais.json": doctolib_page(),
            "/availabilities.json": {"availabilities": []},
        }
    )
    links = [
        LinkToRead(f"{LINK}?pid=practice-702", "g2"),
        LinkToRead(
            "https://partners.doctolib.fr/x/centre-du-marais?pid=practice-702?speciality_id=1"
        ),
    ]
    found = walked(walk.walk(plan(*links)), site)
    assert [one.centre.id for one in found if isinstance(one, CentreReading)] == [
        "doctolib:40:practice-702"
    ]
    assert len(site.queries("/booking/centre-du-marais.json")) == 1


def test_doctolib_s_own_list_is_read_to_its_empty_page():
    doctors = [{"link": "/centre-de-sante/vitre/a-la-halle", "zipcode": "35500", "place_id": None}]
    site = Site(
        {
            "/vaccination-covid-19/ille-et-vilaine.json": lambda query: {
                "data": {"doctors": doctors if query["page"] == "1" else []}
            },
            "/booking/a-la-halle.json": PartnerAnswer(410),
        }
    )
    found = walked(walk.walk(plan(departements=("ille-et-vilaine",))), site)
    assert found == [Gone("https://www.doctolib.fr/centre-de-sante/vitre/a-la-halle")]


def test_a_centre_is_not_half_read():
    answers = iter([doctolib_slots("2021-05-03T09:00:00Z"), PartnerAnswer(0, why="no answer")])
    site = Site(
        {
            "/booking/centre-du-marais.json": doctolib_page(),
            "/availabilities.json": lambda _query: next(answers),
        }
    )
    found = walked(walk.walk(plan(LINK)), site)
    assert [type(one) for one in found] == [CentreReading, ReadingTrouble]
    assert found[1] == ReadingTrouble("centre-du-marais", "no answer")


def test_html_where_json_should_be_is_trouble_and_the_next_page_is_read():
    other = f"{LINK}-deux"
    site = Site(
        {
            "/booking/centre-du-marais.json": PartnerAnswer(200, b"<html>"),
            "/booking/centre-du-marais-deux.json": doctolib_page(agendas=[]),
        }
    )
    found = walked(walk.walk(plan(LINK, other)), site)
    assert [type(one) for one in found] == [ReadingTrouble, CentreReading, CentreReading]


# ------------------------------------------------------------------ Maiia


def test_maiia_is_asked_by_the_reason_s_name_to_the_letter():
    own = "c" * 24
    name = 'Bus  "vert" / +75 ans'
    reasons = [
        maiia_reason(name, "r1", injectionType="FIRST"),
        maiia_reason(name, "r2", injectionType="FIRST"),
        maiia_reason("Test PCR", "r3"),
    ]
    slots = [maiia_slot(f"2021-05-03T{n // 60:02}:{n % 60:02}:00Z", "r2") for n in range(700)]
    site = Site(
        {
            "/api/pat-public/hcd": lambda query: (
                paged([maiia_centre(f"{n:024x}") for n in range(60)] + [maiia_centre(own)])(query)
                if query["speciality.shortName"] == "pharmacien"
                else {"items": [], "total": 0}
            ),
            "/api/pat-public/consultation-reason-hcd": paged(reasons),
            "/api/pat-public/availabilities": paged(slots),
        }
    )
    link = f"https://www.maiia.com/centre-de-vaccination/35500-vitre/quai?centerId={own}"
    (found,) = walked(maiia_walk.walk(plan(LinkToRead(link, "g1"))), site)
    assert isinstance(found, CentreReading)
    assert (found.centre.id, found.gid, len(found.slots)) == (f"maiia:{own}", "g1", 700)
    assert {slot.bookable_for for slot in found.slots} == {"age>=75"}
    queries = site.queries("/api/pat-public/availabilities")
    assert [(query["consultationReasonName"], query["page"]) for query in queries] == [
        (name, "0"),
        (name, "1"),
    ]


def test_maiia_s_404_is_an_empty_list_and_its_trouble_stays_its_own():
    site = Site({"/api/pat-public/hcd": paged([maiia_centre(), maiia_centre("d" * 24)])})
    found = walked(maiia_walk.walk(plan(departements=("35",))), site)
    assert [(type(one), len(one.slots)) for one in found if isinstance(one, CentreReading)] == [
        (CentreReading, 0),
        (CentreReading, 0),
    ]


@pytest.mark.parametrize(
    "bad", [PartnerAnswer(404), PartnerAnswer(410), {"error": "trop de monde"}, {"id": 5}], ids=str
)
def test_a_page_is_not_gone_and_not_empty_because_a_part_of_it_is_refused(bad):
    pages = {"/booking/centre-du-marais.json": doctolib_page(), "/availabilities.json": bad}
    assert [type(one) for one in walked(walk.walk(plan(LINK)), Site(pages))] == [ReadingTrouble]
    links = plan(f"{KELDOC_LINK}?cabinet=6")
    base = f"{API}/clinics/9/specialties/144/cabinets"
    for part in (f"{API}/timetables/7", f"{base}/6/motive_categories", base):
        site = keldoc_site(keldoc_slots("2021-05-03T16:50:00Z"), **{part: bad})
        assert [type(one) for one in walked(keldoc_walk.walk(links), site)] == [ReadingTrouble]


@pytest.mark.parametrize("refusal", [{"error": "non"}, {"message": "non"}])
def test_a_page_that_is_refused_in_json_is_not_read(refusal):
    pages = {"/booking/centre-du-marais.json": refusal}
    assert [type(one) for one in walked(walk.walk(plan(LINK)), Site(pages))] == [ReadingTrouble]
    site = keldoc_site({}, **{f"{API}/searches/resource": refusal})
    assert [type(one) for one in walked(keldoc_walk.walk(plan(KELDOC_LINK)), site)] == [
        ReadingTrouble
    ]


# ------------------------------------------------------------------ Keldoc


def keldoc_site(timetable: object, **more: object) -> Site:
    base = f"{API}/clinics/9/specialties/144/cabinets"
    cabinets = [
        {"id": own, "name": f"Salle {own}", "location": "1 Rue du Lin, 35500 Vitré"}
        for own in (5, 6)
    ]
    motives = keldoc_motives((7, "1ère injection"), (8, "Vaccination PS"))
    return Site(
        {
            f"{API}/searches/resource": {"id": 9, "specialties": [{"id": 144}, {"id": 9302}]},
            base: cabinets,
            f"{base}/5/motive_categories": motives,
            f"{base}/6/motive_categories": motives,
            f"{API}/timetables/7": timetable,
            **more,
        }
    )


def test_keldoc_is_asked_from_the_page_to_the_timetables_of_one_cabinet():
    site = keldoc_site(keldoc_slots("2021-05-03T16:50:00.000000+0200"))
    (found,) = walked(keldoc_walk.walk(plan(f"{KELDOC_LINK}?cabinet=6")), site)
    assert isinstance(found, CentreReading)
    assert (found.centre.id, found.centre.link) == ("keldoc:6", f"{KELDOC_LINK}?cabinet=6")
    assert [(slot.dose, slot.bookable_for) for slot in found.slots] == [(1, "public")] * 2
    assert found.left_out == 1
    windows = [(q["from"], q["to"]) for q in site.queries(f"{API}/timetables/7")]
    assert windows == [("2021-05-01", "2021-05-05"), ("2021-05-06", "2021-05-07")]
    assert site.queries(f"{API}/searches/resource") == [
        {"type": "centre-hospitalier", "location": "vitre-35500", "slug": "ch-du-lin"}
    ]


def test_keldoc_by_telephone_only_has_its_number_and_no_slot():
    by_phone = {"text": "uniquement", "phone_number": "+33299740001"}
    found = walked(keldoc_walk.walk(plan(KELDOC_LINK)), keldoc_site(by_phone))
    assert [(one.centre.phone, one.centre.phone_only, one.slots) for one in found] == [
        ("+33299740001", True, ())
    ] * 2


def test_keldoc_s_next_date_beyond_the_window_ends_the_asking():
    later = {"text": "Prochain RDV", "date": "2021-06-20T16:55:00.000+02:00"}
    site = keldoc_site(later)
    walked(keldoc_walk.walk(plan(f"{KELDOC_LINK}?cabinet=5")), site)
    assert len(site.queries(f"{API}/timetables/7")) == 1


def test_a_cabinet_whose_name_is_for_professionals_has_nothing_for_the_public():
    cabinets = [{"id": 5, "name": "Salle pour les professionnels", "location": "35500 Vitré"}]
    base = f"{API}/clinics/9/specialties/144/cabinets"
    site = keldoc_site(keldoc_slots("2021-05-03T16:50:00Z"), **{base: cabinets})
    (found,) = walked(keldoc_walk.walk(plan(KELDOC_LINK, days=5)), site)
    assert (found.slots, found.left_out) == ((), 2)
