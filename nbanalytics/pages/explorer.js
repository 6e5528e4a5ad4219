// The researcher's explorer. Like the board it shows what it is given and says which selection it wants; the points of
// year 6 against year 9 are drawn on a canvas, so that ten thousand of them follow the pointer.

const MARGIN = { left: 52, right: 14, top: 10, bottom: 44 };
const MARKS = {
  "circle": (pen, r) => { pen.arc(0, 0, r, 0, 7); pen.fill(); },
  "circle-open": (pen, r) => { pen.arc(0, 0, r, 0, 7); pen.stroke(); },
  "square": (pen, r) => pen.fillRect(-r, -r, 2 * r, 2 * r),
  "triangle-up": (pen, r) => { pen.moveTo(0, -r); pen.lineTo(r, r); pen.lineTo(-r, r); pen.fill(); },
  "triangle-down": (pen, r) => { pen.moveTo(0, r); pen.lineTo(r, -r); pen.lineTo(-r, -r); pen.fill(); },
  "x": (pen, r) => { pen.moveTo(-r, -r); pen.lineTo(r, r); pen.moveTo(r, -r); pen.lineTo(-r, r); pen.stroke(); },
};

// One picture per group, drawn once and then stamped.
function stamps(page, size, scale, colourOf) {
  return new Map(page.groups.map(({ code, colour, mark }) => {
    const canvas = make("canvas", { width: Math.ceil((2 * size + 4) * scale), height: Math.ceil((2 * size + 4) * scale) });
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.translate(size + 2, size + 2);
    Object.assign(pen, { fillStyle: colourOf(colour), strokeStyle: colourOf(colour), lineWidth: 1.5 });
    pen.beginPath();
    MARKS[mark](pen, size);
    return [code, canvas];
  }));
}

