"use strict";
(() => {
const data = JSON.parse(document.getElementById("report-data").textContent);
const INK = "#16202b", SOFT = "#5a6775", RULE = "#d5dbe1", LINES = ["#16202b", "#c1651a", "#3572a5"];
const FONT = '11px "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif';
const HEADROOM = 2, WHOLE = {x0: 0, x1: 1, y0: 0, y1: 1};
const make = (name, parent, className = "", text = "") => {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
};

// Pictures: greyscale PNGs whose levels are coloured here, so that gain and colours can change.
const levels = new Map();
function read(png) {
  if (!levels.has(png)) {
    levels.set(png, new Promise((resolve, reject) => {
      const image = new Image();
      image.onerror = () => reject(new Error("a picture of this report cannot be read"));
      image.onload = () => {
        const canvas = document.createElement("canvas");
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        const pen = canvas.getContext("2d", {willReadFrequently: true});
        pen.drawImage(image, 0, 0);
        resolve({width: canvas.width, height: canvas.height, pixels: pen.getImageData(0, 0, canvas.width, canvas.height)});
      };
      image.src = png;
    }));
  }
  return levels.get(png);
}

function paint(picture, colours, gain) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const pen = canvas.getContext("2d"), out = pen.createImageData(picture.width, picture.height);
  const table = new Uint8Array(256);
  for (let level = 0; level < 256; level++) {
    table[level] = gain ? Math.max(0, Math.min(255, Math.round(127.5 + 127.5 * HEADROOM * gain * (level - 128) / 127))) : level;
  }
  const from = picture.pixels.data, to = out.data, lut = data.colours[colours];
  for (let at = 0; at < from.length; at += 4) {
    const index = 3 * table[from[at]];
    to[at] = lut[index]; to[at + 1] = lut[index + 1]; to[at + 2] = lut[index + 2]; to[at + 3] = 255;
  }
  pen.putImageData(out, 0, 0);
  return canvas;
}

function pen2d(canvas, sharpness) {
  const width = canvas.clientWidth || +canvas.dataset.width, height = canvas.clientHeight || +canvas.dataset.height;
  const ratio = sharpness || Math.max(window.devicePixelRatio || 1, 1);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = FONT;
  return {pen, width, height};
}

function niceTicks(low, high, wanted) {
  const rough = Math.abs(high - low) / Math.max(wanted, 1) || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(each => each >= rough);
  const ticks = [];
  for (let tick = Math.ceil(Math.min(low, high) / step); tick * step <= Math.max(low, high) + 1e-9 * step; tick++) ticks.push(tick * step);
  return ticks.map(tick => +tick.toPrecision(10));
}

// One panel with its axes: `plot` has the coloured picture, axes x or strip, and y; `win` is the part shown, in shares.
function frame(width, height, plot) {
  const top = plot.strip ? 58 : 22, bottom = plot.xname ? 30 : 6;
  return {left: plot.labelled ? 46 : 10, top, width: width - (plot.labelled ? 46 : 10) - 6, height: height - top - bottom};
}

function drawPanel(canvas, plot, win, cursor, sharpness) {
  const {pen, width, height} = pen2d(canvas, sharpness), box = frame(width, height, plot), image = plot.image;
  const columns = image.width, rows = image.height;
  pen.clearRect(0, 0, width, height);
  pen.save();
  pen.beginPath(); pen.rect(box.left, box.top, box.width, box.height); pen.clip();
  const across = (win.x1 - win.x0) * columns / box.width, down = (win.y1 - win.y0) * rows / box.height;
  pen.imageSmoothingEnabled = across > 0.08 || down > 0.15;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, win.x0 * columns, win.y0 * rows, (win.x1 - win.x0) * columns, (win.y1 - win.y0) * rows, box.left, box.top, box.width, box.height);
  pen.restore();
  pen.strokeStyle = SOFT; pen.lineWidth = 1;
  pen.strokeRect(box.left + 0.5, box.top + 0.5, box.width - 1, box.height - 1);
  const [y0, y1] = plot.y, low = y0 + win.y0 * (y1 - y0), high = y0 + win.y1 * (y1 - y0);
  pen.fillStyle = INK; pen.textAlign = "right"; pen.textBaseline = "middle";
  for (const tick of niceTicks(low, high, box.height / 60)) {
    const y = box.top + (tick - low) / (high - low) * box.height;
    pen.fillRect(box.left - 4, y - 0.5, 4, 1);
    if (plot.labelled) pen.fillText(String(tick), box.left - 7, y);
  }
  if (plot.labelled) {
    pen.save(); pen.translate(8, box.top + box.height / 2); pen.rotate(-Math.PI / 2); pen.textAlign = "center"; pen.fillStyle = SOFT;
    pen.fillText(plot.yname, 0, 0); pen.restore();
  }
  plot.strip ? drawStrip(pen, box, plot, win) : drawAcross(pen, box, plot, win);
  if (cursor) {
    pen.strokeStyle = "#c62828"; pen.lineWidth = 0.8; pen.beginPath();
    const x = box.left + (cursor.x - win.x0) / (win.x1 - win.x0) * box.width, y = box.top + (cursor.y - win.y0) / (win.y1 - win.y0) * box.height;
    pen.moveTo(box.left, y); pen.lineTo(box.left + box.width, y); pen.moveTo(x, box.top); pen.lineTo(x, box.top + box.height); pen.stroke();
  }
}

