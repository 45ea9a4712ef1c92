#include "core/api/crc_combine.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

constexpr DigestKind kCrcs[] = {DigestKind::crc32, DigestKind::crc32c, DigestKind::crc64nvme};

TEST(CrcCombineTest, PiecesGiveTheCrcOfTheWholeWhereverItIsCut) {
  Bytes whole;
  for (int i = 0; i < 1000; ++i) whole += static_cast<char>(i * i >> 3);
  for (const DigestKind kind : kCrcs) {
    for (const std::size_t piece : {1u, 7u, 64u, 333u, 999u, 1000u, 2000u}) {
      std::vector<CrcOfRun> runs;
      for (std::size_t at = 0; at < whole.size(); at += piece) {
        const Bytes run = whole.substr(at, piece);
        runs.push_back({digest(kind, run), run.size()});
      }
      EXPECT_EQ(combine_crcs(kind, runs), digest(kind, whole)) << piece;
    }
  }
}

TEST(CrcCombineTest, EmptyPiecesChangeNothing) {
  for (const DigestKind kind : kCrcs) {
    const CrcOfRun nothing{digest(kind, ""), 0}, some{digest(kind, "some"), 4};
    EXPECT_EQ(combine_crcs(kind, {nothing, some, nothing}), some.crc);
    EXPECT_EQ(combine_crcs(kind, {}), nothing.crc);
  }
}

TEST(CrcCombineTest, APieceOfTheLongestPartFits) {
  // A zero octet 5 GiB long leaves of the CRC what squaring says; the order of doing it does not
  // matter.
  const std::uint64_t half = std::uint64_t{5} << 29;
  for (const DigestKind kind : kCrcs) {
    const CrcOfRun first{digest(kind, "first"), 5};
    const Bytes zero(digest_bytes(kind), '\0');
    EXPECT_EQ(combine_crcs(kind, {first, {zero, half}, {zero, half}}),
              combine_crcs(kind, {first, {zero, 2 * half}}));
    EXPECT_NE(combine_crcs(kind, {first, {zero, half}}), first.crc);
  }
}

TEST(CrcCombineTest, OtherDigestsCannotBeCombined) {
  for (const DigestKind kind : kCrcs) EXPECT_TRUE(can_combine(kind));
  EXPECT_FALSE(can_combine(DigestKind::sha1));
  EXPECT_FALSE(can_combine(DigestKind::sha256));
}

}  // namespace
}  // namespace keelson::api
