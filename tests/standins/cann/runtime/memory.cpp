// Device memory is host memory that is kept account of; pages cost nothing until they are written.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime.h"

namespace software_npu {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kCheapFrom = 256UL << 20;  // below this a plain loop is quicker than mapping
constexpr size_t kPattern = 64UL << 20;

struct Block {
  size_t bytes;
  int device;
};

struct Memory {
  std::mutex lock;
  std::map<const char*, Block> blocks;
  std::map<int, size_t> used;
  long requests = 0;
};

Memory& memory() {
  static auto* const made = new Memory;
  return *made;
}

size_t rounded(size_t bytes) { return (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage; }

size_t total_bytes() {
  const long gib = fault("half-memory") ? settings().memory_gib / 2 : settings().memory_gib;
  return static_cast<size_t>(gib) << 30;
}

size_t taken_by_others(int device) {
  return fault("memory-taken", physical_device(device)) ? total_bytes() / 10 * 9 : total_bytes() / 64;
}

size_t free_bytes(int device) {
  const size_t used = memory().used[device] + taken_by_others(device);
  return used < total_bytes() ? total_bytes() - used : 0;
}

int copy(void* to, size_t room, const void* from, size_t bytes, int kind) {
  if (bytes > room) {
    return fail(kInvalidParam, "aclrtMemcpy: " + std::to_string(bytes) + " bytes into " + std::to_string(room));
  }
  const bool to_device = kind == kHostToDevice;
  const bool short_copy = (to_device && fault("copy-in-drops-bytes")) || (kind == kDeviceToHost && fault("copy-out-drops-bytes"));
  std::memmove(to, from, short_copy ? bytes - bytes / 8 : bytes);
  return kSuccess;
}

}  // namespace

size_t device_bytes_from(const void* data) {
  const std::lock_guard<std::mutex> guard(memory().lock);
  const auto* const place = static_cast<const char*>(data);
  auto after = memory().blocks.upper_bound(place);
  if (after == memory().blocks.begin()) {
    return 0;
  }
  --after;
  const char* const end = after->first + after->second.bytes;
  return place < end ? static_cast<size_t>(end - place) : 0;
}

bool fill_cheaply(void* data, size_t bytes, const void* element, size_t size) {
  auto* const begin = static_cast<char*>(data);
  const size_t lead = (kPage - reinterpret_cast<uintptr_t>(begin) % kPage) % kPage;
  if (bytes < kCheapFrom || lead % size != 0 || device_bytes_from(data) < bytes) {
    return false;
  }
  const int file = memfd_create("software-npu-fill", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, kPattern) != 0) {
    return false;
  }
  void* const made = mmap(nullptr, kPattern, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  auto* const pattern = static_cast<char*>(made);
  for (size_t at = 0; at < kPattern; at += size) {
    std::memcpy(pattern + at, element, size);
  }
  std::memcpy(begin, pattern, lead);
  size_t at = lead;
  for (; at + kPage <= bytes; at += std::min(kPattern, (bytes - at) / kPage * kPage)) {
    const size_t piece = std::min(kPattern, (bytes - at) / kPage * kPage);
    mmap(begin + at, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file, 0);
  }
  std::memcpy(begin + at, pattern, bytes - at);
  munmap(made, kPattern);
  close(file);
  return true;
}

}  // namespace software_npu

using namespace software_npu;  // the C interface below names most of it

