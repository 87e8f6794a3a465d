"use strict";
// Looks again by itself, without loading the page: a screen reader is not thrown back to its top.
(() => {
  const again = document.getElementById("again");
  if (again) {
    setTimeout(() => location.reload(), Number(again.dataset.each) * 1000);
    return;
  }
  const room = document.getElementById("room");
  if (!room) return;
  const tell = (name, words) => {
    const place = room.querySelector(`[data-${name}]`);
    if (place && words !== undefined && place.textContent !== words) place.textContent = words;
  };
  // The centre that this page's address asks for is asked for there, too.
  const withCentre = (path) => {
    const to = new URL(path, location.href), here = new URLSearchParams(location.search);
    for (const name of ["centre", "creneau"]) if (here.has(name)) to.searchParams.set(name, here.get(name));
    return to;
  };
  let each = Number(room.dataset.each);
  // Everybody at the same moment would be a crowd of its own.
  const soon = () => setTimeout(look, each * (750 + 500 * Math.random()));
  async function look() {
    try {
      const answer = await fetch(room.dataset.etat, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) {
        const told = await answer.json();
        if (told.go) {
          document.title = room.dataset.yours;
          location.assign(withCentre(told.go));
          return;
        }
        if (told.kind && told.kind !== room.dataset.kind) {
          location.reload();
          return;
        }
        each = told.each || each;
        tell("ahead", told.ahead);
        tell("wait", told.wait);
        tell("seconds", told.seconds);
      }
    } catch {
      // The next look may be luckier; the page stays as it is.
    }
    soon();
  }
  soon();
})();
