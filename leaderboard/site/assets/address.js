// What a board shows, in the part of its address behind "#": a link to a view shows that view, and
// back and forward work. "#row-NAME", which is also an anchor without scripts, opens one row.
function readAddress(names) {
  const hash = location.hash.slice(1);
  const found = new URLSearchParams(hash.startsWith("row-") ? { row: hash.slice(4) } : hash);
  return Object.fromEntries(names.map((name) => [name, found.get(name) ?? ""]));
}

// state: of every name its value; what is empty is left out. replace: no new step for "back".
function writeAddress(state, replace) {
  const kept = Object.entries(state).filter(([, value]) => value !== "");
  const isRow = kept.length === 1 && kept[0][0] === "row";
  const hash = isRow ? `row-${state.row}` : new URLSearchParams(kept).toString();
  if (hash === location.hash.slice(1)) return;
  // Not "": an address without its "#" would keep the old one.
  const address = hash ? `#${hash}` : location.pathname + location.search;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}

Object.assign(window, { readAddress, writeAddress });
