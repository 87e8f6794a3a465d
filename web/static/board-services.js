"use strict";
// The day by service. Loaded only where there are several.
Board.services = JSON.parse(document.getElementById("services-known").textContent);
Board.chosenService = "";
Board.showServices = () => {
  // A snapshot of an earlier version has none.
  const rows = (Board.body.services ?? []).filter((one) => !Board.chosenService || one.campaign === Board.chosenService);
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
document.getElementById("service-filter")?.addEventListener("change", (event) => {
  Board.chosenService = event.target.value;
  if (Board.body) Board.showServices();
});
