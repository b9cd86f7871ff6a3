// A board: the table sorts, searches and filters; the charts show the rows that the table shows.
const boxes = {
  search: document.getElementById("search"),
  activation: document.getElementById("f-activation"),
  architecture: document.getElementById("f-architecture"),
  extra: document.getElementById("f-extra"),
  source: document.getElementById("f-source"),
};
const shownCount = document.getElementById("shown");
const element = document.getElementById("board");
const family = () => document.querySelector("input[name=family]:checked")?.value ?? null;

// What is not known sorts last, whichever way.
const missing = (compare) => (a, b) => {
  const [x, y] = [parseFloat(a), parseFloat(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  return compare(x, y);
};
DataTable.type("known", { order: { asc: missing((a, b) => a - b), desc: missing((a, b) => b - a) } });
DataTable.ext.errMode = "throw";

const isHidden = (of) => Boolean(of) && of !== "clean" && of !== family();
const ofFamily = [...element.querySelectorAll("thead th:not([colspan])")];
// In the order of the columns: the heads that span both lines come first.
const hidden = ofFamily.flatMap((head, index) => (isHidden(head.dataset.family) ? [index] : []));
const table = new DataTable(element, {
  paging: false,
  info: false,
  autoWidth: false,
  order: [],
  orderMulti: false,
  orderClasses: false,
  layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
  columnDefs: [
    { targets: hidden, visible: false },
    { targets: "num", type: "known" },
    { targets: "_all", type: "html" },
  ],
  language: { zeroRecords: "No model fits these filters." },
});

// The link of each row, in the order of the page's data.
const links = table.rows().nodes().toArray().map((line) => line.querySelector("th a"));

function wanted(text, data, index) {
  const entry = page.rows[index];
  return (
    (!boxes.activation.value || entry.activation === boxes.activation.value) &&
    (!boxes.architecture.value || entry.family === boxes.architecture.value) &&
    (!boxes.extra.value || String(entry.extra) === boxes.extra.value) &&
    (!boxes.source.value || entry.sources.includes(boxes.source.value))
  );
}
table.search.fixed("filters", wanted);

const LABELS = { measured: "measured by us", "third-party": "third party", claimed: "claimed" };
const percent = (value) => `${value.toFixed(1)} %`;

function point(link, entry, kind, [clean, cleanLow, cleanHigh, robust, low, high, stated, mark]) {
  const range = low === null ? "" : ` (${low.toFixed(1)} to ${high.toFixed(1)})`;
  const lines = [
    [LABELS[kind], ""],
    ["robust", percent(robust) + range + mark],
    ["clean", clean === null ? "not published" : percent(clean)],
  ];
  if (stated !== robust) lines.push(["before a stronger attack", percent(stated)]);
  if (entry.architecture) lines.push(["architecture", entry.architecture]);
  if (entry.activation) lines.push(["activation", entry.activation]);
  return {
    name: link.textContent, page: link.href, kind: LABELS[kind], z: kind === "measured" ? 2 : 1,
    x: clean, x_low: cleanLow, x_high: cleanHigh, y: robust, y_low: low, y_high: high,
    parameters: entry.parameters, flops: entry.flops, counts: entry.counts && !mark, lines,
    described: `${link.textContent}, ${lines.map(([a, b]) => `${a} ${b}`).join(", ")}`,
  };
}

function points() {
  const indices = table.rows({ search: "applied" }).indexes().toArray();
  return indices.flatMap((index) => {
    const entry = page.rows[index];
    const values = entry.values[family()] ?? {};
    return Object.entries(values).map(([kind, numbers]) => point(links[index], entry, kind, numbers));
  });
}

// The rows that no other row beats in both accuracies; flagged rows and estimates beat nobody. The
// line goes on to the left and down, to the edges of what is shown.
function front(all) {
  let best = -Infinity;
  const corners = all
    .filter((a) => a.counts && a.x !== null)
    .sort((a, b) => b.x - a.x || b.y - a.y)
    .filter((a) => a.y > best && ((best = a.y), true))
    .map(({ x, y, name }) => ({ x, y, name }));
  if (corners.length === 0) return [];
  const left = Math.min(...all.map((a) => a.x ?? Infinity));
  const bottom = Math.min(...all.map((a) => a.y));
  const line = [{ x: left, y: best }, ...corners.toReversed(), { x: corners[0].x, y: bottom }];
  return line.map((corner, order) => ({ ...corner, order }));
}

const NEEDS = { scatter: "x", parameters: "parameters", flops: "flops" };
const topMost = document.getElementById("top");
const redraw = startCharts((figure) => {
  const chart = figure.dataset.chart;
  let all = points().filter((entry) => entry[NEEDS[chart]] !== null);
  if (chart === "scatter" && topMost.value) {
    all = all.sort((a, b) => b.y - a.y).slice(0, Number(topMost.value));
  }
  return { points: all, front: chart === "scatter" ? front(all) : [] };
});
topMost.addEventListener("input", redraw);

function showFamily() {
  for (const index of table.columns().indexes().toArray()) {
    table.column(index).visible(!isHidden(table.column(index).header().dataset.family), false);
  }
}

function sayCount() {
  const shown = table.rows({ search: "applied" }).count();
  shownCount.textContent =
    shown === page.rows.length ? `${shown} models` : `${shown} of ${page.rows.length} models`;
}

function apply() {
  table.search(boxes.search.value).draw();
  sayCount();
  redraw();
}

for (const box of Object.values(boxes)) {
  box.addEventListener("input", apply);
}
for (const radio of document.querySelectorAll("input[name=family]")) {
  radio.addEventListener("change", () => {
    showFamily();
    apply();
  });
}
document.getElementById("reset").addEventListener("click", () => {
  for (const box of Object.values(boxes)) box.value = "";
  table.order([]).draw();
  apply();
});
document.getElementById("controls").hidden = false;
// A browser that goes back keeps what was chosen.
if (Object.values(boxes).some((box) => box.value)) apply();
performance.mark("table-ready");

// See .long in the style sheet.
const whole = () => element.closest(".scroll").classList.add("ready");
addEventListener("beforeprint", whole);
addEventListener("drawn", () => (window.requestIdleCallback ?? setTimeout)(whole), { once: true });
setTimeout(whole, 2500);
