// What ranks ask of NCCL, and what it does once all have asked.
#pragma once

#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace emulated_nccl {

/// One side of a send and a receive.
struct Transfer {
  bool sends;
  int peer;
  const void* memory;  ///< written to, if it receives
  std::size_t count;
  ncclDataType_t type;
};

/// One call, or the transfers of one group.
struct Operation {
  enum Kind { all_reduce, all_gather, transfers } kind;
  cudaStream_t stream;
  const void* from = nullptr;
  void* to = nullptr;
  std::size_t count = 0;
  ncclDataType_t type = ncclFloat32;
  std::vector<Transfer> parts{};
};

inline std::size_t size_of(ncclDataType_t type) { return type == ncclFloat32 ? 4 : 8; }

inline std::string words(const Operation& operation) {
  std::ostringstream text;
  if (operation.kind == Operation::transfers)
    text << "sends and receives";
  else
    text << (operation.kind == Operation::all_reduce ? "AllReduce" : "AllGather") << " of " << operation.count
         << " numbers of type " << operation.type;
  return text.str();
}

/// The `number`-th transfer of a rank to or from another, or null.
inline const Transfer* find(const Operation& operation, bool sends, int peer, std::size_t number) {
  for (const Transfer& part : operation.parts)
    if (part.sends == sends && part.peer == peer && number-- == 0) return &part;
  return nullptr;
}

/// Why these operations of all ranks are not parts of one; "" if they are. NCCL itself would hang or go wrong.
inline std::string mismatch(const std::vector<const Operation*>& all) {
  const Operation& first = *all.front();
  for (std::size_t rank = 1; rank < all.size(); ++rank)
    if (words(*all[rank]) != words(first))
      return "rank 0 calls " + words(first) + ", rank " + std::to_string(rank) + " " + words(*all[rank]);
  if (first.kind != Operation::transfers) return "";
  const int ranks = static_cast<int>(all.size());
  for (int from = 0; from < ranks; ++from)
    for (int to = 0; to < ranks; ++to)
      for (std::size_t number = 0;; ++number) {
        const Transfer* const sent = find(*all[static_cast<std::size_t>(from)], true, to, number);
        const Transfer* const received = find(*all[static_cast<std::size_t>(to)], false, from, number);
        if (!sent && !received) break;
        if (!sent || !received || sent->count != received->count || sent->type != received->type)
          return "what rank " + std::to_string(from) + " sends is not what rank " + std::to_string(to) + " receives";
      }
  return "";
}

/// Bytes that are about to be written somewhere.
struct Result {
  void* to;
  std::vector<std::byte> bytes;
};

template <class T>
std::vector<std::byte> sum(const std::vector<const Operation*>& all) {
  std::vector<T> total(all.front()->count);
  for (const Operation* each : all)
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += static_cast<const T*>(each->from)[i];
  std::vector<std::byte> bytes(total.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), total.data(), bytes.size());
  return bytes;
}

inline std::vector<std::byte> bytes_at(const void* memory, std::size_t count, ncclDataType_t type) {
  const auto* const begin = static_cast<const std::byte*>(memory);
  return {begin, begin + count * size_of(type)};
}

/// What one rank gets out of what all have asked for.
inline std::vector<Result> results_of(const std::vector<const Operation*>& all, int rank) {
  const Operation& own = *all[static_cast<std::size_t>(rank)];
  if (own.kind == Operation::all_reduce)
    return {{own.to, own.type == ncclFloat32   ? sum<float>(all)
                     : own.type == ncclFloat64 ? sum<double>(all)
                                               : sum<std::int64_t>(all)}};
  std::vector<Result> results;
  if (own.kind == Operation::all_gather) {
    auto* to = static_cast<std::byte*>(own.to);
    for (const Operation* each : all) {
      results.push_back({to, bytes_at(each->from, own.count, own.type)});
      to += own.count * size_of(own.type);
    }
    return results;
  }
  std::vector<std::size_t> number(all.size());
  for (const Transfer& part : own.parts) {
    if (part.sends) continue;
    const auto peer = static_cast<std::size_t>(part.peer);
    const Transfer* const sent = find(*all[peer], true, rank, number[peer]++);
    results.push_back({const_cast<void*>(part.memory), bytes_at(sent->memory, sent->count, sent->type)});
  }
  return results;
}

/// What a rank's operation reads and writes.
inline std::vector<EmulatedTouch> touched_by(const Operation& operation, std::size_t ranks) {
  std::vector<EmulatedTouch> touches;
  const std::size_t bytes = operation.count * size_of(operation.type);
  if (operation.kind != Operation::transfers) {
    touches.push_back({operation.from, bytes, false});
    touches.push_back({operation.to, operation.kind == Operation::all_gather ? bytes * ranks : bytes, true});
  }
  for (const Transfer& part : operation.parts)
    touches.push_back({part.memory, part.count * size_of(part.type), !part.sends});
  return touches;
}

}  // namespace emulated_nccl
