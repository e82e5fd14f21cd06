// What PyTorch makes of a layer, for one image: its shape, its cost, or the sentence that it stops
// with. Shapes are [C, H, W], or [n] after Flatten.

const REQUIRED = Symbol("required");
const [SIZE, PADDING] = [{ least: 1, pair: true }, { least: 0, pair: true }];
const [COUNT, FLAG] = [{ least: 1 }, { flag: true }];

// name: its arguments in PyTorch's order: [name, kind, default].
const SIGNATURES = {
  Conv2d: [["in_channels", COUNT, REQUIRED], ["out_channels", COUNT, REQUIRED],
    ["kernel_size", SIZE, REQUIRED], ["stride", SIZE, 1], ["padding", { ...PADDING, words: true }, 0],
    ["dilation", SIZE, 1], ["groups", COUNT, 1], ["bias", FLAG, true]],
  Linear: [["in_features", COUNT, REQUIRED], ["out_features", COUNT, REQUIRED], ["bias", FLAG, true]],
  MaxPool2d: [["kernel_size", SIZE, REQUIRED], ["stride", SIZE, null], ["padding", PADDING, 0],
    ["dilation", SIZE, 1], ["return_indices", FLAG, false], ["ceil_mode", FLAG, false]],
  AvgPool2d: [["kernel_size", SIZE, REQUIRED], ["stride", SIZE, null], ["padding", PADDING, 0],
    ["ceil_mode", FLAG, false], ["count_include_pad", FLAG, true]],
  AdaptiveAvgPool2d: [["output_size", SIZE, REQUIRED]],
  BatchNorm2d: [["num_features", COUNT, REQUIRED]],
  Dropout: [["p", { share: true }, 0.5], ["inplace", FLAG, false]],
  ReLU: [["inplace", FLAG, false]],
  ...Object.fromEntries(["Flatten", "Tanh", "Sigmoid", "Identity"].map((name) => [name, []])),
};
const CONSTRUCTORS = { // whose __init__ PyTorch names
  MaxPool2d: "_MaxPoolNd", AdaptiveAvgPool2d: "_AdaptiveAvgPoolNd", BatchNorm2d: "_BatchNorm",
  Dropout: "_DropoutNd",
};
export const LAYER_NAMES = Object.keys(SIGNATURES);
const MORE = new Set(["device", "dtype", "padding_mode", "eps", "momentum", "affine", "start_dim",
  "track_running_stats", "divisor_override", "end_dim"]); // PyTorch's, unknown to this page

const quoted = (names) => {
  const all = names.map((name) => `'${name}'`);
  if (all.length < 3) return all.join(" and ");
  return `${all.slice(0, -1).join(", ")}, and ${all.at(-1)}`;
};

function checkValue(layer, name, kind, value, fallback) {
  const fail = (rule) => {
    throw new ProgramError(`${name} of ${layer.name} must be ${rule}, got ${JSON.stringify(value)}.`, layer);
  };
  const isCount = (one) => Number.isInteger(one) && one >= kind.least;
  if (kind.flag) {
    if (typeof value !== "boolean" || (name === "return_indices" && value)) fail("True or False");
  } else if (kind.share) {
    if (typeof value !== "number") fail("a number");
  } else if (kind.words && typeof value === "string") {
    if (!["same", "valid"].includes(value)) {
      throw new ProgramError(`Invalid padding string '${value}', should be one of {'same', 'valid'}`,
        { ...layer, kind: "ValueError" });
    }
  } else if (value === null && fallback === null) {
    return null;
  } else if (Array.isArray(value)) {
    if (!kind.pair || value.length !== 2 || !value.every(isCount)) {
      fail(`${kind.pair ? "one or two whole numbers" : "a whole number"}, ${kind.least} or more`);
    }
  } else if (!isCount(value)) {
    fail(`a whole number, ${kind.least} or more`);
  }
  return kind.pair && typeof value === "number" ? [value, value] : value;
}

