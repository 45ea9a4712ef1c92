// CHECK: an invariant of the program, on in every build. A failed CHECK is a bug, never an input.
//
// The failure handler prints the expression and the place and ends the process. A simulated run
// installs its own handler (sim/harness.h), which adds the line that repeats the run.
#pragma once

#include <string_view>

namespace keelson {

// What CHECK calls before the process ends. It must not return to the failed code.
using CheckHandler = void (*)(void* context, std::string_view expression, const char* file,
                              int line);

// Replaces the handler of the process and returns nothing; nullptr restores the default, which
// prints and aborts. For the outermost harness only.
void set_check_handler(CheckHandler handler, void* context);

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace keelson

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::keelson::check_failed(#condition, __FILE__, __LINE__);            \
  } while (false)
