// The page of demos/service.py: photographs in, a gallery of scores out. What it shows follows from `entries`
// and the two chosen models; scores and maps of every model are kept, so that choosing again asks for nothing.

import { cellAt, histogram, largest, node, paint, ramp, short, told, track } from "./draw.js";
import { Sender } from "./send.js";
import { csv } from "./table.js";

const $ = (id) => document.getElementById(id);
const THUMB = 360, LARGE = 1400; // pixels of the longer side
const names = new Intl.Collator(undefined, { numeric: true });

// {file, name, card, thumb, rows, maps, places, asked}: rows, maps and places by model; asked: models whose row is on its way
const entries = [];
let models = [], sender, open = null; // open: the entry of the large view

const chosen = () => [$("first").value, $("second").value].filter(Boolean);
const facts = (name) => models.find((model) => model.name === name);
const scored = (model) => entries.filter(({ rows }) => Number.isFinite(rows[model]?.score));

// ---- the beginning

async function start() {
  $("host").textContent = location.host;
  const [list, limits] = await Promise.all(["models", "limits"].map(async (path) => {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`/${path}: status ${answer.status}`);
    return answer.json();
  }));
  models = list;
  sender = new Sender(limits, found, showSending);
  $("first").append(...models.map(({ name }) => new Option(name)));
  $("second").append(new Option("none", ""), ...models.map(({ name }) => new Option(name)));
  $("models").hidden = models.length < 2;
  choose();
}

const UNITS = { MOS: "mean opinion score, on the scale that it learned", "ranking only": "an order of photographs, on no scale" };

function describe({ meaning, bins, units, range: [low, high] }) { // what a score is
  if (meaning) return meaning;
  return bins > 1 ? `mean of opinions from ${low} to ${high}` : (UNITS[units] ?? units);
}

function choose() { // the models of the two lists
  for (const option of $("second").options) option.disabled = option.value === $("first").value;
  if ($("second").value === $("first").value) $("second").value = "";
  const own = chosen();
  const said = own.map((name) => describe(facts(name)));
  $("about").textContent = `A higher score is better. ${said[0] === said[1] ? `Both: ${said[0]}`
    : said.map((text, i) => `${own[i]}: ${text}`).join("; ")}.`;
  const orders = own.flatMap((name, i) => {
    const by = own.length > 1 ? ` by ${name}` : "";
    return [[`best ${i}`, `Best first${by}`], [`worst ${i}`, `Worst first${by}`]];
  });
  if (own.length > 1) orders.push(["difference", "Most different first"]);
  orders.push(["name", "Name"], ["added", "As added"]);
  const before = $("order").value;
  $("order").replaceChildren(...orders.map(([value, text]) => new Option(text, value)));
  if (orders.some(([value]) => value === before)) $("order").value = before;
  $("tables").replaceChildren(...own.map((name) =>
    node("button", { type: "button", textContent: own.length > 1 ? `csv of ${name}` : "Download csv", onclick: () => table(name) })));
  for (const { entry, model } of sender.drop(({ model }) => !own.includes(model))) entry.asked.delete(model);
  want();
  update();
}

function want() { // sends for every score that is missing
  const missing = (entry, model) => !entry.rows[model] && !entry.asked.has(model);
  const jobs = chosen().flatMap((model) =>
    entries.filter((entry) => missing(entry, model)).map((entry) => ({ entry, model })));
  for (const { entry, model } of jobs) entry.asked.add(model);
  sender.add(jobs);
}

// ---- photographs come in

function take(files) {
  for (const file of files) {
    const entry = { file, name: file.path ?? (file.webkitRelativePath || file.name), rows: {}, maps: {}, places: {}, asked: new Set() };
    entry.card = card(entry);
    entries.push(entry);
    thumbs.push(entry);
  }
  update();
  want();
  thumbnails();
}

const KINDS = new RegExp("\\.(jpe?g|jpe|jfif|mpo|a?png|bmp|dib|tiff?|webp|gif|jp2|j2k|j2c|jpx|p[pgbn]m|avifs?|hei[cf])$", "i");

async function walk(item, path = "") { // the files of what was dropped, folders to the bottom
  if (item.isFile) {
    const file = await new Promise((done, failed) => item.file(done, failed));
    if (path) file.path = path + file.name;
    return [file];
  }
  const reader = item.createReader(), files = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return files;
    for (const inner of some) files.push(...(await walk(inner, `${path}${item.name}/`)));
  }
}

