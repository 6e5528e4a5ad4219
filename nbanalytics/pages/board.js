// The board's page. It shows what it is given (every word and number is text already) and says which selection it wants.
// `model` is any object with get, set, save_changes, on and send: a Jupyter widget in a notebook, and in the served
// editions the Model of page.js, whose scripts follow this one in the same file.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};

// The page loads Plotly once in its head; in JupyterLab there is no such page, and the kernel hands the script over.
let handed = null;
async function plotly(model) {
  const tag = document.querySelector("script[data-nba-plotly]");
  if (!window.Plotly && tag) {
    await new Promise((done) => {
      tag.addEventListener("load", done, { once: true });
      tag.addEventListener("error", done, { once: true });
      if (window.Plotly || document.readyState === "complete") done();
    });
  }
  if (window.Plotly) return window.Plotly;
  handed ??= new Promise((done) => {
    model.on("msg:custom", (message, buffers) => {
      if (message.kind !== "plotly") return;
      const source = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      const script = make("script", { src: source });
      script.addEventListener("load", () => done(window.Plotly), { once: true });
      document.head.append(script);
    });
    model.send({ kind: "plotly" });
  });
  return handed;
}

function filterBar(page, onChoose) {
  const selects = {};
  const bar = make("form", { class: "nba-filters", "aria-label": page.words["filters.title"] });
  bar.addEventListener("submit", (event) => event.preventDefault());
  for (const filter of page.filters) {
    const select = make("select", { id: `nba-filter-${filter.id}`, name: filter.id, autocomplete: "off" });
    for (const option of filter.options) select.append(make("option", { value: option.value }, option.label));
    // A native list cuts a long name off; the whole of it is written over the list, on as many lines as it takes.
    const chosen = make("span", { class: "nba-chosen", "aria-hidden": "true" });
    const name = () => chosen.replaceChildren(select.selectedOptions[0]?.textContent ?? "");
    select.addEventListener("change", () => {
      name();
      onChoose(filter.id, select.value);
    });
    selects[filter.id] = { focus: () => select.focus(), pick: (value) => { select.value = value; name(); } };
    const list = make("div", { class: "nba-pick" }, select, chosen);
    bar.append(make("div", { class: "nba-filter" }, make("label", { for: select.id }, filter.label), list));
  }
  bar.append(make("p", { class: "nba-hint" }, page.words["filters.hint"]));
  return { bar, selects };
}

// Terms and what they mean, under a summary.
function explanation(summary, entries, kind = "nba-help") {
  const list = make("dl", {}, ...entries.flatMap(({ term, text }) => [make("dt", {}, term), make("dd", {}, text)]));
  return make("details", { class: kind }, make("summary", {}, summary), list);
}

function section(id, words, charts) {
  const parts = {
    title: make("h2", { id: `nba-title-${id}` }),
    lead: make("p", { class: "nba-lead" }),
    chart: make("div", { class: "nba-chart", role: "img", tabindex: "0" }),
    pointed: make("p", { class: "nba-pointed", role: "status" }),
    empty: make("p", { class: "nba-empty", hidden: true }),
    hidden: make("p", { class: "nba-hidden" }),
    summary: make("summary"),
    caption: make("caption"),
    head: make("thead"),
    body: make("tbody"),
    help: make("div"),
    downloads: make("div", { class: "nba-downloads", role: "group", "data-word": words["download.title"] }),
  };
  charts.walk(parts, words["chart.keys"]);
  parts.downloads.append(make("span", { "aria-hidden": "true" }, `${words["download.title"]}:`));
  for (const kind of ["csv", "png", "svg"]) {
    const button = make("button", { type: "button", class: "nba-plain", "data-kind": kind }, words[`download.${kind}`]);
    button.addEventListener("click", () => (kind === "csv" ? saveTable(parts) : charts.save(parts, kind)));
    parts.downloads.append(button);
  }
  const table = make("table", {}, parts.caption, parts.head, parts.body);
  parts.scroll = make("div", { class: "nba-scroll", tabindex: "0", role: "region" }, table);
  parts.frame = make("div", { class: `nba-frame nba-frame-${id}` }, parts.chart);
  // Charts that are wider than a telephone are swiped, and reached with the keyboard.
  const wide = id === "flows" || id === "subjects";
  if (wide) parts.swipe = make("p", { class: "nba-swipe", "aria-hidden": "true" });
  if (wide) Object.entries({ tabindex: "0", role: "region", "data-word": words["chart.region"] }).forEach((pair) => parts.frame.setAttribute(...pair));
  parts.details = make("details", { class: "nba-table" }, parts.summary, parts.scroll);
  parts.node = make(
    "section",
    { class: `nba-card nba-section-${id}`, "aria-labelledby": parts.title.id },
    parts.title, parts.lead, parts.frame, parts.swipe ?? "", parts.pointed, parts.empty, parts.hidden,
    parts.details, parts.help, parts.downloads,
  );
  return parts;
}

