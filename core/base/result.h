// Result<T>: a value, or the reason there is none. The spelling is that of std::expected, so that
// it can become an alias once both compilers have it.
//
// Three kinds of trouble are never mixed: a bug is a CHECK; an expected failure is a Result; the
// death of a node is no value at all: its fibers unwind.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/base/check.h"

namespace keelson {

// Each code exists because some caller reacts to it.
enum class ErrorCode {
  timed_out,         // The deadline passed. What was asked may have happened, or may yet happen.
  unavailable,       // It surely did not happen: refused, no leader, no connection.
  connection_lost,   // The stream broke. Bytes written before may or may not have arrived.
  not_leader,        // This node does not lead the group; nothing happened.
  conflict,          // What the caller had seen is not so any more; nothing happened: look again.
  invalid_argument,  // The caller's input is wrong; the message says what.
  not_found,         // A file, a path, a name does not exist.
  io_error,          // The disk failed. After a failed sync the node must end.
  no_space,          // The disk is full; it may recover.
  unsupported,       // Of a later version than this one; nothing happened.
  corrupt,           // Stored or received bytes fail their checksum or their grammar.
};

const char* name_of(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;
};

// A value, or why there is none. `E` is another type than Error where a protocol has errors of its
// own.
template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value().
  T& operator*() & { CHECK(has_value()); return *std::get_if<0>(&state_); }
  const T& operator*() const& { CHECK(has_value()); return *std::get_if<0>(&state_); }
  T&& operator*() && { CHECK(has_value()); return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  // REQUIRES: !has_value().
  const E& error() const& { CHECK(!has_value()); return *std::get_if<1>(&state_); }
  E&& error() && { CHECK(!has_value()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, E> state_;
};

template <typename E>
class [[nodiscard]] Result<void, E> {
 public:
  using Value = void;

  Result() = default;
  Result(E error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value().
  void operator*() const { CHECK(has_value()); }

  // REQUIRES: !has_value().
  const E& error() const& { CHECK(!has_value()); return *error_; }
  E&& error() && { CHECK(!has_value()); return std::move(*error_); }

 private:
  std::optional<E> error_;
};

}  // namespace keelson

#define KEELSON_JOIN_(a, b) a##b
#define KEELSON_JOIN(a, b) KEELSON_JOIN_(a, b)
#define KEELSON_TRY_VALUE(result, declaration, expression)   \
  auto result = (expression);                                \
  if (!result.has_value()) return std::move(result).error(); \
  declaration = *std::move(result)
#define KEELSON_TRY_VOID(expression)                                                       \
  do {                                                                                     \
    if (auto try_result = (expression); !try_result.has_value())                           \
      return std::move(try_result).error();                                                \
  } while (false)
#define KEELSON_TRY_2(declaration, expression) \
  KEELSON_TRY_VALUE(KEELSON_JOIN(try_result_, __LINE__), declaration, expression)
#define KEELSON_TRY_1(expression) KEELSON_TRY_VOID(expression)
#define KEELSON_TRY_PICK(first, second, chosen, ...) chosen

// TRY(expression) and TRY(declaration, expression) return the error to the caller, if there is one:
//   TRY(disk.sync_directory(path, deadline));
//   TRY(auto file, disk.open(path, OpenMode::existing, deadline));
#define TRY(...) KEELSON_TRY_PICK(__VA_ARGS__, KEELSON_TRY_2, KEELSON_TRY_1, )(__VA_ARGS__)
