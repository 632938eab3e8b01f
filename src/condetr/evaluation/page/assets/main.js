// What the page shows, and what changes it.

const MEANING = {
  classification: "overlaps an object of another class, IoU 0.5 or more",
  localisation: "right class, IoU from 0.1 to 0.5",
  both: "another class, IoU from 0.1 to 0.5",
  duplicate: "right class and place, but a better detection has the object",
  background: "overlaps no object, IoU below 0.1",
  missed: "object without a hit, and without a classification or localisation error",
};
const SORTS = {
  "most errors": (one, other) => other.fitting - one.fitting || other.errors - one.errors,
  "most missed": (one, other) => other.kinds[MISSED] - one.kinds[MISSED] || other.errors - one.errors,
  "highest score of a false detection": (one, other) => other.highest - one.highest,
  "file name": (one, other) => (images.names[one.image] < images.names[other.image] ? -1 : 1),
};
const MOST_CONFUSIONS = 12;
const state = { threshold: Math.round(page.threshold * page.steps), filter: { label: ALL, what: "errors" } };
const nameOf = (label) => (label === ALL ? "all classes" : page.classes[label]);
let [counts, rates] = [[], []];

const chosenCounts = () => counts[state.filter.label === ALL ? page.classes.length : state.filter.label];

// Filter the images, and go to them.
function show(what, label, pair = null) {
  state.filter = { what, label, pair };
  $("class").value = String(label);
  draw();
  $("images-title").focus({ preventScroll: true });
  $("images-section").scrollIntoView();
}

function choose(label) {
  state.filter = { what: "errors", label, pair: null };
  $("class").value = String(label);
  draw();
}

function setThreshold(step) {
  const lowest = Math.ceil(page.lowest * page.steps);
  state.threshold = Math.max(lowest, Math.min(page.steps - 10, Math.round(step)));
  $("threshold").value = String(state.threshold / page.steps);
  draw();
}

function drawKinds() {
  const { kinds } = chosenCounts();
  const most = Math.max(1, ...ERRORS.map((kind) => kinds[kind]));
  const withCosts = page.costs && state.filter.label === ALL;
  const rows = ERRORS.map((kind) => {
    const bar = element("span", { class: `bar-of fill-${KINDS[kind]}` });
    bar.style.width = `${Math.max(2, 90 * kinds[kind] / most)}px`;
    const count = link(kinds[kind], `${KINDS[kind]} of ${nameOf(state.filter.label)}`, () => show(kind, state.filter.label));
    const name = element("td", { class: "wrap" }, KINDS[kind], element("small", {}, MEANING[KINDS[kind]]));
    const cells = [name, element("td", {}, count), element("td", { class: "text" }, bar)];
    if (withCosts) cells.push(element("td", {}, `+${Math.max(0, page.costs[KINDS[kind]]).toFixed(3)}`));
    return element("tr", {}, ...cells);
  });
  const columns = ["kind", "count", "", ...(withCosts ? ["AP50 if repaired"] : [])];
  $("kinds").replaceChildren(headed(columns), element("tbody", {}, ...rows));
}

function drawConfusions() {
  const pairs = confusionsAbove(state.threshold, state.filter.label).slice(0, MOST_CONFUSIONS);
  $("confusions").hidden = !pairs.length;
  const rows = pairs.map(({ pair, count }) => {
    const names = pair.map((label) => page.classes[label]);
    const number = link(count, `${names[0]} taken for ${names[1]}`, () => show(CLASSIFICATION, state.filter.label, pair));
    const cells = names.map((name) => element("td", { class: "text name", textContent: name, title: name }));
    return element("tr", {}, ...cells, element("td", {}, number));
  });
  const head = headed(["class", "taken for", "count"]);
  head.querySelectorAll("th")[1].className = "text";
  $("confusions").replaceChildren(head, element("tbody", {}, ...rows));
}

function drawNow() {
  const now = chosenCounts();
  const values = [
    ["precision", rate(now.precision)], ["recall", rate(now.recall)], ["F1", rate(now.f1)], ["objects", whole(now.objects)],
  ];
  const made = values.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  const numbers = [["hits", now.hits, HIT], ["false", now.wrong, "wrong"], ["not found", now.unfound, "unfound"]];
  for (const [name, count, what] of numbers) {
    const number = link(count, `${name}, ${nameOf(state.filter.label)}`, () => show(what, state.filter.label));
    made.push(element("div", {}, element("dt", {}, name), element("dd", {}, number)));
  }
  $("now").replaceChildren(...made);
  $("threshold-value").textContent = (state.threshold / page.steps).toFixed(2);
  const best = rates.reduce((most, each) => (each.f1 > most.f1 ? each : most), { f1: 0, threshold: page.threshold });
  $("best").textContent = `Best F1: ${best.threshold.toFixed(2)}`;
  $("best").onclick = () => setThreshold(Math.floor(best.threshold * 100) * page.steps / 100);
}

function filterText() {
  const { what, label, pair } = state.filter;
  if (pair) return `${page.classes[pair[0]]} taken for ${page.classes[pair[1]]}`;
  const words = { errors: "errors", wrong: "false detections", unfound: "objects that are not found", [HIT]: "hits" };
  return `${words[what] || KINDS[what]}, ${nameOf(label)}`;
}

function drawList() {
  const words = $("search").value.toLowerCase();
  const everything = state.filter.what === "everything";
  const rows = countsByImage(state.threshold, everything ? { ...state.filter, what: "errors" } : state.filter, state.found)
    .filter((row) => everything || row.fitting)
    .filter((row) => !words || images.names[row.image].toLowerCase().includes(words))
    .sort(SORTS[$("sort").value]);
  const number = `${whole(rows.length)} of ${whole(images.count)} images`;
  $("shown").textContent = everything ? number : `${number} have ${filterText()}`;
  $("all").disabled = everything;
  drawImages(rows, { ...state });
}

function draw() {
  state.found = foundAbove(state.threshold);
  counts = countsAbove(state.threshold, state.found);
  const { label } = state.filter;
  const now = chosenCounts();
  rates = ratesByThreshold(label, now.objects);
  drawNow();
  drawKinds();
  drawConfusions();
  drawRates(rates, now, nameOf(label));
  drawScores(rates, state.threshold, nameOf(label), (share) => setThreshold(Math.round(share * 100) * page.steps / 100));
  drawReliability(label === ALL ? page.calibration : page.calibration.per_class[label], nameOf(label));
  drawClasses(counts, label, show, choose);
  drawList();
}

function start() {
  const named = page.classes.map((name, label) => [label, name]);
  for (const [label, name] of [[ALL, "all classes"], ...named]) {
    $("class").append(element("option", { value: String(label), textContent: name }));
  }
  for (const name of Object.keys(SORTS)) $("sort").append(element("option", { value: name, textContent: name }));
  for (const kind of [HIT, ...ERRORS]) {
    $("key").append(element("li", {}, element("span", { class: `fill-${KINDS[kind]}` }), KINDS[kind]));
  }
  Object.assign($("threshold"), { min: String(page.lowest), max: "0.99", value: String(page.threshold) });
  $("threshold").addEventListener("input", (event) => setThreshold(Math.round(event.target.value * page.steps)));
  $("class").addEventListener("change", (event) => choose(Number(event.target.value)));
  $("sort").addEventListener("change", drawList);
  $("search").addEventListener("input", drawList);
  $("all").addEventListener("click", () => {
    state.filter = { what: "everything", label: ALL, pair: null };
    $("class").value = String(ALL);
    draw();
  });
  if (page.layers) drawLayers(page.layers);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  draw();
}

start();
