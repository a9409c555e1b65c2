// Pictures of a row: histogram, place on a scale, quality map. Everything is built as nodes, so that no name
// and no reason is ever read as HTML.

export function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function shape(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

export const short = (number, digits = 2) => number.toFixed(digits).replace("-", "\u2212");

// As Python writes {number:.9g}, which is what --predict does.
export function nine(number) {
  const [digits, exponent] = number.toExponential(8).split("e");
  if (exponent >= -4 && exponent < 9) return String(Number(number.toPrecision(9)));
  const sign = exponent < 0 ? "-" : "+", size = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits.replace(/\.?0+$/, "")}e${sign}${size}`;
}

// Shares of the bins 1..K as bars, the mean as a line, one standard deviation to each side as a band.
export function histogram(row, bins) {
  const shares = Array.from({ length: bins }, (_, k) => row[`p${k + 1}`]);
  const wide = 240, high = 84, base = 66, step = wide / bins, top = Math.max(...shares);
  const at = (value) => Math.min(wide, Math.max(0, (value - 0.5) * step)); // the middle of bin 1 is half a step in
  const percents = shares.map((share, k) => `${k + 1}: ${Math.round(100 * share)}%`).join(", ");
  const said = `mean ${short(row.score)}, spread ${short(row.std)} (standard deviation)`;
  const picture = shape("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", class: "histogram",
                                 "aria-label": `Histogram: ${said}; ${percents}` });
  const left = at(row.score - row.std), right = at(row.score + row.std);
  picture.append(shape("title", {}, `${said}\n${percents}`));
  picture.append(shape("rect", { class: "spread", x: left, y: 0, width: right - left, height: base }));
  shares.forEach((share, k) => {
    const height = (share / top) * (base - 8);
    picture.append(shape("rect", { class: "share", x: k * step + step * 0.12, y: base - height,
                                   width: step * 0.76, height }));
    if (bins <= 12 || k % 5 === 4 || k === 0)
      picture.append(shape("text", { x: (k + 0.5) * step, y: high - 4, "text-anchor": "middle" }, k + 1));
  });
  picture.append(shape("line", { class: "base", x1: 0, x2: wide, y1: base, y2: base }));
  picture.append(shape("line", { class: "mean", x1: at(row.score), x2: at(row.score), y1: 0, y2: base }));
  return picture;
}

// Where a score lies between two ends.
export function track(score, [low, high]) {
  const share = high > low ? Math.min(1, Math.max(0, (score - low) / (high - low))) : 0.5;
  const dot = node("span");
  dot.style.left = `${100 * share}%`;
  return node("div", { className: "track", ariaHidden: "true" }, dot);
}

// ---- quality maps: colours and strength as of --maps (utils/drawing/quality_map.py)

const RISES = "0 114 178", FALLS = "213 94 0"; // stay apart for colour-blind eyes

// The opacity of a map's largest value: 0.8 from 1 on, 0.1 up to 0.0001, evenly by powers of ten between.
const strength = (limit) => 0.1 + 0.7 * Math.min(1, Math.max(0, Math.log10(limit / 1e-4) / 4));
const colour = (value, limit) =>
  `rgb(${value > 0 ? RISES : FALLS} / ${limit ? (Math.abs(value) / limit) * strength(limit) : 0})`;

export const largest = ({ grid }) => Math.max(...grid.flat().filter((v) => v !== null).map(Math.abs));

// A photograph as it is, or in grey below its map: {size, rows, columns, grid}, in pixels of the image as read.
export function paint(canvas, bitmap, map) {
  const draw = canvas.getContext("2d");
  draw.clearRect(0, 0, canvas.width, canvas.height);
  draw.filter = map ? "grayscale(1)" : "none";
  if (bitmap) draw.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  draw.filter = "none";
  if (!map) return;
  draw.fillStyle = "rgb(170 170 170 / .235)"; // black becomes 40, white 235: colours are visible on both
  draw.fillRect(0, 0, canvas.width, canvas.height);
  const limit = largest(map), across = canvas.width / map.size[0], down = canvas.height / map.size[1];
  draw.fillStyle = "rgb(255 255 255 / .8)"; // no view sees what lies outside the cells
  const seen = new Path2D();
  seen.rect(0, 0, canvas.width, canvas.height);
  const edge = (borders, i, times) => Math.round(borders[i] * times);
  const box = (i, j) => {
    const x = edge(map.columns, j, across), y = edge(map.rows, i, down);
    return [x, y, edge(map.columns, j + 1, across) - x, edge(map.rows, i + 1, down) - y];
  };
  map.grid.forEach((line, i) => line.forEach((value, j) => {
    if (value !== null) seen.rect(...box(i, j));
  }));
  draw.fill(seen, "evenodd");
  map.grid.forEach((line, i) => line.forEach((value, j) => {
    if (value === null) return;
    draw.fillStyle = colour(value, limit);
    draw.fillRect(...box(i, j));
  }));
}

export function ramp(limit) {
  return `linear-gradient(to right, ${colour(-limit, limit)}, transparent, ${colour(limit, limit)}), white`;
}

// [row, column] of the cell at a place of the image, as shares of its width and height; null outside.
export function cellAt({ size, rows, columns, grid }, x, y) {
  const place = (borders, at) => borders.findIndex((border, k) => border <= at && at < borders[k + 1]);
  const found = [place(rows, y * size[1]), place(columns, x * size[0])];
  return found.includes(-1) || grid[found[0]][found[1]] === null ? null : found;
}

// What the map says in words.
export function told(map) {
  let [most, where] = [-Infinity, null];
  map.grid.forEach((line, i) => line.forEach((value, j) => {
    if (value !== null && value > most) [most, where] = [value, [i, j]];
  }));
  if (where === null || most <= 0) return "No part raises the score.";
  const third = (k, count) => Math.min(2, Math.floor(((k + 0.5) / count) * 3));
  const down = ["top", "", "bottom"][third(where[0], map.grid.length)];
  const across = ["left", "", "right"][third(where[1], map.grid[0].length)];
  const place = `${down} ${across}`.trim() ? `at the ${`${down} ${across}`.trim()}` : "in the middle";
  return `The score falls most, by ${short(most)} of ${short(map.score)}, when a part ${place} is hidden.`;
}
