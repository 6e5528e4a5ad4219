// Looks, a hundred times a second or as often as it is told, at what charts a page shows, also in shadow trees; tells
// when the first and the fourth were drawn, and how long after the last input they all stood still in their new state.
(() => {
  const STILL = 250; // milliseconds without a change after which the charts count as standing still
  const roots = [document];
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (settings) {
    const root = attach.call(this, { ...settings, mode: "open" });
    roots.push(root);
    return root;
  };
  const probe = (window.probe = { first: null, all: null, input: null, changed: null, seen: "" });
  probe.text = () => roots.map((root) => (root.body ?? root).textContent).join("\n");
  let moved = null;
  // "change" does not leave a shadow tree, "input" does.
  for (const kind of ["input", "change", "click", "keydown"]) {
    addEventListener(kind, () => {
      Object.assign(probe, { input: performance.now(), changed: null });
      moved = null;
    }, true);
  }
  setInterval(() => {
    // A chart without data, as a widget that was not reached in time, is none.
    const whole = (chart) => (chart.dataset.still || chart.data?.length) && chart.querySelectorAll("svg path").length > 2;
    const charts = roots
      .flatMap((root) => [...root.querySelectorAll(".js-plotly-plot, [data-still]")])
      .filter((chart) => chart.isConnected && chart.clientWidth > 50 && whole(chart));
    const now = performance.now();
    if (charts.length >= 1) probe.first ??= now;
    if (charts.length >= 4) probe.all ??= now;
    // A page that is being drawn anew shows fewer charts for a while: only all four count as changed.
    if (charts.length < 4) return;
    const seen = charts.map((chart) => chart.querySelector("svg").textContent).join("|");
    if (seen !== probe.seen) moved = now;
    probe.seen = seen;
    if (probe.input !== null && moved !== null && now - moved > STILL) probe.changed ??= moved - probe.input;
  }, window.probeEvery ?? 10);
})();