function drawStrip(pen, box, plot, win) {
  const values = plot.strip, count = values.length, top = 20, deep = 32;
  let low = Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  const place = at => box.left + ((at + 0.5) / count - win.x0) / (win.x1 - win.x0) * box.width;
  const level = value => top + deep - 4 - (value - low) / (high - low || 1) * (deep - 8);
  pen.save(); pen.beginPath(); pen.rect(box.left, 0, box.width, box.top); pen.clip();
  pen.strokeStyle = RULE; pen.strokeRect(box.left + 0.5, top + 0.5, box.width - 1, deep);
  pen.strokeStyle = LINES[2]; pen.lineWidth = 1.2; pen.beginPath();
  for (let at = 0; at < count; at++) at ? pen.lineTo(place(at), level(values[at])) : pen.moveTo(place(at) - (count === 1 ? 4 : 0), level(values[at]));
  if (count === 1) pen.lineTo(place(0) + 4, level(values[0]));
  pen.stroke(); pen.restore();
  pen.fillStyle = INK; pen.textAlign = "center"; pen.textBaseline = "alphabetic";
  const shown = (win.x1 - win.x0) * count, step = Math.max(1, Math.ceil(shown / Math.max(2, box.width / 62)));
  const first = Math.max(0, Math.ceil(win.x0 * count - 0.5)), last = Math.min(count - 1, Math.floor(win.x1 * count - 0.5));
  for (let at = first; at <= last; at += step) {
    const x = place(at);
    if (x > box.left + box.width - 14) break;
    pen.fillText(String(Math.round(values[at])), Math.max(x, box.left + 12), 14);
    pen.fillRect(x - 0.5, top - 3, 1, 3);
  }
  if (plot.labelled) {
    pen.fillStyle = SOFT; pen.textAlign = "right"; pen.textBaseline = "middle";
    const words = plot.stripName.split(/[ _]/);
    words.forEach((word, line) => pen.fillText(word, box.left - 7, top + deep / 2 + 1 + 12 * (line - (words.length - 1) / 2)));
  }
}

