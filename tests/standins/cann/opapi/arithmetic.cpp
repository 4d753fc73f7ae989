#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

template <typename T>
T floor_divide(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::floor(x / y);
  } else {
    return y == 0 ? T{-1} : x / y - ((x % y != 0) && ((x < 0) != (y < 0)));
  }
}

template <typename T>
T remainder(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    const T rest = std::fmod(x, y);
    return rest != 0 && ((rest < 0) != (y < 0)) ? rest + y : rest;
  } else {
    return y == 0 ? T{-1} : x - floor_divide(x, y) * y;
  }
}

template <typename T>
T truncated_rest(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(x, y);
  } else {
    return y == 0 ? T{-1} : x % y;
  }
}

template <typename T>
T power(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::pow(x, y);
  } else {
    T result = 1;
    for (T step = 0; step < y; ++step) {
      result *= x;
    }
    return y < 0 ? static_cast<T>(x == 1) : result;
  }
}

template <typename T>
T larger(T x, T y) {
  return x != x || x > y ? x : y;  // a NaN wins
}

template <typename T>
T smaller(T x, T y) {
  return x != x || x < y ? x : y;
}

// self + alpha * other, with the fault of a device that adds wrongly.
Task sum(const View& out, const View& self, const View& other, const aclScalar* alpha, int sign) {
  const double factor = sign * scalar_as<double>(alpha);
  const int64_t whole = sign * scalar_as<int64_t>(alpha);
  return binary(out, self, other, [=](auto x, auto y) {
    using T = decltype(x);
    const T result = x + (std::is_floating_point_v<T> ? static_cast<T>(factor) : static_cast<T>(whole)) * y;
    return fault("wrong-add", working_device()) ? static_cast<T>(result + 1) : result;
  });
}

Task sum(const View& out, const View& self, const aclScalar* other, const aclScalar* alpha, int sign) {
  const double factor = sign * scalar_as<double>(alpha);
  const int64_t whole = sign * scalar_as<int64_t>(alpha);
  return with_scalar(out, self, other, [=](auto x, auto y) {
    using T = decltype(x);
    const T result = x + (std::is_floating_point_v<T> ? static_cast<T>(factor) : static_cast<T>(whole)) * y;
    return fault("wrong-add", working_device()) ? static_cast<T>(result + 1) : result;
  });
}

constexpr int kTruncate = 1;
constexpr int kFloorMode = 2;

auto quotient(int mode) {
  return [mode](auto x, auto y) {
    using T = decltype(x);
    if constexpr (!std::is_floating_point_v<T>) {
      return mode == kFloorMode ? floor_divide(x, y) : y == 0 ? T{-1} : x / y;
    } else {
      const T result = x / y;
      return mode == kFloorMode ? std::floor(result) : mode == kTruncate ? std::trunc(result) : result;
    }
  };
}

}  // namespace

ACLNN(aclnnAdd, const aclTensor* self, const aclTensor* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(out), of(self), of(other), alpha, 1); });
}
ACLNN(aclnnInplaceAdd, aclTensor* self, const aclTensor* other, const aclScalar* alpha) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(self), of(self), of(other), alpha, 1); });
}
ACLNN(aclnnAdds, const aclTensor* self, const aclScalar* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(out), of(self), other, alpha, 1); });
}
ACLNN(aclnnInplaceAdds, aclTensor* self, const aclScalar* other, const aclScalar* alpha) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(self), of(self), other, alpha, 1); });
}
ACLNN(aclnnAddV3, const aclScalar* self, const aclTensor* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const double factor = scalar_as<double>(alpha);
    return with_scalar(of(out), of(other), self, [=](auto x, auto y) { return y + static_cast<decltype(x)>(factor) * x; });
  });
}
ACLNN(aclnnSub, const aclTensor* self, const aclTensor* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(out), of(self), of(other), alpha, -1); });
}
ACLNN(aclnnInplaceSub, aclTensor* self, const aclTensor* other, const aclScalar* alpha) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(self), of(self), of(other), alpha, -1); });
}
ACLNN(aclnnSubs, const aclTensor* self, const aclScalar* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(out), of(self), other, alpha, -1); });
}
ACLNN(aclnnInplaceSubs, aclTensor* self, const aclScalar* other, const aclScalar* alpha) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(self), of(self), other, alpha, -1); });
}
ACLNN(aclnnRsub, const aclTensor* self, const aclTensor* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return sum(of(out), of(other), of(self), alpha, -1); });
}
ACLNN(aclnnRsubs, const aclTensor* self, const aclScalar* other, const aclScalar* alpha, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const double factor = scalar_as<double>(alpha);
    return with_scalar(of(out), of(self), other, [=](auto x, auto y) { return y - static_cast<decltype(x)>(factor) * x; });
  });
}

