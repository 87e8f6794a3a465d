"use strict";
// What the page shows, from what the service told. Nothing is written that has not changed: a reader
// of the screen, and whoever has the keyboard somewhere, is not disturbed each second.
const Board = { words: null, body: null, old: "", truth: 0, selected: { queue: new Set(), agent: new Set() } };

Board.root = document.getElementById("board");
Board.words = JSON.parse(document.getElementById("words").textContent);
Board.wall = Board.root.dataset.wall === "1";
Board.mayAct = Board.root.dataset.mayAct === "1";
Board.language = Board.root.dataset.language;
Board.signs = { good: "●", watch: "▲", bad: "■", none: "○" };

// Words with {values}.
Board.t = (key, values = {}) =>
  (Board.words.board[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
Board.step = (name) => Board.words.step[name] ?? name.replaceAll("_", " ");
Board.number = (value) => new Intl.NumberFormat(Board.language).format(value);
Board.short = (value) =>
  value < 10000 ? Board.number(value) : new Intl.NumberFormat(Board.language, { notation: "compact" }).format(value);
Board.percent = (value) => (value === null || value === undefined ? Board.t("none") : `${value} %`);

// The service's own clock, carried on by how long this page has been here: a screen's own may be wrong,
// and may be set right while somebody looks.
Board.clock = { told: Date.parse(Board.root.dataset.now), at: performance.now() };
Board.now = () => Board.clock.told + performance.now() - Board.clock.at;
// What the figures are of. Old ones do not get older people.
Board.seen = () => (Board.old ? Board.truth : Board.now());
Board.seconds = (since) => Math.max(0, (Board.seen() - Date.parse(since)) / 1000);
// 4:07, or 1 h 05.
Board.span = (seconds) => {
  const all = Math.floor(seconds);
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return `${minutes}:${String(all % 60).padStart(2, "0")}`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
};
// For what is read aloud, and so must not change each second: 0:05, 0:10, 0:20, then whole minutes.
Board.about = (seconds) =>
  Board.span(seconds < 10 ? 5 : seconds < 60 ? Math.floor(seconds / 10) * 10 : Math.floor(seconds / 60) * 60);
// As it is said: 10 h 42.
Board.moment = (moment) => {
  const [hours, minutes] = Board.hour(moment).split(":");
  return Board.t("old.hour", { hours: Number(hours), minutes });
};
Board.hour = (moment) =>
  new Intl.DateTimeFormat(Board.language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "Europe/Paris" })
    .format(new Date(moment));

Board.set = (element, text) => {
  if (element && element.textContent !== String(text)) element.textContent = text;
};
Board.mark = (element, name, value) => {
  if (element && element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
};
Board.element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
};
// One row for each item, kept as long as the item is there and in its order.
Board.rows = (parent, items, key, make, fill) => {
  const known = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    let row = known.get(id);
    known.delete(id);
    if (!row) {
      row = make(item);
      row.dataset.key = id;
      parent.insertBefore(row, place);
    } else if (row === place) {
      place = place.nextElementSibling;
    } else {
      parent.insertBefore(row, place);
    }
    fill(row, item);
  }
  for (const row of known.values()) row.remove();
};
Board.cells = (count, first = 1) => {
  const row = Board.element("tr");
  for (let number = 0; number < count; number += 1) {
    row.append(Board.element(number < first ? "th" : "td", number < first ? { scope: "row" } : {}));
  }
  return row;
};

Board.tile = (name, value, judged, more = []) => {
  const tile = document.getElementById(`tile-${name}`);
  // What is not of now is judged good or bad by nobody.
  const state = Board.old ? "old" : judged;
  Board.mark(tile, "data-state", state);
  const [shown, unit] = String(value).split(/ (?=%$)/);
  const big = tile.querySelector(".big");
  Board.set(tile.querySelector("[data-value]"), shown);
  Board.mark(big, "data-unit", unit ?? "");
  big.classList.toggle("long", shown.length + (unit ? 2 : 0) > 4);
  Board.set(tile.querySelector("[data-word]"), state === "none" ? "" : Board.old || Board.t(`state.${state}`));
  tile.querySelectorAll(".more").forEach((line, number) => Board.set(line, more[number] ?? ""));
};
Board.above = (value, threshold) => (value > threshold ? "bad" : value > threshold / 2 ? "watch" : "good");
Board.before = (value) =>
  value === null || value === undefined ? Board.t("yesterday_unknown") : Board.t("yesterday", { value: Board.number(value) });

