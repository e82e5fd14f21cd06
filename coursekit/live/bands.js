// What two recipes did, in drawings and in words. An arm is a recipe with its networks:
// {runs: finished ones, current: the one in training, or null}; a run is [{loss, accuracy}, ...].

const NAMES = ["A", "B"];
const INKS = ["resnet", "vgg"].map(color);
export const last = (run) => run.at(-1).accuracy;

// Mean and band of the finished networks of each recipe; every network is a thin line.
export function curves(arms, epochs) {
  const all = arms.flatMap(({ runs, current }) => [...runs, current ?? []]).flat();
  const least = all.length ? Math.min(...all.map(({ accuracy }) => accuracy)) : 0;
  const low = 20 * Math.floor(least / 20);
  const step = Math.ceil(epochs / 6);
  const ticks = Array.from({ length: Math.floor(epochs / step) }, (_, i) => (i + 1) * step);
  const levels = Array.from({ length: (100 - low) / 20 + 1 }, (_, i) => low + 20 * i);
  const drawn = chart(
    { title: "epoch", min: 0.8, max: epochs + 0.08 * epochs, ticks: ticks.map((k) => [k, String(k)]) },
    { title: "test accuracy (%)", min: low, max: 100, ticks: levels.map((k) => [k, String(k)]) },
  );
  const at = (values) => values.map((value, i) => [i + 1, value]);
  const ends = arms.map(({ runs, current }, i) => {
    for (const run of current ? [...runs, current] : runs) {
      const look = { "stroke-width": 1, "stroke-opacity": 0.35 };
      drawn.line(INKS[i], look)(at(run.map(({ accuracy }) => accuracy)));
    }
    if (!runs.length) return null;
    const byEpoch = runs[0].map((_, epoch) => runs.map((run) => run[epoch].accuracy));
    const means = byEpoch.map(meanOf);
    if (runs.length > 1) {
      const spreads = byEpoch.map(deviationOf);
      const edge = (sign) => at(means.map((mean, epoch) => mean + sign * spreads[epoch]));
      drawn.line("none", { fill: INKS[i], "fill-opacity": 0.2 })([...edge(1), ...edge(-1).reverse()]);
    }
    drawn.line(INKS[i], { "stroke-width": 2.5 })(at(means));
    return means.at(-1);
  });
  ends.forEach((end, i) => {
    if (end === null) return;
    const other = ends[1 - i];
    const isUpper = other === null || end > other || (end === other && i === 0);
    drawn.text(INKS[i], NAMES[i])(epochs * 1.02, end, isUpper ? -2 : 12);
  });
  return drawn.node;
}

// The difference of the means with its interval, after two seeds each, after three, and so on.
export function funnel(steps, planned) {
  const shown = steps.slice(steps.length > 1 ? 1 : 0); // two seeds alone leave a very long interval
  const reach = Math.max(1, ...shown.flatMap(({ low, high }) => [-low, high]));
  const most = [1, 2, 5, 10, 20, 50, 100].find((size) => size >= reach) ?? 100;
  const step = Math.ceil(planned / 6);
  const seeds = Array.from({ length: Math.floor(planned / step) }, (_, i) => (i + 1) * step);
  const drawn = chart(
    { title: "seeds of each recipe", min: 1, max: planned + 0.5, ticks: seeds.map((k) => [k, String(k)]) },
    { title: "B − A (points), 95 % interval", min: -most, max: most,
      ticks: [-1, -0.5, 0, 0.5, 1].map((k) => [k * most, String(k * most).replace("-", "−")]) },
  );
  drawn.line("currentColor", { "stroke-dasharray": "6 4", "stroke-width": 1 })([[1, 0], [planned + 0.5, 0]]);
  for (const { n, difference, low, high } of steps) {
    const ink = low > 0 || high < 0 ? INKS[1] : "currentColor";
    drawn.line(ink)([[n, low], [n, high]]);
    drawn.line(ink, { "stroke-width": 4 })([[n - 0.25, difference], [n + 0.25, difference]]);
  }
  return drawn.node;
}

export const summaryOf = ({ runs }, i) => {
  if (!runs.length) return `${NAMES[i]}: no network yet.`;
  const finals = runs.map(last);
  const spread = runs.length > 1 ? `, standard deviation ${deviationOf(finals).toFixed(1)}` : "";
  return `${NAMES[i]}: mean ${meanOf(finals).toFixed(1)} %${spread}, n = ${runs.length}.`;
};

export function divergedOf({ runs }, i) {
  const count = runs.filter((run) => !run.every(({ loss }) => Number.isFinite(loss))).length;
  return count ? ` ${count} of ${NAMES[i]} diverged: their weights are no longer numbers, and they `
    + "name no image right." : "";
}
