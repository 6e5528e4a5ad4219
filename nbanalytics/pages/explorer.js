// The researcher's explorer. Points and counts follow each choice at once, by what the page knows of the students
// (roster.js); the kernel is asked for the rest, and shows what a board shows: the view that it is given.

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

function range(id, most, step, text, onInput) {
  const slider = make("input", { type: "range", id, min: 0, max: most, step, value: 0 });
  const said = make("output", { for: id });
  slider.addEventListener("input", () => onInput(Number(slider.value)));
  const node = make("div", { class: "nba-filter" }, make("label", { for: id }, text), make("div", { class: "nba-slide" }, slider, said));
  return { slider, said, node };
}

function ruleForm(page, words, choose) {
  const format = new Intl.NumberFormat(page.lang === "sv" ? "sv-SE" : "en-GB", { minimumFractionDigits: 1 });
  const { most, step } = page.threshold;
  const change = range("nba-threshold", most, step, words.threshold, (value) => choose({ threshold: value === 0 ? "*" : String(value) }));
  const place = page.filters.find(({ id }) => id === "no_change");
  const select = make("select", { id: "nba-no-change" }, ...place.options.map(({ value, label }) => make("option", { value }, label)));
  select.addEventListener("change", () => choose({ no_change: select.value }));
  const node = make(
    "fieldset", { class: "nba-rule" }, make("legend", {}, words.rule),
    change.node, make("div", { class: "nba-filter" }, make("label", { for: "nba-no-change" }, place.label), make("div", { class: "nba-pick" }, select)),
  );
  return {
    node,
    show({ threshold, no_change: chosen }) {
      if (document.activeElement !== change.slider) change.slider.value = threshold === "*" ? 0 : threshold;
      change.said.textContent = format.format(Number(change.slider.value));
      select.value = chosen;
    },
  };
}

// The passes and subjects that eligibility asks for; nothing where it is a mean.
function eligibilityForm(page, words, choose) {
  const { least, most, demands } = page.eligibility;
  if (!least) return { node: "", show() {} };
  const passes = range("nba-passes", most, 1, words.passes, (value) => choose({ passes: value === least ? "*" : String(value) }));
  const boxes = demands.map((_, rank) => make("input", { type: "checkbox", id: `nba-required-${rank}` }));
  const mark = () => boxes.map(({ checked }) => (checked ? "1" : "0")).join("");
  for (const box of boxes) box.addEventListener("change", () => choose({ required: mark().includes("0") ? mark() : "*" }));
  const lines = demands.map((name, rank) => make("label", { class: "nba-check", for: `nba-required-${rank}` }, boxes[rank], name));
  const reset = make("button", { type: "button", class: "nba-plain" }, words.as_declared);
  reset.addEventListener("click", () => { passes.slider.focus(); choose({ passes: "*", required: "*" }); });
  const node = make(
    "fieldset", { class: "nba-rule" }, make("legend", {}, words.eligibility),
    passes.node, make("div", { role: "group", "aria-label": words.required }, make("p", { class: "nba-label", "aria-hidden": "true" }, words.required), ...lines), reset,
  );
  return {
    node,
    show({ passes: chosen, required }) {
      if (document.activeElement !== passes.slider || chosen === "*") passes.slider.value = chosen === "*" ? least : chosen;
      passes.said.textContent = passes.slider.value;
      boxes.forEach((box, rank) => { box.checked = required === "*" || required[rank] === "1"; });
      reset.hidden = chosen === "*" && required === "*";
    },
  };
}

// Whether a group or a box chooses among the students shown.
const narrows = ({ group, box }) => group !== "*" || box !== "*";

// Each group with its mark, so that the list is the key of the chart too.
function countsTable(page, words) {
  const [head, body] = [make("thead"), make("tbody")];
  const show = (rows, chosen) => {
    const columns = [words.shown, ...(narrows(chosen) ? [words.chosen] : []), ...(chosen.other === "*" ? [] : [words.compared])];
    head.replaceChildren(make("tr", {}, make("th", { scope: "col" }, words.group), ...columns.map((text) => make("th", { scope: "col", class: "nba-number", colspan: 2 }, text))));
    body.replaceChildren(...rows.map((row) => {
      const key = make("canvas", { width: 36, height: 36, class: "nba-key", "aria-hidden": "true" });
      const pen = key.getContext("2d");
      pen.translate(18, 18);
      drawMark(pen, page, page.groups.find(({ code }) => code === row.code), 10, 4);
      const cells = row.counts.flatMap((count, rank) => [make("td", { class: "nba-number" }, count), make("td", { class: "nba-number nba-share" }, row.shares[rank])]);
      return make("tr", { "data-group": row.code }, make("th", { scope: "row" }, key, row.name.replace(" ", "\u00a0")), ...cells);
    }));
  };
  return { node: make("table", { class: "nba-counts" }, make("caption", {}, words.counts), head, body), show };
}

