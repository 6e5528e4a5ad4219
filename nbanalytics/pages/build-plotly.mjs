// Builds plotly.partial.min.js: Plotly with the trace types that the figures use, and its Swedish locale.
// Run `node nbanalytics/pages/build-plotly.mjs` after a change of the lists below; it needs npm, not the browser.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PLOTLY = "4.1.1"; // the one inside the Python package plotly 7.1
const ESBUILD = "0.28.2";
const TRACES = ["bar", "heatmap", "sankey", "scatter"];
const LOCALES = ["sv"];

const target = join(dirname(fileURLToPath(import.meta.url)), "plotly.partial.min.js");
const work = mkdtempSync(join(tmpdir(), "plotly-"));
try {
  writeFileSync(join(work, "package.json"), "{}");
  const wanted = [`plotly.js@${PLOTLY}`, `esbuild@${ESBUILD}`];
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", ...wanted], { cwd: work, stdio: "inherit" });
  const parts = [
    ...TRACES.filter((name) => name !== "scatter").map((name) => `require("plotly.js/lib/${name}")`), // scatter is in the core
    ...LOCALES.map((name) => `require("plotly.js/lib/locales/${name}")`),
  ];
  writeFileSync(
    join(work, "entry.js"),
    `const Plotly = require("plotly.js/lib/core");\nPlotly.register([${parts.join(", ")}]);\nmodule.exports = Plotly;\n`,
  );
  const esbuild = createRequire(join(work, "package.json"))("esbuild");
  await esbuild.build({
    absWorkingDir: work,
    entryPoints: ["entry.js"],
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "Plotly",
    target: "es2018",
    define: { global: "window", "define.amd": "false" },
    alias: { stream: "stream-browserify" },
    legalComments: "none",
    logLevel: "error",
    outfile: join(work, "out.js"),
  });
  const licence = readFileSync(join(work, "node_modules/plotly.js/LICENSE"), "utf8").trim();
  const banner = [
    `plotly.js v${PLOTLY}, partial bundle by build-plotly.mjs (esbuild ${ESBUILD})`,
    `traces: ${TRACES.join(" ")}`,
    `locales: ${LOCALES.join(" ")}`,
    "",
    "It holds parts of d3, d3-sankey and other packages of plotly.js's dependencies under MIT, ISC and BSD licences.",
    "",
    licence,
  ];
  writeFileSync(target, `/*!\n${banner.join("\n")}\n*/\n${readFileSync(join(work, "out.js"), "utf8")}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
