"use strict";
// Draws a window of the run on a canvas, and knows what is under the pointer. What would fall on one
// pixel is drawn once; when more messages are in view than a person could tell apart, lanes show how
// many were sent and lost instead.

const MARGIN_LEFT = 92;
const AXIS = 28;
const CAUSE = 64;
const WORLD = 46;
const STRIPE = 18;         // A node's role in one group.
const LANE_GAP = 58;       // Between nodes: room for arrows.
const OPERATION_ROW = 15;
const MESSAGES_MAX = 2500; // Drawn one by one.
const NOTABLE_MAX = 300;   // Votes and the like that are drawn one by one among more messages.
const FLAGS_MAX = 60;      // Whose lines go through all lanes.
const COLUMN = 3;          // Pixels, where messages are counted.
const FONT = "12px system-ui, sans-serif";
const SMALL = "11px system-ui, sans-serif";

// Of terms, one after the other: neighbours differ in hue and do not need red, which means broken.
const TERM_HUES = [212, 150, 36, 285, 180, 62, 320, 245];

// Which colour of the style sheet a kind of message has, and how strongly it is drawn.
const MESSAGE_STYLE = {
  "heartbeat": ["beat", 1], "AppendEntries": ["message", 1.4], "AppendEntriesReply": ["reply", 1],
  "pre-vote": ["vote", 1.2], "pre-vote reply": ["vote", 1], "RequestVote": ["vote", 2.2],
  "RequestVoteReply": ["vote", 1.6], "InstallSnapshot": ["snapshot", 1.8],
  "InstallSnapshotReply": ["snapshot", 1], "TimeoutNow": ["warn", 2.2], "call": ["call", 1],
  "call reply": ["call", 1], "session": ["faint", 1], "HTTP": ["call", 1], "bytes": ["faint", 1],
};

// What is worth a word of its own on its lane.
const EVENT_SIGN = {
  "start": ["▶", "good"], "end": ["✖", "bad"], "pause": ["‖", "warn"], "resume": ["▷", "warn"],
  "clock": ["◷", "warn"], "disk fault": ["◆", "cut"], "failed sync": ["✖", "cut"],
  "connection broken": ["⚡", "faint"], "log": ["•", "faint"],
};