async function drop(given) { // of folders the images; what is dropped by itself, whatever it is
  const items = [...given.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!items.some((item) => item.isDirectory)) return take(given.files);
  let others = 0;
  try {
    for (const item of items) {
      const files = await walk(item), images = files.filter(({ path, name }) => !path || KINDS.test(name));
      others += files.length - images.length;
      take(images);
    }
    const them = others === 1 ? "1 file that is no image" : `${others} files that are no images`;
    say(others ? `Left out of the folders: ${them}.` : "");
  } catch (error) {
    say(`A folder cannot be read to its end: ${error.message}`);
  }
}

function say(text) {
  $("dropped").textContent = text;
}

const thumbs = []; // entries that wait for one
let drawing = 0;

async function thumbnails() {
  while (drawing < 2 && thumbs.length) {
    drawing++;
    const entry = thumbs.shift();
    try {
      const bitmap = await createImageBitmap(entry.file, { resizeWidth: THUMB, resizeQuality: "medium" });
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
      entry.thumb = URL.createObjectURL(await canvas.convertToBlob({ type: "image/webp", quality: 0.8 }));
      entry.card.querySelector(".photo").replaceChildren(node("img", { src: entry.thumb, alt: "" }));
    } catch { // TIFF, HEIC, a broken file: the service says what it is
      entry.card.querySelector(".photo").textContent = "no preview";
    }
    drawing--;
  }
}

// ---- scores come back

function found({ entry, model }, row) {
  entry.rows[model] = row;
  entry.asked.delete(model);
}

let planned = false;

function showSending({ busy, done, total, note, stopped, jobs }) {
  $("sending").hidden = !busy && !note;
  $("bar").max = total || 1;
  $("bar").value = done;
  const state = stopped && jobs.length ? `stopped: ${jobs.length} wait` : `${done} of ${total} scored`;
  $("status").textContent = [state, note].filter(Boolean).join("; ");
  $("stop").textContent = stopped ? "Go on" : "Stop";
  if (planned) return;
  planned = true; // one new order for all rows that come meanwhile
  setTimeout(() => { planned = false; update(); }, Math.max(150, entries.length / 2));
}

// Of two chosen models: b - a where they score on one scale, else by how many places b puts it higher.
const comparable = ([a, b]) => a.units === b.units && String(a.range) === String(b.range) && a.criterion !== "rank";

function difference({ rows, places }) {
  const own = chosen(), [a, b] = own.map((name) => rows[name]?.score);
  if (own.length < 2 || !Number.isFinite(a) || !Number.isFinite(b)) return null;
  return comparable(own.map(facts)) ? b - a : places[own[0]] - places[own[1]];
}

function ordered() {
  const [by, which] = $("order").value.split(" "), model = chosen()[which ?? 0];
  const last = (value) => (Number.isFinite(value) ? value : -Infinity); // of what has no score
  const keys = {
    best: ({ rows }) => last(rows[model]?.score),
    worst: ({ rows }) => last(-rows[model]?.score),
    difference: (entry) => { const d = difference(entry); return d === null ? -Infinity : Math.abs(d); },
  };
  const sorted = [...entries];
  if (by === "name") return sorted.sort((a, b) => names.compare(a.name, b.name));
  if (by === "added") return sorted;
  const key = new Map(entries.map((entry) => [entry, keys[by](entry)]));
  return sorted.sort((a, b) => (key.get(b) > key.get(a)) - (key.get(b) < key.get(a)));
}

const scales = {}; // by model: {ends, count}: the ends of its range, or of its scores here; how many there are

function rank(model) { // gives every photograph its place; returns the scale
  const own = scored(model).sort((a, b) => b.rows[model].score - a.rows[model].score);
  own.forEach((entry, i) => {
    const equal = i && own[i - 1].rows[model].score === entry.rows[model].score;
    entry.places[model] = equal ? own[i - 1].places[model] : i + 1;
  });
  const known = facts(model).range;
  return { ends: known[0] === null ? [own.at(-1)?.rows[model].score, own[0]?.rows[model].score] : known, count: own.length };
}

function update() {
  $("results").hidden = !entries.length;
  $("drop").classList.toggle("small", entries.length > 0);
  for (const model of chosen()) scales[model] = rank(model);
  for (const entry of entries) fill(entry);
  const cards = ordered().map(({ card }) => card);
  if (cards.some((card, i) => $("gallery").children[i] !== card)) {
    const focus = document.activeElement;
    $("gallery").replaceChildren(...cards);
    if ($("gallery").contains(focus)) focus.focus();
  }
  summarise();
  if (open) $("large-scores").replaceChildren(...scores(open, true));
}

