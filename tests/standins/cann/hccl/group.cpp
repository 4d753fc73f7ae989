#include "group.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace software_npu {
namespace {

using Clock = std::chrono::steady_clock;

// Seconds that HCCL waits for its peers; its own variables and their usual values.
long limit(const char* variable, long usual) {
  const char* const set = std::getenv(variable);
  return set != nullptr ? std::atol(set) : usual;
}

template <typename Done, typename Look>
void wait_for(Done done, Look look, long seconds, const std::string& what) {
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  for (long tries = 0; !done(); ++tries) {
    if (tries < 2000) {
      std::this_thread::yield();
      continue;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (tries % 500 == 0) {
      look();
      if (Clock::now() > end) {
        throw std::runtime_error(what + " within " + std::to_string(seconds) + " s");
      }
    }
  }
}

}  // namespace

Group::Group(const std::string& name, int rank, int ranks) : name(name), rank(rank), ranks(ranks) {
  if (ranks < 1 || ranks > kMostRanks || rank < 0 || rank >= ranks) {
    throw std::runtime_error("rank " + std::to_string(rank) + " of " + std::to_string(ranks));
  }
  const size_t head = 1UL << 12;
  bytes_ = head + kSlot * static_cast<size_t>(ranks + 1);
  const int file = shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, static_cast<off_t>(bytes_)) != 0) {
    throw std::runtime_error("the shared memory " + name + " cannot be had");
  }
  void* const made = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (made == MAP_FAILED) {
    throw std::runtime_error("the shared memory " + name + " cannot be mapped");
  }
  shared_ = static_cast<Shared*>(made);
  slots_ = static_cast<char*>(made) + head;
  shared_->pids[rank] = getpid();
  ++shared_->joined;
  wait_for([this] { return shared_->joined.load() >= this->ranks; }, [] {}, limit("HCCL_CONNECT_TIMEOUT", 120),
           "not every rank connected");
  meet();
  if (rank == 0) {
    shm_unlink(name.c_str());  // everybody has it open: nothing stays behind, whoever dies
  }
}

Group::~Group() { munmap(shared_, bytes_); }

void Group::look_for_lost() const {
  for (int peer = 0; peer < ranks; ++peer) {
    const int pid = shared_->pids[peer];
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) {
      throw std::runtime_error("rank " + std::to_string(peer) + " is lost: its process ended during a collective");
    }
  }
}

void Group::meet() {
  const uint32_t turn = shared_->turn.load();
  if (++shared_->waiting == ranks) {
    shared_->waiting = 0;
    ++shared_->turn;
    return;
  }
  wait_for([&] { return shared_->turn.load() != turn; }, [this] { look_for_lost(); }, limit("HCCL_EXEC_TIMEOUT", 1836),
           "a rank did not come to the collective");
}

void Group::send(const char* data, size_t bytes, int peer) {
  std::atomic<int>& mail = shared_->mail[rank];
  std::memcpy(slot(rank), data, bytes);
  mail = peer + 1;
  wait_for([&] { return mail.load() == 0; }, [this] { look_for_lost(); }, limit("HCCL_EXEC_TIMEOUT", 1836),
           "rank " + std::to_string(peer) + " did not take the message");
}

void Group::receive(char* data, size_t bytes, int peer) {
  std::atomic<int>& mail = shared_->mail[peer];
  wait_for([&] { return mail.load() == rank + 1; }, [this] { look_for_lost(); }, limit("HCCL_EXEC_TIMEOUT", 1836),
           "rank " + std::to_string(peer) + " did not send");
  std::memcpy(data, slot(peer), bytes);
  mail = 0;
}

}  // namespace software_npu
