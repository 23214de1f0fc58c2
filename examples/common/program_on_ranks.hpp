// How a program runs on ranks: what `run` does, once for all of them.
#pragma once

#include <optional>

#include "program.hpp"
#include "ranks.hpp"

namespace examples {

/// Parses the command line and calls `body` on every rank. Rank 0 alone speaks: `common.quiet` is set on the others.
/// Unless threads are asked for, each rank takes its part of its machine's cores. Whatever goes wrong becomes one line
/// on the error output: status 2 if it is found before the work begins, 1 after.
inline int run_on_ranks(CLI::App& app, int argc, char** argv, CommonOptions& common,
                        const std::function<int(Ranks&)>& body) {
  return on_ranks(app.get_name(), [&](Ranks& ranks) {
    std::optional<int> status;
    ranks.agree([&] { status = parse(app, argc, argv, ranks); });
    if (status) return *status;
    common.quiet = common.quiet || !ranks.first();
    if (common.threads == 0) common.threads = ranks.threads();
    return body(ranks);
  });
}

}  // namespace examples
