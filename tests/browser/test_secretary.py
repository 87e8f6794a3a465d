"""A centre in a real Chromium: people at a door, and four doses left in the evening."""

from __future__ import annotations

import base64
import re

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from playwright.sync_api import Browser, Locator, Page, Route, expect

from models.centre_day.attendance import Comes
from services.centre_day import secretary
from services.centre_day.secretary import read_day
from tests.browser.secretary_stage import FIRST, SecretaryStage, secretary_stage
from tests.browser.stage import shelf
from tests.support.cameras import photographed
from tests.support.rows import clock_of

pytestmark = pytest.mark.browser
# What the page does every few seconds by itself.
LOOKS = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def staged(database_url: str) -> Iterator[SecretaryStage]:
    with secretary_stage(database_url) as made:
        yield made


# A picture as grey pixels: a browser reads PNG, a reader of codes wants pixels.
PIXELS = """async (picture) => {
  const bytes = Uint8Array.from(atob(picture), (one) => one.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const grey = Array.from({ length: data.length / 4 }, (_, at) => data[4 * at]);
  return [bitmap.width, bitmap.height, grey];
}"""
# A browser that reads codes by itself, before a camera that sees one.
CAMERA = """(link) => {
  window.BarcodeDetector = class {
    static async getSupportedFormats() { return ["qr_code"]; }
    async detect() { return [{ rawValue: link }]; }
  };
  navigator.mediaDevices.getUserMedia = async () =>
    Object.assign(document.createElement("canvas"), { width: 9 }).captureStream();
}"""


