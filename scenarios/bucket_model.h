// One bucket as a whole: which objects it has, and what listings show of them. Objects are checked
// one by one elsewhere (store_models.h); here an operation may look at many.
//
// An object is known by its ETag. Workloads store each content once, so that whoever sees an ETag
// knows which write it was.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenarios/checker/model.h"
#include "scenarios/history.h"

namespace keelson::scenarios {

struct BucketCall {
  enum class Kind {
    get,            // The ETag of a key, or that there is none.
    expect,         // Whether the key has the ETag `expected`, or is there at all.
    put,            // Gives the key the ETag `etag`.
    put_if_absent,
    put_if_match,   // If it has `expected`.
    remove,         // All of `keys`.
    list,           // A page.
  };
  Kind kind = Kind::get;
  std::vector<std::string> keys;  // One, but for remove.
  std::string etag = {};
  std::string expected = {};
  // Of a page: keys that begin with `prefix` and come after `after`; what is alike up to the first
  // `delimiter` behind the prefix is one entry; no more entries than `limit`.
  std::string prefix = {};
  std::string after = {};
  std::string delimiter = {};
  std::size_t limit = 1000;
};

struct BucketAnswer {
  std::optional<std::string> etag = {};  // Of get.
  bool condition_held = true;            // Of expect and of the conditional puts.
  // Of a page: "key etag", or a common prefix; and whether there are more.
  std::vector<std::string> entries = {};
  bool is_truncated = false;
};

struct BucketOperation {
  BucketCall call;
  BucketAnswer answer = {};
  Outcome outcome = Outcome::pending;
  std::string who = {};  // For people: "c2 at n3 (1.200s)".
};

std::string describe(const BucketOperation& operation);

// The page that a bucket with these objects (ETags by key) has for the call.
BucketAnswer page_of(const std::map<std::string, std::string>& objects, const BucketCall& call);

class BucketModel : public checker::Model {
 public:
  // Of an empty bucket. `operations` outlive the model.
  explicit BucketModel(const std::vector<BucketOperation>& operations);

  State initial() const override { return 0; }
  std::optional<State> step(State state, std::size_t op) override;
  Traits traits(std::size_t op) const override;
  bool may_leave(State, std::size_t) const override { return true; }
  std::string describe_operation(std::size_t op) const override {
    return describe(operations_[op]);
  }
  std::string describe_state(State state) const override;

 private:
  using Objects = std::map<std::string, std::string>;

  State number_of(Objects objects);
  static bool holds(const Objects& objects, const BucketCall& call);

  const std::vector<BucketOperation>& operations_;
  std::vector<Objects> states_;
  std::map<Objects, State> numbers_;
};

// Operations that cannot be evidence: a put of unknown outcome whose ETag nothing shows, of a key
// on which no condition was refused. Leaving them out changes no verdict: where it took effect,
// nobody looked before the key changed again.
std::vector<bool> unnoticed(const std::vector<BucketOperation>& operations);

}  // namespace keelson::scenarios
