// The board's page, in all editions: it says which selection it wants, and shows the view that it gets.
// `model` is any object with get, set, save_changes, on and send: a Jupyter widget in a notebook, and in the served
// editions the Model of page.js, whose scripts follow this one in the same file.

// Cards stand two and two; one that would stand alone takes the whole width, as the flows do.
function pair(cards) {
  let alone = null;
  for (const card of cards) {
    const wide = card.matches(".nba-section-flows, .nba-section-receiving");
    if (wide) alone?.classList.add("nba-wide");
    alone = wide || alone ? null : card;
  }
  alone?.classList.add("nba-wide");
}

function fillTiles(node, tiles) {
  node.style.setProperty("--nba-abreast", tiles.length);
  node.style.setProperty("--nba-half", tiles.length > 3 ? Math.ceil(tiles.length / 2) : tiles.length);
  node.replaceChildren(
    ...tiles.map((tile) =>
      make("div", { class: "nba-tile", "data-tile": tile.id },
        make("dt", {}, tied(tile.label)),
        make("dd", { class: "nba-value" }, tile.value),
        make("dd", { class: "nba-note" }, tied(tile.note)))),
  );
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
  const cards = [read, ...(first ? [first] : []), ...rest];
  pair(cards);
  const measures = explanation(page.words["about.title"], page.about, "nba-card nba-about");
  const results = make("div", { class: "nba-results" }, tiles, ...cards, measures);

  let waiting = 0;
  const choose = (filter, value) => {
    model.set("selection", { ...model.get("selection"), [filter]: value });
    model.save_changes();
    root.setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(() => showProblem({ text: page.words["page.lost"], remove: [] }), 15000);
  };
  const { bar, selects } = filterBar(page, choose);
  charts.wakeBy(bar);
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
    const ways = buttons.length ? [make("div", { class: "nba-ways" }, ...buttons)] : [];
    problem.replaceChildren(...(trouble ? [make("p", {}, trouble.text), ...ways] : []));
  };

  const pick = (selection) => Object.entries(selection).forEach(([id, value]) => selects[id]?.pick(value));
  const show = () => {
    clearTimeout(waiting);
    const view = model.get("view");
    const pictures = view === model.opened ? model.get("pictures") : null; // they are of that view only
    stray.hidden = !model.get("stray");
    pick(view.selection);
    where.textContent = view.where;
    bar.hidden = !page.filters.length || view.problem?.remove.length === 0;
    showProblem(view.problem);
    if (!view.problem) {
      fillAnswer(answer, view.answer);
      fillTiles(tiles, view.tiles);
      words.replaceChildren(...view.reading.map((text) => make("p", {}, tied(text))));
      for (const part of view.sections) fillSection(sections.get(part.id), { ...part, lang: view.lang, where: view.where, pictures: pictures?.[part.id] }, charts.draw);
    }
    root.setAttribute("aria-busy", "false");
    root.dataset.views = String(Number(root.dataset.views ?? 0) + 1);
  };

  el.append(root);
  show();
  model.on("lost", () => {
    clearTimeout(waiting);
    root.setAttribute("aria-busy", "false");
    pick(model.get("selection"));
    where.textContent = "";
    showProblem({ text: page.words["page.lost"], remove: [] });
  });
  model.on("change:view", show);
  return () => {
    clearTimeout(waiting);
    charts.stop();
  };
}

export default { render };
