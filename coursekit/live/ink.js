// Ink as numbers. A stroke is a list of points [x, y] in a square of side 1. An image is a row of
// side * side values from 0, paper, to 1, ink. Nothing here draws.

const between = (value, low, high) => Math.min(Math.max(value, low), high);
export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// How much of each pixel a round pen of this width covers.
export function paint(strokes, side, width) {
  const image = new Float64Array(side * side);
  const reach = (width * side) / 2;
  const paintSegment = ([ax, ay], [bx, by]) => {
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    const range = (a, b) => [
      Math.max(0, Math.floor(Math.min(a, b) - reach - 1)),
      Math.min(side - 1, Math.ceil(Math.max(a, b) + reach + 1)),
    ];
    const [[top, bottom], [left, right]] = [range(ay, by), range(ax, bx)];
    for (let row = top; row <= bottom; row += 1) {
      for (let column = left; column <= right; column += 1) {
        const [x, y] = [column + 0.5 - ax, row + 0.5 - ay];
        const along = length ? between((x * dx + y * dy) / length, 0, 1) : 0;
        const distance = Math.hypot(x - along * dx, y - along * dy);
        const covered = between(reach - distance + 0.5, 0, 1);
        const at = row * side + column;
        image[at] = Math.max(image[at], covered);
      }
    }
  };
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [x * side, y * side]);
    points.forEach((point, i) => paintSegment(points[Math.max(i - 1, 0)], point));
  }
  return image;
}

// The centre of mass [x, y] in pixels, the middle of the first pixel being 0.5; null without ink.
export function massCentre(image, side) {
  let [mass, x, y] = [0, 0, 0];
  image.forEach((value, at) => {
    mass += value;
    x += value * ((at % side) + 0.5);
    y += value * (Math.floor(at / side) + 0.5);
  });
  return mass > 0 ? [x / mass, y / mass] : null;
}

// The means of blocks of `size` * `size` pixels.
export function blockMeans(image, side, size) {
  const means = new Float64Array((side / size) ** 2);
  image.forEach((value, at) => {
    const [row, column] = [Math.floor(at / side / size), Math.floor((at % side) / size)];
    means[row * (side / size) + column] += value / size ** 2;
  });
  return means;
}

const BITMAP = 32; // the scans of scikit-learn are block means of bitmaps of this side
const WIDEST = 0.875; // share of the width that nearly all of them keep to

function fitStrokes(strokes, width, centre) {
  const points = strokes.flat();
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [wide, high] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const scale = Math.min((WIDEST - width) / wide, (1 - width) / high, 1e6); // 1e6: of a dot
  const place = (x, y) => strokes.map((stroke) => stroke.map((point) =>
    [x + scale * (point[0] - left), y + scale * (point[1] - top)]));
  const [x, y] = [(1 - scale * wide) / 2, (1 - scale * high) / 2];
  const found = massCentre(paint(place(x, y), BITMAP, width), BITMAP);
  const limit = (start, extent, target, mass) => between(
    start + target - mass / BITMAP, width / 2, Math.max(width / 2, 1 - width / 2 - extent));
  return place(limit(x, scale * wide, centre[0], found[0]),
    limit(y, scale * high, centre[1], found[1]));
}

// Strokes as a scan of 8 by 8: as high as the square, at the scans' centre of mass, and with a
// pen so wide that `ink` of the square is covered, as in every scan. Null without strokes.
export function asScan(strokes, { ink, centre }) {
  if (!strokes.flat().length) return null;
  let [thin, thick] = [1 / BITMAP, 0.5];
  let image = null;
  for (let i = 0; i < 9; i += 1) { // halves the interval until it is narrower than a pixel
    const width = (thin + thick) / 2;
    image = paint(fitStrokes(strokes, width, centre), BITMAP, width);
    [thin, thick] = mean(image) < ink ? [width, thick] : [thin, width];
  }
  return blockMeans(image, BITMAP, BITMAP / 8);
}

// How much of each pixel of a row of `count` pixels, `step` wide and beginning at `start`, lies
// over each of `side` pixels: rows of [index, share].
function overlaps(side, count, start, step) {
  return Array.from({ length: count }, (_, i) => {
    const [low, high] = [start + i * step, start + (i + 1) * step];
    const found = [];
    for (let at = Math.max(0, Math.floor(low)); at < Math.min(side, high); at += 1) {
      found.push([at, (Math.min(high, at + 1) - Math.max(low, at)) / step]);
    }
    return found;
  });
}

// The image as MNIST has it, 28 by 28: the longer side of its box becomes 20 pixels, and its
// centre of mass the middle, as far as the box stays inside. Null without ink.
export function asMnist(image, side) {
  const inked = [...image.keys()].filter((at) => image[at] > 0.1);
  if (!inked.length) return null;
  const [box, centre] = [[inked.map((at) => at % side), inked.map((at) => Math.floor(at / side))],
    massCentre(image, side)];
  const ends = box.map((places) => places.reduce(
    ([low, high], at) => [Math.min(low, at), Math.max(high, at + 1)], [side, 0]));
  const step = Math.max(...ends.map(([low, high]) => high - low)) / 20;
  const [columns, rows] = ends.map(([low, high], axis) => overlaps(side, 28,
    between(centre[axis] - 14 * step, high - 28 * step, low), step));
  return Float64Array.from({ length: 28 * 28 }, (_, at) => {
    let sum = 0;
    for (const [y, high] of rows[Math.floor(at / 28)]) {
      for (const [x, wide] of columns[at % 28]) sum += high * wide * image[y * side + x];
    }
    return sum;
  });
}

// Bilinear, as torch does it when it enlarges: the corners of both images lie on each other.
export function enlarge(image, side, size) {
  const places = Array.from({ length: size }, (_, i) => {
    const at = between(((i + 0.5) * side) / size - 0.5, 0, side - 1);
    const low = Math.min(Math.floor(at), side - 2);
    return [low, at - low];
  });
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [[y, down], [x, right]] = [places[Math.floor(at / size)], places[at % size]];
    const line = (row) => (1 - right) * image[row * side + x] + right * image[row * side + x + 1];
    return (1 - down) * line(y) + down * line(y + 1);
  });
}
