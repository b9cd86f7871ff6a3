// A table whose heads become buttons that sort it, and whose columns and rows can be left out.
// Two lines of heads: a head over several columns sorts by the best of its columns.
const DASH = "–";

function columnsOf(table) {
  const below = [...table.tHead.rows[1].cells];
  const single = (head, group) => ({ head, group, ...head.dataset, isNumber: head.classList.contains("num") });
  return [...table.tHead.rows[0].cells].flatMap((head) =>
    head.rowSpan > 1 ? [single(head, null)] : below.splice(0, head.colSpan).map((it) => single(it, head)),
  );
}

// What is not known sorts last, whichever way.
function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
}

// onSort(key): somebody pressed the head of that column or group.
function makeTable(table, onSort) {
  const columns = columnsOf(table);
  const body = table.tBodies[0];
  const lines = [...body.rows];
  const hidden = new Set();

  for (const head of table.tHead.querySelectorAll("[data-key]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.querySelector("span").childNodes);
    button.addEventListener("click", () => onSort(head.dataset.key));
    head.querySelector("span").replaceWith(button);
  }

  function showColumns(isShown) {
    columns.forEach((column, index) => {
      const hide = !isShown(column, index);
      if (hide === hidden.has(index)) return;
      if (hide) hidden.add(index);
      else hidden.delete(index);
      column.head.hidden = hide;
      for (const line of lines) line.cells[index].hidden = hide;
    });
    for (const group of new Set(columns.map((column) => column.group))) {
      if (!group) continue;
      const n = columns.filter((column, index) => column.group === group && !hidden.has(index)).length;
      group.hidden = n === 0;
      group.colSpan = Math.max(1, n);
    }
  }

  // order: all rows by index; those in shown are to be seen.
  function showRows(order, shown) {
    const wanted = order.map((index) => lines[index]);
    for (const [index, line] of lines.entries()) line.hidden = !shown.has(index);
    const isInOrder = wanted.every((line, place) => body.rows[place] === line);
    if (!isInOrder || body.rows.length !== wanted.length) body.replaceChildren(...wanted);
  }

  function markSorted(key, isAscending) {
    for (const head of table.tHead.querySelectorAll("[data-key]")) {
      if (head.dataset.key !== key) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
    }
  }

  return {
    columns, lines, body, showColumns, showRows, markSorted,
    nColumns: () => columns.length - hidden.size,
    text: (index, column) => lines[index].cells[column].textContent.trim(),
    isKnown: (index, column) => lines[index].cells[column].textContent.trim() !== DASH,
  };
}

Object.assign(window, { makeTable, compareValues: compare });
