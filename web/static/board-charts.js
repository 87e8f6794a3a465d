"use strict";
// Lines over time, each with its name, its own stroke and a table of the same figures.
const Charts = { made: {}, dark: matchMedia("(prefers-color-scheme: dark)") };
const DASHES = [[], [8, 4], [2, 4], [12, 3, 2, 3], [4, 2]];
const STROKES = ["", "dashed", "dotted", "dashed", "dotted"];
const COLOURS = ["--accent", "--warn", "--good", "--bad", "--ink-soft"];

Charts.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// `series`: {label, values, before}; `labels` under the axis, one for each value.
Charts.draw = (name, labels, series, unit) => {
  const figure = document.getElementById(`chart-${name}`);
  const plot = figure.querySelector("[data-plot]");
  const nothing = series.every((one) => one.values.every((value) => value === null));
  figure.querySelector("[data-empty]").hidden = !nothing;
  plot.hidden = nothing;
  Charts.legend(figure, series);
  Charts.table(figure, labels, series);
  if (nothing || typeof uPlot === "undefined") return;
  const data = [labels.map((_, number) => number), ...series.map((one) => one.values)];
  const shape = `${series.map((one) => one.label + (one.before ? "-" : "")).join("|")}|${Charts.dark.matches}`;
  let made = Charts.made[name];
  if (!made || made.shape !== shape) {
    made?.chart.destroy();
    const chart = new uPlot(Charts.options(plot, series, unit, name), data, plot);
    made = Charts.made[name] = { chart, shape };
  }
  made.labels = labels;
  made.chart.setData(data);
};
Charts.options = (plot, series, unit, name) => {
  const ink = Charts.colour("--ink");
  const grid = { stroke: Charts.colour("--line"), width: 0.5 };
  const font = "14px system-ui, sans-serif";
  return {
    width: Math.max(plot.clientWidth, 200),
    height: Board.wall ? 136 : 208,
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: false }, y: { range: (chart, low, high) => [0, Math.max(4, (high ?? 0) * 1.1)] } },
    axes: [
      {
        stroke: ink, font, grid: { show: false },
        splits: () => Charts.round(Charts.made[name]?.labels ?? [], plot.clientWidth),
        values: (chart, places) => places.map((place) => Charts.made[name]?.labels[place] ?? ""),
      },
      {
        stroke: ink, font, grid, size: 48,
        values: (chart, values) => values.map((value) => (Number.isInteger(value) ? Board.number(value) : "")),
      },
    ],
    series: [{}, ...series.map((one, number) => ({
      label: one.label,
      stroke: Charts.colour(one.before ? "--ink-soft" : COLOURS[number % COLOURS.length]),
      width: one.before ? 2 : 3,
      dash: one.before ? [4, 4] : DASHES[number % DASHES.length],
      points: { show: false },
      spanGaps: false,
    }))],
  };
};
// The labels that people read off a clock, as many as there is room for.
Charts.round = (labels, width) => {
  const wanted = [/:[0-5]0$/, /:[024]0$/, /:[03]0$/, /^\d\d:00$/, /^(?:0[048]|12|16|20):00$/, /^(?:00|06|12|18):00$/, /^(?:00|12):00$/];
  const found = wanted.map((one) => labels.map((label, number) => (one.test(label) ? number : -1)).filter((number) => number >= 0));
  return found.find((places) => places.length && places.length * 58 < width) ?? [];
};
Charts.legend = (figure, series) => {
  Board.rows(figure.querySelector("[data-legend]"), series.map((one, number) => ({ ...one, number })), (one) => one.label,
    (one) => Board.element("li", { "data-series": one.before ? "before" : String(one.number) },
      Board.element("span", { class: `stroke ${one.before ? "dashed" : STROKES[one.number % STROKES.length]}`, "aria-hidden": "true" }),
      ` ${one.label}`),
    () => {});
};
// The newest first: a reader of tables need not go to its end.
Charts.table = (figure, labels, series) => {
  const table = figure.querySelector("[data-table]");
  const details = table.closest("details");
  if (!details.open) return;
  const head = Board.element("tr", {}, Board.element("th", { scope: "col" }, Board.t("chart.time")),
    ...series.map((one) => Board.element("th", { scope: "col", class: "number" }, one.label)));
  const body = labels.map((label, number) => [label, number]).reverse()
    .filter(([, number]) => series.some((one) => one.values[number] !== null))
    .map(([label, number]) => Board.element("tr", {}, Board.element("th", { scope: "row" }, label),
      ...series.map((one) => Board.element("td", { class: "number" },
        one.values[number] === null ? Board.t("none") : Board.number(Math.round(one.values[number] * 10) / 10)))));
  table.replaceChildren(Board.element("thead", {}, head), Board.element("tbody", {}, ...body));
};

