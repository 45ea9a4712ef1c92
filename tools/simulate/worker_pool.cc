#include "tools/simulate/worker_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/base/check.h"

extern char** environ;

namespace keelson::simulate {

WorkerPool::WorkerPool(std::size_t size, std::string program)
    : program_(std::move(program)), workers_(size) {
  std::signal(SIGPIPE, SIG_IGN);  // A worker that died shows by the end of its output.
  for (Worker& worker : workers_) spawn(worker);
}

WorkerPool::~WorkerPool() {
  for (Worker& worker : workers_) end(worker);
}

void WorkerPool::spawn(Worker& worker) {
  int input[2];
  int output[2];
  CHECK(pipe2(input, O_CLOEXEC) == 0);
  CHECK(pipe2(output, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO) == 0);
  char program[] = "keelson-sim";
  char command[] = "worker";
  char* const arguments[] = {program, command, nullptr};
  // A new program image: address space layout is drawn anew for each worker.
  CHECK(posix_spawn(&worker.pid, program_.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
  close(output[1]);
  worker.to = input[1];
  worker.from = output[0];
  worker.busy = false;
  worker.received.clear();
}

void WorkerPool::end(Worker& worker) {
  close(worker.to);
  close(worker.from);
  if (worker.busy) kill(worker.pid, SIGKILL);
  waitpid(worker.pid, nullptr, 0);
}

void WorkerPool::begin(std::size_t index, Job job) {
  Worker& worker = workers_.at(index);
  CHECK(!worker.busy);
  worker.job = std::move(job);
  worker.busy = true;
  send(worker, to_json_line(worker.job) + "\n");
}

// A worker that cannot be written to has died, and wait() will find out.
void WorkerPool::send(Worker& worker, const std::string& line) {
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = write(worker.to, line.data() + sent, line.size() - sent);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

void WorkerPool::abandon(std::size_t index) {
  Worker& worker = workers_.at(index);
  end(worker);
  spawn(worker);
}

bool WorkerPool::wait(int timeout_ms,
                      const std::function<void(std::size_t worker, Outcome)>& done) {
  std::vector<pollfd> descriptors;
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i].busy) continue;
    descriptors.push_back({.fd = workers_[i].from, .events = POLLIN, .revents = 0});
    indexes.push_back(i);
  }
  if (poll(descriptors.data(), descriptors.size(), timeout_ms) <= 0) return false;
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    if (descriptors[i].revents != 0) read_from(indexes[i], done);
  }
  return true;
}

void WorkerPool::read_from(std::size_t index,
                           const std::function<void(std::size_t, Outcome)>& done) {
  Worker& worker = workers_[index];
  char chunk[65536];
  const ssize_t count = read(worker.from, chunk, sizeof chunk);
  if (count > 0) {
    worker.received.append(chunk, static_cast<std::size_t>(count));
    const std::size_t end_of_line = worker.received.find('\n');
    if (end_of_line == std::string::npos) return;
    auto outcome = outcome_from_json(worker.received.substr(0, end_of_line));
    worker.received.erase(0, end_of_line + 1);
    CHECK(outcome.has_value());
    worker.busy = false;
    // A failed CHECK ends the process that reports it.
    if (outcome->failure && outcome->failure->oracle == "check") {
      end(worker);
      spawn(worker);
    }
    done(index, *std::move(outcome));
    return;
  }
  int status = 0;
  close(worker.to);
  close(worker.from);
  waitpid(worker.pid, &status, 0);
  Outcome died{.scenario = worker.job.scenario, .seed = worker.job.seed, .failure = {}};
  const std::string how = WIFSIGNALED(status)
                              ? fmt::format("signal {}", WTERMSIG(status))
                              : fmt::format("exit status {}", WEXITSTATUS(status));
  died.failure = Outcome::Failure{.oracle = "process",
                                  .message = "the run ended its process: " + how,
                                  .fingerprint = "process/" + how,
                                  .at_ns = 0};
  spawn(worker);
  done(index, std::move(died));
}

}  // namespace keelson::simulate
