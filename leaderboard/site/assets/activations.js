// The page of activations: the strip chart follows the choice of board and attack.
const strip = document.getElementById("strip");
const redraw = startCharts((figure) =>
  figure.dataset.chart === "activations"
    ? { points: page.strips[Number(strip.value)] }
    : page.data[figure.dataset.chart],
);
if (strip) strip.addEventListener("change", redraw);
