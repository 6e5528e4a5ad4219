// What the explorer's page knows of each student. Points and counts follow the pointer without asking the kernel, which
// then answers with the rest, and with counts of its own made by the same rule (pages/explorer.py).

function roster({ points, filters, threshold, eligibility }) {
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer;
  const numbers = (text) => new Float64Array(bytes(text));
  const codes = (text) => new Uint16Array(bytes(text));
  const [x, y] = [numbers(points.x), numbers(points.y)];
  const places = Object.entries(points.places).map(([name, text]) => [name, codes(text)]);
  const ends = ["start", "end"].map((end) => Object.fromEntries(Object.entries(points[end]).map(([name, text]) => [name, codes(text)])));
  const size = x.length;

  // Which students are eligible at a term: by the rule as declared, or by passes and required subjects.
  function eligible({ declared, passes, met }, chosen) {
    if (chosen.passes === "*" && chosen.required === "*") return declared;
    const least = chosen.passes === "*" ? eligibility.least : Number(chosen.passes);
    const wanted = eligibility.demands.reduce((sum, _, rank) => sum + (chosen.required[rank] === "0" ? 0 : 2 ** rank), 0);
    const found = new Uint8Array(size);
    for (let i = 0; i < size; i += 1) found[i] = passes[i] >= least && (met[i] & wanted) === wanted;
    return found;
  }

  // The group of each student; 0 where the change that would tell it is not known.
  function groups(chosen) {
    const [start, end] = ends.map((held) => eligible(held, chosen));
    const none = chosen.threshold === "*" ? 0 : Number(chosen.threshold);
    const negative = chosen.no_change === "negative";
    const found = new Uint8Array(size);
    for (let i = 0; i < size; i += 1) {
      const change = y[i] - x[i];
      const positive = negative ? change > none : change >= -none;
      if (start[i] && !end[i]) found[i] = 6;
      else if (!start[i] && end[i]) found[i] = 5;
      else if (Number.isNaN(change)) found[i] = 0;
      else if (start[i]) found[i] = positive ? 1 : 2;
      else found[i] = positive ? 4 : 3;
    }
    return found;
  }

  function within(chosen, found) {
    const kept = found.map((group) => Number(group > 0));
    for (const [name, held] of places) {
      if ((chosen[name] ?? "*") === "*") continue;
      const code = filters.find(({ id }) => id === name).options.findIndex(({ value }) => value === chosen[name]) - 1;
      for (let i = 0; i < size; i += 1) if (held[i] !== code) kept[i] = 0;
    }
    return kept;
  }

  // Those shown who are in the group and the box chosen.
  function picked({ group, box }, found, here) {
    const only = (group ?? "*") === "*" ? 0 : Number(group);
    const [a, b, c, d] = (box ?? "*") === "*" ? [-Infinity, Infinity, -Infinity, Infinity] : box.split(",").map(Number);
    const [left, right, low, high] = [Math.min(a, b), Math.max(a, b), Math.min(c, d), Math.max(c, d)];
    const every = (box ?? "*") === "*";
    return here.map((kept, i) => Number(kept && (!only || found[i] === only)
      && (every || (x[i] >= left && x[i] <= right && y[i] >= low && y[i] <= high))));
  }

  return {
    x,
    y,
    // The groups, who is in the cohort or school chosen, who of them is in the group and the box, and who in the one compared with.
    look(chosen) {
      const found = groups(chosen);
      const [name, code] = (chosen.other ?? "*").split(/:(.*)/s);
      const here = within(chosen, found);
      return { groups: found, here, picked: picked(chosen, found, here), other: code === undefined ? null : within({ ...chosen, [name]: code }, found) };
    },
  };
}
