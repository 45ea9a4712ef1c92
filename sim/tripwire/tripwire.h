// Tripwire: a program that links keelson_tripwire ends, naming the call, when code asks the
// operating system for time, chance, sockets, files, sleep or threads while a simulated world runs.
//
// It stands in front of the C library's clock_gettime, gettimeofday, time, getrandom, getentropy,
// rand, random, socket, connect, bind, open, openat, fopen, nanosleep, clock_nanosleep, usleep,
// sleep, poll, epoll_wait, select and pthread_create, and of std::random_device. Calls go through
// unless the calling thread is armed. What the C library does within itself (memory, stdio) never
// comes this way. Not for production programs.
#pragma once

namespace keelson::sim {

// The calling thread runs a world: put one around World::run_until. They nest.
class TripwireArmed {
 public:
  TripwireArmed();
  ~TripwireArmed();
  TripwireArmed(const TripwireArmed&) = delete;
  TripwireArmed& operator=(const TripwireArmed&) = delete;
};

// The harness steps out of the world for a moment: to write a file, to show progress, to report a
// failed CHECK from within.
class TripwireLifted {
 public:
  TripwireLifted();
  ~TripwireLifted();
  TripwireLifted(const TripwireLifted&) = delete;
  TripwireLifted& operator=(const TripwireLifted&) = delete;

 private:
  const int depth_;
};

}  // namespace keelson::sim
