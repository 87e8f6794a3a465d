// What tests/browser/gallery/checks.py asks of a page as it stands: each gives what it found.
(() => {
  const shown = (one) => one.checkVisibility();

  function headings() {
    const told = [];
    let level = 0;
    for (const one of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
      if (!shown(one)) continue;
      const now = Number(one.tagName[1]);
      if (now > level + 1) told.push(`heading ${one.tagName} after H${level}: ${one.innerText.slice(0, 40)}`);
      level = now;
    }
    const first = [...document.querySelectorAll("h1")].filter(shown);
    if (first.length !== 1) told.push(`${first.length} headings of the first level`);
    return told;
  }

  function ties() {
    const told = [];
    const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
    for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) told.push(`twice: #${id}`);
    for (const one of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
      if (!shown(one)) continue;
      for (const name of ["aria-describedby", "aria-labelledby"])
        for (const id of (one.getAttribute(name) ?? "").split(/\s+/).filter(Boolean))
          if (!document.getElementById(id)) told.push(`${name} of nothing: ${id}`);
    }
    for (const one of document.querySelectorAll("[aria-invalid=true]"))
      if (!one.getAttribute("aria-describedby")) told.push(`wrong, and not said what: #${one.id}`);
    return told;
  }

  function structure() {
    const told = [...headings(), ...ties()];
    if (document.querySelectorAll("main").length !== 1) told.push("not one main");
    if (!document.title.trim()) told.push("no title");
    if (!document.documentElement.lang) told.push("no lang");
    const skip = document.querySelector("a.skip");
    if (!skip || !document.querySelector(skip.getAttribute("href"))) told.push("no way past the header");
    return told;
  }

  // A table, a plan or a chart may be wider than the page where it scrolls by itself.
  const sideways = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;

  function spaces(line, letter, word) {
    for (const one of document.querySelectorAll("body, body *")) {
      if (!one.style) continue;
      one.style.lineHeight = line;
      one.style.letterSpacing = letter;
      one.style.wordSpacing = word;
    }
  }

  let had = null;

  // The keyboard stands before everything else, as in a page that has just come.
  function begins() {
    had = document.activeElement;
    had?.blur();
    const first = document.createElement("span");
    first.tabIndex = -1;
    first.id = "from-the-top";
    document.body.prepend(first);
    first.focus();
  }

  function stop() {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const box = one.getBoundingClientRect();
    const around = ["radio", "checkbox"].includes(one.type) ? one.closest("label") : null;
    const rings = [one, around].filter(Boolean).map((of) => getComputedStyle(of));
    one.dataset.met = Number(one.dataset.met ?? 0) + 1;
    return {
      what: `${one.tagName} ${one.id || one.name || one.innerText?.slice(0, 30)}`,
      times: Number(one.dataset.met),
      shown: box.width > 0 && box.height > 0,
      ring: rings.some((of) => of.outlineStyle !== "none" && parseFloat(of.outlineWidth) >= 2),
    };
  }

  // A walk goes on as if nobody had been here.
  function ends() {
    document.getElementById("from-the-top")?.remove();
    for (const one of document.querySelectorAll("[data-met]")) delete one.dataset.met;
    document.activeElement?.blur();
    had?.focus();
  }

  const settle = () => document.getAnimations().forEach((one) => one.cancel());

  const moving = () => document.getAnimations()
    .filter((one) => one.playState === "running" && one.effect.getComputedTiming().duration > 100)
    .map((one) => `moves: ${one.effect.target?.id || one.effect.target?.className}`);

  const edgeless = () => [...document.querySelectorAll("button, .button, input:not([type=hidden]), select, textarea")]
    .filter((one) => one.checkVisibility({ opacityProperty: true }) && !one.disabled)
    .filter((one) => !one.matches(".quiet, .visually-hidden, [type=radio], [type=checkbox]"))
    .filter((one) => {
      const style = getComputedStyle(one);
      return style.borderTopStyle === "none" || parseFloat(style.borderTopWidth) < 1;
    })
    .map((one) => `no edge in forced colours: ${one.tagName} ${one.id || one.innerText}`);

  // Behind letters a browser paints the system's own ground: letters of that colour are not there.
  function unseenLetters() {
    const probe = document.createElement("span");
    probe.style.color = "Canvas";
    document.body.append(probe);
    const ground = getComputedStyle(probe).color;
    probe.remove();
    return [...document.querySelectorAll("body *")]
      .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
      .filter((one) => shown(one) && !one.closest("svg") && getComputedStyle(one).color === ground)
      .map((one) => `letters that are not there in forced colours: ${one.tagName} ${one.innerText}`);
  }

  window.look = { structure, sideways, spaces, begins, stop, ends, settle, moving, edgeless, unseenLetters };
})();
