// The page of report.html. "@DATA@" stands for what it shows, as JSON; see report.cpp.
//
// All text comes from the data by textContent, so that no name of a class or folder can be taken for HTML.
#pragma once

namespace examples {

inline constexpr const char* report_page = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>DVD-GAN training report</title>
<link rel="icon" href="data:,">
<style>
:root {
  color-scheme: light dark;
  --page: #f6f6f4; --card: #ffffff; --text: #1c1d21; --muted: #62656d; --line: #e2e3e6; --grid: #ececee;
  --a: #2f6fde; --b: #d9622b; --c: #17866b; --warn: #8a5a00; --warn-card: #fff6df;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131417; --card: #1d1f23; --text: #e9eaec; --muted: #9b9fa8; --line: #32353b; --grid: #2a2d32;
    --a: #6ea3ff; --b: #f58f5e; --c: #4cc7a5; --warn: #f0c05a; --warn-card: #2c2618;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 22px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 0 0 12px; }
.sub { color: var(--muted); margin: 2px 0 16px; }
.bar { height: 6px; border-radius: 3px; background: var(--line); overflow: hidden; margin: 0 0 20px; }
.bar div { height: 100%; background: var(--a); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px; margin-bottom: 16px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }
.tile span { display: block; color: var(--muted); font-size: 12px; }
.tile b { font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
.card { margin-bottom: 16px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; }
.two .card { margin: 0; min-width: 0; }
.two { margin-bottom: 16px; }
.warning { background: var(--warn-card); }
.warning h2 { color: var(--warn); }
.warning ul { margin: 0; padding-left: 18px; max-height: 220px; overflow: auto; overflow-wrap: anywhere; }
img { image-rendering: pixelated; max-width: 100%; display: block; border-radius: 4px; }
.pictures { display: grid; grid-template-columns: minmax(0, 300px) minmax(0, 1fr); gap: 16px; }
.pictures:has(> [hidden]) { grid-template-columns: minmax(0, 1fr); }
@media (max-width: 720px) { .pictures { grid-template-columns: minmax(0, 1fr); } }
.animation { width: 100%; max-width: 480px; }
.strip { display: flex; gap: 8px; overflow-x: auto; padding-bottom: 6px; }
.strip figure { margin: 0; flex: 0 0 auto; text-align: center; }
.strip img { width: 68px; }
figcaption { color: var(--muted); font-size: 12px; margin-top: 4px; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
svg text { fill: var(--muted); font-size: 11px; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 13px; margin-bottom: 6px; }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
.legend i.dashed { background: repeating-linear-gradient(90deg, var(--k) 0 4px, transparent 4px 6px) !important; }
.legend b { font-weight: 600; font-variant-numeric: tabular-nums; margin-left: 4px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
td { padding: 3px 8px 3px 0; border-top: 1px solid var(--grid); vertical-align: top; overflow-wrap: anywhere; }
td:first-child { color: var(--muted); white-space: nowrap; }
.config { columns: 2 320px; column-gap: 32px; }
footer { color: var(--muted); font-size: 12px; }
</style>
</head>
<body>
<main>
<h1 id="title">DVD-GAN</h1>
<p class="sub" id="sub">This page draws itself; it needs JavaScript, and nothing from the network.</p>
<div class="bar"><div id="bar"></div></div>
<div class="tiles" id="tiles"></div>
<div id="warnings"></div>
<div class="pictures">
<div class="card" id="latest" hidden><h2></h2></div>
<div class="card" id="over-time" hidden><h2></h2><div class="strip"></div></div>
</div>
<div class="two" id="charts"></div>
<div class="card"><h2>Configuration</h2><div class="config"><table id="config"></table></div></div>
<footer id="footer"></footer>
</main>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const curves = data.curves, steps = curves.step || [];
const $ = id => document.getElementById(id);
const make = (tag, parent, text) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
};
const draw = (tag, parent, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
};
const clock = s => {
  s = Math.round(s);
  const two = n => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
                   : `${Math.floor(s / 60)}:${two(s % 60)}`;
};
const short = v => v === null || v === undefined ? "-" : Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3)
  ? v.toExponential(1) : String(+v.toPrecision(3));
const last = name => { const c = curves[name] || []; return c.length ? c[c.length - 1] : null; };

document.title = `${data.name}: step ${data.step} of ${data.steps}`;
$("title").textContent = data.name;
const channels = data.config.image_channels ?? 3;
$("sub").textContent = `DVD-GAN on ${data.config.data}${data.config.prepared_set ? " (a prepared set)" : ""}, ${data.config.frames} frames of ` +
  `${data.config.height ?? data.config.resolution}x${data.config.width ?? data.config.resolution} pixels` +
  `${{3: "", 1: " in grey"}[channels] ?? ` of ${channels} channels`}, ` +
  `${data.config.classes ? `${data.config.classes} classes` : "no classes"}: ${data.status}`;
$("bar").style.width = `${Math.min(100, 100 * data.step / Math.max(1, data.steps))}%`;
const speed = last("steps_per_second");
const tiles = [["step", `${data.step} / ${data.steps}`], ["time", clock(data.seconds)],
  ["speed", speed === null ? "-" : `${short(speed)} steps/s`]];
if (data.status === "running" && speed) tiles.push(["left", clock((data.steps - data.step) / speed)]);
tiles.push(["memory", last("memory_mib") === null ? "-" : `${Math.round(last("memory_mib"))} MiB`]);
tiles.push(["steps left out", String(last("skipped_steps") ?? 0)]);
for (const [name, value] of tiles) {
  const tile = make("div", $("tiles"));
  tile.className = "tile";
  make("span", tile, name);
  make("b", tile, value);
}

if (data.warnings.length) {
  const card = $("warnings");
  card.className = "card warning";
  make("h2", card, data.warning_count === 1 ? "1 warning" : `${data.warning_count} warnings` +
    (data.warning_count > data.warnings.length ? `, the last ${data.warnings.length}` : ""));
  const list = make("ul", card);
  for (const line of data.warnings) make("li", list, line);
}
if (data.animation) {
  $("latest").hidden = false;
  $("latest").querySelector("h2").textContent = `Samples at step ${data.animation.step}`;
  const image = make("img", $("latest"));
  image.className = "animation";
  image.alt = `Generated clips at step ${data.animation.step}`;
  image.src = data.animation.image;
}
if (data.pictures.length) {
  $("over-time").hidden = false;
  $("over-time").querySelector("h2").textContent = "Over time: one frame of one clip a class, of the same latents";
  const strip = $("over-time").querySelector(".strip");
  for (const picture of data.pictures) {
    const figure = make("figure", strip), image = make("img", figure);
    image.alt = `Frames at step ${picture.step}`;
    image.src = picture.image;
    make("figcaption", figure, picture.step);
  }
}

// "Nice" numbers from low to high, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const unit = [1, 2, 5, 10].find(u => u * power >= raw) * power, result = [];
  for (let v = Math.ceil(low / unit) * unit; v <= high + unit * 1e-9; v += unit) result.push(Math.abs(v) < unit * 1e-9 ? 0 : v);
  return result;
}

function chart(title, series, options = {}) {
  series = series.filter(s => (curves[s.field] || []).some(v => v !== null));
  if (!series.length || steps.length < 2) return;
  const card = make("div", $("charts"));
  card.className = "card";
  make("h2", card, title);
  const legend = make("div", card);
  legend.className = "legend";
  const readouts = series.map(s => {
    const entry = make("span", legend), key = make("i", entry);
    key.style.setProperty("--k", `var(--${s.color})`);
    key.style.background = `var(--${s.color})`;
    if (s.dashed) key.className = "dashed";
    entry.append(s.name);
    return make("b", entry);
  });
  const width = 520, height = 220, left = 46, right = 12, top = 8, bottom = 24;
  const svg = draw("svg", card, {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title});
  const scale = v => options.log ? Math.log10(Math.max(v, 1e-12)) : v;
  const values = series.flatMap(s => curves[s.field].filter(v => v !== null)).map(scale);
  let low = Math.min(...values, ...(options.zero ? [0] : [])), high = Math.max(...values);
  if (high - low < 1e-9) { low -= 0.5; high += 0.5; }
  const pad = (high - low) * 0.04;
  low -= options.zero && low === 0 ? 0 : pad;
  high += pad;
  const first = steps[0], end = steps[steps.length - 1];
  const x = s => left + (s - first) / Math.max(1, end - first) * (width - left - right);
  const y = v => height - bottom - (scale(v) - low) / (high - low) * (height - top - bottom);
  const yTicks = options.log
    ? ticks(low, high, 4).filter(v => Number.isInteger(v)).map(v => 10 ** v).concat(high - low < 1 ? [10 ** low, 10 ** high] : [])
    : ticks(low, high, 4);
  for (const v of yTicks) {
    draw("line", svg, {x1: left, x2: width - right, y1: y(v), y2: y(v), stroke: "var(--grid)"});
    draw("text", svg, {x: left - 6, y: y(v) + 4, "text-anchor": "end"}).textContent = short(v);
  }
  for (const s of ticks(first, end, 5)) {
    draw("text", svg, {x: x(s), y: height - 6, "text-anchor": "middle"}).textContent =
      s >= 10000 ? `${+(s / 1000).toPrecision(3)}k` : s;
  }
  for (const s of series) {
    let path = "", pen = "M";
    curves[s.field].forEach((v, i) => {
      if (v === null || steps[i] === null) { if (!options.sparse) pen = "M"; return; }
      if (options.sparse) draw("circle", svg, {cx: x(steps[i]), cy: y(v), r: 2.5, fill: `var(--${s.color})`});
      path += `${pen}${x(steps[i]).toFixed(1)} ${y(v).toFixed(1)}`;
      pen = "L";
    });
    draw("path", svg, {d: path, fill: "none", stroke: `var(--${s.color})`, "stroke-width": 1.8, "stroke-linejoin": "round",
      ...(s.dashed ? {"stroke-dasharray": "4 3"} : {})});
  }
  const cursor = draw("line", svg, {y1: top, y2: height - bottom, stroke: "var(--muted)", "stroke-dasharray": "2 2", visibility: "hidden"});
  const label = draw("text", svg, {y: top + 8, visibility: "hidden"});
  const show = i => series.forEach((s, k) => {
    const column = curves[s.field];
    while (options.sparse && i > 0 && column[i] === null) --i;
    readouts[k].textContent = short(column[i]);
  });
  show(steps.length - 1);
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * width;
    let nearest = 0;
    steps.forEach((s, i) => { if (Math.abs(x(s) - at) < Math.abs(x(steps[nearest]) - at)) nearest = i; });
    const cx = x(steps[nearest]);
    cursor.setAttribute("x1", cx); cursor.setAttribute("x2", cx); cursor.setAttribute("visibility", "visible");
    label.setAttribute("x", cx + (cx > width * 0.8 ? -6 : 6));
    label.setAttribute("text-anchor", cx > width * 0.8 ? "end" : "start");
    label.setAttribute("visibility", "visible");
    label.textContent = `step ${Math.round(steps[nearest])}`;
    show(nearest);
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden"); label.setAttribute("visibility", "hidden");
    show(steps.length - 1);
  });
}
chart("Losses", [{name: "D_S", field: "loss_spatial", color: "a"}, {name: "D_T", field: "loss_temporal", color: "b"},
  {name: "G", field: "loss_generator", color: "c"}]);
