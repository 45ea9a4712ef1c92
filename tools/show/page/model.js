"use strict";
// The run, in a form that is quick to ask. The page's data (id "run", tools/show/diagram.cc) are
// rows of numbers; every text is an index into `texts`, every machine an index into `machines`,
// every time is in nanoseconds, and -1 stands for never.

const NEVER = -1;
const OPERATION_ROWS_MAX = 8;  // Of one client; beyond, they overlap.

// Spans in the order of their starts, asked for those that touch a window. One that is long would
// make a search by its start alone miss it, so each block knows when the last of it ends.
class SpanIndex {
  static BLOCK = 128;

  constructor(items, startOf, endOf) {
    this.items = items;
    this.startOf = startOf;
    this.endOf = endOf;
    this.blockEnds = [];
    items.forEach((item, i) => {
      const block = Math.floor(i / SpanIndex.BLOCK);
      this.blockEnds[block] = Math.max(this.blockEnds[block] ?? 0, endOf(item));
    });
  }

  // The position of the first item that starts at `time` or later.
  firstFrom(time) {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.startOf(this.items[middle]) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  forEachIn(from, to, visit) {
    const stop = this.firstFrom(to + 1);
    for (let block = 0; block * SpanIndex.BLOCK < stop; ++block) {
      if (this.blockEnds[block] < from) continue;
      const last = Math.min(stop, (block + 1) * SpanIndex.BLOCK);
      for (let i = block * SpanIndex.BLOCK; i < last; ++i) {
        if (this.endOf(this.items[i]) >= from) visit(this.items[i]);
      }
    }
  }
}

// The workloads fill values up with dots.
function withoutFilling(text) {
  return text.replace(/\.{4,}/g, "…");
}

class Model {
  constructor(run) {
    Object.assign(this, {
      scenario: run.scenario, seed: run.seed, repeat: run.repeat, digest: run.digest,
      end: Math.max(run.end, 1), groups: run.groups,
      violation: run.violation && {...run.violation, message: withoutFilling(run.violation.message)},
      messageKinds: run.messageKinds, eventKinds: run.eventKinds,
    });
    const text = (number) => run.texts[number];
    this.machines = run.machines.map(([name, isNode], index) => ({index, name, isNode}));
    this.nodes = this.machines.filter((machine) => machine.isNode);

    this.messages = run.messages.map(
      ([sent, received, lost, from, to, kind, group, term, words]) => ({
        type: "message", sent, received, lost, from, to, kind: run.messageKinds[kind], group, term,
        text: text(words),
      }));
    this.events = run.events.map(([at, machine, kind, words]) => ({
      type: "event", at, machine, kind: run.eventKinds[kind], text: text(words),
    }));
    this.operations = run.operations.map(
      ([called, returned, client, node, what, outcome, answer]) => ({
        type: "operation", called, returned, client, node,
        what: withoutFilling(text(what)), outcome: text(outcome),
        answer: withoutFilling(text(answer)),
      }));
    this.links = run.links.map(([begin, end, from, to, cloggedBy]) => ({
      type: "link", begin, end: end === NEVER ? this.end : end, from, to, cloggedBy,
    }));
    this.cause = run.cause.map(([at, probability, runs]) => ({at, probability, runs}));

    this.states = this.#groupStates(run, text);
    this.pauses = this.#spansBetween("pause", ["resume", "end"]);
    this.absences = this.#spansBetween("end", ["start"]);
    this.troubles = this.#troublesByNode();
    this.#stackOperations();
    this.#findCulprits();
    this.#findHeld();

    this.messageIndex = new SpanIndex(this.messages, (m) => m.sent, (m) => this.endOf(m));
    this.operationIndexes = new Map(this.machines.map(({index}) => [index, new SpanIndex(
      this.operations.filter((o) => o.client === index), (o) => o.called, (o) => this.endOf(o))]));
    this.elections = Array.from({length: this.groups}, (_, group) => this.#electionsOf(group));
    this.eventIndex = new SpanIndex(this.events, (e) => e.at, (e) => e.at);
  }

  // When an item is over, as far as the run has seen it.
  endOf(item) {
    switch (item.type) {
      case "message": return Math.max(item.received, item.lost, item.sent);
      case "operation": return item.returned === NEVER ? this.end : item.returned;
      case "link":
      case "trouble": return item.end;
      default: return item.at;
    }
  }

  startOf(item) {
    return item.sent ?? item.called ?? item.begin ?? item.at;
  }

  nameOf(machine) {
    return this.machines[machine].name;
  }

  // Of a lane of operations: clients may live in nodes, and operators ask where they find a node.
  nameOfClients(machine) {
    if (!machine.isNode) return machine.name;
    const isOrder = (operation) => operation.what.startsWith("operator: ");
    return `${this.operationIndexes.get(machine.index).items.every(isOrder) ? "operator" : "clients"} ${machine.name}`;
  }

  // What a node was in a group at that time; undefined before it was anything.
  stateAt(machine, group, time) {
    const states = this.states.get(machine)?.[group] ?? [];
    let found;
    for (let low = 0, high = states.length; low < high;) {
      const middle = (low + high) >> 1;
      if (states[middle].at <= time) {
        found = states[middle];
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return found;
  }

  isAbsent(machine, time) {
    return (this.absences.get(machine) ?? []).some((gap) => gap.begin <= time && time < gap.end);
  }

  // machine -> group -> its states in the order of time.
  #groupStates(run, text) {
    const states = new Map(this.nodes.map((node) =>
      [node.index, Array.from({length: run.groups}, () => [])]));
    for (const [at, machine, group, role, term, leader, vote, commit, applied, last, words]
      of run.states) {
      states.get(machine)?.[group]?.push({
        at, role: run.roles[role], term, leader, vote, commit, applied, last,
        configuration: text(words),
      });
    }
    return states;
  }

  // When somebody became leader.
  #electionsOf(group) {
    const elections = [];
    for (const [machine, groups] of this.states) {
      let before = null;
      for (const state of groups[group]) {
        if (state.role === "leader" && !(before?.role === "leader" && before.term === state.term)) {
          elections.push({type: "election", at: state.at, machine, group, term: state.term});
        }
        before = state;
      }
    }
    return elections;
  }

  // machine -> [{begin, end}] from an event of one kind to the next of others.
  #spansBetween(opening, closings) {
    const spans = new Map();
    const open = new Map();
    for (const event of this.events) {
      if (closings.includes(event.kind) && open.has(event.machine)) {
        open.get(event.machine).end = event.at;
        open.delete(event.machine);
      }
      if (event.kind !== opening) continue;
      const span = {begin: event.at, end: this.end, text: event.text};
      open.set(event.machine, span);
      if (!spans.has(event.machine)) spans.set(event.machine, []);
      spans.get(event.machine).push(span);
    }
    return spans;
  }

