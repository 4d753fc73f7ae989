// The collectives, piece by piece through the group's slots.
#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <unistd.h>
#include <vector>

#include "group.h"
#include "hccl.h"
#include "tensor.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

int type_of(int hccl_type) {
  constexpr int kTypes[] = {kInt8,  kInt16, kInt32,  kHalf,   kFloat,  kInt64,
                            kUint64, kUint8, kUint16, kUint32, kDouble, kBfloat16};
  if (hccl_type < 0 || hccl_type >= static_cast<int>(std::size(kTypes))) {
    throw Refused("HCCL's data type " + std::to_string(hccl_type));
  }
  return kTypes[hccl_type];
}

template <typename T>
T combine(T x, T y, int operation) {
  switch (operation) {
    case kProduct:
      return x * y;
    case kMost:
      return std::max(x, y);
    case kLeast:
      return std::min(x, y);
    default:
      return x + y;
  }
}

// Combine `n` elements from `from` on of every rank's slot into `into`.
template <typename T>
void combine_slots(const Group& group, int type, int64_t from, int64_t n, int operation, char* into) {
  constexpr int64_t kBlock = 4096;
  std::vector<T> sum(kBlock), more(kBlock);
  const auto view = [type](char* data, int64_t size) { return View{data, type, {size}, {1}}; };
  const auto size = static_cast<int64_t>(size_of(type));
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t part = std::min(kBlock, n - at);
    read<T>(view(group.slot(0) + (from + at) * size, part), 0, part, sum.data());
    for (int peer = 1; peer < group.ranks; ++peer) {
      read<T>(view(group.slot(peer) + (from + at) * size, part), 0, part, more.data());
      for (size_t index = 0; index < static_cast<size_t>(part); ++index) {
        sum[index] = combine(sum[index], more[index], operation);
      }
    }
    write<T>(view(into + at * size, part), 0, part, sum.data());
  }
}

void combine_slots(const Group& group, int type, int64_t from, int64_t n, int operation, char* into) {
  if (type == kFloat) {
    combine_slots<float>(group, type, from, n, operation, into);
  } else if (is_float(type)) {
    combine_slots<double>(group, type, from, n, operation, into);
  } else {
    combine_slots<int64_t>(group, type, from, n, operation, into);
  }
}

void suffer_faults(const Group& group) {
  if (fault("hccl-rank-lost") && fault_number("hccl-rank-lost", 1) == group.rank) {
    _exit(134);
  }
  if (fault("hccl-rank-hangs") && fault_number("hccl-rank-hangs", 1) == group.rank) {
    for (;;) {
      sleep(1);
    }
  }
}

// Every element of every rank to every rank: each combines its share, then all take the whole.
void all_reduce(Group& group, const char* send, char* receive, int64_t total, int type, int operation) {
  const auto size = static_cast<int64_t>(size_of(type));
  const int64_t piece = static_cast<int64_t>(kSlot) / size;
  for (int64_t at = 0; at < total; at += piece) {
    const int64_t n = std::min(piece, total - at);
    std::memcpy(group.slot(group.rank), send + at * size, static_cast<size_t>(n * size));
    group.meet();
    const int64_t share = (n + group.ranks - 1) / group.ranks;
    const int64_t from = std::min(n, share * group.rank);
    combine_slots(group, type, from, std::min(share, n - from), operation, group.result() + from * size);
    if (fault("hccl-wrong-sum") && group.rank == 0 && at == 0) {
      std::memset(group.result(), 0, static_cast<size_t>(size));
    }
    group.meet();
    std::memcpy(receive + at * size, group.result(), static_cast<size_t>(n * size));
    group.meet();
  }
}

void all_gather(Group& group, const char* send, char* receive, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(kSlot)) {
    const auto n = static_cast<size_t>(std::min<int64_t>(kSlot, bytes - at));
    std::memcpy(group.slot(group.rank), send + at, n);
    group.meet();
    for (int peer = 0; peer < group.ranks; ++peer) {
      std::memcpy(receive + peer * bytes + at, group.slot(peer), n);
    }
    group.meet();
  }
}

void broadcast(Group& group, char* data, int64_t bytes, int root) {
  for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(kSlot)) {
    const auto n = static_cast<size_t>(std::min<int64_t>(kSlot, bytes - at));
    if (group.rank == root) {
      std::memcpy(group.slot(root), data + at, n);
    }
    group.meet();
    if (group.rank != root) {
      std::memcpy(data + at, group.slot(root), n);
    }
    group.meet();
  }
}

// Each rank's own part of the combined whole.
void reduce_scatter(Group& group, const char* send, char* receive, int64_t each, int type, int operation) {
  const auto size = static_cast<int64_t>(size_of(type));
  const int64_t piece = std::max<int64_t>(1, static_cast<int64_t>(kSlot) / size / group.ranks);
  for (int64_t at = 0; at < each; at += piece) {
    const int64_t n = std::min(piece, each - at);
    for (int part = 0; part < group.ranks; ++part) {
      std::memcpy(group.slot(group.rank) + part * n * size, send + (part * each + at) * size, static_cast<size_t>(n * size));
    }
    group.meet();
    combine_slots(group, type, group.rank * n, n, operation, receive + at * size);
    group.meet();
  }
}

