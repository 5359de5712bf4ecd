"use strict";
const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array };
const STEPS = 65535, MISSING = 65535, REACH = 12, MOST_IN_LEGEND = 60, BINS = 256;
const element = (id) => document.getElementById(id);
const canvas = element("map"), pen = canvas.getContext("2d"), tip = element("tip");
const count = (number) => number.toLocaleString("en");

// What is shown: the centre in shares of the map, and the pixels of its side.
const view = { x: 0.5, y: 0.5, side: 1 };
let X, Y, nodes, columns, column, paint, image, pixels, hidden = new Set(), marked = -1, area = null;

async function unpack({ kind, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = await new Response(stream).arrayBuffer();
  return kind === "text" ? new TextDecoder().decode(raw) : new ARRAYS[kind](raw);
}

async function start() {
  const data = JSON.parse(element("data").textContent);
  [X, Y] = await Promise.all([unpack(data.x), unpack(data.y)]);
  nodes = data.nodes && (await unpack(data.nodes)).split("\n");
  columns = await Promise.all(data.columns.map(async (c) => ({ ...c, codes: await unpack(c.codes) })));
  for (const { name } of columns) element("colour").append(new Option(name, name));
  element("colour").value = data.colour;
  new ResizeObserver(resize).observe(element("frame"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  listen();
  choose(data.colour);
  resize();
  showAll();
  document.documentElement.dataset.ready = "true";
}

// ---- colours

const toBytes = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

function fromHsl(hue, saturation, lightness) {
  const part = (n) => {
    const k = (n + hue / 30) % 12, a = saturation * Math.min(lightness, 1 - lightness);
    return Math.round(255 * (lightness - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

// Neighbouring groups differ by the golden angle. Three degrees of lightness tell repeats apart.
const ofGroup = (code) => fromHsl((code * 137.508 + 215) % 360, 0.62, [0.5, 0.38, 0.64][code % 3]);
const ofShare = (share) => fromHsl(250 - 200 * share, 0.7, 0.42 + 0.14 * share);
const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
const binOf = (code) => Math.floor((code * BINS) / MISSING);

function repaint() {
  const { codes, names } = column, grey = toBytes(140, 140, 140);
  const size = names ? names.length : BINS;
  const palette = Uint32Array.from({ length: size }, (_, i) =>
    names ? (hidden.has(i) ? 0 : toBytes(...ofGroup(i))) : toBytes(...ofShare(i / (BINS - 1))));
  paint = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++)
    paint[i] = names ? palette[codes[i]] : codes[i] === MISSING ? grey : palette[binOf(codes[i])];
}

// ---- drawing

function pointSize() {
  const base = X.length > 50000 ? 1.4 : X.length > 5000 ? 2.4 : 4.5;
  const zoom = view.side / Math.min(canvas.width, canvas.height);
  return Math.max(1, Math.round(devicePixelRatio * Math.min(8, base * Math.sqrt(Math.max(1, zoom)))));
}

function ground() {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
  return toBytes(r, g, b);
}

function draw() {
  const { width, height } = image, size = pointSize(), scale = view.side / STEPS;
  const left = width / 2 - view.x * view.side - size / 2, top = height / 2 - view.y * view.side - size / 2;
  const right = width - size, bottom = height - size;
  pixels.fill(ground());
  for (let i = 0; i < X.length; i++) {
    const colour = paint[i];
    if (colour === 0) continue;
    const x = (X[i] * scale + left) | 0, y = (Y[i] * scale + top) | 0;
    if (x < 0 || y < 0 || x > right || y > bottom) continue;
    for (let row = y * width + x, end = row + size * width; row < end; row += width)
      for (let at = row; at < row + size; at++) pixels[at] = colour;
  }
  pen.putImageData(image, 0, 0);
  if (marked >= 0) ring(marked);
  if (element("counts").open) tabulate();
}

function ring(node) {
  const [x, y] = toPixel(X[node], Y[node]);
  pen.strokeStyle = getComputedStyle(document.body).color;
  pen.lineWidth = 2 * devicePixelRatio;
  pen.beginPath();
  pen.arc(x, y, pointSize() / 2 + 5 * devicePixelRatio, 0, 2 * Math.PI);
  pen.stroke();
}

let waiting = false;
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

function resize() {
  const { width, height } = element("frame").getBoundingClientRect();
  const before = Math.min(canvas.width, canvas.height);
  canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
  canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
  image = pen.createImageData(canvas.width, canvas.height);
  pixels = new Uint32Array(image.data.buffer);
  view.side *= Math.min(canvas.width, canvas.height) / before;
  draw();
}

// ---- places

const toPixel = (x, y) => [
  canvas.width / 2 + (x / STEPS - view.x) * view.side,
  canvas.height / 2 + (y / STEPS - view.y) * view.side,
];

function toStep(pixelX, pixelY) {
  return [
    ((pixelX - canvas.width / 2) / view.side + view.x) * STEPS,
    ((pixelY - canvas.height / 2) / view.side + view.y) * STEPS,
  ];
}

function pixelOf(event) {
  const { left, top } = canvas.getBoundingClientRect();
  return [(event.clientX - left) * devicePixelRatio, (event.clientY - top) * devicePixelRatio];
}

function nearest(pixelX, pixelY) {
  const [x, y] = toStep(pixelX, pixelY), reach = (REACH * devicePixelRatio * STEPS) / view.side;
  let best = reach * reach, node = -1;
  for (let i = 0; i < X.length; i++) {
    const distance = (X[i] - x) ** 2 + (Y[i] - y) ** 2;
    if (distance < best && paint[i] !== 0) { best = distance; node = i; }
  }
  return node;
}

function zoom(factor, [pixelX, pixelY] = [canvas.width / 2, canvas.height / 2]) {
  const [x, y] = toStep(pixelX, pixelY);
  const fit = 0.92 * Math.min(canvas.width, canvas.height);
  view.side = Math.min(fit * 4000, Math.max(fit / 2, view.side * factor));
  view.x = x / STEPS - (pixelX - canvas.width / 2) / view.side;
  view.y = y / STEPS - (pixelY - canvas.height / 2) / view.side;
  drawSoon();
}

function pan(pixelsX, pixelsY) {
  view.x -= pixelsX / view.side;
  view.y -= pixelsY / view.side;
  drawSoon();
}

function showAll() {
  Object.assign(view, { x: 0.5, y: 0.5, side: 0.92 * Math.min(canvas.width, canvas.height) });
  marked = -1;
  endBox();
  draw();
}

// ---- words

const nameOf = (node) => (nodes ? nodes[node] : String(node));

function valueOf({ codes, names, low, high }, node) {
  if (names) return names[codes[node]];
  if (codes[node] === MISSING) return "none";
  return +(low + ((high - low) * codes[node]) / (MISSING - 1)).toPrecision(4);
}

function tell(node, pixelX, pixelY) {
  tip.hidden = node < 0;
  if (node < 0) return;
  const lines = columns.map((c) => `${c.name}: ${valueOf(c, node)}`);
  tip.textContent = [`node ${nameOf(node)}`, ...lines].join("\n");
  const { width, height } = element("frame").getBoundingClientRect();
  const x = pixelX / devicePixelRatio + 12, y = pixelY / devicePixelRatio + 12;
  tip.style.left = `${Math.max(0, Math.min(x, width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(0, Math.min(y, height - tip.offsetHeight - 4))}px`;
}

function find(text) {
  const node = nodes ? nodes.indexOf(text) : /^\d+$/.test(text) && +text < X.length ? +text : -1;
  element("message").textContent = node < 0 && text ? `no node ${text}` : "";
  marked = node;
  if (node < 0) { tell(-1); draw(); return; }
  Object.assign(view, { x: X[node] / STEPS, y: Y[node] / STEPS });
  draw();
  tell(node, ...toPixel(X[node], Y[node]));
}

// ---- legend and table

function choose(name) {
  column = columns.find((c) => c.name === name);
  hidden = new Set();
  element("legend-title").textContent = name;
  repaint();
  legend();
}

function sizes(keep) {
  const found = new Uint32Array(column.names.length);
  for (let i = 0; i < X.length; i++) if (keep(i)) found[column.codes[i]]++;
  return [...found].map((size, code) => [code, size]).filter(([, size]) => size);
}

function legend() {
  const box = element("legend");
  if (!column.names) {
    const steps = Array.from({ length: 9 }, (_, i) => css(ofShare(i / 8))).join(",");
    box.innerHTML = '<div id="scale"></div><div id="ends"><span></span><span></span></div>';
    element("scale").style.background = `linear-gradient(to right, ${steps})`;
    [column.low, column.high].forEach((end, i) => {
      element("ends").children[i].textContent = +end.toPrecision(4);
    });
    return;
  }
  const rows = sizes(() => true).sort((a, b) => b[1] - a[1]);
  box.replaceChildren(...rows.slice(0, MOST_IN_LEGEND).map(entry));
  if (rows.length > MOST_IN_LEGEND) box.append(`and ${count(rows.length - MOST_IN_LEGEND)} smaller`);
}

function entry([code, size]) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", String(!hidden.has(code)));
  for (const text of ["", column.names[code], count(size)]) {
    button.append(Object.assign(document.createElement("span"), { textContent: text }));
  }
  button.firstChild.className = "swatch";
  button.firstChild.style.background = css(ofGroup(code));
  button.addEventListener("click", () => isolate(code));
  return button;
}

// Of all groups a click leaves one. Later clicks add groups or take them away, and the last all.
function isolate(code) {
  const all = column.names.map((_, i) => i);
  if (hidden.size === 0) hidden = new Set(all.filter((i) => i !== code));
  else if (hidden.has(code)) hidden.delete(code);
  else hidden.add(code);
  if (hidden.size === all.length) hidden.clear();
  repaint();
  legend();
  drawSoon();
}

function inside() {
  const [[left, top], [right, bottom]] = area ?? [toStep(0, 0), toStep(canvas.width, canvas.height)];
  return (i) => X[i] >= left && X[i] <= right && Y[i] >= top && Y[i] <= bottom && paint[i] !== 0;
}

function tabulate() {
  const keep = inside(), [head, body] = document.querySelector("#counts table").children;
  let total = 0, sum = 0, known = 0;
  for (let i = 0; i < X.length; i++) {
    if (!keep(i)) continue;
    total++;
    if (!column.names && column.codes[i] !== MISSING) { known++; sum += valueOf(column, i); }
  }
  element("counted").textContent = `${count(total)} nodes in the ${area ? "box" : "window"}`;
  const rows = column.names
    ? sizes(keep).sort((a, b) => b[1] - a[1]).map(([code, size]) => [column.names[code], count(size)])
    : [["mean", known ? +(sum / known).toPrecision(4) : ""]];
  fill(head, [[column.name, column.names ? "nodes" : ""]], "th");
  fill(body, rows, "td");
}

function fill(part, rows, kind) {
  part.replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    for (const text of row) line.append(Object.assign(document.createElement(kind), { textContent: text }));
    return line;
  }));
}

// ---- the box

const boxIsOn = () => element("box").getAttribute("aria-pressed") === "true";

function endBox() {
  area = null;
  element("rectangle").hidden = true;
  element("box").setAttribute("aria-pressed", "false");
}

function showBox([x0, y0], [x1, y1]) {
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
  const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)];
  const place = { left, top, width: right - left, height: bottom - top };
  for (const [key, value] of Object.entries(place)) {
    element("rectangle").style[key] = `${value / devicePixelRatio}px`;
  }
  element("rectangle").hidden = false;
  area = [toStep(left, top), toStep(right, bottom)];
}

