// The one script of all pages: tables that sort, pictures that open, details on paper. It loads nothing
// and makes no markup out of text. The page's policy names its hash, so nothing else runs.
"use strict";
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const words = new Intl.Collator("en", { numeric: true });
  const NUMBER = 0, TEXT = 1, NOTHING = 2;

  // What a cell is sorted by: its data-v where it has one, else its text. In a column of numbers
  // 1,234 and 5.6% and <0.0001 are numbers.
  function key(cell) {
    const text = (cell.dataset.v ?? cell.textContent).trim();
    if (["", "-", "nan", "n/a"].includes(text.toLowerCase())) return [NOTHING, 0];
    const number = Number(text.replace(/[,%<]/g, "").replace("inf", "Infinity"));
    return !cell.matches(".n") || Number.isNaN(number) ? [TEXT, text] : [NUMBER, number];
  }

  // Cells without a value come last in both directions.
  function compare(a, b, sign) {
    if (a[0] === NOTHING || b[0] === NOTHING) return a[0] - b[0];
    if (a[0] !== b[0]) return sign * (a[0] - b[0]);
    if (a[0] === TEXT) return sign * words.compare(a[1], b[1]);
    return sign * ((a[1] > b[1]) - (a[1] < b[1]));
  }

  function sort(header) {
    const table = header.closest("table");
    const rising = header.getAttribute("aria-sort") !== "ascending";
    for (const one of all("th[aria-sort]", table)) one.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const body = table.tBodies[0], sign = rising ? 1 : -1;
    const rows = Array.from(body.rows, (row) => [key(row.cells[header.cellIndex]), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    const sorted = document.createDocumentFragment();
    for (const [, row] of rows) sorted.append(row);
    body.append(sorted);
  }

  const dialog = document.querySelector("dialog.zoom");

  function show(button) {
    const small = button.querySelector("img"), large = dialog.querySelector("img");
    const caption = button.closest("figure").querySelector("figcaption");
    large.src = small.src;
    large.alt = small.alt;
    dialog.setAttribute("aria-label", small.alt);
    const said = Array.from(caption.childNodes, (node) => node.cloneNode(true));
    dialog.querySelector(".said").replaceChildren(...said);
    dialog.showModal();
  }

  // What lies around the content, and the closing button; Escape is the browser's own.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("button")) dialog.close();
  });
  for (const button of all("th button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
  for (const button of all("figure button")) button.addEventListener("click", () => show(button));
  for (const button of all("button:disabled")) button.disabled = false;

  // Browsers that do not know ::details-content print open details only.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
