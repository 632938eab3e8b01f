// Counts that follow the threshold. A detection keeps its kind at any threshold; objects are found, or not, by what is above.

// Of each object: whether a detection above the threshold hits it, or is nearly right.
function foundAbove(threshold) {
  const hit = new Uint8Array(objects.count);
  const nearly = new Uint8Array(objects.count);
  for (let d = 0; d < detections.count; d++) {
    if (detections.scores[d] <= threshold || !detections.about[d]) continue;
    const kind = detections.kinds[d];
    if (kind === HIT) hit[detections.about[d] - 1] = 1;
    else if (kind === CLASSIFICATION || kind === LOCALISATION) nearly[detections.about[d] - 1] = 1;
  }
  return { hit, nearly };
}

// For each class, and last for all: objects, found, and detections and objects of each kind.
function countsAbove(threshold, found) {
  const classes = page.classes.length;
  const counts = Array.from({ length: classes + 1 }, () => ({ objects: 0, found: 0, kinds: new Array(KINDS.length).fill(0) }));
  const all = counts[classes];
  for (let d = 0; d < detections.count; d++) {
    if (detections.scores[d] <= threshold) continue;
    counts[detections.labels[d]].kinds[detections.kinds[d]]++;
    all.kinds[detections.kinds[d]]++;
  }
  for (let o = 0; o < objects.count; o++) {
    if (objects.crowd[o]) continue;
    for (const of of [counts[objects.labels[o]], all]) {
      of.objects++;
      if (found.hit[o]) of.found++;
      else if (!found.nearly[o]) of.kinds[MISSED]++;
    }
  }
  return counts.map(withRates);
}

function withRates(of) {
  const hits = of.kinds[HIT];
  const wrong = of.kinds.slice(HIT + 1, MISSED).reduce((sum, count) => sum + count, 0);
  const precision = hits + wrong ? hits / (hits + wrong) : null;
  const recall = of.objects ? hits / of.objects : null;
  const f1 = precision === null || recall === null ? null : 2 * hits / (2 * hits + wrong + of.objects - hits);
  return { ...of, hits, wrong, unfound: of.objects - of.found, precision, recall, f1 };
}

// Precision, recall and F1 at every threshold of the slider and between, of one class or all.
function ratesByThreshold(label, objectCount) {
  const hits = new Float64Array(page.steps + 2);
  const wrong = new Float64Array(page.steps + 2);
  for (let d = 0; d < detections.count; d++) {
    if (label !== ALL && detections.labels[d] !== label) continue;
    const kind = detections.kinds[d];
    if (kind === HIT) hits[detections.scores[d]]++;
    else if (kind !== IGNORED) wrong[detections.scores[d]]++;
  }
  const rates = [];
  let [right, false_] = [0, 0];
  for (let step = page.steps; step > Math.round(page.lowest * page.steps); step--) {
    right += hits[step];
    false_ += wrong[step];
    if (!right && !false_) continue;
    rates.push({
      threshold: (step - 1) / page.steps,
      precision: right / (right + false_),
      recall: objectCount ? right / objectCount : 0,
      f1: objectCount ? 2 * right / (right + false_ + objectCount) : 0,
    });
  }
  return rates.reverse();
}

// Which marks a filter asks for: a kind, "wrong" (false detections), "unfound" (objects), "errors", or a pair of classes.
function detectionFits(d, filter) {
  const kind = detections.kinds[d];
  if (filter.pair) {
    const about = detections.about[d] - 1;
    return kind === CLASSIFICATION && objects.labels[about] === filter.pair[0] && detections.labels[d] === filter.pair[1];
  }
  if (filter.label !== ALL && detections.labels[d] !== filter.label) return false;
  if (filter.what === "errors" || filter.what === "wrong") return kind > HIT;
  return filter.what === kind;
}

function objectFits(o, filter, found) {
  if (objects.crowd[o] || filter.pair || (filter.label !== ALL && objects.labels[o] !== filter.label)) return false;
  if (filter.what === "unfound") return !found.hit[o];
  if (filter.what === "errors" || filter.what === MISSED) return !found.hit[o] && !found.nearly[o];
  return false;
}

// For each image: errors by kind, marks that the filter asks for, and the highest score of a false detection.
function countsByImage(threshold, filter, found) {
  const rows = [];
  for (let image = 0; image < images.count; image++) {
    const row = { image, kinds: new Array(KINDS.length).fill(0), fitting: 0, highest: 0 };
    for (let d = detections.starts[image]; d < detections.starts[image + 1]; d++) {
      if (detections.scores[d] <= threshold) continue;
      const kind = detections.kinds[d];
      row.kinds[kind]++;
      if (kind > HIT && detections.scores[d] > row.highest) row.highest = detections.scores[d];
      if (detectionFits(d, filter)) row.fitting++;
    }
    for (let o = objects.starts[image]; o < objects.starts[image + 1]; o++) {
      if (objects.crowd[o]) continue;
      if (!found.hit[o] && !found.nearly[o]) row.kinds[MISSED]++;
      if (objectFits(o, filter, found)) row.fitting++;
    }
    row.errors = ERRORS.reduce((sum, kind) => sum + row.kinds[kind], 0);
    rows.push(row);
  }
  return rows;
}

// Pairs of a true class and what it was taken for, the most frequent first.
function confusionsAbove(threshold, label) {
  const pairs = new Map();
  for (let d = 0; d < detections.count; d++) {
    if (detections.scores[d] <= threshold || detections.kinds[d] !== CLASSIFICATION) continue;
    const pair = [objects.labels[detections.about[d] - 1], detections.labels[d]];
    if (label !== ALL && !pair.includes(label)) continue;
    const key = pair.join();
    const entry = pairs.get(key) || { pair, count: 0 };
    entry.count++;
    pairs.set(key, entry);
  }
  return [...pairs.values()].sort((one, other) => other.count - one.count);
}
