"""The supervisors' page in a real Chromium: at a glance, on a phone, by the keys alone."""

from __future__ import annotations

import re

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from models.accounts.tables import staff_act
from models.agents.tables import agent
from models.queue.tables import agent_queue
from tests.browser.board_stage import BoardStage, board_stage, opens
from tests.browser.stage import shelf
from tests.supervision.board_day import recount, shown
from tests.support.rows import rows_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def copies(new_store: Callable[[], str], copy_store: Callable[[str], str]) -> Callable[[], Any]:
    """Each call gives the board of a busy day on a store of its own: to fill one takes seconds."""
    filled = new_store()
    with board_stage(filled) as first:
        pass
    return lambda: board_stage(copy_store(filled), like=first)


@pytest.fixture
def staged(copies: Callable[[], Any]) -> Iterator[BoardStage]:
    """A board that the test may change."""
    with copies() as made:
        yield made


@pytest.fixture(scope="module")
def day(copies: Callable[[], Any]) -> Iterator[BoardStage]:
    """A board that no test changes."""
    with copies() as made:
        yield made


class Visits:
    """Opens pages of a board; no error in them is forgiven."""

    def __init__(self, browser: Browser, stage: BoardStage) -> None:
        self._browser, self._stage, self._pages = browser, stage, list[Any]()

    def __call__(self, width: int | str = 1280, path: str = "/supervision", **options: Any) -> Page:
        if width == "paused":
            # Its clock goes on only when a test says so.
            width, options["paused_at"] = 1280, options.pop("clock", "2026-11-25T10:07:30")
        page = opens(self._browser, self._stage, int(width), path, **options)
        self._pages.append(page)
        return page

    def close(self) -> None:
        for page in self._pages:
            shelf.give_back(page)
        assert [trouble for page in self._pages for trouble in page.troubles] == []


@pytest.fixture
def visits(browser: Browser, staged: BoardStage) -> Iterator[Visits]:
    """Opens pages of a board that the test may change."""
    made = Visits(browser, staged)
    yield made
    made.close()


@pytest.fixture
def looks(browser: Browser, day: BoardStage) -> Iterator[Visits]:
    """Opens pages of a board that no test changes."""
    made = Visits(browser, day)
    yield made
    made.close()


def shows(page: Page) -> None:
    """Wait for the first figures."""
    expect(figure(page, "backlog")).not_to_have_text("—")


def figure(page: Page, name: str) -> Any:
    return page.locator(f"#tile-{name} [data-value]")


def test_what_two_supervisors_see_follows_the_store(visits, staged):
    pages = [visits(), visits(390)]
    for page in pages:
        shows(page)
        expect(page.locator("#freshness")).to_contain_text("À jour")
    works = staged.house.database
    with works.transaction() as connection:
        connection.execute(
            agent_queue.update().where(agent_queue.c.id == "fr").values(announcement="Patience.")
        )
    staged.passes()
    for page in pages:
        expect(page.locator("#queue-rows")).to_contain_text("Patience.")
    body = pages[0].evaluate("Board.body")
    line = recount(works, staged.house.clock.now(), staged.house.clock.now())["waiting"]
    assert shown(body)["waiting"] == line


def test_figures_that_nobody_writes_any_more_are_called_frozen(visits, staged):
    page = visits()
    banner = page.locator("#stale")
    shows(page)
    expect(banner).to_be_hidden()
    staged.house.clock.advance(timedelta(seconds=40))
    expect(banner).to_contain_text(re.compile("^Chiffres de 11.h.07, il y a 0:4"))
    for tile in page.locator(".figure").all():
        expect(tile).to_have_attribute("data-state", "old")
        expect(tile.locator("[data-word]")).to_have_text(re.compile("Chiffres de 11.h.07"))
    # It is read aloud: not anew each second.
    steps = page.evaluate("[4, 12, 19.9, 59, 61, 119, 3700].map(Board.about)")
    assert steps == ["0:05", "0:10", "0:10", "0:50", "1:00", "1:00", "1 h 01"]
    expect(page.locator("#freshness")).to_be_hidden()
    staged.write()
    expect(banner).to_be_hidden()
    expect(page.locator("#tile-menu")).to_have_attribute("data-state", "none")