// A function of two operands: tensors, or a tensor and a number; with its in-place forms.
#define PAIR(tensors, inplace_tensors, scalars, inplace_scalars, expression)                                   \
  ACLNN(tensors, const aclTensor* self, const aclTensor* other, aclTensor* out) {                              \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return binary(of(out), of(self), of(other), [](auto x, auto y) { return expression; });                  \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(inplace_tensors, aclTensor* self, const aclTensor* other) {                                            \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return binary(of(self), of(self), of(other), [](auto x, auto y) { return expression; });                 \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(scalars, const aclTensor* self, const aclScalar* other, aclTensor* out) {                              \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return with_scalar(of(out), of(self), other, [](auto x, auto y) { return expression; });                 \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(inplace_scalars, aclTensor* self, const aclScalar* other) {                                            \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return with_scalar(of(self), of(self), other, [](auto x, auto y) { return expression; });                \
    });                                                                                                        \
  }

PAIR(aclnnMul, aclnnInplaceMul, aclnnMuls, aclnnInplaceMuls, x* y)
PAIR(aclnnDiv, aclnnInplaceDiv, aclnnDivs, aclnnInplaceDivs, quotient(0)(x, y))
PAIR(aclnnFloorDivide, aclnnInplaceFloorDivide, aclnnFloorDivides, aclnnInplaceFloorDivides, floor_divide(x, y))
PAIR(aclnnRemainderTensorTensor, aclnnInplaceRemainderTensorTensor, aclnnRemainderTensorScalar,
     aclnnInplaceRemainderTensorScalar, remainder(x, y))
PAIR(aclnnFmodTensor, aclnnInplaceFmodTensor, aclnnFmodScalar, aclnnInplaceFmodScalar, truncated_rest(x, y))
PAIR(aclnnPowTensorTensor, aclnnInplacePowTensorTensor, aclnnPowTensorScalar, aclnnInplacePowTensorScalar, power(x, y))
PAIR(aclnnClampMinTensor, aclnnInplaceClampMinTensor, aclnnClampMin, aclnnInplaceClampMin, larger(x, y))
PAIR(aclnnClampMaxTensor, aclnnInplaceClampMaxTensor, aclnnClampMax, aclnnInplaceClampMax, smaller(x, y))

ACLNN(aclnnPowScalarTensor, const aclScalar* self, const aclTensor* exponent, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return with_scalar(of(out), of(exponent), self, [](auto x, auto y) { return power(y, x); });
  });
}
ACLNN(aclnnDivMod, const aclTensor* self, const aclTensor* other, int mode, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return binary(of(out), of(self), of(other), quotient(mode)); });
}
ACLNN(aclnnDivMods, const aclTensor* self, const aclScalar* other, int mode, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return with_scalar(of(out), of(self), other, quotient(mode)); });
}
ACLNN(aclnnInplaceDivMod, aclTensor* self, const aclTensor* other, int mode) {
  return prepare(__func__, workspace, executor, [&] { return binary(of(self), of(self), of(other), quotient(mode)); });
}
ACLNN(aclnnInplaceDivMods, aclTensor* self, const aclScalar* other, int mode) {
  return prepare(__func__, workspace, executor, [&] { return with_scalar(of(self), of(self), other, quotient(mode)); });
}
ACLNN(aclnnMaximum, const aclTensor* self, const aclTensor* other, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return binary(of(out), of(self), of(other), [](auto x, auto y) { return larger(x, y); });
  });
}
ACLNN(aclnnMinimum, const aclTensor* self, const aclTensor* other, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return binary(of(out), of(self), of(other), [](auto x, auto y) { return smaller(x, y); });
  });
}
ACLNN(aclnnClamp, const aclTensor* self, const aclScalar* low, const aclScalar* high, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const double least = low != nullptr ? scalar_as<double>(low) : -std::numeric_limits<double>::infinity();
    const double most = high != nullptr ? scalar_as<double>(high) : std::numeric_limits<double>::infinity();
    return unary(of(out), of(self), [=](auto x) {
      const auto value = static_cast<double>(x);
      return value < least ? least : value > most ? most : value;
    });
  });
}