function scatter(page, words, onBox) {
  const canvas = make("canvas", { class: "nba-points", role: "img", tabindex: "0" });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colourOf = (light) => (document.body.classList.contains("nba-page") && dark.matches ? page.dark[light] ?? light : light);
  let view = null;
  let drag = null;
  let asked = false;

  const frame = () => ({ width: canvas.clientWidth - MARGIN.left - MARGIN.right, height: canvas.clientHeight - MARGIN.top - MARGIN.bottom });
  const across = (value) => MARGIN.left + (value / page.top) * frame().width;
  const up = (value) => MARGIN.top + (1 - value / page.top) * frame().height;
  const pointed = (event) => {
    const box = canvas.getBoundingClientRect();
    const clip = (value) => Math.round(Math.min(Math.max(value, 0), page.top) * 100) / 100;
    return [
      clip(((event.clientX - box.left - MARGIN.left) / frame().width) * page.top),
      clip((1 - (event.clientY - box.top - MARGIN.top) / frame().height) * page.top),
    ];
  };

  function axes(pen) {
    Object.assign(pen, { strokeStyle: colourOf("#dfe5ea"), fillStyle: colourOf("#4a5967"), lineWidth: 1, font: "13px system-ui, sans-serif" });
    for (let value = 0; value <= page.top; value += 5) {
      pen.beginPath();
      pen.moveTo(across(value), up(0)); pen.lineTo(across(value), up(page.top));
      pen.moveTo(across(0), up(value)); pen.lineTo(across(page.top), up(value));
      pen.stroke();
      pen.textAlign = "center"; pen.fillText(String(value), across(value), up(0) + 18);
      pen.textAlign = "right"; pen.fillText(String(value), MARGIN.left - 8, up(value) + 4);
    }
    pen.textAlign = "center";
    pen.fillText(page.axes[0], across(page.top / 2), canvas.clientHeight - 6);
    pen.save();
    pen.translate(14, up(page.top / 2));
    pen.rotate(-Math.PI / 2);
    pen.fillText(page.axes[1], 0, 0);
    pen.restore();
    pen.save();
    Object.assign(pen, { strokeStyle: colourOf(page.line), lineWidth: 1.5 });
    pen.setLineDash([7, 5]);
    pen.beginPath();
    pen.moveTo(across(0), up(0)); pen.lineTo(across(page.top), up(page.top));
    pen.stroke();
    pen.restore();
  }

  function paint() {
    asked = false;
    if (!view || canvas.clientWidth === 0) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * scale));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    axes(pen);
    const size = page.x.length > 3000 ? 2.5 : 3.5;
    const marks = stamps(page, size, scale, colourOf);
    const side = 2 * size + 4;
    const box = drag ?? (view.box === "*" ? null : view.box.split(",").map(Number));
    for (let i = 0; i < page.x.length; i += 1) {
      if (page.x[i] === null || page.y[i] === null || (view.a[i] !== "1" && view.b[i] !== "1")) continue;
      const inside = !box || (page.x[i] >= box[0] && page.x[i] <= box[1] && page.y[i] >= box[2] && page.y[i] <= box[3]);
      const meant = inside && (view.selection.group === "*" || view.selection.group === view.groups[i]);
      pen.globalAlpha = view.a[i] !== "1" ? 0.16 : meant ? 0.8 : 0.18;
      pen.drawImage(marks.get(view.groups[i]), across(page.x[i]) - side / 2, up(page.y[i]) - side / 2, side, side);
    }
    pen.globalAlpha = 1;
    if (box) {
      Object.assign(pen, { strokeStyle: colourOf("#0072b2"), lineWidth: 2 });
      pen.strokeRect(across(box[0]), up(box[3]), across(box[1]) - across(box[0]), up(box[2]) - up(box[3]));
    }
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
  }
  const again = () => { if (!asked) { asked = true; requestAnimationFrame(paint); } };

  let from = null;
  const stretch = (event) => {
    const [[x0, y0], [x1, y1]] = [from, pointed(event)];
    drag = [Math.min(x0, x1), Math.max(x0, x1), Math.min(y0, y1), Math.max(y0, y1)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    from = pointed(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => { if (from) { stretch(event); again(); } });
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    stretch(event);
    const small = drag[1] - drag[0] < 0.1 && drag[3] - drag[2] < 0.1;
    onBox(small ? "*" : drag.join(","));
    [from, drag] = [null, null];
  });
  canvas.addEventListener("pointercancel", () => { [from, drag] = [null, null]; again(); });
  canvas.addEventListener("keydown", (event) => { if (event.key === "Escape") onBox("*"); });
  dark.addEventListener("change", again);
  const watch = new ResizeObserver(again);
  watch.observe(canvas);
  return {
    canvas,
    show(next) { view = next; canvas.setAttribute("aria-label", next.alt); again(); },
    stop() { watch.disconnect(); dark.removeEventListener("change", again); },
  };
}

function number(id, text, step, most) {
  const input = make("input", { type: "number", id, min: 0, max: most, step, inputmode: "decimal" });
  return { input, node: make("div", { class: "nba-filter" }, make("label", { for: id }, text), input) };
}

function boxForm(page, words, onBox) {
  const keys = ["from6", "to6", "from9", "to9"];
  const fields = keys.map((key) => number(`nba-box-${key}`, words[`box.${key}`], 0.5, page.top));
  const clear = make("button", { type: "button", class: "nba-plain" }, words["box.clear"]);
  clear.addEventListener("click", () => onBox("*"));
  const read = () => {
    const values = fields.map(({ input }, rank) => (input.value === "" ? [0, page.top, 0, page.top][rank] : Number(input.value)));
    onBox(values.map((value) => Math.min(Math.max(value, 0), page.top)).join(","));
  };
  for (const { input } of fields) input.addEventListener("change", read);
  const node = make("fieldset", { class: "nba-box" }, make("legend", {}, words.box), ...fields.map(({ node }) => node), clear);
  return {
    node,
    show(box) {
      const values = box === "*" ? ["", "", "", ""] : box.split(",").map((value) => String(Math.round(value * 100) / 100));
      fields.forEach(({ input }, rank) => { if (document.activeElement !== input) input.value = values[rank]; });
      clear.hidden = box === "*";
    },
  };
}

