// Tested by tests/core/kv/snapshot_format_test.cc.
#include "core/kv/snapshot_format.h"

#include "core/base/check.h"

namespace keelson::kv::snapshot {

namespace {

constexpr std::size_t kOutcomeSize = 13;
// Larger than any batch may be.
constexpr std::uint32_t kRecordMost = 256 << 20;

// What a record's body begins with.
enum class Tag : char { header, key, token, end };

void append_tag(Bytes& out, Tag tag) { out.push_back(static_cast<char>(tag)); }

struct Append {
  Bytes& out;

  void operator()(const Header& header) const {
    append_tag(out, Tag::header);
    out.push_back(static_cast<char>(kVersion));
    append_u64(out, header.index);
    append_u64(out, header.term);
    append_u64(out, header.digest);
    append_u64(out, header.tokens);
    append_u64(out, header.limit);
    out.append(header.configuration);
  }
  void operator()(const Key& key) const {
    append_tag(out, Tag::key);
    append_u64(out, key.version);
    append_u32(out, static_cast<std::uint32_t>(key.key.size()));
    out.append(key.key);
    out.append(key.value);
  }
  void operator()(const Token& token) const {
    CHECK(token.outcome.size() == kOutcomeSize);
    append_tag(out, Tag::token);
    append_u64(out, token.number);
    out.append(token.outcome);
    out.append(token.token);
  }
  void operator()(const End& end) const {
    append_tag(out, Tag::end);
    append_u64(out, end.checksum);
  }
};

Error malformed(const char* what) {
  return {ErrorCode::invalid_argument, std::string("snapshot: ") + what};
}

Result<Record> parse_header(BytesView body) {
  if (body.size() < 41) return malformed("a header that is too short");
  if (static_cast<std::uint8_t>(body[0]) != kVersion) return malformed("of another version");
  body.remove_prefix(1);
  return Record(Header{.index = read_u64(body),
                       .term = read_u64(body.substr(8)),
                       .digest = read_u64(body.substr(16)),
                       .tokens = read_u64(body.substr(24)),
                       .limit = read_u64(body.substr(32)),
                       .configuration = body.substr(40)});
}

Result<Record> parse_key(BytesView body) {
  if (body.size() < 12) return malformed("a key that is too short");
  const std::uint64_t version = read_u64(body);
  const std::uint32_t key_size = read_u32(body.substr(8));
  body.remove_prefix(12);
  if (body.size() < key_size) return malformed("a key that is too short");
  return Record(
      Key{.version = version, .key = body.substr(0, key_size), .value = body.substr(key_size)});
}

Result<Record> parse_token(BytesView body) {
  if (body.size() < 8 + kOutcomeSize) return malformed("a token that is too short");
  return Record(Token{.number = read_u64(body),
                      .outcome = body.substr(8, kOutcomeSize),
                      .token = body.substr(8 + kOutcomeSize)});
}

Result<Record> parse(BytesView body) {
  if (body.empty()) return malformed("an empty record");
  const Tag tag{body.front()};
  body.remove_prefix(1);
  switch (tag) {
    case Tag::header: return parse_header(body);
    case Tag::key: return parse_key(body);
    case Tag::token: return parse_token(body);
    case Tag::end:
      if (body.size() != 8) return malformed("an end of another size");
      return Record(End{read_u64(body)});
  }
  return malformed("a record of unknown kind");
}

}  // namespace

void append(Bytes& out, const Record& record, std::uint64_t& checksum) {
  const std::size_t start = out.size();
  append_u32(out, 0);
  std::visit(Append{out}, record);
  Bytes size;
  append_u32(size, static_cast<std::uint32_t>(out.size() - start - 4));
  out.replace(start, 4, size);
  if (!std::holds_alternative<End>(record)) {
    checksum = hash64(BytesView(out).substr(start), checksum);
  }
}

Result<std::optional<Record>> take(BytesView& bytes, std::uint64_t& checksum) {
  if (bytes.size() < 4) return std::optional<Record>();
  const std::uint32_t size = read_u32(bytes);
  if (size > kRecordMost) return malformed("a record that is too large");
  if (bytes.size() - 4 < size) return std::optional<Record>();
  TRY(Record record, parse(bytes.substr(4, size)));
  if (!std::holds_alternative<End>(record)) checksum = hash64(bytes.substr(0, 4 + size), checksum);
  bytes.remove_prefix(4 + size);
  return std::optional<Record>(record);
}

}  // namespace keelson::kv::snapshot
