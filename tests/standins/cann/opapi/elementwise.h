// Operators that compute each element of the result from one element of each operand.
#pragma once

#include <algorithm>

#include "tensor.h"

namespace software_npu {

// Each runs a function of T (double where an operand or the result is floating, else int64_t).
template <typename T, typename F>
int apply(const View& out, const View& self, F f) {
  const View seen = expand(self, out.dims);
  map_blocks<T>(out, [&](int64_t at, int64_t n, T* values) {
    read<T>(seen, at, n, values);
    for (int64_t index = 0; index < n; ++index) {
      values[index] = static_cast<T>(f(values[index]));
    }
  });
  return kSuccess;
}

template <typename T, typename F>
int apply(const View& out, const View& self, const View& other, F f) {
  const View left = expand(self, out.dims);
  const View right = expand(other, out.dims);
  std::vector<T> more(kChunk);
  map_blocks<T>(out, [&](int64_t at, int64_t n, T* values) {
    read<T>(left, at, n, values);
    read<T>(right, at, n, more.data());
    for (int64_t index = 0; index < n; ++index) {
      values[index] = static_cast<T>(f(values[index], more[static_cast<size_t>(index)]));
    }
  });
  return kSuccess;
}

template <typename F>
Task unary(const View& out, const View& self, F f) {
  expand(self, out.dims);
  if (is_float(out.type) || is_float(self.type)) {
    return [=] { return apply<double>(out, self, f); };
  }
  return [=] { return apply<int64_t>(out, self, f); };
}

template <typename F>
Task binary(const View& out, const View& self, const View& other, F f) {
  expand(self, out.dims);
  expand(other, out.dims);
  if (is_float(out.type) || is_float(self.type) || is_float(other.type)) {
    return [=] { return apply<double>(out, self, other, f); };
  }
  return [=] { return apply<int64_t>(out, self, other, f); };
}

// An operand that is one number, of the type that the scalar has.
template <typename F>
Task with_scalar(const View& out, const View& self, const aclScalar* scalar, F f) {
  if (is_float(out.type) || is_float(self.type) || is_float(scalar->type)) {
    const auto value = scalar_as<double>(scalar);
    return [=] { return apply<double>(out, self, [=](double x) { return f(x, value); }); };
  }
  const auto value = scalar_as<int64_t>(scalar);
  return [=] { return apply<int64_t>(out, self, [=](int64_t x) { return f(x, value); }); };
}

}  // namespace software_npu
