// A disk that fills up, and a process that is killed, at a chosen moment: a library that is loaded before a program and
// counts what it does to files below a folder.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

/// Compiles the library in a folder. Before a program's command line, `killed_at(n)` kills it instead of its n-th
/// write, flush or rename (from 1), and `full_from(n)` lets all writes from the n-th action on fail, for want of space.
class FailingDisk {
 public:
  /// `below`: a part of the path of every file that counts.
  FailingDisk(const std::filesystem::path& folder, std::string below)
      : library_(folder / "failing_disk.so"), below_(std::move(below)) {
    std::ofstream(folder / "failing_disk.c") << source;
    works_ = std::system(("cc -shared -fPIC -o '" + library_.string() + "' '" + (folder / "failing_disk.c").string() +
                          "' -ldl -lpthread")
                             .c_str()) == 0;
  }

  /// Whether there is a C compiler.
  bool works() const { return works_; }

  std::string killed_at(int action) const { return environment("KILL", action); }
  std::string full_from(int action) const { return environment("FULL", action); }

 private:
  std::string environment(const std::string& what, int action) const {
    return "DISK_BELOW='" + below_ + "' DISK_" + what + "=" + std::to_string(action) +
           " ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 LD_PRELOAD='" + library_.string() + "' ";
  }

  static constexpr const char* source = R"(
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int counted;
static int fails(const char* path) {
  const char *below = getenv("DISK_BELOW"), *kill_at = getenv("DISK_KILL"), *full_from = getenv("DISK_FULL");
  if (!below || !strstr(path, below)) return 0;
  const int number = __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST);
  if (kill_at && number == atoi(kill_at)) kill(getpid(), SIGKILL), pause();
  return full_from && number >= atoi(full_from);
}
static int fails_on(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return fails(path);
}
ssize_t write(int fd, const void* bytes, size_t count) {
  if (fails_on(fd)) return errno = ENOSPC, -1;
  return ((ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write"))(fd, bytes, count);
}
int fsync(int fd) {
  fails_on(fd);
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int rename(const char* from, const char* to) {
  fails(to);
  return ((int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename"))(from, to);
}
)";

  std::filesystem::path library_;
  std::string below_;
  bool works_ = false;
};
