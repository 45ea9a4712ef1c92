#include "core/kv/batch.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace keelson::kv {
namespace {

// Equality, for tests alone: no code of the node compares batches.
bool same(const Condition& a, const Condition& b) {
  return a.key == b.key && a.kind == b.kind && a.version == b.version;
}
bool same(const Mutation& a, const Mutation& b) { return a.key == b.key && a.value == b.value; }

template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return same(x, y); });
}
bool same(const Batch& a, const Batch& b) {
  return a.token == b.token && same(a.conditions, b.conditions) && same(a.mutations, b.mutations);
}

const Bytes kOctets("\0\xff\n", 3);

TEST(BatchTest, ABatchReadsBackAsItWas) {
  const Batch batch{.token = kOctets,
                    .conditions = {{"a", Condition::Kind::exists, 0},
                                   {"b", Condition::Kind::absent, 0},
                                   {kOctets, Condition::Kind::version_is, UINT64_MAX}},
                    .mutations = {{"a", kOctets}, {"b", std::nullopt}, {"", ""}}};
  const auto read = decode_batch(encode(batch));
  ASSERT_TRUE(read);
  EXPECT_TRUE(same(*read, batch));
  EXPECT_EQ(encode(*read), encode(batch));
}

TEST(BatchTest, AnEmptyValueIsNotARemoval) {
  const auto read = decode_batch(encode({.token = {}, .conditions = {}, .mutations = {{"k", ""}}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->mutations.at(0).value, Bytes());
}

// The bytes are in logs on disk: a promise to every later version.
TEST(BatchTest, TheBytesOfABatchAreThese) {
  const Batch batch{.token = "t",
                    .conditions = {{"a", Condition::Kind::version_is, 7}},
                    .mutations = {{"b", "v"}, {"c", std::nullopt}}};
  EXPECT_EQ(to_hex(encode(batch)), "0a0174" "12070a016110031807" "1a060a0162120176" "1a030a0163");
}

TEST(BatchTest, GarbageAndUnknownConditionsAreCorrupt) {
  for (const Bytes& garbage : {Bytes("\xff"), Bytes("garbage"), Bytes("\x0a\x05x"),
                               // A condition of kind 9, and one without a kind.
                               Bytes("\x12\x05\x0a\x01" "a\x10\x09", 7),
                               Bytes("\x12\x03\x0a\x01" "a", 5)}) {
    const auto read = decode_batch(garbage);
    ASSERT_FALSE(read) << to_hex(garbage);
    EXPECT_EQ(read.error().code, ErrorCode::corrupt);
  }
}

RC_GTEST_PROP(BatchTest, AnyBatchReadsBack, (Bytes token, std::vector<Bytes> keys)) {
  Batch batch{.token = token, .conditions = {}, .mutations = {}};
  for (const Bytes& key : keys) {
    const auto kind = static_cast<Condition::Kind>(*rc::gen::inRange(0, 3));
    batch.conditions.push_back({key, kind, *rc::gen::arbitrary<std::uint64_t>()});
    batch.mutations.push_back({key, std::nullopt});
    if (*rc::gen::arbitrary<bool>()) batch.mutations.back().value = *rc::gen::arbitrary<Bytes>();
  }
  const auto read = decode_batch(encode(batch));
  RC_ASSERT(read.has_value());
  RC_ASSERT(same(*read, batch));
}

RC_GTEST_PROP(BatchTest, AnyBytesAreABatchOrCorrupt, (const Bytes& bytes)) {
  const auto read = decode_batch(bytes);
  if (!read) RC_ASSERT(read.error().code == ErrorCode::corrupt);
}

}  // namespace
}  // namespace keelson::kv
