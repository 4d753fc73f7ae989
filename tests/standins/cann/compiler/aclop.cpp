// The operator compiler's C interface: descriptors and attributes are kept, compiling is not to be had.
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

#include "runtime.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

struct Descriptor {
  int type;
  int format;
  std::vector<int64_t> dims;
};

struct Buffer {
  void* data;
  size_t bytes;
};

}  // namespace

SOFTWARE_NPU_API Descriptor* aclCreateTensorDesc(int type, int count, const int64_t* dims, int format) {
  return new Descriptor{type, format, std::vector<int64_t>(dims, dims + count)};
}
SOFTWARE_NPU_API void aclDestroyTensorDesc(const Descriptor* descriptor) { delete descriptor; }
SOFTWARE_NPU_API int aclGetTensorDescType(const Descriptor* descriptor) { return descriptor->type; }
SOFTWARE_NPU_API int aclGetTensorDescFormat(const Descriptor* descriptor) { return descriptor->format; }
SOFTWARE_NPU_API size_t aclGetTensorDescNumDims(const Descriptor* descriptor) { return descriptor->dims.size(); }
SOFTWARE_NPU_API int aclGetTensorDescDimV2(const Descriptor* descriptor, size_t index, int64_t* size) {
  *size = descriptor->dims.at(index);
  return kSuccess;
}
SOFTWARE_NPU_API void aclSetTensorDescName(Descriptor*, const char*) {}
SOFTWARE_NPU_API int aclSetTensorFormat(Descriptor* descriptor, int format) {
  descriptor->format = format;
  return kSuccess;
}
SOFTWARE_NPU_API int aclSetTensorPlaceMent(Descriptor*, int) { return kSuccess; }
SOFTWARE_NPU_API int aclSetTensorShape(Descriptor* descriptor, int count, const int64_t* dims) {
  descriptor->dims.assign(dims, dims + count);
  return kSuccess;
}

SOFTWARE_NPU_API Buffer* aclCreateDataBuffer(void* data, size_t bytes) { return new Buffer{data, bytes}; }
SOFTWARE_NPU_API int aclDestroyDataBuffer(const Buffer* buffer) {
  delete buffer;
  return kSuccess;
}

SOFTWARE_NPU_API void* aclopCreateAttr() { return new char; }
SOFTWARE_NPU_API void aclopDestroyAttr(const void* attributes) { delete static_cast<const char*>(attributes); }
SOFTWARE_NPU_API int aclopSetAttrBool(void*, const char*, uint8_t) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrInt(void*, const char*, int64_t) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrFloat(void*, const char*, float) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrString(void*, const char*, const char*) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrDataType(void*, const char*, int) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrListBool(void*, const char*, int, const uint8_t*) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrListInt(void*, const char*, int, const int64_t*) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrListFloat(void*, const char*, int, const float*) { return kSuccess; }
SOFTWARE_NPU_API int aclopSetAttrListListInt(void*, const char*, int, const int*, const int64_t* const*) { return kSuccess; }

SOFTWARE_NPU_API int aclopCompileAndExecute(const char* type, int, const Descriptor* const*, const Buffer* const*, int,
                                            const Descriptor* const*, Buffer* const*, const void*, int, int, const char*,
                                            aclrtStream) {
  return fail(kOpNotFound, std::string("the operator ") + type +
                               " needs the graph engine's compiler, which is not part of the software NPU");
}

SOFTWARE_NPU_API int aclopCompileAndExecuteV2(const char* type, int, Descriptor**, Buffer**, int, Descriptor**, Buffer**,
                                              void*, int, int, const char*, aclrtStream) {
  return aclopCompileAndExecute(type, 0, nullptr, nullptr, 0, nullptr, nullptr, nullptr, 0, 0, nullptr, nullptr);
}

SOFTWARE_NPU_API int aclSetCompileopt(int, const char*) { return kSuccess; }
SOFTWARE_NPU_API size_t aclGetCompileoptSize(int) { return 1; }
SOFTWARE_NPU_API int aclGetCompileopt(int, char* value, size_t length) {
  std::memset(value, 0, length);
  return kSuccess;
}

// The bounded string functions of CANN's libc_sec: 0 or a count, -1 or an error number where it does not fit.
SOFTWARE_NPU_API int strcpy_s(char* to, size_t room, const char* from) {
  constexpr int kRange = 34;
  if (to == nullptr || from == nullptr || std::strlen(from) >= room) {
    return kRange;
  }
  std::strcpy(to, from);
  return 0;
}

SOFTWARE_NPU_API int vsnprintf_s(char* to, size_t room, size_t count, const char* format, va_list words) {
  const int wanted = std::vsnprintf(to, count + 1 < room ? count + 1 : room, format, words);
  return wanted >= 0 && static_cast<size_t>(wanted) < room && static_cast<size_t>(wanted) <= count ? wanted : -1;
}

SOFTWARE_NPU_API int snprintf_s(char* to, size_t room, size_t count, const char* format, ...) {
  va_list words;
  va_start(words, format);
  const int written = vsnprintf_s(to, room, count, format, words);
  va_end(words);
  return written;
}
