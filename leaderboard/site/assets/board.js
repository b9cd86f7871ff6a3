// A board: what its controls and its address say is what the table and the charts show.
const NAMES = ["attack", "architecture", "activation", "size", "extra", "by", "search", "sort", "order", "row"];
const element = document.getElementById("board");
const beside = element.dataset.beside;
const radios = [...document.querySelectorAll("input[name=attack]")];
const selects = [...document.querySelectorAll("select[data-filter]")];
const search = document.getElementById("search");
const elsewhere = document.getElementById("elsewhere");

const table = makeTable(element, sortBy);
const { columns, lines } = table;
const place = Object.fromEntries(columns.map((column, index) => [column.key, index]));
const first = radios[0]?.value ?? columns.find((column) => column.family !== "clean" && column.family)?.family ?? "";
// The columns of accuracies in the order of an entry's numbers.
const numbered = columns.filter((column) => "number" in column);
const links = lines.map((line) => line.querySelector("th a"));
const ids = lines.map((line) => line.id.slice(4));
const words = lines.map((line, index) =>
  `${line.cells[place.model].textContent} ${page.papers[page.rows[index].paper]?.[0] ?? ""}`.toLowerCase(),
);

// See .long in the style sheet.
const whole = () => element.closest(".scroll").classList.add("ready");

let state = {};
let shown = new Set();
let order = [];

const numberOf = (index, column) => page.rows[index].numbers[numbered.indexOf(column)] ?? null;
const byOf = (number, column) => (column.source === "measured" ? number[4] : column.source);
// Of best known, the numbers of the attack that ranks stand beside.
const familyOf = (attack) => (attack === "best" ? beside : attack);

function fits(index) {
  const same = (name, known) => !state[name] || state[name] === known;
  const entry = page.rows[index];
  const fact = (name) => (name in place ? table.text(index, place[name]) : "–");
  return (
    same("architecture", entry.family) && same("activation", fact("activation")) &&
    same("extra", fact("extra")) && hasSize(index) &&
    state.search.toLowerCase().split(/\s+/).every((word) => words[index].includes(word))
  );
}

// The number behind a cell of facts, null where it is not known.
function orderOf(index, key) {
  if (!(key in place) || !table.isKnown(index, place[key])) return null;
  const cell = lines[index].cells[place[key]];
  return Number(cell.dataset.order ?? cell.textContent);
}

function hasSize(index) {
  const size = orderOf(index, "parameters");
  if (!state.size || size === null) return !state.size || state.size === "none";
  const [low, high] = state.size.split("-").map((millions) => 1e6 * Number(millions));
  return size >= low && (!high || size < high);
}

// The columns of `attack`, in which a row has a number of whom the filter names. Best known is what
// anybody but the authors found, and no claim stands beside it.
function numbersUnder(index, attack) {
  return numbered.filter((column) => {
    const number = belongsTo(column, attack) ? numberOf(index, column) : null;
    return number !== null && (!state.by || byOf(number, column) === state.by);
  });
}

const isCleanBeside = (column) =>
  column.family === "clean" && !(state.attack === "best" && column.source === "claimed");
const belongsTo = (column, attack) =>
  column.family === familyOf(attack) && !(attack === "best" && column.source === "claimed");

function belongs(index) {
  if (numbersUnder(index, state.attack).length > 0) return true;
  return state.attack === "best" && !state.by && "best" in place && numberOf(index, columns[place.best]) !== null;
}

// What sorts a row: ours and of third parties before claims, which prove less.
function valueOf(index, key) {
  const entry = page.rows[index];
  if (key === "rank") return index;
  const group = numbered.filter((column) => column.group?.dataset.key === key);
  if (group.length > 0) {
    const found = group.find((column) => numberOf(index, column) !== null);
    if (!found) return null;
    const isClaim = found.source === "claimed" && group.some((it) => it.source !== "claimed");
    return numberOf(index, found)[0] - (isClaim ? 1000 : 0);
  }
  const column = columns[place[key]];
  if ("number" in column) return numberOf(index, column)?.[0] ?? null;
  const cell = lines[index].cells[place[key]];
  if (key === "model") return links[index].textContent;
  if (!table.isKnown(index, place[key])) return null;
  return column.isNumber ? orderOf(index, key) : cell.textContent;
}