function summarise() {
  const bad = entries.filter(({ rows }) => chosen().some((model) => rows[model]?.error));
  const parts = [`${entries.length} ${entries.length === 1 ? "photograph" : "photographs"}`];
  if (bad.length) parts.push(`${bad.length} without a score`);
  for (const model of chosen()) {
    const own = scored(model).map(({ rows }) => rows[model].score).sort((a, b) => a - b);
    const middle = (own[(own.length - 1) >> 1] + own[own.length >> 1]) / 2;
    if (own.length > 1) parts.push(`${chosen().length > 1 ? `${model}: ` : ""}${short(own[0])} to ${short(own.at(-1))}, median ${short(middle)}`);
  }
  if (chosen().some((model) => facts(model).bins === 1 && scales[model].count > 1)) parts.push("the bars run from the lowest to the highest");
  $("summary").textContent = parts.join("; ");
  const again = entries.filter(({ rows }) => chosen().some((model) => rows[model]?.again));
  $("again").hidden = !again.length;
  $("again").textContent = `Try ${again.length} again`;
}

function tryAgain() {
  for (const entry of entries)
    for (const model of chosen())
      if (entry.rows[model]?.again) delete entry.rows[model], delete entry.asked[model];
  want();
  update();
}

// ---- a card

function card(entry) {
  const photo = node("button", { type: "button", className: "photo", ariaLabel: `Open ${entry.name}`, textContent: "..." });
  photo.addEventListener("click", () => show(entry));
  return node("li", {}, photo, node("p", { className: "name", textContent: entry.name, title: entry.name }),
              node("div", { className: "scores" }));
}

function fill(entry) { // only where something has changed
  const state = JSON.stringify(chosen().map((model) => [model, entry.rows[model], entry.places[model], scales[model]]));
  if (entry.state === state) return;
  entry.state = state;
  entry.card.querySelector(".scores").replaceChildren(...scores(entry));
}

function scores(entry, full = false) { // nodes: of each chosen model its score, and in full what it means; their difference
  const own = chosen(), many = own.length > 1, parts = [];
  const reasons = new Set(own.map((model) => entry.rows[model]?.error));
  if (many && reasons.size === 1 && !reasons.has(null) && !reasons.has(undefined))
    return [node("p", { className: "why", textContent: [...reasons][0] })]; // one for both
  own.forEach((model, i) => {
    const row = entry.rows[model], { bins } = facts(model);
    const mark = many ? node("span", { className: `mark m${i}`, textContent: model, title: model }) : null;
    if (!row) return parts.push(node("p", { className: "waiting" }, mark, "waiting..."));
    if (row.error) return parts.push(node("p", { className: "why" }, mark, row.error));
    const spread = bins > 1 ? `\u00b1 ${short(row.std)}` : "";
    const among = `rank ${entry.places[model]} of ${scales[model].count}`;
    const line = node("p", {}, node("strong", { textContent: short(row.score), title: describe(facts(model)) }),
                      node("span", { textContent: spread, title: spread && "standard deviation" }),
                      node("span", { className: "place", textContent: among }));
    parts.push(node("div", { className: `score m${i}` }, mark, line,
                    bins > 1 ? histogram(row, bins) : track(row.score, scales[model].ends),
                    full ? node("p", { className: "meaning", textContent: describe(facts(model)) }) : null));
  });
  const d = difference(entry);
  if (d !== null) {
    const [a, b] = own, ranks = Math.abs(d) === 1 ? "rank" : "ranks";
    const said = comparable(own.map(facts)) ? `${d > 0 ? "+" : ""}${short(d)} (${b} \u2212 ${a})`
      : d ? `${b} puts it ${Math.abs(d)} ${ranks} ${d > 0 ? "higher" : "lower"}` : "the same rank";
    parts.push(node("p", { className: "difference", textContent: said }));
  }
  return parts;
}

// ---- the large view

function show(entry) {
  open = entry;
  if (!$("large").open) $("large").showModal();
  $("large-name").textContent = entry.name;
  entry.mapped = null; // the model whose map is shown
  bitmapOf(entry);
  showLarge();
}

let bitmap = null; // of the open photograph, where the browser can read it

async function bitmapOf(entry) {
  bitmap?.close();
  bitmap = null;
  const made = await createImageBitmap(entry.file).catch(() => null);
  if (open !== entry) return made?.close();
  bitmap = made;
  draw();
}

