// An authority and certificates of nodes, made for a test.
#pragma once

#include <string>

namespace keelson::raft {

struct SignedPair {
  std::string certificate;  // PEM.
  std::string key;
};

class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  std::string certificate() const;  // PEM.
  // For a node of this DNS name, valid from now on for so many seconds (negative: it has ended).
  SignedPair sign(const std::string& name, long seconds = 3600) const;

 private:
  struct Parts;
  Parts* const parts_;
};

}  // namespace keelson::raft