// ------------------------------------------------------------ the big figures

// Never green while nobody is at work; nor while people wait and nobody is free for them.
Board.judgeBacklog = ({ backlog, callbacks, agents, thresholds }) => {
  const { people, at_work: atWork, open } = backlog;
  if (!people) return atWork ? "good" : "none";
  if (!atWork) return open || callbacks.overdue ? "bad" : "watch";
  if (callbacks.overdue || atWork <= thresholds.agents_at_work) return "bad";
  const longest = Board.body.line.longest ? Board.seconds(Board.body.line.longest) : 0;
  const state = Board.above(Math.max(longest / thresholds.longest_wait, people / thresholds.queue_length), 1);
  const late = Board.promises(callbacks) === "watch" || (backlog.calls && !agents.states.ready);
  return state === "good" && late ? "watch" : state;
};
Board.showBacklog = () => {
  const { backlog, callbacks, forecast } = Board.body;
  const { people, calls, at_work: atWork } = backlog;
  const growth = NOW.growth(Board.seen(), people);
  const oldest = backlog.oldest ? [Board.t("backlog.oldest", { time: Board.span(Board.seconds(backlog.oldest)) })] : [];
  if (growth) oldest.push(Board.t(growth > 0 ? "backlog.grows" : "backlog.shrinks", { count: Math.abs(growth) }));
  const how = callbacks.promised === 0 ? "" : callbacks.rung_by === null ? Board.t("tile.callbacks_unknown")
    : Board.t("tile.callbacks_more", { time: Board.day(callbacks.rung_by) });
  const late = callbacks.overdue ? Board.t("tile.callbacks_overdue", { count: callbacks.overdue })
    : callbacks.last ? Board.t("tile.callbacks_last", { time: Board.day(callbacks.last) }) : "";
  Board.tile("backlog", Board.number(people), Board.judgeBacklog(Board.body), [
    oldest.join(" · "),
    [how, late].filter(Boolean).join(" · "),
    people && forecast.minutes ? Board.t("backlog.soon", { minutes: forecast.minutes }) : "",
  ]);
  const tile = document.getElementById("tile-backlog");
  const parts = [Board.t("backlog.calls", { count: Board.number(calls) })];
  parts.push(Board.t(backlog.callbacks === 1 ? "backlog.callback" : "backlog.callbacks", { count: Board.number(backlog.callbacks) }));
  if (backlog.kept) parts.push(Board.t("backlog.kept", { count: backlog.kept }));
  Board.set(tile.querySelector("[data-parts]"), parts.join(", "));
  const work = tile.querySelector("[data-work]");
  Board.mark(work, "data-at-work", Board.old ? "old" : atWork ? "yes" : "no");
  const here = Board.t(atWork === 1 ? "backlog.agent" : "backlog.agents", { count: Board.number(atWork) });
  Board.set(work, Board.old || (atWork ? here : Board.t("backlog.nobody")));
};
Board.showFigures = () => {
  const { line, told, service, agents, backlog, forecast, menu, calls, bookings, texts, thresholds } = Board.body;
  const waiting = line.calls;
  Board.showBacklog();
  Board.set(document.getElementById("told"), told.error === null ? "" : Board.t("tile.told", { value: Board.percent(told.error) }));
  const level = service.level;
  Board.tile("service", Board.percent(level), service.verdict, [
    forecast.breaks && level !== null ? Board.t(`forecast.${forecast.breaks}`, { minutes: forecast.minutes }) : "",
    Board.t("tile.strict", { value: Board.percent(service.strict) }),
    service.yesterday ? Board.t("yesterday", { value: Board.percent(service.yesterday.level) }) : Board.t("yesterday_unknown"),
  ]);
  const ready = agents.states.ready;
  const nobody = agents.at_work <= thresholds.agents_at_work && backlog.people > 0;
  Board.tile("agents", Board.number(ready), nobody ? "bad" : ready === 0 && waiting > 0 ? "watch" : ready ? "good" : "none", [
    Board.t("tile.agents_more", { talking: agents.states.talking, work: agents.at_work }),
    Board.t("tile.agents_paused", { count: agents.states.paused }),
  ]);
  const rate = service.abandoned_rate;
  Board.tile("abandoned", Board.number(service.abandoned), rate === null ? "none" : Board.above(rate, thresholds.abandoned_rate), [
    rate === null ? "" : Board.t("tile.abandoned_more", { rate: Board.percent(rate) }),
    service.yesterday ? Board.before(service.yesterday.abandoned) : Board.t("yesterday_unknown"),
  ]);
  Board.tile("menu", Board.number(menu.calls), "none", [
    Board.t("tile.menu_more", { count: Board.number(calls.today) }), Board.before(calls.yesterday),
  ]);
  const minute = Object.values(bookings.minutes).reduce((sum, counts) => sum + counts[counts.length - 2], 0);
  Board.tile("booked", Board.short(bookings.today), "none", [
    Board.t("tile.booked_more", { count: Board.number(minute) }), Board.before(bookings.yesterday),
  ]);
  Board.tile("texts", Board.number(texts.missing), Board.above(texts.missing, thresholds.texts_missing), [
    Board.t("tile.texts_more", { failed: texts.failed + texts.undelivered, unclear: texts.unclear }),
    texts.oldest ? Board.t("tile.texts_oldest", { count: texts.unsent, time: Board.span(Board.seconds(texts.oldest)) })
      : Board.t("tile.texts_sent"),
  ]);
};
// Kept so far; or going to be late, as far as the pace of now tells; or late.
Board.promises = ({ promised, overdue, last, rung_by }) => {
  if (overdue) return "bad";
  if (!promised) return "none";
  return rung_by === null || (last !== null && rung_by > last) ? "watch" : "good";
};
// The hour; and the day, where it is not today.
Board.day = (moment) => {
  const same = new Intl.DateTimeFormat("sv", { timeZone: "Europe/Paris" }).format(new Date(moment)) === Board.body.day;
  if (same) return Board.hour(moment);
  return new Intl.DateTimeFormat(Board.language, {
    weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "Europe/Paris",
  }).format(new Date(moment));
};

