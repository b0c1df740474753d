"use strict";

function column(cell) {
  let place = 0;
  for (let before = cell.previousElementSibling; before; before = before.previousElementSibling) place += before.colSpan;
  return place;
}

function key(row, place) {
  const cell = [...row.cells].find((each) => column(each) === place);
  const text = cell ? cell.dataset.value ?? cell.textContent.trim() : "";
  return text === "–" ? "" : text;
}

function sort(heading, place) {
  const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const table = heading.closest("table");
  for (const each of table.querySelectorAll("[aria-sort]")) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => ({ row, text: key(row, place) }));
    const numeric = rows.every(({ text }) => text === "" || Number.isFinite(Number(text)));
    const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
    rows.sort((a, b) => (a.text === "") - (b.text === "") || (a.text && b.text ? direction * compare(a.text, b.text) : 0));
    body.append(...rows.map(({ row }) => row));
  }
}

function sortable(table) {
  const cells = [...table.querySelectorAll("tbody > tr > *")];
  const headings = table.tHead ? [...table.tHead.rows[table.tHead.rows.length - 1].cells] : [];
  if (cells.some((cell) => cell.rowSpan > 1) || headings.some((each) => each.colSpan > 1)) return;
  const above = [...(table.tHead?.rows ?? [])].slice(0, -1).flatMap((row) => [...row.cells]);
  if (above.some((cell) => cell.rowSpan > 1)) return;
  headings.forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(heading, place));
  });
}

function slider(patch) {
  const box = patch.querySelector(".slider"), stage = patch.querySelector(".stage"), range = patch.querySelector("input");
  const pictures = new Map([...patch.querySelectorAll(".sheet img")].map((picture) => [picture.dataset.name, picture]));
  const show = (layer, select) => {
    const picture = pictures.get(select.value);
    layer.src = picture.src;
    layer.alt = picture.alt;
    layer.classList.toggle("pixels", Number(picture.getAttribute("width")) < 240);
  };
  for (const [side, of] of [["left", ".over"], ["right", ".under"]]) {
    const layer = patch.querySelector(of), select = patch.querySelector(`select.${side}`);
    select.addEventListener("change", () => show(layer, select));
    show(layer, select);
  }
  const move = () => stage.style.setProperty("--at", `${range.value}%`);
  const follow = (event) => {
    const { left, width } = stage.getBoundingClientRect();
    range.value = (100 * (event.clientX - left)) / width;
    move();
  };
  range.addEventListener("input", move);
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  move();
  box.hidden = false;
}

function theme(button) {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  name();
  button.hidden = false;
}

document.querySelectorAll("table").forEach(sortable);
document.querySelectorAll(".patch").forEach(slider);
theme(document.getElementById("theme"));
