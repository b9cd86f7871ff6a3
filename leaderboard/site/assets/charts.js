// Charts: draws the compiled specifications of the page's data block, each when it comes into
// view, and shows what a point is in a tooltip. Text only ever enters the page as text.
const page = JSON.parse(document.getElementById("page-data").textContent);
const tip = document.getElementById("tip");
const drawn = new Map();

function row(label, value) {
  const line = document.createElement("div");
  const name = document.createElement("span");
  name.textContent = label;
  const shown = document.createElement("b");
  shown.textContent = value;
  line.append(name, shown);
  return line;
}

function showTip(handler, event, item, datum) {
  if (!datum || !datum.lines) {
    tip.hidden = true;
    return;
  }
  const head = document.createElement("strong");
  head.textContent = datum.name;
  tip.replaceChildren(head, ...datum.lines.map(([label, value]) => row(label, value)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const below = event.clientY + 14;
  const top = below + box.height > innerHeight ? event.clientY - box.height - 14 : below;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

async function draw(figure, makeData) {
  drawn.set(figure, null);
  const spec = structuredClone(page.charts[figure.dataset.chart]);
  const data = makeData(figure);
  for (const source of spec.data) {
    if (source.name in data) source.values = data[source.name];
  }
  const { view } = await vegaEmbed(figure.querySelector(".chart"), spec, {
    mode: "vega",
    logLevel: 1, // errors: a chart where no row has an interval is no reason to warn
    renderer: "svg",
    actions: false,
    ast: true, // interprets expressions: the page's policy forbids to compile them
    defaultStyle: false,
    tooltip: showTip,
    loader: { load: () => Promise.reject(new Error("this page loads nothing")) },
  });
  view.addEventListener("click", (event, item) => {
    const target = item && item.datum && item.datum.page;
    if (target) location.href = target;
  });
  drawn.set(figure, view);
  fill(view, makeData(figure));
  await view.runAsync();
  figure.dataset.ready = "true";
  performance.mark(`chart-${figure.dataset.chart}`);
  dispatchEvent(new Event("drawn"));
}

function fill(view, data) {
  for (const [name, values] of Object.entries(data)) {
    try {
      view.data(name, values.map((value) => ({ ...value })));
    } catch {
      // The chart has no data set of this name.
    }
  }
}

// makeData(figure) gives {points: [...], ...}. The function returned draws all again with new data.
function startCharts(makeData) {
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const isEmpty = (figure) => {
    const empty = makeData(figure).points.length === 0;
    figure.querySelector(".chart").hidden = empty;
    figure.querySelector(".no-chart").hidden = !empty;
    return empty;
  };
  const drawNow = (figure) => {
    if (drawn.has(figure) || isEmpty(figure)) return;
    seen.unobserve(figure);
    draw(figure, makeData);
  };
  const seen = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && drawNow(entry.target)),
    { rootMargin: "200px" },
  );
  figures.forEach((figure) => seen.observe(figure));
  addEventListener("beforeprint", () => figures.forEach(drawNow));
  return () => {
    for (const figure of figures) {
      const view = drawn.get(figure);
      if (isEmpty(figure)) continue;
      if (view) {
        fill(view, makeData(figure));
        view.resize().runAsync();
      } else if (!drawn.has(figure)) {
        seen.unobserve(figure);
        seen.observe(figure);
      }
    }
  };
}
