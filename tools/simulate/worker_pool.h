// WorkerPool: processes of this program that run seeds, so that a run that ends its process (a
// failed CHECK, a sanitizer's report) is a finding and not the end of the campaign, and so that the
// same seed can be run in two processes whose memory is laid out differently.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tools/simulate/job.h"
#include "tools/simulate/outcome.h"

namespace keelson::simulate {

class WorkerPool {
 public:
  // `program` is the keelson-sim to run; by default this one.
  explicit WorkerPool(std::size_t size, std::string program = "/proc/self/exe");
  // Ends the workers.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  std::size_t size() const { return workers_.size(); }
  bool is_busy(std::size_t worker) const { return workers_.at(worker).busy; }

  // REQUIRES: the worker is not busy.
  void begin(std::size_t worker, Job job);

  // The worker stops what it is doing, of which nothing is heard.
  void abandon(std::size_t worker);

  // Waits until a busy worker is done, or `timeout_ms` has passed: then false. A worker that died
  // is reported as a failure of oracle "process" and replaced.
  bool wait(int timeout_ms, const std::function<void(std::size_t worker, Outcome)>& done);

 private:
  struct Worker {
    pid_t pid = -1;
    int to = -1;    // Its standard input.
    int from = -1;  // Its standard output.
    bool busy = false;
    Job job;
    std::string received;
  };

  void send(Worker& worker, const std::string& line);
  void spawn(Worker& worker);
  void end(Worker& worker);
  void read_from(std::size_t index, const std::function<void(std::size_t, Outcome)>& done);

  const std::string program_;
  std::vector<Worker> workers_;
};

}  // namespace keelson::simulate