def test_the_numbers_are_large_and_colour_is_never_alone(looks):
    page = looks()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        shows(page)
        are_large_and_told_in_words(page, width)


def are_large_and_told_in_words(page: Page, width: int) -> None:
    tile = page.locator("#tile-backlog")
    expect(tile).to_have_attribute("data-state", "watch")
    expect(tile.locator("[data-word]")).to_have_text("À surveiller")
    sizes = page.evaluate(
        "[...document.querySelectorAll('.figure .big')]"
        ".map(e => [parseFloat(getComputedStyle(e).fontSize), e.scrollWidth <= e.clientWidth + 1])"
    )
    assert all(fits for _size, fits in sizes)
    assert sum(size >= 64 for size, _fits in sizes) >= 6
    signs = page.evaluate(
        "[...document.querySelectorAll('.figure:not([data-state=none]) .sign')]"
        ".map(e => getComputedStyle(e, '::before').content)"
    )
    assert len(signs) >= 4
    assert "none" not in signs
    # Nothing makes the page itself wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_charts_have_lines_and_the_same_figures_in_tables(looks):
    page = looks()
    shows(page)
    expect(page.locator("#chart-length canvas")).to_have_count(1)
    expect(page.locator("#chart-bookings canvas")).to_have_count(1)
    expect(page.locator("#chart-length .legend")).to_contain_text("Hier")
    page.click("#chart-length summary")
    rows = page.locator("#chart-length tbody tr")
    expect(rows.first).to_be_visible()
    first = page.evaluate(
        "(() => { const {times, length} = Charts.last.today;"
        " const at = times.indexOf('10:00'); return [times[at], length[at]]; })()"
    )
    expect(page.locator("#chart-length tbody tr", has_text=first[0])).to_contain_text(
        str(int(first[1]))
    )


def test_the_funnel_says_where_it_became_worse(looks):
    page = looks()
    shows(page)
    row = page.locator("#funnel-rows tr", has_text="Code postal")
    expect(row).to_contain_text("▲ monte")
    expect(page.locator("#alert-list")).to_contain_text("Échecs inhabituels")
    page.check("#all-steps")
    came = "Board.body.funnel.filter(one => one.entered + one.hung_up + one.missed + one.silent)"
    expect(page.locator("#funnel-rows tr")).to_have_count(page.evaluate(f"{came}.length"))


def test_queues_are_changed_by_the_keys_alone_and_taken_back(visits, staged):
    page = visits()
    shows(page)
    page.locator("#queue-rows input").first.focus()
    page.keyboard.press("Space")
    page.locator("#queues .act summary").focus()
    page.keyboard.press("Enter")
    page.locator("#new-state").focus()
    page.keyboard.type("Ferm")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.locator("#confirm")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Changer l’état : Fermée")
    waiting = page.evaluate("Board.body.line.queues.find(one => one.id === 'en').calls")
    expect(dialog).to_contain_text(f"1 file(s), où {waiting} personne(s) attendent")
    # It opens on the way out.
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    toast = page.locator("#toast")
    expect(toast).to_contain_text("C’est fait : état de la file.")
    states = select(agent_queue.c.state).where(agent_queue.c.id == "en")
    assert rows_of(staged.house.database, states) == [("closed",)]
    staged.passes()
    expect(page.locator("#queue-rows tr").first).to_contain_text("Fermée")
    assert page.locator("#queue-rows input").first.is_checked()
    page.locator("#toast-undo").focus()
    page.keyboard.press("Enter")
    expect(toast).to_contain_text("L’acte est annulé.")
    assert rows_of(staged.house.database, states) == [("hours",)]


