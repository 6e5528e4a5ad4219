// The pieces of every page: filters, and sections with a chart, its words and its table. Pages show what they are given:
// every word and number is text already.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};

// A number stays with the word before it, and a sign of per cent with its number: no line begins with the 6 of year 6,
// and none ends with "95 %-".
const tied = (text) => text.replace(/ (?=%|\d(?![\d\u00a0]|[.,]\d))/g, "\u00a0").replaceAll("%-", "%\u2011");

// The first sentence is the answer; what follows says more of it.
function fillAnswer(node, text) {
  const [first, ...more] = tied(text).split(/(?<=[.?!]) (?=\p{Lu})/u);
  node.replaceChildren(first, ...(more.length ? [" ", make("span", {}, more.join(" "))] : []));
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

// A short word to see, and for the ear and on paper what it is about.
const named = (word, title) => [word, make("span", { class: "nba-hush" }, `: ${title}`)];

// Terms and what they mean, under a summary.
function explanation(summary, entries, kind = "nba-help") {
  const list = make("dl", {}, ...entries.flatMap(({ term, text }) => [make("dt", {}, term), make("dd", {}, tied(text))]));
  return make("details", { class: kind }, make("summary", {}, ...[summary].flat()), list);
}

function section(id, words, charts, kind = id) {
  const parts = {
    title: make("h2", { id: `nba-title-${id}` }),
    lead: make("p", { class: "nba-lead" }),
    chart: make("div", { class: "nba-chart", role: "img", tabindex: "0" }),
    pointed: make("p", { class: "nba-pointed", role: "status" }),
    empty: make("p", { class: "nba-empty", hidden: true }),
    source: make("p", { class: "nba-source" }),
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
  parts.frame = make("div", { class: `nba-frame nba-frame-${kind}` }, parts.chart);
  parts.plot = make("div", { class: "nba-plot" }, parts.frame, parts.pointed);
  // Charts that are wider than a telephone are swiped, and reached with the keyboard.
  const wide = kind === "flows" || kind === "subjects";
  if (wide) parts.swipe = make("p", { class: "nba-swipe", "aria-hidden": "true" });
  if (wide) Object.entries({ tabindex: "0", role: "region", "data-word": words["chart.region"] }).forEach((pair) => parts.frame.setAttribute(...pair));
  parts.details = make("details", { class: "nba-table" }, parts.summary, parts.scroll);
  parts.node = make(
    "section",
    { class: `nba-card nba-section-${kind}`, "aria-labelledby": parts.title.id },
    parts.title, parts.lead, parts.swipe ?? "", parts.plot, parts.empty, parts.source,
    parts.details, parts.help, parts.downloads,
  );
  return parts;
}

const isWord = ({ words, words_right: right, columns }, column) => column < words || column >= columns.length - right;

// An estimate has its interval beneath it; a file has the bounds in columns of their own (downloads.js).
function withInterval(text, low, high) {
  if (low === undefined || !/\d/.test(low)) return [text];
  return [text, " ", make("span", { class: "nba-interval" }, `(${low} – ${high})`)];
}

function fillTable(parts, table) {
  parts.summary.textContent = table.caption;
  parts.caption.textContent = table.caption;
  parts.scroll.setAttribute("aria-label", table.caption);
  const kind = (column) => (isWord(table, column) ? "nba-word" : "nba-number");
  const { intervals } = table;
  const shown = table.columns.map((_, i) => i).filter((i) => !(i in intervals || i - 1 in intervals));
  const head = (i) => [tied(table.columns[i]).replaceAll("-", "\u2011"), ...(i + 1 in intervals ? [" ", make("span", { class: "nba-interval" }, tied(intervals[i + 1]))] : [])];
  const cell = (row, i) => withInterval(row[i], ...(i + 1 in intervals ? row.slice(i + 1, i + 3) : []));
  parts.head.replaceChildren(
    make("tr", {}, ...shown.map((i) => make("th", { scope: "col", class: kind(i) }, ...head(i)))),
  );
  parts.body.replaceChildren(
    ...table.rows.map((row) =>
      make("tr", {}, ...shown.map((i) =>
        i === 0 ? make("th", { scope: "row", class: kind(i) }, row[i]) : make("td", { class: kind(i) }, ...cell(row, i)))),
    ),
  );
}

function fillSection(parts, view, draw) {
  parts.view = view;
  parts.title.textContent = tied(view.headline || view.title);
  parts.lead.textContent = tied(view.lead);
  parts.source.textContent = tied(view.source);
  parts.empty.textContent = view.empty;
  parts.empty.hidden = !view.empty;
  parts.plot.hidden = Boolean(view.empty);
  parts.details.hidden = view.table.rows.length === 0;
  if (parts.swipe) {
    parts.swipe.textContent = view.empty ? "" : view.swipe;
    parts.frame.setAttribute("aria-label", `${parts.frame.dataset.word}: ${view.title}`);
  }
  parts.chart.setAttribute("aria-label", view.alt);
  parts.chart.style.height = `${view.figure.layout.height}px`;
  parts.chart.style.setProperty("--nba-height", view.figure.layout.height);
  parts.pointed.textContent = "";
  const open = parts.help.firstChild?.open;
  parts.help.replaceChildren(explanation(named(view.help_title, view.title), view.help));
  parts.help.firstChild.open = Boolean(open);
  parts.downloads.hidden = view.table.rows.length === 0;
  parts.downloads.setAttribute("aria-label", `${parts.downloads.dataset.word}: ${view.title}`);
  for (const button of parts.downloads.querySelectorAll("button")) button.hidden = Boolean(view.empty) && button.dataset.kind !== "csv";
  fillTable(parts, view.table);
  if (view.table.summary) parts.summary.replaceChildren(...named(view.table.summary, view.title));
  if (!view.empty) draw(parts.chart, view.figure, view.pictures);
}
