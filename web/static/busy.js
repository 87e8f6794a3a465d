"use strict";
// What a script adds to every form for citizens: a press is seen at once, and is one press; whoever
// waits is told so, and so is whoever waits in vain. Nothing here is needed to send a form, and
// nothing asks the browser what time it is.

(() => {
  const SLOW_SECONDS = 8;
  const AGAIN_SECONDS = 30;
  let pressed = null, timers = [];

  // `word` is one of the data of #busy; those that are no end of it have the number to ring.
  function say(word) {
    const place = document.getElementById("busy");
    if (!place) return;
    place.textContent = word ? place.dataset[word] : "";
    if (!word || word === "now") return;
    const link = document.createElement("a");
    link.href = place.dataset.link;
    link.textContent = place.dataset.number;
    place.append(" ", place.dataset.ring, " ", link);
  }

  // The visitor may press again.
  function free() {
    if (!pressed) return;
    const { form, button } = pressed;
    form.removeAttribute("aria-busy");
    delete form.dataset.sent;
    if (button) {
      button.disabled = false;
      if (document.activeElement === document.body) button.focus({ preventScroll: true });
    }
    pressed = null;
  }

  function over(word) {
    timers.forEach(clearTimeout);
    timers = [];
    free();
    say(word);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    // htmx sends a form itself; another script that stops one wants it to stay.
    if (event.defaultPrevented && !form.closest("[hx-boost=true]")) return;
    over("");
    pressed = { form, button: event.submitter };
    form.setAttribute("aria-busy", "true");
    // Once the form was read: a button that is disabled sends nothing of its own.
    setTimeout(() => { if (pressed?.button) pressed.button.disabled = true; }, 0);
    say("now");
    timers = [
      setTimeout(() => say("slow"), SLOW_SECONDS * 1000),
      setTimeout(free, AGAIN_SECONDS * 1000),
    ];
  });

  // No answer came at all: what was typed is still there.
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:sendAbort"]) {
    document.addEventListener(name, () => over("lost"));
  }
  document.addEventListener("htmx:afterSettle", () => over(""));
  window.addEventListener("pageshow", (event) => { if (event.persisted) over(""); });
})();