// The first click shows the best first: the highest accuracy, the smallest network, A before Z.
const isAccuracy = (key) => columns.some((it) => "number" in it && (it.key === key || it.group?.dataset.key === key));
const startsAscending = (key) => !isAccuracy(key) && key !== "year";
const canSort = (key) => Object.hasOwn(place, key) || columns.some((column) => column.group?.dataset.key === key);

function sorting() {
  const key = state.sort || (state.attack === "best" || !state.attack ? "rank" : state.attack);
  const known = canSort(key) ? key : "rank";
  return { key: known, isAscending: startsAscending(known) !== (state.order === "reversed") };
}

function sortBy(key) {
  const now = sorting();
  const order = key === now.key && state.order !== "reversed" ? "reversed" : "";
  change({ sort: key, order });
}

function show() {
  const all = lines.map((_, index) => index);
  const fitting = all.filter(fits);
  shown = new Set(fitting.filter(belongs));
  const { key, isAscending } = sorting();
  const values = all.map((index) => valueOf(index, key));
  const sign = isAscending ? 1 : -1;
  order = all.sort((a, b) => compareValues(values[a], values[b], sign) || a - b);
  closeDetails();
  if (key !== "rank" || shown.size < lines.length) whole();
  table.showRows(order, shown);
  table.showColumns((column, index) => {
    if (column.key === "model") return true;
    if (column.family && !belongsTo(column, state.attack) && !isCleanBeside(column)) return false;
    return [...shown].some((row) => {
      if (!("number" in column) || !column.family) return table.isKnown(row, index);
      const number = numberOf(row, column);
      return number !== null && (!state.by || byOf(number, column) === state.by);
    });
  });
  table.markSorted(key, isAscending);
  openDetails();
  say(fitting);
}

const models = (n) => `${n} model${n === 1 ? "" : "s"}`;

// How many rows are shown; and of those that fit but have no number here, where they have one.
function say(fitting) {
  const n = shown.size;
  document.getElementById("shown").textContent =
    n === lines.length ? models(n) : `${n} of ${models(lines.length)}`;
  const others = fitting.filter((index) => !shown.has(index));
  const buttons = radios.flatMap((radio) => {
    const there = others.filter((index) => numbersUnder(index, radio.value).length > 0).length;
    if (there === 0 || radio.value === state.attack) return [];
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${radio.nextElementSibling.textContent} (${there})`;
    button.addEventListener("click", () => chooseAttack(radio.value));
    return [button];
  });
  elsewhere.hidden = buttons.length === 0;
  elsewhere.replaceChildren(`${models(others.length)} with no such number here. See `, ...buttons);
  table.body.querySelector(".none")?.remove();
  if (n > 0) return;
  const none = table.body.insertRow(0);
  none.className = "none";
  none.insertCell().colSpan = table.nColumns();
  none.cells[0].textContent = "No model fits these filters.";
}

function closeDetails() {
  table.body.querySelector(".more")?.remove();
  for (const line of table.body.querySelectorAll(".open")) {
    line.classList.remove("open");
    line.querySelector(".toggle").setAttribute("aria-expanded", "false");
  }
}

function openDetails() {
  const index = ids.indexOf(state.row);
  if (index < 0 || !shown.has(index)) return;
  const line = lines[index];
  line.classList.add("open");
  line.querySelector(".toggle").setAttribute("aria-expanded", "true");
  line.after(detailsOf(table, line, page.rows[index]));
}

function addToggles() {
  lines.forEach((line, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toggle";
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-label", `Details of ${links[index].textContent}`);
    button.addEventListener("click", () => change({ row: state.row === ids[index] ? "" : ids[index] }));
    const here = document.createElement("a");
    here.className = "here";
    here.href = `#${line.id}`;
    here.textContent = "#";
    here.setAttribute("aria-label", `Link to ${links[index].textContent}`);
    here.addEventListener("click", (event) => {
      event.preventDefault();
      change({ row: ids[index] });
    });
    links[index].before(button);
    links[index].after(here);
  });
}

