// Tested by tests/sim/disk_test.cc.
#include "sim/sim_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/runtime/scheduler.h"
#include "core/runtime/sync.h"
#include "sim/attached_disk.h"
#include "sim/links.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace keelson::sim {

namespace {

// What free_bytes() counts from when there is no limit.
constexpr std::uint64_t kUnlimitedBytes = std::uint64_t{1} << 40;

ChoiceStream& stream_of(World& world, const Machine& machine, const char* purpose) {
  return world.choices().stream("disk/" + machine.name() + "/" + purpose);
}

// Walks down from `root` through entries as `entries_of` shows them.
template <typename EntriesOf>
const Entry* walk(const DirectoryImage& root, std::string_view path, EntriesOf entries_of) {
  const DirectoryImage* directory = &root;
  const Entry* entry = nullptr;
  while (!path.empty()) {
    if (directory == nullptr) return nullptr;
    const std::size_t length = std::min(path.find('/'), path.size());
    const auto& entries = entries_of(*directory);
    const auto found = entries.find(path.substr(0, length));
    if (found == entries.end()) return nullptr;
    entry = &found->second;
    directory = entry->directory.get();
    path.remove_prefix(std::min(length + 1, path.size()));
  }
  return entry;
}

}  // namespace

struct SimDisk::Pending {
  Pending(SimDisk& the_disk, Scheduler& scheduler) : disk(the_disk), ended(scheduler) {}
  // The fiber leaves, by returning or by unwinding; the operation goes on without it.
  ~Pending() {
    Operation& operation = disk.operations_[slot];
    if (operation.waiter == this) operation.waiter = nullptr;
  }

  SimDisk& disk;
  std::size_t slot = 0;
  WaitQueue ended;
  bool has_ended = false;
  bool has_failed = false;
};

SimDisk::SimDisk(World& world, Machine& machine)
    : world_(world),
      machine_(machine),
      used_bytes_(std::make_shared<std::uint64_t>(0)),
      root_(std::make_shared<DirectoryImage>()),
      sync_choices_(stream_of(world, machine, "sync")),
      access_choices_(stream_of(world, machine, "access")),
      power_loss_choices_(stream_of(world, machine, "power_loss")),
      error_choices_(stream_of(world, machine, "error")) {}

SimDisk::~SimDisk() = default;

std::unique_ptr<Disk> SimDisk::attach() { return std::make_unique<AttachedDisk>(*this); }

// --- what happens to the machine ---

void SimDisk::power_loss() {
  for (std::size_t slot = 0; slot < operations_.size(); ++slot) {
    if (operations_[slot].is_under_way) free_slot(slot);
  }
  Losses losses;
  const auto losses_of = [&](const std::string& path) -> const LossShares& {
    const DiskRule* const rule = rule_for(conditions_, path);
    return rule == nullptr ? conditions_.at_power_loss : rule->at_power_loss;
  };
  root_->lose_power(losses_of, "", power_loss_choices_, losses);
  FaultLedger& faults = world_.ledger();
  const auto count = [&](std::string_view kind, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
      faults.injected(kind);
      faults.effective(kind);
    }
  };
  count("disk.lost_unsynced", losses.lost_changes);
  count("disk.torn_write", losses.torn_writes);
  count("disk.lost_directory_entry", losses.lost_entries);
  for (std::uint64_t i = 0; i < losses.broken_syncs; ++i) faults.effective("disk.lost_sync");
  note_fault(fmt::format("power loss: {} writes lost, {} torn, {} names lost", losses.lost_changes,
                         losses.torn_writes, losses.lost_entries));
  if (tap_ != nullptr) tap_->on_power_loss(machine_);
}

void SimDisk::process_gone() {
  for (Operation& each : operations_) each.waiter = nullptr;
}

void SimDisk::wipe() {
  for (std::size_t slot = 0; slot < operations_.size(); ++slot) {
    if (operations_[slot].is_under_way) free_slot(slot);
  }
  root_ = std::make_shared<DirectoryImage>();
  note_fault("wiped");
}

void SimDisk::fill(const DiskContent& content) {
  wipe();
  // The directory of this path, made with its parents where there is none.
  const auto directory_at = [&](std::string_view path) {
    std::shared_ptr<DirectoryImage> at = root_;
    while (!path.empty()) {
      const std::size_t length = std::min(path.find('/'), path.size());
      const std::string name(path.substr(0, length));
      if (at->find(name) == nullptr) {
        at->apply({{name, Entry{nullptr, std::make_shared<DirectoryImage>()}}});
        at->make_durable(at->change_count());
      }
      at = at->find(name)->directory;
      CHECK(at != nullptr);
      path.remove_prefix(std::min(length + 1, path.size()));
    }
    return at;
  };
  for (const std::string& path : content.directories) directory_at(path);
  for (const auto& [path, bytes] : content.files) {
    const std::size_t slash = path.rfind('/');
    const bool is_in_root = slash == std::string::npos;
    const auto directory = directory_at(is_in_root ? "" : path.substr(0, slash));
    const std::string name = is_in_root ? path : path.substr(slash + 1);
    auto image = std::make_shared<FileImage>(used_bytes_);
    image->write(bytes, 0);
    image->make_durable(image->change_count());
    directory->apply({{name, Entry{std::move(image), nullptr}}});
    directory->make_durable(directory->change_count());
  }
}