void all_to_all(Group& group, const char* send, char* receive, int64_t bytes) {  // bytes: of each part
  const auto piece = static_cast<int64_t>(kSlot) / group.ranks;
  for (int64_t at = 0; at < bytes; at += piece) {
    const int64_t n = std::min(piece, bytes - at);
    for (int part = 0; part < group.ranks; ++part) {
      std::memcpy(group.slot(group.rank) + part * n, send + part * bytes + at, static_cast<size_t>(n));
    }
    group.meet();
    for (int peer = 0; peer < group.ranks; ++peer) {
      std::memcpy(receive + peer * bytes + at, group.slot(peer) + group.rank * n, static_cast<size_t>(n));
    }
    group.meet();
  }
}

// Bytes to one rank, or from it, piece by piece.
template <typename F>
void in_pieces(Group& group, int peer, int64_t bytes, F move) {
  if (peer < 0 || peer >= group.ranks || peer == group.rank) {
    throw std::runtime_error("rank " + std::to_string(peer) + " of " + std::to_string(group.ranks) + " as the other side");
  }
  for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(kSlot)) {
    move(at, static_cast<size_t>(std::min<int64_t>(kSlot, bytes - at)));
  }
}

// Queue a collective on the stream; what goes wrong becomes the stream's error.
template <typename F>
int collective(const char* name, void* comm, aclrtStream stream, F work) {
  auto* const group = static_cast<Group*>(comm);
  if (group == nullptr) {
    fail(kInvalidParam, std::string(name) + ": the communicator is null");
    return kHcclParameter;
  }
  enqueue(stream, [=] {
    try {
      suffer_faults(*group);
      work(*group);
      return static_cast<int>(kSuccess);
    } catch (const std::exception& error) {
      constexpr int kCollectiveFailed = 507011;  // what a stream says of a failed task
      return fail(kCollectiveFailed, std::string(name) + " in group " + group->name + ": " + error.what());
    }
  });
  return kHcclSuccess;
}

const char* bytes_of(const void* data) { return static_cast<const char*>(data); }
char* bytes_of(void* data) { return static_cast<char*>(data); }

}  // namespace

SOFTWARE_NPU_API int HcclAllReduce(void* send, void* receive, uint64_t count, int type, int operation, void* comm,
                                   aclrtStream stream) {
  return collective("HcclAllReduce", comm, stream, [=](Group& group) {
    all_reduce(group, bytes_of(send), bytes_of(receive), static_cast<int64_t>(count), type_of(type), operation);
  });
}

SOFTWARE_NPU_API int HcclAllGather(void* send, void* receive, uint64_t count, int type, void* comm, aclrtStream stream) {
  return collective("HcclAllGather", comm, stream, [=](Group& group) {
    all_gather(group, bytes_of(send), bytes_of(receive), static_cast<int64_t>(count * size_of(type_of(type))));
  });
}

SOFTWARE_NPU_API int HcclBroadcast(void* data, uint64_t count, int type, uint32_t root, void* comm, aclrtStream stream) {
  return collective("HcclBroadcast", comm, stream, [=](Group& group) {
    broadcast(group, bytes_of(data), static_cast<int64_t>(count * size_of(type_of(type))), static_cast<int>(root));
  });
}

SOFTWARE_NPU_API int HcclReduceScatter(void* send, void* receive, uint64_t count, int type, int operation, void* comm,
                                       aclrtStream stream) {
  return collective("HcclReduceScatter", comm, stream, [=](Group& group) {
    reduce_scatter(group, bytes_of(send), bytes_of(receive), static_cast<int64_t>(count), type_of(type), operation);
  });
}

SOFTWARE_NPU_API int HcclReduce(void* send, void* receive, uint64_t count, int type, int operation, uint32_t root,
                                void* comm, aclrtStream stream) {
  return collective("HcclReduce", comm, stream, [=](Group& group) {
    const auto total = static_cast<int64_t>(count);
    std::vector<char> unwanted(group.rank == static_cast<int>(root) ? 0 : count * size_of(type_of(type)));
    char* const into = group.rank == static_cast<int>(root) ? bytes_of(receive) : unwanted.data();
    all_reduce(group, bytes_of(send), into, total, type_of(type), operation);
  });
}

SOFTWARE_NPU_API int HcclAlltoAll(const void* send, uint64_t count, int type, const void* receive, uint64_t, int,
                                  void* comm, aclrtStream stream) {
  return collective("HcclAlltoAll", comm, stream, [=](Group& group) {
    all_to_all(group, bytes_of(send), bytes_of(const_cast<void*>(receive)),
               static_cast<int64_t>(count * size_of(type_of(type))));
  });
}

SOFTWARE_NPU_API int HcclSend(void* data, uint64_t count, int type, uint32_t peer, void* comm, aclrtStream stream) {
  return collective("HcclSend", comm, stream, [=](Group& group) {
    in_pieces(group, static_cast<int>(peer), static_cast<int64_t>(count * size_of(type_of(type))),
              [&](int64_t at, size_t n) { group.send(bytes_of(data) + at, n, static_cast<int>(peer)); });
  });
}

SOFTWARE_NPU_API int HcclRecv(void* data, uint64_t count, int type, uint32_t peer, void* comm, aclrtStream stream) {
  return collective("HcclRecv", comm, stream, [=](Group& group) {
    in_pieces(group, static_cast<int>(peer), static_cast<int64_t>(count * size_of(type_of(type))),
              [&](int64_t at, size_t n) { group.receive(bytes_of(data) + at, n, static_cast<int>(peer)); });
    if (fault("hccl-message-changed")) {
      bytes_of(data)[0] = static_cast<char>(bytes_of(data)[0] ^ 1);
    }
  });
}

SOFTWARE_NPU_API int HcclBarrier(void* comm, aclrtStream stream) {
  return collective("HcclBarrier", comm, stream, [](Group& group) { group.meet(); });
}
