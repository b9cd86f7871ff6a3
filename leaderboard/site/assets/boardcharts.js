// The charts of a board, which show the rows that its table shows.
const KINDS = { measured: "measured", "third-party": "third party", claimed: "claimed" };
const NEEDS = { scatter: "x", progress: "year", parameters: "parameters", flops: "flops" };
const percent = (value) => `${value.toFixed(1)} %`;

// row: name, page, architecture, activation, parameters, flops and year; by: whose; robust and clean:
// [accuracy, low, high, mark] in per cent; counts: whether it may beat others.
function point(row, { by, robust, clean, counts }) {
  const [y, low, high, mark = ""] = robust;
  const [x, xLow, xHigh] = clean ?? [null, null, null];
  const range = low === null ? "" : ` (${low.toFixed(1)} to ${high.toFixed(1)})`;
  const lines = [
    [KINDS[by], ""],
    ["robust", percent(y) + range + mark],
    ["clean", x === null ? "not of this source" : percent(x)],
  ];
  if (row.architecture) lines.push(["architecture", row.architecture]);
  if (row.activation) lines.push(["activation", row.activation]);
  return {
    name: row.name, page: row.page, kind: KINDS[by], z: by === "measured" ? 2 : 1,
    x, x_low: xLow, x_high: xHigh, y, y_low: low, y_high: high,
    parameters: row.parameters, flops: row.flops, year: row.year, counts: counts && !mark, lines,
  };
}

// rows(): those shown, each with its `points`. The function returned draws again.
function startBoardCharts(rows) {
  const topMost = document.getElementById("top");
  const redraw = startCharts((figure) => {
    const chart = figure.dataset.chart;
    let all = rows().flatMap((row) => row.points.map((numbers) => point(row, numbers)));
    all = all.filter((entry) => entry[NEEDS[chart]] !== null);
    if (chart === "scatter" && topMost.value) {
      all = all.sort((a, b) => b.y - a.y).slice(0, Number(topMost.value));
    }
    return { points: all };
  });
  topMost.addEventListener("input", redraw);
  return redraw;
}

Object.assign(window, { startBoardCharts });
