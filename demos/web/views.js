// What of an image the network sees, by the toolkit's rules: resized as Pillow resizes, cut into crops on
// a grid; and the scores of the crops made one. Images are {data: RGBA bytes, width, height}.

const FILTERS = {
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (x) => {
    x = Math.abs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  }],
};

// A pass of Pillow along x (libImaging/Resample.c), its result turned over: two of them are a resize.
function pass({ data, width, height }, wanted, [reach, filter]) {
  const scale = width / wanted, stretch = Math.max(scale, 1), support = reach * stretch;
  const turned = new Uint8ClampedArray(wanted * height * 4);
  for (let x = 0; x < wanted; x++) {
    const centre = (x + 0.5) * scale;
    const first = wanted === width ? x : Math.max(0, Math.trunc(centre - support + 0.5));
    const last = wanted === width ? x + 1 : Math.min(width, Math.trunc(centre + support + 0.5));
    let weights = Array.from({ length: last - first }, (_, i) => filter((first + i - centre + 0.5) / stretch));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights = weights.map((weight) => Math.round((weight / total) * 2 ** 22));
    for (let y = 0; y < height; y++)
      for (let c = 0; c < 3; c++) {
        let sum = 2 ** 21;
        for (let i = first; i < last; i++) sum += weights[i - first] * data[(y * width + i) * 4 + c];
        turned[(x * height + y) * 4 + c] = Math.floor(sum / 2 ** 22);
      }
  }
  return { data: turned, width: height, height: wanted };
}

function resized(image, height, width, filter) {
  const rowsFirst = image.height - height > 2 * Math.max(0, image.width - width);
  if (!rowsFirst) return pass(pass(image, width, filter), height, filter);
  // As Pillow 13, where many rows go: that leaves fewer of them to be resized.
  const turned = (image) => pass(image, image.width, filter);
  return turned(pass(pass(turned(image), height, filter), width, filter));
}

function halfEven(x) { // as Python rounds
  const near = Math.round(x);
  return Math.abs(x % 1) === 0.5 && near % 2 ? near - 1 : near;
}

function spread(span, count) {
  if (count === 1) return [Math.floor(span / 2)];
  return Array.from({ length: count }, (_, k) => Math.floor((2 * k * span + count - 1) / (2 * (count - 1))));
}

// [top, left] of crops on a grid with so much room to move.
export function placesOf(down, right, crops) {
  if (crops === 0 || (down === 0 && right === 0)) return [[0, 0]];
  if (crops === 5) return [[0, 0], [0, right], [down, 0], [down, right], [down >> 1, right >> 1]];
  const lines = Math.floor(Math.sqrt(crops)), [less, more] = right >= down ? [down, right] : [right, down];
  const places = spread(less, lines).flatMap((a, line) =>
    spread(more, Math.floor(crops / lines) + (line < crops % lines)).map((b) => [a, b]));
  return right >= down ? places : places.map(([a, b]) => [b, a]);
}

// {pixels: float32 (V, 3, height, width) in [0,1], count: V, height, width}
export function viewsOf(image, rule) {
  const filter = FILTERS[rule.interpolation];
  if (!["squash", "native"].includes(rule.resize) || !filter || rule.crop_seed !== null)
    throw new Error("this page squashes images or leaves them, bilinear or bicubic, with crops on a grid");
  if (rule.resize === "squash") image = resized(image, ...rule.image_size, filter);
  const [height, width] = rule.crop_size ?? [image.height, image.width];
  const scale = Math.max(width / image.width, height / image.height);
  if (scale > 1) // just enough for a crop to fit in
    image = resized(image, Math.max(height, halfEven(image.height * scale)),
                    Math.max(width, halfEven(image.width * scale)), filter);
  const places = placesOf(image.height - height, image.width - width, rule.crops);
  const pixels = new Float32Array(places.length * 3 * height * width);
  let at = 0;
  for (const [top, left] of places)
    for (let c = 0; c < 3; c++)
      for (let y = top; y < top + height; y++)
        for (let x = left; x < left + width; x++) pixels[at++] = image.data[(y * image.width + x) * 4 + c] / 255;
  return { pixels, count: places.length, height, width };
}

// The score of an image of those of its views: their mean, or that of the ones in the middle.
export function pooled(scores, rule) {
  let kept = Array.from(scores).sort((a, b) => a - b);
  if (rule.crop_pool === "median") kept = kept.slice((kept.length - 1) >> 1, (kept.length >> 1) + 1);
  return kept.reduce((sum, score) => sum + score, 0) / kept.length;
}
