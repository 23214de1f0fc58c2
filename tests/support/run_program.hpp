// Running one of the project's programs and looking at what it leaves.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/temporary_folder.hpp"

/// Whether the programs of this build know video files.
#ifdef DVD_WITH_VIDEO
inline constexpr bool with_video_files = true;
#else
inline constexpr bool with_video_files = false;
#endif

/// What a program did: its exit status (128 + n for signal n) and what it printed.
struct ProgramResult {
  int status = 0;
  std::string output, errors;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs `command`, as a shell reads it, in `folder`.
inline ProgramResult run_command(const std::filesystem::path& folder, const std::string& command) {
  const TemporaryFolder captured;
  const std::string all = "cd '" + folder.string() + "' && " + command + " </dev/null >'" +
                          (captured.path() / "output").string() + "' 2>'" + (captured.path() / "errors").string() + "'";
  const int status = std::system(all.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(captured.path() / "output"),
          read_text(captured.path() / "errors")};
}

/// Runs `name` with `arguments` (as a shell reads them) in `folder`.
inline ProgramResult run_program(const std::filesystem::path& folder, const std::string& name,
                                 const std::string& arguments) {
  return run_command(folder, "'" DVD_TEST_PROGRAMS "/" + name + "' " + arguments);
}

/// A program that runs beside the test; what it prints goes to files in `folder`.
class BackgroundProgram {
 public:
  /// `launcher`: what starts the program, if anything does.
  BackgroundProgram(const std::filesystem::path& folder, const std::string& name, const std::string& arguments,
                    const std::string& launcher = "")
      : folder_(folder) {
    const std::string command = "cd '" + folder.string() + "' && exec " + launcher + " '" DVD_TEST_PROGRAMS "/" + name +
                                "' " + arguments + " </dev/null >output 2>errors";
    process_ = fork();
    if (process_ == 0) {
      execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
  }

  void send(int signal) const { kill(process_, signal); }

  /// Waits for its end.
  ProgramResult result() const {
    int status = 0;
    waitpid(process_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(folder_ / "output"),
            read_text(folder_ / "errors")};
  }

 private:
  std::filesystem::path folder_;
  pid_t process_ = -1;
};

/// Whether a program failed as one should: this status, and one line that holds `text`.
inline bool failed_with(const ProgramResult& result, int status, const std::string& text) {
  return result.status == status && result.errors.find(text) != std::string::npos &&
         std::count(result.errors.begin(), result.errors.end(), '\n') == 1;
}
