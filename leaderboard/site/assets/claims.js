// The page of claims: two charts whose data does not change.
startCharts((figure) => page.data[figure.dataset.chart]);
