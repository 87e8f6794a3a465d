"use strict";
// The desk's page: it asks each second where its agent is, rings, takes keys, and comes back to the
// same call after anything. What it shows is made by the service; nothing is remembered here.

(() => {
  const POLL_MS = 1000;
  // So long may the service be silent before the page says so.
  const SILENT_MS = 5000;
  const KEEP_MS = 60_000;
  const $ = (id) => document.getElementById(id);
  const config = JSON.parse($("desk-config").textContent);
  // No style is written into an element: the page's policy would stop it, and say so.
  htmx.config.attributesToSettle = ["class"];
  let tag = "";
  let state = { state: config.state, entry: config.entry ? { id: config.entry } : null };
  let heardAt = Date.now();
  let device = null;
  // Whether the telephone rings, and whether it is to be answered as soon as it does.
  let ringing = false;
  let wanted = false;
  let answered = "";
  // Whether another telephone of the agent's has the call.
  let atTelephone = false;

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
  let skew = 0;
  const now = () => Date.now() + skew;

  // Filled at once: what is made anew with each answer would else stand empty most of the time.
  function sinceThen(moment) {
    const time = document.createElement("time");
    time.dataset.since = moment;
    time.textContent = clock((now() - Date.parse(moment)) / 1000);
    return time;
  }

  function tick() {
    for (const one of document.querySelectorAll("[data-since]")) {
      one.textContent = clock((now() - Date.parse(one.dataset.since)) / 1000);
    }
    for (const one of document.querySelectorAll("[data-until]")) {
      one.textContent = String(Math.max(0, Math.ceil((Date.parse(one.dataset.until) - now()) / 1000)));
    }
  }

  // ------------------------------------------------------------ asking

  async function send(path, form) {
    try {
      const response = await fetch(path, {
        method: "POST", body: new URLSearchParams(form), credentials: "same-origin",
        headers: { "X-CSRFToken": csrf(), Accept: "application/json" },
      });
      if (response.redirected || response.status === 401 || response.status === 403) {
        location.reload();
        return null;
      }
      const told = await response.json();
      trouble(told.done ? "" : told.message);
      if (told.done) tell(told.message);
      return told;
    } catch {
      trouble(config.no_page);
      return null;
    } finally {
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
      const response = await fetch("/poste/etat", { headers, credentials: "same-origin", cache: "no-store" });
      if (response.redirected || response.status === 401 || response.status === 403) {
        location.reload();
        return;
      }
      if (response.ok || response.status === 304) {
        heardAt = Date.now();
        const told = Date.parse(response.headers.get("X-Now"));
        if (told) skew = told - heardAt;
        if ($("trouble").textContent === config.no_page) trouble("");
      }
      if (response.ok && response.status !== 304) {
        tag = response.headers.get("ETag") ?? "";
        await show(await response.json());
      }
    } catch {
      if (Date.now() - heardAt > SILENT_MS) trouble(config.no_page);
    } finally {
      looking = false;
    }
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

  async function show(now) {
    ring(now.state === "reserved" && now.ring === "browser");
    const before = state;
    state = now;
    const same = (before.entry?.id ?? "") === (now.entry?.id ?? "");
    const moved = before.state !== now.state;
    // A line that was lost rings again for the same caller.
    if (!same || (moved && now.state === "reserved")) await newCaller(now);
    else if (moved) await newState(before, now);
    else if (now.state !== "wrapup" && changed(before, now)) await quietly("actions", "actions");
    if (moved || before.reason !== now.reason || before.later !== now.later || before.voice !== now.voice) {
      await quietly("bar", "bar");
    }
    if (moved) tell(atTelephone && now.state === "talking" ? config.at_phone : config.state_words[now.state]);
    line(now.line);
    strugglers(now.struggling);
    cases(before.cases, now.cases);
    watch(now.watch);
    if (now.failed) trouble(config.refused.replace("{code}", now.failed));
    if (now.state === "talking" && now.entry && answered !== now.entry.id) {
      answered = now.entry.id;
      await online();
      await quietly("booking", "booking");
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

  // What is typed or open in a part that changes stays, and so does the keyboard.
  async function quietly(name, id) {
    const html = await fetched(`/poste/travail?part=${name}`);
    const into = $(id);
    if (html === null || !into) return;
    const focused = into.contains(document.activeElement) ? known(document.activeElement) : "";
    const opened = [...into.querySelectorAll("details[open][id]")].map((one) => one.id);
    const typed = [...into.querySelectorAll("input[id], textarea[id], select[id]")].map((one) => [one.id, one.value]);
    put(id, html);
    for (const [field, value] of typed) {
      if ($(field) && value && field !== "voice") $(field).value = value;
    }
    for (const one of opened) if ($(one)) $(one).open = true;
    if (focused) focusOn([...into.querySelectorAll(CONTROLS)].find((one) => known(one) === focused));
  }

  const parts = (one) => JSON.stringify([one.third, one.entry?.held, one.entry?.gone, one.entry?.state, one.wrapup_until]);
  const changed = (before, now) => parts(before) !== parts(now);

  async function newCaller(now) {
    const wrote = typing(document.activeElement);
    await part("work", "work");
    answered = "";
    if (now.state !== "reserved") wanted = false;
    if (now.entry) focusOn($("answer") ?? $("ring") ?? $("file-title"));
    else if (!wrote || !document.activeElement || document.activeElement === document.body) focusOn($("struggling-title"));
    if (now.entry) document.title = `● ${config.state_words[now.state]}`;
  }

  async function newState(before, now) {
    if (now.state === "talking") {
      $("ring")?.remove();
      await part("actions", "actions");
      focusOn($("file-title"));
    } else if (now.state === "wrapup") {
      // What is half typed in the middle stays: the caller is gone, the work need not be.
      await quietly("actions", "actions");
      const writes = typing(document.activeElement) && $("booking")?.contains(document.activeElement);
      if (!writes) focusOn($("code"));
    } else if (!now.entry) {
      if (before.entry) await part("work", "work");
    } else {
      await quietly("actions", "actions");
    }
    document.title = now.entry ? `● ${config.state_words[now.state]}` : document.title.replace("● ", "");
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
    if (!form.matches("[data-act]")) return;
    event.preventDefault();
    const path = form.getAttribute("action");
    const sent = new FormData(form, event.submitter);
    if (path === "/poste/repondre") {
      // The page may know of the call sooner than its telephone does.
      if (ringing) await device.accept();
      else wanted = true;
      tell(config.connecting);
      return;
    }
    const button = event.submitter ?? form.querySelector("button");
    if (button) button.disabled = true;
    await send(path, sent);
    if (button?.isConnected) button.disabled = false;
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
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401 || event.detail.xhr.status === 403) location.reload();
    else if (event.detail.xhr.status === 409) {
      trouble(config.other_call);
      look();
    } else trouble(config.refused.replace("{code}", event.detail.xhr.status));
  });
  document.addEventListener("htmx:sendError", () => trouble(config.no_page));

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
    if (found.matches("button")) found.click();
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
      atTelephone = through === "telephone";
      answered = state.entry?.id ?? answered;
      await online();
      if ($("booking")) await quietly("booking", "booking");
    });
    device.on("disconnected", () => {
      ringing = wanted = atTelephone = false;
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
