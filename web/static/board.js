"use strict";
// Asks each second, and shows. Nothing new (304) still tells how old it is.
const POLL_MS = 1000;
const HISTORY_MS = 30000;
const Poll = { tag: "", age: 0, heard: 0, failed: false, out: false, timer: 0 };

Poll.fetch = async () => {
  const headers = { Accept: "application/json" };
  if (Poll.tag) headers["If-None-Match"] = Poll.tag;
  const answer = await fetch(Board.root.dataset.etat, { headers, cache: "no-store" });
  if (answer.status === 401 || answer.status === 403) {
    Poll.out = true;
    return;
  }
  if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
  Poll.heard = performance.now();
  Poll.failed = Poll.out = false;
  Poll.age = Number(answer.headers.get("X-Board-Age") ?? -1);
  const now = answer.headers.get("X-Board-Now");
  // Told to the second: only what is wrong by more than that is put right.
  if (now && Math.abs(Date.parse(now) - Board.now()) > 1500) Board.offset = Date.parse(now) - Date.now();
  if (answer.status === 304) return;
  const body = await answer.json();
  if (Poll.age < 0) return;
  Poll.tag = answer.headers.get("ETag") ?? "";
  Board.body = body;
  Poll.news();
};
// What only changes with news.
Poll.news = () => {
  Board.set(document.getElementById("campaign"), Board.t("campaign", { name: Board.body.campaign }));
  Board.showFunnel();
  Board.showMenu();
  Board.showMap();
  Board.showSettings();
  Charts.bookings();
};
// What changes with time itself.
Poll.tick = () => {
  const clock = document.getElementById("clock");
  Board.set(clock, new Intl.DateTimeFormat(Board.language, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: "Europe/Paris",
  }).format(new Date(Board.now())));
  if (Board.body) {
    Board.showNow();
    Board.showFigures();
    Board.showAlerts();
    Board.showMessages();
    Board.showQueues();
    Board.showAgents();
    Board.showEntries();
  }
  Poll.showAge();
};
Poll.showAge = () => {
  const since = Poll.heard ? (performance.now() - Poll.heard) / 1000 : 0;
  const age = Poll.age + since;
  const limit = Board.body?.thresholds.snapshot_age ?? 5;
  let told = "";
  if (Poll.out) told = Board.t("signed_out");
  else if (Poll.failed && since > limit) told = Board.t("offline", { time: Board.about(since) });
  else if (Poll.heard && Poll.age < 0) told = Board.t("never");
  else if (Poll.heard && age > limit) told = Board.t("stale", { time: Board.about(age) });
  const banner = document.getElementById("stale");
  Board.set(banner, told);
  banner.hidden = !told;
  const fresh = document.getElementById("freshness");
  fresh.hidden = Boolean(told);
  if (Poll.heard && !told) {
    Board.mark(fresh, "data-state", "good");
    Board.set(fresh.querySelector("[data-word]"), Board.t("fresh"));
  }
};
Poll.once = async () => {
  try {
    await Poll.fetch();
  } catch {
    Poll.failed = true;
  }
  Poll.tick();
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
Poll.once();
Poll.history();
