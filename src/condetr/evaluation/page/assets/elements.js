// Elements of the page. Names are set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("aria-") || name === "scope" || name === "colspan") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const rate = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
const whole = (value) => value.toLocaleString("en-US");

// A number that shows its images.
function link(count, title, onClick) {
  const button = element("button", { class: "number", type: "button", textContent: whole(count), disabled: !count, title });
  button.setAttribute("aria-label", `${whole(count)} ${title}`);
  button.addEventListener("click", onClick);
  return button;
}

function headed(columns) {
  const cells = columns.map((column) => element("th", { scope: "col" }, column));
  return element("thead", {}, element("tr", {}, ...cells));
}
