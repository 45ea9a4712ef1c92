// Runs the scripts of tests/golden/raft: what is said to a cluster, a line "----", and what then
// happens. UPDATE_GOLDEN=1 writes the second part anew; the diff is the review.
//
//   # why this story is told
//   nodes 3 [term=T] [append_bytes=N] [founders=N] [lease=MS] [log(1)=1/1,2/1] …
//                        a cluster whose logs have these entries (index/term); all are founders,
//                        or the first N
//   leader N             N is elected and all have heard of it; this part is not told
//   timeout N            time jumps to N's deadline, its timer fires, all messages arrive
//   propose N TEXT       and all messages arrive; so do those of
//   members N = 1 2 [4]  N proposes this configuration, learners in brackets
//   transfer N [M]       N hands over to M, or to whom it likes
//   read N | lease N     a read by a quorum round; whether a lease is held
//   compact N            N forgets its log up to what it has applied
//   run MS               milliseconds pass: messages arrive, timers fire
//   cut A B | cut A>B    both directions, or one; heal ends all cuts
//   hold A>B | release A>B   the next message from A to B waits, and arrives late
//   disk N holds | disk N completes one write | disk N goes on
//   crash N | restart N
//   together             what follows up to "settle" happens before any message arrives
//   hide heartbeats | show heartbeats
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/core/raft/cluster.h"

namespace keelson::raft {
namespace {

constexpr std::string_view kSeparator = "----\n";

class Script {
 public:
  // Returns the trace of running it.
  std::string run(const std::string& script) {
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      obey(line);
    }
    return trace_;
  }