class Keys:
    """A keyboard whose presses are counted, but what a scanner types by itself."""

    def __init__(self, page: Page) -> None:
        self.page, self.pressed = page, 0

    def types(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.pressed += len(text)

    def presses(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.pressed += 1

    def scans(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")


def leaves_unanswered(_route: Route) -> None:
    """As a service whose store is locked, or gone."""


def read_code(browser: Browser, shown: Locator) -> str:
    """What a reader sees in a picture on a screen."""
    picture = base64.b64encode(shown.screenshot()).decode()
    page = shelf.take(browser)
    width, height, grey = page.evaluate(PIXELS, picture)
    shelf.give_back(page)
    (code,) = photographed(bytes(grey), height, width)
    return code


def states(staged: SecretaryStage) -> list[str]:
    return [one.state for one in read_day(staged.at).people]


def test_two_secretaries_at_a_door_by_the_keys_alone(browser: Browser, staged: SecretaryStage):
    expected = [one for one in read_day(staged.at).people if not one.state]
    page, other = staged.opens(browser), staged.opens(browser, 390)
    troubles: list[str] = []
    for one in (page, other):
        one.on("pageerror", lambda error: troubles.append(str(error)))
    # The last digits, Enter to the person, Enter: present, and the next one says their digits.
    page.locator("#find").focus()
    page.keyboard.type(expected[1].ends)
    expect(page.locator("#find-told")).to_have_text("1 personne")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    row = page.locator(f'[data-key="{expected[1].key}"]')
    expect(row).to_have_attribute("data-state", "present")
    expect(page.locator("#find")).to_be_focused()
    expect(page.locator("#find")).to_have_value("")
    expect(page.locator('[data-count="expected"]')).to_have_text("3")
    # Down the list: after each mark the next one who is expected has the keyboard.
    page.locator(f'[data-key="{expected[0].key}"] [value="present"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator(f'[data-key="{expected[2].key}"] [value="present"]')).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f'[data-key="{expected[3].key}"] [value="present"]')).to_be_focused()
    # The other one's page shows it; what she says of somebody marked meanwhile is not lost on her.
    other.evaluate(LOOKS)
    mine = other.locator(f'[data-key="{expected[0].key}"]')
    expect(mine).to_have_attribute("data-state", "present")
    mine.get_by_role("button", name="Annuler").click()
    expect(mine).to_have_attribute("data-state", "")
    page.locator(f'[data-key="{expected[0].key}"]').get_by_role("button", name="Annuler").click()
    expect(page.locator(f'[data-key="{expected[0].key}"]')).to_have_attribute("data-state", "")
    other.locator(f'[data-key="{expected[2].key}"] [value="absent"]').click()
    expect(other.locator(f'[data-key="{expected[2].key}"]')).to_have_attribute(
        "data-state", "absent"
    )
    page.locator(f'[data-key="{expected[2].key}"] [value="present"]').click()
    expect(page.locator("#marked")).to_contain_text("Quelqu’un d’autre")
    expect(page.locator(f'[data-key="{expected[2].key}"]')).to_have_attribute(
        "data-state", "absent"
    )
    assert states(staged)[-4:] == ["", "present", "absent", ""]
    # An hour, everybody again, and those expected alone.
    page.locator("#find").fill("17h")
    assert page.locator(".person:visible").count() == 0
    page.locator("#find").fill("10h")
    assert page.locator(".person:visible").count() == 4
    page.keyboard.press("Escape")
    page.locator("#only-expected").check()
    assert page.locator(".person:visible").count() == 2
    assert troubles == []


def test_the_last_doses_of_the_evening_without_a_script(browser: Browser, staged: SecretaryStage):
    page = staged.opens(browser, 390, script=False)
    before = len(states(staged))
    page.get_by_label("Date de naissance").fill("12/13/1942")
    page.get_by_role("button", name="Inscrire maintenant").click()
    expect(page.get_by_role("alert")).to_contain_text("12/03/1942")
    expect(page.get_by_label("Date de naissance")).to_have_value("12/13/1942")
    page.get_by_label("Date de naissance").fill("12/03/1942")
    page.get_by_role("button", name="Inscrire maintenant").click()
    expect(page.locator(".reference")).to_be_visible()
    page.reload()
    expect(page.locator(".told")).to_contain_text("rien n’a été fait deux fois")
    page.get_by_role("link", name="Retour à la liste").click()
    assert len(states(staged)) == before + 1
    page.get_by_role("button", name="Appeler la personne suivante").click()
    expect(page.locator(".ringing")).to_have_count(1)
    page.get_by_role("button", name="Vient", exact=True).click()
    expect(page.locator(".told:visible")).to_contain_text("C’est inscrit")
    assert len(states(staged)) == before + 2
    expected = page.locator('.person[data-state=""]').first
    key = expected.get_attribute("data-key")
    expected.get_by_role("button", name="Présent").click()
    expect(page.locator(f'[data-key="{key}"]')).to_have_attribute("data-state", "present")


def test_the_code_of_a_persons_screen_is_scanned_into_the_field(
    browser: Browser, staged: SecretaryStage
):
    expected = [one for one in read_day(staged.at).people if not one.state]
    link = staged.link_of(expected[2].booking_id)
    shown = shelf.take(browser, width=390)
    shown.emulate_media(color_scheme="dark")
    # The link of their text, at the address where the service runs here.
    shown.goto(link.replace("https://allo.example", staged.url))
    code = read_code(browser, shown.locator(".door-code"))
    assert code == link
    shelf.give_back(shown)
    page = staged.opens(browser)
    # The field has the keyboard when the page opens, and after each code.
    keys = Keys(page)
    keys.scans(code)
    row = page.locator(f'[data-key="{expected[2].key}"]')
    expect(row).to_have_attribute("data-state", "present")
    expect(page.locator("#find-told")).to_contain_text("Présent")
    expect(page.locator("#find")).to_be_focused()
    expect(page.locator("#find")).to_have_value("")
    keys.scans(code)
    expect(page.locator("#find-told")).to_contain_text("Déjà noté présent")
    assert keys.pressed == 0
    assert states(staged)[-4:] == ["", "", "present", ""]
    # A person whom nobody expected any more; and the way back, beside the field.
    page.get_by_role("button", name="Annuler").and_(page.locator(".undo-last")).click()
    expect(row).to_have_attribute("data-state", "")
    keys.scans(link[:-1] + ("a" if link[-1] != "a" else "b"))
    expect(page.locator("#find-told")).to_contain_text("n’est pas de chez nous")
    assert states(staged)[-4:] == [""] * 4


def test_codes_held_out_one_after_another_are_all_read(browser: Browser, staged: SecretaryStage):
    expected = [one for one in read_day(staged.at).people if not one.state]
    page = staged.opens(browser)
    for one in expected:
        # As fast as a scanner goes, whether or not the one before was answered.
        Keys(page).scans(staged.link_of(one.booking_id))
    for one in expected:
        row = page.locator(f'[data-key="{one.key}"]')
        expect(row).to_have_attribute("data-state", "present")
    expect(page.locator('[data-count="expected"]')).to_have_text("0")


def test_a_check_in_by_birth_date_takes_ten_keys(browser: Browser, staged: SecretaryStage):
    expected = [one for one in read_day(staged.at).people if not one.state]
    page = staged.opens(browser)
    keys = Keys(page)
    year, month, day = expected[1].born.split("-")
    keys.types(f"{day}{month}{year}")
    keys.presses("Enter")
    row = page.locator(f'[data-key="{expected[1].key}"]')
    expect(row.get_by_role("button", name="Présent")).to_be_focused()
    keys.presses("Enter")
    expect(row).to_have_attribute("data-state", "present")
    assert keys.pressed == 10
    # Whoever presses faster than the service answers is not asked to press again.
    keys = Keys(page)
    year, month, day = expected[3].born.split("-")
    keys.types(f"{day}{month}{year}")
    keys.presses("Enter")
    keys.presses("Enter")
    row = page.locator(f'[data-key="{expected[3].key}"]')
    expect(row).to_have_attribute("data-state", "present")
    expect(page.locator("#find")).to_have_value("")
    # By a number's end, which the page itself does not have; they are there already.
    page.keyboard.type("0678" + expected[1].number_ends)
    page.keyboard.press("Enter")
    expect(page.locator(".person:visible")).to_have_count(0)
    page.locator("#find").fill("78" + expected[1].number_ends)
    page.keyboard.press("Enter")
    expect(page.locator(".person:visible")).to_have_count(1)
    expect(page.locator(f'[data-key="{expected[1].key}"]')).to_be_focused()
    page.keyboard.press("Enter")
    assert states(staged)[-4:] == ["", "present", "", "present"]


def test_a_browser_that_reads_codes_reads_them_by_its_camera(
    browser: Browser, staged: SecretaryStage
):
    expected = [one for one in read_day(staged.at).people if not one.state]
    page = staged.opens(browser, 390, for_one=True)
    # Elsewhere there is no such button.
    expect(page.locator("#camera")).to_be_hidden()
    link = staged.link_of(expected[0].booking_id)
    page.add_init_script(f"({CAMERA})({link!r})")
    page.reload()
    page.get_by_role("button", name="Lire le code avec la caméra").click()
    row = page.locator(f'[data-key="{expected[0].key}"]')
    expect(row).to_have_attribute("data-state", "present")
    page.get_by_role("button", name="Arrêter la caméra").click()
    expect(page.locator("#camera-picture")).to_be_hidden()


def test_a_service_that_does_not_answer_loses_nothing(browser: Browser, staged: SecretaryStage):
    """Its answers are held back by the browser, whose clock the test moves."""
    expected = [one for one in read_day(staged.at).people if not one.state]
    page = staged.opens(browser, for_one=True)
    # Nor does a browser whose clock is wrong tell a wrong hour.
    page.clock.install(time=datetime(1999, 12, 31, 3, 7, tzinfo=UTC))
    page.reload()
    page.route("**/centre/**", leaves_unanswered)
    row = page.locator(f'[data-key="{expected[0].key}"]')
    row.get_by_role("button", name="Présent").click()
    expect(row.get_by_text("envoi…")).to_be_hidden()
    page.clock.run_for(1_100)
    expect(row.get_by_text("envoi…")).to_be_visible()
    page.clock.run_for(7_500)
    silent = page.locator("#silent")
    expect(silent).to_contain_text("Le service ne répond pas depuis")
    expect(silent).to_contain_text("depuis 18:30")
    expect(silent).to_contain_text("cochez sur la liste imprimée")
    expect(row.get_by_text("pas encore enregistré")).to_be_visible()
    # Another mark, a date and a code: what was meant is on the page, and goes nowhere.
    second = page.locator(f'[data-key="{expected[1].key}"]')
    second.get_by_role("button", name="Présent").click()
    page.locator("#find").fill("12031900")
    page.keyboard.press("Enter")
    page.clock.run_for(9_000)
    expect(page.locator("#find")).to_have_value("12031900")
    expect(page.locator("#find-told")).to_contain_text("liste affichée seulement")
    page.locator("#find").fill(staged.link_of(expected[2].booking_id))
    page.keyboard.press("Enter")
    page.clock.run_for(9_000)
    expect(page.locator("#find-told")).to_contain_text("Code gardé")
    # Somebody who is there is typed in, and stays typed in.
    page.get_by_label("Date de naissance").fill("12/03/1942")
    page.get_by_role("button", name="Inscrire maintenant").click()
    page.clock.run_for(9_000)
    expect(page.locator("#not-sent")).to_be_visible()
    expect(page.get_by_label("Date de naissance")).to_have_value("12/03/1942")
    assert states(staged)[-4:] == [""] * 4
    # An hour later it answers, and all of it is done, once.
    page.unroute_all(behavior="ignoreErrors")
    page.clock.run_for(9_000)
    expect(silent).to_contain_text("Tout est enregistré")
    expect(page.locator(".person[data-unsaved]")).to_have_count(0)
    third = page.locator(f'[data-key="{expected[2].key}"]')
    expect(third).to_have_attribute("data-state", "present")
    assert states(staged)[-4:] == ["present", "present", "present", ""]
    page.get_by_role("button", name="Inscrire maintenant").click()
    expect(page.locator(".reference")).to_be_visible()


def test_a_page_left_open_over_night_says_so(browser: Browser, staged: SecretaryStage):
    expected = [one for one in read_day(staged.at).people if not one.state]
    page = staged.opens(browser)
    expect(page.locator("#stale")).to_be_hidden()
    clock_of(staged.house).advance(timedelta(hours=13))
    page.evaluate(LOOKS)
    expect(page.locator("#silent")).to_contain_text("Votre session est terminée")
    row = page.locator(f'[data-key="{expected[0].key}"]')
    row.get_by_role("button", name="Présent").click()
    expect(row.get_by_text("pas encore enregistré")).to_be_visible()
    staged.signs_in_again(page)
    page.evaluate(LOOKS)
    expect(page.locator("#stale")).to_contain_text("cette page est celle d’hier")
    # What was noted meanwhile is sent by the new session, and it is of yesterday still.
    expect(row.get_by_text("pas encore enregistré")).to_be_hidden()
    assert states(staged)[-4] == "present"
    page.locator("#stale").get_by_role("link").click()
    expect(page.locator(".where")).to_contain_text("vendredi 27 novembre 2026 · aujourd’hui")


def test_a_usual_day_is_printed_on_one_page(
    browser: Browser, staged: SecretaryStage, monkeypatch: pytest.MonkeyPatch
):
    page = staged.opens(browser, path="/centre/imprimer")
    for people, sheets in ((36, 1), (72, 1), (120, 1), (130, 2)):
        comes = [
            Comes(
                f"{one:032x}", 1, FIRST + timedelta(minutes=5 * one // 2), "1942-03-12",
                "Marie-Antoinette Lefebvre-Dumoulin" if one % 3 else "", "4521", "web", "",
                number_ends="78",
            )
            for one in range(people)
        ]  # fmt: skip
        monkeypatch.setattr(secretary, "print_list", lambda _at, comes=comes: comes)
        page.reload()
        paper = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) == sheets, people
        # A4, upright, in points.
        assert re.search(rb"/MediaBox \[0 0 59[45][.\d]* 84[12]", paper)
        shown = page.locator("main").inner_text()
        assert ("page 1 sur 2" in shown) is (sheets == 2)
        assert shown.count("☐") == people
        first = page.locator("tbody tr").first.inner_text().split()
        assert first == ["☐", "09:00", "12/03/1942", "…78", "…4521", "1"]
