// Row numbers on a device: which rows of a table a kernel picks.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "dvd/core/tensor.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Row numbers on a device, and the same on the host, where they are checked. A handle: copies share their rows.
template <DeviceMemory D>
class Rows {
 public:
  Rows() = default;

  Rows(std::vector<Index> rows)  // not explicit: a list of numbers serves wherever rows are asked for
      : host_(std::make_shared<std::vector<Index>>(std::move(rows))), device_(D::allocate(bytes())) {
    D::upload(host_->data(), device_.get(), bytes());
  }

  Rows(std::initializer_list<Index> rows) : Rows(std::vector<Index>(rows)) {}

  Index size() const { return host_ ? static_cast<Index>(host_->size()) : 0; }
  /// On the device.
  const Index* data() const { return static_cast<const Index*>(device_.get()); }
  const std::vector<Index>& values() const {
    static const std::vector<Index> none;
    return host_ ? *host_ : none;
  }

  /// Other rows in place of these, for all that share them. Throws ArgumentError unless there are as many.
  void assign(const std::vector<Index>& rows) {
    require(static_cast<Index>(rows.size()) == size(), rows.size(), " rows cannot take the place of ", size());
    if (rows.empty()) return;
    *host_ = rows;
    D::upload(rows.data(), device_.get(), bytes());
  }

  /// Throws ArgumentError, calling a row `what`, unless all are in 0 .. count - 1.
  void check_below(Index count, const char* what) const {
    for (const Index row : values()) require(row >= 0 && row < count, what, " ", row, " is outside 0 .. ", count - 1);
  }

 private:
  std::size_t bytes() const { return host_->size() * sizeof(Index); }

  std::shared_ptr<std::vector<Index>> host_;
  std::shared_ptr<void> device_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
