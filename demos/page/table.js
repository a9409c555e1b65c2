// The csv of --predict, of rows of the service.

import { nine } from "./draw.js";

const FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"; // what a spreadsheet takes for a formula
const path = (name) => (FORMULA.includes(name[0]) ? `./${name}` : name);
const text = (why) => (why && (FORMULA + "'").includes(why[0]) ? `'${why}` : why);
const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

// rows: [name, row] each; bins: of the histograms, 1 where there are none.
export function csv(rows, bins) {
  const shares = Array.from({ length: bins }, (_, k) => `p${k + 1}`);
  const numbers = ["score", ...(bins > 1 ? ["std", ...shares] : [])];
  const lines = rows.map(([name, row]) => [path(name), ...numbers.map((key) => (Number.isFinite(row[key]) ? nine(row[key]) : "")),
                                           text(row.error ?? "")]);
  return [["path", ...numbers, "error"], ...lines].map((line) => line.map(cell).join(",") + "\n").join("");
}
