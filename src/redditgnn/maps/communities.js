"use strict";
const CELL = 12, MARGIN = 150;
const element = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en");
const data = JSON.parse(element("data").textContent);
const { names, order, edges, ratio, colourings } = data;
const quotient = element("quotient"), blocks = element("blocks");
let node = -1, cell = [0, 0];

const tell = (text) => { element("message").textContent = text; };
const times = (a, b) => `${ratio[a][b]} times as many as expected`;

// ---- quotient graph

function choose(number) {
  node = number;
  for (const marked of document.querySelectorAll(".marked, .chosen")) marked.classList.remove("marked", "chosen");
  quotient.querySelector(`[data-node="${node}"]`).classList.add("marked");
  const ends = [];
  for (const tie of quotient.querySelectorAll(".tie")) {
    const pair = tie.dataset.ends.split(" ").map(Number);
    if (!pair.includes(node)) continue;
    tie.classList.add("marked");
    ends.push(pair[0] === node ? pair[1] : pair[0]);
  }
  rowOf(node)?.classList.add("chosen");
  ends.sort((a, b) => ratio[node][b] - ratio[node][a]);
  const joined = ends.map((end) => `${names[end]} (${count(edges[node][end])} edges, ${ratio[node][end]} times)`);
  tell(`Community ${names[node]}: ${describeRow(node)}. Joined to ${joined.join(", ") || "none"}.`);
}

const rowOf = (number) =>
  [...document.querySelectorAll("#communities tbody tr")].find((row) => +row.cells[0].textContent.replaceAll(",", "") === number);

function describeRow(number) {
  const row = rowOf(number), heads = [...document.querySelectorAll("#communities thead th")];
  const cells = row ? [...row.cells].map((c, i) => `${heads[i].textContent} ${c.textContent}`) : [];
  return cells.slice(1).filter((text) => !text.endsWith(" ")).join(", ");
}

function colour(name) {
  const { colours, legend } = colourings.find((c) => c.name === name);
  for (const circle of quotient.querySelectorAll(".node")) {
    circle.setAttribute("fill", colours[+circle.dataset.node]);
  }
  element("legend").replaceChildren(...legend.map(([css, text]) => {
    const entry = document.createElement("li"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = css;
    entry.append(swatch, ` ${text}`);
    return entry;
  }));
}

// ---- heat map

const cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
Object.entries({ id: "cursor", width: CELL, height: CELL }).forEach((pair) => cursor.setAttribute(...pair));

function point(row, column) {
  const last = order.length - 1;
  cell = [Math.max(0, Math.min(last, row)), Math.max(0, Math.min(last, column))];
  cursor.setAttribute("x", MARGIN + cell[1] * CELL);
  cursor.setAttribute("y", cell[0] * CELL);
  blocks.append(cursor);
  const [a, b] = cell.map((place) => order[place]);
  const where = a === b ? `inside of ${names[a]}` : `between ${names[a]} and ${names[b]}`;
  tell(`${count(edges[a][b])} edges ${where}: ${times(a, b)}.`);
}

function cellAt(event) {
  const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(blocks.getScreenCTM().inverse());
  return [Math.floor(place.y / CELL), Math.floor((place.x - MARGIN) / CELL)];
}

// ---- table

function sort(head) {
  const table = head.closest("table"), column = head.cellIndex, body = table.tBodies[0];
  const up = head.getAttribute("aria-sort") === "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (row) => row.cells[column].textContent.replaceAll(",", "");
  const numeric = [...body.rows].every((row) => value(row) === "" || !Number.isNaN(+value(row)));
  const compare = (a, b) => (numeric ? a - b : a.localeCompare(b)) * (up ? 1 : -1);
  const order = (a, b) => (a === "") - (b === "") || compare(a, b);
  body.append(...[...body.rows].sort((a, b) => order(value(a), value(b))));
}

// ---- what a person does

function keys(id, actions) {
  element(id).addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
}

const step = (by) => choose((node + by + names.length) % names.length);
const next = () => step(1), before = () => step(node < 0 ? 0 : -1);
keys("quotient-frame", { ArrowRight: next, ArrowDown: next, ArrowLeft: before, ArrowUp: before });
keys("blocks-frame", {
  ArrowLeft: () => point(cell[0], cell[1] - 1), ArrowRight: () => point(cell[0], cell[1] + 1),
  ArrowUp: () => point(cell[0] - 1, cell[1]), ArrowDown: () => point(cell[0] + 1, cell[1]),
});
for (const kind of ["pointerover", "click"]) {
  quotient.addEventListener(kind, (event) => {
    if (event.target.dataset.node !== undefined) choose(+event.target.dataset.node);
  });
}
blocks.addEventListener("pointermove", (event) => {
  const [row, column] = cellAt(event), size = order.length;
  if (row >= 0 && column >= 0 && row < size && column < size) point(row, column);
});
for (const button of document.querySelectorAll("#communities thead button")) {
  button.addEventListener("click", () => sort(button.parentElement));
}
for (const { name } of colourings) element("colour").append(new Option(name, name));
element("colour").addEventListener("change", (event) => colour(event.target.value));
colour(colourings[0].name);
document.documentElement.dataset.ready = "true";
