"""The page of keelson-sim show in a real browser: what a reader sees and can do.

usage: show_page_test.py PATH_TO_KEELSON_SIM

The runs are real. A whole cluster breaks no promise without a planted bug, so the tests declare one of
the answers of a run that held to be wrong. Skipped (77) where there is no Chromium (tools/setup --all).
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

from browser import Browser, missing_programs

PROGRAM = os.path.abspath(sys.argv.pop(1))
SKIPPED = 77
DATA = re.compile(r'(<script type="application/json" id="run">)(.*?)(</script>)', re.S)
MARGIN_LEFT = 92  # Of draw.js: where the lanes begin.


def show(path, *arguments):
    subprocess.run([PROGRAM, "show", *arguments, "--out", path], check=True, capture_output=True, timeout=120)


def data_of(page):
    return json.loads(DATA.search(page).group(2))


def with_data(page, run):
    data = json.dumps(run).replace("<", "\\u003c")
    return DATA.sub(lambda found: found.group(1) + data + found.group(3), page)


def declare_wrong(run):
    """Makes a leader's 200 the failure, and the end of the run."""
    texts = run["texts"]
    answered = [o for o in run["operations"] if texts[o[6]] == "200" and "leader" in texts[o[4]]]
    wrong = answered[len(answered) * 2 // 3]
    node = run["machines"][wrong[3]][0]
    run["violation"] = {"oracle": "probe claim", "message": f"{node} answered 200 <b>late</b>", "at": wrong[1]}
    return wrong


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="keelson-show-")
        cls.held = os.path.join(cls.folder.name, "held.html")
        show(cls.held, "leader_probe", "--seed", "17")
        with open(cls.held, encoding="utf-8") as file:
            cls.page = file.read()
        cls.run_data = data_of(cls.page)
        cls.wrong = declare_wrong(cls.run_data)
        cls.broken = cls.write("broken.html", cls.run_data)
        cls.browser = Browser(settled="return window.keelson?.isSettled")

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    @classmethod
    def write(cls, name, run):
        path = os.path.join(cls.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(with_data(cls.page, run))
        return path

    def setUp(self):
        self.browser.console()
        self.browser.requests()

    def tearDown(self):
        self.assertEqual(self.browser.console(), [])

    def open(self, path=None):
        self.browser.open(path or self.broken)

    def window(self):
        return self.browser.run("return [keelson.diagram.window.from, keelson.diagram.window.to]")

    def place_of(self, time_ns, machine):
        """Where on the screen a machine's lane is at that time."""
        return self.browser.run(
            """const [time, name] = arguments;
            const d = keelson.diagram;
            document.getElementById("stage").scrollIntoView();
            const box = d.canvas.getBoundingClientRect();
            const lane = [...d.lanes.values()].find((l) => l.machine.name === name);
            return [box.left + d.x(time), box.top + lane.y + lane.height / 2 - 1];""", time_ns, machine)

    # --- as it opens ---

    def test_it_opens_without_an_error_and_asks_for_nothing(self):
        self.open()
        self.browser.press("+", "f", "t", "t", "j")
        asked = [url for url in self.browser.requests() if not url.startswith("data:")]
        self.assertEqual(asked, [f"file://{self.broken}"])

    def test_the_failure_is_in_view_at_start(self):
        self.open()
        at = self.run_data["violation"]["at"]
        first, last = self.window()
        self.assertTrue(first < at < last)
        self.assertLess(last - first, self.run_data["end"] / 2)
        marked = self.browser.run(
            "return keelson.diagram.marks.filter((m) => m.item.type === 'violation').map((m) => [m.x0, m.y0])")
        self.assertEqual(len(marked), 1)
        self.assertTrue(MARGIN_LEFT < marked[0][0] < 1400)
        self.assertIn("probe claim", self.browser.text("#verdict"))
        self.assertIn("answered 200 <b>late</b>", self.browser.text("#verdict"))

    def test_the_wrong_answer_stands_out_in_picture_and_list(self):
        self.open()
        culprits = self.browser.run("return keelson.model.culprits.map((o) => [o.called, o.returned, o.answer])")
        self.assertIn([self.wrong[0], self.wrong[1], "200"], culprits)
        bad = self.browser.wait_for("the list", """
            return [...document.querySelectorAll("#story .bad")].map((line) => line.textContent).join("|")""")
        self.assertIn("→ 200", bad)
        self.assertIn("BROKEN: probe claim", bad)

    def test_where_the_oracle_names_times_only_that_answer_is_wrong(self):
        run = json.loads(json.dumps(self.run_data))
        called, returned = self.wrong[0], self.wrong[1]
        at_once = list(self.wrong)
        at_once[0] -= 1  # Another answer of the same node, of the same moment.
        run["operations"].append(at_once)
        run["operations"].sort(key=lambda operation: operation[0])
        node = run["machines"][self.wrong[3]][0]
        run["violation"]["message"] = f"{node} answered 200 from {called / 1e9:.9f}s to {returned / 1e9:.9f}s"
        self.open(self.write("times.html", run))
        culprits = self.browser.run("return keelson.model.culprits.map((o) => [o.called, o.returned])")
        self.assertEqual(culprits, [[called, returned]])

    def test_a_run_that_held_opens_as_a_whole_and_says_so(self):
        self.open(self.held)
        first, last = self.window()
        self.assertLessEqual(first, 0)
        self.assertGreaterEqual(last, data_of(self.page)["end"])
        self.assertIn("held", self.browser.text("#verdict"))

    def test_a_world_without_nodes_opens_at_its_failure_too(self):
        seed = json.loads(subprocess.run([PROGRAM, "run", "canary", "--seeds", "200", "--until-failure", "--json"],
                                         capture_output=True, text=True, timeout=100).stdout)["failures"][0]["seed"]
        path = os.path.join(self.folder.name, "canary.html")
        show(path, "canary", "--seed", str(seed))
        self.open(path)
        self.assertIn("token", self.browser.text("#verdict"))
        self.assertGreater(self.browser.run("return keelson.diagram.marks.filter((m) => m.item.type === 'message').length"), 0)

    def test_what_a_cut_has_held_is_told_apart(self):
        cuts = [(end, *ends) for _, end, *ends, clogged_by in self.run_data["links"] if clogged_by == 0]
        held = sorted([sent, received] for sent, received, _, *ends in (m[:5] for m in self.run_data["messages"])
                      if any(sent < end <= received and [*whom] == ends for end, *whom in cuts))
        self.assertGreater(len(held), 0)
        self.open()
        drawn = self.browser.run("return keelson.model.messages.filter((m) => m.isHeld).map((m) => [m.sent, m.received])")
        self.assertTrue(set(map(tuple, drawn)) <= set(map(tuple, held)))
        self.assertEqual(len(drawn), len(held))

    # --- filters and search ---

    def marks(self, condition):
        return self.browser.run(f"return keelson.diagram.marks.filter((m) => {condition}).length")

    def test_kinds_machines_events_and_groups_are_filtered(self):
        self.open()
        beats = "m.item.kind === 'heartbeat'"
        self.assertGreater(self.marks(beats), 0)
        others = self.marks(f"m.item.type === 'message' && !({beats})")
        self.browser.click("#kinds-menu summary")
        self.browser.click("input[name='kinds-heartbeat']")
        self.assertEqual(self.marks(beats), 0)
        self.assertEqual(self.marks("m.item.type === 'message'"), others)

        of_n2 = "m.item.from === 2 || m.item.to === 2 || m.item.machine === 2"
        self.assertGreater(self.marks(of_n2), 0)
        self.browser.click("#machines-menu summary")
        self.browser.click("input[name='machines-n2']")
        self.assertEqual(self.marks(of_n2), 0)

        self.assertGreater(self.marks("m.item.kind === 'sync'"), 0)
        self.browser.click("#events-menu summary")
        self.browser.click("input[name='events-sync']")
        self.assertEqual(self.marks("m.item.kind === 'sync'"), 0)

        self.browser.press("0")
        self.browser.click("#group option[value='1']")
        self.assertEqual(self.marks("m.item.type === 'message' && m.item.group === 0"), 0)
        self.assertGreater(self.marks("m.item.type === 'message' && m.item.group === 1"), 0)

    def test_search_counts_finds_and_walks(self):
        self.open()
        self.browser.press("/")
        self.browser.press(*"candidate -> leader")
        self.browser.wait_for("hits", "return keelson.hits.length")
        expected = sum("candidate -> leader" in self.run_data["texts"][event[3]] for event in self.run_data["events"])
        self.assertEqual(self.browser.text("#hits"), f"{expected} hits")
        self.browser.press("Enter")
        first = self.browser.run("return keelson.hit")
        self.browser.press("Enter")
        self.assertEqual(self.browser.run("return keelson.hit"), (first + 1) % expected)
        at = self.browser.run("return keelson.diagram.selected.at")
        start, end = self.window()
        self.assertTrue(start <= at <= end)
        self.assertIn("leader", self.browser.text("#selected"))

    # --- moving about ---

    def test_keys_zoom_move_step_and_return(self):
        self.open()
        start = self.window()
        self.browser.press("+")
        zoomed = self.window()
        self.assertAlmostEqual((zoomed[1] - zoomed[0]) / (start[1] - start[0]), 0.6, places=2)
        self.browser.press("ArrowLeft")
        self.assertLess(self.window()[0], zoomed[0])
        self.browser.press("0")
        self.assertGreaterEqual(self.window()[1], self.run_data["end"])
        self.browser.press("f")
        self.assertEqual(self.window(), start)
        self.browser.press("k")
        before = self.browser.run("return keelson.model.startOf(keelson.diagram.selected)")
        self.browser.press("j")
        self.assertLessEqual(before, self.browser.run("return keelson.model.startOf(keelson.diagram.selected)"))
        self.assertNotEqual(self.browser.text("#selected"), "")
        self.browser.press("?")
        self.assertTrue(self.browser.run("return document.getElementById('help').open"))
        self.browser.press("Escape")

    def test_the_wheel_zooms_where_the_pointer_is_and_moves_sideways(self):
        self.open()
        first, last = self.window()
        at = first + (last - first) * 0.3
        x, y = self.place_of(at, "n1")
        self.browser.wheel(x, y, 0, -240)
        zoomed = self.window()
        self.assertLess(zoomed[1] - zoomed[0], (last - first) * 0.7)
        self.assertAlmostEqual((at - zoomed[0]) / (zoomed[1] - zoomed[0]), 0.3, places=2)
        self.browser.wheel(x, y, 300, 0)
        moved = self.window()
        self.assertGreater(moved[0], zoomed[0])
        self.assertAlmostEqual(moved[1] - moved[0], zoomed[1] - zoomed[0], delta=2)

    def test_dragging_moves_and_a_click_keeps(self):
        self.open()
        first, last = self.window()
        x, y = self.place_of(first + (last - first) * 0.5, "n2")
        self.browser.point(x, y, {"type": "pointerDown", "button": 0},
                           {"type": "pointerMove", "x": int(x) - 200, "y": int(y), "duration": 0},
                           {"type": "pointerUp", "button": 0})
        self.assertGreater(self.window()[0], first)
        self.browser.press("f")
        line = self.browser.run("""
            const m = keelson.diagram.marks.find((one) => one.item.type === "message" && one.x0 > 150 && one.x1 < keelson.diagram.width);
            document.getElementById("stage").scrollIntoView();
            const box = keelson.diagram.canvas.getBoundingClientRect();
            return [box.left + (m.x0 + m.x1) / 2, box.top + (m.y0 + m.y1) / 2];""")
        self.browser.point(*line, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})
        self.assertEqual(self.browser.run("return keelson.diagram.selected.type"), "message")
        self.assertRegex(self.browser.text("#selected"), "n. → n.: .*(received|lost)")

    def test_hovering_over_a_node_tells_its_state(self):
        self.open()
        first, last = self.window()
        at = first + (last - first) * 0.4
        told = self.browser.run("return keelson.model.stateAt(1, 0, arguments[0])", at)
        x, y = self.place_of(at, "n1")
        self.browser.point(x, y)
        words = self.browser.text("#tip")
        for word in (told["role"], f"term {told['term']}", f"commit {told['commit']}", f"applied {told['applied']}",
                     "vote ", f"configuration {told['configuration']}"):
            self.assertIn(word, words)

    def test_the_table_tells_every_nodes_state_at_the_cursor(self):
        self.open()
        rows = self.browser.run("""return [...document.querySelectorAll("#state tbody tr")].map((row) =>
            [...row.cells].map((cell) => cell.textContent))""")
        self.assertEqual([row[0] for row in rows], ["n1", "n2", "n3"])
        self.assertIn("leader", {row[2] for row in rows})
        self.assertTrue(all("n1 n2 n3" in row[-1] for row in rows))

    # --- for everybody ---

    def test_it_is_light_or_dark_as_wished(self):
        def paper():
            colour = self.browser.run("return keelson.diagram.colour.paper")
            return [int(part) for part in re.findall(r"\d+", colour)][:3]
        for wish, is_dark in (("dark", True), ("light", False)):
            self.browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": wish}])
            self.open()
            self.assertEqual(sum(paper()) < 200, is_dark)
            self.browser.press("t")
            self.assertEqual(sum(paper()) < 200, not is_dark)
        self.browser.command("Emulation.setEmulatedMedia", features=[])

    def test_every_control_has_a_name_and_the_picture_has_words(self):
        self.open()
        controls = self.browser.ask("POST", "/elements", {
            "using": "css selector", "value": "#tools button, #tools select, #tools input[type=search], #diagram"})
        self.assertGreater(len(controls), 8)
        for control in controls:
            (element,) = control.values()
            self.assertNotEqual(self.browser.label(element).strip(), "")
        self.browser.wait_for("the list", "return document.querySelectorAll('#story li button').length > 5")
        self.browser.run("document.querySelector('#story li button').focus()")
        self.browser.press("Enter")
        self.assertEqual(self.browser.run("return document.querySelectorAll('#story .current').length") or
                         self.browser.run("return keelson.diagram.selected !== null"), True)

    def test_it_prints(self):
        self.open()
        self.assertTrue(base64.b64decode(self.browser.print_to_pdf()).startswith(b"%PDF"))

    def test_the_curve_of_causes_is_drawn_above_the_lanes(self):
        cause = os.path.join(self.folder.name, "cause.json")
        with open(cause, "w", encoding="utf-8") as file:
            json.dump([{"virtual_ns": 10**8 * i, "probability": 0 if i < 20 else 1, "runs": 16} for i in range(45)], file)
        path = os.path.join(self.folder.name, "cause.html")
        show(path, "leader_probe", "--seed", "17", "--cause", cause)
        self.open(path)
        self.assertEqual(self.marks("m.item.kind === 'cause'"), 45)

    def test_a_hundred_thousand_events_stay_usable(self):
        run = json.loads(json.dumps(self.run_data))
        one, copies = run["end"], 1 + 100_000 // len(run["messages"])
        times = {"messages": (0, 1, 2), "operations": (0, 1), "events": (0,), "states": (0,), "links": (0, 1)}
        for name, columns in times.items():
            rows = run[name]
            run[name] = [[value + copy * one if i in columns and value >= 0 else value for i, value in enumerate(row)]
                         for copy in range(copies) for row in rows]
        run["end"] = one * copies
        run["violation"]["at"] += one * (copies - 1)
        total = sum(len(run[name]) for name in ("messages", "operations", "events"))
        self.assertGreater(total, 100_000)
        path = self.write("large.html", run)
        began = time.monotonic()
        self.open(path)
        opened = time.monotonic() - began
        first, last = self.window()
        self.assertTrue(first < run["violation"]["at"] < last)
        measure = """const began = performance.now(); {}; keelson.diagram.draw(); return performance.now() - began"""
        whole = self.browser.run(measure.format("keelson.setWindow(0, keelson.model.end)"))
        self.assertTrue(self.browser.run("return keelson.diagram.isAggregated"))
        near = self.browser.run(measure.format("keelson.toFailure()"))
        self.assertFalse(self.browser.run("return keelson.diagram.isAggregated"))
        sought = self.browser.run(measure.format("keelson.search('RequestVote')"))
        print(f"\n{total} events, {os.path.getsize(path) >> 20} MiB: opened in {opened:.2f} s; drawn as a whole in "
              f"{whole:.0f} ms, near in {near:.0f} ms; searched in {sought:.0f} ms", flush=True)
        self.assertLess(opened, 60)


if __name__ == "__main__":
    if missing_programs():
        print(f"SKIPPED: not installed: {', '.join(missing_programs())} (tools/setup --all)")
        sys.exit(SKIPPED)
    unittest.main()
