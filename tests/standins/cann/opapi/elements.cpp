#include "tensor.h"

#include <algorithm>
#include <array>

namespace software_npu {

size_t size_of(int type) {
  switch (type) {
    case kInt8:
    case kUint8:
    case kBool:
      return 1;
    case kHalf:
    case kBfloat16:
    case kInt16:
    case kUint16:
      return 2;
    case kFloat:
    case kInt32:
    case kUint32:
      return 4;
    case kInt64:
    case kUint64:
    case kDouble:
      return 8;
    default:
      throw Refused("elements of type " + std::to_string(type) + " are not part of the software NPU");
  }
}

Dims contiguous(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t axis = dims.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * dims[axis];
  }
  return strides;
}

bool is_contiguous(const View& view) {
  int64_t wanted = 1;
  for (size_t axis = view.dims.size(); axis-- > 0;) {
    if (view.dims[axis] != 1 && view.strides[axis] != wanted) {
      return false;
    }
    wanted *= view.dims[axis];
  }
  return true;
}

View of(const aclTensor* tensor) {
  if (tensor == nullptr) {
    throw Refused("a tensor that it needs is missing");
  }
  size_of(tensor->view.type);
  return tensor->view;
}

int64_t axis_of(int64_t dim, size_t rank) {
  const int64_t axis = dim < 0 ? dim + static_cast<int64_t>(rank) : dim;
  if (axis < 0 || axis >= std::max<int64_t>(1, static_cast<int64_t>(rank))) {
    throw Refused("dimension " + std::to_string(dim) + " of a tensor with " + std::to_string(rank));
  }
  return axis;
}

View expand(const View& view, const Dims& dims) {
  View seen = view;
  if (view.dims.size() > dims.size()) {
    throw Refused("a tensor has more dimensions than the result");
  }
  const size_t lead = dims.size() - view.dims.size();
  seen.dims = dims;
  seen.strides.assign(dims.size(), 0);
  for (size_t axis = 0; axis < view.dims.size(); ++axis) {
    if (view.dims[axis] == dims[lead + axis]) {
      seen.strides[lead + axis] = view.strides[axis];
    } else if (view.dims[axis] != 1) {
      throw Refused("the tensors' shapes do not fit each other");
    }
  }
  return seen;
}

View transposed(const View& view, size_t first, size_t second) {
  View seen = view;
  std::swap(seen.dims[first], seen.dims[second]);
  std::swap(seen.strides[first], seen.strides[second]);
  return seen;
}

float half_to_float(uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F;
  const int fraction = bits & 0x3FF;
  const float sign = bits & 0x8000 ? -1.0F : 1.0F;
  if (exponent == 0x1F) {
    return fraction != 0 ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  }
  if (exponent == 0) {
    return sign * std::ldexp(static_cast<float>(fraction), -24);
  }
  return sign * std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
}

uint16_t float_to_half(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (value != value) {
    return 0x7E00;
  }
  if (size >= 65520.0F) {  // half way between the largest finite half and the next power of two
    return sign | 0x7C00;
  }
  if (size == 0.0F) {
    return sign;
  }
  int exponent = 0;
  std::frexp(size, &exponent);
  const int shift = std::max(exponent - 11, -24);
  const auto steps = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, -shift)));  // ties to even
  if (shift == -24) {
    return static_cast<uint16_t>(sign | steps);  // subnormal, or the first normal one after rounding up
  }
  return static_cast<uint16_t>(sign + ((static_cast<uint32_t>(shift + 24) << 10) + steps));
}

