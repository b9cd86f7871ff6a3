// Charts: draws the compiled specifications, SPECS, with the page's data, each when it comes into
// view, and shows what a point is in a tooltip. Text only ever enters the page as text.
const page = JSON.parse(document.getElementById("page-data").textContent);
const tip = document.getElementById("tip");
const drawn = new Map();
const REACH = 24; // pixels from a finger to the point that it means

function row(label, value) {
  const line = document.createElement("div");
  const name = document.createElement("span");
  name.textContent = label;
  const shown = document.createElement("b");
  shown.textContent = value;
  line.append(name, shown);
  return line;
}

function showTip(datum, x, y) {
  if (!datum || !datum.lines) {
    tip.hidden = true;
    return;
  }
  const head = document.createElement("strong");
  head.textContent = datum.name;
  tip.replaceChildren(head, ...datum.lines.map(([label, value]) => row(label, value)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(x + 14, innerWidth - box.width - 8);
  const top = y + 14 + box.height > innerHeight ? y - box.height - 14 : y + 14;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

// The points as elements, from left to right; Vega keeps with each what it stands for.
const datumOf = (element) => element.__data__?.datum;
const isPoint = (element) => Boolean(datumOf(element)?.lines);
function pointsOf(figure) {
  const found = [...figure.querySelectorAll(".mark-symbol path")].filter(isPoint);
  const at = new Map(found.map((element) => [element, middle(element)]));
  return found.sort((a, b) => at.get(a).x - at.get(b).x || at.get(b).y - at.get(a).y);
}

function middle(element) {
  const box = element.getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

const follow = (element) => {
  const { page: target } = datumOf(element) ?? {};
  if (target) location.href = target;
};

// One point of a chart is in the order of Tab; the arrows lead from it to the others.
function makeReachable(figure) {
  const points = pointsOf(figure);
  for (const [index, element] of points.entries()) {
    element.setAttribute("tabindex", index === 0 ? "0" : "-1");
    element.setAttribute("role", datumOf(element).page ? "link" : "img");
  }
}

const STEPS = { ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, ArrowLeft: -1 };
function onKey(figure, event) {
  const here = event.target.closest?.("path[tabindex]");
  if (!here) return;
  if (event.key === "Enter") follow(here);
  if (event.key === "Escape") tip.hidden = true;
  const points = pointsOf(figure);
  const ends = { Home: 0, End: points.length - 1 };
  const wanted = ends[event.key] ?? points.indexOf(here) + (STEPS[event.key] ?? NaN);
  if (!points[wanted]) return;
  event.preventDefault();
  here.setAttribute("tabindex", "-1");
  points[wanted].setAttribute("tabindex", "0");
  points[wanted].focus();
}

// A finger hides what it points at and is broader than a point: the first touch shows the nearest
// one, and another of the same follows it.
let touched = null;
function onClick(figure, event) {
  const isTouch = event.pointerType === "touch";
  const found = isTouch ? nearest(figure, event) : event.target;
  if (found && isPoint(found) && (!isTouch || found === touched)) follow(found);
  else if (isTouch) showTip(found && datumOf(found), event.clientX, event.clientY);
  touched = isTouch ? found : null;
}

// The tooltip of a touched point lies over the page, and goes with the next touch beside it or a scroll.
function forget() {
  if (touched) tip.hidden = true;
  touched = null;
}
addEventListener("scroll", forget, { passive: true });
addEventListener("pointerdown", (event) => event.target.closest?.(".chart") || forget());

function nearest(figure, event) {
  const far = (element) => {
    const { x, y } = middle(element);
    return Math.hypot(x - event.clientX, y - event.clientY);
  };
  const [first] = pointsOf(figure).map((element) => [far(element), element]).sort((a, b) => a[0] - b[0]);
  return first && first[0] <= REACH ? first[1] : null;
}

function listen(figure) {
  const chart = figure.querySelector(".chart");
  chart.addEventListener("keydown", (event) => onKey(figure, event));
  chart.addEventListener("click", (event) => onClick(figure, event));
  chart.addEventListener("focusin", (event) => {
    const { x, y } = middle(event.target);
    if (event.target.matches(":focus-visible")) showTip(datumOf(event.target), x, y);
  });
  chart.addEventListener("focusout", () => (tip.hidden = true));
}

// What a screen reader says of a point: what its tooltip shows.
const inWords = ({ name, lines = [] }) => [name, ...lines.map((line) => line.join(" ").trim())].join(", ");
const withWords = (values) => values.map((value) => ({ described: inWords(value), ...value }));

async function draw(figure, makeData) {
  drawn.set(figure, null);
  const spec = structuredClone(SPECS[figure.dataset.chart]);
  const data = makeData(figure);
  for (const source of spec.data) {
    if (source.name in data) source.values = withWords(data[source.name]);
  }
  const { view } = await vegaEmbed(figure.querySelector(".chart"), spec, {
    mode: "vega",
    logLevel: 1, // errors: a chart where no row has an interval is no reason to warn
    renderer: "svg",
    actions: false,
    ast: true, // interprets expressions: the page's policy forbids to compile them
    defaultStyle: false,
    tooltip: (handler, event, item, datum) => showTip(datum, event.clientX, event.clientY),
    loader: { load: () => Promise.reject(new Error("this page loads nothing")) },
  });
  figure.querySelector(".chart").removeAttribute("tabindex"); // of the picture, which scrolls
  listen(figure);
  drawn.set(figure, view);
  await fill(figure, view, makeData(figure));
  figure.dataset.ready = "true";
  performance.mark(`chart-${figure.dataset.chart}`);
  dispatchEvent(new Event("drawn"));
}

async function fill(figure, view, data) {
  for (const [name, values] of Object.entries(data)) {
    try {
      view.data(name, withWords(values));
    } catch {
      // The chart has no data set of this name.
    }
  }
  await view.resize().runAsync();
  makeReachable(figure);
  sayFinding(figure, view);
}

// What the chart shows now, in words, is its title; where it shows nothing in words, its subject.
function sayFinding(figure, view) {
  let found;
  try {
    found = view.signal("finding");
  } catch {
    return; // The page says it.
  }
  const head = figure.querySelector("[data-title]");
  head.textContent = found || head.dataset.title;
  figure.querySelector(".kicker").hidden = !found;
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
        fill(figure, view, makeData(figure));
      } else if (!drawn.has(figure)) {
        seen.unobserve(figure);
        seen.observe(figure);
      }
    }
  };
}

Object.assign(window, { page, startCharts });
