// Images: cards that are made when they are scrolled to, and one in large with its list of detections and objects.

const BATCH = 40;
const FULL = 65535;

// The detections above the threshold, and the objects that none of them hits.
function marksOf(image, state) {
  const marks = [];
  for (let o = objects.starts[image]; o < objects.starts[image + 1]; o++) {
    const name = page.classes[objects.labels[o]];
    const box = objects.boxes.subarray(4 * o, 4 * o + 4);
    if (objects.crowd[o]) marks.push({ box, look: "object crowd", kind: "crowd", name, fits: false });
    else if (!state.found.hit[o]) {
      const kind = state.found.nearly[o] ? "not found" : "missed";
      marks.push({ box, look: "missed", kind, name, fits: objectFits(o, state.filter, state.found) });
    }
  }
  for (let d = detections.starts[image]; d < detections.starts[image + 1]; d++) {
    if (detections.scores[d] <= state.threshold || detections.kinds[d] === IGNORED) continue;
    const kind = KINDS[detections.kinds[d]];
    const about = detections.kinds[d] === CLASSIFICATION ? page.classes[objects.labels[detections.about[d] - 1]] : "";
    const box = detections.boxes.subarray(4 * d, 4 * d + 4);
    const score = detections.scores[d] / page.steps;
    marks.push({ box, look: kind, kind, name: page.classes[detections.labels[d]], score, about, fits: detectionFits(d, state.filter) });
  }
  return marks;
}

// The image below its boxes. `fit` is the room for it in pixels: width, height.
function paper(image, marks, fit, original = false) {
  const [width, height] = images.sizes[image];
  const scale = Math.min(fit[0] / width, fit[1] / height);
  const sheet = element("div", { class: "paper" });
  sheet.style.width = `${width * scale}px`;
  sheet.style.aspectRatio = `${width} / ${height}`;
  const small = images.thumbnails[image] ? `data:image/webp;base64,${images.thumbnails[image]}` : images.links[image];
  const shown = element("img", { alt: "", decoding: "async" });
  shown.src = small;
  sheet.append(shown);
  if (original && small !== images.links[image]) {
    const large = element("img", { alt: "", hidden: true });
    large.addEventListener("load", () => { large.hidden = false; });
    large.addEventListener("error", () => large.remove()); // the file was moved: the small copy stays
    large.src = images.links[image];
    sheet.append(large);
  }
  const overlay = svg("svg", { viewBox: `0 0 ${FULL} ${FULL}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const mark of marks) {
    const [x1, y1, x2, y2] = mark.box;
    mark.rect = svg("rect", { class: mark.look, x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
    overlay.append(mark.rect);
  }
  sheet.append(overlay);
  return sheet;
}

function errorsText(row) {
  const parts = ERRORS.filter((kind) => row.kinds[kind]).map((kind) => `${row.kinds[kind]} ${KINDS[kind]}`);
  return parts.length ? parts.join(", ") : `no error, ${row.kinds[HIT]} hits`;
}

function card(row, state, onOpen) {
  const name = images.names[row.image];
  const frame = element("div", { class: "frame" }, paper(row.image, marksOf(row.image, state), [260, 150]));
  const ending = name.slice(name.lastIndexOf("/") + 1); // the whole name is shown on hovering, and in large
  const lines = [element("span", { class: "name", textContent: ending }), element("span", { class: "errors", textContent: errorsText(row) })];
  const made = element("button", { class: "card", type: "button", title: name }, frame, ...lines);
  made.addEventListener("click", onOpen);
  return made;
}

// The list of cards; more of them whenever its end is seen.
const list = { rows: [], shown: 0, state: null };

function more() {
  const made = list.rows.slice(list.shown, list.shown + BATCH).map((row, at) => card(row, list.state, openAt.bind(null, list.shown + at)));
  list.shown += made.length;
  $("cards").append(...made);
}

function drawImages(rows, state) {
  Object.assign(list, { rows, state, shown: 0 });
  $("cards").replaceChildren();
  more();
}

let opened = 0;

function openAt(at) {
  opened = at;
  const { image } = list.rows[at];
  const marks = marksOf(image, list.state);
  $("large-name").textContent = images.names[image];
  $("large-file").href = images.links[image];
  const room = [Math.min(960, window.innerWidth * 0.92 - 26), window.innerHeight * 0.6];
  $("large-frame").replaceChildren(paper(image, marks, room, true));
  const order = [...marks].sort((one, other) => other.fits - one.fits || (other.score || 2) - (one.score || 2));
  const rows = order.map((mark) => {
    const box = [...mark.box].map((edge, side) => Math.round(edge / FULL * images.sizes[image][side % 2]));
    const cells = [
      element("td", {}, element("span", { class: `bar-of fill-${mark.look.split(" ")[0]}` }, " "), ` ${mark.kind}`),
      element("td", { class: "text", textContent: mark.about ? `${mark.name}, is ${mark.about}` : mark.name }),
      element("td", { textContent: mark.score === undefined ? "" : mark.score.toFixed(3) }),
      element("td", { textContent: box.join(", ") }),
    ];
    const row = element("tr", { class: mark.fits ? "chosen" : "" }, ...cells);
    row.addEventListener("pointerenter", () => mark.rect.classList.add("pointed"));
    row.addEventListener("pointerleave", () => mark.rect.classList.remove("pointed"));
    return row;
  });
  const head = headed(["kind", "class", "score", "x1, y1, x2, y2"]);
  head.querySelectorAll("th")[1].className = "text";
  $("marks").replaceChildren(head, element("tbody", {}, ...rows));
  $("before").disabled = at === 0;
  $("after").disabled = at === list.rows.length - 1;
  if (!$("large").open) $("large").showModal();
}

new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) more();
}, { rootMargin: "600px" }).observe($("more"));
$("before").addEventListener("click", () => openAt(opened - 1));
$("after").addEventListener("click", () => openAt(opened + 1));
$("close").addEventListener("click", () => $("large").close());
$("large").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" && !$("before").disabled) openAt(opened - 1);
  if (event.key === "ArrowRight" && !$("after").disabled) openAt(opened + 1);
});