function ruleForm(page, words, choose) {
  const { most, step } = page.threshold;
  const slider = make("input", { type: "range", id: "nba-threshold", min: 0, max: most, step, value: 0 });
  const said = make("output", { for: "nba-threshold" });
  const format = new Intl.NumberFormat(page.lang === "sv" ? "sv-SE" : "en-GB", { minimumFractionDigits: 1 });
  slider.addEventListener("input", () => choose("threshold", Number(slider.value) === 0 ? "*" : String(Number(slider.value))));
  const place = page.filters.find(({ id }) => id === "no_change");
  const select = make("select", { id: "nba-no-change" }, ...place.options.map(({ value, label }) => make("option", { value }, label)));
  select.addEventListener("change", () => choose("no_change", select.value));
  const node = make(
    "fieldset", { class: "nba-rule" }, make("legend", {}, words.rule),
    make("div", { class: "nba-filter" }, make("label", { for: "nba-threshold" }, words.threshold), make("div", { class: "nba-slide" }, slider, said)),
    make("div", { class: "nba-filter" }, make("label", { for: "nba-no-change" }, place.label), select),
  );
  return {
    node,
    show({ threshold, no_change: chosen }) {
      if (document.activeElement !== slider) slider.value = threshold === "*" ? 0 : threshold;
      said.textContent = format.format(Number(slider.value));
      select.value = chosen;
    },
  };
}

// Each group with its mark, so that the list is the key of the chart too.
function fillCounts(body, head, page, words, view) {
  const columns = view.b ? [words.chosen, words.compared] : [words.chosen];
  head.replaceChildren(make("tr", {}, make("th", { scope: "col" }, words.group), ...columns.map((text) => make("th", { scope: "col", class: "nba-number", colspan: 2 }, text))));
  body.replaceChildren(...view.counts.map((row) => {
    const key = make("canvas", { width: 36, height: 36, class: "nba-key", "aria-hidden": "true" });
    const pen = key.getContext("2d");
    const { colour, mark } = page.groups.find(({ code }) => code === row.code);
    const dark = document.body.classList.contains("nba-page") && matchMedia("(prefers-color-scheme: dark)").matches;
    const shown = dark ? page.dark[colour] ?? colour : colour;
    pen.translate(18, 18);
    Object.assign(pen, { fillStyle: shown, strokeStyle: shown, lineWidth: 4 });
    pen.beginPath();
    MARKS[mark](pen, 10);
    const cells = row.counts.flatMap((count, rank) => [make("td", { class: "nba-number" }, count), make("td", { class: "nba-number nba-share" }, row.shares[rank])]);
    return make("tr", { "data-group": row.code }, make("th", { scope: "row" }, key, row.name), ...cells);
  }));
}

function codeLine(words) {
  const line = make("code", { tabindex: "0" });
  const done = make("span", { role: "status" });
  const button = make("button", { type: "button", class: "nba-button" }, words["code.copy"]);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line.textContent);
    } catch { // where the clipboard is closed to scripts the line is marked, ready to be copied by hand
      getSelection().selectAllChildren(line);
      document.execCommand("copy");
    }
    done.textContent = words["code.copied"];
    setTimeout(() => { done.textContent = ""; }, 2000);
  });
  const node = make("section", { class: "nba-card nba-code", "aria-label": words.code }, make("h2", {}, words.code), make("pre", {}, line), button, done);
  return { node, line };
}

