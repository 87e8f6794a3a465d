"use strict";
// The desk's page: it asks each second where its agent is, rings, takes keys, and comes back to the
// same call after anything. What it shows is made by the service; nothing is remembered here.

(() => {
  const POLL_MS = 1000;
  // After so long without an answer the page says so, and again each time (seconds); a reader of
  // the screen is not told each second.
  const SILENT_S = [3, 8, 20, 40, 60];
  const LONGEST_S = 40;
  // An act that takes longer is said to; one that takes this long is given up by the page.
  const SLOW_MS = 1000;
  const ACT_MS = 15_000;
  const LOOK_MS = 20_000;
  const LACKS_MS = 350;
  const KEEP_MS = 60_000;
  const $ = (id) => document.getElementById(id);
  const config = JSON.parse($("desk-config").textContent);
  // No style is written into an element: the page's policy would stop it, and say so.
  htmx.config.attributesToSettle = ["class"];
  htmx.config.timeout = ACT_MS;
  let tag = "";
  let state = { state: config.state, entry: config.entry ? { id: config.entry, kind: config.kind } : null };
  // By a clock that nobody sets.
  let heardAt = performance.now();
  let device = null;
  // Whether the telephone rings, and whether it is to be answered as soon as it does.
  let ringing = false;
  let wanted = false;
  let answered = "";
  // Whether another telephone of the agent's has the call.
  let atTelephone = false;
  // Whether this page's own telephone has the call: then it can be muted and sent keys without the
  // service. What is wished of the microphone while the service does not answer.
  let here = false;
  let muteWish = null;

  // ------------------------------------------------------------ telling

  function tell(text) {
    if (text) $("told").textContent = text;
  }

  function trouble(text) {
    $("trouble").textContent = text;
    $("trouble").hidden = !text;
  }

  function focusOn(element) {
    if (!element) return;
    element.focus({ preventScroll: false });
  }

  // ------------------------------------------------------------ time

  function clock(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    const rest = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  }

  // By the service's clock, for that of a browser may be wrong.
  let skew = Date.parse(config.now) - Date.now();
  const now = () => Date.now() + skew;

  // Filled at once: what is made anew with each answer would else stand empty most of the time.
  function sinceThen(moment) {
    const time = document.createElement("time");
    time.dataset.since = moment;
    time.textContent = clock((now() - Date.parse(moment)) / 1000);
    return time;
  }

  function lasted(since) {
    const whole = Math.max(0, Math.floor((now() - Date.parse(since)) / 1000));
    const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
    return inWords(hours, minutes, seconds);
  }

  function inWords(hours, minutes, seconds) {
    const pattern = config.lasted[hours ? "hours" : minutes ? "minutes" : "seconds"];
    return pattern.replace("{hours}", hours).replace("{minutes}", minutes).replace("{seconds}", seconds);
  }

  function tick() {
    for (const one of document.querySelectorAll("[data-lasted]")) one.textContent = lasted(one.dataset.lasted);
    for (const one of document.querySelectorAll("[data-since]")) {
      one.textContent = clock((now() - Date.parse(one.dataset.since)) / 1000);
    }
    for (const one of document.querySelectorAll("[data-until]")) {
      one.textContent = String(Math.max(0, Math.ceil((Date.parse(one.dataset.until) - now()) / 1000)));
    }
  }

  // ------------------------------------------------------------ asking

  // Busy is no error: what was asked may yet be done, so an agent looks before doing it again.
  const unanswered = (status) => (status === 503 ? config.silent.act : config.silent.failed);

  async function send(path, form) {
    const slow = setTimeout(() => tell(config.silent.first), SLOW_MS);
    try {
      const response = await fetch(path, {
        method: "POST", body: new URLSearchParams(form), credentials: "same-origin",
        headers: { "X-CSRFToken": csrf(), Accept: "application/json" },
        signal: AbortSignal.timeout(ACT_MS),
      });
      if (response.status === 401) {
        signedOut();
        return null;
      }
      if (response.redirected || response.status === 403) {
        location.reload();
        return null;
      }
      if (response.status >= 500) {
        trouble(unanswered(response.status));
        return null;
      }
      const told = await response.json();
      trouble(told.done ? "" : told.message);
      if (told.done) tell(told.message);
      return told;
    } catch {
      trouble(config.silent.act);
      return null;
    } finally {
      clearTimeout(slow);
      if ($("told").textContent === config.silent.first) tell(" ");
      look();
    }
  }

  let looking = false;
  async function look() {
    if (looking) return;
    looking = true;
    try {
      const headers = { Accept: "application/json" };
      if (tag) headers["If-None-Match"] = tag;
      const response = await fetch("/poste/etat", {
        headers, credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(LOOK_MS),
      });
      if (response.status === 401) {
        signedOut();
        heard();
        return;
      }
      if (response.redirected || response.status === 403) {
        location.reload();
        return;
      }
      if (response.ok || response.status === 304) {
        heard();
        const told = Date.parse(response.headers.get("X-Now"));
        if (told) skew = told - Date.now();
        if (hidden) await signedIn();
        if (muteWish !== null) wishAgain();
      }
      if (response.ok && response.status !== 304) {
        tag = response.headers.get("ETag") ?? "";
        await show(await response.json());
      }
    } catch {
      // The page says so when it has lasted: see silent().
    } finally {
      looking = false;
    }
  }

  // ------------------------------------------------------------ a service that does not answer

  let silentAt = 0;
  function silent() {
    const seconds = (performance.now() - heardAt) / 1000;
    const last = SILENT_S[SILENT_S.length - 1];
    const due = seconds < last ? SILENT_S.filter((one) => one <= seconds).pop() ?? 0 : Math.floor(seconds / last) * last;
    if (!due || due === silentAt) return;
    silentAt = due;
    if (due === SILENT_S[0]) {
      trouble(config.silent.first);
      return;
    }
    const text = due < LONGEST_S ? config.silent.long.replace("{seconds}", due)
      : config.silent.longest.replace("{lasted}", inWords(0, Math.floor(due / 60), due % 60));
    const hands = state.state !== "talking" ? "" : here ? config.silent.phone : config.silent.own_phone;
    trouble(`${text} ${hands}`.trim());
  }

  function heard() {
    heardAt = performance.now();
    if (!silentAt) return;
    silentAt = 0;
    trouble("");
    tell(config.silent.back);
  }

  // ------------------------------------------------------------ a session that is over

  // What was typed, by the ids of the fields, while nobody is signed in: in this page's memory alone.
  let hidden = null;

  const fieldsOf = (into) => [...into.querySelectorAll("input[id], textarea[id], select[id]")].map((one) => [one.id, one.value]);

  function refill(fields) {
    for (const [field, value] of fields) if ($(field) && value && field !== "voice") $(field).value = value;
  }

  // The page stays, for a conversation goes on in it; what it shows of a caller does not.
  function signedOut() {
    if (hidden) return;
    hidden = fieldsOf($("work"));
    $("work").replaceChildren();
    $("bar").hidden = $("help").hidden = true;
    tell(" ");
    trouble("");
    $("signed-out").hidden = false;
    focusOn($("sign-in-again"));
  }

  async function signedIn() {
    const html = await fetched("/poste");
    if (html === null) return;
    const page = new DOMParser().parseFromString(html, "text/html");
    const told = page.getElementById("desk-config");
    // Somebody else sits here now: nothing of the last one's stays.
    if (!told || JSON.parse(told.textContent).identity !== config.identity) {
      location.reload();
      return;
    }
    const token = page.querySelector('meta[name="csrf-token"]').content;
    document.querySelector('meta[name="csrf-token"]').content = token;
    if (device) device.config.csrf = token;
    for (const one of ["bar", "work"]) put(one, page.getElementById(one).innerHTML);
    for (const one of document.querySelectorAll('[name="csrf_token"]')) one.value = token;
    refill(hidden);
    hidden = null;
    $("bar").hidden = $("help").hidden = false;
    $("signed-out").hidden = true;
    tell(config.signed_in);
    arrive();
  }

  async function fetched(path) {
    const response = await fetch(path, { credentials: "same-origin", cache: "no-store" });
    return response.ok && !response.redirected ? response.text() : null;
  }

  function put(id, html) {
    $(id).innerHTML = html;
    htmx.process($(id));
    tick();
  }

  async function part(name, id) {
    const html = await fetched(`/poste/travail?part=${name}`);
    if (html === null || !$(id)) return false;
    put(id, html);
    return true;
  }

  async function file() {
    const html = await fetched("/poste/dossier");
    if (html === null || !$("file") || $("file").contains(document.activeElement)) return;
    const at = $("file").querySelector(".heard")?.scrollTop ?? 0;
    put("file", html);
    $("file").querySelector(".heard")?.scrollTo(0, at);
  }

  // ------------------------------------------------------------ showing

  const typing = (element) => element?.matches("input, textarea, select") ?? false;

  const stateWord = (now) => (now.state === "reserved" && now.entry?.kind === "callback" ? config.callback : config.state_words[now.state]);

  async function show(now) {
    if (hidden) return;
    ring(now.state === "reserved" && now.ring === "browser");
    const before = state;
    state = now;
    const same = (before.entry?.id ?? "") === (now.entry?.id ?? "");
    const moved = before.state !== now.state;
    // A line that was lost rings again for the same caller.
    if (!same || (moved && now.state === "reserved")) await newCaller(now);
    else if (moved) await newState(before, now);
    else if (now.state !== "wrapup" && changed(before, now)) await quietly("actions", "actions");
    if (moved || before.reason !== now.reason || before.later !== now.later || before.voice !== now.voice
      || before.entry?.held !== now.entry?.held || before.muted !== now.muted) {
      await quietly("bar", "bar");
    }
    if (moved) tell(atTelephone && now.state === "talking" ? config.at_phone : stateWord(now));
    // The microphone is as the service says, whichever page it was asked in.
    if (here && muteWish === null && Boolean(before.muted) !== Boolean(now.muted)) device.mute(Boolean(now.muted));
    if (now.state === "reserved" && now.ring === "dialling") {
      $("answer")?.form.remove();
      if ($("ring-how")) $("ring-how").textContent = config.dialling;
    }
    line(now.line);
    strugglers(now.struggling);
    cases(before.cases, now.cases);
    watch(now.watch);
    if (now.failed) trouble(config.refused.replace("{code}", now.failed));
    if (now.state === "talking" && now.entry && answered !== now.entry.id) {
      answered = now.entry.id;
      await online();
      await quietly("booking", "booking");
      arrive();
    } else if (now.pending && now.state === "reserved") {
      setTimeout(() => fetch("/poste/repondre", { method: "POST", headers: { "X-CSRFToken": csrf(), Accept: "application/json" } }), 300);
    }
  }

  // Two may say so, the state and the telephone; where the call is, is said last by either.
  async function online() {
    await send("/poste/repondre", {});
    if (atTelephone) tell(config.at_phone);
  }

  // By what a control is found again in the same part, made anew.
  const known = (one) => one.id || [one.tagName, one.form?.getAttribute("action"), one.name, one.value].join(" ");
  const CONTROLS = "input, textarea, select, button, summary, a";

  // Forms of the booking that the agent sent, and those whose answer is not shown yet: it is newer
  // than a part that was asked for before, and the keyboard goes where it says.
  let sent = 0;
  let underWay = 0;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target?.id !== "booking") return;
    sent += 1;
    underWay += 1;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.target?.id === "booking" && !event.detail.successful) underWay -= 1;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id === "booking") underWay = Math.max(0, underWay - 1);
  });

  // What is typed or open in a part that changes stays, and so does the keyboard.
  async function quietly(name, id) {
    const before = underWay ? -1 : sent;
    const html = await fetched(`/poste/travail?part=${name}`);
    const into = $(id);
    if (html === null || !into || (id === "booking" && before !== sent)) return;
    const focused = into.contains(document.activeElement) ? known(document.activeElement) : "";
    const opened = [...into.querySelectorAll("details[open][id]")].map((one) => one.id);
    const typed = fieldsOf(into);
    put(id, html);
    refill(typed);
    for (const one of opened) if ($(one)) $(one).open = true;
    if (focused) focusOn([...into.querySelectorAll(CONTROLS)].find((one) => known(one) === focused));
  }

  const parts = (one) => JSON.stringify([one.third, one.entry?.held, one.entry?.gone, one.entry?.state, one.wrapup_until, one.muted, one.ring]);
  const changed = (before, now) => parts(before) !== parts(now);

  async function newCaller(now) {
    const wrote = typing(document.activeElement);
    await part("work", "work");
    answered = "";
    if (now.state !== "reserved") wanted = false;
    if (now.entry) {
      $("who").textContent = $("who-rings")?.textContent ?? "";
      focusOn($("answer") ?? first() ?? $("ring") ?? $("file-title"));
    }
    else if (!wrote || !document.activeElement || document.activeElement === document.body) focusOn($("struggling-title"));
    if (now.entry) document.title = `● ${stateWord(now)}`;
  }

  // Where the keyboard belongs: what is to be typed or chosen next.
  const first = () => document.querySelector("#booking [data-first]");

  // Not taken away from whoever types already, or has gone elsewhere.
  function arrive() {
    const at = document.activeElement;
    const anywhere = !at || at === document.body || ["ring", "file-title", "answer", "work"].includes(at.id);
    if (anywhere) focusOn(first() ?? $("file-title"));
  }

  async function newState(before, now) {
    if (now.state === "talking") {
      $("ring")?.remove();
      await part("actions", "actions");
      arrive();
    } else if (now.state === "wrapup") {
      // What is half typed in the middle stays: the caller is gone, the work need not be.
      await quietly("actions", "actions");
      const writes = typing(document.activeElement) && $("booking")?.contains(document.activeElement);
      if (!writes) focusOn(document.querySelector('#actions [data-first], #actions [data-key="o"]') ?? $("code"));
    } else if (!now.entry) {
      if (before.entry) await part("work", "work");
    } else {
      await quietly("actions", "actions");
    }
    document.title = now.entry ? `● ${stateWord(now)}` : document.title.replace("● ", "");
  }

  function line(now) {
    if (!$("line-count") || !now) return;
    $("line-count").textContent = now.count ? `${now.count} ${config.line_count}` : config.line_empty;
    const longest = $("line-longest");
    longest.replaceChildren();
    if (now.longest) longest.append(`${config.longest} `, sinceThen(now.longest));
  }

  function watch(now) {
    const told = now.map((one) => one.text).join("\n");
    if ($("watch").dataset.told === told) return;
    $("watch").dataset.told = told;
    $("watch").replaceChildren(...now.map((one) => {
      const line = document.createElement("p");
      line.textContent = one.text;
      return line;
    }));
  }

  // Rows are kept where they are: nobody presses a button that has just moved away.
  function strugglers(now) {
    const list = $("strugglers");
    if (!list) return;
    const there = new Set(now.map((one) => one.call));
    for (const row of [...list.children]) if (!there.has(row.dataset.call)) row.remove();
    const known = new Set([...list.children].map((row) => row.dataset.call));
    for (const one of now) {
      if (known.has(one.call)) continue;
      const row = document.createElement("li");
      row.dataset.call = one.call;
      const text = document.createElement("span");
      const step = document.createElement("strong");
      step.textContent = one.step;
      const why = document.createElement("span");
      why.className = "soft";
      const time = document.createElement("time");
      time.dataset.since = one.since;
      why.append(` ${one.why} · `, time);
      text.append(step, why);
      const button = document.createElement("button");
      button.className = "secondary";
      button.textContent = config.take;
      button.addEventListener("click", () => send("/poste/prendre", { call_id: one.call }));
      row.append(text, button);
      list.append(row);
    }
    $("nobody-struggles").hidden = now.length > 0;
    tick();
  }

  // Made anew when their number has changed, and not under the hands of whoever has one open.
  async function cases(before, now) {
    if (!$("cases") || now === null || now === before || $("case-title") || $("cases").contains(document.activeElement)) return;
    if (Number($("cases-count")?.dataset.count) === now) return;
    const html = await fetched("/poste/travail?part=cases");
    if (html !== null && $("cases") && !$("cases").contains(document.activeElement)) put("cases", html);
  }

  // ------------------------------------------------------------ ringing

  // Two tones, now and then, for whoever looks elsewhere. No file: the page makes them itself.
  let bell = 0;
  let speaker = null;
  function ring(on) {
    if (on && !bell) {
      chime();
      bell = setInterval(chime, 2500);
    } else if (!on && bell) {
      clearInterval(bell);
      bell = 0;
    }
  }

  function chime() {
    try {
      speaker ??= new AudioContext();
      for (const [after, hertz] of [[0, 660], [0.25, 550]]) {
        const tone = speaker.createOscillator();
        const loud = speaker.createGain();
        const at = speaker.currentTime + after;
        tone.frequency.value = hertz;
        loud.gain.setValueAtTime(0.0001, at);
        loud.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
        loud.gain.exponentialRampToValueAtTime(0.0001, at + 0.22);
        tone.connect(loud).connect(speaker.destination);
        tone.start(at);
        tone.stop(at + 0.25);
      }
    } catch {
      // Without sound the page shows it all the same.
    }
  }

  // ------------------------------------------------------------ acting

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.id === "keypad-form") {
      event.preventDefault();
      keys($("keypad-keys").value);
      return;
    }
    if (!form.matches("[data-act]")) return;
    event.preventDefault();
    const path = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action");
    const sent = new FormData(form, event.submitter);
    if (path === "/poste/repondre") {
      // The page may know of the call sooner than its telephone does.
      if (ringing) await device.accept();
      else wanted = true;
      tell(config.connecting);
      return;
    }
    if (path === "/poste/micro") {
      await mute(sent.get("on") === "1");
      return;
    }
    const button = event.submitter ?? form.querySelector("button");
    if (button) button.disabled = true;
    await send(path, sent);
    if (button?.isConnected) button.disabled = false;
  });

  // At once in this page's own telephone, and in the conference, where it holds for any telephone.
  let muteAsked = 0;
  async function mute(on) {
    const asked = ++muteAsked;
    if (here) {
      device.mute(on);
      paintMuted(on);
    }
    const told = await send("/poste/micro", { on: on ? "1" : "0", entry: state.entry?.id ?? "" });
    // Pressed again meanwhile: what was wished last counts.
    if (told?.done || asked !== muteAsked || !here || hidden) return;
    if (told === null) muteWish = on;
    else {
      device.mute(Boolean(state.muted));
      paintMuted(Boolean(state.muted));
    }
  }

  async function wishAgain() {
    const on = muteWish;
    muteWish = null;
    await mute(on);
  }

  // While the service does not answer, the page shows what its own telephone does.
  function paintMuted(on) {
    const form = $("microphone");
    if (form) {
      form.elements.on.value = on ? "0" : "1";
      const button = form.querySelector("button");
      button.firstChild.textContent = `${on ? config.unmute : config.mute} `;
      button.className = on ? "primary" : "secondary";
    }
    $("muted")?.remove();
    if (!on) return;
    const chip = document.createElement("strong");
    chip.id = chip.className = "muted";
    chip.textContent = `● ${config.muted}`;
    $("state")?.append(chip);
  }

  function keys(typed) {
    const sent = typed.replace(/[^0-9*#]/g, "");
    if (!sent || !device) return;
    device.keys(sent);
    $("keypad-keys").value = "";
    if (here) tell(config.keypad_sent.replace("{keys}", sent));
  }

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("[data-keys]");
    if (pressed) keys(pressed.dataset.keys);
  });

  // ------------------------------------------------------------ what still lacks

  let lackTimer = 0;
  let lacking = null;

  function lacksLater() {
    clearTimeout(lackTimer);
    lackTimer = setTimeout(lacks, LACKS_MS);
  }

  // Asked of the service, which knows towns and dates; what was typed is kept there by it, too.
  async function lacks() {
    const form = $("booking-form");
    if (!form || !$("missing")) return;
    lacking = new AbortController();
    try {
      const response = await fetch("/poste/manque", {
        method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin",
        headers: { "X-CSRFToken": csrf(), "HX-Request": "true" }, signal: lacking.signal,
      });
      if (response.status === 401) signedOut();
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const line = page.getElementById("missing");
      if (!line || !$("missing") || $("missing").innerHTML === line.innerHTML) return;
      $("missing").innerHTML = line.innerHTML;
      $("missing").className = line.className;
    } catch {
      // It stays as it was; the form itself is sent with all that was typed.
    }
  }

  document.addEventListener("input", (event) => {
    if (event.target.closest?.("#booking-form")) lacksLater();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
  });

  // Who is there changes all the time: the list is made when somebody looks at it.
  let listedAt = 0;
  document.addEventListener("toggle", async (event) => {
    const opened = event.target.id === "transfer" && event.target.open;
    if (!opened || Date.now() - listedAt < 2000) return;
    listedAt = Date.now();
    const inside = event.target.contains(document.activeElement);
    await quietly("actions", "actions");
    if (inside) focusOn($("colleague")?.matches("select") ? $("colleague") : $("centre-search"));
  }, true);

  document.addEventListener("htmx:afterSettle", (event) => {
    const into = event.detail.target?.isConnected ? event.detail.target : document;
    const told = into.querySelector?.("[data-tell]");
    if (told) tell(told.dataset.tell || told.textContent.trim());
    $("booking")?.toggleAttribute("hidden", !$("booking").firstElementChild);
    focusOn(into.querySelector?.("[data-focus]"));
    // What is booked, moved or held now stands in the file, too.
    if (into.id === "booking" && $("file")) file();
    tick();
  });
  let slowly = 0;
  document.addEventListener("htmx:beforeRequest", () => {
    // What was sent tells what lacks.
    clearTimeout(lackTimer);
    lacking?.abort();
    clearTimeout(slowly);
    slowly = setTimeout(() => trouble(config.silent.first), SLOW_MS);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    clearTimeout(slowly);
    if ($("trouble").textContent === config.silent.first) trouble("");
    if (event.detail.successful && $("trouble").textContent === config.silent.act) trouble("");
  });
  document.addEventListener("htmx:timeout", () => trouble(config.silent.act));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) signedOut();
    else if (event.detail.xhr.status === 403) location.reload();
    else if (event.detail.xhr.status >= 500) trouble(unanswered(event.detail.xhr.status));
    else if (event.detail.xhr.status === 409) {
      trouble(config.other_call);
      look();
    } else trouble(config.refused.replace("{code}", event.detail.xhr.status));
  });
  document.addEventListener("htmx:sendError", () => trouble(config.silent.act));

  // ------------------------------------------------------------ keys

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = document.activeElement?.closest("details[open]");
      if (open) {
        open.open = false;
        focusOn(open.querySelector("summary"));
      }
      return;
    }
    if (event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      const letter = event.code?.startsWith("Key") && !/^[a-z]$/i.test(event.key) ? event.code.slice(3) : event.key;
      if (!/^[a-z]$/i.test(letter) || !press(letter.toLowerCase())) return;
      event.preventDefault();
      return;
    }
    if (event.altKey || event.ctrlKey || event.metaKey || typing(event.target)) return;
    const offer = /^[1-9]$/.test(event.key) && document.querySelector(`[data-number="${event.key}"]`);
    if (offer) {
      event.preventDefault();
      offer.click();
    }
  });

  // The first that is to be seen: a button is pressed, a heading or a field gets the keyboard.
  function press(letter) {
    const found = [...document.querySelectorAll(`[data-key="${letter}"]`)].find((one) => one.getClientRects().length);
    if (!found) return false;
    // Which outcome it is, is chosen: nothing is closed by the way there.
    if (letter === "o") focusOn(found);
    else if (found.matches("button")) found.click();
    else if (found.matches("summary")) {
      const details = found.parentElement;
      details.open = true;
      focusOn(details.querySelector("input:not([type=hidden]), select, textarea, button") ?? found);
    } else if (letter === "k") focusOn(document.querySelector("#strugglers button") ?? found);
    else if (letter === "s") focusOn(document.querySelector("#cases .cases button, #case-title") ?? found);
    else if (letter === "z") focusOn($("search-reference") ?? found);
    else {
      focusOn(found);
      if (found.matches("input")) found.select();
    }
    return true;
  }

  // ------------------------------------------------------------ the telephone

  function telephone() {
    if (!window.createDevice) return;
    device = window.createDevice();
    device.on("incoming", () => {
      ringing = true;
      if (wanted) device.accept();
      wanted = false;
      look();
    });
    device.on("connected", async ({ through }) => {
      ringing = wanted = false;
      here = true;
      atTelephone = through === "telephone";
      answered = state.entry?.id ?? answered;
      await online();
      if ($("booking")) await quietly("booking", "booking");
      arrive();
    });
    device.on("disconnected", () => {
      ringing = wanted = atTelephone = here = false;
      muteWish = null;
      if ($("told").textContent === config.at_phone) $("told").textContent = "";
      look();
    });
    device.on("error", (error) => {
      if ((state.voice ?? "browser") === "browser") trouble(error.message);
    });
    device.register();
    window.addEventListener("pagehide", () => device.destroy?.());
  }

  setInterval(look, POLL_MS);
  setInterval(tick, 1000);
  setInterval(silent, 500);
  setInterval(() => {
    if (state.entry && document.querySelector(".offers, .read-back")) {
      fetch("/poste/garder", { method: "POST", headers: { "X-CSRFToken": csrf() } }).catch(() => {});
    }
  }, KEEP_MS);
  telephone();
  tick();
  look();
  window.desk = { press, look, get state() { return state; } };
})();
