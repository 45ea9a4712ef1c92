// Tested by tests/sim/crash_points_test.cc.
#include "sim/crash_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/env.h"
#include "core/runtime/fiber.h"
#include "sim/choices.h"
#include "sim/crash_recording.h"
#include "sim/machine.h"
#include "sim/sim_disk.h"
#include "sim/world.h"

namespace keelson::sim {

namespace {

using namespace std::chrono_literals;
using Kind = CrashChange::Kind;

constexpr std::size_t kNamedMost = 6;  // Changes that an image's description names.

std::uint64_t first_sector(const CrashChange& write) { return write.offset / kSectorBytes; }

// How many sectors a change touches; none unless it is a write.
std::uint64_t sectors(const CrashChange& change) {
  if (change.kind != Kind::write) return 0;
  return (change.offset + change.bytes.size() - 1) / kSectorBytes - first_sector(change) + 1;
}

void write_at(Bytes& content, std::uint64_t offset, BytesView bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  content.replace(offset, bytes.size(), bytes);
}

void apply(CrashNode& node, const CrashChange& change) {
  switch (change.kind) {
    case Kind::write: write_at(node.bytes, change.offset, change.bytes); return;
    case Kind::truncate: node.bytes.resize(change.size); return;
    case Kind::names:
      for (const auto& [name, entry] : change.names) {
        if (entry) {
          node.names[name] = *entry;
        } else {
          node.names.erase(name);
        }
      }
      return;
  }
}

// A change that a loss of power may undo.
struct Pending {
  std::size_t operation = 0;
  const CrashChange* change = nullptr;
};

struct Tear {
  std::size_t pending = 0;
  std::uint64_t boundary = 0;  // So many sectors are its head.
  bool keeps_head = false;     // Else its tail.
};

// What becomes of what is pending.
struct Fate {
  std::vector<bool> keeps;
  std::optional<Tear> tear;  // Of one that is kept.
};

// The disk between two events.
struct State {
  std::vector<CrashNode> durable;
  std::vector<Pending> pending;
};

void pass(State& state, const CrashRecording& recording, const CrashEvent& event) {
  const CrashOperation& operation = recording.all_operations()[event.operation];
  if (!event.has_ended) {
    for (const CrashChange& change : operation.changes) {
      state.pending.push_back({event.operation, &change});
    }
    return;
  }
  if (!operation.synced) return;
  // What began after this sync is not covered by it.
  std::erase_if(state.pending, [&](const Pending& each) {
    if (each.change->node != *operation.synced || each.operation > event.operation) return false;
    apply(state.durable[each.change->node], *each.change);
    return true;
  });
}

void apply_torn(CrashNode& node, const CrashChange& write, const Tear& tear) {
  const std::uint64_t cut = (first_sector(write) + tear.boundary) * kSectorBytes - write.offset;
  if (tear.keeps_head) {
    write_at(node.bytes, write.offset, BytesView(write.bytes).substr(0, cut));
  } else {
    write_at(node.bytes, write.offset + cut, BytesView(write.bytes).substr(cut));
  }
}

class ImageBuilder {
 public:
  ImageBuilder(const State& state, const Fate& fate) : state_(state) {
    for (std::size_t i = 0; i < state.pending.size(); ++i) {
      if (!fate.keeps[i]) continue;
      const CrashChange& change = *state.pending[i].change;
      CrashNode& node = changed_.try_emplace(change.node, state.durable[change.node]).first->second;
      if (fate.tear && fate.tear->pending == i) {
        apply_torn(node, change, *fate.tear);
      } else {
        apply(node, change);
      }
    }
  }

  DiskContent build() {
    add(0, "");
    return std::move(content_);
  }

 private:
  void add(CrashNodeId id, const std::string& prefix) {
    // Half-lost renames of directories may leave one inside itself.
    if (std::find(above_.begin(), above_.end(), id) != above_.end()) return;
    above_.push_back(id);
    for (const auto& [name, child] : node(id).names) {
      if (node(child).is_directory) {
        content_.directories.insert(prefix + name);
        add(child, prefix + name + "/");
      } else {
        content_.files[prefix + name] = node(child).bytes;
      }
    }
    above_.pop_back();
  }

  const CrashNode& node(CrashNodeId id) const {
    const auto found = changed_.find(id);
    return found == changed_.end() ? state_.durable[id] : found->second;
  }

  const State& state_;
  std::map<CrashNodeId, CrashNode> changed_;
  std::vector<CrashNodeId> above_;
  DiskContent content_;
};

std::uint64_t hash_of(const DiskContent& content) {
  std::uint64_t hash = content.files.size();
  for (const auto& [path, bytes] : content.files) hash = hash64(bytes, hash64(path, hash));
  for (const std::string& path : content.directories) hash = hash64(path, hash);
  return hash;
}

// Every fate of one point, in order.
class Fates {
 public:
  using Visit = std::function<bool(const Fate&)>;

