"use strict";
// Asks each second, and shows. Nothing new (304) still tells how old it is.
const POLL_MS = 1000;
const HISTORY_MS = 30000;
// A store that does not answer holds an answer up for longer than anybody believes a figure.
const PATIENCE_MS = 4000;
const Poll = { tag: "", age: 0, heard: 0, failed: false, out: false, timer: 0 };

Poll.fetch = async () => {
  const headers = { Accept: "application/json" };
  if (Poll.tag) headers["If-None-Match"] = Poll.tag;
  const patience = new AbortController();
  setTimeout(() => patience.abort(), PATIENCE_MS);
  const answer = await fetch(Board.root.dataset.etat, { headers, signal: patience.signal, cache: "no-store" });
  if (answer.status === 401 || answer.status === 403) {
    Poll.out = true;
    return;
  }
  if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
  const body = answer.status === 304 ? null : await answer.json();
  Poll.heard = performance.now();
  Poll.failed = Poll.out = false;
  Poll.age = Number(answer.headers.get("X-Board-Age") ?? -1);
  const now = Date.parse(answer.headers.get("X-Board-Now") ?? "");
  // Told to the second: only what is wrong by more than that is put right.
  if (Math.abs(now - Board.now()) > 1500) Board.clock = { told: now, at: Poll.heard };
  if (body === null || Poll.age < 0) return;
  Poll.tag = answer.headers.get("ETag") ?? "";
  Board.all = body;
  Board.body = Board.looked ? Board.looked(body) : body;
  Poll.news();
};
// What only changes with news.
Poll.news = () => {
  const count = Board.all.services?.length;
  const open = count ? Board.t("campaigns", { count }) : Board.t("campaign", { name: Board.body.campaign });
  Board.set(document.getElementById("campaign"), open);
  Board.showFunnel();
  Board.showMenu();
  Board.showMap();
  Board.showSettings();
  Charts.bookings();
  Charts.hour();
  Charts.days();
};
// What changes with time itself.
Poll.tick = () => {
  const clock = document.getElementById("clock");
  Board.set(clock, new Intl.DateTimeFormat(Board.language, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: "Europe/Paris",
  }).format(new Date(Board.now())));
  Poll.showAge();
  if (Board.body) {
    Board.showNow();
    Board.showFigures();
    Board.showAlerts();
    Board.showMessages();
    Board.showQueues();
    Board.showNumbers?.();
    Board.showServices?.();
    Board.showAgents();
    Board.showEntries();
  }
};
// Figures that are not of now are called so, wherever they stand, and by what hour they are of.
Poll.showAge = () => {
  const since = Poll.heard ? (performance.now() - Poll.heard) / 1000 : 0;
  const age = Poll.age + since;
  const limit = Board.body?.thresholds.snapshot_age ?? 5;
  const isOld = Boolean(Board.body) && (Poll.out || age > limit || Poll.age < 0);
  const silent = Poll.failed && since > limit;
  if (!isOld || !Board.old) Board.truth = Board.now() - Math.max(age, 0) * 1000;
  Board.old = isOld ? Board.t("old.word", { hour: Board.moment(Board.truth) }) : "";
  let told = "";
  if (Poll.out) told = Board.t("signed_out");
  else if (Poll.heard && Poll.age < 0) told = Board.t("never");
  else if (silent && !Board.body) told = Board.t("old.silent");
  else if (isOld) told = Board.t(silent ? "old.offline" : "old.frozen", { figures: Board.old, time: Board.about(age) });
  const banner = document.getElementById("stale");
  Board.set(banner, told);
  banner.hidden = !told;
  Board.root.toggleAttribute("data-old", isOld);
  const fresh = document.getElementById("freshness");
  fresh.hidden = Boolean(told);
  if (Poll.heard && !told) {
    Board.mark(fresh, "data-state", "good");
    Board.set(fresh.querySelector("[data-word]"), Board.t("fresh"));
  }
  Poll.markActs(!isOld ? "" : Poll.out ? Board.t("old.out_word") : silent ? Board.t("old.silent_word") : Board.old);
};
// Every button that acts says what it would act on: figures of another hour, or a service that is not there.
Poll.markActs = (said) => {
  const acts = "form[data-over] [type=submit], form[data-at-once] [type=submit], td .buttons button, #alert-list button, #confirm [data-go]";
  for (const button of Board.root.querySelectorAll(acts)) {
    if (said) {
      Board.mark(button, "data-old", said);
      Board.mark(button, "aria-describedby", "stale");
    } else if (button.dataset.old) {
      button.removeAttribute("data-old");
      button.removeAttribute("aria-describedby");
    }
  }
};
Poll.once = async () => {
  try {
    await Poll.fetch();
  } catch {
    Poll.failed = true;
  }
  Poll.tick();
  clearTimeout(Poll.timer);
  // A page that nobody sees asks less often.
  Poll.timer = setTimeout(Poll.once, document.hidden ? 10 * POLL_MS : POLL_MS);
};
Poll.history = async () => {
  try {
    const answer = await fetch(Board.root.dataset.history, { headers: { Accept: "application/json" } });
    if (answer.ok) Charts.history(await answer.json());
  } catch {
    // The next time will do.
  }
  setTimeout(Poll.history, HISTORY_MS);
};
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  clearTimeout(Poll.timer);
  Poll.once();
});
document.getElementById("all-steps").addEventListener("change", () => Board.body && Board.showFunnel());
document.getElementById("sound").addEventListener("change", (event) => {
  // A browser plays nothing that nobody asked for by hand.
  if (event.target.checked) Board.ring();
});
// Time goes on while an answer is awaited.
setInterval(Poll.tick, POLL_MS);
Poll.once();
Poll.history();
