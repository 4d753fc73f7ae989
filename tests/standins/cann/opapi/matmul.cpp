// Matrix products; every sum is in double, so that only the rounding of the result is left.
#include <csignal>

#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

using Product = std::vector<double>;

// rows x inner times inner x columns; both row-major.
Product multiply(const std::vector<double>& left, const std::vector<double>& right, int64_t rows, int64_t inner,
                 int64_t columns) {
  Product result(static_cast<size_t>(rows * columns), 0);
  const int64_t used = fault("matmul-drops-terms", working_device()) ? inner - inner / 8 : inner;
  for (int64_t row = 0; row < rows; ++row) {
    double* const into = result.data() + row * columns;
    for (int64_t k = 0; k < used; ++k) {
      const double factor = left[static_cast<size_t>(row * inner + k)];
      const double* const from = right.data() + k * columns;
      for (int64_t column = 0; column < columns; ++column) {
        into[column] += factor * from[column];
      }
    }
  }
  return result;
}

// What a faulty device makes of a product of a certain type.
void spoil(Product& product, int type) {
  const int device = working_device();
  if (fault("matmul-crashes", device)) {
    std::raise(SIGSEGV);
  }
  if (fault("matmul-nan", device) && !product.empty()) {
    product[product.size() / 2] = std::numeric_limits<double>::quiet_NaN();
  }
  if (fault("matmul-bfloat16-wrong", device) && type == kBfloat16) {
    for (double& value : product) {
      value *= 1.5;
    }
  }
  if (fault("matmul-zero", device)) {
    std::fill(product.begin(), product.end(), 0.0);
  }
}

View matrix(View view, bool left) {  // a vector is a row on the left and a column on the right
  if (view.dims.size() == 1) {
    view.dims.insert(left ? view.dims.begin() : view.dims.end(), 1);
    view.strides.insert(left ? view.strides.begin() : view.strides.end(), 0);
  }
  if (view.dims.size() < 2) {
    throw Refused("a matrix product of a number");
  }
  return view;
}

// The products of all matrices of two stacks, row-major, with the stacks' common shape.
struct Stack {
  View left, right;
  int64_t batches, rows, inner, columns;
};

Stack stack(const View& first, const View& second) {
  Stack made{matrix(first, true), matrix(second, false), 1, 0, 0, 0};
  made.rows = made.left.dims[made.left.dims.size() - 2];
  made.inner = made.left.dims.back();
  made.columns = made.right.dims.back();
  if (made.right.dims[made.right.dims.size() - 2] != made.inner) {
    throw Refused("the inner sizes of the matrices differ");
  }
  Dims outer;
  const size_t rank = std::max(made.left.dims.size(), made.right.dims.size());
  for (size_t axis = 0; axis + 2 < rank; ++axis) {
    const auto size = [&](const View& view) {
      const size_t lead = rank - view.dims.size();
      return axis < lead ? int64_t{1} : view.dims[axis - lead];
    };
    outer.push_back(size(made.left) == 1 ? size(made.right) : size(made.left));
    made.batches *= outer.back();
  }
  Dims left = outer, right = outer;
  left.insert(left.end(), {made.rows, made.inner});
  right.insert(right.end(), {made.inner, made.columns});
  made.left = expand(made.left, left);
  made.right = expand(made.right, right);
  return made;
}

// beta * self + alpha * product, self being optional.
int run(const View& out, const Stack& stack, const View* self, double beta, double alpha) {
  const int64_t each = stack.rows * stack.columns;
  const View addend = self != nullptr ? expand(*self, out.dims) : View{};
  std::vector<double> left(static_cast<size_t>(stack.rows * stack.inner));
  std::vector<double> right(static_cast<size_t>(stack.inner * stack.columns));
  std::vector<double> more(static_cast<size_t>(each));
  for (int64_t batch = 0; batch < stack.batches; ++batch) {
    read<double>(stack.left, batch * stack.rows * stack.inner, stack.rows * stack.inner, left.data());
    read<double>(stack.right, batch * stack.inner * stack.columns, stack.inner * stack.columns, right.data());
    Product product = multiply(left, right, stack.rows, stack.inner, stack.columns);
    spoil(product, out.type);
    if (self != nullptr) {
      read<double>(addend, batch * each, each, more.data());
    }
    for (size_t index = 0; index < product.size(); ++index) {
      product[index] = alpha * product[index] + (self != nullptr && beta != 0 ? beta * more[index] : 0);
    }
    write<double>(out, batch * each, each, product.data());
  }
  return kSuccess;
}

Task product(const aclTensor* out, const aclTensor* self, const aclTensor* other) {
  return [result = of(out), made = stack(of(self), of(other))] { return run(result, made, nullptr, 0, 1); };
}

Task product(const aclTensor* out, const aclTensor* self, const aclTensor* first, const aclTensor* second,
             const aclScalar* beta, const aclScalar* alpha) {
  return [result = of(out), addend = of(self), made = stack(of(first), of(second)), times = scalar_as<double>(beta),
          factor = scalar_as<double>(alpha)] { return run(result, made, &addend, times, factor); };
}

}  // namespace

ACLNN(aclnnMatmul, const aclTensor* self, const aclTensor* other, aclTensor* out, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, other); });
}
ACLNN(aclnnMm, const aclTensor* self, const aclTensor* other, aclTensor* out, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, other); });
}
ACLNN(aclnnBatchMatMul, const aclTensor* self, const aclTensor* other, aclTensor* out, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, other); });
}
ACLNN(aclnnMv, const aclTensor* self, const aclTensor* vector, aclTensor* out, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, vector); });
}
ACLNN(aclnnDot, const aclTensor* self, const aclTensor* other, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, other); });
}
ACLNN(aclnnAddmm, const aclTensor* self, const aclTensor* first, const aclTensor* second, const aclScalar* beta,
      const aclScalar* alpha, aclTensor* out, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, first, second, beta, alpha); });
}
ACLNN(aclnnInplaceAddmm, aclTensor* self, const aclTensor* first, const aclTensor* second, const aclScalar* beta,
      const aclScalar* alpha, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(self, self, first, second, beta, alpha); });
}
ACLNN(aclnnBaddbmm, const aclTensor* self, const aclTensor* first, const aclTensor* second, const aclScalar* beta,
      const aclScalar* alpha, aclTensor* out, int8_t) {
  return prepare(__func__, workspace, executor, [&] { return product(out, self, first, second, beta, alpha); });
}