  Fates(const State& state, const CrashOptions& options, const Visit& visit)
      : pending_(state.pending), options_(options), visit_(visit) {}

  // Whether every visit said to go on.
  bool visit_all() { return (is_bounded() ? visit_some() : visit_subsets()) && visit_torn(); }
  bool is_bounded() const { return pending_.size() > options_.all_subsets_up_to; }

 private:
  using Keeps = std::vector<bool>;

  bool visit(Keeps keeps) { return visit_({std::move(keeps), std::nullopt}); }

  bool visit_subsets() {
    const std::size_t count = pending_.size();
    // The first keeps all.
    for (std::uint64_t lost = 0; lost < std::uint64_t{1} << count; ++lost) {
      Keeps keeps(count);
      for (std::size_t i = 0; i < count; ++i) keeps[i] = (lost >> i & 1) == 0;
      if (!visit(std::move(keeps))) return false;
    }
    return true;
  }

  bool visit_some() {
    const std::size_t count = pending_.size();
    if (!visit(Keeps(count, true)) || !visit(Keeps(count, false))) return false;
    for (std::size_t i = 0; i < count; ++i) {
      Keeps all_but(count, true);
      all_but[i] = false;
      Keeps only(count, false);
      only[i] = true;
      if (!visit(std::move(all_but)) || !visit(std::move(only)) || !visit(prefix(i))) return false;
    }
    return true;
  }

  Keeps prefix(std::size_t size) const {
    Keeps keeps(pending_.size(), false);
    std::fill_n(keeps.begin(), size, true);
    return keeps;
  }

  bool visit_torn() {
    std::uint64_t torn = 0;
    for (std::size_t i = pending_.size(); i-- > 0 && torn < options_.torn_writes_most;) {
      const std::uint64_t boundaries = sectors(*pending_[i].change);
      if (boundaries < 2) continue;
      ++torn;
      const std::uint64_t tried = std::min(boundaries - 1, options_.torn_boundaries_most);
      for (std::uint64_t nth = 0; nth < tried; ++nth) {
        if (!visit_tear(i, 1 + nth * (boundaries - 1) / tried)) return false;
      }
    }
    return true;
  }

  bool visit_tear(std::size_t torn, std::uint64_t boundary) {
    Keeps only = Keeps(pending_.size(), false);
    only[torn] = true;
    for (const Keeps& keeps : {Keeps(pending_.size(), true), only, prefix(torn + 1)}) {
      for (const bool keeps_head : {true, false}) {
        if (!visit_({keeps, Tear{torn, boundary, keeps_head}})) return false;
      }
    }
    return true;
  }

  const std::vector<Pending>& pending_;
  const CrashOptions& options_;
  const Visit& visit_;
};

// --- words ---

std::string describe(const CrashRecording& recording, const State& state, const Fate& fate) {
  if (state.pending.empty()) return "nothing was at risk";
  const auto kept_count =
      static_cast<std::size_t>(std::count(fate.keeps.begin(), fate.keeps.end(), true));
  const std::size_t lost_count = fate.keeps.size() - kept_count;
  const auto name = [&](std::size_t i) {
    const std::size_t operation = state.pending[i].operation;
    return fmt::format("{} ({})", operation + 1, recording.all_operations()[operation].text);
  };
  // Names the smaller side.
  const bool names_lost = lost_count <= kept_count;
  std::string text = names_lost ? "all kept" : "all lost";
  std::size_t named = 0;
  for (std::size_t i = 0; i < fate.keeps.size(); ++i) {
    if (fate.keeps[i] == names_lost) continue;
    if (named++ >= kNamedMost) continue;
    text += (named == 1 ? " but " : ", ") + name(i);
  }
  if (named > kNamedMost) text += fmt::format(" and {} more", named - kNamedMost);
  if (fate.tear) {
    text += fmt::format("; {} of {} torn after sector {}", fate.tear->keeps_head ? "head" : "tail",
                        name(fate.tear->pending), fate.tear->boundary);
  }
  return text;
}

// --- points ---

class Enumeration {
 public:
  Enumeration(const CrashRecording& recording, const CrashOptions& options,
              const CrashVisitor& visit)
      : recording_(recording), options_(options), visit_(visit) {
    CHECK(options.all_subsets_up_to <= 20);
    state_.durable = recording.initial_nodes();
    has_ended_.resize(recording.all_operations().size());
    counts_.operations = recording.all_operations().size();
  }

  CrashCounts run() {
    const std::vector<CrashEvent>& events = recording_.events();
    for (std::size_t passed = 0;; ++passed) {
      const std::size_t notes =
          passed < events.size() ? events[passed].notes_before : recording_.notes().size();
      if (!visit_point(notes) || passed == events.size()) return counts_;
      pass_event(events[passed]);
    }
  }

