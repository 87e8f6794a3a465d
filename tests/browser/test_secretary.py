"""A centre in a real Chromium: people at a door, and four doses left in the evening."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playwright.sync_api import Browser, expect

import config

from services.centre_day.secretary import read_day
from tests.browser.secretary_stage import SecretaryStage, secretary_stage

pytestmark = pytest.mark.browser
AXE = config.VAR / "static" / "axe.min.js"
# What the page does every few seconds by itself.
LOOKS = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def staged(sqlite_url: str) -> Iterator[SecretaryStage]:
    with secretary_stage(sqlite_url) as made:
        yield made


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
    for one in (page, other):
        one.context.close()


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
    page.context.close()


@pytest.mark.parametrize("path", ["/centre", "/centre/fermeture", "/centre/imprimer"])
def test_nothing_stands_in_anybodys_way(browser: Browser, staged: SecretaryStage, path: str):
    if not AXE.is_file():
        pytest.skip("flask assets install --checks fetches axe")
    # 320 pixels are 1280 at four times their size (WCAG 1.4.10).
    for width in (1280, 320) if path == "/centre" else (390,):
        page = staged.opens(browser, width, path)
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate(
            "axe.run().then(found => found.violations.map(one => [one.id, one.nodes[0].html]))"
        )
        assert found == []
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        # A table of a paper has its own width.
        assert wide <= 0 or path == "/centre/imprimer"
        page.context.close()
