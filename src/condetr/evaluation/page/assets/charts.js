// Charts as SVG.

const CHART = { width: 320, height: 250, left: 34, right: 10, top: 10, bottom: 34 };
const across = (x) => CHART.left + x * (CHART.width - CHART.left - CHART.right);
const down = (y) => CHART.height - CHART.bottom - y * (CHART.height - CHART.top - CHART.bottom);

// Axes from 0 to 1.
function chart(title, labels, ...marks) {
  const grid = [];
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    grid.push(svg("line", { class: "grid", x1: across(0), x2: across(1), y1: down(tick), y2: down(tick) }));
    grid.push(svg("line", { class: "grid", x1: across(tick), x2: across(tick), y1: down(0), y2: down(1) }));
    grid.push(svg("text", { x: across(0) - 4, y: down(tick) + 4, "text-anchor": "end" }, String(tick)));
    grid.push(svg("text", { class: "tick", x: across(tick), y: down(0) + 14, "text-anchor": "middle" }, String(tick)));
  }
  const below = svg("text", { x: across(0.5), y: CHART.height - 4, "text-anchor": "middle" }, labels[0]);
  const beside = svg("text", { x: across(0) + 4, y: down(1) + 12 }, labels[1]);
  const made = svg("svg", { class: "chart", viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": title });
  made.append(...grid, ...marks, below, beside);
  return made;
}

function line(points, name = "line") {
  const path = points.map(([x, y], at) => `${at ? "L" : "M"}${across(x).toFixed(1)} ${down(y).toFixed(1)}`).join("");
  return svg("path", { class: name, d: path });
}

function figure(id, drawn, caption) {
  $(id).replaceChildren(drawn, element("figcaption", {}, caption));
}

function drawRates(rates, now, name) {
  const dot = now.precision === null ? [] : [svg("circle", { class: "now", r: 5, cx: across(now.recall), cy: down(now.precision) })];
  const curve = line(rates.map((each) => [each.recall, each.precision]));
  const caption = `${name}: precision over recall at an IoU of 0.5, of scores above ${page.lowest}. The dot is the threshold.`;
  figure("pr", chart("Precision over recall", ["recall", "precision"], curve, ...dot), caption);
}

function drawScores(rates, threshold, name, onPick) {
  const parts = [["precision", "line"], ["recall", "line second"], ["f1", "line third"]];
  const curves = parts.map(([part, look]) => line(rates.map((each) => [each.threshold, each[part]]), look));
  const at = across(threshold / page.steps);
  const now = svg("line", { class: "now", x1: at, x2: at, y1: down(0), y2: down(1) });
  const drawn = chart("Precision, recall and F1 over the threshold", ["threshold", ""], ...curves, now);
  parts.forEach(([part, look], row) => {
    drawn.append(svg("path", { class: look, d: `M${across(0.05)} ${down(0.2 - 0.07 * row) - 4}h16` }));
    const label = part === "f1" ? "F1" : part;
    drawn.append(svg("text", { class: "series", x: across(0.05) + 22, y: down(0.2 - 0.07 * row) }, label));
  });
  drawn.addEventListener("click", (event) => {
    const box = drawn.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * CHART.width;
    onPick((x - across(0)) / (across(1) - across(0)));
  });
  figure("scores", drawn, `${name}: click to set the threshold.`);
}

function drawReliability(of, name) {
  const edges = page.calibration.bin_edges;
  const marks = [];
  of.detections.forEach((count, bin) => {
    if (!count) return;
    const [precision, score] = [of.precision[bin], of.score[bin]];
    const bounds = { x: across(edges[bin]) + 1, width: across(edges[bin + 1]) - across(edges[bin]) - 2 };
    const title = svg("title", {}, `${whole(count)} detections of mean score ${rate(score)}: ${rate(precision)} are right`);
    marks.push(svg("rect", { class: "column", ...bounds, y: down(precision), height: down(0) - down(precision) }, title));
    const [low, high] = [Math.min(precision, score), Math.max(precision, score)];
    marks.push(svg("rect", { class: "gap", ...bounds, y: down(high), height: down(low) - down(high) }));
  });
  marks.push(line([[0, 0], [1, 1]], "line even"));
  const mean = of === page.calibration ? `, mean of the classes ${rate(page.calibration.mean_ece)}` : "";
  const caption = `${name}: share of hits in ten bins of scores; expected calibration error (ECE) ${rate(of.ece)}${mean}.`;
  figure("reliability", chart("Reliability diagram", ["score", "share of hits"], ...marks), caption);
}

// A bar for each decoder layer, its AP50 behind its AP.
function drawLayers(layers) {
  const width = (across(1) - across(0)) / layers.length;
  const marks = layers.flatMap((layer, at) => {
    const bounds = { x: across(0) + at * width + width * 0.15, width: width * 0.7 };
    const bar = (name, value) => svg("rect", { class: name, ...bounds, y: down(value), height: down(0) - down(value) });
    const middle = bounds.x + bounds.width / 2;
    const label = (text, y) => svg("text", { class: "series", x: middle, y, "text-anchor": "middle" }, text);
    const texts = [label(rate(layer.ap), Math.max(down(layer.ap50) - 4, down(1) + 10)), label(String(at + 1), down(0) + 14)];
    return [bar("behind", layer.ap50), bar("column", layer.ap), ...texts];
  });
  const drawn = chart("AP of each decoder layer", ["decoder layer", ""], ...marks);
  drawn.classList.add("bars");
  figure("layers", drawn, "AP of each decoder layer, AP50 behind it. Inference uses the last one.");
}
