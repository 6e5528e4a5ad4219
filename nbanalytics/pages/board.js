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
    select.addEventListener("change", () => onChoose(filter.id, select.value));
    selects[filter.id] = select;
    bar.append(make("div", { class: "nba-filter" }, make("label", { for: select.id }, filter.label), select));
  }
  bar.append(make("p", { class: "nba-hint" }, page.words["filters.hint"]));
  return { bar, selects };
}

function section(id) {
  const parts = {
    title: make("h2", { id: `nba-title-${id}` }),
    lead: make("p", { class: "nba-lead" }),
    chart: make("div", { class: "nba-chart", role: "img" }),
    empty: make("p", { class: "nba-empty", hidden: true }),
    hidden: make("p", { class: "nba-hidden" }),
    summary: make("summary"),
    caption: make("caption"),
    head: make("thead"),
    body: make("tbody"),
  };
  const table = make("table", {}, parts.caption, parts.head, parts.body);
  parts.scroll = make("div", { class: "nba-scroll", tabindex: "0", role: "region" }, table);
  parts.frame = make("div", { class: `nba-frame nba-frame-${id}` }, parts.chart);
  // Charts that are wider than a telephone are swiped, and reached with the keyboard.
  const wide = id === "flows" || id === "subjects";
  if (wide) parts.swipe = make("p", { class: "nba-swipe", "aria-hidden": "true" });
  if (wide) Object.entries({ tabindex: "0", role: "region" }).forEach((pair) => parts.frame.setAttribute(...pair));
  parts.details = make("details", {}, parts.summary, parts.scroll);
  parts.node = make(
    "section",
    { class: `nba-card nba-section-${id}`, "aria-labelledby": parts.title.id },
    parts.title, parts.lead, parts.frame, parts.swipe ?? "", parts.empty, parts.hidden, parts.details,
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

function fillSection(parts, view, draw) {
  parts.title.textContent = view.title;
  parts.lead.textContent = view.lead;
  parts.hidden.textContent = view.hidden;
  parts.empty.textContent = view.empty;
  parts.empty.hidden = !view.empty;
  parts.frame.hidden = Boolean(view.empty);
  parts.details.hidden = view.table.rows.length === 0;
  parts.frame.setAttribute("aria-label", view.title);
  if (parts.swipe) parts.swipe.textContent = view.empty ? "" : view.swipe;
  parts.chart.setAttribute("aria-label", view.alt);
  parts.chart.style.height = `${view.figure.layout.height}px`;
  fillTable(parts, view.table);
  if (!view.empty) draw(parts.chart, view.figure);
}

function drawer(model, lang) {
  const wanted = new Map();
  const config = { displayModeBar: false, scrollZoom: false, doubleClick: false, showTips: false, locale: lang };
  const paint = async (node) => {
    const library = await plotly(model);
    const figure = wanted.get(node);
    if (!figure || !node.isConnected || node.clientWidth === 0) return;
    // A Sankey would glide to its new places; the bars behind it do not, so it is drawn anew.
    if (figure.data.some((trace) => trace.type === "sankey")) library.purge(node);
    await library.react(node, figure.data, { ...figure.layout, width: node.clientWidth }, config);
    node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
  };
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.clientWidth !== Number(target.dataset.width)) {
        target.dataset.width = target.clientWidth;
        paint(target);
      }
    }
  });
  return {
    draw(node, figure) {
      const known = wanted.has(node);
      wanted.set(node, figure);
      if (known) paint(node);
      else watch.observe(node);
    },
    stop() {
      watch.disconnect();
      for (const node of wanted.keys()) window.Plotly?.purge(node);
    },
  };
}

function render({ model, el }) {
  const page = model.get("page");
  const charts = drawer(model, page.lang);
  const sections = new Map(page.sections.map((id) => [id, section(id)]));
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
  const results = make("div", { class: "nba-results" }, tiles, first, read, ...rest);

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
    for (const [id, value] of Object.entries(view.selection)) if (selects[id]) selects[id].value = value;
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
      for (const part of view.sections) fillSection(sections.get(part.id), part, charts.draw);
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