// The address may name what this board has not: a link from before the board changed.
function read() {
  const found = readAddress(NAMES);
  if (!radios.some((radio) => radio.value === found.attack)) found.attack = first;
  for (const select of selects) {
    const known = [...select.options].some((option) => option.value === found[select.dataset.filter]);
    if (!known) found[select.dataset.filter] = "";
  }
  for (const name of ["architecture", "activation", "size", "extra", "by"]) {
    if (!selects.some((select) => select.dataset.filter === name)) found[name] = "";
  }
  if (!canSort(found.sort)) found.sort = "";
  return withRow(found);
}

// A link to a row whose numbers are of another attack shows that attack.
function withRow(found) {
  const index = ids.indexOf(found.row);
  if (index < 0 || found.attack !== first) return found;
  state = found;
  const other = radios.find((radio) => numbersUnder(index, radio.value).length > 0);
  return belongs(index) || !other ? found : { ...found, attack: other.value };
}

function restore() {
  state = read();
  for (const radio of radios) radio.checked = radio.value === state.attack;
  for (const select of selects) select.value = state[select.dataset.filter];
  if (search.value !== state.search) search.value = state.search;
  show();
  const line = lines[ids.indexOf(state.row)];
  if (line) {
    whole();
    line.scrollIntoView({ block: "start" });
  }
  redraw();
}

function change(changes, replace = false) {
  state = { ...state, ...changes };
  writeAddress({ ...state, attack: state.attack === first ? "" : state.attack }, replace);
  show();
  redraw();
}

function chooseAttack(attack) {
  for (const radio of radios) radio.checked = radio.value === attack;
  change({ attack, sort: "", order: "" });
}

// The numbers of a row that its points stand for, each with its source: what is best known, which
// may be of another source than the number beside it, or the first of each source.
function numbersDrawn(index) {
  const { best_by: source } = page.rows[index];
  if (state.attack === "best" && source) {
    const column = columns[place.best];
    const isAsked = !state.by || state.by === (numberOf(index, column)[4] ?? source);
    return isAsked ? [[column, source]] : [];
  }
  const found = numbersUnder(index, state.attack);
  const firsts = found.filter((it, at) => found.findIndex(({ source }) => source === it.source) === at);
  return firsts.map((column) => [column, column.source]);
}

// The rows shown, as charts draw them. On a board with ranks a claim beats nobody.
function drawn() {
  const known = (index, name) => (name in place && table.isKnown(index, place[name]) ? table.text(index, place[name]) : "");
  return order.filter((index) => shown.has(index)).map((index) => {
    const entry = page.rows[index];
    return {
      name: links[index].textContent, page: links[index].href,
      architecture: known(index, "architecture"), activation: known(index, "activation"),
      parameters: orderOf(index, "parameters"), flops: entry.flops ?? null, year: orderOf(index, "year"),
      points: numbersDrawn(index).map(([column, source]) => ({
        by: source, robust: numberOf(index, column), clean: cleanBeside(index, column, source),
        counts: entry.beats !== false && !("rank" in place && source === "claimed"),
      })),
    };
  });
}

// By the source of the robust number in `column`, so that a point is no mixture.
function cleanBeside(index, column, source) {
  const { clean } = page.rows[index];
  const at = numbered.indexOf(column);
  if (clean && at in clean) return clean[at];
  const beside = numbered.find((it) => it.family === "clean" && it.source === source);
  return beside ? numberOf(index, beside) : null;
}

addToggles();
const redraw = startBoardCharts(drawn);
restore();
addEventListener("hashchange", restore);
search.addEventListener("input", () => change({ search: search.value }, true));
for (const select of selects) {
  select.addEventListener("change", () => change({ [select.dataset.filter]: select.value }));
}
for (const radio of radios) radio.addEventListener("change", () => chooseAttack(radio.value));
document.getElementById("reset").addEventListener("click", () => {
  history.pushState(null, "", location.pathname + location.search);
  restore();
});
document.getElementById("controls").hidden = false;
if (matchMedia("(max-width: 640px)").matches && !selects.some((select) => select.value)) {
  document.querySelector("#controls details").open = false;
}
performance.mark("table-ready");
addEventListener("beforeprint", whole);
addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(whole));
