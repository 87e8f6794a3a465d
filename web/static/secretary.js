"use strict";
// The day of a centre: a code, a date or digits find a person, a mark is one press, and what others
// mark is shown. While the service does not answer, what was noted stays here and is sent again.
(() => {
  const EVERY = 8000;
  // A mark that is on its way so long says so; one that had no answer so long is sent again later.
  const SLOW = 1000;
  const LONGEST = 6000;
  // So many looks that were answered the good news stays.
  const STAYS = 3;
  let stop = () => {};

  function start() {
    stop();
    const ended = new AbortController();
    const { signal } = ended;
    const on = (what, event, listener) => what?.addEventListener(event, listener, { signal });
    for (const button of document.querySelectorAll("[data-print]")) {
      button.hidden = false;
      on(button, "click", () => window.print());
    }
    const page = document.getElementById("secretary");
    stop = () => ended.abort();
    if (!page) return;
    const list = document.querySelector(".people");
    const search = document.getElementById("search");
    const find = document.getElementById("find");
    const told = document.getElementById("find-told");
    const years = document.getElementById("years");
    const onlyExpected = document.getElementById("only-expected");
    const problem = document.getElementById("marked");
    const newer = document.getElementById("newer");
    const silent = document.getElementById("silent");
    const rows = list ? [...list.querySelectorAll(".person")] : [];
    const waiting = new Set();
    // Marks that had no answer, by their row, in the order in which they were made.
    const unsent = new Map();
    let silentSince = null;
    let searching = false;
    // What is looked for now, and what was typed meanwhile.
    let lookedFor = "";
    let next = "";
    // The session is another one by now, and the page's token is of the old one.
    let tokenIsOld = false;
    // A person who types on does not wait for an answer: the second Enter is kept until then.
    let confirmed = false;
    // Who a look in the store found; null: what is typed decides.
    let foundKeys = null;

    const isOpen = (row) => !row.hidden && row.dataset.state === "";
    const seen = (element) => element && element.offsetParent !== null;
    const buttons = (row) => [...row.querySelectorAll("button")].filter(seen);
    const come = (row) => row.querySelector(".come");
    const rowOf = (key) => rows.find((row) => row.dataset.key === key);

    // By the service's clock: that of a browser may be wrong.
    let heard = { at: Number(page.dataset.now), after: performance.now() };
    const now = () => new Date(heard.at + performance.now() - heard.after);

    async function ask(address, options = {}, accept = "application/json") {
      const headers = { "X-CSRFToken": csrf(), Accept: accept, ...options.headers };
      const limit = new AbortController();
      const left = setTimeout(() => limit.abort(), LONGEST);
      signal.addEventListener("abort", () => limit.abort());
      try {
        const answer = await fetch(address, { ...options, headers, signal: limit.signal });
        if (answer.status >= 500) throw new Error("no answer");
        const date = Date.parse(answer.headers.get("Date"));
        if (date) heard = { at: date, after: performance.now() };
        return { answer, text: await answer.text() };
      } finally {
        clearTimeout(left);
      }
    }

    // ------------------------------------------------------------ the service, silent or not

    function quiet(word = silent.dataset.since) {
      silentSince ||= now();
      const hour = silentSince.toLocaleTimeString(document.documentElement.lang, {
        hour: "2-digit", minute: "2-digit", timeZone: page.dataset.zone,
      });
      const text = word.replace("%", hour);
      // Said once, and not at each try.
      if (silent.firstElementChild.textContent !== text) silent.firstElementChild.textContent = text;
      silent.querySelector(".paper").hidden = word !== silent.dataset.since;
      silent.hidden = false;
      silent.dataset.state = "silent";
    }

    let answered = 0;
    function speaks() {
      if (!silentSince && silent.dataset.state === "back") {
        answered += 1;
        silent.hidden = answered >= STAYS;
      }
      if (!silentSince || unsent.size || codes.length) return;
      answered = 0;
      silentSince = null;
      silent.dataset.state = "back";
      silent.firstElementChild.textContent = silent.dataset.back;
      silent.querySelector(".paper").hidden = true;
      const lost = document.getElementById("not-sent");
      if (lost) lost.hidden = true;
    }

    on(window, "beforeunload", (event) => {
      if (unsent.size || codes.length) event.preventDefault();
    });

    // ------------------------------------------------------------ what is noted

    function show(row, state) {
      if (row.dataset.state === state) return;
      const had = row.contains(document.activeElement);
      row.dataset.state = state;
      const before = row.querySelector('[name="seen"]');
      // What stands there for "given" is an absent person.
      if (before) before.value = state === "given" ? "absent" : state;
      const undo = row.querySelector(".undo");
      if (undo) undo.value = state === "done" ? "present" : "";
      // A button that has gone takes the keyboard with it.
      if (had) (state ? buttons(row).at(-1) : come(row))?.focus();
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
        // Forty people at a door: the next one shows their code, or says their date.
        find.value = "";
        foundKeys = null;
        filter();
        find.focus();
        return;
      }
      const after = rows.slice(rows.indexOf(from) + 1).find(isOpen) || rows.find(isOpen);
      const button = after && come(after);
      if (seen(button)) {
        button.focus();
        after.scrollIntoView({ block: "nearest" });
      }
    }

    async function mark(form, button) {
      const row = form.closest(".person");
      if (waiting.has(row)) return;
      const body = new FormData(form);
      body.set("state", button.value);
      // One that had no answer yet is part of this one: it is said over what the store showed.
      const earlier = unsent.get(row);
      if (earlier) body.set("seen", earlier.body.get("seen"));
      show(row, button.value);
      say("");
      const sought = find.value;
      if (button.value === "present" || button.value === "absent") goOn(row);
      if (sought) noted(row);
      await send(row, { address: form.action, body });
      look();
    }

    async function send(row, made) {
      waiting.add(row);
      const slow = setTimeout(() => (row.dataset.unsaved = "slow"), SLOW);
      try {
        const found = JSON.parse((await ask(made.address, { method: "POST", body: made.body })).text);
        if (found.error) throw refused(found.error);
        unsent.delete(row);
        delete row.dataset.unsaved;
        show(row, found.state);
        if (found.word) say(found.who ? `${found.word} (${found.who})` : found.word);
        return true;
      } catch (lost) {
        if (signal.aborted) return false;
        // Not known whether it was done: sent again, it is done once.
        unsent.set(row, made);
        row.dataset.unsaved = "lost";
        quiet(lost.out ? silent.dataset.out : undefined);
        return false;
      } finally {
        clearTimeout(slow);
        if (row.dataset.unsaved === "slow") delete row.dataset.unsaved;
        waiting.delete(row);
      }
    }

    function refused(error) {
      tokenIsOld = error === "form_too_old";
      return Object.assign(new Error(error), { out: true });
    }

    // Whoever signed in anew, in another tab, goes on here with what they noted.
    async function renewToken() {
      const { answer, text } = await ask(page.dataset.page, {}, "text/html");
      if (!answer.ok) return;
      const made = new DOMParser().parseFromString(text, "text/html");
      const token = made.querySelector('meta[name="csrf-token"]').content;
      document.querySelector('meta[name="csrf-token"]').content = token;
      for (const field of document.querySelectorAll('[name="csrf_token"]')) field.value = token;
      for (const { body } of unsent.values()) body.set("csrf_token", token);
      tokenIsOld = false;
    }

    async function sendAgain() {
      for (const [row, made] of [...unsent]) {
        if (waiting.has(row)) continue;
        if (!(await send(row, made))) return;
      }
    }

    on(list, "submit", (event) => {
      if (!event.submitter) return;
      event.preventDefault();
      mark(event.target, event.submitter);
    });

    // Up and down go from row to row; other keys are the browser's.
    on(list, "keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const row = event.target.closest(".person");
      if (!by || !row) return;
      event.preventDefault();
      const shown = rows.filter((one) => !one.hidden);
      const next = shown[shown.indexOf(row) + by];
      if (next) (buttons(next)[0] || next).focus();
    });

    // ------------------------------------------------------------ who is meant

    function tell(text, well = true) {
      told.hidden = !text;
      told.className = well === null ? "note" : well ? "told" : "problem";
      told.textContent = text;
    }

    function fits(row, typed, digits) {
      if (!digits) return true;
      if (/^[0-9]{1,2}\s*[h:]/.test(typed)) {
        const [hour, minute] = typed.split(/[h:]/);
        return row.dataset.hour.startsWith(hour.trim().padStart(2, "0") + minute.trim());
      }
      const parts = typed.split(/[^0-9]+/).filter(Boolean);
      const [day, month, year] = parts.map((part) => part.padStart(2, "0"));
      const born = row.dataset.born;
      const short = born.slice(0, 4) + born.slice(6);
      const asDate = parts.length > 1 ? [day, month, year].join("") : digits;
      return born.startsWith(asDate) || (asDate.length > 4 && short.startsWith(asDate))
        || row.dataset.ends.endsWith(digits) || row.dataset.number === digits;
    }

    // What is typed is looked for in the list that is shown; Enter asks the store.
    function filter() {
      const typed = find.value.trim().toLowerCase();
      const digits = typed.replace(/[^0-9]/g, "");
      const code = /[a-z]{2}|[/:!].*[a-z]/.test(typed.replace("h", ""));
      const found = rows.filter((row) => {
        const meant = foundKeys ? foundKeys.includes(row.dataset.key) : code || fits(row, typed, digits);
        const shown = meant && !(onlyExpected.checked && row.dataset.state && !foundKeys);
        row.hidden = !shown;
        return shown;
      });
      if (!foundKeys) {
        years.hidden = true;
        tell(!digits || code ? "" : found.length === 0 ? told.dataset.none
          : found.length === 1 ? told.dataset.one : `${found.length} ${told.dataset.many}`, null);
      }
      return found;
    }

    function goTo(found) {
      const first = found.find(isOpen) || found[0];
      if (!first) return;
      const button = come(first);
      // Nobody is undone by an Enter too many: who was seen to has the keyboard, and no button of theirs.
      (first.dataset.state === "" && seen(button) ? button : first).focus();
    }

    // What was noted of whoever was found, beside the field, with the way back.
    function noted(row) {
      if (!row.dataset.state) return;
      const state = row.querySelector(`[data-if="${row.dataset.state}"]`).textContent;
      tell(`${state} · ${row.querySelector(".who strong").textContent}`);
      mayUndo(row);
    }

    function mayUndo(row) {
      const undo = document.createElement("button");
      undo.type = "button";
      undo.className = "secondary undo-last";
      undo.textContent = told.dataset.undo;
      undo.addEventListener("click", () => {
        const button = row.querySelector(".undo");
        tell("");
        find.focus();
        if (row.dataset.state && button) mark(button.form, button);
      }, { signal });
      told.append(" ", undo);
    }

    // A code begins a line of its own: forty people may hold theirs out one after another.
    const codes = [];
    const isCode = (text) => /[/!][rs][/!]|^https?[:M]/.test(text)
      || (/^[0-9A-Za-z]{15}$/.test(text.trim()) && /[a-z]/i.test(text));

    async function readCodes() {
      if (searching) return;
      searching = true;
      lookedFor = "";
      try {
        while (codes.length) {
          checkedIn(await sought(codes[0]));
          codes.shift();
        }
      } catch (lost) {
        if (signal.aborted) return;
        quiet(lost.out ? silent.dataset.out : undefined);
        tell(told.dataset.code, false);
      } finally {
        searching = false;
        goOnSeeking();
      }
    }

    // A code that was read meanwhile comes first, then what was typed.
    function goOnSeeking() {
      if (codes.length && !silentSince) {
        readCodes();
        return;
      }
      const then = next;
      next = "";
      if (then) seek(then);
    }

    async function sought(text) {
      const body = new FormData(search);
      body.set("q", text);
      const slow = setTimeout(() => tell(told.dataset.searching), SLOW);
      try {
        const found = JSON.parse((await ask(search.action, { method: "POST", body })).text);
        if (found.error) throw refused(found.error);
        return found;
      } finally {
        clearTimeout(slow);
      }
    }

    function checkedIn(found) {
      tell(found.word, found.well);
      if (!found.checked) return;
      const row = rowOf(found.checked.key);
      if (row) {
        show(row, found.checked.state);
        mayUndo(row);
      } else newer.hidden = false;
      look();
    }

    async function seek(text) {
      if (!text.trim()) return;
      if (isCode(text)) {
        find.value = "";
        foundKeys = null;
        filter();
        codes.push(text);
        await readCodes();
        return;
      }
      if (searching) {
        if (text === lookedFor) confirmed = true;
        else next = text;
        return;
      }
      searching = true;
      lookedFor = text;
      confirmed = false;
      try {
        const found = await sought(text);
        if (next) return;
        foundKeys = found.keys.length ? found.keys : null;
        const people = foundKeys ? filter() : [];
        tell(found.word, found.well);
        askWhich(found.years);
        if (!foundKeys) find.select();
        else if (!found.years.length) goTo(people);
        const only = people.length === 1 && found.keys.length === 1 && people[0];
        if (only && confirmed && only.dataset.state === "" && seen(come(only))) {
          mark(come(only).form, come(only));
        }
        if (foundKeys && !people.length) newer.hidden = false;
      } catch (lost) {
        if (signal.aborted) return;
        // What is typed stays, and what is on the screen is looked through.
        const people = filter();
        quiet(lost.out ? silent.dataset.out : undefined);
        tell(told.dataset.silent, false);
        goTo(people.length < rows.length ? people : []);
      } finally {
        searching = false;
        goOnSeeking();
      }
    }

    function askWhich(found) {
      years.replaceChildren(...found.map((one) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "secondary";
        button.textContent = one.text;
        button.addEventListener("click", () => {
          find.value = one.q;
          seek(one.q);
        }, { signal });
        return button;
      }));
      years.hidden = !found.length;
      years.querySelector("button")?.focus();
    }

    for (const one of document.querySelectorAll(".scripted")) one.hidden = false;
    on(find, "input", () => {
      foundKeys = null;
      filter();
    });
    on(onlyExpected, "change", filter);
    on(find, "keydown", (event) => {
      if (event.key !== "Escape") return;
      find.value = "";
      foundKeys = null;
      filter();
    });
    on(search, "submit", (event) => {
      event.preventDefault();
      seek(find.value);
    });
    // A key that is held down is one press.
    on(find, "keydown", (event) => {
      if (event.key === "Enter" && event.repeat) event.preventDefault();
    });

    // ------------------------------------------------------------ the camera

    const camera = document.getElementById("camera");
    const picture = document.getElementById("camera-picture");
    const opening = camera.textContent;
    let stream = null;

    function close() {
      for (const track of stream?.getTracks() || []) track.stop();
      stream = null;
      picture.hidden = true;
      camera.textContent = opening;
    }

    async function watch(detector) {
      let last = "";
      while (stream && !signal.aborted) {
        const [code] = await detector.detect(picture).catch(() => []);
        // The same code is before the camera for a second or two.
        if (code && code.rawValue !== last) {
          last = code.rawValue;
          await seek(last);
        }
        await new Promise((done) => setTimeout(done, 200));
      }
    }

    async function offerCamera() {
      if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return;
      const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
      if (!formats.includes("qr_code")) return;
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      camera.hidden = false;
      on(camera, "click", async () => {
        if (stream) return close();
        try {
          stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
          picture.srcObject = stream;
          picture.hidden = false;
          camera.textContent = camera.dataset.stop;
          // Not waited for: until there is a picture, nothing is read in it.
          picture.play().catch(() => {});
          await watch(detector);
        } catch {
          close();
          tell(camera.dataset.refused, false);
        }
      });
      on(window, "pagehide", close);
    }
    offerCamera();

    // ------------------------------------------------------------ other forms, and what others do

    // Sent by the script, so that what was typed is still there when no answer comes.
    on(page, "submit", async (event) => {
      const form = event.target;
      if (event.defaultPrevented || form.method !== "post" || form === search) return;
      event.preventDefault();
      const body = new FormData(form, event.submitter);
      const button = event.submitter;
      if (button) button.disabled = true;
      try {
        const { answer, text } = await ask(form.action, { method: "POST", body }, "text/html");
        if (answer.headers.get("Content-Type").startsWith("text/html")) replace(text, answer.url);
        else if (answer.status !== 401) form.submit();
        else throw new Error("signed out");
      } catch {
        if (signal.aborted) return;
        const lost = document.getElementById("not-sent");
        form.before(lost);
        lost.hidden = false;
        lost.scrollIntoView({ block: "nearest" });
        if (button) button.disabled = false;
        quiet();
      }
    });

    let tag = "";
    async function look() {
      if (document.hidden || signal.aborted) return;
      try {
        const headers = tag ? { "If-None-Match": tag } : {};
        const { answer, text } = await ask(page.dataset.etat, { headers, cache: "no-store" });
        if (answer.ok) {
          tag = answer.headers.get("ETag") || "";
          const found = JSON.parse(text);
          count(found.counts);
          for (const row of rows) {
            const state = found.marks[row.dataset.key];
            if (state !== undefined && !waiting.has(row) && !unsent.has(row)) show(row, state);
          }
          newer.hidden = found.keys === page.dataset.keys;
          // Opened on the day itself, and left open over night.
          const wasToday = page.dataset.day === page.dataset.today;
          document.getElementById("stale").hidden = !wasToday || found.today === page.dataset.day;
        } else if (answer.status === 401) {
          quiet(silent.dataset.out);
          return;
        }
        await sendAgain();
        await readCodes();
        if (tokenIsOld) {
          await renewToken();
          await sendAgain();
          await readCodes();
        }
        speaks();
      } catch {
        if (!signal.aborted) quiet();
      }
    }
    const looking = setInterval(look, EVERY);
    on(document, "visibilitychange", look);
    stop = () => {
      ended.abort();
      clearInterval(looking);
      close();
    };
  }

  // The page that answers a form, in place of the one that sent it.
  function replace(text, address) {
    const made = new DOMParser().parseFromString(text, "text/html");
    const main = made.getElementById("main");
    document.title = made.title;
    const token = made.querySelector('meta[name="csrf-token"]');
    if (token) document.querySelector('meta[name="csrf-token"]').content = token.content;
    document.getElementById("main").replaceWith(document.adoptNode(main));
    history.replaceState(null, "", address);
    start();
    const place = address.split("#")[1];
    const first = main.querySelector("[autofocus]") || (place && document.getElementById(place));
    first?.focus();
    first?.scrollIntoView({ block: "nearest" });
  }

  start();
})();
