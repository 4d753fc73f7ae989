#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

#define COMPARE(name, expression)                                                                              \
  ACLNN(aclnn##name##Tensor, const aclTensor* self, const aclTensor* other, aclTensor* out) {                  \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return binary(of(out), of(self), of(other), [](auto x, auto y) { return expression; });                  \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(aclnnInplace##name##Tensor, aclTensor* self, const aclTensor* other) {                                 \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return binary(of(self), of(self), of(other), [](auto x, auto y) { return expression; });                 \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(aclnn##name##Scalar, const aclTensor* self, const aclScalar* other, aclTensor* out) {                  \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return with_scalar(of(out), of(self), other, [](auto x, auto y) { return expression; });                 \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(aclnnInplace##name##Scalar, aclTensor* self, const aclScalar* other) {                                 \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return with_scalar(of(self), of(self), other, [](auto x, auto y) { return expression; });                \
    });                                                                                                        \
  }

COMPARE(Eq, x == y)
COMPARE(Ne, x != y)
COMPARE(Lt, x < y)
COMPARE(Le, x <= y)
COMPARE(Gt, x > y)
COMPARE(Ge, x >= y)

#define LOGIC(name, expression)                                                                                \
  ACLNN(aclnn##name, const aclTensor* self, const aclTensor* other, aclTensor* out) {                          \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return binary(of(out), of(self), of(other), [](auto x, auto y) { return expression; });                  \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(aclnnInplace##name, aclTensor* self, const aclTensor* other) {                                         \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return binary(of(self), of(self), of(other), [](auto x, auto y) { return expression; });                 \
    });                                                                                                        \
  }

LOGIC(LogicalAnd, x != 0 && y != 0)
LOGIC(LogicalOr, x != 0 || y != 0)
LOGIC(LogicalXor, (x != 0) != (y != 0))

namespace {

// The same on whole numbers only; a floating operand is an error of the caller.
template <typename F>
Task whole(const View& out, const View& self, const View& other, F f) {
  if (is_float(self.type) || is_float(other.type)) {
    throw Refused("bits of floating numbers");
  }
  expand(self, out.dims);
  expand(other, out.dims);
  return [=] { return apply<int64_t>(out, self, other, f); };
}

template <typename F>
Task whole(const View& out, const View& self, const aclScalar* other, F f) {
  const auto value = scalar_as<int64_t>(other);
  expand(self, out.dims);
  return [=] { return apply<int64_t>(out, self, [=](int64_t x) { return f(x, value); }); };
}

}  // namespace

#define BITS(name, expression)                                                                                 \
  ACLNN(aclnn##name##Tensor, const aclTensor* self, const aclTensor* other, aclTensor* out) {                  \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return whole(of(out), of(self), of(other), [](int64_t x, int64_t y) { return expression; });             \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(aclnn##name##Scalar, const aclTensor* self, const aclScalar* other, aclTensor* out) {                  \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return whole(of(out), of(self), other, [](int64_t x, int64_t y) { return expression; });                 \
    });                                                                                                        \
  }                                                                                                            \
  ACLNN(aclnnInplace##name##Tensor, aclTensor* self, const aclTensor* other) {                                 \
    return prepare(__func__, workspace, executor, [&] {                                                        \
      return whole(of(self), of(self), of(other), [](int64_t x, int64_t y) { return expression; });            \
    });                                                                                                        \
  }

BITS(BitwiseAnd, x& y)
BITS(BitwiseOr, x | y)
BITS(BitwiseXor, x ^ y)

ACLNN(aclnnLogicalNot, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return unary(of(out), of(self), [](auto x) { return x == 0; }); });
}
ACLNN(aclnnBitwiseNot, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const View seen = of(self);
    const bool logical = seen.type == kBool;
    return whole(of(out), seen, seen, [=](int64_t x, int64_t) { return logical ? int64_t{x == 0} : ~x; });
  });
}
ACLNN(aclnnIsFinite, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return unary(of(out), of(self), [](auto x) { return std::isfinite(static_cast<double>(x)); });
  });
}
ACLNN(aclnnIsClose, const aclTensor* self, const aclTensor* other, double relative, double absolute, bool equal_nan,
      aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return binary(of(out), of(self), of(other), [=](auto first, auto second) {
      const auto x = static_cast<double>(first);
      const auto y = static_cast<double>(second);
      return x == y || (equal_nan && x != x && y != y) || std::fabs(x - y) <= absolute + relative * std::fabs(y);
    });
  });
}
ACLNN(aclnnEqual, const aclTensor* self, const aclTensor* other, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [result = of(out), left = of(self), right = of(other)] {
      const bool same = left.dims == right.dims && all<double>(left) == all<double>(right);
      put<int64_t>(result, {same});
      return static_cast<int>(kSuccess);
    };
  });
}
namespace {

template <typename T>
int choose(const View& result, const View& chosen, const View& left, const View& right) {
  std::vector<int64_t> choice(kChunk);
  std::vector<T> more(kChunk);
  map_blocks<T>(result, [&](int64_t at, int64_t n, T* values) {
    read<int64_t>(chosen, at, n, choice.data());
    read<T>(left, at, n, values);
    read<T>(right, at, n, more.data());
    for (int64_t index = 0; index < n; ++index) {
      values[index] = choice[static_cast<size_t>(index)] != 0 ? values[index] : more[static_cast<size_t>(index)];
    }
  });
  return kSuccess;
}

}  // namespace

ACLNN(aclnnSWhere, const aclTensor* condition, const aclTensor* self, const aclTensor* other, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const View result = of(out);
    const View chosen = expand(of(condition), result.dims);
    const View left = expand(of(self), result.dims);
    const View right = expand(of(other), result.dims);
    if (is_float(result.type)) {
      return [=] { return choose<double>(result, chosen, left, right); };
    }
    return [=] { return choose<int64_t>(result, chosen, left, right); };
  });
}
