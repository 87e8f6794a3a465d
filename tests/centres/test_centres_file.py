"""Reading an edition of the official file of centres."""

from __future__ import annotations

import gzip

from datetime import date
from pathlib import Path

import pytest

from partners import official_centres
from partners.phones import read_phones
from partners.platforms import PARTNERS
from services.centres.import_centres import HOURS_NOTE, CentreRecord, FileRefused
from tests.support.imports import HEADER, centre_row, write_centres


def read_one(tmp_path: Path, header: tuple[str, ...] = HEADER, **cells: str) -> CentreRecord:
    feed = official_centres.read(
        write_centres(tmp_path / "c.csv", [centre_row("1", **cells)], header)
    )
    assert not feed.refused
    return feed.records[0]


def test_a_row(tmp_path):
    record = read_one(
        tmp_path,
        adr_num="3",
        rdv_mardi="ouvert",
        lieu_tel="3975",
        date_ouverture="18/01/2021",
        rdv_site_web="https://partners.doctolib.fr/x?y=1",
    )
    assert record.street == "3 Rue de la Gare"
    assert record.hours == {
        0: (("09:00", "12:00"),),
        1: (("09:00", "12:00"), ("14:00", "17:00")),
    }
    assert record.phones == ("+33299740000", "3975")
    assert record.opens_on == date(2021, 1, 18)
    assert record.booking_mode == "partner"
    assert record.booking_link == "https://partners.doctolib.fr/x?y=1"


def test_a_later_edition(tmp_path):
    later = ("centre_type", *reversed(HEADER), "rdv_tel2", "centre_fermeture")
    record = read_one(
        tmp_path,
        (*later, "reserve_professionels_sante"),
        rdv_tel2="0299740001",
        date_ouverture="2021-01-18",
        date_fermeture="2021-06-30",
        centre_fermeture="t",
        reserve_professionels_sante="t",
    )
    assert record.phones == ("+33299740000", "+33299740001")
    assert (record.opens_on, record.closes_on) == (date(2021, 1, 18), date(2021, 6, 30))
    assert record.closed
    assert record.booking_mode == "reserved"


def test_words_about_hours_go_into_the_notes(tmp_path):
    record = read_one(tmp_path, rdv_lundi="à préciser", rdv_mardi="15h", rdv_modalites="Sur RDV")
    assert record.hours == {}
    assert record.notes == f"Sur RDV\n{HOURS_NOTE}lundi « à préciser », mardi « 15h »"


@pytest.mark.parametrize(
    ("cell", "link", "note"),
    [
        ("https://www.maiia.com/x", "https://www.maiia.com/x", ""),
        ("www.ch-macon.fr/rdv", "https://www.ch-macon.fr/rdv", ""),
        ("Doctolib en cours", "", "Rendez-vous en ligne : Doctolib en cours"),
        ("vaccin@sdis34.fr", "", "Rendez-vous en ligne : vaccin@sdis34.fr"),
        ("javascript:alert(1)", "", "Rendez-vous en ligne : javascript:alert(1)"),
    ],
)
def test_only_web_addresses_are_links(tmp_path, cell, link, note):
    record = read_one(tmp_path, rdv_site_web=cell)
    assert (record.booking_link, record.notes) == (link, note)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"gid": ""}, "no gid"),
        ({"gid": "a b"}, "is not an identifier"),
        ({"gid": "1"}, "gid 1 is already on line 2"),
        ({"nom": " "}, "no name"),
        ({"com_cp": "1000"}, "postcode '1000' cannot be"),
        ({"date_ouverture": "31/02/2021"}, "is not a date"),
        ({"com_insee": "99352"}, "it is abroad"),
        # Algiers: its postcode looks like one of Angoulême.
        (
            {"com_insee": "", "com_cp": "16000", "lat_coor1": "36.76", "long_coor1": "3.05"},
            "abroad",
        ),
        ({"com_insee": "", "com_cp": "", "lat_coor1": "40.77", "long_coor1": "-73.96"}, "abroad"),
        ({"nom": "Consulat général", "lat_coor1": "52.52", "long_coor1": "13.38"}, "abroad"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_in(tmp_path, cells, reason):
    rows = [centre_row("1"), centre_row("2", **cells), centre_row("3")]
    feed = official_centres.read(write_centres(tmp_path / "c.csv", rows))
    assert [record.id for record in feed.records] == ["1", "3"]
    (refused,) = feed.refused
    assert refused.line == 3
    assert reason in refused.reason
    assert feed.rows == 3


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"lat_coor1": "abc"}, "position 'abc', '-1.2161' is not two numbers"),
        ({"lat_coor1": "nan"}, "position nan, -1.2161 is not near département 35"),
        ({"lat_coor1": ""}, "latitude without longitude, or longitude without latitude"),
        ({"lat_coor1": "0", "long_coor1": "0"}, "position 0, 0 is not near département 35"),
        # Two figures that changed places are no place abroad, with an INSEE code or without.
        ({"lat_coor1": "-1.2161", "long_coor1": "48.1226"}, "is not near département 35"),
        (
            {"com_insee": "", "lat_coor1": "-1.2161", "long_coor1": "48.1226"},
            "is not near département 35",
        ),
        ({"lat_coor1": "36.76", "long_coor1": "3.05"}, "is not near département 35"),
        ({"lat_coor1": "14.6", "long_coor1": "-61.0"}, "is not near département 35"),
        # The only centre of its island.
        (
            {
                "com_insee": "97123",
                "com_cp": "97133",
                "com_nom": "Saint-Barthélemy",
                "lat_coor1": "45.76",
                "long_coor1": "4.83",
            },
            "position 45.76, 4.83 is not near département 977",
        ),
        (
            {"com_insee": "", "com_cp": "97133", "lat_coor1": "1.79", "long_coor1": "-6.28"},
            "is not near département 977",
        ),
    ],
)
def test_a_centre_with_a_bad_position_stays_without_one(tmp_path, cells, reason):
    feed = official_centres.read(write_centres(tmp_path / "c.csv", [centre_row("1", **cells)]))
    assert not feed.refused
    (record,) = feed.records
    assert (record.latitude, record.longitude) == (None, None)
    (told,) = feed.unplaced
    assert (told.line, told.id) == (2, "1")
    assert reason in told.reason


