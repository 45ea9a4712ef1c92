// What the properties of the disk have in common: operations that must succeed.
#pragma once

#include <gtest/gtest.h>

#include "tests/conformance/conformance.h"

namespace keelson::conformance {

using Names = std::vector<std::string>;

inline std::unique_ptr<File> open_file(Host& host, const std::string& path) {
  auto file = host.env.disk.open(path, OpenMode::create, patience(host));
  EXPECT_TRUE(file.has_value()) << file.error().message;
  return *std::move(file);
}

inline void write_at(Host& host, File& file, std::uint64_t offset, BytesView bytes) {
  const auto written = file.pwrite(bytes, offset, patience(host));
  EXPECT_TRUE(written.has_value()) << written.error().message;
}

inline Bytes read_at(Host& host, File& file, std::uint64_t offset, std::size_t size) {
  Bytes bytes(size, '?');
  const auto got = file.pread(bytes, offset, patience(host));
  EXPECT_TRUE(got.has_value()) << got.error().message;
  bytes.resize(got.has_value() ? *got : 0);
  return bytes;
}

inline void write_file(Host& host, const std::string& path, BytesView bytes) {
  const auto file = open_file(host, path);
  write_at(host, *file, 0, bytes);
}

// The content of a file that must exist.
inline Bytes read_file(Host& host, const std::string& path) {
  const auto file = host.env.disk.open(path, OpenMode::existing, patience(host));
  if (!file.has_value()) return "(" + file.error().message + ")";
  return read_at(host, **file, 0, *(*file)->size());
}

inline Names list(Host& host, const std::string& path) {
  const auto names = host.env.disk.list(path, patience(host));
  EXPECT_TRUE(names.has_value()) << names.error().message;
  return names.has_value() ? *names : Names{};
}

inline void expect_success(const Result<void>& result) {
  EXPECT_TRUE(result.has_value()) << result.error().message;
}

}  // namespace keelson::conformance
