// The page: what is chosen, what is asked of the server, and what is shown of its answers. Texts are in texts.json;
// settings, their ranges and their defaults come from the server (api/settings) and exist nowhere else.

const $ = (id) => document.getElementById(id);
const WALL_SIDE_PX = 288; // of a picture on the wall
const EDIT_PAUSE_MS = 300; // between the last change and the picture that shows it
const MASK_SIDE_PX = 768; // of a drawn mask
const DEFAULTS = { content: "sample:temple", style: "sample:great-wave" };
const RANGES = { style_max_side_px: [64, 1024, 32], max_side_px: [128, null, 32], steps: [20, 500, 10] };

const state = {
  texts: {}, offer: null, samples: new Map(), learned: new Set(),
  visit: null, uploads: new Map(), jobs: new Map(), wall: new Map(), events: null,
  content: DEFAULTS.content, styles: [{ reference: DEFAULTS.style, share: 50 }],
  settings: { gatys: {}, adain: {}, "multi-style": {}, recolour: {} }, masks: new Map(),
  mode: "quick", photo: false, shown: null, quick: null, cancelling: new Set(),
};

// ---- texts and elements

function text(key, values = {}) {
  const found = key.split(".").reduce((part, name) => part?.[name], state.texts);
  return String(found ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return text("time.s", { n: whole });
  if (whole >= 3600) return text("time.h", { h: Math.floor(whole / 3600), m: Math.round((whole % 3600) / 60) });
  return whole % 60 ? text("time.min_s", { m: Math.floor(whole / 60), s: whole % 60 }) : text("time.min", { n: whole / 60 });
}

function showError(message) {
  $("error").hidden = !message;
  $("error").firstElementChild.textContent = message ?? "";
  if (message) $("error").scrollIntoView({ block: "nearest" });
}

// ---- the server

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, { method, body });
  } catch {
    throw new Error(text("failure.network"));
  }
  const content = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw Object.assign(new Error(content?.error ?? `${answer.status}`), { status: answer.status });
  return content;
}

const inVisit = (path) => `api/visits/${state.visit}${path}`;
const attempt = (work) => work.catch((error) => showError(error.message));

