// What a row of a board opens: its paper, its numbers, and texts to copy. Everything in it is made
// of the row's own cells and of the page's data, and enters the page as text.
const LABELS = {
  bibtex: "BibTeX", latex: "LaTeX", markdown: "Markdown", csv: "CSV", python: "Python",
  shell: "Command", link: "Link to this row",
};

function made(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function paperOf(line, entry) {
  const paper = line.querySelector(".paper");
  if (!paper) return [];
  const title = made("p", "title", ...[...paper.childNodes].map((node) => node.cloneNode(true)));
  const venue = paper.nextElementSibling?.tagName === "SMALL" ? paper.nextElementSibling.textContent : "";
  const about = [page.papers[entry.paper]?.[0], venue].filter(Boolean).join(". ");
  return about ? [title, made("p", "quiet", about)] : [title];
}

// Every number of the row, also of attacks that the table does not show now, and every fact.
function numbersOf(table, line) {
  const list = made("dl", "");
  table.columns.forEach((column, index) => {
    const cell = line.cells[index];
    if (["model", "rank"].includes(column.key) || cell.textContent.trim() === "–") return;
    const words = [column.group?.querySelector("button").textContent, column.head.querySelector("button").textContent];
    const text = [...cell.childNodes]
      .filter((node) => node.nodeName !== "svg")
      .map((node) => (node.nodeName === "SMALL" ? ` (${node.textContent})` : node.textContent))
      .join("");
    list.append(made("div", "", made("dt", "", words.filter(Boolean).join(", ")), made("dd", "", text)));
  });
  return list;
}

function flagsOf(line) {
  return [...line.querySelectorAll(".tag.warn")].map((tag) =>
    made("p", "", made("b", "", tag.textContent), `: ${tag.title}`),
  );
}

async function copied(text, status, shown) {
  shown.textContent = text;
  shown.hidden = false;
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = "Copied.";
  } catch {
    status.textContent = "Select the text below and copy it.";
    getSelection().selectAllChildren(shown);
  }
}

function copiesOf(name, texts) {
  const status = made("span", "quiet small");
  status.setAttribute("role", "status");
  const shown = made("pre", "");
  shown.hidden = true;
  shown.tabIndex = 0;
  const buttons = Object.entries(texts).map(([kind, text]) => {
    const button = made("button", "", LABELS[kind] ?? kind);
    button.type = "button";
    button.dataset.kind = kind;
    button.addEventListener("click", () => copied(text, status, shown));
    return button;
  });
  const group = made("div", "copies", made("span", "quiet small", "Copy as"), ...buttons, status);
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", `Copy ${name}`);
  return made("div", "", group, shown);
}

// Every text of a row by its kind, whole again.
function textsOf(entry) {
  const bibtex = page.papers[entry.paper]?.[1];
  const rest = page.kinds.flatMap((kind, place) => {
    const [start, end] = page.around[place];
    return entry.copy[place] === null ? [] : [[kind, start + entry.copy[place] + end]];
  });
  return Object.fromEntries(bibtex ? [["bibtex", bibtex], ...rest] : rest);
}

// The line below `line` that holds its details.
function detailsOf(table, line, entry) {
  const name = line.querySelector("th a").textContent;
  const address = new URL(`#${line.id}`, location.href.split("#")[0]).href;
  const more = line.querySelector("th a").cloneNode(false);
  more.textContent = "Everything known of this model";
  const inside = made(
    "div", "inside", ...paperOf(line, entry), numbersOf(table, line), ...flagsOf(line),
    ...(entry.why ? [made("p", "", `Not ranked: ${entry.why}.`)] : []),
    copiesOf(name, { ...textsOf(entry), link: address }), made("p", "", more),
  );
  const cell = made("td", "", inside);
  cell.colSpan = table.nColumns();
  return made("tr", "more", cell);
}
Object.assign(window, { detailsOf });
