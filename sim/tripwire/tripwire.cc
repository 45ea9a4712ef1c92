// Tested by tests/sim/world_test.cc.
#include "sim/tripwire/tripwire.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define KEELSON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEELSON_ASAN 1
#endif
#endif

namespace {

// How deep the calling thread is in TripwireArmed. Of the thread and not of an object, because the
// C library's functions take no argument to carry it in; other threads (progress, further worlds)
// are free to look at the clock.
constinit thread_local int armed_depth = 0;

void say(const char* text) {
  // Nothing is left to do if even this fails.
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

void trip(const char* name) {
  if (armed_depth == 0) [[likely]] return;
  armed_depth = 0;
  say("tripwire: ");
  say(name);
  say(" was called while a simulated world was running\n");
  abort();
}

// The function that ours stands in front of.
template <typename Function>
Function* behind(Function* /*ours, for its type*/, const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    say("tripwire: the C library has no ");
    say(name);
    say("\n");
    abort();
  }
  return reinterpret_cast<Function*>(found);
}

bool has_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

}  // namespace

namespace keelson::sim {

TripwireArmed::TripwireArmed() { ++armed_depth; }
TripwireArmed::~TripwireArmed() { --armed_depth; }
TripwireLifted::TripwireLifted() : depth_(armed_depth) { armed_depth = 0; }
TripwireLifted::~TripwireLifted() { armed_depth = depth_; }

}  // namespace keelson::sim

// Each of these trips, or passes its arguments on. The attributes of the C library's own
// declarations (nonnull, noexcept) are theirs; only the types matter here.
extern "C" {

int clock_gettime(clockid_t clock, struct timespec* out) noexcept {
  trip("clock_gettime");
  static const auto real = behind(&clock_gettime, "clock_gettime");
  return real(clock, out);
}

int gettimeofday(struct timeval* __restrict out, void* __restrict zone) noexcept {
  trip("gettimeofday");
  static const auto real = behind(&gettimeofday, "gettimeofday");
  return real(out, zone);
}

time_t time(time_t* out) noexcept {
  trip("time");
  static const auto real = behind(&time, "time");
  return real(out);
}

ssize_t getrandom(void* into, size_t size, unsigned flags) {
  trip("getrandom");
  static const auto real = behind(&getrandom, "getrandom");
  return real(into, size, flags);
}

int getentropy(void* into, size_t size) {
  trip("getentropy");
  static const auto real = behind(&getentropy, "getentropy");
  return real(into, size);
}

int rand() noexcept {
  trip("rand");
  static const auto real = behind(&rand, "rand");
  return real();
}

long random() noexcept {
  trip("random");
  static const auto real = behind(&random, "random");
  return real();
}

// unsigned std::random_device::_M_getval(), which asks the processor and no function of the C
// library.
unsigned _ZNSt13random_device9_M_getvalEv(void* device) {
  trip("std::random_device");
  static const auto real =
      behind(&_ZNSt13random_device9_M_getvalEv, "_ZNSt13random_device9_M_getvalEv");
  return real(device);
}

int socket(int domain, int type, int protocol) noexcept {
  trip("socket");
  static const auto real = behind(&socket, "socket");
  return real(domain, type, protocol);
}

int connect(int fd, const struct sockaddr* address, socklen_t size) {
  trip("connect");
  static const auto real = behind(&connect, "connect");
  return real(fd, address, size);
}

int bind(int fd, const struct sockaddr* address, socklen_t size) noexcept {
  trip("bind");
  static const auto real = behind(&bind, "bind");
  return real(fd, address, size);
}

int open(const char* path, int flags, ...) {
  trip("open");
  static const auto real = behind(&open, "open");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = has_mode(flags) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return real(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  trip("open64");
  static const auto real = behind(&open64, "open64");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = has_mode(flags) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return real(path, flags, mode);
}

int openat(int directory, const char* path, int flags, ...) {
  trip("openat");
  static const auto real = behind(&openat, "openat");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = has_mode(flags) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return real(directory, path, flags, mode);
}

FILE* fopen(const char* __restrict path, const char* __restrict mode) {
  trip("fopen");
  static const auto real = behind(&fopen, "fopen");
  return real(path, mode);
}

FILE* fopen64(const char* __restrict path, const char* __restrict mode) {
  trip("fopen64");
  static const auto real = behind(&fopen64, "fopen64");
  return real(path, mode);
}

int nanosleep(const struct timespec* span, struct timespec* left) {
  trip("nanosleep");
  static const auto real = behind(&nanosleep, "nanosleep");
  return real(span, left);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec* until,
                    struct timespec* left) {
  trip("clock_nanosleep");
  static const auto real = behind(&clock_nanosleep, "clock_nanosleep");
  return real(clock, flags, until, left);
}

int usleep(useconds_t span) {
  trip("usleep");
  static const auto real = behind(&usleep, "usleep");
  return real(span);
}

unsigned sleep(unsigned seconds) {
  trip("sleep");
  static const auto real = behind(&sleep, "sleep");
  return real(seconds);
}

int poll(struct pollfd* descriptors, nfds_t count, int timeout_ms) {
  trip("poll");
  static const auto real = behind(&poll, "poll");
  return real(descriptors, count, timeout_ms);
}

int epoll_wait(int epoll, struct epoll_event* events, int events_limit, int timeout_ms) {
  trip("epoll_wait");
  static const auto real = behind(&epoll_wait, "epoll_wait");
  return real(epoll, events, events_limit, timeout_ms);
}

int select(int limit, fd_set* __restrict readable, fd_set* __restrict writable,
           fd_set* __restrict failed, struct timeval* __restrict span) {
  trip("select");
  static const auto real = behind(&select, "select");
  return real(limit, readable, writable, failed, span);
}

// AddressSanitizer has to see each thread begin: its own function must not be jumped over, as it
// would be where it is linked statically (Clang).
#ifndef KEELSON_ASAN
int pthread_create(pthread_t* __restrict thread, const pthread_attr_t* __restrict attributes,
                   void* (*body)(void*), void* __restrict argument) noexcept {
  trip("pthread_create");
  static const auto real = behind(&pthread_create, "pthread_create");
  return real(thread, attributes, body, argument);
}
#endif

}  // extern "C"
