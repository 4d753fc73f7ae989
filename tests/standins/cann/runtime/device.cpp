#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <sstream>
#include <unistd.h>
#include <vector>

#include "runtime.h"

namespace software_npu {
namespace {

std::atomic<bool> initialised{false};
thread_local int chosen = -1;

std::vector<int> visible() {
  const int present = fault("fewer-devices") ? static_cast<int>(fault_number("fewer-devices", 1)) : settings().devices;
  std::vector<int> found;
  const char* named = std::getenv("ASCEND_RT_VISIBLE_DEVICES");
  if (named == nullptr) {
    for (int index = 0; index < present; ++index) {
      found.push_back(index);
    }
    return found;
  }
  std::stringstream words(named);
  for (std::string word; std::getline(words, word, ',');) {
    const int index = word.empty() ? -1 : std::atoi(word.c_str());
    if (index < 0 || index >= present) {
      break;
    }
    found.push_back(index);
  }
  return found;
}

const std::vector<int>& devices() {
  static const auto* const found = new std::vector<int>(visible());
  return *found;
}

}  // namespace

int device_count() { return static_cast<int>(devices().size()); }
int current_device() { return chosen < 0 ? 0 : chosen; }
int physical_device(int device) {
  return device >= 0 && device < device_count() ? devices()[static_cast<size_t>(device)] : device;
}

}  // namespace software_npu

using namespace software_npu;  // the C interface below names most of it

SOFTWARE_NPU_API int aclInit(const char*) {
  if (fault("init-fails")) {
    return fail(kDriverInternal, "aclInit: the driver does not answer (drvDeviceStatus is abnormal)");
  }
  return initialised.exchange(true) ? kRepeatInitialise : kSuccess;
}