// The arguments by name, as Python binds them and as the layer's own check leaves them.
export function bindArguments(layer) {
  const raise = (kind, message) => {
    throw new ProgramError(message, { line: layer.line, kind });
  };
  const signature = SIGNATURES[layer.name];
  if (!signature) {
    const known = `This page knows ${LAYER_NAMES.join(", ")}, and Sequential.`;
    throw new ProgramError(`module 'torch.nn' has no attribute '${layer.name}', or this page lacks it.`,
      { line: layer.line, hint: known });
  }
  const names = signature.map(([name]) => name);
  if (layer.args.length > names.length) {
    throw new ProgramError(`${layer.name} takes at most ${names.length} values here, got ${layer.args.length}.`, layer);
  }
  const given = Object.fromEntries(layer.args.map((value, i) => [names[i], value]));
  const call = `${CONSTRUCTORS[layer.name] ?? layer.name}.__init__()`;
  for (const [name, value] of Object.entries(layer.keywords)) {
    if (MORE.has(name)) throw new ProgramError(`This page does not know the argument ${name}.`, layer);
    if (!names.includes(name)) raise("TypeError", `${call} got an unexpected keyword argument '${name}'`);
    if (name in given) raise("TypeError", `${call} got multiple values for argument '${name}'`);
    given[name] = value;
  }
  const missing = signature.filter(([name, , standard]) => standard === REQUIRED && !(name in given));
  if (missing.length) {
    const s = missing.length > 1 ? "s" : "";
    raise("TypeError", `${call} missing ${missing.length} required positional argument${s}: `
      + quoted(missing.map(([name]) => name)));
  }
  const bound = Object.fromEntries(signature.map(([name, kind, standard]) =>
    [name, checkValue(layer, name, kind, name in given ? given[name] : standard, standard)]));
  if (layer.name === "Conv2d") checkConvolution(bound, raise);
  if (layer.name === "Dropout" && !(bound.p >= 0 && bound.p <= 1)) {
    raise("ValueError", `dropout probability has to be between 0 and 1, but got ${bound.p}`);
  }
  return bound;
}

function checkConvolution({ in_channels, out_channels, groups, padding, stride }, raise) {
  if (in_channels % groups) raise("ValueError", "in_channels must be divisible by groups");
  if (out_channels % groups) raise("ValueError", "out_channels must be divisible by groups");
  if (padding === "same" && Math.max(...stride) > 1) {
    raise("ValueError", "padding='same' is not supported for strided convolutions");
  }
}

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
const AXES = [0, 1];

const stop = (message, hint, kind = "RuntimeError") => {
  throw new ProgramError(message, { kind, hint });
};
const NO_MAP = "The layer needs a map, C × H × W. A Flatten before it has made a vector.";
const SMALL = "The map is smaller than the window: pool less, pad more, or begin with a larger image.";

function convolve2d(given, shape) {
  const { in_channels, out_channels, kernel_size, stride, dilation, groups, bias } = given;
  if (shape.length !== 3) {
    stop("Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: "
      + `[${[1, ...shape].join(", ")}]`, NO_MAP);
  }
  const covered = AXES.map((axis) => dilation[axis] * (kernel_size[axis] - 1) + 1);
  const isSame = given.padding === "same";
  const extra = isSame ? covered.map((size) => size - 1)
    : given.padding === "valid" ? [0, 0] : given.padding.map((one) => 2 * one);
  const sides = AXES.map((axis) => shape[1 + axis] + extra[axis]);
  if (shape[0] !== in_channels) {
    // PyTorch pads by itself, before it looks, where one side needs a pixel more than the other.
    const seen = isSame ? AXES.map((axis) => shape[1 + axis] + (extra[axis] % 2)) : shape.slice(1);
    stop(`Given groups=${groups}, weight of size [${[out_channels, in_channels / groups, ...kernel_size].join(", ")}]`
      + `, expected input[${[1, shape[0], ...seen].join(", ")}] to have ${in_channels} channels, `
      + `but got ${shape[0]} channels instead`,
    `The layer before gives ${shape[0]} channels: in_channels must be ${shape[0]}.`);
  }
  if (AXES.some((axis) => sides[axis] < covered[axis])) {
    stop(`Calculated padded input size per channel: (${sides.join(" x ")}). Kernel size: `
      + `(${covered.join(" x ")}). Kernel size can't be greater than actual input size`, SMALL);
  }
  const map = AXES.map((axis) => Math.floor((sides[axis] - covered[axis]) / stride[axis]) + 1);
  const taps = (in_channels / groups) * product(kernel_size);
  return {
    shape: [out_channels, ...map], window: AXES.map((axis) => [covered[axis], stride[axis]]),
    params: out_channels * (taps + bias), macs: out_channels * product(map) * taps,
  };
}