Charts.bookings = () => {
  const { bookings } = Board.body;
  const first = Date.parse(bookings.first);
  const channels = Object.entries(bookings.minutes);
  const labels = channels[0][1].map((_, number) => Board.hour(first + number * 60000));
  // The running minute is not over, and would look like a fall.
  Charts.draw("bookings", labels.slice(0, -1), channels.map(([channel, counts]) =>
    ({ label: Board.t(`channel.${channel}`), values: counts.slice(0, -1) })), "each");
};
// Who was to be served at the end of each minute, up to now; what happened within it, once it is over.
Charts.hour = () => {
  const { curve } = Board.body;
  const first = Date.parse(curve.first);
  const labels = curve.people.map((_, number) => Board.hour(first + number * 60000));
  // A wall is read from afar: one line.
  const flows = Board.wall ? [] : ["answered", "called_back", "abandoned"];
  Charts.draw("hour", labels, [
    { label: Board.t("backlog.title"), values: curve.people },
    ...flows.map((name) => ({ label: Board.t(`chart.${name}`), values: curve[name].map((value, at) => (at < 59 ? value : null)) })),
  ], "people");
};
Charts.history = (found) => {
  const { today, yesterday } = found;
  Charts.last = found;
  const both = (name) => {
    // By the same hour on the wall: a day of 25 hours has one hour twice.
    const before = new Map(yesterday.times.map((time, number) => [time, yesterday[name][number]]));
    return [
      { label: Board.t("chart.today"), values: today[name] },
      { label: Board.t("chart.yesterday"), values: today.times.map((time) => before.get(time) ?? null), before: true },
    ];
  };
  Charts.draw("length", today.times, both("length"), "people");
  Charts.draw("wait", today.times, both("wait"), "minutes");
  Charts.days();
};
Charts.days = () => {
  const rows = document.getElementById("day-rows");
  if (!rows || !Board.body) return;
  // Today is what the tiles say of it: the quarters that are kept end some minutes ago.
  const today = { day: Board.body.day, ...Board.body.sums };
  const days = [today, ...(Charts.last?.days ?? []).filter((one) => one.day !== today.day)];
  Board.rows(rows, days, (one) => one.day, (one) => {
    const row = Board.cells(7);
    row.children[0].textContent = new Intl.DateTimeFormat(Board.language, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" })
      .format(new Date(`${one.day}T12:00:00Z`));
    [...row.children].slice(1).forEach((cell) => cell.classList.add("number"));
    return row;
  }, (row, one) => {
    const level = one.answered ? Board.percent(Math.floor((100 * one.in_time) / one.answered)) : Board.t("none");
    [one.calls, one.booked, one.answered, level, one.abandoned, one.called_back].forEach((value, number) =>
      Board.set(row.children[number + 1], typeof value === "number" ? Board.number(value) : value));
  });
};
Charts.resize = () => {
  for (const { chart } of Object.values(Charts.made)) {
    const plot = chart.root.parentElement;
    if (plot.clientWidth && chart.width !== plot.clientWidth) chart.setSize({ width: plot.clientWidth, height: chart.height });
  }
};
Charts.again = () => {
  if (Board.body) {
    Charts.bookings();
    Charts.hour();
  }
  if (Charts.last) Charts.history(Charts.last);
};
addEventListener("resize", Charts.resize);
Charts.dark.addEventListener("change", Charts.again);
document.querySelectorAll("figure.chart details").forEach((details) => details.addEventListener("toggle", Charts.again));
