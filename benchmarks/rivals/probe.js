// Looks, a hundred times a second, at what charts a page shows, also in shadow trees; tells when the first and the
// fourth were drawn, and how long after the last input they all stood still in their new state.
(() => {
  const roots = [document];
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (settings) {
    const root = attach.call(this, { ...settings, mode: "open" });
    roots.push(root);
    return root;
  };
  const probe = (window.probe = { first: null, all: null, input: null, changed: null, seen: "" });
  for (const kind of ["change", "click", "keydown"]) {
    addEventListener(kind, () => { probe.input = performance.now(); probe.changed = null; probe.before = probe.seen; }, true);
  }
  setInterval(() => {
    const charts = roots
      .flatMap((root) => [...root.querySelectorAll(".js-plotly-plot")])
      .filter((chart) => chart.isConnected && chart.querySelectorAll(".main-svg path").length > 2 && chart.clientWidth > 50);
    const now = performance.now();
    if (charts.length >= 1) probe.first ??= now;
    if (charts.length >= 4) probe.all ??= now;
    // A page that is being drawn anew shows fewer charts for a while: only all four count as changed.
    if (charts.length < 4) return;
    probe.seen = charts.map((chart) => chart.querySelector(".main-svg").textContent).join("|");
    if (probe.input !== null && probe.changed === null && probe.seen !== probe.before) probe.changed = now - probe.input;
  }, 10);
})();
