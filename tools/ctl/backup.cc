// Tested by tests/real/backup_test.py.
#include "tools/ctl/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "admin/restore.h"
#include "net/os_random.h"
#include "net/real_env.h"
#include "tools/ctl/operator.h"

namespace keelson::ctl {

namespace json = boost::json;
namespace files = std::filesystem;

namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::uint64_t kProgressBytes = 64 << 20;
// Longer than it takes to elect a leader.
constexpr int kTriesMost = 10;
constexpr Duration kBetweenTries = std::chrono::milliseconds(500);

Error failed(const std::string& what, const std::string& path) {
  return {ErrorCode::io_error, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

int fail(const char* what, const Error& error) {
  fmt::print(stderr, "keelsonctl: {}: {}\n", what, error.message);
  return kFailed;
}

// A file that has its name only when it is whole and durable, and is gone otherwise.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path), temporary_(path + ".partial") {}
  ~NewFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (descriptor_ >= 0 && !is_kept_) unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  Result<void> open() {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return descriptor_ < 0 ? Result<void>(failed("cannot make", temporary_)) : Result<void>();
  }
  Result<void> write(BytesView bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return failed("cannot write", temporary_);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
  }
  Result<void> keep() {
    if (fsync(descriptor_) != 0) return failed("cannot sync", temporary_);
    if (rename(temporary_.c_str(), path_.c_str()) != 0) return failed("cannot name", path_);
    is_kept_ = true;
    return {};
  }

 private:
  const std::string path_;
  const std::string temporary_;
  int descriptor_ = -1;
  bool is_kept_ = false;
};

Result<void> sync_directory_of(const std::string& path) {
  const files::path parent = files::absolute(path).parent_path();
  const int descriptor = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failed("cannot open", parent);
  const int synced = fsync(descriptor);
  close(descriptor);
  return synced == 0 ? Result<void>() : Result<void>(failed("cannot sync", parent));
}

// Gives the file to `take` piece by piece.
Result<void> read_file(const std::string& path,
                       const std::function<Result<void>(BytesView)>& take) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) return failed("cannot open", path);
  Bytes piece(kPieceBytes, '\0');
  while (true) {
    const std::size_t count = std::fread(piece.data(), 1, piece.size(), file.get());
    if (count == 0) break;
    TRY(take(BytesView(piece).substr(0, count)));
  }
  return std::ferror(file.get()) != 0 ? Result<void>(failed("cannot read", path)) : Result<void>();
}

Result<admin::backup::Summary> check_file(const std::string& path) {
  admin::backup::Reader reader(nullptr);
  TRY(read_file(path, [&](BytesView piece) { return reader.put(piece); }));
  return reader.finish();
}

void print_summary(const admin::backup::Summary& summary, const std::string& path, bool as_json) {
  json::array groups;
  for (const auto& [group, bytes, digest] : summary.groups) {
    groups.push_back(json::object{{"group_id", to_string(group.group)},
                                  {"index", group.index.value},
                                  {"term", group.term.value},
                                  {"snapshot_bytes", bytes},
                                  {"content_digest", fmt::format("{:016x}", digest)}});
    if (!as_json) {
      fmt::print("{}: index {}, term {}, {} bytes, content {:016x}\n", to_string(group.group),
                 group.index.value, group.term.value, bytes, digest);
    }
  }
  if (as_json) {
    fmt::print("{}\n", json::serialize(json::object{{"file", path},
                                                    {"cluster_id", summary.header.cluster_id},
                                                    {"taken_ms", summary.header.wall_ms},
                                                    {"bytes", summary.bytes},
                                                    {"groups", std::move(groups)}}));
  } else {
    fmt::print("{}: {} bytes, of cluster {}\n", path, summary.bytes, summary.header.cluster_id);
  }
}

// Runs `work` on a fiber of a node that has the directory as its disk.
Result<void> in_directory(NodeId node, const std::string& directory,
                          const std::function<Result<void>(Env&)>& work) {
  Reactor reactor;
  TRY(const auto real, RealEnv::open(reactor, {.node = to_string(node),
                                               .data_directory = directory}));
  std::optional<Result<void>> done;
  real->scheduler().spawn("restore", [&] {
    done = work(real->env());
    reactor.stop();
  });
  reactor.run();
  return *std::move(done);
}

// Directories in the making; those that were not given their names are removed.
class NewDirectories {
 public:
  explicit NewDirectories(const std::map<NodeId, std::string>& directories)
      : directories_(directories) {}
  ~NewDirectories() {
    std::error_code ignored;
    for (const auto& [node, directory] : directories_) {
      if (is_begun_ && !is_kept_) files::remove_all(temporary(node), ignored);
    }
  }
  NewDirectories(const NewDirectories&) = delete;
  NewDirectories& operator=(const NewDirectories&) = delete;