def test_rows_that_cannot_be_taken_apart(tmp_path):
    path = write_centres(tmp_path / "c.csv", [centre_row(str(n)) for n in range(1, 6)])
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[2] = lines[2].replace("Centre 2", '"Centre 2')
    lines[3] = lines[3].replace("Centre 3", 'Centre" 3').replace("Rue", 'R"u"e')
    lines[4] = lines[4].replace(";", "", 1)
    path.write_text("\n".join(lines), encoding="utf-8")
    feed = official_centres.read(path)
    assert [record.id for record in feed.records] == ["1", "5"]
    assert [row.line for row in feed.refused] == [3, 4, 5]
    # The centres behind swallowed lines are known, so that they are not taken for gone.
    assert [row.id for row in feed.refused][:2] == ["2", "3"]


def refuse(path: Path) -> str:
    with pytest.raises(FileRefused) as refused:
        official_centres.read(path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"\xef\xbb\xbf", "no column"),
        (b";;;\r\n", "no column"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04xx", "a ZIP archive"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"gid;nom\0;\r\n", "binary data"),
        ("gid;nom;r\xe9f\r\n".encode("latin-1"), "not UTF-8 (line 1)"),
        (b"a;b\r\n1;2\r\n", "no column"),
        (";".join(HEADER).encode() + b"\r\n", "a header and no rows"),
        (";".join((*HEADER, "gid")).encode() + b"\r\n", "column gid is there twice"),
    ],
)
def test_what_is_no_file_of_centres(tmp_path, content, reason):
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    assert reason in refuse(path)


def test_a_broken_archive_is_refused(tmp_path):
    path = tmp_path / "c.csv.gz"
    path.write_bytes(gzip.compress(b"gid;nom\r\n" * 50)[:-10])
    assert "cannot be read" in refuse(path)


def test_every_cut_inside_the_last_line_is_seen(tmp_path):
    rows = [centre_row("1"), centre_row("2", nom="Gymnase « été »", rdv_modalites='Sur rdv; "ici"')]
    whole = write_centres(tmp_path / "whole.csv", rows).read_bytes()
    begin = whole.index(b"\r\n2;") + 2
    path = tmp_path / "cut.csv"
    for end in range(begin + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert "incomplete" in refuse(path), whole[begin:end]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write_centres(tmp_path / "c.csv", [centre_row("1")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(official_centres.read(path).records) == 1


def test_the_real_file(official_file):
    feed = official_centres.read(official_file)
    assert feed.rows == len(feed.records) == 854
    assert [record.id for record in feed.records if record.latitude is None] == ["695", "698"]
    silent = [record for record in feed.records if not record.hours]
    assert len(silent) == 138
    assert sum(HOURS_NOTE not in record.notes for record in silent) == 110
    named = PARTNERS
    platform = [
        r for r in feed.records if any(n in (r.booking_link + r.notes).lower() for n in named)
    ]
    assert len(platform) >= 640
    assert {r.booking_mode for r in feed.records} == {"partner", "own_phone", "reserved"}
    assert feed.phones_unusable == 9


# ---------------------------------------------------------------- telephone numbers


@pytest.mark.parametrize(
    ("text", "departement", "expected"),
    [
        ("+33491964439", "13", ["+33491964439"]),
        ("08 05 02 14 00", "75", ["+33805021400"]),
        ("01.82.32.05.96", "75", ["+33182320596"]),
        ("33474817545", "69", ["+33474817545"]),
        ("33825082569", "75", ["+33825082569"]),
        ("+330553317694", "46", ["+33553317694"]),
        ("+33 (0)1 82 32 05 96", "75", ["+33182320596"]),
        ("3975", "75", ["3975"]),
        ("39 75", "75", ["3975"]),
        ("3975\xa0", "75", ["3975"]),
        ("00 59 05 90 99 14 74", "971", ["+590590991474"]),
        ("0596552301", "972", ["+596596552301"]),
        ("0262359764", "974", ["+262262359764"]),
        ("+33262359764", "974", ["+262262359764"]),
        ("+33692123456", "974", ["+262692123456"]),
        ("+33596425560", "972", ["+596596425560"]),
        ("+594594347488", "973", ["+594594347488"]),
        ("09 70 77 54 43 à compter du 18/01", "86", ["+33970775443"]),
        ("01 34 67 33 33 / 01 39 46 11 00", "95", ["+33134673333", "+33139461100"]),
        ("0134673333 0139461100", "95", ["+33134673333", "+33139461100"]),
        ("0134673333 ou 01.34.67.33.33", "95", ["+33134673333"]),
        ("01/34/67/33/33", "95", ["+33134673333"]),
        ("en cours", "75", []),
        ("+331", "75", []),
        ("+171114240", "75", []),
        ("+3355697476", "33", []),
        ("", "75", []),
    ],
)
def test_numbers(text, departement, expected):
    assert list(read_phones(text, departement)) == expected