// ---- what a person does

function listen() {
  let last = null, first = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = first = pixelOf(event);
    if (!boxIsOn()) { area = null; element("rectangle").hidden = true; }
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = pixelOf(event);
    if (last === null) { tell(nearest(...now), ...now); return; }
    tip.hidden = true;
    if (boxIsOn()) showBox(first, now);
    else pan(now[0] - last[0], now[1] - last[1]);
    last = now;
  });
  canvas.addEventListener("pointerup", () => {
    if (boxIsOn() && area) {
      element("box").setAttribute("aria-pressed", "false");
      element("counts").open = true;
      tabulate();
    }
    last = null;
  });
  canvas.addEventListener("pointercancel", () => { last = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), pixelOf(event));
  }, { passive: false });
  canvas.addEventListener("keydown", press);
  element("colour").addEventListener("change", (event) => { choose(event.target.value); drawSoon(); });
  element("search").addEventListener("change", (event) => find(event.target.value.trim()));
  element("counts").addEventListener("toggle", () => element("counts").open && tabulate());
  element("in").addEventListener("click", () => zoom(1.5));
  element("out").addEventListener("click", () => zoom(1 / 1.5));
  element("reset").addEventListener("click", showAll);
  element("box").addEventListener("click", () => {
    const on = !boxIsOn();
    endBox();
    element("box").setAttribute("aria-pressed", String(on));
  });
}

function press(event) {
  const step = 60 * devicePixelRatio;
  const actions = {
    ArrowLeft: () => pan(step, 0), ArrowRight: () => pan(-step, 0),
    ArrowUp: () => pan(0, step), ArrowDown: () => pan(0, -step),
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8),
    0: showAll, Escape: () => { endBox(); tip.hidden = true; },
  };
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
}

start();
