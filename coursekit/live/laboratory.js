// A laboratory with error bars: two recipes, many seeds each, and what may be concluded.

const [AT_FIRST, MORE] = [10, 5]; // networks of each recipe
const SLICE = 10; // milliseconds of training between two looks at what the reader does
const HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);";

function field(setting, name, text, update) {
  const label = element("label", "", "position: relative; display: block;");
  const input = element(setting.options ? "select" : "input", "",
    "width: 100%; min-width: 4.2rem; max-width: 7rem; min-height: 26px; box-sizing: border-box; font: inherit;");
  for (const option of setting.options ?? []) input.append(element("option", option));
  input.value = text;
  if (!setting.options) Object.assign(input, { type: "text", inputMode: "decimal", autocomplete: "off" });
  input.addEventListener("change", update);
  label.append(element("span", name ? `${setting.title} of ${name}` : setting.title, HIDDEN), input);
  return { box: label, input };
}

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// data: {train, test: {pixels, targets}: one byte each, in base64; texts: as in a link}.
export function mount(stage, data) {
  const [train, test] = [data.train, data.test].map(({ pixels, targets }) =>
    ({ pixels: bytesOf(pixels), targets: bytesOf(targets) }));
  const settings = settingsOf(train.targets.length);
  const arms = NAMES.map(() => ({ runs: [], current: null, recipe: null }));
  let [common, planned, job, timer, problem] = [{}, AT_FIRST, null, null, ""];
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;

  const form = table(["", ...NAMES]);
  form.style.cssText += "width: auto;";
  const fields = {};
  for (const setting of settings) {
    fields[setting.key] = NAMES.map((name, i) =>
      field(setting, name, data.texts[setting.key][i], () => change()));
    for (const cell of addRow(form, setting.title, ...fields[setting.key].map(({ box }) => box))) {
      cell.style.padding = "0.1rem 0.3rem 0.1rem 0";
    }
  }
  for (const setting of COMMON) {
    fields[setting.key] = [field(setting, "", data.texts[setting.key][0], () => change())];
    for (const cell of addRow(form, setting.title, fields[setting.key][0].box, "for both")) {
      cell.style.padding = "0.1rem 0.3rem 0.1rem 0";
    }
  }
  const play = button("Play", () => (timer === null ? begin() : pause()));
  const more = button(`${MORE} more seeds`, () => {
    planned += MORE;
    begin();
  });
  const reset = button("Reset", () => {
    planned = AT_FIRST;
    clear(0, 1);
  });
  const link = button("Link to this comparison", () => {
    location.hash = linkOf(texts());
    linked.textContent = "The address of this page now holds both recipes.";
  });
  const [sameness, progress] = [element("p"), element("p")];
  const [answer, linked] = [message(), message()];
  answer.style.fontWeight = "bold";
  for (const node of [sameness, progress]) node.style.margin = "0.4rem 0";
  const panels = element("div");

  const texts = () => Object.fromEntries(
    Object.entries(fields).map(([key, pair]) => [key, pair.map(({ input }) => input.value)]));

  // Reads the form; what was trained by another recipe is thrown away.
  const read = () => {
    problem = "";
    const values = (list, i, name) => Object.fromEntries(list.map((setting) => {
      const { input } = fields[setting.key][i];
      input.removeAttribute("aria-invalid");
      try {
        return [setting.key, readSetting(setting, input.value, name)];
      } catch (error) {
        input.setAttribute("aria-invalid", true);
        problem ||= error.message;
        return [setting.key, null];
      }
    }));
    const old = JSON.stringify(common);
    common = values(COMMON, 0, "");
    const isNew = JSON.stringify(common) !== old;
    return arms.flatMap((arm, i) => {
      const recipe = values(settings, i, NAMES[i]);
      const isSame = JSON.stringify(recipe) === JSON.stringify(arm.recipe);
      arm.recipe = recipe;
      return isSame && !isNew ? [] : [i];
    });
  };
  const change = () => {
    clear(...read());
    sameness.textContent = problem ? "" : differenceOf(settings, arms[0].recipe, arms[1].recipe);
  };
  const clear = (...changed) => {
    pause();
    for (const i of changed) Object.assign(arms[i], { runs: [], current: null });
    if (changed.some((i) => job?.arm === arms[i])) job = null;
    draw();
  };

  const nextJob = () => {
    const i = arms[0].runs.length <= arms[1].runs.length ? 0 : 1;
    const arm = arms[i];
    if (arm.runs.length >= planned) return null;
    arm.current = [];
    const seed = 2 * (common.seed + arm.runs.length) + i; // the even seeds for A, the odd ones for B
    return { arm, trial: runTrial(arm.recipe, seed, common.epochs, { train, test }) };
  };
  const slice = () => {
    const end = performance.now() + SLICE;
    timer = setTimeout(slice);
    do {
      job ??= nextJob();
      if (!job) return pause();
      const { value, done } = job.trial.next();
      if (value) job.arm.current.push(value);
      if (done) {
        job.arm.runs.push(job.arm.current);
        Object.assign(job.arm, { current: null });
        job = null;
      }
      if (done || (value && !isStill)) draw();
    } while (performance.now() < end);
  };
  const begin = () => {
    if (problem || timer !== null) return;
    if (arms.every(({ runs }) => runs.length >= planned)) planned += MORE;
    timer = setTimeout(slice);
    draw();
  };
  const pause = () => {
    clearTimeout(timer);
    timer = null;
    draw();
  };

  const draw = oncePerFrame(() => {
    const isOn = timer !== null;
    const count = Math.min(...arms.map(({ runs }) => runs.length));
    const finals = arms.map(({ runs }) => runs.slice(0, count).map(last));
    const sizes = Array.from({ length: Math.max(0, count - 1) }, (_, i) => i + 2);
    const steps = sizes.map((n) => compareMeans(...finals.map((values) => values.slice(0, n))));
    play.textContent = isOn ? "Pause" : "Play";
    play.disabled = more.disabled = link.disabled = Boolean(problem);
    const figures = [curves(arms, common.epochs || 1), funnel(steps, planned)];
    const told = arms.map(summaryOf).join(" ");
    describe(figures[0], `Line chart of test accuracy against ${common.epochs} epochs, a thin line `
      + `for each network, a band of one standard deviation around each mean. ${told}`);
    describe(figures[1], "Chart of the difference of the means against the number of seeds of each, "
      + `with 95 % intervals. ${steps.slice(-1).map(({ n, low, high }) =>
        `After ${n}: ${low.toFixed(1)} to ${high.toFixed(1)} points.`).join("")}`);
    panels.replaceChildren(beside(...figures));
    const trained = arms[0].runs.length + arms[1].runs.length;
    progress.textContent = `${told} ${trained} of ${2 * planned} networks are trained.`
      + arms.map(divergedOf).join("");
    const isDone = count === planned;
    answer.textContent = problem || (isDone ? conclude(...finals)
      : isOn ? "" : trained ? "Not all seeds are trained yet: press Play." : "Nothing is trained yet: press Play.");
  });

  const load = () => {
    const held = readLink(location.hash);
    if (!held || location.hash === linkOf(texts())) return;
    linked.textContent = "";
    for (const [key, pair] of Object.entries(fields)) {
      pair.forEach(({ input }, i) => {
        const text = held[key]?.[i];
        if (text === undefined) return;
        try {
          const setting = [...settings, ...COMMON].find((one) => one.key === key);
          input.value = readSetting(setting, text, pair[1] ? NAMES[i] : "");
        } catch (error) {
          linked.textContent = `From the link: ${error.message}`;
        }
      });
    }
    change();
  };
  addEventListener("hashchange", load);
  const controls = element("div", "", "display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0.4rem 0;");
  controls.append(play, more, reset, link);
  const right = element("div");
  right.append(sameness, controls, answer, progress, linked);
  stage.replaceChildren(beside(form, right), panels);
  change();
  load();
}
