// Year 6 against year 9, one point per student, with the line of no change. The points are stamped into a picture by hand:
// ten thousand of them take some milliseconds.

const MARGIN = { left: 52, right: 14, top: 10, bottom: 44 };
const MARKS = {
  "circle": (pen, r) => { pen.arc(0, 0, r, 0, 7); pen.fill(); },
  "circle-open": (pen, r) => { pen.arc(0, 0, r, 0, 7); pen.stroke(); },
  "square": (pen, r) => pen.fillRect(-r, -r, 2 * r, 2 * r),
  "triangle-up": (pen, r) => { pen.moveTo(0, -r); pen.lineTo(r, r); pen.lineTo(-r, r); pen.fill(); },
  "triangle-down": (pen, r) => { pen.moveTo(0, r); pen.lineTo(r, -r); pen.lineTo(-r, -r); pen.fill(); },
  "x": (pen, r) => { pen.moveTo(-r, -r); pen.lineTo(r, r); pen.moveTo(r, -r); pen.lineTo(-r, r); pen.stroke(); },
};
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

// Figures are described in light colours; a served page that is dark has another for each.
const shade = (page, light) => (document.body.classList.contains("nba-page") && dark.matches && !paper.matches ? page.dark[light] ?? light : light);

function drawMark(pen, page, { colour, mark }, size, width) {
  Object.assign(pen, { fillStyle: shade(page, colour), strokeStyle: shade(page, colour), lineWidth: width });
  pen.beginPath();
  MARKS[mark](pen, size);
}

// The pixels of each group's mark: how far they are from its middle in a picture of a width, and how much they cover of
// 255. The margins are wider than a mark, so that none reaches over the edge.
function stamps(page, size, scale, width) {
  return page.groups.map((group) => {
    const side = 2 * Math.ceil((size + 2) * scale) + 1;
    const pen = make("canvas", { width: side, height: side }).getContext("2d");
    pen.translate(side / 2, side / 2);
    pen.scale(scale, scale);
    drawMark(pen, page, group, size, 1.5);
    const { data } = pen.getImageData(0, 0, side, side);
    const covered = Array.from({ length: side * side }, (_, at) => at).filter((at) => data[4 * at + 3]);
    const middle = (side >> 1) * (width + 1);
    return {
      colour: [1, 3, 5].map((at) => parseInt(shade(page, group.colour).slice(at, at + 2), 16)),
      steps: Int32Array.from(covered, (at) => 4 * (Math.floor(at / side) * width + (at % side) - middle)),
      cover: Uint8Array.from(covered, (at) => data[4 * at + 3]),
    };
  });
}

function stamp(pixels, { colour: [red, green, blue], steps, cover }, place, strength) {
  for (let at = 0; at < steps.length; at += 1) {
    const pixel = place + steps[at];
    const part = cover[at] * strength;
    pixels[pixel] += ((red - pixels[pixel]) * part) >> 16;
    pixels[pixel + 1] += ((green - pixels[pixel + 1]) * part) >> 16;
    pixels[pixel + 2] += ((blue - pixels[pixel + 2]) * part) >> 16;
  }
}

