#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

double real(double x) { return x; }
double real(int64_t x) { return static_cast<double>(x); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double gelu(double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }

double gelu_by_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

double softplus(double x, double beta, double threshold) {
  return x * beta > threshold ? x : std::log1p(std::exp(x * beta)) / beta;
}

}  // namespace

#define UNARY(name, expression)                                                                                     \
  ACLNN(aclnn##name, const aclTensor* self, aclTensor* out) {                                                       \
    return prepare(__func__, workspace, executor,                                                                   \
                   [&] { return unary(of(out), of(self), [](auto x) { return expression; }); });                    \
  }                                                                                                                 \
  ACLNN(aclnnInplace##name, aclTensor* self) {                                                                      \
    return prepare(__func__, workspace, executor,                                                                   \
                   [&] { return unary(of(self), of(self), [](auto x) { return expression; }); });                   \
  }

UNARY(Abs, x < 0 ? -x : x)
UNARY(Neg, -x)
UNARY(Relu, x != x || x > 0 ? x : decltype(x){0})
UNARY(Sign, (x > 0) - (x < 0))
UNARY(Exp, std::exp(real(x)))
UNARY(Exp2, std::exp2(real(x)))
UNARY(Expm1, std::expm1(real(x)))
UNARY(Log, std::log(real(x)))
UNARY(Log2, std::log2(real(x)))
UNARY(Log10, std::log10(real(x)))
UNARY(Log1p, std::log1p(real(x)))
UNARY(Sqrt, std::sqrt(real(x)))
UNARY(Rsqrt, 1 / std::sqrt(real(x)))
UNARY(Reciprocal, 1 / real(x))
UNARY(Sin, std::sin(real(x)))
UNARY(Cos, std::cos(real(x)))
UNARY(Tan, std::tan(real(x)))
UNARY(Atan, std::atan(real(x)))
UNARY(Tanh, std::tanh(real(x)))
UNARY(Erf, std::erf(real(x)))
UNARY(Erfc, std::erfc(real(x)))
UNARY(Sigmoid, sigmoid(real(x)))
UNARY(Silu, real(x) * sigmoid(real(x)))
UNARY(Mish, real(x) * std::tanh(softplus(real(x), 1, 20)))
UNARY(Gelu, gelu(real(x)))
UNARY(Floor, std::floor(real(x)))
UNARY(Ceil, std::ceil(real(x)))
UNARY(Trunc, std::trunc(real(x)))
UNARY(Round, std::nearbyint(real(x)))
UNARY(Hardswish, real(x) * std::min(std::max(real(x) + 3, 0.0), 6.0) / 6)

ACLNN(aclnnGeluV2, const aclTensor* self, int64_t approximation, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return unary(of(out), of(self), [=](auto x) { return approximation == 1 ? gelu_by_tanh(real(x)) : gelu(real(x)); });
  });
}
ACLNN(aclnnSoftplus, const aclTensor* self, const aclScalar* beta, const aclScalar* threshold, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const auto steep = scalar_as<double>(beta);
    const auto limit = scalar_as<double>(threshold);
    return unary(of(out), of(self), [=](auto x) { return softplus(real(x), steep, limit); });
  });
}

// One half of the dimension times the SiLU of the other half: silu(first) * second.
ACLNN(aclnnSwiGlu, const aclTensor* self, int64_t dim, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const View result = of(out);
    View first = of(self);
    const auto axis = static_cast<size_t>(axis_of(dim, first.dims.size()));
    first.dims[axis] /= 2;
    View second = first;
    second.data += first.dims[axis] * first.strides[axis] * static_cast<int64_t>(size_of(first.type));
    return binary(result, first, second, [](auto x, auto y) { return real(x) * sigmoid(real(x)) * real(y); });
  });
}