chart("Mean scores", [{name: "D_S real", field: "score_spatial_real", color: "a"},
  {name: "D_S fake", field: "score_spatial_fake", color: "a", dashed: true},
  {name: "D_T real", field: "score_temporal_real", color: "b"},
  {name: "D_T fake", field: "score_temporal_fake", color: "b", dashed: true}]);
chart("Mean difference from what really followed", [{name: "difference", field: "difference_from_truth", color: "c"}], {zero: true});
chart("Fréchet distance from real clips (less is better)", [{name: "distance", field: "frechet_distance", color: "a"}], {sparse: true, zero: true});
chart("Inception Score", [{name: "score", field: "inception_score", color: "b"}], {sparse: true});
chart("Precision, recall, class accuracy", [{name: "precision", field: "precision", color: "a"},
  {name: "recall", field: "recall", color: "b"}, {name: "class accuracy", field: "class_accuracy", color: "c"}], {sparse: true, zero: true});
chart("Gradient norms", [{name: "D_S", field: "gradient_norm_spatial", color: "a"},
  {name: "D_T", field: "gradient_norm_temporal", color: "b"}, {name: "G", field: "gradient_norm_generator", color: "c"}], {log: true});
chart("Largest singular value of a weight", [{name: "D_S", field: "sigma_spatial", color: "a"},
  {name: "D_T", field: "sigma_temporal", color: "b"}, {name: "G", field: "sigma_generator", color: "c"}], {zero: true});
chart("Steps per second", [{name: "steps/s", field: "steps_per_second", color: "a"}], {zero: true});
chart("Memory in MiB", [{name: "resident", field: "memory_mib", color: "a"}], {zero: true});

for (const [name, value] of Object.entries(data.config)) {
  const row = make("tr", $("config"));
  make("td", row, name);
  make("td", row, Array.isArray(value) ? value.join(", ") : value === "" ? "-" : String(value));
}
$("footer").textContent = `Written by train_ucf101 of dvd ${data.version}.`;
</script>
</body>
</html>
)page";

}  // namespace examples
