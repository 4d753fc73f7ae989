#include <mutex>

#include "runtime.h"

namespace software_npu {
namespace {

std::mutex& lock() {
  static auto* const made = new std::mutex;
  return *made;
}

std::string& words() {
  static auto* const made = new std::string;
  return *made;
}

}  // namespace

int fail(int code, const std::string& message) {
  const std::lock_guard<std::mutex> guard(lock());
  words() = "EE9999: [software NPU] " + message + " (error code " + std::to_string(code) + ")";
  return code;
}

std::string take_words() {
  const std::lock_guard<std::mutex> guard(lock());
  std::string taken;
  taken.swap(words());
  return taken;
}

}  // namespace software_npu

// Seen by whoever looks whether a node is a real one: CANN's own library exports no such name.
SOFTWARE_NPU_API const char software_npu_marker[] = "software NPU: no evidence of a node";

SOFTWARE_NPU_API const char* aclGetRecentErrMsg() {
  thread_local std::string kept;
  kept = software_npu::take_words();
  return kept.empty() ? nullptr : kept.c_str();
}

// What a function that is not part of the software NPU answers; called by the generated gaps.
SOFTWARE_NPU_API int software_npu_gap(const char* name) {
  return software_npu::fail(kFeatureUnsupported, std::string(name) + " is not part of the software NPU");
}