// --- faults ---

void SimDisk::note_fault(std::string_view text) {
  world_.trace().line(machine_.index(), Kind::disk_fault, "disk", text);
}

void SimDisk::slow_down(Duration extra) {
  CHECK(extra.count() >= 0);
  note_fault(fmt::format("slower by {} ns", extra.count()));
  if (extra.count() > 0) world_.ledger().injected("disk.slow");
  slowness_ = extra;
}

void SimDisk::stick() {
  note_fault("stuck");
  world_.ledger().injected("disk.stuck");
  is_stuck_ = true;
}

void SimDisk::unstick() {
  if (!is_stuck_) return;
  note_fault("no longer stuck");
  is_stuck_ = false;
  for (std::size_t slot = 0; slot < operations_.size(); ++slot) {
    Operation& each = operations_[slot];
    if (each.is_under_way && each.is_due) schedule_end(slot, Duration{});
  }
}

void SimDisk::set_capacity(std::optional<std::uint64_t> bytes) {
  note_fault(bytes ? fmt::format("has space for {} bytes", *bytes) : "has space again");
  if (bytes) world_.ledger().injected("disk.no_space");
  capacity_ = bytes;
}

void SimDisk::leave_free(std::uint64_t bytes) { set_capacity(*used_bytes_ + bytes); }

void SimDisk::heal() {
  DiskConditions healthy;
  healthy.read_latency = conditions_.read_latency;
  healthy.write_latency = conditions_.write_latency;
  healthy.sync_latency = conditions_.sync_latency;
  conditions_ = healthy;
  slowness_ = Duration{};
  armed_.clear();
  may_strike_ = false;
  capacity_.reset();
  unstick();
}

bool SimDisk::fails(DiskOperation kind, const std::string& path) {
  if (kind == DiskOperation::change_names) return false;
  const auto index = static_cast<std::size_t>(kind);
  constexpr FileFault kFaults[3] = {FileFault::read_error, FileFault::write_error,
                                    FileFault::sync_error};
  if (!strikes(kFaults[index], path)) return false;
  constexpr std::string_view kKinds[3] = {"disk.eio_read", "disk.eio_write", "disk.eio_sync"};
  world_.ledger().injected(kKinds[index]);
  world_.ledger().effective(kKinds[index]);
  return true;
}

std::uint64_t SimDisk::free_bytes() const {
  const std::uint64_t capacity = capacity_.value_or(kUnlimitedBytes);
  return capacity > *used_bytes_ ? capacity - *used_bytes_ : 0;
}

std::uint64_t SimDisk::space_for(std::uint64_t wanted) const {
  return std::min(wanted, free_bytes());
}

Error SimDisk::no_space(const std::string& path) {
  if (capacity_) world_.ledger().effective("disk.no_space");
  return {ErrorCode::no_space, fmt::format("no space for \"{}\"", path)};
}

// --- operations that take time ---

Duration SimDisk::latency(DiskOperation kind) {
  Duration base{};
  if (kind == DiskOperation::read) base = conditions_.read_latency;
  if (kind == DiskOperation::write) base = conditions_.write_latency;
  if (kind == DiskOperation::sync) base = conditions_.sync_latency;
  if (base.count() > 0 && conditions_.tail_per_million > 0) {
    ChoiceStream& choices = kind == DiskOperation::sync ? sync_choices_ : access_choices_;
    const Duration tail = draw_long_tail(choices, conditions_.tail_per_million,
                                         conditions_.tail_unit, conditions_.tail_most);
    if (tail.count() > 0) {
      world_.ledger().injected("disk.slow");
      world_.ledger().effective("disk.slow");
    }
    base += tail;
  }
  if (slowness_.count() > 0) world_.ledger().effective("disk.slow");
  return base + slowness_;
}

Result<void> SimDisk::take_time(DiskOperation kind, const std::string& path, Deadline deadline) {
  const Duration span = latency(kind);
  Operation operation;
  operation.will_fail = fails(kind, path);
  if (span.count() > 0 || is_stuck_) return carry_out(std::move(operation), span, deadline);
  if (operation.will_fail) return Error{ErrorCode::io_error, "the disk failed"};
  return {};
}

Result<void> SimDisk::sync_file(std::shared_ptr<FileImage> file, const std::string& path,
                                Deadline deadline) {
  Operation operation;
  operation.will_fail = fails(DiskOperation::sync, path);
  operation.will_be_lost = file->has_unsynced() && strikes(FileFault::lost_sync, path);
  operation.covered_until = file->change_count();
  operation.file = std::move(file);
  operation.path = path;
  return carry_out(std::move(operation), latency(DiskOperation::sync), deadline);
}

Result<void> SimDisk::sync_directory(std::shared_ptr<DirectoryImage> directory,
                                     const std::string& path, Deadline deadline) {
  Operation operation;
  operation.will_fail = fails(DiskOperation::sync, path);
  operation.covered_until = directory->change_count();
  operation.directory = std::move(directory);
  operation.path = path;
  return carry_out(std::move(operation), latency(DiskOperation::sync), deadline);
}

