// The page of activations: a chart for each pair, and a strip chart that follows the choice of board
// and attack.
const strip = document.getElementById("strip");
const redraw = startCharts(({ dataset: { chart, item } }) => {
  if (chart === "activations") return { points: page.strips[Number(strip.value)] };
  return chart === "twins" ? { points: page.pairs[Number(item)] } : page.data[chart];
});
if (strip) strip.addEventListener("change", redraw);