// The counts as the kernel writes them, ahead of its answer.
function counted(page, { groups, here, picked, other }, chosen) {
  const place = page.lang === "sv" ? "sv-SE" : "en-GB";
  const number = new Intl.NumberFormat(place);
  const percent = new Intl.NumberFormat(place, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const columns = [here, narrows(chosen) ? picked : null, other].filter(Boolean).map((kept) => {
    const found = new Array(page.groups.length + 1).fill(0);
    for (let i = 0; i < groups.length; i += 1) found[groups[i]] += kept[i];
    return found;
  });
  const totals = columns.map((found) => Math.max(found.reduce((sum, count) => sum + count), 1));
  return page.groups.map(({ code, name }) => ({
    code,
    name,
    counts: columns.map((found) => number.format(found[code])),
    shares: columns.map((found, rank) => percent.format(found[code] / totals[rank])),
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

// One question at a time: while one is on its way only the last of those that follow is kept.
function asker(model, onChoice, onLost) {
  let [busy, next, clock, late] = [false, null, 0, 0];
  const address = () => {
    const chosen = Object.entries(model.get("selection")).filter(([, value]) => value !== "*");
    const hash = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const send = () => {
    model.set("selection", next);
    if (model.ask) model.set("stray", false);
    [busy, next] = [true, null];
    clearTimeout(clock);
    clock = setTimeout(() => { busy = false; onLost(); }, 15000);
    if (!model.ask) model.save_changes(); // in a notebook
    else {
      model.ask(model.get("selection"));
      clearTimeout(late);
      late = setTimeout(address, 300);
    }
  };
  return {
    choose(changes) {
      next = { ...(next ?? model.get("selection")), ...changes };
      onChoice(next);
      if (!busy) send();
    },
    // Whether the answer is to the last question.
    answered() {
      busy = false;
      clearTimeout(clock);
      if (next) send();
      return !busy;
    },
  };
}

function renderExplorer({ model, el }) {
  const page = model.get("page");
  const { words } = page;
  const problem = make("p", { class: "nba-problem", role: "alert", hidden: true }, words.lost);
  const stray = make("p", { class: "nba-stray", role: "status", hidden: true }, words.stray);
  const ask = asker(model, (chosen) => preview(chosen), () => lost());
  const onBox = (box) => ask.choose({ box });
  const menus = page.filters.filter(({ id, options }) => options && id !== "no_change");
  const { bar, selects } = filterBar({ filters: menus, words: { "filters.title": words["filters.title"], "filters.hint": words.hint } }, (id, value) => ask.choose({ [id]: value }));
  const rule = ruleForm(page, words, ask.choose);
  const eligibility = eligibilityForm(page, words, ask.choose);
  const box = boxForm(page, words, onBox);
  const students = roster(page);
  const points = scatter(page, students, onBox);
  const counts = countsTable(page, words);
  const answer = make("p", { class: "nba-answer", role: "status" });
  const charts = drawer(model, page);
  // Each chart stands by that of the cohort or school compared with.
  const parts = ["flows", "rival-flows", "terms", "rival-terms"].map((id) => section(id, words, charts, id.split("-").at(-1)));
  const listed = { summary: make("summary"), caption: make("caption"), head: make("thead"), body: make("tbody") };
  listed.scroll = make("div", { class: "nba-scroll", tabindex: "0", role: "region" }, make("table", {}, listed.caption, listed.head, listed.body));
  const list = make("div", { class: "nba-card nba-list" }, make("details", {}, listed.summary, listed.scroll));
  const code = codeLine(words);
  const chart = make("section", { class: "nba-card nba-scatter", "aria-label": words.chart }, make("h2", {}, words.chart), make("p", { class: "nba-lead" }, words.lead), points.canvas, points.tip, box.node);
  const side = make("section", { class: "nba-card nba-side", "aria-label": words.counts }, rule.node, eligibility.node, counts.node);
  const results = make("div", { class: "nba-explorer" }, chart, side, code.node, ...parts.map(({ node }) => node), list);
  const root = make("div", { class: "nba-board", lang: page.lang }, answer, bar, stray, problem, results);

  // The rule may move without another student being chosen: charts that stay the same are not drawn again.
  const drawn = new Map();
  const fill = (made, view, suffix, told) => {
    made.node.hidden = !view;
    const mark = view && JSON.stringify([view.figure, suffix]);
    if (view && made.view) made.view.where = told.answer;
    if (!view || drawn.get(made) === mark) return;
    drawn.set(made, mark);
    const named = (text) => (suffix ? `${text} (${suffix})` : text);
    fillSection(made, { ...view, lang: told.lang, where: told.answer, title: named(view.title), table: { ...view.table, caption: named(view.table.caption) } }, charts.draw);
    made.help.hidden = true;
  };
  const controls = (chosen) => {
    for (const [id, value] of Object.entries(chosen)) selects[id]?.pick(value);
    rule.show(chosen);
    eligibility.show(chosen);
    box.show(chosen.box);
  };
  const preview = (chosen) => {
    const found = students.look(chosen);
    controls(chosen);
    points.show(chosen, found);
    counts.show(counted(page, found, chosen), chosen);
    root.setAttribute("aria-busy", "true");
  };
  const lost = () => {
    problem.hidden = false;
    root.setAttribute("aria-busy", "false");
  };
  const show = () => {
    problem.hidden = true;
    if (!ask.answered()) return;
    stray.hidden = !model.get("stray");
    const view = model.get("view");
    controls(view.selection);
    points.show(view.selection, students.look(view.selection));
    points.canvas.setAttribute("aria-label", view.alt);
    counts.show(view.counts, view.selection);
    fillAnswer(answer, view.answer);
    const pair = view.rival.length ? [words.chosen.toLowerCase(), words.compared.toLowerCase()] : ["", ""];
    view.sections.forEach((part, rank) => {
      fill(parts[2 * rank], part, pair[0], view);
      fill(parts[2 * rank + 1], view.rival[rank], pair[1], view);
    });
    fillTable(listed, { ...view.students, caption: words.students });
    code.line.textContent = view.code;
    root.setAttribute("aria-busy", "false");
    root.dataset.views = String(Number(root.dataset.views ?? 0) + 1);
  };
  el.append(root);
  show();
  model.on("change:view", show);
  model.on("lost", () => { if (ask.answered()) lost(); });
  return () => { charts.stop(); points.stop(); };
}

export default { render: renderExplorer };
