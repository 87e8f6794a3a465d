"use strict";
// What the figures come to: at most so many sentences, the worst first, each with where to act on it.
// Read off the same figures as all else here; nobody is decided for.
const NOW_SHOWN = 4;
const NOW = { worst: { bad: 0, watch: 1, good: 2 }, few: 20, failing: 30, trend: 180, past: [] };

// How many more or fewer are to be served than three minutes ago; null while that is not known.
NOW.growth = (now, waiting) => {
  const { past } = NOW;
  if (!past.length || now - past[past.length - 1].at >= 1000) past.push({ at: now, waiting });
  while (past.length > 1 && now - past[1].at >= NOW.trend * 1000) past.shift();
  return now - past[0].at >= NOW.trend * 1000 ? waiting - past[0].waiting : null;
};
// The question at which most people are lost, of those where many of many are. Who waits is asked none.
NOW.step = (funnel) => funnel
  .filter((one) => one.group !== "person" && one.entered >= NOW.few && Board.failure(one) >= NOW.failing)
  .sort((a, b) => b.missed + b.silent - a.missed - a.silent)[0];

Board.advice = (body) => {
  // Of all services: agents are everybody's.
  const { line, backlog, forecast, agents, callbacks, texts, thresholds, funnel } = body;
  // Advice by old figures would be of another hour.
  if (Board.old) return [{ key: "old", state: "old", text: Board.t("old.advice", { figures: Board.old }), where: "" }];
  const found = [];
  const say = (state, key, values, where) => found.push({ key, state, text: Board.t(`advice.${key}`, values), where });
  const waiting = line.calls;
  const { ready } = agents.states;
  const missed = agents.list.filter((one) => one.state === "paused" && one.reason === "no_answer").map((one) => one.name);
  if (backlog.people && agents.at_work <= thresholds.agents_at_work) {
    say("bad", backlog.at_work ? "few" : "nobody", { count: backlog.people, work: backlog.at_work }, "queues");
  } else if (waiting && !ready) {
    say("watch", "none_ready", { count: waiting, talking: agents.states.talking, paused: agents.states.paused }, "agents");
  }
  if (missed.length) say("watch", "missed", { names: missed.slice(0, 3).join(", ") }, "agents");
  const { minutes } = forecast;
  if (backlog.people && minutes !== null && minutes * 60 > thresholds.longest_wait / 2) {
    say(minutes * 60 > thresholds.longest_wait ? "bad" : "watch", "wait", { minutes }, "queues");
  }
  if (callbacks.overdue) say("bad", "overdue", { count: callbacks.overdue }, "entries");
  else if (callbacks.promised && callbacks.last && (callbacks.rung_by === null || callbacks.rung_by > callbacks.last)) {
    const times = callbacks.rung_by && { time: Board.day(callbacks.rung_by), last: Board.day(callbacks.last) };
    say("watch", times ? "late" : "unkept", times || { count: callbacks.promised }, "queues");
  }
  const step = NOW.step(funnel);
  if (step) {
    const share = Board.failure(step);
    const usual = Board.failure(step.yesterday);
    const worse = usual !== null && share > usual + 5;
    say(worse ? "bad" : "watch", usual === null ? "step" : "step_usual",
      { step: Board.step(step.step), share, usual, came: Board.number(step.entered) }, "funnel");
  }
  if (texts.missing > thresholds.texts_missing / 2) {
    say(texts.missing > thresholds.texts_missing ? "bad" : "watch", "texts", { count: texts.missing }, "messages");
  }
  const cases = Board.openCases(body);
  if (cases) say("watch", "cases", { count: Board.number(cases) }, "messages");
  const full = Object.values(body.places.free).filter((count) => count === 0).length;
  if (full && !found.length) say("watch", "full", { count: full }, "map");
  if (body.counted_to) say("watch", "counting", { time: Board.hour(body.counted_to) }, "");
  if (!found.length) say("good", "nothing", {}, "");
  return found.sort((a, b) => NOW.worst[a.state] - NOW.worst[b.state]).slice(0, NOW_SHOWN);
};
Board.showNow = () => {
  Board.rows(document.getElementById("advice"), Board.advice(Board.all), (one) => one.key, (one) => {
    const row = Board.element("li", {}, Board.element("span", { class: "sign", "aria-hidden": "true" }), " ",
      Board.element("span", { class: "visually-hidden", "data-verdict": true }), " ", Board.element("span", { "data-text": true }));
    if (one.where && !Board.wall) {
      row.append(" ", Board.element("a", { href: `#${one.where}` }, Board.t(`advice.to_${one.where}`)));
    }
    return row;
  }, (row, one) => {
    Board.mark(row, "data-state", one.state);
    Board.set(row.querySelector("[data-verdict]"), one.state === "old" ? "" : `${Board.t(`state.${one.state}`)} :`);
    Board.set(row.querySelector("[data-text]"), one.text);
  });
};
