// What readers take with them: the table of a chart as a file, and the chart as a picture.

function save(address, name) {
  const link = make("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

const fileName = (parts, kind) => `${parts.view.title.toLowerCase().match(/[\p{L}\p{N}]+/gu).join("-")}.${kind}`;

// As spreadsheets read it: numbers without separators of thousands and with a hyphen for minus, semicolons where the
// comma is in the numbers.
function saveTable(parts) {
  const { table, lang } = parts.view;
  const [cut, between] = lang === "en" ? [/[\u00a0,]/g, ","] : [/[\u00a0\u202f]/g, ";"];
  const cell = (text, column) => {
    const word = column < 0 || isWord(table, column);
    const plain = word ? text.replaceAll("\u00a0", " ") : text.replace(cut, "").replace("\u2212", "-").replace(/^± ?/, "");
    // A name that begins like a formula is kept from being one.
    const safe = word && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return safe.includes(between) || /["\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const heads = table.columns.map((text) => cell(text, -1));
  const lines = [heads, ...table.rows.map((row) => row.map(cell))].map((row) => row.join(between));
  const file = URL.createObjectURL(new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" }));
  save(file, fileName(parts, "csv"));
  setTimeout(() => URL.revokeObjectURL(file), 60_000); // a slow machine fetches it late
}

// A picture carries its title and where it comes from, in light colours.
async function savePicture(parts, format, library, { data, layout }, config, publication) {
  const width = Math.max(parts.chart.clientWidth, 640);
  const [top, bottom] = [48, 44];
  // What the axis has taken of the chart as it is drawn, so that the source stands beneath it.
  const beneath = Math.max(layout.margin.b, parts.chart._fullLayout?._size.b ?? 0);
  const margin = { ...layout.margin, t: layout.margin.t + top, b: Math.ceil(beneath) + bottom };
  const title = { text: parts.title.textContent, x: 0.01, y: 1, yref: "container", yanchor: "top", pad: { t: 14 }, font: { size: 18 } };
  const source = [parts.view.where, publication].map((text) => text.replace(/[<>&]/g, " ")).join("<br>");
  const note = { text: source, x: 0, y: 0, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", yshift: -margin.b + 4, align: "left", showarrow: false, font: { size: 12 } };
  const { title: name } = layout.xaxis ?? {}; // it moves away from the axis where there is room, unless told not to
  const axis = name ? { xaxis: { ...layout.xaxis, title: { standoff: 8, ...name } } } : {};
  const framed = { ...layout, ...axis, width, height: layout.height + top + bottom, margin, title, annotations: [...(layout.annotations ?? []), note] };
  const picture = await library.toImage({ data, layout: framed, config }, { format, width, height: framed.height, scale: format === "png" ? 2 : 1 });
  save(picture, fileName(parts, format));
}