function fillTable(parts, table) {
  parts.summary.textContent = table.caption;
  parts.caption.textContent = table.caption;
  parts.scroll.setAttribute("aria-label", table.caption);
  const kind = (column) => (column < table.words ? "nba-word" : "nba-number");
  parts.head.replaceChildren(
    make("tr", {}, ...table.columns.map((text, i) => make("th", { scope: "col", class: kind(i) }, text))),
  );
  parts.body.replaceChildren(
    ...table.rows.map((row) =>
      make("tr", {}, ...row.map((text, i) =>
        i === 0 ? make("th", { scope: "row", class: kind(i) }, text) : make("td", { class: kind(i) }, text))),
    ),
  );
}

function save(address, name) {
  const link = make("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

const fileName = (parts, kind) => `${parts.title.textContent.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-")}.${kind}`;

// As spreadsheets read it: numbers without separators of thousands, semicolons where the comma is in the numbers.
function saveTable(parts) {
  const { table, lang } = parts.view;
  const [cut, between] = lang === "en" ? [/[\u00a0,]/g, ","] : [/[\u00a0\u202f]/g, ";"];
  const cell = (text, column) => {
    const plain = column < table.words ? text.replaceAll("\u00a0", " ") : text.replace(cut, "");
    // A name that begins like a formula is kept from being one.
    const safe = /^[=+\-@\t\r]/.test(plain) && column < table.words ? `'${plain}` : plain;
    return safe.includes(between) || /["\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const heads = table.columns.map((text) => cell(text, -1));
  const lines = [heads, ...table.rows.map((row) => row.map(cell))].map((row) => row.join(between));
  const file = URL.createObjectURL(new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" }));
  save(file, fileName(parts, "csv"));
  setTimeout(() => URL.revokeObjectURL(file), 1000);
}

function fillSection(parts, view, draw) {
  parts.view = view;
  parts.title.textContent = view.title;
  parts.lead.textContent = view.lead;
  parts.hidden.textContent = view.hidden;
  parts.empty.textContent = view.empty;
  parts.empty.hidden = !view.empty;
  parts.frame.hidden = Boolean(view.empty);
  parts.details.hidden = view.table.rows.length === 0;
  if (parts.swipe) {
    parts.swipe.textContent = view.empty ? "" : view.swipe;
    parts.frame.setAttribute("aria-label", `${parts.frame.dataset.word}: ${view.title}`);
  }
  parts.chart.setAttribute("aria-label", view.alt);
  parts.chart.style.height = `${view.figure.layout.height}px`;
  parts.pointed.textContent = "";
  const open = parts.help.firstChild?.open;
  parts.help.replaceChildren(explanation(view.help_title, view.help));
  parts.help.firstChild.open = Boolean(open);
  parts.downloads.hidden = view.table.rows.length === 0;
  parts.downloads.setAttribute("aria-label", `${parts.downloads.dataset.word}: ${view.title}`);
  for (const button of parts.downloads.querySelectorAll("button")) button.hidden = Boolean(view.empty) && button.dataset.kind !== "csv";
  fillTable(parts, view.table);
  if (!view.empty) draw(parts.chart, view.figure);
}

// Figures are described in light colours; on a page in dark ones each colour has another that stands for it.
function recolour(figure, dark) {
  const numbers = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",");
  const pairs = Object.entries(dark).flatMap(([light, other]) => [
    [light, other],
    [`rgba(${numbers(light)},`, `rgba(${numbers(other)},`],
  ]);
  const known = new Map(pairs);
  const text = JSON.stringify(figure).replace(/#[0-9a-f]{6}\b|rgba\(\d+,\d+,\d+,/g, (found) => known.get(found) ?? found);
  return JSON.parse(text);
}

// Every mark of a chart that has something to tell, in the order of its traces.
function marksOf(figure) {
  const found = [];
  const add = (hints, at) => hints?.forEach((hint, rank) => {
    if (Array.isArray(hint)) add(hint, (column) => at([rank, column]));
    else if (hint) found.push({ text: hint.replace(/<[^>]*>/g, " "), at: at(rank) });
  });
  figure.data.forEach((trace, curveNumber) => {
    if (trace.type === "sankey") [trace.node, trace.link].forEach((part) => add(part.customdata, () => null));
    else if (trace.hoverinfo !== "skip") add(trace.customdata, (pointNumber) => ({ curveNumber, pointNumber }));
  });
  return found;
}

function drawer(model, page) {
  const wanted = new Map();
  const config = { displayModeBar: false, scrollZoom: false, doubleClick: false, showTips: false, locale: page.lang };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const served = document.body.classList.contains("nba-page"); // JupyterLab has colours of its own
  const inColours = (figure) => (served && dark.matches && !paper.matches ? recolour(figure, page.dark) : figure);
  const paint = async (node) => {
    const library = window.Plotly ?? (await plotly(model));
    const figure = wanted.get(node);
    if (!figure || !node.isConnected || node.clientWidth === 0) return;
    const { data, layout } = inColours(figure);
    // A Sankey would glide to its new places; the bars behind it do not, so it is drawn anew.
    if (data.some((trace) => trace.type === "sankey")) library.purge(node);
    await library.react(node, data, { ...layout, width: node.clientWidth }, config);
    // On paper the drawing takes the width that there is.
    const box = `0 0 ${node.clientWidth} ${layout.height}`;
    for (const drawing of node.querySelectorAll(".main-svg")) drawing.setAttribute("viewBox", box);
    node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
  };
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (paper.matches || target.clientWidth === Number(target.dataset.width)) continue;
      target.dataset.width = target.clientWidth;
      paint(target);
    }
  });
  const again = () => wanted.forEach((_, node) => paint(node));
  const lighten = () => served && dark.matches && again();
  dark.addEventListener("change", again);
  paper.addEventListener("change", lighten);
  return {
    draw(node, figure) {
      const known = wanted.has(node);
      wanted.set(node, figure);
      if (known) paint(node);
      else watch.observe(node);
    },
    // The keyboard reads what the pointer does: the arrow keys go from mark to mark.
    walk({ chart, pointed }, hint) {
      let place = -1;
      chart.addEventListener("focus", () => { place = -1; pointed.textContent = hint; });
      chart.addEventListener("blur", () => {
        pointed.textContent = "";
        if (chart._fullLayout) window.Plotly?.Fx.unhover(chart);
      });
      chart.addEventListener("keydown", (event) => {
        const marks = wanted.has(chart) ? marksOf(wanted.get(chart)) : [];
        const steps = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1, Home: 0, End: marks.length - 1 };
        if (!marks.length || !(event.key in steps)) return;
        event.preventDefault();
        place = Math.min(Math.max(steps[event.key], 0), marks.length - 1);
        pointed.textContent = marks[place].text;
        if (marks[place].at) window.Plotly?.Fx.hover(chart, [marks[place].at]);
      });
    },
    // A picture carries its title and where it comes from, in light colours.
    async save(parts, format) {
      const library = await plotly(model);
      const { data, layout } = wanted.get(parts.chart);
      const width = Math.max(parts.chart.clientWidth, 640);
      const [top, bottom] = [48, 44];
      const source = (where) => [where, page.publication].map((text) => text.replace(/[<>&]/g, " ")).join("<br>");
      const margin = { ...layout.margin, t: layout.margin.t + top, b: layout.margin.b + bottom };
      const title = { text: parts.title.textContent, x: 0.01, y: 1, yref: "container", yanchor: "top", pad: { t: 14 }, font: { size: 18 } };
      const note = { text: source(parts.view.where), x: 0, y: 0, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", yshift: -margin.b + 4, align: "left", showarrow: false, font: { size: 12 } };
      const framed = { ...layout, width, height: layout.height + top + bottom, margin, title, annotations: [...(layout.annotations ?? []), note] };
      const picture = await library.toImage({ data, layout: framed, config }, { format, width, height: framed.height, scale: format === "png" ? 2 : 1 });
      save(picture, fileName(parts, format));
    },
    stop() {
      watch.disconnect();
      dark.removeEventListener("change", again);
      paper.removeEventListener("change", lighten);
      for (const node of wanted.keys()) window.Plotly?.purge(node);
    },
  };
}

function render({ model, el }) {
  const page = model.get("page");
  const charts = drawer(model, page);
  const sections = new Map(page.sections.map((id) => [id, section(id, page.words, charts)]));
  const answer = make("p", { class: "nba-answer" });
  const where = make("p", { class: "nba-where", role: "status" });
  const stray = make("p", { class: "nba-stray", role: "status", hidden: true }, page.words["page.stray"]);
  const problem = make("div", { class: "nba-problem", role: "alert", hidden: true });
  const tiles = make("dl", { class: "nba-tiles", "aria-label": page.words["tiles.title"] });
  const words = make("div", { class: "nba-reading-text" });
  const read = make(
    "section",
    { class: "nba-card nba-reading", "aria-labelledby": "nba-title-reading" },
    make("h2", { id: "nba-title-reading" }, page.words["reading.title"]), words,
  );
  const [first, ...rest] = [...sections.values()].map((parts) => parts.node);
  const measures = explanation(page.words["about.title"], page.about, "nba-card nba-about");
  const results = make("div", { class: "nba-results" }, tiles, first, read, ...rest, measures);

  let waiting = 0;
  const choose = (filter, value) => {
    model.set("selection", { ...model.get("selection"), [filter]: value });
    model.save_changes();
    root.setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(() => showProblem({ text: page.words["page.lost"], remove: [] }), 15000);
  };
  const { bar, selects } = filterBar(page, choose);
  const root = make("div", { class: "nba-board", lang: page.lang }, answer, bar, stray, where, problem, results);
  if (page.words.notice) root.prepend(make("p", { class: "nba-notice" }, page.words.notice));

  const showProblem = (trouble) => {
    problem.hidden = !trouble;
    results.hidden = Boolean(trouble);
    answer.hidden = Boolean(trouble);
    const buttons = (trouble?.remove ?? []).map((way) => {
      const button = make("button", { type: "button", class: "nba-button" }, way.label);
      button.addEventListener("click", () => {
        choose(way.filter, "*");
        selects[way.filter].focus();
      });
      return button;
    });
    problem.replaceChildren(...(trouble ? [make("p", {}, trouble.text), make("div", { class: "nba-ways" }, ...buttons)] : []));
  };

  const show = () => {
    clearTimeout(waiting);
    const view = model.get("view");
    stray.hidden = !model.get("stray");
    for (const [id, value] of Object.entries(view.selection)) selects[id]?.pick(value);
    where.textContent = view.where;
    showProblem(view.problem);
    if (!view.problem) {
      answer.textContent = view.answer;
      tiles.replaceChildren(
        ...view.tiles.map((tile) =>
          make("div", { class: "nba-tile", "data-tile": tile.id },
            make("dt", {}, tile.label),
            make("dd", { class: "nba-value" }, tile.value),
            make("dd", { class: "nba-note" }, tile.note))),
      );
      words.replaceChildren(...view.reading.map((text) => make("p", {}, text)));
      for (const part of view.sections) fillSection(sections.get(part.id), { ...part, lang: view.lang, where: view.where }, charts.draw);
    }
    root.setAttribute("aria-busy", "false");
    root.dataset.views = String(Number(root.dataset.views ?? 0) + 1);
  };

  el.append(root);
  show();
  model.on("lost", () => {
    clearTimeout(waiting);
    root.setAttribute("aria-busy", "false");
    showProblem({ text: page.words["page.lost"], remove: [] });
  });
  model.on("change:view", show);
  return () => {
    clearTimeout(waiting);
    charts.stop();
  };
}

export default { render };