// ------------------------------------------------------------ alerts

Board.alertName = (name) => {
  const [kind, step] = name.split(":");
  return Board.t(`alerts.${kind}`, { step: step ? Board.step(step) : "" });
};
Board.showAlerts = () => {
  const list = document.getElementById("alert-list");
  Board.rows(list, Board.body.alerts, (one) => one.id, (one) => {
    const row = Board.element("li", {}, Board.element("strong", {}, Board.alertName(one.name)),
      Board.element("span", { class: "value" }), Board.element("span", { class: "since" }));
    if (Board.mayAct) {
      const button = Board.element("button", { type: "button", class: "secondary" }, Board.t("alerts.see"));
      button.addEventListener("click", () => Board.act("alert", { alert: one.id }, "alert_seen"));
      row.append(button);
    }
    if (document.getElementById("sound").checked) Board.ring();
    return row;
  }, (row, one) => {
    const kind = one.name.split(":")[0];
    const unit = (value) => Board.t(`unit.${kind}`, { value: Board.number(value) });
    const value = unit(Math.round(one.value * 10) / 10);
    // What was put right has no threshold: one is told already.
    const told = one.name === "tallies_wrong" ? value : Board.t("alerts.value", { value, threshold: unit(one.threshold) });
    Board.set(row.querySelector(".value"), told);
    Board.set(row.querySelector(".since"), Board.t("alerts.since", { time: Board.hour(one.since) }) + (one.seen ? ` · ${Board.t("alerts.seen")}` : ""));
    Board.mark(row, "data-seen", one.seen);
    const button = row.querySelector("button");
    if (button) button.hidden = one.seen;
  });
};
// Two short tones, made here: no file, and only where somebody asked for it.
Board.ring = () => {
  const audio = Board.audio ?? (Board.audio = new AudioContext());
  [0, 0.25].forEach((after) => {
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    tone.frequency.value = 880;
    loud.gain.value = 0.15;
    tone.connect(loud).connect(audio.destination);
    tone.start(audio.currentTime + after);
    tone.stop(audio.currentTime + after + 0.15);
  });
};

// ------------------------------------------------------------ the funnel and the menu