function pool2d(given, shape, isAverage) {
  const { kernel_size, padding, ceil_mode } = given;
  const stride = given.stride ?? kernel_size;
  const dilation = given.dilation ?? [1, 1];
  if (shape.length !== 3) {
    if (isAverage) stop("Dimension out of range (expected to be in range of [-2, 1], but got -3)", NO_MAP, "IndexError");
    stop("non-empty 3D or 4D (batch mode) tensor expected for input", NO_MAP);
  }
  const covered = AXES.map((axis) => dilation[axis] * (kernel_size[axis] - 1) + 1);
  const map = AXES.map((axis) => {
    if (padding[axis] > Math.floor(covered[axis] / 2)) {
      stop(`pad should be at most half of effective kernel size, but got pad=${padding[axis]}, `
        + `kernel_size=${kernel_size[axis]} and dilation=${dilation[axis]}`,
      "More padding would make windows that hold nothing but padding.");
    }
    const room = shape[1 + axis] + 2 * padding[axis] - covered[axis];
    const last = ceil_mode ? Math.ceil(room / stride[axis]) : Math.floor(room / stride[axis]);
    const isOutside = ceil_mode && last * stride[axis] >= shape[1 + axis] + padding[axis];
    return last + 1 - isOutside;
  });
  if (Math.min(...map) < 1) {
    stop(`Given input size: (${shape.join("x")}). Calculated output size: (${[shape[0], ...map].join("x")}). `
      + "Output size is too small", SMALL);
  }
  return { shape: [shape[0], ...map], window: AXES.map((axis) => [covered[axis], stride[axis]]) };
}

function linear({ in_features, out_features, bias }, shape) {
  const rows = product(shape.slice(0, -1));
  if (shape.at(-1) !== in_features) {
    stop(`mat1 and mat2 shapes cannot be multiplied (${rows}x${shape.at(-1)} and ${in_features}x${out_features})`,
      shape.length === 3
        ? `A dense layer reads the last axis only. Flatten first: ${shape.join(" × ")} = ${product(shape)} values.`
        : `There are ${shape[0]} values: in_features must be ${shape[0]}.`);
  }
  return {
    shape: [...shape.slice(0, -1), out_features], window: shape.length === 1 ? undefined : null,
    params: out_features * (in_features + bias), macs: rows * in_features * out_features,
  };
}

const RULES = {
  Conv2d: convolve2d,
  MaxPool2d: (given, shape) => pool2d(given, shape, false),
  AvgPool2d: (given, shape) => pool2d(given, shape, true),
  AdaptiveAvgPool2d({ output_size }, shape) {
    if (shape.length !== 3) {
      throw new ProgramError("AdaptiveAvgPool2d needs a map; on a vector PyTorch averages over the batch.", { hint: NO_MAP });
    }
    const isEven = AXES.every((axis) => shape[1 + axis] % output_size[axis] === 0);
    const window = AXES.map((axis) => Array(2).fill(shape[1 + axis] / output_size[axis]));
    return { shape: [shape[0], ...output_size], window: isEven ? window : null };
  },
  BatchNorm2d({ num_features }, shape) {
    if (shape.length !== 3) stop("expected 4D input (got 2D input)", NO_MAP, "ValueError");
    if (shape[0] !== num_features) {
      stop(`running_mean should contain ${shape[0]} elements not ${num_features}`,
        `The layer before gives ${shape[0]} channels: num_features must be ${shape[0]}.`);
    }
    return { shape, params: 2 * num_features };
  },
  Linear: linear,
  Flatten: (_, shape) => ({
    shape: [product(shape)], window: shape.length === 3 ? shape.slice(1).map((n) => [n, 1]) : undefined,
  }),
};
const unchanged = (_, shape) => ({ shape });

// Returns {layers, error}: layer by layer {name, shape, params, macs, bytes of its output as
// float32, field: [height, width] that an output sees, null where outputs differ in it}; the error,
// if there is one, with the line that it belongs to. A window that is null sees different shares.
export function traceProgram(text, shape) {
  const layers = [];
  try {
    const bound = parseProgram(text).map((layer) => ({ layer, given: bindArguments(layer) }));
    let [now, field, jump] = [shape, [1, 1], [1, 1]];
    for (const { layer, given } of bound) {
      try {
        const { window, params = 0, macs = 0, ...found } = (RULES[layer.name] ?? unchanged)(given, now);
        now = found.shape;
        if (window === null) field = null;
        if (window && field) {
          field = AXES.map((axis) => field[axis] + (window[axis][0] - 1) * jump[axis]);
          jump = AXES.map((axis) => jump[axis] * window[axis][1]);
        }
        layers.push({ name: layer.name, shape: now, params, macs, bytes: 4 * product(now), field });
      } catch (error) {
        throw Object.assign(error, { line: layer.line });
      }
    }
  } catch (error) {
    if (error instanceof ProgramError) return { layers, error };
    throw error;
  }
  return { layers, error: null };
}
