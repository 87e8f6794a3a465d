"use strict";
// The figures by the number that people called, and those who wait of one number alone. Loaded only
// where there is more than one.
Board.numbers = JSON.parse(document.getElementById("numbers-known").textContent);
Board.chosenNumber = "";
Board.numberName = (number) => Board.numbers[number] ?? number;
// What is kept of a call to the first of them, or to one that is gone, may be nothing.
Board.numberOf = (called) => (called in Board.numbers ? called : Object.keys(Board.numbers)[0]);
Board.isChosenNumber = (called) => !Board.chosenNumber || Board.numberOf(called) === Board.chosenNumber;
Board.showNumbers = () => {
  // A snapshot of an earlier version has none.
  const rows = (Board.body.numbers ?? []).filter((one) => Board.isChosenNumber(one.number));
  Board.rows(document.getElementById("number-rows"), rows, (one) => one.number, (one) => {
    const row = Board.cells(10);
    row.children[0].textContent = Board.numberName(one.number);
    [...row.children].slice(1).forEach((cell) => cell.classList.add("number"));
    return row;
  }, (row, one) => {
    const cells = row.children;
    const wait = one.longest ? Board.seconds(one.longest) : 0;
    Board.set(cells[1], Board.number(one.people));
    Board.set(cells[2], Board.number(one.on_line));
    Board.set(cells[3], Board.number(one.callbacks));
    Board.set(cells[4], one.longest ? Board.span(wait) : Board.t("none"));
    Board.mark(cells[4], "data-state", wait > Board.body.thresholds.longest_wait ? "bad" : "none");
    Board.set(cells[5], Board.number(one.calls));
    Board.set(cells[6], Board.number(one.booked));
    Board.set(cells[7], Board.number(one.answered));
    Board.set(cells[8], Board.percent(one.level));
    Board.set(cells[9], Board.number(one.abandoned));
  });
};
document.getElementById("number-filter")?.addEventListener("change", (event) => {
  Board.chosenNumber = event.target.value;
  // The list of those who wait stands far below the menu: it says itself that it is a part of them.
  const said = document.getElementById("entries-chosen");
  said.hidden = !Board.chosenNumber;
  const words = Board.words.numbers["board.chosen"];
  Board.set(said.firstElementChild, words.replace("{number}", Board.numberName(Board.chosenNumber)));
  if (!Board.body) return;
  Board.showNumbers();
  Board.showEntries();
});
