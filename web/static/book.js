"use strict";
// What a script adds to the questions of public booking: the time that is left, the keyboard where
// it is needed next, and a button that prints. Nothing here is needed to book.

(() => {
  const LAST_SECONDS = 60;
  let ticking = 0;

  // ------------------------------------------------------------ the time that is left

  function countdown() {
    clearInterval(ticking);
    const shown = document.querySelector(".countdown[data-seconds]");
    if (!shown) return;
    const over = performance.now() + Number(shown.dataset.seconds) * 1000;
    const left = shown.querySelector(".left");
    let warned = false;
    const tick = () => {
      const seconds = Math.max(0, Math.round((over - performance.now()) / 1000));
      if (!seconds) {
        clearInterval(ticking);
        // Said aloud once, and not each second.
        shown.setAttribute("role", "status");
        shown.className = "note warn";
        shown.textContent = shown.dataset.over;
        return;
      }
      left.textContent = shown.dataset.left
        .replace("{minutes}", Math.floor(seconds / 60))
        .replace("{seconds}", String(seconds % 60).padStart(2, "0"));
      if (seconds <= LAST_SECONDS && !warned) {
        warned = true;
        const said = document.createElement("span");
        said.className = "visually-hidden";
        said.setAttribute("role", "status");
        shown.after(said);
        said.textContent = shown.dataset.last;
      }
    };
    tick();
    ticking = setInterval(tick, 1000);
  }

  // ------------------------------------------------------------ the page

  function ready(focus) {
    countdown();
    for (const button of document.querySelectorAll("button.print")) {
      button.hidden = false;
      button.addEventListener("click", () => window.print());
    }
    const problems = document.getElementById("problems");
    if (problems) problems.focus();
    else if (focus) document.getElementById("question")?.focus({ preventScroll: true });
  }

  // A link of the list of what is wrong leads into the field, and not only to it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#problems a");
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    field.focus();
  });

  // The service refuses a copy by itself; this only spares the wait for it.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 4000);
  }, true);

  // A page that the browser kept from before may be of an answer that was changed since.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  document.addEventListener("DOMContentLoaded", () => ready(false));
  document.addEventListener("htmx:afterSettle", () => ready(true));
})();
