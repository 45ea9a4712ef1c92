// Tested by tests/scenarios/stamp_check_test.cc.
#include "scenarios/stamp_check.h"

#include <fmt/format.h>

#include "core/kv/command.h"

namespace keelson::scenarios {

void StampCheck::on_applied(GroupId group, const raft::Entry& entry, sim::TrueTime now) {
  Last& last = last_[group];
  if (entry.index <= last.index) return;
  last.index = entry.index;
  if (entry.kind != raft::EntryKind::command) return;
  const auto stamped = kv::decode_command(entry.data);
  if (!stamped || std::holds_alternative<kv::RaiseCeiling>(stamped->command)) return;
  ++seen_;
  if (stamped->stamp.at <= last.at) {
    report_.fail("timestamps", "order of the log",
                 fmt::format("{}: entry {} is stamped {}, and one before it {}", to_string(group),
                             entry.index.value, to_string(stamped->stamp.at), to_string(last.at)),
                 now);
  }
  last.at = stamped->stamp.at;
}

}  // namespace keelson::scenarios
