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
        const std::string bytes(1 + draw.choose(700), static_cast<char>('a' + draw.choose(3)));
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
      ASSERT_EQ(image.visible().all(), seen);
      ASSERT_EQ(image.durable(), durable);
    }
  }
}

// A file as two strings and the list of changes that are not durable yet.
struct NaiveFile {
  struct Change {
    std::uint64_t offset = 0;
    std::string bytes;  // None: the size becomes the offset.
    bool is_dropped = false;
  };

  static void apply(const Change& change, std::string& content) {
    if (change.bytes.empty()) {
      content.resize(change.offset);
      return;
    }
    if (content.size() < change.offset + change.bytes.size()) {
      content.resize(change.offset + change.bytes.size());
    }
    content.replace(change.offset, change.bytes.size(), change.bytes);
  }

  void change(Change change) {
    apply(change, seen);
    changes.push_back(std::move(change));
  }
  void drop(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) changes[i].is_dropped = true;
  }
  void make_durable(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!changes[i].is_dropped) apply(changes[i], durable);
    }
    changes.erase(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(count));
  }
  void lose_power(bool loses_all) {
    if (!loses_all) make_durable(changes.size());
    changes.clear();
    seen = durable;
  }

  std::string seen, durable;
  std::vector<Change> changes;
};

// Whatever order the syncs end in, and whichever of them fail.
TEST(DiskImageTest, WhatAFailedSyncHasDroppedIsSeenAndNeverSavedOverManyEpochs) {
  Choices choices(12);
  ChoiceStream& draw = choices.stream("test");
  for (int round = 0; round < 300; ++round) {
    FileImage image(std::make_shared<std::uint64_t>(0));
    NaiveFile file;
    std::uint64_t first = 0;  // The number of the model's first change.
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t what = draw.choose(12);
      const std::size_t some = draw.choose(file.changes.size() + 1);
      if (what < 6) {
        const std::uint64_t offset = draw.choose(2000);
        const std::string bytes(1 + draw.choose(700), static_cast<char>('a' + draw.choose(3)));
        image.write(bytes, offset);
        file.change({offset, bytes});
      } else if (what == 6) {
        const std::uint64_t size = draw.choose(2500);
        image.truncate(size);
        file.change({size, ""});
      } else if (what < 9) {
        image.make_durable(first + some);
        file.make_durable(some);
        first += some;
      } else if (what < 11) {
        image.drop(first + some);
        file.drop(some);
      } else {
        const bool loses_all = draw.choose(2) == 1;
        Losses losses;
        image.lose_power({.lose_all_per_million = loses_all ? 1'000'000U : 0U},
                         choices.stream("losses"), losses);
        first += file.changes.size();
        file.lose_power(loses_all);
      }
      ASSERT_EQ(image.change_count(), first + file.changes.size());
      ASSERT_EQ(image.visible().all(), file.seen);
      ASSERT_EQ(image.durable(), file.durable);
    }
  }
}

}  // namespace
}  // namespace keelson::sim
