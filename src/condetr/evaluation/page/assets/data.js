// The data of the page: JSON, in which objects and detections are base64 columns.

const page = JSON.parse(document.getElementById("data").textContent);
const ALL = -1; // classes
const KINDS = page.kinds; // of detections by number; the last is of objects
const [IGNORED, HIT] = [0, 1];
const CLASSIFICATION = KINDS.indexOf("classification");
const LOCALISATION = KINDS.indexOf("localisation");
const MISSED = KINDS.indexOf("missed");
const ERRORS = KINDS.map((_, kind) => kind).filter((kind) => kind > HIT);

function column(text, Type) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Type(bytes.buffer);
}

const images = page.images;
images.count = images.names.length;

const objects = {
  starts: column(page.objects.starts, Uint32Array),
  labels: column(page.objects.labels, Uint16Array),
  crowd: column(page.objects.crowd, Uint8Array),
  boxes: column(page.objects.boxes, Uint16Array),
};
objects.count = objects.labels.length;

const detections = {
  starts: column(page.detections.starts, Uint32Array),
  labels: column(page.detections.labels, Uint16Array),
  scores: column(page.detections.scores, Uint16Array),
  kinds: column(page.detections.kinds, Uint8Array),
  about: column(page.detections.about, Uint32Array),
  boxes: column(page.detections.boxes, Uint16Array),
};
detections.count = detections.labels.length;