 private:
  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "nodes") return make_cluster(words);
    CHECK(cluster_);
    trace_ += "> " + line + "\n";
    if (verb == "leader") {
      make_leader(read_node(words));
    } else if (verb == "timeout") {
      cluster_->timeout(read_node(words));
      settle();
    } else if (verb == "propose") {
      const NodeId node = read_node(words);
      cluster_->propose(node, read_word(words));
      settle();
    } else if (verb == "read") {
      cluster_->read(read_node(words));
      settle();
    } else if (verb == "members") {
      propose_members(words);
      settle();
    } else if (verb == "transfer") {
      const NodeId node = read_node(words);
      std::string target;
      words >> target;
      cluster_->transfer(node, target.empty() ? std::nullopt : std::optional(node_of(target)));
      settle();
    } else if (verb == "lease") {
      cluster_->read_under_lease(read_node(words));
    } else if (verb == "compact") {
      cluster_->compact(read_node(words));
    } else if (verb == "hold" || verb == "release") {
      const std::string link = read_word(words);
      const NodeId to = node_of(link.substr(link.find('>') + 1));
      verb == "hold" ? cluster_->hold(node_of(link), to) : cluster_->release(node_of(link), to);
      settle();
    } else if (verb == "run") {
      cluster_->run(std::chrono::milliseconds(std::stoi(read_word(words))));
    } else if (verb == "cut") {
      cut(words);
    } else if (verb == "heal") {
      cluster_->heal();
    } else if (verb == "disk") {
      const NodeId node = read_node(words);
      const std::string what = read_word(words);
      if (what == "holds") cluster_->hold_disk(node);
      if (what == "completes") cluster_->complete_one_write(node);
      if (what == "goes") cluster_->release_disk(node);
      settle();
    } else if (verb == "crash") {
      cluster_->crash(read_node(words));
    } else if (verb == "restart") {
      cluster_->restart(read_node(words));
    } else if (verb == "together" || verb == "settle") {
      together_ = verb == "together";
      settle();
    } else {
      CHECK(verb == "hide" || verb == "show");
      cluster_->hide_heartbeats(verb == "hide");
    }
  }

  void settle() {
    if (!together_) cluster_->settle();
  }

  void make_leader(NodeId node) {
    const std::size_t told = trace_.size();
    cluster_->timeout(node);
    cluster_->run(std::chrono::milliseconds(250));
    CHECK(cluster_->leader() == node);
    trace_.resize(told);
  }

  void make_cluster(std::istringstream& words) {
    std::vector<std::vector<std::uint64_t>> logs(std::stoull(read_word(words)));
    std::uint64_t term = 0;
    GroupOptions options;
    for (std::string word; words >> word;) {
      const std::string value = word.substr(word.find('=') + 1);
      if (word.starts_with("term=")) {
        term = std::stoull(value);
        continue;
      }
      if (word.starts_with("append_bytes=")) {
        options.append_bytes_max = std::stoull(value);
        continue;
      }
      if (word.starts_with("founders=")) {
        options.voters = voters_up_to(std::stoull(value));
        continue;
      }
      if (word.starts_with("lease=")) {
        options.lease = std::chrono::milliseconds(std::stoi(value));
        continue;
      }
      CHECK(word.starts_with("log("));
      std::vector<std::uint64_t>& log = logs.at(std::stoull(word.substr(4)) - 1);
      std::istringstream entries(value);
      for (std::string entry; std::getline(entries, entry, ',');) {
        log.push_back(std::stoull(entry.substr(entry.find('/') + 1)));
        CHECK(std::stoull(entry) == log.size());
        term = std::max(term, log.back());
      }
    }
    const auto tell = [this](const std::string& line) { trace_ += line + "\n"; };
    cluster_.emplace(logs, Term(term), tell, options);
  }

  void propose_members(std::istringstream& words) {
    const NodeId node = read_node(words);
    CHECK(read_word(words) == "=");
    std::map<NodeId, Member> members;
    for (std::string word; words >> word;) {
      const bool is_voter = word[0] != '[';
      members[node_of(is_voter ? word : word.substr(1))] =
          Member{.incarnation = {}, .address = {}, .is_voter = is_voter, .regains_vote = false};
    }
    cluster_->propose_members(node, members);
  }

  void cut(std::istringstream& words) {
    const std::string first = read_word(words);
    const std::size_t arrow = first.find('>');
    if (arrow != std::string::npos) {
      cluster_->cut(node_of(first), node_of(first.substr(arrow + 1)));
    } else {
      const NodeId other = read_node(words);
      cluster_->cut(node_of(first), other);
      cluster_->cut(other, node_of(first));
    }
  }

  static std::string read_word(std::istringstream& words) {
    std::string word;
    words >> word;
    CHECK(!word.empty());
    return word;
  }
  static NodeId node_of(const std::string& word) { return NodeId(std::stoull(word)); }
  static NodeId read_node(std::istringstream& words) { return node_of(read_word(words)); }

  std::optional<Cluster> cluster_;
  std::string trace_;
  bool together_ = false;
};

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& file : std::filesystem::directory_iterator(GOLDEN_FOLDER)) {
    if (file.path().extension() == ".txt") paths.push_back(file.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class GoldenTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(GoldenTest, TheScriptHappensAsWritten) {
  std::stringstream content;
  content << std::ifstream(GetParam()).rdbuf();
  const std::string text = content.str();
  const std::size_t separator = text.find(kSeparator);
  const std::string script = text.substr(0, separator);
  const std::string trace = Script().run(script);
  if (std::getenv("UPDATE_GOLDEN")) {
    std::ofstream(GetParam()) << script << kSeparator << trace;
    return;
  }
  ASSERT_NE(separator, std::string::npos);
  EXPECT_EQ(text.substr(separator + kSeparator.size()), trace);
}

INSTANTIATE_TEST_SUITE_P(Raft, GoldenTest, testing::ValuesIn(scripts()),
                         [](const auto& script) { return script.param.stem().string(); });

TEST(GoldenFolderTest, TheStoriesAreThere) { EXPECT_GE(scripts().size(), 40u); }

}  // namespace
}  // namespace keelson::raft
