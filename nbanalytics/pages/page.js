// What the two served editions share: the page's state, with its filters in the address (#cohort=2018&sex=girl).

class Model {
  constructor(state) {
    Object.assign(this, { state, listeners: new Map(), start: state.selection, opened: state.view });
  }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; }
  on(event, listener) { this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]); }
  tell(event) { for (const listener of this.listeners.get(event) ?? []) listener(); }
  send() {}

  // Whether it has what the page opens with.
  get ready() { return true; }

  // A choice goes into the address, and from there to whoever knows its view: the back button takes the same way.
  save_changes() {
    const chosen = Object.entries(this.state.selection).filter(([, value]) => value !== "*");
    const wanted = new URLSearchParams(chosen).toString();
    if (wanted === location.hash.slice(1)) this.ask(this.state.selection);
    else location.hash = wanted;
  }

  // Resolves to false if the address names no selection, as the link past the header does.
  async follow() {
    const text = location.hash.slice(1);
    if (text && !text.includes("=")) return false;
    const selection = { ...this.start };
    let stray = false;
    for (const [name, value] of new URLSearchParams(text)) {
      const filter = this.state.page.filters.find(({ id }) => id === name);
      const fits = filter?.pattern ? new RegExp(`^(?:${filter.pattern})$`).test(value) : filter?.options.some((option) => option.value === value);
      if (fits) selection[name] = value;
      else stray = true;
    }
    Object.assign(this.state, { selection, stray });
    await this.ask(this.state.selection);
    return true;
  }

  show(view) {
    this.state.view = view;
    this.tell("change:view");
  }
}

// A link to a filtered view opens that view: nothing else is drawn before it.
async function mountPages(modelOf) {
  for (const mount of document.querySelectorAll("[data-nba-model]")) {
    const model = modelOf(JSON.parse(mount.querySelector("script").textContent), mount);
    if (location.hash.includes("=")) await model.follow();
    else if (!model.ready) await model.ask(model.get("selection"));
    mount.replaceChildren();
    board.render({ model, el: mount });
    if (model.failed) model.tell("lost");
    addEventListener("hashchange", () => model.follow());
  }
}

// The same view in the other language: the filters in the address go along.
for (const link of document.querySelectorAll("a[data-nba-switch]")) {
  link.addEventListener("click", () => { link.hash = location.hash; });
}