def test_escape_changes_nothing(looks, day):
    page = looks()
    shows(page)
    page.locator("#agent-rows input").first.check()
    page.click("#agents .act summary")
    page.get_by_role("button", name="Mettre hors ligne").click()
    expect(page.locator("#confirm")).to_contain_text("1 agent(s)")
    page.keyboard.press("Escape")
    expect(page.locator("#confirm")).to_be_hidden()
    assert rows_of(day.house.database, select(staff_act)) == []


def test_somebody_who_waits_is_given_to_an_agent(visits, staged):
    page = visits()
    row = page.locator("#entry-rows tr", has_text="attend").first
    row.locator("select").select_option(label="Lou Moreau")
    row.get_by_role("button").click()
    expect(page.locator("#toast")).to_contain_text("C’est fait : appel confié.")
    assert len(staged.control.calls) == 1
    staged.passes()
    expect(page.locator("#entry-rows")).to_contain_text("sonne chez Lou Moreau")


def test_what_cannot_be_is_said_in_a_sentence(looks):
    page = looks()
    shows(page)
    page.click("#queues .act summary")
    page.get_by_role("button", name="Changer l’état").click()
    expect(page.locator("#toast")).to_contain_text("Choisissez au moins une file.")
    page.fill("#threshold-longest_wait", "5")
    # The browser itself says so, and asks nobody.
    page.locator("#threshold-longest_wait").press("Enter")
    assert page.evaluate("!document.getElementById('threshold-longest_wait').checkValidity()")