async function openVisit() {
  const known = sessionStorage.getItem("visit");
  if (known) {
    state.visit = known;
    try {
      const kept = await ask("GET", inVisit(""));
      kept.pictures.forEach((upload) => state.uploads.set(upload.reference, upload));
      kept.jobs.forEach((job) => state.jobs.set(job.id, job));
      return watch();
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
  state.visit = (await ask("POST", "api/visits")).visit;
  sessionStorage.setItem("visit", state.visit);
  sessionStorage.removeItem("wall");
  watch();
}

function watch() {
  state.events?.close();
  state.events = new EventSource(inVisit("/events"));
  state.events.onopen = checkHealth;
  state.events.onmessage = ({ data }) => {
    const news = JSON.parse(data);
    news.removed.forEach((id) => state.jobs.delete(id));
    news.jobs.forEach((job) => state.jobs.set(job.id, job));
    if (news.jobs.some((job) => job.state !== "waiting") && !$("status").classList.contains("ready")) checkHealth();
    renderJobs();
  };
  state.events.onerror = () => {
    setStatus("offline", false);
    setTimeout(recover, 2000);
  };
}

// After the server was killed the visit is gone, and so are its pictures; the page goes on with a new one.
async function recover() {
  if (state.events.readyState === EventSource.OPEN) return;
  try {
    await ask("GET", inVisit(""));
    if (state.events.readyState === EventSource.CLOSED) watch();
  } catch (error) {
    if (error.status !== 404) return void setTimeout(recover, 2000);
    for (const kept of [state.uploads, state.jobs, state.wall, state.masks]) kept.clear();
    if (state.content.startsWith("picture:")) state.content = DEFAULTS.content;
    state.styles = state.styles.filter(({ reference }) => !reference.startsWith("picture:"));
    if (!state.styles.length) state.styles = [{ reference: DEFAULTS.style, share: 50 }];
    Object.assign(state, { shown: null, quick: null });
    sessionStorage.removeItem("visit");
    await openVisit();
    showError(text("status.anew"));
    render();
  }
}

async function checkHealth() {
  try {
    const health = await ask("GET", "health");
    setStatus(health.worker, health.worker === "ready");
    if (health.worker !== "ready") setTimeout(checkHealth, 1000);
  } catch {
    setStatus("offline", false);
  }
}

function setStatus(key, isReady) {
  $("status").textContent = text(`status.${key}`);
  $("status").classList.toggle("ready", isReady);
}

async function upload(file, isPainting = false) {
  const limit = state.offer.limits.max_upload_mb, name = file.name || "picture.png";
  if (file.size > limit * 2 ** 20) {
    const size = (file.size / 2 ** 20).toFixed(1);
    return void showError(text("failure.too_many_bytes", { name, limit, size }));
  }
  showError(null);
  const picture = await ask("POST", inVisit(`/pictures?name=${encodeURIComponent(name)}`), file);
  state.uploads.set(picture.reference, picture);
  if (isPainting) chooseStyle(picture.reference);
  else chooseContent(picture.reference);
}

// ---- what is chosen

const nameOf = (reference) => state.uploads.get(reference)?.name ?? state.samples.get(reference.replace("style:", "sample:"))?.title ?? reference;
const fileOf = (reference, file) => reference.startsWith("picture:")
  ? inVisit(`/pictures/${reference.slice(8)}/${file}`)
  : `api/samples/${reference.replace(/^\w+:/, "")}/${file}`;

function chooseContent(reference) {
  showError(null);
  Object.assign(state, { content: reference, shown: null });
  state.masks.clear();
  changed({ wall: true });
}

function chooseStyle(reference) {
  showError(null);
  if (!$("mix").checked) state.styles = [{ reference, share: 50 }];
  else if (!state.styles.some((style) => style.reference === reference)) state.styles.push({ reference, share: 50 });
  else if (state.styles.length > 1) state.styles = state.styles.filter((style) => style.reference !== reference);
  for (const masked of [...state.masks.keys()]) if (!state.styles.some(({ reference: one }) => one === masked)) state.masks.delete(masked);
  changed();
}

// The method that draws what is chosen: at once by the network that learned the paintings, or by the one for any.
function method() {
  if (state.mode === "proper") return "gatys";
  if (state.photo) return "recolour"; // of a photograph, colours and light alone
  const allLearned = state.styles.every(({ reference }) => state.learned.has(reference.replace("sample:", "")));
  const suits = !state.masks.size || state.offer.methods["multi-style"].takes_masks;
  return allLearned && suits && reference0().startsWith("sample:") ? "multi-style" : "adain";
}
const reference0 = () => state.styles[0].reference;

function order() {
  const chosen = method(), styles = state.styles.map(({ reference }) => reference);
  const settings = { ...state.settings[chosen] };
  if (state.styles.length > 1 && !usesMasks()) settings.style_blend = state.styles.map(({ share }) => share / 100);
  return {
    method: chosen,
    content: state.content,
    style: chosen === "multi-style" ? styles.map((one) => one.replace("sample:", "style:")) : styles,
    style_masks: usesMasks() ? styles.map((one) => state.masks.get(one).reference) : [],
    settings,
  };
}
const usesMasks = () => state.masks.size > 0 && state.offer.methods[method()].takes_masks;

let pause = 0;
function changed({ wall = false } = {}) {
  render();
  clearTimeout(pause);
  pause = setTimeout(() => {
    if (state.mode === "quick") attempt(paintQuick());
    if (wall) attempt(paintWall());
  }, wall ? 0 : EDIT_PAUSE_MS);
}

// The answer to an order may come after the news that its picture is done.
async function ordered(asked) {
  const job = await ask("POST", inVisit("/jobs"), JSON.stringify(asked));
  if (!state.jobs.has(job.id)) state.jobs.set(job.id, job);
  return job;
}

// One quick picture is kept of each photograph and style: what a slider changes takes the place of what it was.
let turn = 0;
async function paintQuick() {
  const asked = order();
  const same = (job) => job.is_quick && !isWall(job.id) && job.content === asked.content && `${job.style}` === `${asked.style}`;
  const replaced = [...state.jobs.values()].filter(same), own = ++turn;
  const job = await ordered(asked);
  if (own === turn) state.shown = job.id; // what was asked for last, whichever is answered last
  renderJobs();
  for (const old of replaced) await remove(old.id);
}

async function paint() {
  turn += 1;
  const job = await ordered(order());
  state.shown = job.id;
  renderJobs();
  $("stage").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

async function remove(id) {
  state.jobs.delete(id);
  await ask("DELETE", inVisit(`/jobs/${id}`)).catch((error) => { if (error.status !== 404) throw error; });
}

const isWall = (id) => [...state.wall.values()].includes(id) || oldWall.has(id);
const oldWall = new Set();

async function paintWall() {
  for (const id of state.wall.values()) { oldWall.add(id); await remove(id); }
  state.wall.clear();
  renderJobs();
  const content = state.content;
  for (const name of state.learned) {
    const small = { method: "multi-style", content, style: [`style:${name}`], settings: { max_side_px: WALL_SIDE_PX } };
    const job = await ordered(small);
    if (state.content !== content) return void (await remove(job.id));
    state.wall.set(name, job.id);
    sessionStorage.setItem("wall", JSON.stringify([...state.wall]));
    renderWall();
  }
}

function again(job) {
  state.content = job.content;
  const shares = job.settings.style_blend;
  state.styles = job.style.map((reference, index) => ({
    reference: reference.replace("style:", "sample:"), share: Math.round((shares?.[index] ?? 0.5) * 100),
  }));
  $("mix").checked = state.styles.length > 1;
  const { style_blend: _, ...settings } = job.settings;
  state.settings[job.method] = settings;
  state.photo = job.method === "recolour" || settings.preset === "photo";
  state.masks.clear();
  job.style_masks.forEach((mask, index) => state.masks.set(state.styles[index].reference, { reference: mask }));
  state.mode = job.is_quick ? "quick" : "proper";
  render();
}

// ---- the controls, made from the settings that the server describes

function settingOf(name, of = method()) {
  return state.offer.methods[of].settings.find((setting) => setting.name === name);
}

function usual(setting, of = method()) {
  const preset = state.offer.presets[state.settings[of].preset];
  return preset && of === "gatys" ? preset.usual[setting.name] : setting.default;
}

function setSetting(name, value, of = method()) {
  const setting = settingOf(name, of);
  const normal = name === "preset" ? setting.default : usual(setting, of);
  if (value === undefined || value === null || value === "" || String(value) === String(normal)) delete state.settings[of][name];
  else state.settings[of][name] = value;
}

function shownValue(setting, value) {
  if (value === null || value === undefined) return text("settings.usual");
  if (typeof value === "string") return text(`choice.${value}`).replace("choice.", "");
  if (setting.name.endsWith("_px")) return text("unit.px", { n: value });
  if (setting.name === "steps") return text("unit.steps", { n: value });
  if (setting.low === 0 && setting.high === 1) return text("unit.percent", { n: Math.round(value * 100) });
  return `${value}`;
}

function sliderFor(slider, setting) {
  const name = setting.name, id = `slider-${slider}`, label = text(`slider.${slider}`);
  const value = state.settings[method()][name] ?? usual(setting);
  const help = element("label", { htmlFor: id, title: setting.help }, label);
  if (setting.choices) {
    const options = setting.choices.map((choice) => element("option", { value: choice, selected: choice === value }, shownValue(setting, choice)));
    const select = element("select", { id, onchange: () => { setSetting(name, select.value); changed(); } }, ...options);
    return element("div", { className: "control" }, element("div", { className: "head" }, help), select);
  }
  const output = element("output", { htmlFor: id }, shownValue(setting, value));
  const input = element("input", {
    type: "range", id, ...rangeOf(setting), value: value ?? state.settings[method()].max_side_px ?? 512,
    "aria-valuetext": output.textContent,
    oninput: () => {
      const moved = Number(input.value);
      output.textContent = shownValue(setting, moved);
      input.setAttribute("aria-valuetext", output.textContent);
      setSetting(name, moved);
    },
    onchange: () => changed(),
  });
  return element("div", { className: "control" }, element("div", { className: "head" }, help, output), input);
}

function rangeOf(setting) {
  const [min, max, step] = RANGES[setting.name] ?? [setting.low ?? 0, setting.high ?? 1, setting.kind === "int" ? 1 : 0.05];
  return { min, max: max ?? setting.high, step };
}

function renderSliders() {
  const focused = document.activeElement?.id;
  const offered = state.offer.methods[method()];
  const has = (setting) => !(setting.choices && usual(setting) === null); // quality is for some presets only
  const made = Object.entries(offered.sliders).filter(([, name]) => has(settingOf(name))).map(([slider, name]) => sliderFor(slider, settingOf(name)));
  const box = element("input", { type: "checkbox", id: "photo", checked: state.photo, onchange: () => {
    state.photo = box.checked;
    setSetting("preset", box.checked ? "photo" : null, "gatys");
    changed();
  } });
  made.push(element("label", { className: "check" }, box, element("span", {}, text("settings.photo"))));
  $("sliders").replaceChildren(...made);
  if (focused && $("sliders").contains($(focused))) $(focused).focus();
}

function fieldFor(setting) {
  const id = `setting-${setting.name}`, current = state.settings[method()][setting.name], normal = usual(setting);
  const change = (value) => { setSetting(setting.name, value); renderSliders(); changed(); };
  let input;
  if (setting.choices) {
    const options = setting.choices.map((choice) => element("option", { value: choice, selected: choice === (current ?? normal) }, `${choice}`));
    input = element("select", { id, onchange: () => change(input.value) }, ...options);
  } else if (setting.kind === "bool") {
    input = element("input", { type: "checkbox", id, checked: current ?? normal, onchange: () => change(input.checked) });
  } else if (setting.is_list) {
    const number = setting.kind === "float";
    const parse = () => input.value.split(",").map((item) => item.trim()).filter(Boolean).map((item) => (number ? Number(item) : item));
    input = element("input", { type: "text", id, value: current?.join(",") ?? "", placeholder: normal?.join(",") ?? "", onchange: () => change(input.value ? parse() : null) });
  } else if (setting.kind === "str") {
    input = element("input", { type: "text", id, value: current ?? "", placeholder: normal ?? "", onchange: () => change(input.value) });
  } else {
    const limits = { min: setting.low ?? "", max: setting.high ?? "", step: "any" };
    input = element("input", { type: "number", id, ...limits, value: current ?? "", placeholder: normal ?? text("settings.unset"), onchange: () => change(input.value === "" ? null : Number(input.value)) });
  }
  const help = element("p", { className: "about", id: `${id}-help` }, setting.help);
  input.setAttribute("aria-describedby", help.id);
  return element("div", { className: "control" }, element("label", { htmlFor: id }, `--${setting.flag}`), input, help);
}

function renderEvery() {
  if (!$("every").open) return;
  const groups = Map.groupBy ? Map.groupBy(state.offer.methods[method()].settings, ({ group }) => group) : grouped();
  const focused = document.activeElement?.id;
  const made = [...groups].flatMap(([group, settings]) => [element("h3", {}, group), ...settings.filter(({ name }) => name !== "style_blend").map(fieldFor)]);
  $("every-list").replaceChildren(...made);
  if (focused && $("every-list").contains($(focused))) $(focused).focus();
}

function grouped() {
  const groups = new Map();
  for (const setting of state.offer.methods[method()].settings) groups.set(setting.group, [...(groups.get(setting.group) ?? []), setting]);
  return groups;
}

// ---- galleries

function tile(reference, isChosen, choose) {
  const name = nameOf(reference);
  const image = element("img", { src: fileOf(reference, "thumb.jpg"), alt: isChosen ? text("sample.chosen", { name }) : name, loading: "lazy" });
  return element("li", {}, element("button", { type: "button", title: name, "aria-pressed": `${isChosen}`, "data-reference": reference, onclick: () => choose(reference) }, image));
}

function renderGallery(list, references, isChosen, choose) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.reference : null;
  list.replaceChildren(...references.map((reference) => tile(reference, isChosen(reference), choose)));
  if (focused) list.querySelector(`[data-reference="${CSS.escape(focused)}"]`)?.focus();
}

const isMask = (reference) => /^mask-/.test(state.uploads.get(reference)?.name ?? "");
const uploads = () => [...state.uploads.keys()].filter((reference) => !isMask(reference));
const samplesOf = (kind) => [...state.samples].filter(([, sample]) => sample.kind === kind).map(([reference]) => reference);

function renderChoices() {
  renderGallery($("photographs"), [...uploads(), ...samplesOf("photograph")], (one) => one === state.content, chooseContent);
  renderGallery($("paintings"), [...uploads(), ...samplesOf("painting")], (one) => state.styles.some(({ reference }) => reference === one), chooseStyle);
  const about = (reference) => state.samples.get(reference)?.credit ?? [nameOf(reference), ...(state.uploads.get(reference)?.notes ?? [])].join(". ");
  $("photograph-about").textContent = about(state.content);
  $("painting-about").textContent = state.styles.map(({ reference }) => about(reference)).join("; ");
  const total = state.styles.reduce((sum, { share }) => sum + share, 0) || 1;
  const focused = document.activeElement?.id;
  $("shares").replaceChildren(...(state.styles.length < 2 || usesMasks() ? [] : state.styles.map((style, index) => {
    const name = nameOf(style.reference);
    const output = element("output", {}, text("unit.percent", { n: Math.round((100 * style.share) / total) }));
    const input = element("input", { type: "range", id: `share-${index}`, min: 5, max: 100, step: 5, value: style.share, "aria-label": text("painting.share", { name }), oninput: () => { style.share = Number(input.value); }, onchange: () => changed() });
    return element("div", { className: "share" }, element("span", { title: name }, name), input, output);
  })));
  if (focused?.startsWith("share-")) $(focused)?.focus();
}

// ---- the picture, its progress and what can be done with it

function renderJobs() {
  renderStage();
  renderWall();
  renderHistory();
}

function renderStage() {
  const job = state.jobs.get(state.shown);
  const after = $("after"), before = $("before"), content = job?.content ?? state.content;
  setSource(before, fileOf(content, "view.jpg"), text("photograph.alt", { name: nameOf(content) }));
  const hasEnded = !job || ["done", "failed", "cancelled"].includes(job.state);
  const source = job?.state === "done" ? inVisit(`/jobs/${job.id}/result.jpg`) : job?.preview ? inVisit(`/jobs/${job.id}/preview.jpg?v=${job.preview}`) : null;
  // Until a new picture is there, the one before it stays if it is of the same photograph.
  if (source) setSource(after, source, title(job));
  else if (after.dataset.content !== content) setSource(after, "", "");
  after.dataset.content = content;
  const isStill = !after.getAttribute("src");
  $("compare").classList.toggle("still", isStill);
  after.hidden = isStill;
  before.style.clipPath = isStill ? "none" : "";
  $("busy").hidden = hasEnded;
  $("after-tag").textContent = text(hasEnded || job?.is_quick ? "stage.after" : "stage.live");
  renderProgress(job, hasEnded);
  renderResult(job);
  $("paint").textContent = text(state.mode === "quick" ? "settings.paint" : hasEnded && job && !job.is_quick ? "settings.paint_again" : "settings.paint");
}

// An image changes when the next one has arrived, so that nothing flickers between two of a run.
function setSource(image, source, name) {
  image.alt = name;
  if (image.dataset.wanted === source) return;
  image.dataset.wanted = source;
  if (!source) return void image.removeAttribute("src");
  const next = new Image();
  next.onload = () => { if (image.dataset.wanted === source) { image.src = source; fitStage(next); if (image.id === "after") renderStage(); } };
  next.src = source;
  if (!image.getAttribute("src")) { image.src = source; }
}

function fitStage({ naturalWidth, naturalHeight }) {
  if (naturalWidth) $("compare").style.setProperty("--ratio", naturalWidth / naturalHeight);
}

// Photograph and picture meet in the middle of the handle; at the ends only one of them is shown.
function divide() {
  const share = Number($("divide").value), isBetween = share > 0 && share < 100;
  $("compare").style.setProperty("--divide", isBetween ? `calc(14px + (100% - 28px) * ${share / 100})` : `${share}%`);
  $("compare").classList.toggle("divided", isBetween);
}

const title = (job) => text("stage.made", { content: nameOf(job.content), style: job.style.map(nameOf).join(", ") });

function renderProgress(job, hasEnded) {
  $("progress").hidden = hasEnded || !job || (job.is_quick && job.state === "running");
  if ($("progress").hidden) return;
  const cancelling = state.cancelling.has(job.id);
  const waiting = job.place ? text(job.place === 1 ? "progress.waiting.one" : "progress.waiting.other", { n: job.place }) : text("progress.next");
  const step = job.step ? [text("progress.step", job), ...(job.seconds_left ? [text("progress.left", { time: duration(job.seconds_left) })] : [])].join(" · ") : text("progress.starting");
  setText($("progress-text"), cancelling ? text("progress.stopping") : job.state === "waiting" ? waiting : step);
  $("progress-bar").value = job.step ? job.step / job.steps : 0;
  $("cancel").textContent = text(job.preview ? "progress.cancel" : "progress.give_up");
  $("cancel").disabled = cancelling;
  const losses = (job.losses ?? []).map(([at, loss]) => [at, Math.log10(Math.max(loss, 1e-12))]);
  $("curve").toggleAttribute("hidden", losses.length < 2);
  setText($("curve-text"), losses.length < 2 ? "" : text("progress.curve", { from: job.losses[0][1].toPrecision(3), now: job.losses.at(-1)[1].toPrecision(3) }));
  if (losses.length < 2) return;
  $("curve").setAttribute("aria-label", $("curve-text").textContent);
  const highest = Math.max(...losses.map(([, loss]) => loss)), lowest = Math.min(...losses.map(([, loss]) => loss));
  const point = ([at, loss]) => `${((100 * at) / job.steps).toFixed(2)},${(2 + (26 * (highest - loss)) / (highest - lowest || 1)).toFixed(2)}`;
  $("curve").firstElementChild.setAttribute("points", losses.map(point).join(" "));
}

function setText(node, words) {
  if (node.textContent !== words) node.textContent = words; // a screen reader says only what is new
}

function renderResult(job) {
  const isDone = job?.state === "done";
  const failure = job?.state === "failed" ? text("result.failed", { error: job.error }) : job?.state === "cancelled" ? text("result.cancelled") : null;
  $("result").hidden = !isDone && !failure;
  for (const child of $("result").children) if (child.id !== "result-text") child.hidden = !isDone;
  if (failure) setText($("result-text"), failure);
  if (!isDone) return;
  const values = { width: job.width_px, height: job.height_px, method: text(`method.${job.method}`), time: duration(job.seconds), steps: job.steps_done };
  setText($("result-text"), `${title(job)}. ${text(job.stopped_early ? "result.stopped" : "result.about", values)}`);
  const stem = job.file_name.replace(/\.png$/, "");
  for (const [id, file, name] of [["png", "result.png", `${stem}.png`], ["jpeg", "result.jpg", `${stem}.jpg`], ["record", "result.json", `${stem}.png.json`]]) {
    $(id).href = inVisit(`/jobs/${job.id}/${file}`);
    $(id).download = name;
  }
  if ($("command").textContent !== job.command) { // no line ends inside a flag
    $("command").replaceChildren(...job.command.split(" ").flatMap((word, index) => [...(index ? [" "] : []), element("span", {}, word)]));
  }
  const masks = job.style_masks.filter((mask) => state.uploads.has(mask));
  const own = [job.content, ...job.style].filter((one) => one.startsWith("picture:")).map(nameOf);
  const links = masks.map((mask) => element("a", { href: fileOf(mask, "original"), download: nameOf(mask) }, text("result.mask", { name: nameOf(mask) })));
  $("needed").replaceChildren(...(own.length ? [text("result.needs", { names: own.join(", ") }), " "] : []), ...links.flatMap((link) => [link, " "]));
  $("messages").replaceChildren(...job.messages.map((message) => element("li", {}, message)));
}

function renderWall() {
  const list = $("wall"), focused = list.contains(document.activeElement) ? document.activeElement.dataset.style : null;
  list.replaceChildren(...[...state.learned].map((name) => {
    const job = state.jobs.get(state.wall.get(name)), isDone = job?.state === "done", called = nameOf(`sample:${name}`);
    const picture = element("span", { className: "picture" }, ...(isDone ? [element("img", { src: inVisit(`/jobs/${job.id}/thumb.jpg`), alt: "" })] : []));
    const isChosen = state.styles.length === 1 && reference0() === `sample:${name}`;
    return element("li", { className: isDone ? "" : "pending" }, element("button", { type: "button", "aria-pressed": `${isChosen}`, "data-style": name, onclick: () => { $("mix").checked = false; setMode("quick"); chooseStyle(`sample:${name}`); } }, picture, element("span", { className: "caption" }, called)));
  }));
  if (focused) list.querySelector(`[data-style="${CSS.escape(focused)}"]`)?.focus();
}

function renderHistory() {
  const list = $("history"), focused = list.contains(document.activeElement) ? document.activeElement.dataset.job : null;
  const made = [...state.jobs.values()].filter((job) => !isWall(job.id) && (job.state === "done" || !job.is_quick)).reverse();
  $("history-section").hidden = made.length === 0;
  list.replaceChildren(...made.map((job) => {
    const source = job.state === "done" ? inVisit(`/jobs/${job.id}/thumb.jpg`) : job.preview && !["failed", "cancelled"].includes(job.state) ? inVisit(`/jobs/${job.id}/preview.jpg?v=${job.preview}`) : null;
    const picture = element("span", { className: "picture" }, ...(source ? [element("img", { src: source, alt: "" })] : []));
    const name = `${job.style.map(nameOf).join(", ")}, ${text(job.is_quick ? "history.quick" : "history.proper")}`;
    return element("li", {}, element("button", { type: "button", "aria-pressed": `${job.id === state.shown}`, "data-job": job.id, title: title(job), onclick: () => { state.shown = job.id; renderJobs(); $("stage").scrollIntoView({ block: "nearest" }); } }, picture, element("span", { className: "caption" }, name)));
  }));
  if (focused) list.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
}

function setMode(mode) {
  state.mode = mode;
  for (const radio of document.querySelectorAll("[name=mode]")) radio.checked = radio.value === mode;
}

function render() {
  setMode(state.mode);
  renderChoices();
  renderSliders();
  renderEvery();
  const anyMasks = Object.values(state.offer.methods).some(({ takes_masks }) => takes_masks);
  const none = state.mode === "proper" ? !state.offer.methods.gatys.takes_masks : state.photo || !anyMasks;
  $("masks-row").hidden = none; // at once, a mask chooses the network that takes it
  $("masks-open").textContent = text(state.masks.size ? "masks.change" : "masks.open");
  renderJobs();
}

// ---- masks: one canvas for each style, white where it goes

const easel = { drawings: new Map(), style: null, cursor: { x: 0.5, y: 0.5 }, last: null };

function openMasks() {
  const { width_px: width = 4, height_px: height = 3 } = state.uploads.get(state.content) ?? naturalSize();
  const scale = MASK_SIDE_PX / Math.max(width, height);
  const canvas = $("easel");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  $("masks").style.setProperty("--ratio", width / height);
  Object.assign($("easel-photograph"), { src: fileOf(state.content, "view.jpg") });
  easel.drawings = new Map(state.styles.map(({ reference }) => [reference, state.masks.get(reference)?.drawing ?? null]));
  easel.style = reference0();
  showDrawing();
  $("masks").showModal();
}

function naturalSize() {
  const image = $("before");
  return image.naturalWidth ? { width_px: image.naturalWidth, height_px: image.naturalHeight } : {};
}

function showDrawing() {
  const pen = $("easel").getContext("2d");
  pen.clearRect(0, 0, $("easel").width, $("easel").height);
  const drawing = easel.drawings.get(easel.style);
  if (drawing) pen.putImageData(drawing, 0, 0);
  const several = state.styles.length > 1;
  $("masks-rest").hidden = !several;
  $("masks-styles").replaceChildren(...(several ? state.styles.map(({ reference }) => element("button", { type: "button", "aria-pressed": `${reference === easel.style}`, className: reference === easel.style ? "primary" : "", onclick: () => { keepDrawing(); easel.style = reference; showDrawing(); } }, nameOf(reference))) : []));
}

function keepDrawing() {
  const { width, height } = $("easel");
  const data = $("easel").getContext("2d").getImageData(0, 0, width, height);
  const isEmpty = data.data.every((value, index) => index % 4 !== 3 || value === 0);
  easel.drawings.set(easel.style, isEmpty ? null : data);
}

function dab(x, y) {
  const canvas = $("easel"), pen = canvas.getContext("2d"), width = (Number($("brush").value) / 100) * canvas.width;
  pen.globalCompositeOperation = $("erase").checked ? "destination-out" : "source-over";
  Object.assign(pen, { lineCap: "round", lineWidth: width, strokeStyle: "#ff7a3c" });
  pen.beginPath();
  pen.moveTo((easel.last?.x ?? x) * canvas.width, (easel.last?.y ?? y) * canvas.height);
  pen.lineTo(x * canvas.width, y * canvas.height);
  pen.stroke();
  pen.globalCompositeOperation = "source-over";
  easel.last = { x, y };
}

function placeOf(event) {
  const box = $("easel").getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

function moveCursor() {
  const size = `${$("brush").value}%`, { x, y } = easel.cursor;
  Object.assign($("cursor").style, { left: `${100 * x}%`, top: `${100 * y}%`, width: size, aspectRatio: "1" });
  $("cursor").hidden = false;
}

function easelKey(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!moves && event.key !== " ") return;
  event.preventDefault();
  const stride = event.shiftKey ? 0.1 : 0.02;
  if (moves) {
    easel.cursor.x = Math.min(1, Math.max(0, easel.cursor.x + stride * moves[0]));
    easel.cursor.y = Math.min(1, Math.max(0, easel.cursor.y + stride * moves[1]));
  } else {
    easel.last = null;
    dab(easel.cursor.x, easel.cursor.y);
    easel.last = null;
  }
  moveCursor();
}

function fillDrawing(alphaOf) {
  const pen = $("easel").getContext("2d"), data = pen.getImageData(0, 0, $("easel").width, $("easel").height);
  for (let at = 0; at < data.data.length; at += 4) data.data.set([255, 122, 60, alphaOf(data.data[at + 3])], at);
  pen.putImageData(data, 0, 0);
}

// Every style needs a mask. One that has none of its own gets what is left over by the others.
async function useMasks() {
  keepDrawing();
  state.masks.clear();
  const drawn = [...easel.drawings.values()].filter(Boolean);
  if (drawn.length) {
    let number = 0;
    for (const [reference, drawing] of easel.drawings) {
      const blob = await maskPicture(drawing, drawn);
      const picture = await ask("POST", inVisit(`/pictures?name=mask-${++number}.png`), blob);
      state.uploads.set(picture.reference, picture);
      state.masks.set(reference, { reference: picture.reference, drawing });
    }
  }
  $("masks").close();
  changed();
}

function maskPicture(drawing, drawn) {
  const { width, height } = drawn[0];
  const canvas = element("canvas", { width, height }), pen = canvas.getContext("2d"), data = pen.createImageData(width, height);
  for (let at = 0; at < data.data.length; at += 4) {
    const alpha = drawing ? drawing.data[at + 3] : 255 - Math.max(...drawn.map((one) => one.data[at + 3]));
    data.data.set([alpha, alpha, alpha, 255], at);
  }
  pen.putImageData(data, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// ---- the camera

async function openCamera() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 }, facingMode: "environment" } });
    $("video").srcObject = stream;
    $("camera-dialog").showModal();
  } catch {
    showError(text("camera.none"));
  }
}

