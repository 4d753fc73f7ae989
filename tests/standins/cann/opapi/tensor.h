// The operator interface's handles, and how elements are read and written whatever their type and strides.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime.h"

namespace software_npu {

using Dims = std::vector<int64_t>;

// A tensor as the caller sees it: `data` is its first element, strides count elements.
struct View {
  char* data = nullptr;
  int type = kFloat;
  Dims dims;
  Dims strides;
};

}  // namespace software_npu

struct aclTensor {
  software_npu::View view;
};

struct aclScalar {
  int type;
  double real;
  int64_t whole;
};

struct aclIntArray {
  software_npu::Dims values;
};

struct aclBoolArray {
  std::vector<char> values;
};

struct aclFloatArray {
  std::vector<float> values;
};

struct aclTensorList {
  std::vector<const aclTensor*> tensors;
};

struct aclScalarList {
  std::vector<const aclScalar*> scalars;
};

struct aclOpExecutor {
  software_npu::Task task;
};

namespace software_npu {

// Raised while an operator is prepared; becomes its return code and the recent error's words.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline int64_t count(const Dims& dims) {
  int64_t product = 1;
  for (const int64_t size : dims) {
    product *= size;
  }
  return product;
}

inline bool is_float(int type) { return type == kFloat || type == kHalf || type == kBfloat16 || type == kDouble; }

size_t size_of(int type);
Dims contiguous(const Dims& dims);
bool is_contiguous(const View& view);
View of(const aclTensor* tensor);
int64_t axis_of(int64_t dim, size_t rank);

// The view's elements as seen through a larger shape (NumPy's rules for broadcasting).
View expand(const View& view, const Dims& dims);
View transposed(const View& view, size_t first, size_t second);

float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);

inline float bfloat_to_float(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

inline uint16_t float_to_bfloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) {
    return 0x7FC0;
  }
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);  // round to nearest, ties to even
}

// Read `n` elements from the linear place `from` of a shape into T, or write them. T is double for floating
// types and int64_t for whole ones: no value is lost on the way in.
template <typename T>
void read(const View& view, int64_t from, int64_t n, T* into);
template <typename T>
void write(const View& view, int64_t from, int64_t n, const T* values);

// The whole tensor in row-major order.
template <typename T>
std::vector<T> all(const View& view) {
  std::vector<T> values(static_cast<size_t>(count(view.dims)));
  read<T>(view, 0, static_cast<int64_t>(values.size()), values.data());
  return values;
}

template <typename T>
void put(const View& view, const std::vector<T>& values) {
  write<T>(view, 0, static_cast<int64_t>(values.size()), values.data());
}

// Prepare an operator: `name` is the function's own name, `make` returns the work or throws Refused.
int prepare(const char* name, uint64_t* workspace, aclOpExecutor** executor, const std::function<Task()>& make);
int launch(aclOpExecutor* executor, aclrtStream stream);

// The node's number of the device whose work this thread does; faults of one device ask for it.
int working_device();

constexpr int64_t kChunk = 4096;

// Apply a function to blocks of the output's elements.
template <typename T, typename F>
void map_blocks(const View& out, F&& fill) {
  const int64_t total = count(out.dims);
  std::vector<T> values(kChunk);
  for (int64_t at = 0; at < total; at += kChunk) {
    const int64_t n = std::min(kChunk, total - at);
    fill(at, n, values.data());
    write<T>(out, at, n, values.data());
  }
}

template <typename T>
T scalar_as(const aclScalar* scalar) {
  return is_float(scalar->type) ? static_cast<T>(scalar->real) : static_cast<T>(scalar->whole);
}

}  // namespace software_npu

// Define an operator's two functions; the body that follows is that of the first.
#define ACLNN(name, ...)                                                                       \
  SOFTWARE_NPU_API int name(void*, uint64_t, aclOpExecutor* executor, aclrtStream stream) {    \
    return software_npu::launch(executor, stream);                                             \
  }                                                                                            \
  SOFTWARE_NPU_API int name##GetWorkspaceSize(__VA_ARGS__, uint64_t* workspace, aclOpExecutor** executor)
