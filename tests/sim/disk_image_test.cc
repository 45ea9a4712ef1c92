// A file's image against a naive model that copies everything.
#include "sim/disk_image.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/choices.h"

namespace keelson::sim {
namespace {

// Random changes, syncs and losses of power; the model keeps a copy of the file for each change.
TEST(DiskImageTest, SyncedBytesSurviveWhateverElseIsLostOverManyEpochs) {
  Choices choices(11);
  ChoiceStream& draw = choices.stream("test");
  for (int round = 0; round < 200; ++round) {
    FileImage image(std::make_shared<std::uint64_t>(0));
    std::string seen, durable;
    std::vector<std::pair<std::uint64_t, std::string>> copies;  // By change_count().
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t what = draw.choose(10);
      if (what < 6) {
        const std::uint64_t offset = draw.choose(2000);
        const std::string bytes(1 + draw.choose(700), static_cast<char>('a' + draw.choose(26)));
        image.write(bytes, offset);
        if (seen.size() < offset + bytes.size()) seen.resize(offset + bytes.size());
        seen.replace(offset, bytes.size(), bytes);
      } else if (what == 6) {
        const std::uint64_t size = draw.choose(2500);
        image.truncate(size);
        seen.resize(size);
      } else if (what < 9 && !copies.empty()) {
        // A sync that began some changes ago ends now.
        const auto& [until, copy] = copies[draw.choose(copies.size())];
        image.make_durable(until);
        durable = copy;
        std::erase_if(copies, [limit = until](const auto& each) { return each.first < limit; });
      } else if (what == 9) {
        Losses losses;
        image.lose_power({.lose_all_per_million = 1'000'000}, choices.stream("losses"), losses);
        seen = durable;
        copies.clear();
      }
      copies.emplace_back(image.change_count(), seen);
      ASSERT_EQ(image.visible(), seen);
      ASSERT_EQ(image.durable(), durable);
    }
  }
}

}  // namespace
}  // namespace keelson::sim
