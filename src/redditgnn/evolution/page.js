"use strict";
const tip = document.getElementById("tip");
const shapes = [...document.querySelectorAll("#alluvial [data-ids]")];
const blocks = shapes.filter((shape) => shape.classList.contains("block"));
const buttons = [...document.querySelectorAll(".legend button")];

// ---- what is under the mouse, or has the focus

function show(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const right = x + 14 + width < innerWidth ? x + 14 : Math.max(4, x - 14 - width);
  tip.style.left = `${Math.min(right, Math.max(4, innerWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - height - 4))}px`;
}

function point(event) {
  const shape = event.target.closest?.("[data-tip]");
  if (shape) show(shape.dataset.tip, event.clientX, event.clientY);
  else tip.hidden = true;
}

addEventListener("pointermove", point);
addEventListener("pointerdown", point);
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// ---- the keyboard: one block has the focus, arrows move it

const middle = (block) => {
  const { left, right, top, bottom } = block.getBoundingClientRect();
  return [(left + right) / 2, (top + bottom) / 2];
};

function focus(block) {
  if (!block) return;
  for (const other of blocks) other.setAttribute("tabindex", other === block ? 0 : -1);
  block.focus();
}

function beside(block, step) {
  const snapshots = [...new Set(blocks.map((other) => +other.dataset.snapshot))].sort((a, b) => a - b);
  const next = snapshots[snapshots.indexOf(+block.dataset.snapshot) + step];
  const column = blocks.filter((other) => +other.dataset.snapshot === next);
  const away = (other) => Math.abs(middle(other)[1] - middle(block)[1]);
  const nearest = [...column].sort((a, b) => away(a) - away(b))[0];
  return column.find((other) => other.dataset.ids === block.dataset.ids) ?? nearest;
}

function inColumn(block, step) {
  const column = blocks.filter((other) => other.dataset.snapshot === block.dataset.snapshot);
  return column[column.indexOf(block) + step];
}

const KEYS = {
  ArrowLeft: (block) => beside(block, -1), ArrowRight: (block) => beside(block, 1),
  ArrowUp: (block) => inColumn(block, -1), ArrowDown: (block) => inColumn(block, 1),
};

for (const [number, block] of blocks.entries()) {
  block.setAttribute("tabindex", number ? -1 : 0);
  block.setAttribute("role", "img");
  block.setAttribute("aria-label", block.dataset.tip.replaceAll("\n", ", "));
  block.addEventListener("focus", () => show(block.dataset.tip, ...middle(block)));
  block.addEventListener("blur", () => { tip.hidden = true; });
  block.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    focus(KEYS[event.key](block));
  });
}

// ---- the legend leaves the communities that are pressed

function fade() {
  const pressed = buttons.filter((button) => button.getAttribute("aria-pressed") === "true");
  const chosen = new Set(pressed.map((button) => button.dataset.ids));
  for (const shape of shapes) {
    const kept = !chosen.size || shape.dataset.ids.split(" ").some((number) => chosen.has(number));
    shape.classList.toggle("faded", !kept);
  }
}

for (const button of buttons)
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    fade();
  });

document.documentElement.dataset.ready = "true";
