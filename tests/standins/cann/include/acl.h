// The part of CANN's C interface that the software NPU implements: names, values and layouts that
// torch_npu was compiled against. Every entry is a fact of that interface, checked against a published wheel.
#pragma once

#include <cstddef>
#include <cstdint>

#define SOFTWARE_NPU_API extern "C" __attribute__((visibility("default")))

using aclError = int;
using aclrtStream = void*;
using aclrtEvent = void*;
using aclrtContext = void*;
using aclrtDrvMemHandle = void*;
using aclrtCallback = void (*)(void*);
using aclrtHostFunc = void (*)(void*);

enum AclCode : int {
  kSuccess = 0,
  kInvalidParam = 100000,
  kUninitialised = 100001,
  kRepeatInitialise = 100002,
  kOpNotFound = 100024,
  kThreadNotSubscribed = 100035,
  kReportTimeout = 100036,
  kFeatureUnsupported = 200006,
  kInvalidDevice = 107001,
  kOutOfMemory = 207001,
  kRtFeatureUnsupported = 207000,
  kNoContext = 107002,
  kDriverInternal = 507899,
  kAicoreException = 507015,
  kStreamSyncTimeout = 507046,
  kDeviceSetup = 507033,
  kInternalError = 500000,
  kNnNullPointer = 161001,
  kNnInvalid = 161002,
};

enum AclType : int {
  kFloat = 0,
  kHalf = 1,
  kInt8 = 2,
  kInt32 = 3,
  kUint8 = 4,
  kInt16 = 6,
  kUint16 = 7,
  kUint32 = 8,
  kInt64 = 9,
  kUint64 = 10,
  kDouble = 11,
  kBool = 12,
  kBfloat16 = 27,
};

enum AclCopyKind : int { kHostToHost, kHostToDevice, kDeviceToHost, kDeviceToDevice, kCopyDefault };
enum AclStreamStatus : int { kStreamComplete = 0, kStreamNotReady = 1 };
enum AclRecordedStatus : int { kRecordNotReady = 0, kRecordComplete = 1 };
enum AclWaitStatus : int { kWaitComplete = 0, kWaitNotReady = 1 };
enum AclCannAttribute : int { kInfNan = 0, kBf16 = 1, kJitCompile = 2 };
enum AclDeviceInfo : int { kAiCoreNumber = 0, kVectorCoreNumber = 1, kL2Size = 2 };
enum AclLocation : int { kLocationHost = 0, kLocationDevice = 1, kLocationUnregistered = 2 };

struct AclMemoryLocation {
  uint32_t id;
  int type;
};

struct AclPointerAttributes {
  AclMemoryLocation location;
  uint32_t page_size;
  uint32_t reserved[4];
};

constexpr size_t kVersionSize = 128;
constexpr size_t kVersionPartSize = 64;

struct AclPackageVersion {
  char version[kVersionSize];
  char major[kVersionPartSize];
  char minor[kVersionPartSize];
  char release[kVersionPartSize];
  char patch[kVersionPartSize];
  char reserved[kVersionSize];
};

struct AclUtilisation {
  int32_t cube;
  int32_t vector;
  int32_t aicpu;
  int32_t memory;
  void* extension;
};
