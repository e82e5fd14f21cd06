// A picture file becomes ink; it stays in the page.

const MOST_PIXELS = 20e6;
const SIDE = 112; // of the square that it is scaled into

// grey: rows of `columns` values. Ink is what differs from the border, the most of it becoming 1.
// Null if nothing differs much.
export function inkOf(grey, columns) {
  const rows = grey.length / columns;
  const border = grey.filter((_, at) => at % columns % (columns - 1) === 0
    || Math.floor(at / columns) % (rows - 1) === 0);
  const paper = [...border].sort((a, b) => a - b)[Math.floor(border.length / 2)];
  const found = grey.map((value) => Math.abs(value - paper));
  const most = Math.max(...found);
  return most < 0.15 ? null : found.map((value) => Math.max(0, value / most - 0.25) / 0.75);
}

async function load(file) {
  const picture = new Image();
  picture.src = URL.createObjectURL(file);
  try {
    await new Promise((done, fail) => {
      picture.onload = done;
      picture.onerror = () => fail(new Error("The file must be a picture; this one cannot be read."));
    });
    const pixels = picture.naturalWidth * picture.naturalHeight;
    if (pixels < 64 || pixels > MOST_PIXELS) {
      const found = `${picture.naturalWidth} by ${picture.naturalHeight}`;
      throw new Error(`The picture must have between 64 and 20 million pixels, got ${found}.`);
    }
    return drawSmall(picture);
  } finally {
    URL.revokeObjectURL(picture.src);
  }
}

function drawSmall(picture) {
  const scale = SIDE / Math.max(picture.naturalWidth, picture.naturalHeight);
  const [wide, high] = [picture.naturalWidth, picture.naturalHeight]
    .map((length) => Math.max(2, Math.round(scale * length)));
  const context = Object.assign(document.createElement("canvas"), { width: wide, height: high })
    .getContext("2d");
  Object.assign(context, { imageSmoothingQuality: "high", fillStyle: "#FFFFFF" });
  context.fillRect(0, 0, wide, high); // transparent pixels are paper
  context.drawImage(picture, 0, 0, wide, high);
  const { data } = context.getImageData(0, 0, wide, high);
  const grey = Float64Array.from({ length: wide * high }, (_, at) =>
    (0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2]) / 255);
  return { grey, wide };
}

// Returns {image, side}; throws an Error whose message is for the reader.
export async function readPicture(file) {
  if (file.size > 3 * MOST_PIXELS) {
    const found = `${Math.round(file.size / 1e6)} MB`;
    throw new Error(`The file must have at most ${(3 * MOST_PIXELS) / 1e6} MB, got ${found}.`);
  }
  const { grey, wide } = await load(file);
  const ink = inkOf(grey, wide);
  if (!ink) throw new Error("The picture must hold something darker or brighter than its border.");
  const image = new Float64Array(SIDE * SIDE);
  const [top, left] = [grey.length / wide, wide].map((length) => Math.floor((SIDE - length) / 2));
  ink.forEach((value, at) => {
    image[(top + Math.floor(at / wide)) * SIDE + left + (at % wide)] = value;
  });
  return { image, side: SIDE };
}
