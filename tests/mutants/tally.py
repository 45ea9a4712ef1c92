"""What the results of tools/mutants come to: the table of the README, its sums, and what to try in
a hurry."""

import json
import statistics

BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
COLUMNS = ("id", "scenario", "seeds to kill", "virtual s", "build s", "real s", "oracle", "choices", "shrunk to",
           "shrink s", "in a gate", "story")
CHOICES_WANTED, SECONDS_WANTED, SHARE_WANTED = 25, 60, 90
# What --quick may take; restoring and building the tree as it is comes on top.
QUICK_SECONDS = 240


def is_found_by_gate(mutant, result, gate_seeds):
    """Whether a gate of five minutes gives its scenario as many seeds as it took to kill it. Faults
    and paths are judged over all seeds of a gate; a test runs in every build."""
    if mutant.test:
        return True
    seeds = sum(gate_seeds.values()) if result["oracle"] == "vacuity" else gate_seeds.get(mutant.scenario, 0)
    return result["seeds"] <= seeds


def row(mutant, result, gate_seeds):
    if result["status"] != "killed":
        return [mutant.id, mutant.scenario, f"**{result['status']}**", *[""] * 8, mutant.story]
    shrunk = result.get("shrunk") or {}
    seconds = f"{shrunk['seconds']:.1f}" if shrunk else ""
    return [mutant.id, mutant.scenario, result["seeds"], f"{float(result['virtual_seconds']):.0f}",
            result["build_seconds"], result["wall_seconds"], result["oracle"], shrunk.get("choices_before", ""),
            shrunk.get("choices", ""), seconds,
            "yes" if is_found_by_gate(mutant, result, gate_seeds) else "no", mutant.story]


def sums(mutants, results, gate_seeds):
    """The sentences below the table."""
    killed = [(m, results[m.id]) for m in mutants.values() if results.get(m.id, {}).get("status") == "killed"]
    lines = [f"{len(killed)} of {len(mutants)} are killed."]
    shrunk = {m.id: r["shrunk"] for m, r in killed if r.get("shrunk")}
    if shrunk:
        choices = [s["choices"] for s in shrunk.values()]
        worst = max(shrunk, key=lambda i: shrunk[i]["choices"])
        lines.append(
            f"{len(shrunk)} failures were shrunk, from a median of "
            f"{statistics.median(s['choices_before'] for s in shrunk.values()):.0f} choices to {statistics.median(choices):.0f} "
            f"(wanted: at most {CHOICES_WANTED}; {sum(c <= CHOICES_WANTED for c in choices)} are), in a median of "
            f"{statistics.median(s['seconds'] for s in shrunk.values()):.0f} s (wanted: at most {SECONDS_WANTED}). The most that "
            f"are left are the {shrunk[worst]['choices']} of {worst}.")
    if killed:
        found = sum(is_found_by_gate(m, r, gate_seeds) for m, r in killed)
        lines.append(f"A gate of five minutes on two cores finds {found} of {len(mutants)}: {100 * found // len(mutants)} % "
                     f"(wanted: at least {SHARE_WANTED} %).")
    return lines


def table(mutants, results, gate_seeds):
    def line(cells):
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    lines = [line(COLUMNS), "|" + "---|" * len(COLUMNS)]
    for mutant in mutants.values():
        lines.append(line(row(mutant, results.get(mutant.id, {"status": "not run"}), gate_seeds)))
    return "\n".join([*lines, "", *sums(mutants, results, gate_seeds)])


def write_table(path, text):
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    if whole.count(BEGIN) != 1 or whole.count(END) != 1:
        raise SystemExit(f"{path}: the marks {BEGIN} and {END} should be there once")
    before, rest = whole.split(BEGIN)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def stored_rows(path):
    """The rows of the table that stands in the file, as dictionaries by id."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split(BEGIN)[-1].split(END)[0].splitlines()
    cells = [[c.strip() for c in line.strip().strip("|").split("|", len(COLUMNS) - 1)]
             for line in lines if line.startswith("| ")]
    return {c[0]: dict(zip(COLUMNS, c)) for c in cells if len(c) == len(COLUMNS) and c[0] != COLUMNS[0]}


def quick(mutants, path):
    """The ids of those that together take QUICK_SECONDS at most by the stored table: the fastest
    that each oracle has killed, and then the fastest of all."""
    rows = {i: r for i, r in stored_rows(path).items() if i in mutants and r["build s"]}
    cost = {i: float(r["build s"]) + float(r["real s"]) for i, r in rows.items()}
    by_cost = sorted(cost, key=lambda i: (cost[i], i))
    first_of_oracle = {rows[i]["oracle"]: i for i in reversed(by_cost)}
    chosen, spent = set(), 0
    for mutant_id in [*sorted(first_of_oracle.values(), key=by_cost.index), *by_cost]:
        if mutant_id in chosen or spent + cost[mutant_id] > QUICK_SECONDS:
            continue
        chosen.add(mutant_id)
        spent += cost[mutant_id]
    return [i for i in mutants if i in chosen]


def read_gate_seeds(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)["seeds"]
    except FileNotFoundError:
        return {}


def write_gate_seeds(path, command, report):
    seeds = {each["scenario"]: each["seeds"] for each in report["scenarios"]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"command": command, "seeds": seeds}, file, indent=1, sort_keys=True)
        file.write("\n")