  // node -> [{begin, end, cut, slow}]: to which nodes nothing got through, or only slowly, in turn.
  #troublesByNode() {
    const troubles = new Map();
    const isOfNodes = (link) => this.machines[link.from].isNode && this.machines[link.to].isNode;
    for (const node of this.nodes) {
      const links = this.links.filter((link) => isOfNodes(link) && link.from === node.index);
      const edges = [...new Set(links.flatMap((link) => [link.begin, link.end]))].sort((a, b) => a - b);
      const spans = [];
      for (let i = 0; i + 1 < edges.length; ++i) {
        const [begin, end] = [edges[i], edges[i + 1]];
        const present = links.filter((link) => link.begin <= begin && link.end >= end);
        if (present.length === 0) continue;
        const names = (some) => some.map((link) => this.nameOf(link.to)).join(", ");
        spans.push({
          type: "trouble", begin, end, node: node.index,
          cut: names(present.filter((link) => link.cloggedBy === 0)),
          slow: names(present.filter((link) => link.cloggedBy > 0)),
        });
      }
      troubles.set(node.index, spans);
    }
    return troubles;
  }

  // What was under way while its link was cut, and arrived when that had healed.
  #findHeld() {
    const cuts = new Map();
    for (const link of this.links) {
      if (link.cloggedBy !== 0) continue;
      const key = `${link.from} ${link.to}`;
      cuts.set(key, [...(cuts.get(key) ?? []), link.end]);
    }
    for (const message of this.messages) {
      const {from, to, sent, received} = message;
      message.isHeld = (cuts.get(`${from} ${to}`) ?? []).some((end) => sent < end && received >= end);
    }
  }

  // A client may have several calls under way: each gets a row that is free.
  #stackOperations() {
    this.operationRows = new Map();
    const freeFrom = new Map();
    for (const operation of this.operations) {
      if (!freeFrom.has(operation.client)) freeFrom.set(operation.client, []);
      const rows = freeFrom.get(operation.client);
      let row = rows.findIndex((time) => time <= operation.called);
      if (row < 0) row = Math.min(rows.length, OPERATION_ROWS_MAX - 1);
      rows[row] = this.endOf(operation);
      operation.row = row;
      this.operationRows.set(operation.client, rows.length);
    }
  }

  // The operations that the oracle objects to: those whose times its sentence names; if there are
  // none, those that returned as it fired, from a node that it names.
  #findCulprits() {
    const violation = this.violation;
    const times = new Set([...(violation?.message ?? "").matchAll(/(\d+(?:\.\d+)?)s\b/g)]
      .map((match) => Math.round(Number(match[1]) * 1e9)));
    const named = this.operations.filter((operation) => times.has(operation.called) && times.has(operation.returned));
    this.culprits = named.length > 0 ? named : this.operations.filter((operation) =>
      operation.returned === violation?.at && operation.outcome === "ok" &&
      violation.message.includes(this.nameOf(operation.node)));
    for (const operation of this.culprits) operation.isCulprit = true;
  }
}

