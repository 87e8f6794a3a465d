"use strict";
// The day by service, and the page for one of them alone. Loaded only where there are several.
Board.services = JSON.parse(document.getElementById("services-known").textContent);
Board.looks = JSON.parse(document.getElementById("looks-known")?.textContent ?? "{}");
Board.pour = Board.root.dataset.pour;
// What is shown: the whole, with what there is of the chosen service in its place.
Board.looked = (body) => {
  // A snapshot of an earlier version has none, nor has one of before a service opened.
  const own = Board.pour ? body.of?.[Board.pour] : null;
  const said = document.getElementById("looked");
  if (said) {
    said.querySelector("[data-is]").hidden = !own;
    said.querySelector("[data-is-not]").hidden = Boolean(own);
    const shared = said.querySelector("[data-shared]");
    const some = own && (own.shared.entered || own.shared.booked);
    Board.set(shared, some ? shared.dataset.shared
      .replace("{entered}", Board.number(own.shared.entered)).replace("{booked}", Board.number(own.shared.booked)) : "");
  }
  return own ? { ...body, ...own } : body;
};
// What somebody who waits comes for; nothing while they have not said it.
Board.whatFor = (about) => (about ? about.split("+").map((name) => Board.looks[name] ?? name).join(", ") : Board.t("none"));
Board.showServices = () => {
  const rows = (Board.body.services ?? []).filter((one) => !(Board.pour in Board.looks) || one.service === Board.pour);
  Board.rows(document.getElementById("service-rows"), rows, (one) => one.campaign, (one) => {
    const row = Board.cells(6);
    row.children[0].textContent = Board.services[one.campaign] ?? one.campaign;
    [...row.children].slice(1).forEach((cell) => cell.classList.add("number"));
    return row;
  }, (row, one) => {
    Board.set(row.children[1], Board.number(one.booked));
    ["phone", "web", "agent"].forEach((channel, at) => Board.set(row.children[at + 2], Board.number(one.channels[channel] ?? 0)));
    Board.set(row.children[5], Board.number(one.waiting));
  });
};
// The address keeps what was chosen; without a script there is a button.
const chooser = document.getElementById("look");
if (chooser) {
  chooser.querySelector("button").hidden = true;
  document.getElementById("service-filter").addEventListener("change", () => {
    const { value } = document.getElementById("service-filter");
    location.assign(value ? `${chooser.action}?pour=${encodeURIComponent(value)}` : chooser.action);
  });
}
