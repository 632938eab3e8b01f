// The table of classes: its numbers follow the threshold, a click on a column sorts.

const COLUMNS = [
  { name: "class", of: (row) => row.name },
  { name: "objects", of: (row) => row.counts.objects },
  { name: "hits", of: (row) => row.counts.hits, what: () => HIT, title: "hits" },
  { name: "false", of: (row) => row.counts.wrong, what: () => "wrong", title: "false detections" },
  { name: "not found", of: (row) => row.counts.unfound, what: () => "unfound", title: "objects that are not found" },
  { name: "precision", of: (row) => row.counts.precision, rate: true },
  { name: "recall", of: (row) => row.counts.recall, rate: true },
  { name: "F1", of: (row) => row.counts.f1, rate: true },
  { name: "AP", of: (row) => (page.ap ? page.ap[row.label] : null), rate: true, absent: !page.ap },
  { name: "ECE", of: (row) => page.calibration.per_class[row.label].ece, rate: true },
].filter((column) => !column.absent);
const order = { column: 1, ascending: false };

function drawClasses(counts, chosen, show, choose) {
  const rows = page.classes.map((name, label) => ({ name, label, counts: counts[label] }));
  const { of } = COLUMNS[order.column];
  const missing = (value) => value === null || value === undefined;
  rows.sort((one, other) => {
    const [a, b] = [of(one), of(other)];
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    return (typeof a === "string" ? a.localeCompare(b) : a - b) * (order.ascending ? 1 : -1);
  });
  const heads = COLUMNS.map((column, at) => {
    const arrow = at === order.column ? (order.ascending ? " ▲" : " ▼") : "";
    const button = element("button", { type: "button", textContent: column.name + arrow });
    button.addEventListener("click", () => {
      order.ascending = at === order.column ? !order.ascending : at === 0;
      order.column = at;
      drawClasses(counts, chosen, show, choose);
    });
    return button;
  });
  const head = headed(heads);
  head.querySelectorAll("th")[order.column].setAttribute("aria-sort", order.ascending ? "ascending" : "descending");
  const body = rows.map((row) => {
    const name = element("button", { class: "number", type: "button", textContent: row.name, title: row.name });
    name.addEventListener("click", () => choose(row.label));
    const cells = COLUMNS.slice(1).map((column) => {
      const value = column.of(row);
      if (column.what) return element("td", {}, link(value, `${column.title} of ${row.name}`, () => show(column.what(), row.label)));
      return element("td", {}, column.rate ? rate(value) : whole(value));
    });
    return element("tr", { class: row.label === chosen ? "chosen" : "" }, element("td", { class: "name" }, name), ...cells);
  });
  $("classes").replaceChildren(head, element("tbody", {}, ...body));
}