namespace {

const std::vector<float>& halves() {
  static const auto* const table = [] {
    auto* const made = new std::vector<float>(65536);
    for (size_t bits = 0; bits < made->size(); ++bits) {
      (*made)[bits] = half_to_float(static_cast<uint16_t>(bits));
    }
    return made;
  }();
  return *table;
}

template <typename T>
T load(const char* at, int type) {
  const auto as = [at](auto kind) {
    std::memcpy(&kind, at, sizeof kind);
    return static_cast<T>(kind);
  };
  switch (type) {
    case kFloat:
      return as(float{});
    case kDouble:
      return as(double{});
    case kHalf: {
      uint16_t bits;
      std::memcpy(&bits, at, sizeof bits);
      return static_cast<T>(halves()[bits]);
    }
    case kBfloat16: {
      uint16_t bits;
      std::memcpy(&bits, at, sizeof bits);
      return static_cast<T>(bfloat_to_float(bits));
    }
    case kInt8:
      return as(int8_t{});
    case kInt16:
      return as(int16_t{});
    case kInt32:
      return as(int32_t{});
    case kInt64:
      return as(int64_t{});
    case kUint16:
      return as(uint16_t{});
    case kUint32:
      return as(uint32_t{});
    case kUint64:
      return as(uint64_t{});
    default:
      return as(uint8_t{});
  }
}

template <typename T>
void store(char* at, int type, T value) {
  const auto as = [at](auto kind) { std::memcpy(at, &kind, sizeof kind); };
  switch (type) {
    case kFloat:
      return as(static_cast<float>(value));
    case kDouble:
      return as(static_cast<double>(value));
    case kHalf:
      return as(float_to_half(static_cast<float>(value)));
    case kBfloat16:
      return as(float_to_bfloat(static_cast<float>(value)));
    case kBool:
      return as(static_cast<uint8_t>(value != T{0}));
    default:
      break;
  }
  const auto whole = static_cast<int64_t>(value);
  switch (type) {
    case kInt8:
    case kUint8:
      return as(static_cast<uint8_t>(whole));
    case kInt16:
    case kUint16:
      return as(static_cast<uint16_t>(whole));
    case kInt32:
    case kUint32:
      return as(static_cast<uint32_t>(whole));
    default:
      return as(whole);
  }
}

// Walk the elements of a view from a linear place on; `visit` gets each one's address.
template <typename F>
void walk(const View& view, int64_t from, int64_t n, F&& visit) {
  const auto size = static_cast<int64_t>(size_of(view.type));
  if (is_contiguous(view)) {
    for (int64_t index = 0; index < n; ++index) {
      visit(index, view.data + (from + index) * size);
    }
    return;
  }
  const size_t rank = view.dims.size();
  Dims at(rank, 0);
  int64_t offset = 0;
  int64_t rest = from;
  for (size_t axis = rank; axis-- > 0;) {
    at[axis] = rest % view.dims[axis];
    rest /= view.dims[axis];
    offset += at[axis] * view.strides[axis];
  }
  for (int64_t index = 0; index < n; ++index) {
    visit(index, view.data + offset * size);
    for (size_t axis = rank; axis-- > 0;) {
      offset += view.strides[axis];
      if (++at[axis] < view.dims[axis]) {
        break;
      }
      offset -= at[axis] * view.strides[axis];
      at[axis] = 0;
    }
  }
}

}  // namespace

template <typename T>
void read(const View& view, int64_t from, int64_t n, T* into) {
  if (view.type == kFloat) {  // the common one, without a choice for each element
    return walk(view, from, n, [into](int64_t index, const char* at) { into[index] = load<T>(at, kFloat); });
  }
  walk(view, from, n, [into, &view](int64_t index, const char* at) { into[index] = load<T>(at, view.type); });
}

template <typename T>
void write(const View& view, int64_t from, int64_t n, const T* values) {
  if (view.type == kFloat) {
    return walk(view, from, n, [values](int64_t index, char* at) { store<T>(at, kFloat, values[index]); });
  }
  walk(view, from, n, [values, &view](int64_t index, char* at) { store<T>(at, view.type, values[index]); });
}

template void read<double>(const View&, int64_t, int64_t, double*);
template void read<float>(const View&, int64_t, int64_t, float*);
template void read<int64_t>(const View&, int64_t, int64_t, int64_t*);
template void write<double>(const View&, int64_t, int64_t, const double*);
template void write<float>(const View&, int64_t, int64_t, const float*);
template void write<int64_t>(const View&, int64_t, int64_t, const int64_t*);

}  // namespace software_npu