SOFTWARE_NPU_API int aclrtMalloc(void** data, size_t bytes, int) {
  const int device = current_device();
  const std::lock_guard<std::mutex> guard(memory().lock);
  const size_t wanted = rounded(bytes);
  const bool refused = fault("malloc-fails") && ++memory().requests >= fault_number("malloc-fails", 1);
  if (refused || wanted > free_bytes(device)) {
    return fail(kOutOfMemory, "aclrtMalloc: " + std::to_string(bytes >> 20) + " MiB are not to be had on device " +
                                  std::to_string(device) + ", " + std::to_string(free_bytes(device) >> 20) + " MiB are free");
  }
  void* const made = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (made == MAP_FAILED) {
    return fail(kOutOfMemory, "aclrtMalloc: this machine's own memory is used up");
  }
  memory().blocks[static_cast<char*>(made)] = {wanted, device};
  memory().used[device] += wanted;
  *data = made;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtMallocAlign32(void** data, size_t bytes, int policy) { return aclrtMalloc(data, bytes, policy); }

SOFTWARE_NPU_API int aclrtFree(void* data) {
  const std::lock_guard<std::mutex> guard(memory().lock);
  const auto found = memory().blocks.find(static_cast<char*>(data));
  if (found == memory().blocks.end()) {
    return fail(kInvalidParam, "aclrtFree: the address is no block of device memory");
  }
  if (!fault("memory-leak")) {
    memory().used[found->second.device] -= found->second.bytes;
  }
  munmap(data, found->second.bytes);
  memory().blocks.erase(found);
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtMallocHost(void** data, size_t bytes) {
  *data = std::aligned_alloc(kPage, rounded(bytes));
  return *data != nullptr ? kSuccess : fail(kOutOfMemory, "aclrtMallocHost: no memory");
}

SOFTWARE_NPU_API int aclrtMallocHostWithCfg(void** data, uint64_t bytes, void*) { return aclrtMallocHost(data, bytes); }

SOFTWARE_NPU_API int aclrtFreeHost(void* data) {
  std::free(data);
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtHostRegister(void* data, uint64_t, int, void** seen) {
  *seen = data;
  return kSuccess;
}
SOFTWARE_NPU_API int aclrtHostRegisterV2(void*, uint64_t, uint32_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtHostUnregister(void*) { return kSuccess; }

SOFTWARE_NPU_API int aclrtGetMemInfo(int, size_t* free, size_t* total) {
  const std::lock_guard<std::mutex> guard(memory().lock);
  *free = free_bytes(current_device());
  *total = total_bytes();
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtPointerGetAttributes(const void* data, AclPointerAttributes* found) {
  *found = AclPointerAttributes{};
  found->location.type = device_bytes_from(data) != 0 ? kLocationDevice : kLocationUnregistered;
  found->page_size = kPage;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtMemcpy(void* to, size_t room, const void* from, size_t bytes, int kind) {
  return copy(to, room, from, bytes, kind);
}

SOFTWARE_NPU_API int aclrtMemcpyAsync(void* to, size_t room, const void* from, size_t bytes, int kind, aclrtStream stream) {
  return enqueue(stream, [=] { return copy(to, room, from, bytes, kind); });
}

SOFTWARE_NPU_API int aclrtMemcpyAsyncWithCondition(void* to, size_t room, const void* from, size_t bytes, int kind,
                                                   aclrtStream stream) {
  return aclrtMemcpyAsync(to, room, from, bytes, kind, stream);
}

SOFTWARE_NPU_API int aclrtMemset(void* data, size_t room, int32_t value, size_t bytes) {
  if (bytes > room) {
    return fail(kInvalidParam, "aclrtMemset: more bytes than there is room");
  }
  std::memset(data, value, bytes);
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtMemsetAsync(void* data, size_t room, int32_t value, size_t bytes, aclrtStream stream) {
  return enqueue(stream, [=] { return aclrtMemset(data, room, value, bytes); });
}

// Addresses and physical memory apart, as the growing segments of torch_npu's allocator use them.
SOFTWARE_NPU_API int aclrtReserveMemAddress(void** address, size_t bytes, size_t, void*, uint64_t) {
  *address = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return *address != MAP_FAILED ? kSuccess : fail(kOutOfMemory, "aclrtReserveMemAddress: no address space");
}

namespace {

struct Physical {
  size_t bytes;
  int device;
};

}  // namespace

SOFTWARE_NPU_API int aclrtReleaseMemAddress(void*) { return kSuccess; }  // its size is not told; address space only

SOFTWARE_NPU_API int aclrtMallocPhysical(aclrtDrvMemHandle* handle, size_t bytes, const void*, uint64_t) {
  const int device = current_device();
  const std::lock_guard<std::mutex> guard(memory().lock);
  if (bytes > free_bytes(device)) {
    return fail(kOutOfMemory, "aclrtMallocPhysical: " + std::to_string(bytes >> 20) + " MiB are not to be had");
  }
  memory().used[device] += bytes;
  *handle = new Physical{bytes, device};
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtFreePhysical(aclrtDrvMemHandle handle) {
  auto* const physical = static_cast<Physical*>(handle);
  const std::lock_guard<std::mutex> guard(memory().lock);
  memory().used[physical->device] -= physical->bytes;
  delete physical;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtMapMem(void* address, size_t bytes, size_t, aclrtDrvMemHandle handle, uint64_t) {
  mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  const std::lock_guard<std::mutex> guard(memory().lock);
  memory().blocks[static_cast<char*>(address)] = {bytes, static_cast<Physical*>(handle)->device};
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtUnmapMem(void* address) {
  const std::lock_guard<std::mutex> guard(memory().lock);
  const auto found = memory().blocks.find(static_cast<char*>(address));
  if (found != memory().blocks.end()) {
    mmap(address, found->second.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    memory().blocks.erase(found);
  }
  return kSuccess;
}
