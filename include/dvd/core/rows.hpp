// Row numbers on a device: which rows of a table a kernel picks.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "dvd/core/shape.hpp"
#include "dvd/core/tensor.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Row numbers on a device, and the same on the host, where they are checked. A handle: copies share their rows.
template <DeviceMemory D>
class Rows {
 public:
  Rows() = default;

  Rows(std::vector<Index> rows)  // not explicit: a list of numbers serves wherever rows are asked for
      : shared_(std::make_shared<Shared>(std::move(rows))), device_(D::allocate(bytes())) {
    D::upload(values().data(), device_.get(), bytes());
  }

  Rows(std::initializer_list<Index> rows) : Rows(std::vector<Index>(rows)) {}

  Index size() const { return static_cast<Index>(values().size()); }
  /// On the device.
  const Index* data() const { return static_cast<const Index*>(device_.get()); }
  const std::vector<Index>& values() const {
    static const std::vector<Index> none;
    return shared_ ? shared_->values : none;
  }

  /// Other rows in place of these, for all that share them. Throws ArgumentError unless there are as many, and none is
  /// outside what `check_below` has allowed so far: work that a device recorded with these rows checks nothing again.
  void assign(const std::vector<Index>& rows) {
    require(static_cast<Index>(rows.size()) == size(), rows.size(), " rows cannot take the place of ", size());
    if (rows.empty()) return;
    check(rows, shared_->limit, shared_->what, shared_->step);
    D::upload(rows.data(), device_.get(), bytes());
    shared_->values = rows;
  }

  /// Throws ArgumentError, calling a row `what`, unless all are in 0 .. count - 1. Where `step` rows make one of
  /// something, it is their number that is told of.
  void check_below(Index count, const char* what, Index step = 1) const {
    check(values(), count, what, step);
    if (!shared_ || count >= shared_->limit) return;
    shared_->limit = count;
    shared_->what = what;
    shared_->step = step;
  }

 private:
  struct Shared {
    std::vector<Index> values;
    // The narrowest check so far. Atomic, as threads may read the same rows.
    std::atomic<Index> limit = Shape::max_size, step = 1;
    std::atomic<const char*> what = "row";

    explicit Shared(std::vector<Index> rows) : values(std::move(rows)) {}
  };

  static void check(const std::vector<Index>& rows, Index count, const char* what, Index step) {
    for (const Index row : rows)
      require(row >= 0 && row < count, what, " ", row / step, " is outside 0 .. ", count / step - 1);
  }

  std::size_t bytes() const { return values().size() * sizeof(Index); }

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<void> device_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