function drawAcross(pen, box, plot, win) {
  const [x0, x1] = plot.x, low = x0 + win.x0 * (x1 - x0), high = x0 + win.x1 * (x1 - x0);
  pen.fillStyle = INK; pen.textAlign = "center"; pen.textBaseline = "alphabetic";
  for (const tick of niceTicks(low, high, box.width / 70)) {
    const x = box.left + (tick - low) / (high - low) * box.width;
    pen.fillRect(x - 0.5, box.top + box.height, 1, 4);
    pen.fillText(String(tick), Math.min(Math.max(x, box.left + 8), box.left + box.width - 10), box.top + box.height + 15);
    if (low < 0 && high > 0 && tick === 0) { pen.save(); pen.globalAlpha = 0.7; pen.fillStyle = "#fff"; pen.fillRect(x - 0.5, box.top, 1, box.height); pen.restore(); }
  }
  pen.fillStyle = SOFT;
  pen.fillText(plot.xname, box.left + box.width / 2, box.top + box.height + 27);
}

function drawLines(canvas, chart, names) {
  const {pen, width, height} = pen2d(canvas), box = {left: 46, top: 20, width: width - 54, height: height - 56};
  const last = chart.x[chart.x.length - 1] || 1, floor = chart.floor;
  const place = (x, y) => [box.left + x / last * box.width, box.top + (Math.min(y, 3) - 3) / (floor - 3) * box.height];
  pen.strokeStyle = "#eceff2"; pen.fillStyle = INK; pen.textAlign = "right"; pen.textBaseline = "middle";
  for (const tick of niceTicks(floor, 0, 4)) {
    const y = place(0, tick)[1];
    pen.strokeRect(box.left, y, box.width, 0); pen.fillText(String(tick), box.left - 6, y);
  }
  pen.textAlign = "center"; pen.textBaseline = "alphabetic";
  for (const tick of niceTicks(0, last, 8)) pen.fillText(String(tick), place(tick, 0)[0], box.top + box.height + 15);
  pen.fillStyle = SOFT; pen.fillText(data.frequency, box.left + box.width / 2, box.top + box.height + 30);
  pen.save(); pen.translate(8, box.top + box.height / 2); pen.rotate(-Math.PI / 2); pen.fillText("dB", 0, 0); pen.restore();
  pen.strokeStyle = SOFT; pen.strokeRect(box.left + 0.5, box.top + 0.5, box.width, box.height);
  pen.save(); pen.beginPath(); pen.rect(box.left, box.top, box.width, box.height); pen.clip();
  chart.lines.forEach((line, which) => {
    pen.strokeStyle = LINES[which]; pen.lineWidth = 1.4; pen.beginPath();
    line.forEach((value, at) => { const [x, y] = place(chart.x[at], value); at ? pen.lineTo(x, y) : pen.moveTo(x, y); });
    pen.stroke();
  });
  pen.restore();
  pen.textAlign = "left"; pen.textBaseline = "middle";
  names.slice(0, 3).forEach((name, which) => {
    const x = box.left + 90 * which, y = 9;
    pen.fillStyle = LINES[which]; pen.fillRect(x, y - 1, 18, 2); pen.fillStyle = INK; pen.fillText(name, x + 24, y);
  });
}

