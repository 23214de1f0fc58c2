// What all example programs share: options that every one has, and how a program fails.
#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <dvd/core/error.hpp>
#include <dvd/device/cpu/parallel.hpp>
#include <dvd/version.hpp>
#include <functional>
#include <string>

#include "device.hpp"

namespace examples {

/// Options of every program.
struct CommonOptions {
  std::string out;
  std::uint64_t seed = 0;
  std::int64_t threads = 0;
  std::string device = "cpu", precision = "float32";
  bool quiet = false;

  void add_to(CLI::App& app) {
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // a later flag overrides
    app.add_option("--out", out, "folder to write to")->capture_default_str();
    app.add_option("--seed", seed, "seed of all random choices")
        ->check([](const std::string& text) -> std::string {
          return text.starts_with('-') ? "--seed must be 0 or more, not " + text : "";
        })
        ->capture_default_str();
    app.add_option("--threads", threads, "threads to compute on; 0 means all cores")
        ->check(CLI::Range(0, 4096))
        ->capture_default_str();
    app.add_option("--device", device, device_help)->capture_default_str();
    app.add_flag("--quiet", quiet, "print nothing but errors");
    app.set_version_flag("--version", std::string(dvd::version));
  }

  /// For programs that compute on any device.
  void add_precision_to(CLI::App& app) {
    app.add_option("--precision", precision, precision_help)->capture_default_str();
  }

  /// For programs that do not. Throws ArgumentError for a GPU and for a name that is none.
  void require_cpu() const {
    dvd::require(gpu_number(device) < 0, "--device ", device, ": this program computes on the CPU; use --device cpu");
  }
};

/// Whether anything has been begun that can fail while running (status 1) rather than be asked for wrongly (status 2).
inline bool running = false;

/// Parses the command line and calls `body`. Whatever goes wrong becomes one line on the error output: status 2 if it
/// is found before the work begins, 1 after.
inline int run(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  const auto fail = [&](std::string message, int status) {
    std::replace(message.begin(), message.end(), '\n', ' ');
    fmt::print(stderr, "{}: {}\n", app.get_name(), message);
    return status;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return fail(std::string(error.what()) + " (see --help)", 2);
  }
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail("out of memory; use a smaller batch, fewer channels or a lower resolution", running ? 1 : 2);
  } catch (const std::exception& error) {
    return fail(error.what(), running ? 1 : 2);
  }
}

}  // namespace examples
