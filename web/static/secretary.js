"use strict";
// The day of a centre: a mark by one press, the next row with the keyboard, and what others mark.
(() => {
  const print = document.getElementById("print");
  if (print) {
    print.hidden = false;
    print.addEventListener("click", () => window.print());
  }
  const page = document.getElementById("secretary");
  const list = document.querySelector(".people");
  if (!page) return;
  const EVERY = 8000;
  const find = document.getElementById("find");
  const told = document.getElementById("find-told");
  const onlyExpected = document.getElementById("only-expected");
  const problem = document.getElementById("marked");
  const rows = list ? [...list.querySelectorAll(".person")] : [];
  const waiting = new Set();

  const isOpen = (row) => !row.hidden && row.dataset.state === "";
  const present = (row) => row.querySelector('button[value="present"]');

  function show(row, state) {
    if (row.dataset.state === state) return;
    const had = row.contains(document.activeElement);
    row.dataset.state = state;
    const seen = row.querySelector('[name="seen"]');
    // What stands there for "given" is an absent person.
    if (seen) seen.value = state === "given" ? "absent" : state;
    // A button that has gone takes the keyboard with it.
    if (had) (state ? row.querySelector(".undo") : present(row))?.focus();
  }

  function count(counts) {
    for (const place of page.querySelectorAll("[data-count]")) {
      const value = counts[place.dataset.count];
      if (value !== undefined) place.textContent = value;
    }
  }

  function say(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  function goOn(from) {
    if (find.value) {
      // Forty people at a door: the next one says their digits.
      find.value = "";
      filter();
      find.focus();
      return;
    }
    const after = rows.slice(rows.indexOf(from) + 1).find(isOpen) || rows.find(isOpen);
    const button = after && present(after);
    if (button) {
      button.focus();
      after.scrollIntoView({ block: "nearest" });
    }
  }

  async function mark(form, button) {
    const row = form.closest(".person");
    if (waiting.has(row)) return;
    waiting.add(row);
    const before = row.dataset.state;
    const body = new FormData(form);
    body.set("state", button.value);
    show(row, button.value);
    if (button.value) goOn(row);
    say("");
    try {
      const answer = await fetch(form.action, {
        method: "POST", body, headers: { "X-CSRFToken": csrf(), Accept: "application/json" },
      });
      const found = await answer.json();
      if (found.error) throw new Error(found.error);
      show(row, found.state);
      if (found.word) say(found.who ? `${found.word} (${found.who})` : found.word);
    } catch {
      // Not known whether it was done: sent once more as without a script, which says the same once.
      show(row, before);
      form.dataset.plain = "1";
      form.requestSubmit(button);
    } finally {
      waiting.delete(row);
      look();
    }
  }

  list?.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.plain || !event.submitter) return;
    event.preventDefault();
    mark(form, event.submitter);
  });

  function filter() {
    const typed = find.value.trim().toLowerCase();
    const digits = typed.replace(/[^0-9]/g, "");
    const asHour = /[h:]/.test(typed);
    const [hour, minute] = typed.split(/[h:]/);
    const starts = asHour ? hour.padStart(2, "0") + (minute || "") : "";
    const found = rows.filter((row) => {
      const fits = !digits || (asHour ? row.dataset.hour.startsWith(starts) : row.dataset.ends.endsWith(digits));
      const shown = fits && !(onlyExpected.checked && row.dataset.state);
      row.hidden = !shown;
      return shown;
    });
    for (const title of list.querySelectorAll(".hour")) {
      title.hidden = !found.some((row) => row.dataset.hour === title.dataset.hour);
    }
    told.textContent = !digits ? "" : found.length === 0 ? told.dataset.none
      : found.length === 1 ? told.dataset.one : `${found.length} ${told.dataset.many}`;
    return found;
  }

  if (find && rows.length) {
    document.getElementById("search").hidden = false;
    find.addEventListener("input", filter);
    onlyExpected.addEventListener("change", filter);
    find.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        find.value = "";
        filter();
      } else if (event.key === "Enter") {
        event.preventDefault();
        const found = filter();
        const first = found.find(isOpen) || found[0];
        if (first) (present(first)?.offsetParent ? present(first) : first.querySelector(".undo"))?.focus();
      }
    });
    // Up and down go from row to row; other keys are the browser's.
    list.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const row = event.target.closest(".person");
      if (!by || !row) return;
      event.preventDefault();
      const shown = rows.filter((one) => !one.hidden);
      const next = shown[shown.indexOf(row) + by];
      const button = next && [...next.querySelectorAll("button")].find((one) => one.offsetParent);
      if (button) button.focus();
    });
  }

  let tag = "";
  async function look() {
    if (document.hidden) return;
    try {
      const headers = { Accept: "application/json", "X-CSRFToken": csrf() };
      if (tag) headers["If-None-Match"] = tag;
      const answer = await fetch(page.dataset.etat, { headers, cache: "no-store" });
      if (!answer.ok) return;
      tag = answer.headers.get("ETag") || "";
      const found = await answer.json();
      count(found.counts);
      for (const row of rows) {
        const state = found.marks[row.dataset.key];
        if (state !== undefined && !waiting.has(row)) show(row, state);
      }
      const newer = document.getElementById("newer");
      if (newer) newer.hidden = found.keys === page.dataset.keys;
    } catch {
      // The next look tries again.
    }
  }
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
})();