// A viewer: the panels of a view side by side or one at a time, all with the same part shown.
function makeViewer(root, across) {
  const panels = root.querySelector(".panels"), find = role => root.querySelector(`[data-role="${role}"]`);
  const state = {view: null, images: [], mode: "side", win: {...WHOLE}, gain: 1, colour: false, cursor: null, timer: 0, drawing: false};
  const plotOf = (which, labelled) => ({image: state.painted[which], y: state.view.y, yname: data.vertical, strip: state.view.strip, stripName: across, labelled});

  async function show(view) {
    const images = await Promise.all(view.panels.map(panel => read(panel.png)));
    state.view = view; state.images = images;
    if (state.mode !== "side" && state.mode >= images.length) state.mode = "side";
    recolour();
    build();
  }
  function recolour() { state.painted = state.images.map(image => paint(image, state.colour ? "colour" : "grey", state.gain)); }
  function build() {
    const names = state.view.panels.map(panel => panel.name), modes = find("modes");
    modes.replaceChildren();
    [["side", "Side by side"], ...names.map((name, at) => [at, `${at + 1} ${name[0].toUpperCase()}${name.slice(1)}`])].forEach(([mode, words]) => {
      const button = make("button", modes, "", words);
      button.type = "button"; button.dataset.mode = mode;
      button.setAttribute("aria-pressed", String(mode === state.mode));
      button.addEventListener("click", () => { stop(); setMode(mode); });
    });
    const wanted = state.mode === "side" ? names.map((_, at) => at) : [state.mode];
    while (panels.children.length > wanted.length) panels.lastChild.remove();
    while (panels.children.length < wanted.length) addPanel();
    wanted.forEach((which, at) => {
      const panel = panels.children[at];
      panel.dataset.which = which;
      panel.querySelector("h4").textContent = names[which];
    });
    draw();
  }
  function addPanel() {
    const canvas = addCanvas(panels, ""), panel = canvas.parentNode;
    let from = null, moved = false;
    const spot = event => {
      const box = frame(canvas.clientWidth, canvas.clientHeight, plotOf(+panel.dataset.which, panel === panels.firstChild)), area = canvas.getBoundingClientRect();
      const u = (event.clientX - area.left - box.left) / box.width, v = (event.clientY - area.top - box.top) / box.height;
      return {u, v, x: state.win.x0 + u * (state.win.x1 - state.win.x0), y: state.win.y0 + v * (state.win.y1 - state.win.y0)};
    };
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      const at = spot(event), factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY * 0.002)));
      zoom(at, event.shiftKey ? 1 : factor, factor);
    }, {passive: false});
    canvas.addEventListener("pointerdown", event => { from = {...spot(event), win: {...state.win}, px: event.clientX, py: event.clientY}; moved = false; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", event => {
      if (from && Math.hypot(event.clientX - from.px, event.clientY - from.py) > 4) moved = true;
      if (from && moved) {
        const now = spot(event), wide = from.win.x1 - from.win.x0, tall = from.win.y1 - from.win.y0;
        place(from.win.x0 - (now.u - from.u) * wide, from.win.y0 - (now.v - from.v) * tall, wide, tall);
      }
      point(spot(event));
    });
    canvas.addEventListener("pointerup", () => { if (from && !moved) { stop(); state.mode === "side" ? setMode(+panel.dataset.which) : turn(); } from = null; });
    canvas.addEventListener("pointercancel", () => { from = null; });
    canvas.addEventListener("pointerleave", () => { if (!from) point(null); });
  }
  function zoom(at, fx, fy) {
    const wide = Math.min(1, Math.max(0.02, (state.win.x1 - state.win.x0) * fx)), tall = Math.min(1, Math.max(0.01, (state.win.y1 - state.win.y0) * fy));
    place(at.x - at.u * wide, at.y - at.v * tall, wide, tall);
  }
  function place(x, y, wide, tall) {
    const x0 = Math.min(Math.max(0, x), 1 - wide), y0 = Math.min(Math.max(0, y), 1 - tall);
    state.win = {x0, x1: x0 + wide, y0, y1: y0 + tall};
    draw();
  }
  function point(at) {
    const inside = at && at.u >= 0 && at.u <= 1 && at.v >= 0 && at.v <= 1;
    state.cursor = inside ? {x: at.x, y: at.y} : null;
    if (inside) {
      const trace = Math.min(state.view.strip.length - 1, Math.floor(at.x * state.view.strip.length)), [y0, y1] = state.view.y;
      find("readout").textContent = `trace ${trace + 1} · ${across.split(" ")[0]} ${state.view.strip[trace]}${across.includes("(m)") ? " m" : ""} · ${(y0 + at.y * (y1 - y0)).toFixed(0)} ${data.unit}`;
    } else find("readout").textContent = "";
    draw();
  }
  function draw() {
    if (state.drawing || !state.view) return;
    state.drawing = true;
    requestAnimationFrame(() => {
      state.drawing = false;
      [...panels.children].forEach((panel, at) => drawPanel(panel.querySelector("canvas"), plotOf(+panel.dataset.which, at === 0), state.win, state.cursor));
      root.dataset.mode = state.mode;
      root.dataset.gain = state.gain;
      root.dataset.window = Object.values(state.win).map(value => value.toFixed(4)).join(" ");
      root.dataset.position = state.view.position;
      find("gain").textContent = `gain ${state.gain}×`;
      find("note").textContent = `${state.view.label ? `${state.view.label}: ${state.view.figures}. ` : ""}All panels clipped at ±${state.view.clip}${state.gain === 1 ? "" : ` / ${state.gain}`}.`;
      root.querySelector('[data-act="flicker"]').setAttribute("aria-pressed", String(!!state.timer));
      root.querySelector('[data-act="colour"]').setAttribute("aria-pressed", String(state.colour));
    });
  }
  function setMode(mode) { if (mode === "side" || mode < state.images.length) { state.mode = mode; build(); } }
  function turn() { setMode(state.mode === 0 ? 1 : 0); }
  function stop() { clearInterval(state.timer); state.timer = 0; }
  function setGain(gain) { state.gain = Math.min(16, Math.max(0.5, gain)); recolour(); draw(); }
  const acts = {
    flicker() { if (state.timer) { stop(); draw(); } else { turn(); state.timer = setInterval(turn, 600); draw(); } },
    softer() { setGain(state.gain / 2); },
    louder() { setGain(state.gain * 2); },
    colour() { state.colour = !state.colour; recolour(); draw(); },
    whole() { state.win = {...WHOLE}; draw(); },
    side() { stop(); setMode("side"); },
    turn() { stop(); turn(); },
    panel(which) { stop(); setMode(which); },
  };
  root.querySelectorAll("[data-act]").forEach(button => button.addEventListener("click", () => acts[button.dataset.act]()));
  return {show, draw, acts};
}

