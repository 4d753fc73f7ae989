// HCCL's values that the software NPU knows; facts of the public interface.
#pragma once

#include <cstdint>

enum HcclCode : int {
  kHcclSuccess = 0,
  kHcclParameter = 1,
  kHcclInternal = 4,
  kHcclNotSupported = 5,
  kHcclTimeout = 9,
  kHcclConnect = 11,
  kHcclRemote = 21,
};

enum HcclReduceOp : int { kSum = 0, kProduct = 1, kMost = 2, kLeast = 3 };

constexpr uint32_t kRootInfoBytes = 4108;
constexpr uint32_t kCommNameBytes = 128;
