// Tested by tests/core/storage/data_directory_test.cc.
#include "core/storage/data_directory.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace keelson::storage {

namespace {

constexpr const char* kPath = "IDENTITY";
constexpr const char* kTemporaryPath = "IDENTITY.tmp";
constexpr std::string_view kFirstLine = "keelson data directory\n";
constexpr std::uint64_t kFormat = 2;
constexpr std::size_t kClusterIdBytesMax = 128;
constexpr std::size_t kFoundersMax = 1000;
constexpr std::size_t kFileBytesMax = 64 << 10;

bool is_valid(const Identity& identity) {
  if (identity.node_id.value == 0) return false;
  if (identity.cluster_id.empty() || identity.cluster_id.size() > kClusterIdBytesMax) return false;
  for (const char c : identity.cluster_id) {
    if (c <= ' ' || c > '~') return false;
  }
  if (identity.incarnation.value == 0 || identity.founders.size() > kFoundersMax) return false;
  for (const auto& [node, incarnation] : identity.founders) {
    if (node.value == 0 || incarnation.value == 0) return false;
  }
  return true;
}

std::string checksum_line(BytesView text) {
  return fmt::format("checksum {:016x}\n", hash64(text));
}

Bytes encode(const Identity& identity) {
  Bytes text = fmt::format("{}format {}\ncluster {}\nnode {}\nincarnation {:016x}\n", kFirstLine,
                           kFormat, identity.cluster_id, identity.node_id.value,
                           identity.incarnation.value);
  for (const auto& [node, incarnation] : identity.founders) {
    text += fmt::format("founder {} {:016x}\n", node.value, incarnation.value);
  }
  text += checksum_line(text);
  return text;
}

// Takes "name value\n" off the front of `text`; nothing when it does not begin so.
std::optional<BytesView> take_field(BytesView& text, std::string_view name) {
  const std::size_t end = text.find('\n');
  if (end == BytesView::npos || !text.starts_with(name)) return std::nullopt;
  const BytesView value = text.substr(name.size(), end - name.size());
  text.remove_prefix(end + 1);
  return value;
}

std::optional<std::uint64_t> to_number(BytesView digits, int base = 10) {
  std::uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<Incarnation> take_incarnation(BytesView hex) {
  const auto number = to_number(hex, 16);
  if (!number) return std::nullopt;
  return Incarnation(*number);
}

// Takes the founders off the front of `text`; false if a line is not one.
bool take_founders(BytesView& text, std::map<NodeId, Incarnation>& founders) {
  while (const auto founder = take_field(text, "founder ")) {
    const std::size_t space = founder->find(' ');
    if (space == BytesView::npos) return false;
    const auto node = to_number(founder->substr(0, space));
    const auto incarnation = take_incarnation(founder->substr(space + 1));
    if (!node || !incarnation) return false;
    founders[NodeId(*node)] = *incarnation;
  }
  return true;
}

Result<Identity> decode(BytesView text) {
  const Error corrupt{ErrorCode::corrupt, "IDENTITY of the data directory is damaged"};
  const std::size_t checksum_at = text.rfind("checksum ");
  if (!text.starts_with(kFirstLine) || checksum_at == BytesView::npos) return corrupt;
  if (text.substr(checksum_at) != checksum_line(text.substr(0, checksum_at))) return corrupt;

  BytesView rest = text.substr(kFirstLine.size());
  const auto format = take_field(rest, "format ");
  if (!format) return corrupt;
  if (to_number(*format) != kFormat) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("data directory of format {}, this program knows {}", *format,
                             kFormat)};
  }
  const auto cluster = take_field(rest, "cluster ");
  if (!cluster) return corrupt;
  const auto node = take_field(rest, "node ");
  const auto number = node ? to_number(*node) : std::nullopt;
  if (!number) return corrupt;
  const auto hex = take_field(rest, "incarnation ");
  const auto incarnation = hex ? take_incarnation(*hex) : std::nullopt;
  if (!incarnation) return corrupt;
  Identity identity{.cluster_id = std::string(*cluster),
                    .node_id = NodeId(*number),
                    .incarnation = *incarnation};
  if (!take_founders(rest, identity.founders)) return corrupt;
  // There is one way to write an identity down.
  if (!is_valid(identity) || encode(identity) != text) return corrupt;
  return identity;
}

}  // namespace

Result<std::optional<Identity>> read_identity(Disk& disk, Deadline deadline) {
  std::optional<Identity> identity;
  auto file = disk.open(kPath, OpenMode::existing, deadline);
  if (!file && file.error().code == ErrorCode::not_found) return identity;
  if (!file) return std::move(file).error();
  Bytes text(kFileBytesMax, '\0');
  TRY(const std::size_t read, (*file)->pread(std::span(text.data(), text.size()), 0, deadline));
  text.resize(read);
  TRY(identity, decode(text));
  return identity;
}

Result<void> check_owner(const Identity& found, const Identity& expected) {
  if (found.cluster_id != expected.cluster_id) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("the data directory belongs to cluster \"{}\", not to \"{}\"",
                             found.cluster_id, expected.cluster_id)};
  }
  if (found.node_id != expected.node_id) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("the data directory belongs to node {}, not to {}",
                             to_string(found.node_id), to_string(expected.node_id))};
  }
  return {};
}

Result<bool> check_identity(Disk& disk, const Identity& expected, Deadline deadline) {
  TRY(const std::optional<Identity> found, read_identity(disk, deadline));
  if (!found) return false;
  TRY(check_owner(*found, expected));
  return true;
}

Result<void> write_identity(Disk& disk, const Identity& identity, Deadline deadline) {
  if (!is_valid(identity)) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("not an identity: cluster \"{}\" node {} incarnation {:x}",
                             identity.cluster_id, identity.node_id.value,
                             identity.incarnation.value)};
  }
  TRY(auto file, disk.open(kTemporaryPath, OpenMode::create, deadline));
  TRY(file->truncate(0, deadline));  // What an interrupted start has left there.
  TRY(file->pwrite(encode(identity), 0, deadline));
  TRY(file->sync(deadline));
  TRY(disk.rename(kTemporaryPath, kPath, deadline));
  return disk.sync_directory("", deadline);
}

Result<std::unique_ptr<Wal>> open_data_directory(Env& env, const Identity& identity,
                                                 WalOptions options, Deadline deadline) {
  TRY(const bool is_ours, check_identity(env.disk, identity, deadline));
  options.must_exist = options.must_exist || is_ours;
  TRY(auto wal, Wal::open(env, options, deadline));
  if (is_ours) return wal;
  if (wal->batches_synced() > 0) {
    return Error{ErrorCode::corrupt, "the data directory has a log in use and no IDENTITY"};
  }
  Identity claimed = identity;
  claimed.incarnation = Incarnation(1 + hash64(env.random.identifier()) % UINT64_MAX);
  TRY(write_identity(env.disk, claimed, deadline));
  return wal;
}

}  // namespace keelson::storage
