// Communicators: made from a root's info, asked for their name and state, given back.
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>

#include "group.h"
#include "hccl.h"

using namespace software_npu;  // the C interface below names most of it

SOFTWARE_NPU_API int HcclGetRootInfo(char* info) {
  if (fault("hccl-no-network")) {
    fail(kInternalError, "HcclGetRootInfo: no network interface to meet the other ranks at; see HCCL_SOCKET_IFNAME");
    return kHcclConnect;
  }
  std::memset(info, 0, kRootInfoBytes);
  std::random_device random;
  std::snprintf(info, kCommNameBytes, "/software-npu-%08x%08x", random(), random());
  return kHcclSuccess;
}

SOFTWARE_NPU_API int HcclCommInitRootInfo(uint32_t ranks, const char* info, uint32_t rank, void** comm) {
  try {
    *comm = new Group(info, static_cast<int>(rank), static_cast<int>(ranks));
    return kHcclSuccess;
  } catch (const std::runtime_error& error) {
    fail(kInternalError, std::string("HcclCommInitRootInfo: ") + error.what());
    return kHcclTimeout;
  }
}

SOFTWARE_NPU_API int HcclCommInitRootInfoConfig(uint32_t ranks, const char* info, uint32_t rank, const void*, void** comm) {
  return HcclCommInitRootInfo(ranks, info, rank, comm);
}

SOFTWARE_NPU_API int HcclCommDestroy(void* comm) {
  delete static_cast<Group*>(comm);
  return kHcclSuccess;
}

SOFTWARE_NPU_API int HcclGetCommName(void* comm, char* name) {
  std::snprintf(name, kCommNameBytes, "%s", static_cast<Group*>(comm)->name.c_str());
  return kHcclSuccess;
}

SOFTWARE_NPU_API int HcclGetRankSize(void* comm, uint32_t* ranks) {
  *ranks = static_cast<uint32_t>(static_cast<Group*>(comm)->ranks);
  return kHcclSuccess;
}

SOFTWARE_NPU_API int HcclGetRankId(void* comm, uint32_t* rank) {
  *rank = static_cast<uint32_t>(static_cast<Group*>(comm)->rank);
  return kHcclSuccess;
}

SOFTWARE_NPU_API int HcclGetCommAsyncError(void*, int* error) {
  *error = kHcclSuccess;
  return kHcclSuccess;
}

// How many of the communicator's settings are known, counted from the first; none is.
SOFTWARE_NPU_API uint32_t HcclGetCommConfigCapability() { return 0; }

SOFTWARE_NPU_API int HcclSetConfig(int, int) { return kHcclSuccess; }

SOFTWARE_NPU_API const char* HcclGetErrorString(int code) {
  switch (code) {
    case kHcclSuccess:
      return "no error";
    case kHcclTimeout:
      return "a peer did not come in time";
    case kHcclConnect:
      return "no connection to the peers";
    case kHcclRemote:
      return "a peer failed";
    default:
      return "an error of the software NPU's HCCL";
  }
}