def test_a_wall_has_no_buttons_and_fits_its_screen(visits):
    page = visits(1920, "/supervision?mur=1")
    shows(page)
    # Nobody's name, and nothing to do but to leave it there.
    assert page.locator("#agents, #entries, #settings").count() == 0
    page.get_by_role("button", name="Laisser affiché douze heures").click()
    page.wait_for_url("**/supervision/mur")
    shows(page)
    expect(page.locator("main")).to_contain_text("Affiché jusqu’au 25/11 23:07")
    assert page.locator("button:visible").all_inner_texts() == ["Fermer l’écran"]
    for part in ("#tile-backlog", "#tile-texts", "#advice", "#chart-hour"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 1080, part


def test_what_to_look_at_comes_first_and_leads_to_where_it_is_acted_on(visits, staged):
    page = visits()
    shows(page)
    told = page.locator("#advice li")
    assert 1 <= told.count() <= 4
    states = told.evaluate_all("rows => rows.map(row => row.dataset.state)")
    assert states == sorted(states, key=["bad", "watch", "good"].index)
    # The word of the colour is there for who does not see it.
    expect(told.first.locator("[data-verdict]")).to_have_text("Alerte :")
    step = told.filter(has_text="On échoue surtout à")
    expect(step).to_contain_text("hier")
    step.get_by_role("link", name="Voir les étapes").click()
    expect(page.locator("#funnel-title")).to_be_in_viewport()
    with staged.house.database.transaction() as connection:
        connection.execute(agent.update().values(state="offline"))
    staged.passes()
    expect(told.filter(has_text="Personne n’est au poste")).to_be_visible()


def test_nothing_to_look_at_is_said_too(looks):
    page = looks()
    shows(page)
    page.evaluate(
        "Object.assign(Board.body.backlog, {people: 0, calls: 0, callbacks: 0});"
        "Board.body.line.calls = 0;"
        "Object.assign(Board.body.callbacks, {promised: 0, overdue: 0, last: null});"
        "Board.body.funnel = []; Board.body.texts.missing = 0; Board.body.places.free = {};"
        "Board.showNow()"
    )
    told = page.locator("#advice li")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("Rien d’urgent")


def test_a_tab_that_was_left_open_asks_for_the_password_before_it_closes_the_line(visits, staged):
    page = visits()
    shows(page)
    staged.house.clock.advance(timedelta(minutes=11))
    staged.write()
    page.locator("#queues summary").click()
    page.locator("#queue-rows input").first.check()
    page.select_option("#new-state", "closed")
    page.get_by_role("button", name="Changer l’état").click()
    page.get_by_role("button", name="Confirmer").click()
    dialog = page.locator("#proof")
    expect(dialog).to_be_visible()
    expect(page.locator("#proof-password")).to_be_focused()
    page.troubles.clear()
    page.keyboard.type("devine encore")
    page.keyboard.press("Enter")
    expect(dialog.locator("[data-problem]")).to_have_text(
        "Le mot de passe actuel n’est pas celui-là."
    )
    page.keyboard.press("Escape")
    expect(page.locator("#toast")).to_contain_text("le mot de passe n’a pas été redonné")
    states = rows_of(staged.house.database, select(agent_queue.c.state))
    assert {row.state for row in states} == {"hours"}
    # The browser notes a refusal by itself.
    page.troubles.clear()


def test_a_supervisor_whose_session_is_over_is_told(looks):
    page = looks()
    shows(page)
    page.troubles.clear()
    page.context.clear_cookies()
    expect(page.locator("#stale")).to_contain_text("reconnectez-vous")
    # The browser notes a 401 by itself.
    page.troubles.clear()


# ---------------------------------------------------------------- the backlog


def test_the_first_tile_is_the_whole_backlog_and_never_green_while_nobody_is_at_work(
    visits, staged
):
    page = visits()
    shows(page)
    first = page.locator(".figure").first
    expect(first.locator("h3")).to_have_text("À servir")
    staged.goes_home()
    expect(figure(page, "backlog")).to_have_text("11")
    expect(first.locator("[data-parts]")).to_have_text("0 en ligne, 11 rappels")
    expect(first.locator("[data-work]")).to_have_text("Personne n’est au poste")
    expect(first).to_contain_text(re.compile(r"la plus ancienne attend depuis 2\d:"))
    expect(first).to_have_attribute("data-state", "bad")
    # At night nobody should be at work: no alarm, and not good either.
    page.evaluate("Board.body.backlog.open = false; Board.showFigures()")
    expect(first).to_have_attribute("data-state", "watch")
    page.evaluate(
        "Object.assign(Board.body.backlog, {people: 0, calls: 0, callbacks: 0});Board.showFigures()"
    )
    expect(first).to_have_attribute("data-state", "none")
    expect(first.locator("[data-work]")).to_have_text("Personne n’est au poste")
    staged.is_quiet()
    expect(first).to_have_attribute("data-state", "good")
    expect(first.locator("[data-work]")).to_have_text("7 agents au poste")


def test_calls_answered_so_far_do_not_look_good_while_those_who_wait_will_be_late(visits, staged):
    page = visits()
    shows(page)
    tile = page.locator("#tile-service")
    expect(tile).to_have_attribute("data-state", "none")
    minutes = page.evaluate("Board.body.forecast.minutes")
    expect(tile).to_contain_text(f"qui appelle maintenant attend env. {minutes} min")
    # The same number in the advice, in words for who does not see colours.
    expect(page.locator("#advice")).to_contain_text(f"attendra environ {minutes} min")
    staged.goes_home()
    expect(tile).to_contain_text("Ne vaut plus : personne n’est au poste.")
    expect(tile).to_have_attribute("data-state", "none")
    staged.is_quiet()
    expect(tile).to_have_attribute("data-state", "watch")
    expect(tile).not_to_contain_text("vaut")


def test_the_last_hour_is_a_curve_of_minutes_with_its_table(looks):
    page = looks()
    shows(page)
    expect(page.locator("#chart-hour canvas")).to_have_count(1)
    page.click("#chart-hour summary")
    rows = page.locator("#chart-hour tbody tr")
    expect(rows).to_have_count(60)
    people = figure(page, "backlog").inner_text()
    expect(rows.first.locator("td").first).to_have_text(people)
    # The day by quarters stands below it.
    expect(page.locator("#chart-length")).to_be_visible()


def test_today_in_the_list_of_days_is_what_the_tiles_say(looks):
    page = looks()
    shows(page)
    row = page.locator("#day-rows tr").first
    service = page.evaluate("Board.body.service")
    booked = figure(page, "booked").inner_text()
    level = figure(page, "service").inner_text()
    shown = row.locator("td").all_inner_texts()
    assert shown[1] == booked
    assert shown[3] == f"{level} %"
    assert int(shown[4]) == service["abandoned"] == int(figure(page, "abandoned").inner_text())


def test_of_many_who_wait_the_list_says_how_many_it_does_not_show(looks):
    page = looks()
    shows(page)
    rest = page.locator("#entries-more")
    expect(rest).to_be_hidden()
    page.evaluate("Board.body.backlog.people += 7; Board.showEntries()")
    expect(rest).to_have_text("et 7 autres")


# A wall is read from three metres. Of a screen of 55 inches, 1920 pixels wide, a letter is read
# there when it is a two-hundredth of the distance high: 15 mm, some 33 pixels of type. In a second
# one reads what is twice that and more, and nothing else of its size is there.
FROM_AFAR = 33
ONE_SECOND = 2 * FROM_AFAR


def test_a_wall_says_one_thing_in_a_second_from_three_metres(visits, staged):
    page = visits(1920, "/supervision?mur=1")
    shows(page)
    staged.goes_home()
    tile = page.locator("#tile-backlog")
    expect(tile.locator("[data-work]")).to_have_text("Personne n’est au poste")
    expect(tile.locator("[data-word]")).to_have_text("Alerte")

    def size(what: str) -> float:
        found: float = page.locator(what).first.evaluate(
            "one => parseFloat(getComputedStyle(one).fontSize)"
        )
        return found

    number = size("#tile-backlog [data-value]")
    # Words that a first look finds: what, how many, and that nobody is there.
    assert number >= 4 * ONE_SECOND
    assert size("#tile-backlog h3") >= ONE_SECOND
    assert size("#tile-backlog [data-work]") >= 0.9 * ONE_SECOND
    assert size("#tile-backlog [data-parts]") >= FROM_AFAR
    others = page.evaluate(
        "[...document.querySelectorAll('.figure:not(.backlog) .big')]"
        ".map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert max(others) * 4 <= number
    # It takes more of the screen than all other figures together, and all of it is on the screen.
    area = "one => one.getBoundingClientRect().width * one.getBoundingClientRect().height"
    rest = sum(one.evaluate(area) for one in page.locator(".figure:not(.backlog)").all())
    assert tile.evaluate(area) > rest
    assert page.evaluate("document.documentElement.scrollHeight") <= 1080
    for what in ("[data-value]", "[data-work]", "[data-parts]"):
        assert contrast(page, f"#tile-backlog {what}") >= 7, what


def contrast(page: Page, what: str) -> float:
    """WCAG's contrast of a text with the nearest ground behind it."""
    found: float = page.evaluate(
        """what => {
          const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
              .map((one) => one / 255)
              .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const behind = (one) => getComputedStyle(one).backgroundColor;
          const text = document.querySelector(what);
          let ground = text;
          while (/rgba\\(.*, 0\\)|transparent/.test(behind(ground))) ground = ground.parentElement;
          const pair = [light(getComputedStyle(text).color), light(behind(ground))];
          return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        }""",
        what,
    )
    return found


# ---------------------------------------------------------------- a store that does not answer


def test_a_store_that_hangs_makes_no_old_number_look_like_one_of_now(visits, staged):
    """At 1, 8 and 60 seconds; the page's clock is put forward, and no answer comes."""
    page = visits("paused")
    shows(page)
    expect(page.locator("#stale")).to_be_hidden()
    page.route("**/supervision/etat", lambda _route: None)
    wait = page.locator("#tile-backlog [data-more='0']")
    before = wait.inner_text()
    page.clock.run_for(1000)
    expect(page.locator("#freshness")).to_contain_text("À jour")
    expect(page.locator("#stale")).to_be_hidden()
    page.clock.run_for(7000)
    banner = page.locator("#stale")
    expect(banner).to_have_text(
        re.compile("^Chiffres de 11.h.07, il y a 0:05. Le service ne répond pas")
    )
    assert old_ones(page) == []
    expect(page.locator("#advice")).to_have_text(re.compile("aucun conseil"))
    # Whoever is in old figures has not grown older since: they may have been served.
    page.clock.run_for(52000)
    expect(banner).to_have_text(re.compile("^Chiffres de 11.h.07, il y a 1:00"))
    expect(page.locator("#clock")).to_have_text(re.compile("^11:08"))
    assert seconds(wait.inner_text()) - seconds(before) <= 2
    # A button that acts says so itself.
    page.click("#queues summary")
    button = page.get_by_role("button", name="Changer l’état")
    expect(button).to_have_attribute("data-old", "le service ne répond pas")
    expect(button).to_have_accessible_description(re.compile("rien ne peut être fait d’ici"))
    page.unroute("**/supervision/etat")
    staged.passes()
    page.clock.run_for(2000)
    expect(banner).to_be_hidden()
    expect(button).not_to_have_attribute("data-old", re.compile(""))
    page.troubles.clear()


def old_ones(page: Page) -> list[str]:
    """What is coloured good, watch or bad in a way that is still seen."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.figure')]"
        ".filter(one => one.dataset.state !== 'old').map(one => one.id)"
        ".concat([...document.querySelectorAll('.panel, .figures, .alerts')]"
        ".filter(one => getComputedStyle(one).filter === 'none')"
        ".map(one => one.id || one.className))"
    )
    return found


def seconds(text: str) -> int:
    minutes, rest = re.findall(r"(\d+):(\d\d)", text)[0]
    return int(minutes) * 60 + int(rest)


def test_an_act_that_is_not_answered_is_not_called_done_or_undone(looks):
    page = looks("paused")
    shows(page)
    page.route("**/supervision/confier", lambda _route: None)
    row = page.locator("#entry-rows tr", has_text="attend").first
    row.get_by_role("button").click()
    page.clock.run_for(11000)
    expect(page.locator("#toast")).to_contain_text("Voyez dans le journal si c’est fait")
    page.troubles.clear()


@pytest.mark.parametrize("wrong", ["2026-11-25T03:00:00", "2031-01-01T00:00:00"])
def test_a_browser_whose_clock_is_wrong_shows_the_same_ages(looks, wrong):
    page = looks("paused", clock=wrong)
    shows(page)
    expect(page.locator("#clock")).to_have_text(re.compile("^11:07:3"))
    wait = page.locator("#tile-backlog [data-more='0']")
    before = seconds(wait.inner_text())
    # Set right, or wrong, while somebody looks: before the next answer comes, too.
    page.route("**/supervision/etat", lambda _route: None)
    page.clock.set_system_time("2027-07-01T12:00:00")
    page.clock.run_for(1000)
    assert 0 <= seconds(wait.inner_text()) - before <= 3
    expect(page.locator("#clock")).to_have_text(re.compile("^11:07:3"))
    expect(page.locator("#stale")).to_be_hidden()


def test_the_page_is_complete_in_english(looks):
    page = looks(1280, "/supervision?lang=en")
    expect(page.locator("#tile-backlog [data-word]")).to_have_text("Watch")
    expect(page.locator("#funnel-title")).to_contain_text("where people fail")
    for text in ("À surveiller", "Attendent", "Files", "Rappel"):
        assert text not in page.locator("main").inner_text()