function closeCamera() {
  $("video").srcObject?.getTracks().forEach((track) => track.stop());
  $("video").srcObject = null;
}

async function takePhotograph() {
  const { videoWidth: width, videoHeight: height } = $("video");
  const canvas = element("canvas", { width, height });
  canvas.getContext("2d").drawImage($("video"), 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
  $("camera-dialog").close();
  await upload(new File([blob], "camera.jpg"));
}

// ---- the start

function setTheme(theme) {
  const wanted = theme ?? localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  if (theme) localStorage.setItem("theme", theme);
  if (theme || localStorage.getItem("theme")) document.documentElement.dataset.theme = wanted;
  const other = wanted === "dark" ? "light" : "dark";
  $("theme").textContent = text(`theme.${other}`);
  $("theme").onclick = () => setTheme(other);
}

function listen() {
  const pick = (input, isPainting) => { input.onchange = () => { if (input.files[0]) attempt(upload(input.files[0], isPainting)); input.value = ""; }; };
  pick($("photograph-file"), false);
  pick($("painting-file"), true);
  $("choose-photograph").onclick = () => $("photograph-file").click();
  $("choose-painting").onclick = () => $("painting-file").click();
  $("camera").onclick = openCamera;
  $("camera-close").onclick = () => $("camera-dialog").close();
  $("camera-take").onclick = () => attempt(takePhotograph());
  $("camera-dialog").onclose = closeCamera;
  $("error").lastElementChild.onclick = () => showError(null);
  $("mix").onchange = () => { if (!$("mix").checked) state.styles = state.styles.slice(0, 1); changed(); };
  for (const radio of document.querySelectorAll("[name=mode]")) radio.onchange = () => { state.mode = radio.value; changed(); };
  $("paint").onclick = () => { if (state.mode === "quick") { setMode("proper"); render(); } showError(null); attempt(paint()); };
  $("every").ontoggle = renderEvery;
  $("divide").oninput = divide;
  $("cancel").onclick = () => { state.cancelling.add(state.shown); renderStage(); attempt(ask("POST", inVisit(`/jobs/${state.shown}/cancel`))); };
  $("again").onclick = () => again(state.jobs.get(state.shown));
  $("remove").onclick = () => attempt(remove(state.shown).then(() => { state.shown = null; renderJobs(); }));
  $("copy").onclick = async () => { await navigator.clipboard?.writeText($("command").textContent); getSelection().selectAllChildren($("command")); $("copy").textContent = text("result.copied"); setTimeout(() => { $("copy").textContent = text("result.copy"); }, 2000); };
  new ResizeObserver(([{ contentRect }]) => $("compare").style.setProperty("--height", `${contentRect.height}px`)).observe($("compare"));

  $("masks-open").onclick = openMasks;
  $("masks-done").onclick = () => attempt(useMasks());
  $("masks-none").onclick = () => { state.masks.clear(); $("masks").close(); changed(); };
  $("masks-all").onclick = () => fillDrawing(() => 255);
  $("masks-clear").onclick = () => fillDrawing(() => 0);
  $("masks-invert").onclick = () => fillDrawing((alpha) => 255 - alpha);
  const canvas = $("easel");
  canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); easel.last = null; const { x, y } = placeOf(event); dab(x, y); };
  canvas.onpointermove = (event) => { easel.cursor = placeOf(event); moveCursor(); if (event.buttons) dab(easel.cursor.x, easel.cursor.y); };
  canvas.onpointerleave = () => { $("cursor").hidden = true; };
  canvas.onkeydown = easelKey;
  canvas.onfocus = moveCursor;

  const painting = (event) => $("painting").contains(event.target);
  document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dropping"); };
  document.ondragleave = (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); };
  document.ondrop = (event) => { event.preventDefault(); document.body.classList.remove("dropping"); if (event.dataTransfer.files[0]) attempt(upload(event.dataTransfer.files[0], painting(event))); };
  document.onpaste = (event) => { const file = event.clipboardData.files[0]; if (file) attempt(upload(file, painting(event))); };
}

async function start() {
  state.texts = await (await fetch("texts.json")).json();
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
  setTheme();
  setStatus("loading", false);
  const [offer, shipped] = await Promise.all([ask("GET", "api/settings"), ask("GET", "api/samples")]);
  state.offer = offer;
  state.learned = new Set(shipped.styles);
  shipped.samples.forEach((sample) => state.samples.set(sample.reference, sample));
  state.wall = new Map(JSON.parse(sessionStorage.getItem("wall") ?? "[]"));
  await openVisit();
  state.wall = new Map([...state.wall].filter(([, id]) => state.jobs.has(id)));
  const kept = [...state.jobs.values()].filter((job) => !isWall(job.id));
  if (kept.length) { again(kept.at(-1)); state.shown = kept.at(-1).id; } // the page was loaded again
  listen();
  render();
  document.querySelector("main").inert = false; // before, a click would be lost
  if (!kept.length) changed({ wall: true });
  else if (!state.wall.size) attempt(paintWall());
}

attempt(start());
