// The subcommands of keelson-sim, each in a file of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace keelson::simulate {

// What the command line asked for; returns the exit code.
using Command = std::function<int()>;

// Each adds a subcommand that, if it is given, becomes the chosen one. `chosen` outlives the app.
void add_shrink(CLI::App& app, Command& chosen);
void add_cause(CLI::App& app, Command& chosen);
void add_events(CLI::App& app, Command& chosen);
void add_bisect(CLI::App& app, Command& chosen);
void add_gate(CLI::App& app, Command& chosen);
void add_merge(CLI::App& app, Command& chosen);
void add_explore(CLI::App& app, Command& chosen);

// Prints what is wrong, and returns the exit code for it.
int usage(const std::string& what);

// "90", "60s" or "5m" in milliseconds; 0 if it is none of these.
std::int64_t parse_time(const std::string& text);

}  // namespace keelson::simulate
