#include "tools/simulate/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"

extern char** environ;

namespace keelson::simulate {

std::optional<std::string> output_of(const std::string& program,
                                     std::vector<std::string> arguments) {
  int output[2];
  CHECK(pipe2(output, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO) == 0);
  arguments.insert(arguments.begin(), program);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  std::string text;
  if (failed == 0) {
    std::vector<char> chunk(1 << 16);
    for (ssize_t count; (count = read(output[0], chunk.data(), chunk.size())) > 0;) {
      text.append(chunk.data(), static_cast<std::size_t>(count));
    }
  }
  close(output[0]);
  int status = 0;
  if (failed != 0 || waitpid(pid, &status, 0) != pid || text.empty()) return std::nullopt;
  return text;
}

}  // namespace keelson::simulate
