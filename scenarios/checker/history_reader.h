// Reads histories of JSON lines; the format is in README.md of this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "scenarios/checker/history.h"
#include "core/base/result.h"

namespace keelson::checker {

// What the operations of a file are: `register` and `kv` differ in the names of the operations, not
// in what they do.
enum class HistoryModel { reg, kv, queue };

std::optional<HistoryModel> history_model_of(std::string_view name);

constexpr ModelKind kind_of(HistoryModel model) {
  return model == HistoryModel::queue ? ModelKind::queues : ModelKind::objects;
}

// Errors: invalid_argument, with "FILE:LINE: what is wrong". `file` is for that message only.
Result<History> read_history(std::string_view text, HistoryModel model, const std::string& file);

}  // namespace keelson::checker