// The page: which gather is shown, and what goes with it.
const gatherViewer = makeViewer(document.getElementById("gather-viewer"), data.across);
const stackHost = document.getElementById("stack-viewer"), stackViewer = stackHost && makeViewer(stackHost, data.stack.strip_name);
const choice = document.getElementById("choice");
let current = -1;

function pick(at) {
  current = Math.max(0, Math.min(data.views.length - 1, at));
  const view = data.views[current];
  [...choice.children].forEach((button, which) => button.setAttribute("aria-pressed", String(which === current)));
  document.querySelectorAll(".here-label").forEach(element => { element.textContent = view.label; });
  document.querySelectorAll(".chart svg").forEach(svg => {
    const x = 52 + (view.position + 0.5) / data.count * 1060, here = svg.querySelector(".here");
    here.setAttribute("x1", x); here.setAttribute("x2", x);
  });
  drawRest();
  return gatherViewer.show(view);
}

function addCanvas(host, title) {
  const panel = make("div", host, "panel");
  make("h4", panel, "", title);
  return make("canvas", panel);
}

async function drawMaps(host, map, labels) {
  if (!map) { host.replaceChildren(); return; }
  const images = await Promise.all(map.panels.map(panel => read(panel.png)));
  host.replaceChildren();
  const canvases = map.panels.map(panel => addCanvas(host, panel.name));
  images.forEach((image, at) => {
    drawPanel(canvases[at], {image: paint(image, "share", 0), x: map.x, y: map.y, xname: labels[0], yname: labels[1], labelled: at === 0}, WHOLE, null);
  });
}

