// A page of the static edition: the view it opens with is in the page, others are in scripts beside it (no `fetch`, so
// that the page also opens from a folder), loaded when one of their views is chosen.

const stores = new Map();

function load(address) {
  const script = make("script", { src: address, async: true });
  const loaded = new Promise((done, failed) => {
    script.addEventListener("load", done, { once: true });
    script.addEventListener("error", failed, { once: true });
  });
  loaded.catch(() => script.remove());
  document.head.append(script);
  return loaded;
}

window.nbanalyticsViews = (name, views) => stores.set(name, views);

class StaticModel extends Model {
  constructor(state) {
    super(state);
    this.opening = { key: this.key(state.selection), view: state.view };
    // Most people choose one filter: those views are fetched while the first is read.
    if (state.page.filters.length) addEventListener("load", () => setTimeout(() => this.store("one").catch(() => {}), 400), { once: true });
  }

  // A view is named by the places of its values in the filters: 0 is all.
  key(selection) {
    return this.places(selection).join(".");
  }
  places(selection) {
    return this.state.page.filters.map(({ id, options }) => options.findIndex(({ value }) => value === selection[id]));
  }

  async store(name) {
    const full = `${this.state.data}/${name}`;
    if (!stores.has(full)) await load(`${this.state.root}${full}.js`);
    return stores.get(full);
  }

  async ask(selection) {
    const key = this.key(selection);
    this.failed = false;
    try {
      const view = await this.find(key, this.places(selection), selection);
      if (key === this.key(this.state.selection)) this.show(view);
    } catch {
      this.failed = true;
      this.tell("lost");
    }
  }

  async find(key, places, selection) {
    if (key === this.opening.key) return this.opening.view;
    const chosen = places.flatMap((place, filter) => (place > 0 ? [filter] : []));
    if (chosen.length > this.state.page.most) return this.undeclared(selection);
    const store = await this.store(chosen.length === 1 ? "one" : `${chosen[0]}-${places[chosen[0]]}`);
    return store[key];
  }

  undeclared(selection) {
    const { text, remove } = this.state.page.undeclared;
    const chosen = Object.entries(selection).filter(([, value]) => value !== "*");
    const ways = chosen.map(([filter, value]) => ({ filter, label: remove[filter][value] }));
    return { selection, problem: { text, remove: ways }, where: "", answer: "", tiles: [], sections: [], reading: [] };
  }
}

mountPages((state) => new StaticModel(state));
