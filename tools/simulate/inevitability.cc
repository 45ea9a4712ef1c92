#include "tools/simulate/inevitability.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "sim/shrink.h"
#include "tools/simulate/run_source.h"

namespace keelson::simulate {

namespace {

using WallClock = std::chrono::steady_clock;

class Curve {
 public:
  Curve(WorkerPool& pool, const Outcome& failing, const CurveOptions& options,
        const std::function<void(std::uint64_t)>& on_progress)
      : pool_(pool), failing_(failing), options_(options), on_progress_(on_progress),
        fixed_(sim::by_stream(failing.choices)), limits_(limits_beyond(failing)) {
    // The share changes where something is drawn, and nowhere else.
    times_.insert(0);
    for (const auto& choice : failing.choices) times_.insert(choice.at.ns + 1);
  }

  std::vector<CurvePoint> measure() {
    const std::vector<std::int64_t> all(times_.begin(), times_.end());
    const std::size_t count = std::min(std::max<std::size_t>(2, options_.points), all.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t place = count == 1 ? 0 : i * (all.size() - 1) / (count - 1);
      points_.emplace(all[place], CurvePoint{.virtual_ns = all[place]});
    }
    run_all();
    // Between the two where it rises most, ever closer.
    while (!is_over() && halve_steepest()) run_all();
    return curve();
  }

 private:
  std::vector<CurvePoint> curve() const {
    std::vector<CurvePoint> curve;
    for (const auto& [time, point] : points_) curve.push_back(point);
    return curve;
  }

  bool is_over() const {
    return WallClock::now() - start_ >= std::chrono::milliseconds(options_.budget_ms);
  }

  bool halve_steepest() {
    if (points_.size() < 2) return false;
    const auto points = curve();
    const std::size_t rise = steepest_rise(points);
    std::vector<std::int64_t> between(times_.upper_bound(points[rise].virtual_ns),
                                      times_.lower_bound(points[rise + 1].virtual_ns));
    if (between.empty()) return false;
    const std::int64_t middle = between[between.size() / 2];
    return points_.emplace(middle, CurvePoint{.virtual_ns = middle}).second;
  }

  // A run of each point in turn, so that an early end leaves all of them with about as many.
  void run_all() {
    std::vector<std::int64_t> waiting;
    for (std::uint64_t round = 0; round < options_.runs; ++round) {
      for (const auto& [time, point] : points_) {
        if (point.runs <= round) waiting.push_back(time);
      }
    }
    std::vector<std::int64_t> at(pool_.size());
    for (std::size_t next = 0; true;) {
      bool any_is_busy = false;
      for (std::size_t worker = 0; worker < pool_.size(); ++worker) {
        if (!pool_.is_busy(worker) && next < waiting.size() && !is_over()) {
          at[worker] = waiting[next++];
          begin(worker, at[worker]);
        }
        any_is_busy = any_is_busy || pool_.is_busy(worker);
      }
      if (!any_is_busy) return;
      (void)pool_.wait(200, [&](std::size_t worker, const Outcome& outcome) {
        CurvePoint& point = points_.at(at[worker]);
        ++point.runs;
        if (outcome.failure && outcome.failure->fingerprint == failing_.failure->fingerprint) {
          ++point.failed;
        }
        if (on_progress_) on_progress_(runs_);
      });
    }
  }

  void begin(std::size_t worker, std::int64_t time) {
    pool_.begin(worker, Job{.scenario = failing_.scenario,
                            .seed = failing_.seed,
                            .fixed = fixed_,
                            .redraw = sim::Choices::Redraw{.from = {time}, .seed = ++runs_},
                            .limits = limits_});
  }

  WorkerPool& pool_;
  const Outcome& failing_;
  const CurveOptions& options_;
  const std::function<void(std::uint64_t)>& on_progress_;
  const WallClock::time_point start_ = WallClock::now();
  const sim::ChoicesByStream fixed_;
  const scenarios::RunLimits limits_;
  std::set<std::int64_t> times_;  // Where a point may be.
  std::map<std::int64_t, CurvePoint> points_;
  std::uint64_t runs_ = 0;
};

}  // namespace

std::vector<CurvePoint> inevitability(WorkerPool& pool, const Outcome& failing,
                                      const CurveOptions& options,
                                      const std::function<void(std::uint64_t)>& on_progress) {
  CHECK(failing.failure.has_value());
  return Curve(pool, failing, options, on_progress).measure();
}

std::size_t steepest_rise(const std::vector<CurvePoint>& curve) {
  CHECK(curve.size() >= 2);
  std::size_t steepest = 0;
  const auto rise = [&](std::size_t i) {
    return curve[i + 1].probability() - curve[i].probability();
  };
  for (std::size_t i = 1; i + 1 < curve.size(); ++i) {
    if (rise(i) > rise(steepest)) steepest = i;
  }
  return steepest;
}

}  // namespace keelson::simulate