// --- words ---

// A time with the digits that a window of `span` needs.
function sayTime(ns, span = 1e6) {
  const digits = Math.min(9, Math.max(3, Math.ceil(10.5 - Math.log10(Math.max(span, 1)))));
  return `${(ns / 1e9).toFixed(digits)} s`;
}

function saySpan(ns) {
  if (ns >= 1e9) return `${+(ns / 1e9).toFixed(3)} s`;
  if (ns >= 1e6) return `${+(ns / 1e6).toFixed(3)} ms`;
  if (ns >= 1e3) return `${+(ns / 1e3).toFixed(3)} µs`;
  return `${ns} ns`;
}

function sayFate(model, message) {
  if (message.received !== NEVER) return `received after ${saySpan(message.received - message.sent)}`;
  if (message.lost !== NEVER) return `lost: its connection broke after ${saySpan(message.lost - message.sent)}`;
  return "never received in this run";
}

function sayTrouble({cut, slow}) {
  return [cut && `cannot reach ${cut}`, slow && `reaches ${slow} slowly`].filter(Boolean).join(", ");
}

// One line for a list, a tooltip, or somebody who listens.
function describe(model, item) {
  switch (item.type) {
    case "message":
      return `${model.nameOf(item.from)} → ${model.nameOf(item.to)}: ${item.text}, ${sayFate(model, item)}`;
    case "operation": {
      const answer = item.returned === NEVER ? "no answer in this run"
        : item.outcome === "ok" ? item.answer : `${item.outcome}: ${item.answer}`;
      return `${model.nameOf(item.client)} asks ${model.nameOf(item.node)}: ${item.what} → ${answer}`;
    }
    case "trouble":
      return `${model.nameOf(item.node)} ${sayTrouble(item)} for ${saySpan(item.end - item.begin)}`;
    case "election":
      return `${model.nameOf(item.machine)} leads g${item.group} in term ${item.term}`;
    case "violation":
      return `BROKEN: ${item.oracle}: ${item.message}`;
    default:
      return `${item.machine === 0 ? "" : `${model.nameOf(item.machine)}: `}${item.text}`;
  }
}