Result<void> SimDisk::carry_out(Operation operation, Duration span, Deadline deadline) {
  Pending pending(*this, machine_.scheduler());
  operation.waiter = &pending;
  pending.slot = begin(std::move(operation), span);
  while (!pending.has_ended) {
    if (!pending.ended.wait(deadline) && !pending.has_ended) {
      return Error{ErrorCode::timed_out, "the disk takes too long"};
    }
  }
  if (pending.has_failed) return Error{ErrorCode::io_error, "the disk failed"};
  return {};
}

std::size_t SimDisk::begin(Operation operation, Duration span) {
  if (free_slots_.empty()) {
    free_slots_.push_back(operations_.size());
    operations_.emplace_back();
  }
  const std::size_t slot = free_slots_.back();
  free_slots_.pop_back();
  operation.generation = operations_[slot].generation;
  operation.is_under_way = true;
  operations_[slot] = std::move(operation);
  schedule_end(slot, span);
  return slot;
}

void SimDisk::schedule_end(std::size_t slot, Duration span) {
  const std::uint64_t argument = std::uint64_t{operations_[slot].generation} << 32 | slot;
  world_.events().schedule(world_.now() + span, *this, argument);
}

void SimDisk::on_event(std::uint64_t argument) {
  const std::size_t slot = argument & UINT32_MAX;
  CHECK(slot < operations_.size());
  Operation& operation = operations_[slot];
  if (operation.generation != argument >> 32 || !operation.is_under_way) return;
  if (is_stuck_) {
    world_.ledger().effective("disk.stuck");
    operation.is_due = true;
    return;
  }
  end(slot);
}

void SimDisk::end(std::size_t slot) {
  const Operation operation = std::move(operations_[slot]);
  operations_[slot].generation = operation.generation;
  free_slot(slot);
  if (operation.waiter != nullptr) {
    operation.waiter->has_ended = true;
    operation.waiter->has_failed = operation.will_fail;
    operation.waiter->ended.notify_all();
    machine_.touch();
  }
  if (operation.file == nullptr && operation.directory == nullptr) return;

  world_.trace().record(
      machine_.index(), Kind::disk_sync, hash64(operation.path, operation.covered_until), [&] {
        return fmt::format("{}synced \"{}\"", operation.will_fail ? "not " : "", operation.path);
      });
  if (operation.will_fail) {
    // A directory's changes stay at risk, and may be saved by a later sync.
    if (operation.file != nullptr) operation.file->drop(operation.covered_until);
    return;
  }
  if (operation.directory != nullptr) {
    operation.directory->make_durable(operation.covered_until);
    return;
  }
  if (operation.will_be_lost && operation.file->lose_sync(operation.covered_until)) {
    world_.ledger().injected("disk.lost_sync");
    note_fault(fmt::format("loses a sync of {}", operation.path));
  } else {
    operation.file->make_durable(operation.covered_until);
  }
  if (tap_ != nullptr) [[unlikely]] tap_->on_synced(machine_, operation.path);
}

void SimDisk::free_slot(std::size_t slot) {
  Operation freed;
  freed.generation = operations_[slot].generation + 1;
  operations_[slot] = std::move(freed);
  free_slots_.push_back(slot);
}

// --- paths ---

std::shared_ptr<DirectoryImage> SimDisk::find_directory(std::string_view path) const {
  if (path.empty()) return root_;
  const Entry* const entry = walk(
      *root_, path, [](const DirectoryImage& each) -> const auto& { return each.visible(); });
  return entry == nullptr ? nullptr : entry->directory;
}

namespace {

void add_content(const DirectoryImage& directory, const std::string& prefix,
                 DiskContent& content) {
  for (const auto& [name, entry] : directory.visible()) {
    if (entry.file != nullptr) {
      content.files[prefix + name] = entry.file->visible().all();
    } else {
      content.directories.insert(prefix + name);
      add_content(*entry.directory, prefix + name + "/", content);
    }
  }
}

}  // namespace

DiskContent SimDisk::visible_content() const {
  DiskContent content;
  add_content(*root_, "", content);
  return content;
}

std::optional<Bytes> SimDisk::read_durable(const std::string& path) const {
  const Entry* const entry = walk(
      *root_, path, [](const DirectoryImage& each) -> const auto& { return each.durable(); });
  if (entry == nullptr || entry->file == nullptr) return std::nullopt;
  return entry->file->durable();
}

std::optional<Bytes> SimDisk::read_visible(const std::string& path) const {
  const FileBytes* const file = visible_file(path);
  return file == nullptr ? std::nullopt : std::optional(file->all());
}

const FileBytes* SimDisk::visible_file(const std::string& path) const {
  const Entry* const entry = walk(
      *root_, path, [](const DirectoryImage& each) -> const auto& { return each.visible(); });
  return entry == nullptr || entry->file == nullptr ? nullptr : &entry->file->visible();
}

}  // namespace keelson::sim