function scatter(page, students, onBox) {
  const canvas = make("canvas", { class: "nba-points", role: "img", tabindex: "0" });
  const { x, y } = students;
  let [view, drag, asked, from] = [null, null, false, null];

  const frame = () => ({ width: canvas.clientWidth - MARGIN.left - MARGIN.right, height: canvas.clientHeight - MARGIN.top - MARGIN.bottom });
  const across = (value) => MARGIN.left + (value / page.top) * frame().width;
  const up = (value) => MARGIN.top + (1 - value / page.top) * frame().height;
  const clip = (value) => Math.round(Math.min(Math.max(value, 0), page.top) * 100) / 100;
  const pointed = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      clip(((event.clientX - box.left - MARGIN.left) / frame().width) * page.top),
      clip((1 - (event.clientY - box.top - MARGIN.top) / frame().height) * page.top),
    ];
  };

  function axes(pen) {
    Object.assign(pen, { strokeStyle: shade(page, "#dfe5ea"), fillStyle: shade(page, "#4a5967"), lineWidth: 1, font: "13px system-ui, sans-serif" });
    for (let value = 0; value <= page.top; value += 5) {
      pen.beginPath();
      pen.moveTo(across(value), up(0)); pen.lineTo(across(value), up(page.top));
      pen.moveTo(across(0), up(value)); pen.lineTo(across(page.top), up(value));
      pen.stroke();
      pen.textAlign = "center"; pen.fillText(String(value), across(value), up(0) + 18);
      pen.textAlign = "right"; pen.fillText(String(value), MARGIN.left - 8, up(value) + 4);
    }
    pen.textAlign = "center";
    pen.fillText(page.axes[0], across(page.top / 2), canvas.clientHeight - 6);
    pen.save();
    pen.translate(14, up(page.top / 2));
    pen.rotate(-Math.PI / 2);
    pen.fillText(page.axes[1], 0, 0);
    pen.restore();
    pen.save();
    Object.assign(pen, { strokeStyle: shade(page, page.line), lineWidth: 1.5 });
    pen.setLineDash([7, 5]);
    pen.beginPath();
    pen.moveTo(across(0), up(0)); pen.lineTo(across(page.top), up(page.top));
    pen.stroke();
    pen.restore();
  }

  // What does not change with the choice: axes, the line of no change, the marks.
  let still = { key: "" };
  function ground(scale) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * scale));
    const paperColour = shade(page, "#ffffff");
    const key = [width, height, paperColour].join();
    if (still.key === key) return still;
    const pen = make("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    pen.scale(scale, scale);
    pen.fillStyle = paperColour;
    pen.fillRect(0, 0, width, height);
    axes(pen);
    still = { key, width, height, pixels: pen.getImageData(0, 0, width, height).data, marks: stamps(page, x.length > 3000 ? 2.5 : 3.5, scale, width) };
    return still;
  }

  function paint() {
    asked = false;
    if (!view || canvas.clientWidth === 0) return;
    const scale = devicePixelRatio || 1;
    const { width, height, pixels, marks } = ground(scale);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const picture = new ImageData(new Uint8ClampedArray(pixels), width, height);
    const { chosen, groups, here, other } = view;
    const box = drag ?? (chosen.box === "*" ? null : chosen.box.split(",").map(Number));
    const [left, right, low, high] = box ?? [0, Infinity, 0, Infinity];
    const only = chosen.group === "*" ? 0 : Number(chosen.group);
    const [zero, one] = [across(0), across(1) - across(0)].map((length) => length * scale);
    const [bottom, step] = [up(0), up(0) - up(1)].map((length) => length * scale);
    for (let i = 0; i < x.length; i += 1) {
      if (!(here[i] || (other && other[i])) || Number.isNaN(x[i]) || Number.isNaN(y[i])) continue;
      const meant = x[i] >= left && x[i] <= right && y[i] >= low && y[i] <= high && (only === 0 || only === groups[i]);
      const place = 4 * (Math.round(bottom - y[i] * step) * width + Math.round(zero + x[i] * one));
      stamp(picture.data, marks[groups[i] - 1], place, here[i] && meant ? 206 : 44); // of 257
    }
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.putImageData(picture, 0, 0);
    if (box) {
      Object.assign(pen, { strokeStyle: shade(page, "#0072b2"), lineWidth: 2 });
      pen.strokeRect(across(left), up(high), across(right) - across(left), up(low) - up(high));
    }
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
  }
  const again = () => { if (!asked) { asked = true; requestAnimationFrame(paint); } };

  // What the nearest point stands for, with how many students it is; the table of students says it to the ear.
  const tip = make("div", { class: "nba-tip", hidden: true, "aria-hidden": "true" });
  const format = new Intl.NumberFormat(page.lang === "sv" ? "sv-SE" : "en-GB", { maximumFractionDigits: 2 });
  function point(event) {
    tip.hidden = true;
    if (!view || from) return;
    const shown = (i) => view.here[i] || (view.other && view.other[i]);
    let [nearest, least] = [-1, 10];
    for (let i = 0; i < x.length; i += 1) {
      const away = shown(i) ? Math.hypot(across(x[i]) - event.offsetX, up(y[i]) - event.offsetY) : Infinity;
      if (away < least) [nearest, least] = [i, away];
    }
    if (nearest < 0) return;
    const same = x.reduce((sum, _, i) => sum + Number(shown(i) && x[i] === x[nearest] && y[i] === y[nearest]), 0);
    const { name } = page.groups[view.groups[nearest] - 1];
    const lines = [name, `${page.axes[0]}: ${format.format(x[nearest])}`, `${page.axes[1]}: ${format.format(y[nearest])}`];
    tip.replaceChildren(...[...lines, ...(same > 1 ? [`× ${same}`] : [])].map((text) => make("div", {}, text)));
    const left = Math.min(canvas.offsetLeft + event.offsetX + 14, canvas.offsetLeft + canvas.clientWidth - 250);
    Object.assign(tip.style, { left: `${Math.max(left, 0)}px`, top: `${canvas.offsetTop + event.offsetY + 14}px` });
    tip.hidden = false;
  }

  const stretch = (event) => {
    const [[x0, y0], [x1, y1]] = [from, pointed(event)];
    drag = [Math.min(x0, x1), Math.max(x0, x1), Math.min(y0, y1), Math.max(y0, y1)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    from = pointed(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from) { stretch(event); again(); }
    point(event);
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    stretch(event);
    const small = drag[1] - drag[0] < 0.1 && drag[3] - drag[2] < 0.1;
    const box = small ? "*" : drag.join(",");
    [from, drag] = [null, null];
    onBox(box);
  });
  canvas.addEventListener("pointercancel", () => { [from, drag] = [null, null]; again(); });

  // With the keyboard: the arrows move the box, with shift they move its upper right corner.
  canvas.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-0.5, 0], ArrowRight: [0.5, 0], ArrowUp: [0, 0.5], ArrowDown: [0, -0.5] }[event.key] ?? [0, 0];
    if (event.key === "Escape") onBox("*");
    if (!dx && !dy) return;
    event.preventDefault();
    const quarter = page.top / 4;
    const [left, right, low, high] = view.chosen.box === "*" ? [quarter, 2 * quarter, quarter, 2 * quarter] : view.chosen.box.split(",").map(Number);
    const corner = [left, Math.max(right + dx, left), low, Math.max(high + dy, low)];
    onBox((event.shiftKey ? corner : [left + dx, right + dx, low + dy, high + dy]).map(clip).join(","));
  });
  const inPrint = () => paint();
  dark.addEventListener("change", again);
  paper.addEventListener("change", inPrint);
  const watch = new ResizeObserver(again);
  watch.observe(canvas);
  return {
    canvas,
    tip,
    // What is chosen, with what the students are by it.
    show(chosen, found) { view = { chosen, ...found }; again(); },
    stop() { watch.disconnect(); dark.removeEventListener("change", again); paper.removeEventListener("change", inPrint); },
  };
}
