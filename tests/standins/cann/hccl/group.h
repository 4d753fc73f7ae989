// The ranks of one communicator, which are processes of one machine: a shared block with a slot for each.
#pragma once

#include <atomic>
#include <string>

#include "runtime.h"

namespace software_npu {

constexpr int kMostRanks = 64;
constexpr size_t kSlot = 4UL << 20;

struct Shared {
  std::atomic<int> joined;
  std::atomic<int> waiting;
  std::atomic<uint32_t> turn;
  std::atomic<int> pids[kMostRanks];
  std::atomic<int> mail[kMostRanks];  // whom the slot of each rank holds a message for, counted from 1
};

class Group {
 public:
  // Join, and wait for the others. Throws std::runtime_error with the cause.
  Group(const std::string& name, int rank, int ranks);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  char* slot(int rank) const { return slots_ + static_cast<size_t>(rank) * kSlot; }
  char* result() const { return slots_ + static_cast<size_t>(ranks) * kSlot; }

  // Wait until every rank is here. Throws std::runtime_error when one is lost or does not come.
  void meet();

  // One message that fits a slot, to one rank or from it; both wait for the other side, as meet does.
  void send(const char* data, size_t bytes, int peer);
  void receive(char* data, size_t bytes, int peer);

  const std::string name;
  const int rank;
  const int ranks;

 private:
  void look_for_lost() const;

  Shared* shared_ = nullptr;
  char* slots_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace software_npu
