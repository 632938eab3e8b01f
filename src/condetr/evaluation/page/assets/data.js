// The data of the page: JSON, in which objects and detections are base64 columns.

const page = JSON.parse(document.getElementById("data").textContent);
const ALL = -1; // classes
const KINDS = page.kinds; // of detections by number; the last is of objects
const [IGNORED, HIT] = [0, 1];
const CLASSIFICATION = KINDS.indexOf("classification");
const LOCALISATION = KINDS.indexOf("localisation");
const MISSED = KINDS.indexOf("missed");
const ERRORS = KINDS.map((_, kind) => kind).filter((kind) => kind > HIT);

// The columns of a table, and the number of its rows.
function table(texts, types) {
  const columns = Object.entries(types).map(([name, Type]) => {
    const bytes = Uint8Array.from(atob(texts[name]), (character) => character.charCodeAt(0));
    return [name, new Type(bytes.buffer)];
  });
  const content = Object.fromEntries(columns);
  return { ...content, count: content.labels.length };
}

const images = page.images;
images.count = images.names.length;

const objects = table(page.objects, {
  starts: Uint32Array,
  labels: Uint16Array,
  crowd: Uint8Array,
  boxes: Uint16Array,
});

const detections = table(page.detections, {
  starts: Uint32Array,
  labels: Uint16Array,
  scores: Uint16Array,
  kinds: Uint8Array,
  about: Uint32Array,
  boxes: Uint16Array,
});