class Diagram {
  constructor(canvas, model, shown) {
    this.canvas = canvas;
    this.model = model;
    this.shown = shown;         // What the filters say: page.js.
    this.window = {from: 0, to: model.end};
    this.found = new Set();     // Search hits.
    this.selected = null;
    this.cursor = null;         // A time.
    this.marks = [];            // What was drawn, for the pointer.
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const probe = document.createElement("span");
    document.body.append(probe);
    this.colour = {};
    for (const name of ["paper", "panel", "ink", "faint", "rule", "bad", "cut", "warn", "good", "hit",
      "message", "reply", "beat", "vote", "snapshot", "call"]) {
      probe.style.color = `var(--${name})`;
      this.colour[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    this.isDark = style.colorScheme.includes("dark") && (style.colorScheme === "dark" ||
      (style.colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches));
    this.hatches = new Map();
  }

  // --- where things are ---

  groups() {
    const only = this.shown.group;
    return only === "all" ? [...Array(this.model.groups).keys()] : [Number(only)];
  }

  layOut() {
    this.lanes = new Map();
    let y = AXIS + (this.model.cause.length > 0 ? CAUSE : 0);
    this.worldY = y;
    y += WORLD;
    const band = Math.max(STRIPE, STRIPE * this.groups().length);
    const nodes = this.model.nodes.filter((node) => this.shown.machines.has(node.index));
    for (const node of nodes) {
      this.lanes.set(node.index, {machine: node, y, height: band, isNode: true});
      y += band + LANE_GAP;
    }
    y += nodes.length > 0 ? 8 - LANE_GAP / 3 : 0;
    this.clientLanes = new Map();
    for (const machine of this.model.machines) {
      // Clients may live in nodes.
      const rows = this.model.operationRows.get(machine.index) ?? (machine.isNode ? 0 : 1);
      if (rows === 0 || machine.index === 0 || !this.shown.machines.has(machine.index)) continue;
      const lane = {machine, y, height: rows * OPERATION_ROW, isNode: false};
      this.clientLanes.set(machine.index, lane);
      if (!machine.isNode) this.lanes.set(machine.index, lane);
      y += lane.height + 12;
    }
    this.height = y + 8;
  }

  x(time) {
    const {from, to} = this.window;
    return MARGIN_LEFT + (time - from) / (to - from) * (this.width - MARGIN_LEFT);
  }

  timeAt(x) {
    const {from, to} = this.window;
    return from + (x - MARGIN_LEFT) / (this.width - MARGIN_LEFT) * (to - from);
  }

  laneAt(y) {
    for (const lane of this.lanes.values()) {
      if (y >= lane.y - 6 && y <= lane.y + lane.height + 12) return lane;
    }
    return null;
  }

  // The nearest thing within a few pixels.
  itemAt(x, y) {
    let nearest = null;
    let least = 7;
    for (const mark of this.marks) {
      const distance = distanceTo(mark, x, y) - (mark.isStrong ? 2 : 0);
      if (distance < least) {
        least = distance;
        nearest = mark.item;
      }
    }
    return nearest;
  }

  // --- drawing ---

  draw() {
    this.layOut();
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth || 800;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.height = `${this.height}px`;
    const c = this.context = this.canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = this.colour.paper;
    c.fillRect(0, 0, this.width, this.height);
    c.font = FONT;
    c.textBaseline = "middle";
    this.marks = [];

    c.save();
    c.beginPath();
    c.rect(MARGIN_LEFT, 0, this.width - MARGIN_LEFT, this.height);
    c.clip();
    this.#axis();
    this.#outside();
    if (this.model.cause.length > 0) this.#cause();
    this.#violationGround();
    for (const lane of this.lanes.values()) if (lane.isNode) this.#roles(lane);
    for (const lane of this.clientLanes.values()) this.#operationGround(lane);
    for (const lane of this.lanes.values()) this.#forEachTroubleWords(lane, (words) => this.words.push(words));
    this.#messages();
    for (const lane of this.clientLanes.values()) this.#operations(lane);
    for (const lane of this.lanes.values()) if (lane.isNode) this.#absences(lane);
    for (const lane of this.lanes.values()) this.#troubles(lane);
    this.#events();
    this.#selection();
    this.#violation();
    c.restore();
    this.#names();
  }

  #axis() {
    const c = this.context;
    const {from, to} = this.window;
    const step = niceStep((to - from) / Math.max(2, this.width / 150));
    c.strokeStyle = this.colour.rule;
    c.fillStyle = this.colour.faint;
    c.lineWidth = 1;
    c.font = SMALL;
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const x = Math.round(this.x(time)) + 0.5;
      line(c, x, AXIS - 6, x, this.height);
      c.fillText(sayTime(time, step * 100), x + 4, AXIS - 12);
    }
    c.font = FONT;
  }