Board.failure = (row) => (row && row.entered ? Math.round((100 * (row.missed + row.silent)) / Math.max(row.entered, row.missed + row.silent)) : null);
Board.showFunnel = () => {
  const all = document.getElementById("all-steps").checked;
  const steps = Board.body.funnel.filter((one) => one.entered || one.hung_up || one.missed || one.silent);
  const most = Math.max(1, ...steps.map((one) => one.entered));
  // Where people are lost, and enough of them came to tell: first of all what a glance must find.
  const lost = (one) => one.hung_up + one.missed + one.silent;
  const shown = (all && !Board.wall) || steps.length <= 8 ? steps
    : (() => {
      const worst = new Set([...steps].sort((a, b) => lost(b) - lost(a)).slice(0, 8).map((one) => one.step));
      return steps.filter((one) => worst.has(one.step));
    })();
  document.getElementById("funnel-empty").hidden = steps.length > 0;
  Board.rows(document.getElementById("funnel-rows"), shown, (one) => one.step, (one) => {
    const row = Board.cells(8);
    row.children[0].textContent = Board.step(one.step);
    [...row.children].slice(1).forEach((cell) => cell.classList.add("number"));
    row.children[3].append(Board.element("span", { class: "usual" }), " ", Board.element("span", { class: "trend" }));
    return row;
  }, (row, one) => {
    const [name, entered, failure, , hungUp, missed, silent, repeated] = row.children;
    name.style.setProperty("--part", `${(100 * one.entered) / most}%`);
    Board.set(entered, Board.number(one.entered));
    const now = Board.failure(one);
    const usual = Board.failure(one.yesterday);
    Board.set(failure, Board.percent(now));
    Board.mark(failure, "data-state", now !== null && one.entered >= 20 && now >= 30 ? "bad" : "none");
    const trend = now === null || usual === null ? "" : now > usual + 5 ? "worse" : now < usual - 5 ? "better" : "same";
    Board.set(row.querySelector(".usual"), Board.percent(usual));
    const sign = { worse: "▲ ", better: "▼ ", same: "", "": "" }[trend];
    Board.set(row.querySelector(".trend"), trend && trend !== "same" ? sign + Board.t(`funnel.${trend}`) : "");
    Board.mark(row.querySelector(".trend"), "data-state", trend === "worse" ? "bad" : trend === "better" ? "good" : "none");
    Board.set(missed, Board.number(one.missed));
    Board.set(silent, Board.number(one.silent));
    Board.set(repeated, Board.number(one.repeated));
    Board.set(hungUp, Board.number(one.hung_up));
    const many = one.entered >= 20 && one.hung_up / one.entered >= 0.2;
    Board.mark(hungUp, "data-state", many ? "bad" : "none");
  });
};
Board.showMenu = () => {
  const groups = Board.body.menu.groups.filter(([name, count]) => name !== "other" || count);
  const most = Math.max(1, ...groups.map(([, count]) => count));
  Board.rows(document.getElementById("menu-groups"), groups, ([name]) => name,
    ([name]) => Board.element("li", {}, Board.element("span", {}, Board.t(`menu.${name}`)),
      Board.element("span", { class: "bar", "aria-hidden": "true" }), Board.element("b")),
    (row, [, count]) => {
      row.children[1].style.setProperty("--part", `${(100 * count) / most}%`);
      Board.set(row.children[2], Board.number(count));
    });
};

// ------------------------------------------------------------ messages, cases, offers

