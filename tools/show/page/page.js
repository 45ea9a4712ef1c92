"use strict";
// The page around the diagram: filters, search, keys, pointer, the table of states and the list of
// what happened.

const byId = (id) => document.getElementById(id);
const QUIET_KINDS = ["session", "HTTP", "bytes", "call", "call reply"];  // Not shown at first.
const SPAN_LEAST = 1000;  // Nanoseconds in view.

class Page {
  constructor(model) {
    this.model = model;
    this.shown = {
      group: this.#groupOfInterest(),
      // Who does nothing of its own needs no lane.
      machines: new Set(model.machines.map((machine) => machine.index).filter((index) =>
        model.machines[index].isNode || model.nodes.length === 0 || model.operationRows.has(index))),
      kinds: new Set(model.messageKinds.filter((kind) => !QUIET_KINDS.includes(kind) || model.nodes.length === 0)),
      events: new Set(model.eventKinds),
    };
    this.diagram = new Diagram(byId("diagram"), model, this.shown);
    this.hits = [];
    this.items = this.#itemsInOrder();
    this.#sayVerdict();
    this.#buildFilters();
    this.#buildLegend();
    this.#listen();
    this.toFailure();
    // For tests, and for whoever looks at a run from the console.
    window.keelson = this;
  }

  // The group that the oracle speaks of; probes ask about the default group.
  #groupOfInterest() {
    if (this.model.groups <= 1) return "all";
    const {oracle, message} = this.model.violation ?? {oracle: "", message: ""};
    const named = message.match(/\bg(\d+)\b/);
    if (named && Number(named[1]) < this.model.groups) return named[1];
    if (oracle.startsWith("probe")) return "0";
    return this.model.groups <= 3 ? "all" : "0";
  }

  // Everything that a list would tell, by time.
  #itemsInOrder() {
    const items = [...this.model.events, ...this.model.operations, ...this.model.messages];
    if (this.model.violation) items.push({type: "violation", ...this.model.violation});
    return items.sort((a, b) => this.model.startOf(a) - this.model.startOf(b));
  }

  #sayVerdict() {
    const {violation, end} = this.model;
    const verdict = byId("verdict");
    if (violation) {
      const strong = document.createElement("strong");
      strong.textContent = `${violation.oracle} `;
      verdict.append(strong, `broken at ${sayTime(violation.at)}: ${violation.message}`);
      verdict.className = "broken";
    } else {
      verdict.textContent = `held: no oracle fired in ${sayTime(end)}`;
    }
    byId("repeat").firstElementChild.textContent = this.model.repeat;
    byId("to-failure").disabled = !violation;
  }

  // --- the window ---

  setWindow(from, to) {
    const span = Math.min(Math.max(to - from, SPAN_LEAST), this.model.end * 1.1);
    const least = -0.1 * span;
    const most = this.model.end + 0.3 * span;
    const middle = (from + to) / 2;
    from = Math.min(Math.max(middle - span / 2, least), most - span);
    this.diagram.window = {from, to: from + span};
    this.redraw();
  }

  move(share) {
    const {from, to} = this.diagram.window;
    this.setWindow(from + share * (to - from), to + share * (to - from));
  }

  zoom(factor, around = null) {
    const {from, to} = this.diagram.window;
    const fixed = around ?? this.diagram.cursor ?? (from + to) / 2;
    if (fixed < from || fixed > to) return this.setWindow(from + (to - from) * (1 - factor) / 2, to - (to - from) * (1 - factor) / 2);
    this.setWindow(fixed - (fixed - from) * factor, fixed + (to - fixed) * factor);
  }

  // With room for the words behind its end.
  toWhole() {
    this.setWindow(0, this.model.end * (this.model.violation ? 1.1 : 1));
  }

  // From the last trouble before the oracle fired, or from the call that it objects to, with some of
  // what was before; without either, from the last messages. The whole run if no oracle fired.
  toFailure() {
    const at = this.model.violation?.at;
    if (at === undefined) return this.toWhole();
    const called = Math.min(at, ...this.model.culprits.map((operation) => operation.called));
    const begin = Math.min(called, this.#lastTroubleBefore(Math.max(called, at - 5e8)) ?? this.#lastMessagesBefore(at));
    const span = Math.max(at - begin, 1e6);
    this.diagram.cursor = at;
    this.setWindow(at - span * 1.12, at + span * 0.3);
  }

  #lastTroubleBefore(time) {
    const isOfNode = (machine) => this.model.machines[machine].isNode;
    const faults = ["end", "pause", "disk fault", "failed sync"];
    const troubles = [
      ...this.model.links.filter((link) => isOfNode(link.from) && link.end > time - 2e8).map((link) => link.begin),
      ...this.model.events.filter((event) => faults.includes(event.kind) && isOfNode(event.machine)).map((event) => event.at),
    ].filter((begin) => begin < time && begin > time - 1.2e9);
    return troubles.length > 0 ? Math.max(...troubles) : undefined;
  }

  // When the oracle fired is when the last of some 40 of them was under way.
  #lastMessagesBefore(time) {
    this.diagram.layOut();
    const messages = this.model.messages.filter((message) => message.sent <= time && message.sent > time - 2e8 &&
      this.diagram.isShown(message));
    return messages.length > 0 ? messages[Math.max(0, messages.length - 40)].sent : time - 2e8;
  }

  show(item) {
    this.diagram.selected = item;
    const start = this.model.startOf(item);
    const end = Math.max(this.model.endOf(item), start);
    this.diagram.cursor = start;
    const {from, to} = this.diagram.window;
    const span = Math.max(to - from, (end - start) * 1.5);
    byId("selected").textContent = `${sayTime(start)}  ${describe(this.model, item)}`;
    if (start < from || end > to) this.setWindow(start - span * 0.4, start + span * 0.6);
    else this.redraw();
  }

  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.diagram.draw();
      this.#drawOverview();
      this.#fillStates();
      clearTimeout(this.storyTimer);
      this.storyTimer = setTimeout(() => {
        this.storyTimer = null;
        this.#fillStory();
      }, 120);
    });
  }

  // Whether picture, table and list all tell the present state. Until the list does, the page may be
  // shorter than it will be, and the picture elsewhere on the screen.
  get isSettled() {
    return this.diagram.width > 0 && !this.isDue && this.storyTimer === null;
  }

  // --- filters ---

  #buildFilters() {
    const group = byId("group");
    for (const value of ["all", ...Array(this.model.groups).keys()]) {
      group.append(new Option(value === "all" ? "all" : `g${value}`, String(value)));
    }
    group.value = this.shown.group;
    group.addEventListener("change", () => {
      this.shown.group = group.value;
      this.redraw();
    });
    const count = (items, key) => {
      const counts = new Map();
      for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
      return counts;
    };
    const kinds = count(this.model.messages, (m) => m.kind);
    const events = count(this.model.events, (e) => e.kind);
    this.#buildMenu("machines", this.shown.machines,
      this.model.machines.slice(1).map((machine) => [machine.index, machine.name]));
    this.#buildMenu("kinds", this.shown.kinds, this.model.messageKinds.map((k) => [k, k, kinds.get(k) ?? 0]));
    this.#buildMenu("events", this.shown.events, this.model.eventKinds.map((k) => [k, k, events.get(k) ?? 0]));
  }

  #buildMenu(id, chosen, entries) {
    for (const [value, name, count] of entries) {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"),
        {type: "checkbox", checked: chosen.has(value), name: `${id}-${name}`});
      box.addEventListener("change", () => {
        if (box.checked) chosen.add(value);
        else chosen.delete(value);
        this.redraw();
      });
      label.append(box, ` ${name}`);
      if (count !== undefined) {
        label.append(Object.assign(document.createElement("span"), {className: "count", textContent: count}));
      }
      byId(id).append(label);
    }
  }

  #buildLegend() {
    const stripes = (colour) => `repeating-linear-gradient(135deg, ${colour} 0 3px, transparent 3px 6px)`;
    const entries = [
      ["leader", () => this.diagram.termColour(1, "strong")], ["follower", () => this.diagram.termColour(1, "weak")],
      ["candidate", () => stripes(this.diagram.termColour(1, "strong"))],
      ["next term", () => this.diagram.termColour(2, "strong")], ["vote", () => this.diagram.colour.vote],
      ["AppendEntries", () => this.diagram.colour.message], ["heartbeat", () => this.diagram.colour.beat],
      ["✕ lost; broken", () => this.diagram.colour.bad], ["cut", () => stripes(this.diagram.colour.cut)],
      ["answered: done, 200", () => this.diagram.colour.good], ["unknown outcome", () => stripes(this.diagram.colour.warn)],
      ["down", () => stripes(this.diagram.colour.faint)],
    ];
    this.legend = entries.map(([name, colour]) => {
      const swatch = document.createElement("i");
      const entry = document.createElement("span");
      entry.append(swatch, name);
      byId("legend").append(entry, " ");
      return () => { swatch.style.background = colour(); };
    });
    this.#colourLegend();
  }

  #colourLegend() {
    for (const colour of this.legend) colour();
  }

  // --- search ---

  search(words) {
    const sought = words.trim().toLowerCase();
    this.hits = sought === "" ? [] : this.items.filter((item) =>
      describe(this.model, item).toLowerCase().includes(sought));
    this.diagram.found = new Set(this.hits);
    this.hit = -1;
    byId("hits").textContent = sought === "" ? "" : `${this.hits.length.toLocaleString("en")} hits`;
    this.redraw();
  }

  // The next hit in the direction, from where the reader is.
  nextHit(direction) {
    if (this.hits.length === 0) return;
    if (this.hit < 0) {
      const here = this.diagram.cursor ?? this.diagram.window.from;
      const after = this.hits.findIndex((item) => this.model.startOf(item) >= here);
      this.hit = direction > 0 ? after : (after < 0 ? this.hits.length : after) - 1;
      if (this.hit < 0) this.hit = direction > 0 ? 0 : this.hits.length - 1;
    } else {
      this.hit = (this.hit + direction + this.hits.length) % this.hits.length;
    }
    byId("hits").textContent = `${this.hit + 1} of ${this.hits.length.toLocaleString("en")}`;
    this.show(this.hits[this.hit]);
  }

  // --- the list and the table ---

  // Whether the list tells it: messages are for the picture, but for those that decide something.
  isStory(item) {
    if (item.type === "violation") return true;
    if (item.type === "operation") return this.shown.machines.has(item.client);
    if (item.type === "message") {
      return this.diagram.isShown(item) && MESSAGE_STYLE[item.kind][1] > 1.5;
    }
    if (!this.shown.events.has(item.kind) || item.kind === "sync") return false;
    const group = item.text.match(/^raft: g(\d+):/);
    return !group || this.shown.group === "all" || this.shown.group === group[1];
  }

  #fillStory() {
    const LINES_MAX = 200;
    const {from, to} = this.diagram.window;
    const start = (item) => this.model.startOf(item);
    let inView = this.items.filter((item) => start(item) >= from && start(item) <= to && this.isStory(item));
    const total = inView.length;
    if (total > LINES_MAX) {
      const middle = this.diagram.cursor ?? this.model.violation?.at ?? from;
      const here = inView.findIndex((item) => start(item) >= middle);
      const first = Math.max(0, (here < 0 ? total : here) - LINES_MAX * 3 / 4);
      inView = inView.slice(first, first + LINES_MAX);
    }
    this.story = inView;
    byId("story-title").textContent = total > inView.length
      ? `What happened: ${inView.length} of ${total.toLocaleString("en")} in view` : "What happened in view";
    const list = byId("story");
    list.replaceChildren(...inView.map((item) => this.#storyLine(item, to - from)));
    const bad = list.querySelector(".current") ?? list.querySelector(".bad");
    if (bad) list.scrollTop = bad.offsetTop - list.offsetTop - list.clientHeight / 2;
  }

  #storyLine(item, span) {
    const line = document.createElement("li");
    const button = Object.assign(document.createElement("button"), {type: "button"});
    const time = document.createElement("time");
    time.textContent = sayTime(this.model.startOf(item), span / 100);
    button.append(time, describe(this.model, item));
    if (item.type === "violation" || item.isCulprit) button.className = "bad";
    else if (["network fault", "end", "pause", "disk fault", "failed sync", "clock"].includes(item.kind) ||
      item.text?.startsWith("nemesis")) button.className = "fault";
    if (item === this.diagram.selected) button.classList.add("current");
    button.addEventListener("click", () => this.show(item));
    line.append(button);
    return line;
  }

  #fillStates() {
    const {from, to} = this.diagram.window;
    const time = this.diagram.cursor ?? (from + to) / 2;
    byId("state-time").textContent = sayTime(time, to - from);
    const rows = [];
    for (const node of this.model.nodes) {
      for (const group of this.diagram.groups()) {
        const state = this.model.stateAt(node.index, group, time);
        const row = document.createElement("tr");
        const cell = (text) => row.append(Object.assign(document.createElement("td"), {textContent: text}));
        cell(node.name);
        cell(`g${group}`);
        if (!state || state.role === "gone" || state.role === "starting") {
          cell(state?.role ?? "not started");
          rows.push(row);
          continue;
        }
        cell(state.role);
        const swatch = Object.assign(document.createElement("span"), {className: "swatch"});
        swatch.style.background = this.diagram.termColour(state.term, "strong");
        row.lastChild.prepend(swatch);
        const who = (number) => number === 0 ? "–" : `n${number}`;
        for (const text of [state.term, who(state.leader), who(state.vote), state.commit, state.applied,
          state.last, state.configuration]) cell(text);
        rows.push(row);
      }
    }
    byId("state").tBodies[0].replaceChildren(...rows);
  }

  // --- the overview ---

  #drawOverview() {
    const canvas = byId("overview");
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = 40;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    const x = (time) => MARGIN_LEFT + time / this.model.end * (width - MARGIN_LEFT - 8);
    const {colour} = this.diagram;
    const group = this.shown.group === "all" ? 0 : Number(this.shown.group);
    const share = Math.max(3, (height - 12) / Math.max(1, this.model.nodes.length));
    for (const [row, node] of this.model.nodes.entries()) {
      const states = this.model.states.get(node.index)?.[group] ?? [];
      for (const [i, state] of states.entries()) {
        if (state.role !== "leader") continue;
        const end = states[i + 1]?.at ?? this.model.end;
        c.fillStyle = this.diagram.termColour(state.term, "strong");
        c.fillRect(x(state.at), 4 + row * share, Math.max(1, x(end) - x(state.at)), share - 1);
      }
    }
    c.fillStyle = colour.cut;
    for (const link of this.model.links) {
      if (this.model.machines[link.from].isNode) c.fillRect(x(link.begin), height - 7, Math.max(1, x(link.end) - x(link.begin)), 3);
    }
    if (this.model.violation) {
      c.fillStyle = colour.bad;
      c.fillRect(x(this.model.violation.at) - 1, 0, 3, height);
    }
    const {from, to} = this.diagram.window;
    c.strokeStyle = colour.ink;
    c.lineWidth = 1.5;
    c.strokeRect(Math.max(MARGIN_LEFT - 2, x(from)), 1, Math.max(4, Math.min(x(to), width - 2) - Math.max(MARGIN_LEFT - 2, x(from))), height - 2);
    c.fillStyle = colour.faint;
    c.font = SMALL;
    c.fillText("whole run", 26, 24);
    this.overviewTime = (at) => (at - MARGIN_LEFT) / (width - MARGIN_LEFT - 8) * this.model.end;
  }

  // --- hands ---

  #listen() {
    const canvas = byId("diagram");
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), {passive: false});
    canvas.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onPointerMove(event));
    canvas.addEventListener("pointerup", (event) => this.#onPointerUp(event));
    canvas.addEventListener("pointerleave", () => this.#hideTip());
    canvas.addEventListener("dblclick", (event) => this.zoom(0.4, this.diagram.timeAt(event.offsetX)));
    document.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("click", (event) => {
      for (const menu of document.querySelectorAll(".menu[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
      }
    });
    const overview = byId("overview");
    const jump = (event) => {
      if (event.buttons === 0) return;
      const {from, to} = this.diagram.window;
      const time = this.overviewTime(event.offsetX);
      this.setWindow(time - (to - from) / 2, time + (to - from) / 2);
    };
    overview.addEventListener("pointerdown", jump);
    overview.addEventListener("pointermove", jump);
    byId("to-failure").addEventListener("click", () => this.toFailure());
    byId("whole").addEventListener("click", () => this.toWhole());
    byId("zoom-in").addEventListener("click", () => this.zoom(0.6));
    byId("zoom-out").addEventListener("click", () => this.zoom(1 / 0.6));
    byId("theme").addEventListener("click", () => this.switchTheme());
    byId("help-button").addEventListener("click", () => byId("help").showModal());
    byId("search").addEventListener("input", (event) => this.search(event.target.value));
    byId("search").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.nextHit(event.shiftKey ? -1 : 1);
    });
    byId("next").addEventListener("click", () => this.nextHit(1));
    byId("previous").addEventListener("click", () => this.nextHit(-1));
    byId("copy").addEventListener("click", async (event) => {
      await navigator.clipboard?.writeText(this.model.repeat);
      event.target.textContent = "copied";
    });
    window.addEventListener("resize", () => this.redraw());
    window.addEventListener("beforeprint", () => this.#onPrint());
    window.addEventListener("afterprint", () => this.#onTheme());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#onTheme());
  }

  switchTheme() {
    const root = document.documentElement;
    const isDark = this.diagram.isDark;
    root.classList.toggle("dark", !isDark);
    root.classList.toggle("light", isDark);
    this.#onTheme();
  }

  #onTheme() {
    this.diagram.readColours();
    this.#colourLegend();
    this.redraw();
  }

  #onPrint() {
    const root = document.documentElement;
    const classes = root.className;
    root.className = "light";
    this.diagram.readColours();
    this.diagram.draw();
    root.className = classes;
  }

  #onWheel(event) {
    event.preventDefault();
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (isSideways && !event.ctrlKey) {
      this.move((event.deltaX || event.deltaY) / (this.diagram.width - MARGIN_LEFT));
    } else {
      // A pinch comes as a wheel with Ctrl, in smaller steps.
      const speed = event.ctrlKey ? 0.01 : 0.002;
      this.zoom(Math.exp(event.deltaY * speed), this.diagram.timeAt(event.offsetX));
    }
  }

  #onPointerDown(event) {
    if (event.button !== 0) return;
    byId("diagram").setPointerCapture(event.pointerId);
    this.drag = {x: event.offsetX, window: this.diagram.window, moved: false};
  }

  #onPointerMove(event) {
    if (!this.drag) return this.#hover(event.offsetX, event.offsetY);
    const {from, to} = this.drag.window;
    const shift = (event.offsetX - this.drag.x) / (this.diagram.width - MARGIN_LEFT) * (to - from);
    if (Math.abs(event.offsetX - this.drag.x) > 3) this.drag.moved = true;
    if (!this.drag.moved) return;
    byId("diagram").classList.add("dragging");
    this.#hideTip();
    this.setWindow(from - shift, to - shift);
  }

  #onPointerUp(event) {
    byId("diagram").classList.remove("dragging");
    const drag = this.drag;
    this.drag = null;
    if (!drag || drag.moved) return;
    const item = this.diagram.itemAt(event.offsetX, event.offsetY);
    if (item) return this.show(item);
    this.diagram.selected = null;
    this.diagram.cursor = this.diagram.timeAt(event.offsetX);
    this.redraw();
  }

  #hover(x, y) {
    const item = this.diagram.itemAt(x, y);
    const lane = this.diagram.laneAt(y);
    const time = this.diagram.timeAt(x);
    const {from, to} = this.diagram.window;
    if (item) {
      return this.#showTip(x, y, sayTime(this.model.startOf(item), (to - from) / 100), this.#moreAbout(item));
    }
    if (lane?.isNode && x > MARGIN_LEFT && time >= 0 && time <= this.model.end) {
      return this.#showTip(x, y, `${lane.machine.name} at ${sayTime(time, to - from)}`,
        this.#statesInWords(lane.machine.index, time));
    }
    this.#hideTip();
  }

  #moreAbout(item) {
    const words = describe(this.model, item);
    if (item.type !== "operation") return words;
    return `${words}\ncalled ${sayTime(item.called, 1e5)}` +
      (item.returned === NEVER ? "" : `, returned after ${saySpan(item.returned - item.called)}`);
  }

  #statesInWords(machine, time) {
    if (this.model.isAbsent(machine, time)) return "is down";
    return this.diagram.groups().map((group) => {
      const state = this.model.stateAt(machine, group, time);
      if (!state || state.role === "gone" || state.role === "starting") return `g${group}: ${state?.role ?? "not started"}`;
      const who = (number) => number === 0 ? "nobody known" : `n${number}`;
      return `g${group}: ${state.role}, term ${state.term}, leader ${who(state.leader)}, ` +
        `vote ${state.vote === 0 ? "none seen" : `n${state.vote}`}\n` +
        `commit ${state.commit}, applied ${state.applied}, last ${state.last}\n` +
        `configuration ${state.configuration}`;
    }).join("\n");
  }

  #showTip(x, y, title, words) {
    const tip = byId("tip");
    tip.replaceChildren(Object.assign(document.createElement("b"), {textContent: title}), words);
    tip.hidden = false;
    const stage = byId("stage");
    tip.style.left = `${Math.min(x + 14, stage.clientWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > stage.clientHeight ? y - tip.offsetHeight - 12 : y + 18}px`;
  }

  #hideTip() {
    byId("tip").hidden = true;
  }

  #onKey(event) {
    if (event.target.matches("input[type=search], select") || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key === "Escape") byId("diagram").focus();
      return;
    }
    if (byId("help").open) return;
    const actions = {
      "ArrowLeft": () => this.move(event.shiftKey ? -1 : -0.15),
      "ArrowRight": () => this.move(event.shiftKey ? 1 : 0.15),
      "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6),
      "f": () => this.toFailure(), "0": () => this.toWhole(),
      "j": () => this.step(1), "k": () => this.step(-1),
      "/": () => byId("search").focus(), "n": () => this.nextHit(1), "N": () => this.nextHit(-1),
      "t": () => this.switchTheme(), "?": () => byId("help").showModal(),
      "Escape": () => {
        this.diagram.selected = null;
        this.#hideTip();
        this.redraw();
      },
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  // To the next thing that the list would tell.
  step(direction) {
    const selected = this.items.indexOf(this.diagram.selected);
    const here = this.diagram.cursor ?? this.diagram.window.from;
    let at = selected >= 0 ? selected + direction
      : this.items.findIndex((item) => this.model.startOf(item) >= here) - (direction < 0 ? 1 : 0);
    while (at >= 0 && at < this.items.length && !this.isStory(this.items[at])) at += direction;
    if (this.items[at]) this.show(this.items[at]);
  }
}

new Page(new Model(JSON.parse(byId("run").textContent)));