function draw() {
  const map = open.maps[open.mapped], size = bitmap ? [bitmap.width, bitmap.height] : map?.size;
  $("photo").hidden = !size;
  $("scale").hidden = !map;
  $("caption").textContent = size ? `${size[0]} \u00d7 ${size[1]} pixels` : "This browser cannot show the file.";
  if (!size) return;
  const scale = Math.min(1, LARGE / Math.max(...size));
  [$("photo").width, $("photo").height] = size.map((side) => Math.max(1, Math.round(side * scale)));
  paint($("photo"), bitmap, map);
  $("photo").ariaLabel = map ? `Quality map of ${open.name}. ${told(map)}` : open.name;
  if (!map) return;
  const limit = largest(map);
  $("ramp").style.background = ramp(limit);
  $("lowest").textContent = short(-limit);
  $("highest").textContent = `+${short(limit)}`;
  $("map-told").textContent = told(map);
}

function showLarge() {
  const entry = open, own = chosen().filter((model) => !entry.rows[model]?.error);
  $("large-scores").replaceChildren(...scores(entry, true));
  $("map-buttons").replaceChildren(...own.map((model) => {
    const button = node("button", { type: "button", ariaPressed: "false", value: model,
                                    textContent: own.length > 1 ? `Quality map by ${model}` : "Quality map" });
    button.addEventListener("click", () => toggle(entry, model));
    return button;
  }));
  draw();
}

async function toggle(entry, model) {
  entry.mapped = entry.mapped === model ? null : model;
  press();
  if (entry.mapped && !entry.maps[model]) await fetchMap(entry, model);
  if (open === entry) press();
}

function press() { // the button of the map that is shown
  for (const button of $("map-buttons").children) button.ariaPressed = String(open.mapped === button.value);
  draw();
}

async function fetchMap(entry, model) {
  const say = (text) => { if (open === entry) $("map-status").textContent = text; };
  say("Hiding one part after the other...");
  const form = new FormData();
  form.append("images", entry.file, entry.file.name);
  try {
    const answer = await fetch(`map?model=${encodeURIComponent(model)}`, { method: "POST", body: form });
    const body = await answer.json();
    if (answer.ok) entry.maps[model] = body;
    say(answer.ok ? "" : `No map: ${body.detail}`);
  } catch {
    say("No map: the server does not answer.");
  }
  if (!entry.maps[model] && entry.mapped === model) entry.mapped = null;
}

function step(by) {
  const order = ordered(), at = order.indexOf(open) + by;
  if (order[at]) show(order[at]);
}

function shut() { // the dialog is closed, by whatever way
  bitmap?.close();
  bitmap = null;
  $("map-status").textContent = "";
  const { card } = open;
  open = null;
  card.querySelector(".photo").focus();
}

function point({ offsetX, offsetY }) { // the fall of the part under the pointer
  const map = open?.maps[open.mapped];
  if (!map) return;
  const { clientWidth, clientHeight } = $("photo");
  const cell = cellAt(map, offsetX / clientWidth, offsetY / clientHeight);
  const fall = cell && map.grid[cell[0]][cell[1]];
  $("map-told").textContent = cell ? `This part: ${fall > 0 ? "+" : ""}${short(fall)}` : told(map);
}

// ---- the table

function table(model) { // in the order of the gallery, of what has an answer
  const rows = ordered().filter((entry) => entry.rows[model]).map((entry) => [entry.name, entry.rows[model]]);
  const href = URL.createObjectURL(new Blob([csv(rows, facts(model).bins)], { type: "text/csv" }));
  node("a", { href, download: `${model}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

function clear() {
  sender.drop(() => true);
  say("");
  for (const { thumb } of entries) URL.revokeObjectURL(thumb);
  entries.length = thumbs.length = 0;
  $("gallery").replaceChildren();
  update();
  $("files").focus();
}

// ---- what people do

$("files").addEventListener("change", ({ target }) => { take(target.files); target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") drop(event.dataTransfer);
  });
$("first").addEventListener("change", choose);
$("second").addEventListener("change", choose);
$("order").addEventListener("change", update);
$("stop").addEventListener("click", () => (sender.stopped ? sender.go() : sender.stop()));
$("again").addEventListener("click", tryAgain);
$("clear").addEventListener("click", clear);
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("close").addEventListener("click", () => $("large").close());
$("large").addEventListener("close", shut);
addEventListener("keydown", ({ key }) => {
  if (!open) return;
  if (key === "ArrowLeft") step(-1);
  if (key === "ArrowRight") step(1);
});
$("photo").addEventListener("pointermove", point);

start().catch((error) => { $("about").textContent = `The server cannot be asked: ${error.message}`; });