// A snapshot of an earlier version has none of them.
Board.openCases = (body) => Object.values(body.cases ?? {}).reduce((sum, count) => sum + count, 0);
Board.showMessages = () => {
  const { messages = [], offers, spent, calls_spent: rung, held } = Board.body;
  const count = Board.openCases(Board.body);
  Board.set(document.getElementById("cases-now"), count ? Board.t("messages.cases", { count: Board.number(count) }) : Board.t("messages.cases_none"));
  const told = offers ? [Board.t("messages.offers", { out: offers.out, taken: offers.taken, passed: offers.passed })] : [];
  if (offers?.minutes !== null && offers?.minutes !== undefined) told.push(Board.t("messages.answer", { minutes: Board.number(offers.minutes) }));
  if (offers?.untold) told.push(Board.t("messages.untold", { count: offers.untold }));
  Board.set(document.getElementById("offers-now"), told.join(" · "));
  const cost = (one) => ({ count: Board.number(one.parts ?? one.calls), limit: Board.number(one.limit), euros: Board.number(one.euros), most: Board.number(one.most_euros) });
  const costs = [];
  if (spent?.most_euros) costs.push(Board.t("messages.spent", cost(spent)));
  if (rung?.most_euros) costs.push(Board.t("messages.calls_spent", cost(rung)));
  const spend = document.getElementById("spent-now");
  spend.hidden = !costs.length;
  Board.set(spend, costs.join(" · "));
  const shut = Object.entries(held?.budgets ?? {});
  const back = document.getElementById("held-now");
  back.hidden = !held?.count && !shut.length;
  Board.set(document.getElementById("held-count"), Board.t("messages.held", { count: Board.number(held?.count ?? 0) }));
  const why = shut.map(([kind, count]) => Board.t(`held.${kind}`, { count: Board.number(count) }));
  if (held?.prefixes?.length) why.push(held.prefixes.join(", "));
  Board.set(document.getElementById("held-why"), why.join(" · "));
  document.getElementById("messages-empty").hidden = messages.length > 0;
  Board.rows(document.getElementById("message-rows"), messages, (one) => one.topic, (one) => {
    const row = Board.cells(4);
    row.children[0].textContent = Board.words.topic[one.topic] || one.topic || Board.t("none");
    [...row.children].slice(1).forEach((cell) => cell.classList.add("number"));
    return row;
  }, (row, one) => {
    Board.set(row.children[1], Board.number(one.missing));
    Board.mark(row.children[1], "data-state", one.missing ? "bad" : "none");
    Board.set(row.children[2], Board.number(one.waiting));
    Board.set(row.children[3], one.oldest ? Board.span(Board.seconds(one.oldest)) : Board.t("none"));
  });
};

// ------------------------------------------------------------ the map

const FEW_PLACES = 50;
// Seconds from which on it is told when places were counted.
const OLD_PLACES = 180;
Board.showMap = () => {
  const { free, total, days, counted_at: counted } = Board.body.places;
  const names = {};
  document.querySelectorAll(".tiles li").forEach((tile) => {
    const code = tile.dataset.departement;
    names[code] = tile.title;
    const count = free[code];
    const state = count === undefined ? "unknown" : count === 0 ? "bad" : count < FEW_PLACES ? "watch" : "good";
    Board.mark(tile, "data-state", state);
    Board.set(tile.querySelector("span"), count === undefined ? "" : Board.tiny(count));
  });
  Board.set(document.getElementById("places-total"), total === null ? Board.t("none") : Board.number(total));
  const when = !counted ? ` · ${Board.t("map.uncounted")}`
    : Board.seconds(counted) > OLD_PLACES ? ` · ${Board.t("map.counted", { time: Board.hour(counted) })}` : "";
  Board.set(document.getElementById("places-days"), Board.t("tile.places_more", { days }) + when);
  const elsewhere = Object.entries(free).filter(([code]) => !(code in names));
  Board.set(document.getElementById("elsewhere"), elsewhere.length
    ? `${Board.t("map.elsewhere")} : ${elsewhere.map(([code, count]) => `${code} ${Board.number(count)}`).join(", ")}` : "");
  Board.rows(document.getElementById("map-rows"), Object.entries(free), ([code]) => code, ([code]) => {
    const row = Board.cells(2);
    row.children[0].textContent = names[code] ? `${code} ${names[code]}` : code;
    row.children[1].classList.add("number");
    return row;
  }, (row, [, count]) => Board.set(row.children[1], count ? Board.number(count) : Board.t("map.full")));
};
// Four letters at most: 950, 4,2k, 12k.
Board.tiny = (count) => {
  if (count < 1000) return String(count);
  const thousands = count / 1000;
  const shown = thousands < 10 ? (Math.floor(thousands * 10) / 10).toLocaleString(Board.language) : String(Math.floor(thousands));
  return `${shown}k`;
};

// ------------------------------------------------------------ queues, agents, entries

