"use strict";
// What a supervisor does: asked for twice where it concerns many, told afterwards, and taken back.
const Acts = { dialog: document.getElementById("confirm"), toast: document.getElementById("toast") };

// What concerns many, and listening, asks for the password again, when it was given some minutes ago; then it is done.
Acts.send = async (address, fields) => {
  let told = await Acts.post(address, fields);
  if (told.why === "unproved" && (await Acts.prove())) told = await Acts.post(address, fields);
  return told;
};
Acts.prove = () => new Promise((resolve) => {
  const dialog = document.getElementById("proof");
  const [field, problem] = [dialog.querySelector("input"), dialog.querySelector("[data-problem]")];
  const end = (proved) => {
    field.value = "";
    dialog.removeEventListener("cancel", no);
    dialog.close();
    resolve(proved);
  };
  const no = () => end(false);
  problem.hidden = true;
  dialog.querySelector("[data-cancel]").onclick = no;
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    const told = await Acts.post(dialog.dataset.prove, [["password", field.value]]);
    if (told.done) {
      end(true);
      return;
    }
    problem.textContent = told.message;
    problem.hidden = false;
    field.select();
  };
  dialog.addEventListener("cancel", no);
  dialog.showModal();
  field.focus();
});
// Longer than a store may take that is only slow.
const ACT_MS = 10000;
Acts.post = async (address, fields) => {
  const patience = new AbortController();
  setTimeout(() => patience.abort(), ACT_MS);
  try {
    const answer = await fetch(address, {
      method: "POST",
      signal: patience.signal,
      headers: { "X-CSRFToken": csrf(), Accept: "application/json" },
      body: new URLSearchParams(fields),
    });
    const told = await answer.json().catch(() => ({}));
    if (answer.status === 401) return { done: false, message: Board.t("signed_out") };
    // The store: what came of it is not known here.
    if (answer.status === 503) return { done: false, message: Board.t("why.store") };
    return answer.ok || told.message ? told : { done: false, message: Board.t("why.other", { code: answer.status }) };
  } catch (error) {
    return { done: false, message: Board.t(error.name === "AbortError" ? "why.store" : "why.network") };
  }
};
Acts.tell = (text, bad = false, undo = []) => {
  Acts.toast.hidden = false;
  Acts.undo = undo;
  Board.mark(Acts.toast, "data-state", bad ? "bad" : "good");
  Acts.toast.querySelector("[data-word]").textContent = text;
  document.getElementById("toast-undo").hidden = undo.length === 0;
  clearTimeout(Acts.timer);
  Acts.timer = setTimeout(() => { Acts.toast.hidden = true; }, undo.length ? 20000 : 8000);
};
Acts.do = async (address, fields, what) => {
  const told = await Acts.send(address, fields);
  if (!told.done) Acts.tell(Board.t("confirm.failed", { why: told.message }), true);
  else if (!told.changed) Acts.tell(Board.t("confirm.nothing"));
  else Acts.tell(Board.t("confirm.done", { what: Board.t(`act.${what}`) }), false, told.undo ?? []);
  return Boolean(told.done);
};
Board.act = (name, fields, what) => Acts.do(Acts.dialog.dataset[name], fields, what);

document.getElementById("toast-undo").addEventListener("click", async () => {
  // The last first: each goes back to what was right before it.
  for (const act of [...(Acts.undo ?? [])].sort((a, b) => b - a)) {
    const told = await Acts.send(Acts.dialog.dataset.undo, [["act", act]]);
    if (!told.done) {
      Acts.tell(Board.t("confirm.failed", { why: told.message }), true);
      return;
    }
  }
  Acts.tell(Board.t("confirm.undone"));
});

// Shows what an act would concern; resolves to whether it is wanted.
Acts.ask = (what, effect) => new Promise((resolve) => {
  const { dialog } = Acts;
  dialog.querySelector("[data-what]").textContent = what;
  dialog.querySelector("[data-effect]").textContent = effect;
  const end = (wanted) => {
    dialog.removeEventListener("cancel", no);
    dialog.close();
    resolve(wanted);
  };
  const no = () => end(false);
  dialog.querySelector("[data-go]").onclick = () => end(true);
  dialog.querySelector("[data-cancel]").onclick = no;
  dialog.addEventListener("cancel", no);
  dialog.showModal();
  dialog.querySelector("[data-cancel]").focus();
});

const NAMES = {
  state: "queue_state", announcement: "queue_announcement", overflow: "queue_overflow",
  queues: "agent_queues", pause: "agent_paused", sign_out: "agent_signed_out",
};
document.querySelectorAll("form[data-over]").forEach((form) => form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { over } = form.dataset;
  const there = new Set((over === "queue" ? Board.body.line.queues : Board.body.agents.list).map((one) => one.id));
  const chosen = [...Board.selected[over]].filter((id) => there.has(id));
  if (!chosen.length) {
    Acts.tell(Board.t(`${over}s.choose`), true);
    return;
  }
  const ids = chosen.map((id) => [over, id]);
  const reach = await Acts.send(Acts.dialog.dataset.look, ids);
  if (reach.message) {
    Acts.tell(Board.t("confirm.failed", { why: reach.message }), true);
    return;
  }
  const what = NAMES[form.elements.what.value];
  const label = form.querySelector("[type=submit]").textContent;
  const value = form.querySelector("select")?.selectedOptions[0]?.textContent ?? form.querySelector("textarea, [type=number]")?.value;
  const effect = Board.t(over === "queue" ? "confirm.effect" : "confirm.effect_agents", reach);
  if (await Acts.ask(value === undefined ? label : Board.t("confirm.what", { label, value: value || Board.t("none") }), effect)) {
    await Acts.do(form.action, [...new FormData(form), ...ids], what);
  }
}));
document.querySelectorAll("form[data-at-once]").forEach((form) => form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await Acts.do(form.action, [...new FormData(form)], form.dataset.what ?? "listen")) form.reset();
}));