  Result<void> begin() {
    for (const auto& [node, directory] : directories_) {
      for (const std::string& path : {directory, temporary(node)}) {
        std::error_code code;
        if (!files::exists(path, code)) continue;
        return Error{ErrorCode::invalid_argument,
                     fmt::format("{} is there already: remove it, or name another directory",
                                 path)};
      }
    }
    is_begun_ = true;
    return {};
  }
  std::string temporary(NodeId node) const { return directories_.at(node) + ".restoring"; }

  Result<void> keep() {
    for (const auto& [node, directory] : directories_) {
      if (rename(temporary(node).c_str(), directory.c_str()) != 0) {
        return failed("cannot name", directory);
      }
      TRY(sync_directory_of(directory));
    }
    is_kept_ = true;
    return {};
  }

 private:
  const std::map<NodeId, std::string>& directories_;
  bool is_begun_ = false;
  bool is_kept_ = false;
};

Result<admin::backup::Summary> restore(const RestoreOptions& options) {
  // All of it is checked before anything is made.
  TRY(admin::backup::Summary summary, check_file(options.from));
  NewDirectories made(options.directories);
  TRY(made.begin());
  OsRandom random;
  const auto stream = random.stream("restore");
  storage::Identity identity;
  identity.cluster_id = options.cluster_id;
  for (const auto& [node, directory] : options.directories) {
    identity.founders[node] = Incarnation(1 + stream->below(UINT64_MAX));
  }
  for (const auto& [node, incarnation] : identity.founders) {
    identity.node_id = node;
    identity.incarnation = incarnation;
    const auto fill = [&](Env& env) -> Result<void> {
      admin::Restore work(env, identity);
      TRY(read_file(options.from, [&](BytesView piece) { return work.put(piece); }));
      TRY(summary, work.finish());
      return {};
    };
    TRY(in_directory(node, made.temporary(node), fill));
    fmt::print(stderr, "{}: {} is made\n", to_string(node), options.directories.at(node));
  }
  TRY(made.keep());
  return summary;
}

}  // namespace

int take_backup(Scheduler& scheduler, AdminClient& client, const std::string& out, bool json) {
  NewFile file(out);
  if (const auto opened = file.open(); !opened) return fail("backup", opened.error());
  admin::backup::Reader reader(nullptr);
  std::uint64_t bytes = 0, told = 0;
  const auto take = [&](BytesView piece) -> Result<void> {
    TRY(reader.put(piece));
    TRY(file.write(piece));
    bytes += piece.size();
    if (bytes >= told + kProgressBytes) {
      told = bytes;
      fmt::print(stderr, "{} MiB\n", bytes >> 20);
    }
    return {};
  };
  const auto is_not_ready = [](const Result<AdminAnswer>& answer) {
    return answer ? answer->status == 503 : answer.error().code == ErrorCode::unavailable;
  };
  auto answer = client.get_large("cluster/backup", take);
  for (int tries = 1; is_not_ready(answer) && tries < kTriesMost; ++tries) {
    scheduler.sleep_for(kBetweenTries);
    answer = client.get_large("cluster/backup", take);
  }
  if (!answer) {
    fmt::print(stderr, "keelsonctl: backup: {}; nothing was kept\n", answer.error().message);
    return answer.error().code == ErrorCode::io_error ? kFailed : kUnreachable;
  }
  if (answer->status != 200) {
    const std::string message = text_field(answer->body, "message");
    fmt::print(stderr, "keelsonctl: backup: {}\n",
               message.empty() ? text_field(answer->body, "error") : message);
    return answer->status == 503 ? kUnreachable : kFailed;
  }
  const auto summary = reader.finish();
  if (!summary) return fail("backup", summary.error());
  if (const auto kept = file.keep(); !kept) return fail("backup", kept.error());
  if (const auto synced = sync_directory_of(out); !synced) return fail("backup", synced.error());
  print_summary(*summary, out, json);
  return kDone;
}

int show_backup(const std::string& from, bool json) {
  const auto summary = check_file(from);
  if (!summary) return fail("verify", summary.error());
  print_summary(*summary, from, json);
  return kDone;
}

int restore_backup(const RestoreOptions& options) {
  const auto summary = restore(options);
  if (!summary) return fail("restore", summary.error());
  print_summary(*summary, options.from, options.json);
  fmt::print(stderr,
             "start each node with --cluster-id {} --groups {}; --bootstrap is not needed\n",
             options.cluster_id, summary->groups.size());
  return kDone;
}

}  // namespace keelson::ctl