Board.queueName = (queue) => {
  const language = new Intl.DisplayNames([Board.language], { type: "language" }).of(queue.language);
  return `${language}, ${queue.region || Board.t("queues.national")}`;
};
Board.box = (over, id, label) => {
  const box = Board.element("input", { type: "checkbox", value: id });
  box.checked = Board.selected[over].has(id);
  box.addEventListener("change", () => (box.checked ? Board.selected[over].add(id) : Board.selected[over].delete(id)));
  return Board.element("label", {}, box, Board.element("span", {}, label));
};
Board.showQueues = () => {
  const rows = document.getElementById("queue-rows");
  Board.rows(rows, Board.body.line.queues, (one) => one.id, (one) => {
    const row = Board.cells(10);
    const name = Board.queueName(one);
    row.children[0].append(Board.mayAct ? Board.box("queue", one.id, name) : name);
    [...row.children].slice(2).forEach((cell) => cell.classList.add("number"));
    row.children[1].append(Board.element("span"), Board.element("small"));
    return row;
  }, (row, one) => {
    const cells = row.children;
    const opened = Board.t(one.open ? "queues.open_now" : "queues.closed_now");
    const shown = one.state === "hours" ? `${Board.t("queues.hours")} (${opened})` : Board.t(`queues.${one.state}`);
    Board.set(cells[1].firstChild, shown);
    Board.set(cells[1].lastChild, one.announcement ? Board.t("queues.announcement", { text: [one.announcement, ...Object.values(one.translations)].join(" / ") }) : "");
    Board.set(cells[2], Board.number(one.people));
    Board.set(cells[3], Board.number(one.calls));
    Board.set(cells[4], Board.number(one.callbacks));
    const wait = one.longest ? Board.seconds(one.longest) : 0;
    Board.set(cells[5], one.longest ? Board.span(wait) : Board.t("none"));
    Board.mark(cells[5], "data-state", wait > Board.body.thresholds.longest_wait ? "bad" : "none");
    Board.set(cells[6], Board.number(one.agents));
    Board.mark(cells[6], "data-state", !one.agents && one.people ? "bad" : "none");
    Board.set(cells[7], Board.percent(one.level));
    Board.set(cells[8], Board.number(one.abandoned));
    Board.set(cells[9], one.region ? Board.t("queues.overflow_minutes", { count: one.overflow_minutes }) : Board.t("none"));
  });
  if (Board.mayAct) {
    Board.rows(document.getElementById("queue-boxes"), Board.body.line.queues, (one) => one.id, (one) =>
      Board.element("label", {}, Board.element("input", { type: "checkbox", name: "queue", value: one.id }), Board.queueName(one)),
    () => {});
  }
};
const AGENT_SIGNS = { ready: "●", reserved: "◐", talking: "▶", wrapup: "✎", paused: "‖", offline: "○" };
Board.showAgents = () => {
  const { list } = Board.body.agents;
  // On a wall nobody's name hangs.
  if (!document.getElementById("agent-rows")) return;
  const queues = new Map(Board.body.line.queues.map((one) => [one.id, Board.queueName(one)]));
  document.getElementById("agents-empty").hidden = list.length > 0;
  Board.rows(document.getElementById("agent-rows"), list, (one) => one.id, (one) => {
    const row = Board.cells(Board.mayAct ? 5 : 4);
    row.children[0].append(Board.mayAct ? Board.box("agent", one.id, one.name) : one.name);
    row.children[2].classList.add("number");
    if (Board.mayAct) {
      const buttons = Board.element("div", { class: "buttons" });
      for (const mode of ["listen", "whisper", "join"]) {
        const button = Board.element("button", {
          type: "button", class: "secondary", "aria-label": Board.t(`agents.${mode}_named`, { name: one.name }),
        }, Board.t(`agents.${mode}`));
        button.addEventListener("click", () => {
          const now = Board.body.agents.list.find((other) => other.id === one.id);
          if (now?.entry) Board.act("listen", { entry: now.entry, mode }, mode);
        });
        buttons.append(button);
      }
      row.children[4].append(buttons);
    }
    return row;
  }, (row, one) => {
    const why = one.state === "paused" && one.reason ? ` (${Board.words.pause[one.reason] ?? one.reason})` : "";
    Board.set(row.children[1], `${AGENT_SIGNS[one.state] ?? ""} ${Board.t(`agents.${one.state}`)}${why}`);
    Board.set(row.children[2], Board.span(Board.seconds(one.since)));
    Board.set(row.children[3], one.queues.map((id) => queues.get(id) ?? id).join(" ; ") || Board.t("agents.default_queues"));
    const buttons = row.querySelector(".buttons");
    if (buttons) buttons.hidden = one.state !== "talking";
  });
};
Board.showEntries = () => {
  const rows = document.getElementById("entry-rows");
  if (!rows) return;
  const names = new Map(Board.body.agents.list.map((one) => [one.id, one.name]));
  const queues = new Map(Board.body.line.queues.map((one) => [one.id, Board.queueName(one)]));
  // Places are those among all who wait, whatever part of them is looked at.
  const all = [...Board.all.entries].sort((a, b) => (a.since < b.since ? -1 : 1));
  let place = 0;
  all.forEach((one) => { one.place = one.state === "waiting" ? (place += 1) : 0; });
  const looked = new Set(Board.body.entries.map((one) => one.id));
  const mine = all.filter((one) => looked.has(one.id));
  const entries = Board.numbers ? mine.filter((one) => Board.isChosenNumber(one.called)) : mine;
  document.getElementById("entries-empty").hidden = entries.length > 0;
  // The oldest are listed; all of them are in the figure above.
  const listed = mine.filter((one) => one.state !== "talking").length;
  const more = Board.body.backlog.people - Board.body.backlog.kept - listed;
  const rest = document.getElementById("entries-more");
  rest.hidden = more <= 0;
  Board.set(rest, more > 0 ? Board.t("entries.more", { count: Board.number(more) }) : "");
  const ready = Board.body.agents.list.filter((one) => one.state === "ready");
  Board.rows(rows, entries, (one) => one.id, (one) => {
    const known = Board.mayAct ? 6 : 5;
    const named = Board.looks && Object.keys(Board.looks).length;
    const row = Board.cells(known + (Board.numbers ? 1 : 0) + (named ? 1 : 0));
    if (Board.numbers) row.children[known].textContent = Board.numberName(Board.numberOf(one.called));
    if (named) row.lastElementChild.textContent = Board.whatFor(one.about);
    row.children[0].classList.add("number");
    row.children[3].classList.add("number");
    if (Board.mayAct) {
      const select = Board.element("select", { "aria-label": Board.t("entries.give") });
      select.addEventListener("change", () => { select.dataset.picked = select.value; });
      const button = Board.element("button", { type: "button", class: "secondary" }, Board.t("entries.give_button"));
      button.addEventListener("click", () => Board.act("give", { entry: one.id, agent: select.value }, "entry_reassigned"));
      row.children[5].append(Board.element("div", { class: "buttons" }, select, button));
    }
    return row;
  }, (row, one) => {
    const cells = row.children;
    Board.set(cells[0], one.place || Board.t("none"));
    Board.set(cells[1], queues.get(one.queue) ?? one.queue);
    const kind = Board.t(`entries.${one.kind}`);
    Board.set(cells[2], one.reason === "interpreter" ? `${kind} · ${Board.t("entries.interpreter")}` : kind);
    Board.set(cells[3], Board.span(Board.seconds(one.since)));
    Board.set(cells[4], Board.t(`entries.${one.state}`, { name: names.get(one.staff) ?? "" }));
    if (!Board.mayAct) return;
    const box = cells[5].firstChild;
    box.hidden = one.state === "talking";
    const [select, button] = box.children;
    Board.mark(button, "aria-label", Board.t("entries.give_named", { place: one.place || "–" }));
    // A list that is open in somebody's hand stays as it is.
    if (document.activeElement === select) return;
    const wanted = ready.filter((agent) => agent.id !== one.staff).map((agent) => `${agent.id}\n${agent.name}`).join("\f");
    if (select.dataset.known !== wanted) {
      select.dataset.known = wanted;
      const chosen = select.value;
      select.replaceChildren(...(ready.length ? ready.filter((agent) => agent.id !== one.staff)
        .map((agent) => Board.element("option", { value: agent.id }, agent.name))
        : [Board.element("option", { value: "" }, Board.t("entries.nobody"))]));
      if (chosen) select.value = chosen;
      // Who was picked by hand and is not ready any more is not replaced by somebody else.
      const lost = select.dataset.picked && select.dataset.picked !== select.value;
      if (lost) select.selectedIndex = -1;
      else if (!select.value && select.options.length) select.selectedIndex = 0;
    }
    button.disabled = !select.value;
  });
};
Board.showSettings = () => {
  const now = document.getElementById("floor-now");
  if (!now) return;
  const { floor, thresholds } = Board.body;
  Board.set(now, Board.t("settings.floor_now", floor));
  Board.mark(document.getElementById("floor"), "min", floor.campaign);
  for (const field of document.querySelectorAll("[data-threshold]")) {
    if (document.activeElement !== field) Board.mark(field, "placeholder", thresholds[field.dataset.threshold]);
  }
};