// One question at a time: while one is on its way only the last of those that follow is kept. Points and counts are asked
// for first, since they follow the pointer; the charts when nothing else has been chosen meanwhile.
function asker(model, onLost) {
  let [busy, next, clock] = [false, null, 0];
  const address = () => {
    const chosen = Object.entries(model.get("selection")).filter(([name, value]) => value !== "*" && name !== "charts");
    const hash = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const send = () => {
    busy = true;
    clearTimeout(clock);
    clock = setTimeout(onLost, 15000);
    if (!model.ask) model.save_changes(); // in a notebook
    else {
      model.ask(model.get("selection"));
      setTimeout(address, 300);
    }
  };
  return {
    choose(changes) {
      const before = next ?? model.get("selection");
      next = { ...before, ...changes, charts: "later" };
      if (!busy) { model.set("selection", next); next = null; send(); }
    },
    answered(later) {
      busy = false;
      clearTimeout(clock);
      if (later) next ??= { ...model.get("selection"), charts: "*" };
      if (next) { model.set("selection", next); next = null; send(); }
    },
  };
}

function renderExplorer({ model, el }) {
  const page = model.get("page");
  const { words } = page;
  const problem = make("p", { class: "nba-problem", role: "alert", hidden: true }, words.lost);
  const ask = asker(model, () => { problem.hidden = false; });
  const onBox = (box) => ask.choose({ box });
  const menus = page.filters.filter(({ id, options }) => options && id !== "no_change");
  const { bar, selects } = filterBar({ filters: menus, words: { "filters.title": words["filters.title"], "filters.hint": words["box.hint"] } }, (id, value) => ask.choose({ [id]: value }));
  const rule = ruleForm(page, words, (id, value) => ask.choose({ [id]: value }));
  const box = boxForm(page, words, onBox);
  const points = scatter(page, words, onBox);
  const [head, body] = [make("thead"), make("tbody")];
  const counts = make("table", { class: "nba-counts" }, make("caption", {}, words.counts), head, body);
  const answer = make("p", { class: "nba-answer", role: "status" });
  const charts = drawer(model, page);
  const parts = ["flows", "terms", "rival-flows", "rival-terms"].map((id) => {
    const made = section(id, words, charts);
    if (id.endsWith("flows")) made.node.classList.add("nba-section-flows");
    return made;
  });
  const listed = { summary: make("summary"), caption: make("caption"), head: make("thead"), body: make("tbody") };
  listed.scroll = make("div", { class: "nba-scroll", tabindex: "0", role: "region" }, make("table", {}, listed.caption, listed.head, listed.body));
  const list = make("section", { class: "nba-card nba-list", "aria-label": words.students }, make("details", {}, listed.summary, listed.scroll));
  const code = codeLine(words);
  const chart = make("section", { class: "nba-card nba-scatter", "aria-label": words.title }, make("h2", {}, words.title), make("p", { class: "nba-lead" }, words.lead), points.canvas, box.node);
  const side = make("section", { class: "nba-card nba-side", "aria-label": words.counts }, rule.node, counts);
  const results = make("div", { class: "nba-explorer" }, chart, side, code.node, ...parts.map(({ node }) => node), list);
  const root = make("div", { class: "nba-board", lang: page.lang }, answer, bar, problem, results);

  // The rule may move without another student being chosen: charts that stay the same are not drawn again.
  const drawn = new Map();
  const fill = (made, view, suffix) => {
    made.node.hidden = !view;
    const mark = view && JSON.stringify([view.figure, suffix]);
    if (!view || drawn.get(made) === mark) return;
    drawn.set(made, mark);
    fillSection(made, { ...view, title: suffix ? `${view.title} (${suffix})` : view.title }, charts.draw, page.lang);
    made.help.hidden = true;
  };
  const show = () => {
    const view = model.get("view");
    problem.hidden = true;
    for (const [id, value] of Object.entries(view.selection)) selects[id]?.pick(value);
    answer.textContent = view.answer;
    rule.show(view.selection);
    box.show(view.box);
    points.show(view);
    fillCounts(body, head, page, words, view);
    const pair = view.b ? [words.chosen.toLowerCase(), words.compared.toLowerCase()] : ["", ""];
    if (!view.later) {
      [0, 1].forEach((rank) => fill(parts[rank], view.sections[rank], pair[0]));
      [0, 1].forEach((rank) => fill(parts[rank + 2], view.rival[rank], pair[1]));
    }
    root.setAttribute("aria-busy", String(view.later));
    fillTable(listed, { ...view.students, caption: words.students });
    code.line.textContent = view.code;
    root.dataset.views = String(Number(root.dataset.views ?? 0) + 1);
    ask.answered(view.later);
  };
  el.append(root);
  show();
  model.on("change:view", show);
  model.on("lost", () => { problem.hidden = false; ask.answered(false); });
  return () => { charts.stop(); points.stop(); };
}

export default { render: renderExplorer };