function drawRest() {
  const view = data.views[current], names = view.panels.map(panel => panel.name);
  [["gather", view.spectra], ["line", data.spectra]].forEach(([which, chart]) => {
    const host = document.querySelector(`[data-lines="${which}"]`);
    if (host) drawLines(host.querySelector("canvas") || make("canvas", host), chart, names);
  });
  drawMaps(document.querySelector('[data-map="fk"]'), view.fk, ["Wavenumber (1/km)", data.frequency]);
  const moveout = document.querySelector('[data-map="semblance"]');
  if (moveout) drawMaps(moveout, view.semblance, [`Residual moveout (${data.unit})`, data.vertical]);
}

function go(position, scroll) {
  const distances = data.views.map(view => Math.abs(view.position - position));
  const nearest = distances.indexOf(Math.min(...distances));
  pick(nearest);
  if (scroll) document.getElementById("gathers").scrollIntoView();
}

data.views.forEach((view, at) => {
  const button = make("button", choice, view.reasons.includes("outlier") ? "far" : "", `${view.label} `);
  button.type = "button";
  make("small", button, "", view.reasons.join(", "));
  button.addEventListener("click", () => pick(at));
});
document.querySelectorAll(".chart svg").forEach(svg => svg.addEventListener("click", event => {
  const dot = event.target.closest("circle");
  if (dot) { go(+dot.dataset.position, true); return; }
  const area = svg.getBoundingClientRect(), x = (event.clientX - area.left) / area.width * 1120;
  go(Math.max(0, Math.min(data.count - 1, Math.floor((x - 52) / 1060 * data.count))), true);
}));
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const viewer = (stackViewer && stackHost.contains(document.activeElement) ? stackViewer : gatherViewer).acts;
  const keys = {
    ArrowLeft: () => pick(current - 1), ArrowRight: () => pick(current + 1), " ": viewer.turn, s: viewer.side, Escape: viewer.side,
    f: viewer.flicker, c: viewer.colour, 0: viewer.whole, "+": viewer.louder, "=": viewer.louder, "-": viewer.softer,
  };
  for (const digit of "1234") keys[digit] = () => viewer.panel(+digit - 1);
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (event.target.tagName === "BUTTON" && event.key === " ")) return;
  event.preventDefault();
  act();
});

// On paper: the best, median and worst gathers with all their panels, whole.
async function drawSheets() {
  const host = document.querySelector(".print-sheets"), ranked = data.views.filter(view => /best|median|worst/.test(view.reasons.join(" ")));
  for (const view of ranked.length ? ranked : data.views.slice(0, 1)) {
    const sheet = make("div", host, "sheet");
    make("h3", sheet, "", `${view.label} (${view.reasons.join(", ")}): ${view.figures}; clip ±${view.clip}`);
    const row = make("div", sheet, "panels");
    const images = await Promise.all(view.panels.map(panel => read(panel.png)));
    images.forEach((image, at) => {
      const canvas = addCanvas(row, view.panels[at].name);
      canvas.dataset.width = Math.round(1010 / images.length); canvas.dataset.height = 520;
      drawPanel(canvas, {image: paint(image, "grey", 1), y: view.y, yname: data.vertical, strip: view.strip, stripName: data.across, labelled: at === 0}, WHOLE, null, 2);
    });
  }
}
let settle = 0;
window.addEventListener("resize", () => { clearTimeout(settle); settle = setTimeout(() => { gatherViewer.draw(); if (stackViewer) stackViewer.draw(); drawRest(); }, 120); });
const links = [...document.querySelectorAll("nav a")];
const seen = new IntersectionObserver(entries => entries.forEach(entry => {
  if (entry.isIntersecting) links.forEach(link => link.classList.toggle("current", link.hash === `#${entry.target.id}`));
}), {rootMargin: "0px 0px -75% 0px"});
document.querySelectorAll("main section").forEach(section => seen.observe(section));
const median = data.views.findIndex(view => view.reasons.includes("median"));
Promise.all([pick(Math.max(0, median)), stackViewer && stackViewer.show(data.stack)]).then(drawSheets).then(() => { document.body.dataset.ready = "yes"; });
})();