SOFTWARE_NPU_API int aclFinalize() {
  initialised = false;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetDeviceCount(uint32_t* count) {
  *count = static_cast<uint32_t>(device_count());
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtSetDevice(int32_t device) {
  if (device < 0 || device >= device_count()) {
    return fail(kInvalidDevice, "aclrtSetDevice: there is no device " + std::to_string(device));
  }
  if (fault("device-unhealthy", physical_device(device))) {
    return fail(kDeviceSetup, "aclrtSetDevice: device " + std::to_string(device) + " is unhealthy and does not open");
  }
  chosen = device;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetDevice(int32_t* device) {
  if (chosen < 0) {
    return fail(kNoContext, "aclrtGetDevice: this thread has no current device");
  }
  *device = chosen;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtResetDevice(int32_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtResetDeviceForce(int32_t) { return kSuccess; }

// A context is its device; the handle carries the number plus one, so that none is null.
SOFTWARE_NPU_API int aclrtGetCurrentContext(aclrtContext* context) {
  if (chosen < 0) {
    return fail(kNoContext, "aclrtGetCurrentContext: this thread has no context");
  }
  *context = reinterpret_cast<void*>(static_cast<intptr_t>(chosen) + 1);
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtSetCurrentContext(aclrtContext context) {
  if (context == nullptr) {
    return fail(kInvalidParam, "aclrtSetCurrentContext: the context is null");
  }
  return aclrtSetDevice(static_cast<int32_t>(reinterpret_cast<intptr_t>(context) - 1));
}

SOFTWARE_NPU_API int aclrtGetPrimaryCtxState(int32_t device, uint32_t* flags, int32_t* active) {
  if (flags != nullptr) {
    *flags = 0;
  }
  *active = device == chosen ? 1 : 0;
  return kSuccess;
}

SOFTWARE_NPU_API const char* aclrtGetSocName() {
  static const auto* const name = new std::string(fault_text("wrong-soc", settings().soc));
  return name->c_str();
}

SOFTWARE_NPU_API int aclGetCannAttribute(int attribute, int32_t* value) {
  *value = attribute == kJitCompile ? 0 : 1;
  return kSuccess;
}

SOFTWARE_NPU_API int aclGetCannAttributeList(const int** list, size_t* count) {
  static const int all[] = {kInfNan, kBf16, kJitCompile};
  *list = all;
  *count = 3;
  return kSuccess;
}

SOFTWARE_NPU_API int aclGetDeviceCapability(uint32_t, int what, int64_t* value) {
  *value = what == kAiCoreNumber ? 24 : what == kVectorCoreNumber ? 48 : 192L << 20;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetDeviceInfo(uint32_t, int attribute, int64_t* value) {
  constexpr int kAiCores = 101, kCubeCores = 102, kVectorCores = 201, kMemory = 301, kCache = 302;
  switch (attribute) {
    case kAiCores:
    case kCubeCores:
      *value = 24;
      return kSuccess;
    case kVectorCores:
      *value = 48;
      return kSuccess;
    case kMemory:
      *value = settings().memory_gib << 30;
      return kSuccess;
    case kCache:
      *value = 192L << 20;
      return kSuccess;
    default:
      return fail(kFeatureUnsupported, "aclrtGetDeviceInfo: attribute " + std::to_string(attribute));
  }
}

SOFTWARE_NPU_API int aclrtGetDeviceResLimit(int32_t, int kind, uint32_t* value) {
  *value = kind == 0 ? 24 : 48;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetStreamResLimit(aclrtStream, int kind, uint32_t* value) {
  *value = kind == 0 ? 24 : 48;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetResInCurrentThread(int kind, uint32_t* value) {
  *value = kind == 0 ? 24 : 48;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetDeviceUtilizationRate(int32_t, AclUtilisation* found) {
  *found = AclUtilisation{};
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtDeviceCanAccessPeer(int32_t* can, int32_t, int32_t) {
  *can = 1;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtDeviceEnablePeerAccess(int32_t, uint32_t) { return kSuccess; }

SOFTWARE_NPU_API int aclrtDeviceGetBareTgid(int32_t* pid) {
  *pid = getpid();
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtGetLogicDevIdByUserDevId(int32_t user, int32_t* logic) {
  *logic = physical_device(user);
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtSetDeviceSatMode(int) { return kSuccess; }
SOFTWARE_NPU_API int aclrtSetOpExecuteTimeOut(uint32_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtSetOpExecuteTimeOutV2(uint64_t wanted, uint64_t* actual) {
  if (actual != nullptr) {
    *actual = wanted;
  }
  return kSuccess;
}
SOFTWARE_NPU_API int aclrtSetOpWaitTimeout(uint32_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtCtxSetSysParamOpt(int, int64_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtSetSysParamOpt(int, int64_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtGetSysParamOpt(int, int64_t* value) {
  *value = 0;
  return kSuccess;
}
SOFTWARE_NPU_API int aclrtPeekAtLastError(int) { return kSuccess; }
SOFTWARE_NPU_API int aclrtGetLastError(int) { return kSuccess; }

namespace {

// The version that the installed tree says it is: version.cfg beside the libraries' folder.
std::string installed_version() {
  Dl_info here;
  std::string found = "0.0.0";
  if (dladdr(reinterpret_cast<void*>(&installed_version), &here) != 0) {
    const std::string library = here.dli_fname;
    std::ifstream file(library.substr(0, library.rfind('/') + 1) + "../version.cfg");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("Version=", 0) == 0) {
        found = line.substr(8);
      }
    }
  }
  return found;
}

int copy_version(char* into, size_t size, const std::string& text) {
  std::memset(into, 0, size);
  std::strncpy(into, text.c_str(), size - 1);
  return kSuccess;
}

}  // namespace

SOFTWARE_NPU_API int aclsysGetCANNVersion(int, AclPackageVersion* version) {
  *version = AclPackageVersion{};
  return copy_version(version->version, kVersionSize, installed_version());
}

SOFTWARE_NPU_API int aclsysGetVersionStr(char*, char* version) {
  return copy_version(version, kVersionSize, installed_version());
}

SOFTWARE_NPU_API void aclAppLog(int, const char*, const char*, uint32_t, const char*, ...) {}
