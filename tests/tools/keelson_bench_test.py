"""Runs keelson-bench as its users do: against a cluster, the floor, and servers that misbehave.

usage: keelson_bench_test.py KEELSON-BENCH KEELSON KEELSON-FLOOR
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

FLOOR, KEELSON, BENCH = (os.path.abspath(sys.argv.pop()) for _ in range(3))


def bench(*arguments, expect):
    command = [BENCH, "--seconds", "0.5", "--warm-up", "0.1", "--timeout", "5", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    if done.returncode != expect:
        raise AssertionError(f"{arguments}: exit {done.returncode}, not {expect}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done


def bench_json(*arguments, expect=0):
    return json.loads(bench("--json", *arguments, expect=expect).stdout)


class Server:
    """One process whose standard output is read; it dies with this test."""

    def __init__(self, *command):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def line(self):
        return self.process.stdout.readline()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class CannedServer:
    """Answers whatever arrives on a connection with the same octets; None closes it. Puts of keys may
    get others, and a hang-up."""

    def __init__(self, answer, to_keys=None):
        self.answer = answer
        self.to_keys = to_keys
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while request := connection.recv(65536):
                if self.to_keys is not None and request.startswith(b"PUT /bench/"):
                    connection.sendall(self.to_keys)
                    return
                if self.answer is None:
                    return
                connection.sendall(self.answer)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class AgainstACluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="keelson-bench-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.cluster = Server(KEELSON, "dev", "--nodes", "3", "--dir", cls.folder, "--json")
        cls.addClassCleanup(cls.cluster.stop)
        nodes = json.loads(cls.cluster.line())["nodes"]
        cls.s3 = ",".join(node["s3"] for node in nodes)

    def test_puts_go_to_the_leader_and_are_counted(self):
        figures = bench_json("--endpoints", self.s3, "--clients", "8", "--value-bytes", "1024")
        self.assertEqual(len(figures["endpoints"]), 1)
        self.assertIn(figures["endpoints"][0], self.s3.split(","))
        self.assertGreater(figures["operations"], 10)
        self.assertEqual(list(figures["statuses"]), ["200"])
        latency = figures["latency_us"]
        self.assertLessEqual(0 < latency["p50"] and latency["p50"], latency["p99"])
        self.assertLessEqual(latency["p99"], latency["max"])
        # Eight clients in a closed loop: Little's law, with room for what a busy machine does.
        self.assertLess(figures["operations_per_second"] * latency["p50"] / 1e6, 2 * 8)

    def test_reads_find_what_was_loaded_before(self):
        figures = bench_json("--endpoints", self.s3, "--reads", "50", "--keys", "50", "--target", "all")
        self.assertEqual(len(figures["endpoints"]), 3)
        self.assertIn("get_latency_us", figures)
        self.assertIn("put_latency_us", figures)
        self.assertEqual(list(figures["statuses"]), ["200"])

    def test_large_values_are_streamed_and_compared(self):
        command = [BENCH, "--endpoints", self.s3, "--target", "all", "--value-bytes", "32MiB", "--clients", "2",
                   "--reads", "50", "--keys", "2", "--seconds", "1", "--warm-up", "0", "--timeout", "60", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            figures = json.loads(process.stdout.read())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        # A slow machine may answer none within the second, but all are awaited.
        self.assertEqual(list(figures["statuses"]), ["200"])
        self.assertEqual(figures["value_bytes"], 32 << 20)
        self.assertEqual(figures["mib_per_second"], 32 * figures["operations_per_second"])
        # The load generator holds not even one of the values.
        self.assertLess(usage.ru_maxrss, 30 << 10)

    def test_an_open_loop_keeps_its_rate(self):
        figures = bench_json("--endpoints", self.s3, "--rate", "100", "--seconds", "1")
        self.assertEqual(figures["operations"], 100)

    def test_only_the_leader_says_yes_to_probes(self):
        at_leader = bench_json("--endpoints", self.s3, "--probes")
        self.assertEqual(list(at_leader["statuses"]), ["200"])
        at_all = bench_json("--endpoints", self.s3, "--probes", "--target", "all", "--clients", "6")
        self.assertEqual(sorted(at_all["statuses"]), ["200", "503"])

    def test_people_get_text(self):
        text = bench("--endpoints", self.s3, expect=0).stdout
        self.assertIn("answers/s as expected", text)
        self.assertIn("p99.9", text)


class Signed(unittest.TestCase):
    def test_signatures_are_good_and_wrong_secrets_are_refused(self):
        folder = tempfile.mkdtemp(prefix="keelson-bench-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        credentials = os.path.join(folder, "credentials.toml")
        with open(credentials, "w", encoding="utf-8") as file:
            file.write('[[credential]]\naccess_key = "AKIDBENCH"\n'
                       'secret_key = "secret/of+the=bench"\n')
        with socket.create_server(("127.0.0.1", 0)) as first, \
                socket.create_server(("127.0.0.1", 0)) as second:
            raft, s3 = ("127.0.0.1:%d" % each.getsockname()[1] for each in (first, second))
        server = Server(KEELSON, "serve", "--node-id", "n1", "--data-dir", folder + "/n1",
                        "--cluster-id", "bench", "--peers", "n1=" + raft, "--bootstrap",
                        "--s3-listen", s3, "--dynamodb-listen", "127.0.0.1:0", "--sqs-listen",
                        "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--credentials", credentials,
                        "--election-timeout-ms", "300", "--heartbeat-ms", "50")
        self.addCleanup(server.stop)
        key = ["--endpoints", s3, "--access-key", "AKIDBENCH", "--secret-key"]
        figures = bench_json(*key, "secret/of+the=bench", "--reads", "20", "--keys", "20")
        self.assertEqual(list(figures["statuses"]), ["200"])
        self.assertIn("403", bench(*key, "wrong", expect=1).stderr)


class AgainstTheFloor(unittest.TestCase):
    def test_the_floor_answers_puts_once_a_follower_has_them(self):
        folder = tempfile.mkdtemp(prefix="keelson-bench-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        followers = []
        for name in ("f1", "f2"):
            followers.append(Server(FLOOR, "follower", "--listen", "127.0.0.1:0",
                                    "--dir", os.path.join(folder, name)))
            self.addCleanup(followers[-1].stop)
        addresses = [server.line().split()[-1] for server in followers]
        leader = Server(FLOOR, "leader", "--listen", "127.0.0.1:0", "--dir",
                        os.path.join(folder, "f0"), "--followers", ",".join(addresses))
        self.addCleanup(leader.stop)
        address = leader.line().split()[-1]
        figures = bench_json("--protocol", "floor", "--endpoints", address)
        self.assertGreater(figures["operations"], 10)
        # Nobody answers while both followers stand still.
        for server in followers:
            server.process.send_signal(signal.SIGSTOP)
        stuck = bench_json("--protocol", "floor", "--endpoints", address, "--timeout", "0.5",
                           "--clients", "3", expect=1)
        self.assertEqual(stuck["statuses"], {"no answer": 3})
        self.assertGreater(stuck["latency_us"]["max"], 500_000)


class AgainstServersThatMisbehave(unittest.TestCase):
    def serve(self, answer, **options):
        server = CannedServer(answer, **options)
        self.addCleanup(server.stop)
        return server.address

    def test_answers_that_are_not_expected_are_counted_apart_and_fail_the_run(self):
        address = self.serve(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")
        figures = bench_json("--endpoints", address, "--probes", "--target", "all", expect=1)
        self.assertEqual(figures["operations"], 0)
        self.assertEqual(list(figures["statuses"]), ["500"])
        self.assertEqual(figures["unexpected"], figures["statuses"]["500"])

    def test_a_body_of_another_size_is_a_wrong_answer(self):
        address = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
        figures = bench_json("--endpoints", address, "--target", "all", "--reads", "100", "--keys", "5",
                             expect=1)
        self.assertEqual(list(figures["statuses"]), ["wrong answer"])

    def test_a_body_of_the_right_size_that_nobody_put_is_a_wrong_answer(self):
        address = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + 100 * b"x")
        figures = bench_json("--endpoints", address, "--target", "all", "--reads", "100", "--keys", "5",
                             expect=1)
        self.assertEqual(list(figures["statuses"]), ["wrong answer"])

    def test_a_refusal_before_the_value_was_taken_is_heard(self):
        address = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                             to_keys=b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
        figures = bench_json("--endpoints", address, "--target", "all", "--value-bytes", "32MiB", expect=1)
        self.assertEqual(list(figures["statuses"]), ["503"])

    def test_a_server_that_hangs_up_costs_connections(self):
        figures = bench_json("--endpoints", self.serve(None), "--probes", "--target", "all", expect=1)
        self.assertGreaterEqual(figures["connections_lost"], 16)
        self.assertEqual(list(figures["statuses"]), ["connection lost"])

    def test_nonsense_is_a_lost_connection(self):
        figures = bench_json("--endpoints", self.serve(b"SMTP\r\n\r\n"), "--probes", "--target", "all",
                             expect=1)
        self.assertEqual(list(figures["statuses"]), ["connection lost"])

    def test_a_stall_is_not_hidden_from_an_open_loop(self):
        # The server takes requests and never answers: all that should have begun counts.
        figures = bench_json("--endpoints", self.serve(b""), "--probes", "--target", "all", "--rate",
                             "200", "--clients", "2", "--timeout", "0.5", expect=1)
        self.assertEqual(figures["statuses"]["no answer"], figures["unexpected"])
        self.assertGreaterEqual(figures["unexpected"], 100)

    def test_nobody_there_is_said_in_a_sentence(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = "127.0.0.1:%d" % free.getsockname()[1]
        done = bench("--endpoints", address, "--timeout", "0.3", expect=1)
        self.assertIn("cannot connect to " + address, done.stderr)


class Usage(unittest.TestCase):
    def test_bad_usage_is_exit_2(self):
        for arguments in ([], ["--endpoints", "nowhere"], ["--endpoints", "127.0.0.1:1", "--reads", "101"],
                          ["--endpoints", "127.0.0.1:1", "--access-key", "a"],
                          ["--endpoints", "127.0.0.1:1", "--conns", "2"],
                          ["--endpoints", "127.0.0.1:1", "--value-bytes", "6GiB"],
                          ["--endpoints", "127.0.0.1:1", "--value-bytes", "2MiB", "--protocol", "etcd"],
                          ["--endpoints", "127.0.0.1:1", "--protocol", "floor", "--probes"]):
            self.assertTrue(bench(*arguments, expect=2).stderr, arguments)

    def test_help_is_exit_0(self):
        self.assertIn("--endpoints", bench("--help", expect=0).stdout)


if __name__ == "__main__":
    unittest.main()
