// Charts: drawn by the page's one Plotly, in the page's colours, and read with the keyboard.

// A page names where its one Plotly is; in JupyterLab there is no such page, and the kernel hands the script over.
let library = null;
function plotly(model) {
  const run = (source) => {
    const script = make("script", { src: source });
    const loaded = new Promise((done, failed) => {
      script.addEventListener("load", () => done(window.Plotly), { once: true });
      script.addEventListener("error", failed, { once: true });
    });
    loaded.catch(() => { library = null; script.remove(); }); // the next touch tries again
    document.head.append(script);
    return loaded;
  };
  const address = document.querySelector('meta[name="nba-plotly"]')?.content;
  library ??= window.Plotly ? Promise.resolve(window.Plotly) : address ? run(address) : new Promise((done) => {
    model.on("msg:custom", (message, buffers) => {
      if (message.kind === "plotly") done(run(URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }))));
    });
    model.send({ kind: "plotly" });
  });
  return library;
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

const PAPER = 680; // pixels between the margins of A4

// Until somebody touches the page a chart is the picture that came with it: the widest that has room.
function place(node, pictures) {
  const [width, picture] = pictures.findLast(([width]) => width <= node.clientWidth) ?? pictures[0];
  if (node.dataset.still === String(width)) return;
  node.innerHTML = picture;
  node.dataset.still = width;
}

function forget(node) {
  node.replaceChildren();
  delete node.dataset.still;
}

function drawer(model, page) {
  const wanted = new Map();
  const stills = new Map();
  let awake = Boolean(window.Plotly);
  const config = { displayModeBar: false, scrollZoom: false, doubleClick: false, showTips: false, locale: page.lang };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const served = document.body.classList.contains("nba-page"); // JupyterLab has colours of its own
  const inColours = (figure) => (served && dark.matches && !paper.matches ? recolour(figure, page.dark) : figure);
  const paint = async (node) => {
    if (stills.has(node) && !awake) return place(node, stills.get(node));
    const library = await plotly(model).catch(() => null);
    const figure = wanted.get(node);
    if (!library || !figure || !node.isConnected || node.clientWidth === 0) return;
    if (stills.delete(node)) forget(node);
    const { data, layout } = inColours(figure);
    const width = paper.matches ? Math.min(node.clientWidth, PAPER) : node.clientWidth;
    // A Sankey would glide to its new places; the bars behind it do not, so it is drawn anew.
    if (data.some((trace) => trace.type === "sankey")) library.purge(node);
    await library.react(node, data, { ...layout, width }, config);
    // On paper the drawing takes the width that there is.
    const box = `0 0 ${width} ${layout.height}`;
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
  // The first touch, of a chart or of what changes it, brings Plotly; the pictures stay until it is there.
  const wake = () => {
    if (awake) return;
    plotly(model).then(() => { awake = true; again(); }, () => {});
  };
  const wakeBy = (node) => ["pointerover", "focusin"].forEach((kind) => node.addEventListener(kind, wake));
  const print = () => served && again();
  dark.addEventListener("change", again);
  paper.addEventListener("change", print);
  return {
    wakeBy,
    draw(node, figure, pictures) {
      const known = wanted.has(node);
      wanted.set(node, figure);
      if (pictures && !awake) {
        stills.set(node, pictures);
        wakeBy(node);
      } else {
        awake = true;
        if (stills.delete(node)) forget(node); // it shows other numbers
      }
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
        const { at } = marks[place];
        if (!at) return;
        const { xaxis = "x", yaxis = "y" } = wanted.get(chart).data[at.curveNumber]; // Plotly looks at the first axes alone
        window.Plotly?.Fx.hover(chart, [at], xaxis + yaxis);
      });
    },
    async save(parts, format) {
      await savePicture(parts, format, await plotly(model), wanted.get(parts.chart), config, page.publication);
    },
    stop() {
      watch.disconnect();
      dark.removeEventListener("change", again);
      paper.removeEventListener("change", print);
      for (const node of wanted.keys()) window.Plotly?.purge(node);
    },
  };
}