  // What is before the beginning and behind the end.
  #outside() {
    const c = this.context;
    const edges = [[MARGIN_LEFT, this.x(0)], [this.x(this.model.end), this.width]];
    c.fillStyle = this.colour.panel;
    for (const [left, right] of edges) {
      if (right > left) c.fillRect(left, AXIS, right - left, this.height);
    }
  }

  // How likely the failure was, if the run had gone on by chance from each moment.
  #cause() {
    const c = this.context;
    const points = this.model.cause;
    const y = (probability) => AXIS + CAUSE - 8 - probability * (CAUSE - 20);
    c.strokeStyle = this.colour.rule;
    for (const share of [0, 0.5, 1]) line(c, MARGIN_LEFT, y(share), this.width, y(share));
    c.strokeStyle = this.colour.bad;
    c.lineWidth = 2;
    c.beginPath();
    for (const point of points) c.lineTo(this.x(point.at), y(point.probability));
    c.stroke();
    const steepest = steepestRise(points);
    for (const [i, point] of points.entries()) {
      c.fillStyle = i === steepest ? this.colour.bad : this.colour.paper;
      c.beginPath();
      c.arc(this.x(point.at), y(point.probability), i === steepest ? 4.5 : 3, 0, 7);
      c.fill();
      c.stroke();
      this.marks.push({x0: this.x(point.at), y0: y(point.probability), isStrong: true, item: {
        type: "event", at: point.at, machine: 0, kind: "cause",
        text: `from here on ${Math.round(point.probability * 100)} % of ${point.runs} runs failed`}});
    }
  }

  #roles(lane) {
    const groups = this.groups();
    for (const [row, group] of groups.entries()) {
      const states = this.model.states.get(lane.machine.index)?.[group] ?? [];
      const y = lane.y + row * STRIPE;
      let drawnTo = -1;
      this.#roleSpans(states, (state, from, to) => {
        const right = this.x(to);
        if (right < drawnTo + 0.5 && state.role !== "leader") return;
        drawnTo = right;
        this.#roleSpan(state, this.x(from), right, y, groups.length > 1 ? `g${group} ` : "",
          to === this.model.end);
      });
    }
  }

  // Spans of one role and term; those within a pixel of each other are one.
  #roleSpans(states, visit) {
    let open = null;
    for (const state of states) {
      if (open && state.role === open.role && state.term === open.term) continue;
      if (open) visit(open, open.at, state.at);
      open = state;
    }
    if (open) visit(open, open.at, this.model.end);
  }

  termColour(term, strength) {
    const hue = TERM_HUES[(term - 1 + TERM_HUES.length) % TERM_HUES.length];
    if (term === 0) return this.isDark ? "#3a3f47" : "#e3e6ea";
    const [saturation, lightness] = {
      strong: this.isDark ? [58, 46] : [62, 42],
      weak: this.isDark ? [26, 24] : [55, 90],
      light: [60, 70],
    }[strength];
    return `hsl(${hue} ${saturation}% ${lightness}%)`;
  }

  #roleSpan(state, left, right, y, prefix, isLast) {
    if (right < MARGIN_LEFT || left > this.width) return;
    const c = this.context;
    left = Math.max(left, MARGIN_LEFT - 2);
    right = Math.min(right, this.width + 2);
    if (state.role === "gone") return;
    const width = Math.max(right - left, 1);
    const isLeader = state.role === "leader";
    const stands = state.role === "candidate" || state.role === "pre-candidate";
    c.fillStyle = this.termColour(state.term, isLeader ? "strong" : "weak");
    if (state.role === "starting") c.fillStyle = this.colour.panel;
    c.fillRect(left, y, width, STRIPE - 2);
    if (stands) {
      c.fillStyle = this.hatch(this.termColour(state.term, "strong"), state.role === "candidate" ? 3 : 1.2);
      c.fillRect(left, y, width, STRIPE - 2);
    }
    if (width < 12 && !isLast) return;
    c.fillStyle = isLeader ? "#fff" : this.colour.ink;
    c.font = isLeader ? `600 ${FONT}` : SMALL;
    const label = state.role === "starting" ? "starts" : `${prefix}${state.role} t${state.term}`;
    const isNarrow = c.measureText(label).width > right - left - 8;
    this.#textWithin([label, `t${state.term}`], left + 5, right - 3, y + STRIPE / 2 - 0.5);
    if (isNarrow && isLast && isLeader) {
      // There is room behind the end of the run.
      c.fillStyle = this.termColour(state.term, this.isDark ? "light" : "strong");
      this.#textWithin([label], right + 6, this.width, y + STRIPE / 2 - 0.5);
    }
    c.font = FONT;
  }

  // The longest of the texts that fits; with `cuts`, else the first, cut short.
  #textWithin(texts, left, right, y, cuts = false) {
    const c = this.context;
    const room = right - left;
    if (room < 8) return false;
    for (const text of texts) {
      if (c.measureText(text).width > room) continue;
      c.fillText(text, left, y);
      return true;
    }
    if (!cuts || room < 24) return false;
    let text = texts[0].slice(0, Math.ceil(room / 4));
    while (text.length > 1 && c.measureText(`${text}…`).width > room) text = text.slice(0, -1);
    if (text.length < 3) return false;
    c.fillText(`${text}…`, left, y);
    return true;
  }

  hatch(colour, width) {
    const key = `${colour}/${width}`;
    if (!this.hatches.has(key)) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = 8;
      const c = tile.getContext("2d");
      c.strokeStyle = colour;
      c.lineWidth = width;
      for (const shift of [-8, 0, 8]) line(c, shift, 8, shift + 8, 0);
      this.hatches.set(key, this.context.createPattern(tile, "repeat"));
    }
    return this.hatches.get(key);
  }

  #absences(lane) {
    const c = this.context;
    const shade = (span, colour, text) => {
      const left = Math.max(this.x(span.begin), MARGIN_LEFT);
      const right = Math.min(this.x(span.end), this.width);
      if (right < left) return;
      c.fillStyle = this.hatch(colour, 2);
      c.fillRect(left, lane.y, Math.max(right - left, 1), lane.height - 2);
      // At its end and on a plate of its own: the role may be written at its beginning.
      const start = right - c.measureText(text).width - 5;
      if (start < left + 2) return;
      c.fillStyle = this.colour.paper;
      c.fillRect(start - 2, lane.y + 1, right - start - 1, STRIPE - 4);
      c.fillStyle = this.colour.ink;
      c.fillText(text, start, lane.y + STRIPE / 2);
    };
    for (const span of this.model.absences.get(lane.machine.index) ?? []) {
      shade(span, this.colour.faint, span.text);
    }
    for (const span of this.model.pauses.get(lane.machine.index) ?? []) {
      shade(span, this.colour.warn, "paused");
    }
  }

  // --- messages ---

  isShown(message) {
    return this.shown.kinds.has(message.kind) && this.lanes.has(message.from) &&
      this.lanes.has(message.to) &&
      (this.shown.group === "all" || message.group < 0 || message.group === Number(this.shown.group));
  }

  #messages() {
    const inView = [];
    this.model.messageIndex.forEachIn(this.window.from, this.window.to, (message) => {
      if (this.isShown(message)) inView.push(message);
    });
    this.messagesInView = inView.length;
    this.isAggregated = inView.length > MESSAGES_MAX;
    if (this.isAggregated) {
      this.#density(inView);
      const notable = inView.filter((m) => MESSAGE_STYLE[m.kind][1] > 1.5);
      if (notable.length <= NOTABLE_MAX) for (const message of notable) this.#arrow(message, false);
      for (const message of this.#thinned(inView.filter((m) => this.found.has(m)))) {
        this.#arrow(message, false);
      }
      return;
    }
    const hasWords = inView.filter((m) => MESSAGE_STYLE[m.kind][1] > 1).length < 90;
    for (const message of inView) this.#arrow(message, hasWords);
  }

  // One of those that begin on the same pixel.
  #thinned(messages) {
    let last = -1;
    return messages.filter((message) => {
      const x = Math.round(this.x(message.sent));
      const isNew = x !== last;
      last = x;
      return isNew;
    });
  }

  // Below each node: how much it sent, and what of it was not received, by columns of pixels.
  #density(messages) {
    const c = this.context;
    const columns = Math.ceil(this.width / COLUMN) + 1;
    const counts = new Map([...this.lanes.keys()].map((machine) =>
      [machine, {sent: new Uint32Array(columns), lost: new Uint32Array(columns)}]));
    let most = 1;
    for (const message of messages) {
      const column = Math.floor(this.x(message.sent) / COLUMN);
      if (column < 0 || column >= columns) continue;
      const {sent, lost} = counts.get(message.from);
      most = Math.max(most, ++sent[column]);
      if (message.received === NEVER) ++lost[column];
    }
    const scale = (LANE_GAP - 22) / Math.log2(1 + most);
    for (const [machine, {sent, lost}] of counts) {
      const lane = this.lanes.get(machine);
      const y = lane.y + lane.height + 8;
      for (let column = 0; column < columns; ++column) {
        if (sent[column] === 0) continue;
        c.fillStyle = this.colour.message;
        c.globalAlpha = 0.55;
        c.fillRect(column * COLUMN, y, COLUMN, Math.log2(1 + sent[column]) * scale);
        c.globalAlpha = 1;
        if (lost[column] === 0) continue;
        c.fillStyle = this.colour.bad;
        c.fillRect(column * COLUMN, y, COLUMN, Math.log2(1 + lost[column]) * scale);
      }
    }
  }

  #arrow(message, hasWords) {
    const c = this.context;
    const from = this.lanes.get(message.from);
    const to = this.lanes.get(message.to);
    const isDown = to.y > from.y;
    const [name, weight] = MESSAGE_STYLE[message.kind];
    const isFound = this.found.has(message);
    const x0 = this.x(message.sent);
    const y0 = isDown ? from.y + from.height : from.y - 2;
    let y1 = isDown ? to.y - 2 : to.y + to.height;
    let x1 = this.x(message.received);
    const isReceived = message.received !== NEVER;
    if (!isReceived) {
      // On its way, and never there.
      x1 = x0 + 16;
      y1 = y0 + (y1 - y0) * Math.min(0.55, 30 / Math.abs(y1 - y0));
    }
    c.strokeStyle = c.fillStyle = isReceived ? this.colour[name] : this.colour.bad;
    c.globalAlpha = isReceived ? (message.isHeld ? 0.5 : 1) : 0.85;
    if (isFound) {
      c.save();
      c.strokeStyle = this.colour.hit;
      c.lineWidth = 7;
      line(c, x0, y0, x1, y1);
      c.restore();
    }
    c.lineWidth = weight;
    if (message.isHeld) c.setLineDash([2, 5]);
    line(c, x0, y0, x1, y1);
    c.setLineDash([]);
    if (isReceived) arrowHead(c, x0, y0, x1, y1, 4 + weight);
    else cross(c, x1, y1, 3.5);
    c.globalAlpha = 1;
    if (hasWords && weight > 1.1) this.#messageWords(message, x0, y0, x1, y1);
    this.marks.push({x0, y0, x1, y1, item: message});
  }

  #messageWords(message, x0, y0, x1, y1) {
    const c = this.context;
    const label = `${message.kind}${message.group >= 0 ? ` t${message.term}` : ""}`;
    c.font = SMALL;
    const width = c.measureText(label).width;
    const limit = this.model.violation ? this.x(this.model.violation.at) : this.width;
    const at = x0 + (x1 - x0) * 0.35;
    const x = at + 5 + width > limit && at < limit ? Math.min(x0, x1) - 5 - width : at + 5;
    const y = y0 + (y1 - y0) * 0.35;
    const isFree = !this.words.some((w) => Math.abs(w.y - y) < 12 && x < w.right && x + width > w.left);
    if (isFree) {
      this.words.push({y, left: x, right: x + width});
      c.fillText(label, x, y);
    }
    c.font = FONT;
  }

  // --- clients ---

  #operationGround(lane) {
    this.context.fillStyle = this.colour.panel;
    const right = Math.min(this.x(this.model.end), this.width);
    this.context.fillRect(MARGIN_LEFT, lane.y - 2, Math.max(0, right - MARGIN_LEFT), lane.height + 2);
  }

  operationColour(operation) {
    if (operation.isCulprit) return this.colour.bad;
    if (operation.outcome === "unknown" || operation.outcome === "pending") return this.colour.warn;
    if (operation.outcome === "fail") return this.colour.faint;
    if (/^[3-5]\d\d$/.test(operation.answer)) return this.isDark ? "#566172" : "#a9b4c2";
    return this.colour.good;
  }

  #operations(lane) {
    const c = this.context;
    const drawn = new Map();  // By row and colour: how far the last one reached.
    c.font = SMALL;
    const index = this.model.operationIndexes.get(lane.machine.index);
    index.forEachIn(this.window.from, this.window.to, (operation) => {
      const left = this.x(operation.called);
      const right = Math.max(left + 2.5, this.x(this.model.endOf(operation)));
      const colour = this.operationColour(operation);
      const isStrong = operation.isCulprit || this.found.has(operation);
      const key = `${operation.row} ${colour}`;
      if (!isStrong && right < (drawn.get(key) ?? -1) + 0.7) return;
      drawn.set(key, right);
      const y = lane.y + operation.row * OPERATION_ROW;
      const isOpen = operation.outcome === "unknown" || operation.outcome === "pending";
      c.fillStyle = isOpen ? this.hatch(colour, 3) : colour;
      c.fillRect(left, y, right - left, OPERATION_ROW - 4);
      if (isStrong) {
        c.strokeStyle = operation.isCulprit ? this.colour.bad : this.colour.hit;
        c.lineWidth = 3;
        c.strokeRect(left - 2, y - 2, right - left + 4, OPERATION_ROW);
      }
      const room = right - left;
      if (room > 40) {
        c.fillStyle = isOpen ? this.colour.ink : this.isDark && colour !== this.colour.bad ? "#111" : "#fff";
        // "200, ETag ...": the rest is in the list.
        const answer = operation.outcome === "ok" ? operation.answer.split(", ETag")[0] : operation.outcome;
        const start = Math.max(left, MARGIN_LEFT) + 4;
        const words = `${answer}: ${operation.what}`;
        if (isOpen) {
          const ink = c.fillStyle;
          c.fillStyle = this.colour.paper;
          c.fillRect(start - 2, y + 1, Math.min(c.measureText(words).width + 4, right - start), OPERATION_ROW - 6);
          c.fillStyle = ink;
        }
        this.#textWithin([words], start, right - 2, y + OPERATION_ROW / 2 - 2, true);
      }
      this.marks.push({x0: left, y0: y + 5, x1: right, y1: y + 5, item: operation, isStrong: true});
    });
    c.font = FONT;
  }

  // --- faults and events ---

  // Below a node: whom it cannot reach.
  #troubles(lane) {
    const c = this.context;
    const y = lane.y + lane.height;
    for (const trouble of this.model.troubles.get(lane.machine.index) ?? []) {
      const left = Math.max(this.x(trouble.begin), MARGIN_LEFT);
      const right = Math.min(this.x(trouble.end), this.width);
      if (right < MARGIN_LEFT || left > this.width) continue;
      const colour = trouble.cut ? this.colour.cut : this.colour.warn;
      c.fillStyle = this.hatch(colour, 3);
      c.fillRect(left, y, Math.max(right - left, 2), 6);
      this.marks.push({x0: left, y0: y + 3, x1: right, y1: y + 3, item: trouble});
    }
    c.font = `600 ${SMALL}`;
    this.#forEachTroubleWords(lane, ({trouble, words, left, right, y: middle}) => {
      c.fillStyle = this.colour.paper;
      c.globalAlpha = 0.85;
      c.fillRect(left, middle - 7, right - left, 14);
      c.globalAlpha = 1;
      c.fillStyle = trouble.cut ? this.colour.cut : this.colour.warn;
      c.fillText(words, left + 3, middle);
    });
    c.font = FONT;
  }

  // Those that have room.
  #forEachTroubleWords(lane, visit) {
    const c = this.context;
    c.font = `600 ${SMALL}`;
    let end = -1;
    for (const trouble of this.model.troubles.get(lane.machine.index) ?? []) {
      const left = Math.max(this.x(trouble.begin), MARGIN_LEFT);
      const room = Math.min(this.x(trouble.end), this.width) - left;
      const words = `✂ ${sayTrouble(trouble)}`;
      const width = c.measureText(words).width;
      if (room < width + 8 || left <= end) continue;
      end = left + width + 8;
      visit({trouble, words, left: left + 2, right: end, y: lane.y + lane.height + 14});
    }
    c.font = FONT;
  }

  #events() {
    const c = this.context;
    const ofTheWorld = [];
    const last = new Map();
    this.model.eventIndex.forEachIn(this.window.from, this.window.to, (event) => {
      if (!this.shown.events.has(event.kind)) return;
      const x = this.x(event.at);
      if (event.machine === 0) {
        ofTheWorld.push(event);
        return;
      }
      const lane = this.lanes.get(event.machine);
      if (!lane?.isNode && this.model.nodes.length > 0) return;
      if (!lane) return;
      const key = `${event.machine} ${event.kind}`;
      const isFound = this.found.has(event);
      if (!isFound && x < (last.get(key) ?? -10) + 1.5) return;
      last.set(key, x);
      this.#eventSign(event, lane, x, isFound);
    });
    this.#flags(ofTheWorld);
  }

  #eventSign(event, lane, x, isFound) {
    const c = this.context;
    if (event.kind === "sync") {
      c.strokeStyle = this.colour.good;
      c.lineWidth = 1;
      line(c, x, lane.y - 5, x, lane.y);
    } else {
      const [sign, colour] = EVENT_SIGN[event.kind] ?? ["•", "faint"];
      c.fillStyle = this.colour[colour];
      c.textAlign = "center";
      c.fillText(sign, x, lane.y - 8);
      c.textAlign = "left";
    }
    if (isFound) this.#halo(x, lane.y - 8);
    this.marks.push({x0: x, y0: lane.y - 7, item: event, isStrong: event.kind !== "log"});
  }

  // What the nemesis and the network did, and who was elected: flags above all lanes. Words go where
  // there is room, to the right of their flag or to the left; what has none keeps its flag.
  #flags(events) {
    const c = this.context;
    const {from, to} = this.window;
    const elections = this.groups().flatMap((group) => this.model.elections[group])
      .filter(({at, machine}) => at >= from && at <= to && this.lanes.has(machine));
    const flags = [...events, ...elections].sort((a, b) => a.at - b.at);
    const rows = [MARGIN_LEFT, MARGIN_LEFT];  // How far each row of words reaches.
    const limit = this.model.violation ? this.x(this.model.violation.at) : Infinity;
    let last = -1;
    c.font = SMALL;
    for (const item of flags) {
      const x = this.x(item.at);
      if (x - last < 0.7 && !this.found.has(item)) continue;
      last = x;
      c.strokeStyle = c.fillStyle = this.#flagColour(item);
      if (flags.length <= FLAGS_MAX) {
        c.globalAlpha = 0.6;
        c.setLineDash([2, 3]);
        line(c, x, this.worldY, x, this.height);
        c.setLineDash([]);
        c.globalAlpha = 1;
      }
      c.fillRect(x - 1, this.worldY, 3, 6);
      if (this.found.has(item)) this.#halo(x, this.worldY + 4);
      const words = item.type === "election" ? describe(this.model, item) : item.text;
      this.#flagWords(words, x, rows, x < limit ? Math.min(limit, this.width) : this.width);
      this.marks.push({x0: x, y0: this.worldY + 4, item, isStrong: true});
    }
    c.font = FONT;
  }

  #flagColour(item) {
    if (item.type === "election") return this.termColour(item.term, this.isDark ? "light" : "strong");
    return item.kind === "network fault" || item.text.startsWith("nemesis") ? this.colour.cut
      : this.colour.faint;
  }

  #flagWords(words, x, rows, limit) {
    const c = this.context;
    if (rows.every((end) => x < end)) return;
    const width = Math.min(c.measureText(words).width, 420);
    for (const [row, end] of rows.entries()) {
      const y = this.worldY + 14 + row * 15;
      if (x + 4 >= end && x + 4 + width <= limit) {
        this.#textWithin([words], x + 4, x + 6 + width, y, true);
        rows[row] = x + width + 12;
        return;
      }
      if (x - 8 - width >= end) {
        this.#textWithin([words], x - 5 - width, x - 3, y, true);
        rows[row] = x + 2;
        return;
      }
    }
  }

  #halo(x, y) {
    this.context.strokeStyle = this.colour.hit;
    this.context.lineWidth = 3;
    this.context.strokeRect(x - 7, y - 7, 14, 14);
  }

  // --- the failure ---

  #violationGround() {
    this.words = [];
    const at = this.model.violation?.at;
    if (at === undefined) return;
    const c = this.context;
    c.fillStyle = this.colour.bad;
    c.globalAlpha = 0.12;
    for (const {called, returned} of this.model.culprits) {
      const width = Math.max(this.x(returned) - this.x(called), 3);
      c.fillRect(this.x(returned) - width, AXIS, width, this.height);
    }
    c.globalAlpha = 1;
  }

  #violation() {
    const violation = this.model.violation;
    if (!violation) return;
    const c = this.context;
    const x = this.x(violation.at);
    c.strokeStyle = c.fillStyle = this.colour.bad;
    c.lineWidth = 2;
    line(c, x, AXIS, x, this.height);
    c.font = `600 ${FONT}`;
    this.#flag(`✖ ${violation.oracle}`, x, AXIS + 2);
    for (const operation of this.model.culprits) this.#culprit(operation);
    c.font = FONT;
    this.marks.push({x0: x, y0: AXIS, x1: x, y1: AXIS + 16,
      item: {type: "violation", at: violation.at, ...violation}});
  }

  #culprit(operation) {
    const client = this.clientLanes.get(operation.client);
    const node = this.lanes.get(operation.node);
    if (!client) return;
    const x = this.x(operation.returned);
    const y = client.y + operation.row * OPERATION_ROW;
    if (node) this.#flag(`answers ${operation.answer.slice(0, 24)}`, x, node.y - 1);
    this.#flag(`✖ ${operation.answer.slice(0, 24)} from ${this.model.nameOf(operation.node)}`, x, y - 4);
  }

  #flag(text, x, y) {
    const c = this.context;
    const width = c.measureText(text).width + 12;
    const left = x + width > this.width ? x - width : x;
    c.fillStyle = this.colour.bad;
    c.fillRect(left, y, width, 18);
    c.fillStyle = this.isDark ? "#20080c" : "#fff";
    c.fillText(text, left + 6, y + 9.5);
  }

  #selection() {
    const c = this.context;
    if (this.cursor !== null) {
      c.strokeStyle = this.colour.ink;
      c.lineWidth = 1;
      c.globalAlpha = 0.5;
      line(c, this.x(this.cursor), AXIS, this.x(this.cursor), this.height);
      c.globalAlpha = 1;
    }
    if (!this.selected) return;
    c.strokeStyle = this.colour.ink;
    if (this.selected.type === "operation") this.#way(this.selected);
    c.lineWidth = 3;
    for (const mark of this.marks) {
      if (mark.item !== this.selected) continue;
      if (mark.x1 === undefined) c.strokeRect(mark.x0 - 8, mark.y0 - 8, 16, 16);
      else if (mark.y0 === mark.y1) c.strokeRect(mark.x0 - 3, mark.y0 - 8, mark.x1 - mark.x0 + 6, 14);
      else line(c, mark.x0, mark.y0, mark.x1, mark.y1);
    }
  }

  // From a client to the node that it asks, and back.
  #way(operation) {
    const client = this.clientLanes.get(operation.client);
    const node = this.lanes.get(operation.node);
    if (!client || !node) return;
    const c = this.context;
    const y = client.y + operation.row * OPERATION_ROW;
    const called = this.x(operation.called);
    const returned = this.x(this.model.endOf(operation));
    c.lineWidth = 1.5;
    c.setLineDash([5, 3]);
    line(c, called, y, called, node.y + node.height);
    line(c, returned, node.y + node.height, returned, y);
    c.setLineDash([]);
  }

  #names() {
    const c = this.context;
    c.fillStyle = this.colour.paper;
    c.fillRect(0, 0, MARGIN_LEFT - 1, this.height);
    c.textAlign = "right";
    const right = MARGIN_LEFT - 10;
    for (const lane of [...this.lanes.values(), ...this.clientLanes.values()]) {
      c.font = lane.isNode ? "600 14px system-ui, sans-serif" : FONT;
      const isNamed = this.model.violation?.message.match(new RegExp(`\\b${lane.machine.name}\\b`));
      c.fillStyle = lane.isNode ? (isNamed ? this.colour.bad : this.colour.ink) : this.colour.faint;
      c.fillText(lane.isNode ? lane.machine.name : this.model.nameOfClients(lane.machine), right, lane.y + lane.height / 2 - 1);
    }
    c.font = SMALL;
    c.fillStyle = this.colour.faint;
    c.fillText("faults", right, this.worldY + 14);
    if (this.model.cause.length > 0) {
      c.fillText("P(failure)", right, AXIS + 12);
      c.fillText("1", right, AXIS + 26);
      c.fillText("0", right, AXIS + CAUSE - 8);
    }
    if (this.isAggregated) {
      c.textAlign = "left";
      c.fillText(`${this.messagesInView.toLocaleString("en")} messages in view: how many are sent (blue) and lost (red); zoom in to see each`,
        MARGIN_LEFT + 6, this.height - 6);
    }
    c.textAlign = "left";
    c.font = FONT;
  }
}

// --- shapes ---

function line(c, x0, y0, x1, y1) {
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
}

function cross(c, x, y, size) {
  line(c, x - size, y - size, x + size, y + size);
  line(c, x - size, y + size, x + size, y - size);
}

function arrowHead(c, x0, y0, x1, y1, size) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  c.beginPath();
  c.moveTo(x1, y1);
  c.lineTo(x1 - size * Math.cos(angle - 0.4), y1 - size * Math.sin(angle - 0.4));
  c.lineTo(x1 - size * Math.cos(angle + 0.4), y1 - size * Math.sin(angle + 0.4));
  c.fill();
}

function distanceTo({x0, y0, x1 = x0, y1 = y0}, x, y) {
  const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  const along = length === 0 ? 0
    : Math.max(0, Math.min(1, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length));
  return Math.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0));
}

// 1, 2 or 5 times a power of ten, at least `least`.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

// The point at the end of the steepest rise of the curve, or -1.
function steepestRise(points) {
  let best = -1;
  let most = 0;
  for (let i = 1; i < points.length; ++i) {
    const rise = points[i].probability - points[i - 1].probability;
    if (rise > most) {
      most = rise;
      best = i;
    }
  }
  return best;
}
