// Tested by tests/core/kv/group_machine_test.cc and snapshot_cut_test.cc.
#include "core/kv/history_rows.h"

#include "core/base/check.h"
#include "core/kv/rows.h"

namespace keelson::kv {

namespace {

void append_escaped(Bytes& out, BytesView key) {
  for (const char octet : key) {
    out.push_back(octet);
    if (octet == '\0') out.push_back('\xff');
  }
  out.append("\0\1", 2);
}

void append_big_endian(Bytes& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

}  // namespace

Bytes history_row(BytesView key, Timestamp end) {
  Bytes row(kHistoryRows);
  append_escaped(row, key);
  append_big_endian(row, end.value);
  return row;
}

Result<OldVersion> parse_history_row(BytesView row) {
  CHECK(row.starts_with(kHistoryRows));
  OldVersion old;
  BytesView rest = row.substr(kHistoryRows.size());
  while (rest.size() >= 10 && !(rest[0] == '\0' && rest[1] == '\1')) {
    old.key.push_back(rest.front());
    rest.remove_prefix(rest.front() == '\0' ? 2 : 1);
  }
  if (rest.size() != 10) return Error{ErrorCode::corrupt, "an old version's row"};
  rest.remove_prefix(2);
  for (const char octet : rest) {
    old.end = Timestamp(old.end.value << 8 | static_cast<unsigned char>(octet));
  }
  return old;
}

}  // namespace keelson::kv