 private:
  void pass_event(const CrashEvent& event) {
    pass(state_, recording_, event);
    const std::string& text = recording_.all_operations()[event.operation].text;
    const std::size_t number = event.operation + 1;
    if (event.has_ended) {
      has_ended_[event.operation] = true;
      while (ended_ < has_ended_.size() && has_ended_[ended_]) ++ended_;
      where_ = fmt::format("after {}: {}", number, text);
    } else {
      begun_ = number;
      where_ = fmt::format("while {} was under way: {}", number, text);
    }
  }

  bool visit_point(std::size_t notes) {
    CrashPoint point;
    point.number = counts_.points++;
    point.ended = ended_;
    point.begun = begun_;
    point.notes = std::span(recording_.notes()).first(notes);
    point.where = where_;
    counts_.most_pending = std::max<std::uint64_t>(counts_.most_pending, state_.pending.size());
    std::set<std::uint64_t> seen;
    const Fates::Visit visit = [&](const Fate& fate) {
      const DiskContent image = ImageBuilder(state_, fate).build();
      if (!seen.insert(hash_of(image)).second) return true;
      ++counts_.images;
      const std::string text = describe(recording_, state_, fate);
      point.image = text;
      return visit_(point, image);
    };
    Fates fates(state_, options_, visit);
    if (fates.is_bounded()) ++counts_.bounded_points;
    return fates.visit_all();
  }

  const CrashRecording& recording_;
  const CrashOptions& options_;
  const CrashVisitor& visit_;
  State state_;
  std::vector<bool> has_ended_;
  std::uint64_t ended_ = 0;
  std::uint64_t begun_ = 0;
  std::string where_ = "before the first operation";
  CrashCounts counts_;
};

// --- machines ---

constexpr std::uint64_t kSeed = 1;
constexpr Duration kPatience = 24h;

// Runs `program` on a machine of its own whose disk holds `content`. Empty if it returned, else how
// it ended.
std::string run_alone(StackPool& stacks, const DiskContent& content,
                      const Machine::Program& program) {
  Choices choices(kSeed);
  World world(choices, {.stacks = &stacks, .shuffle_fibers = false,
                        .uptime_limit = Duration::zero()});
  Machine& machine = world.add_machine("n1");
  machine.disk().fill(content);
  std::optional<std::string> ended;
  machine.set_on_ended([&](EndReason reason, const std::string& why) {
    ended = reason == EndReason::returned ? "" : fmt::format("{}: {}", name_of(reason), why);
  });
  machine.start(program);
  world.run_until([&] { return ended.has_value(); }, world.now() + kPatience);
  return ended.value_or("it did not end within a day");
}

}  // namespace

void CrashRecordingDeleter::operator()(CrashRecording* recording) const { delete recording; }

CrashRecordingPtr record_crash_points(const CrashScript& script, const CrashOptions& options) {
  CrashRecordingPtr recording(new CrashRecording(options.initial));
  StackPool stacks;
  const std::string problem = run_alone(stacks, options.initial, [&](Env& env) {
    const auto disk = record_disk(env.disk, *recording);
    Env recorded{.clock = env.clock,
                 .network = env.network,
                 .disk = *disk,
                 .random = env.random,
                 .scheduler = env.scheduler,
                 .process = env.process,
                 .stop_requested = env.stop_requested,
                 .log = env.log,
                 .marks = env.marks};
    script(recorded, *recording);
  });
  CHECK(problem.empty());
  return recording;
}

CrashCounts for_each_crash_image(const CrashRecording& recording, const CrashOptions& options,
                                 const CrashVisitor& visit) {
  return Enumeration(recording, options, visit).run();
}

CrashReport check_crash_points(const CrashScript& script, const CrashCheck& check,
                               const CrashOptions& options) {
  const CrashRecordingPtr recording = record_crash_points(script, options);
  StackPool stacks;
  CrashReport report;
  report.counts = for_each_crash_image(
      *recording, options, [&](const CrashPoint& point, const DiskContent& image) {
        std::string what;
        const std::string ended =
            run_alone(stacks, image, [&](Env& env) { what = check(env, point); });
        if (!ended.empty()) what = ended;
        if (what.empty()) return true;
        report.failures.push_back({point.number, std::string(point.where),
                                   std::string(point.image), std::move(what),
                                   {point.notes.begin(), point.notes.end()}});
        return report.failures.size() < options.failures_most;
      });
  return report;
}

std::string CrashReport::text() const {
  std::string text = fmt::format(
      "{} operations, {} crash points, {} images checked; at most {} changes pending, subsets "
      "bounded at {} points; {} failures\n",
      counts.operations, counts.points, counts.images, counts.most_pending, counts.bounded_points,
      failures.size());
  for (const CrashFailure& failure : failures) {
    text += fmt::format("point {}, {}\n  image: {}\n  wrong: {}\n", failure.point, failure.where,
                        failure.image, failure.what);
    for (const std::string& note : failure.notes) text += "  noted before: " + note + "\n";
  }
  return text;
}

}  // namespace keelson::sim
