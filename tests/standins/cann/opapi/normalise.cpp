#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

using Row = std::vector<double>;

// Work on each row of the last dimensions, in double.
template <typename F>
void rows(const View& out, const View& self, int64_t length, F f) {
  Row row(static_cast<size_t>(length));
  for (int64_t at = 0; at < count(self.dims); at += length) {
    read<double>(self, at, length, row.data());
    f(row);
    write<double>(out, at, length, row.data());
  }
}

Task softmax(const View& out, const View& self, int64_t dim, bool logarithm) {
  if (self.dims.empty()) {
    return [=] { return apply<double>(out, self, [=](double) { return logarithm ? 0.0 : 1.0; }); };
  }
  const auto axis = static_cast<size_t>(axis_of(dim, self.dims.size()));
  const View from = transposed(self, axis, self.dims.size() - 1);
  const View to = transposed(out, axis, out.dims.size() - 1);
  return [=] {
    rows(to, from, from.dims.back(), [=](Row& row) {
      const double most = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (const double value : row) {
        sum += std::exp(value - most);
      }
      for (double& value : row) {
        value = logarithm ? value - most - std::log(sum) : std::exp(value - most) / sum;
      }
    });
    return static_cast<int>(kSuccess);
  };
}

// An optional result: its view, or none.
struct Wanted {
  bool there;
  View view;
};

Wanted wanted(const aclTensor* tensor) {
  return tensor != nullptr && count(tensor->view.dims) > 0 ? Wanted{true, of(tensor)} : Wanted{false, {}};
}

void put_if(const Wanted& result, const std::vector<double>& values) {
  if (result.there) {
    put(result.view, values);
  }
}

}  // namespace

ACLNN(aclnnSoftmax, const aclTensor* self, int64_t dim, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return softmax(of(out), of(self), dim, false); });
}
ACLNN(aclnnLogSoftmax, const aclTensor* self, int64_t dim, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return softmax(of(out), of(self), dim, true); });
}

ACLNN(aclnnLayerNorm, const aclTensor* self, const aclIntArray* shape, const aclTensor* weight, const aclTensor* bias,
      double epsilon, aclTensor* out, aclTensor* mean_out, aclTensor* deviation_out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const bool scales = weight != nullptr, shifts = bias != nullptr;
    const View scale = scales ? of(weight) : View{}, shift = shifts ? of(bias) : View{};
    return [=, result = of(out), seen = of(self), length = count(shape->values), means = wanted(mean_out),
            deviations = wanted(deviation_out)] {
      const Row factors = scales ? all<double>(scale) : Row{}, terms = shifts ? all<double>(shift) : Row{};
      Row all_means, all_deviations;
      rows(result, seen, length, [&](Row& row) {
        double sum = 0, squares = 0;
        for (const double value : row) {
          sum += value;
        }
        const double mean = sum / static_cast<double>(length);
        for (const double value : row) {
          squares += (value - mean) * (value - mean);
        }
        const double inverse = 1 / std::sqrt(squares / static_cast<double>(length) + epsilon);
        for (size_t index = 0; index < row.size(); ++index) {
          row[index] = (row[index] - mean) * inverse * (scales ? factors[index] : 1) + (shifts ? terms[index] : 0);
        }
        all_means.push_back(mean);
        all_deviations.push_back(inverse);
      });
      put_if(means, all_means);
      put_if(deviations, all_deviations);
      return static_cast<int>(kSuccess);
    };
  });
}

namespace {

int root_mean_square(const View& out, const View& self, const View& gamma, double epsilon, const Wanted& deviations) {
  const Row factors = all<double>(gamma);
  Row inverses;
  rows(out, self, static_cast<int64_t>(factors.size()), [&](Row& row) {
    double squares = 0;
    for (const double value : row) {
      squares += value * value;
    }
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(row.size()) + epsilon);
    for (size_t index = 0; index < row.size(); ++index) {
      row[index] *= inverse * factors[index];
    }
    inverses.push_back(inverse);
  });
  put_if(deviations, inverses);
  return kSuccess;
}

}  // namespace

ACLNN(aclnnRmsNorm, const aclTensor* self, const aclTensor* gamma, double epsilon, aclTensor* out, aclTensor* deviation) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [=, result = of(out), seen = of(self), factors = of(gamma), inverses = wanted(deviation)] {
      return root_mean_square(result, seen, factors, epsilon, inverses);
    };
  });
}
ACLNN(aclnnAddRmsNorm, const aclTensor* first, const aclTensor* second, const aclTensor* gamma, double epsilon,
      aclTensor* out, aclTensor* deviation, aclTensor* sum) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [=, result = of(out), left = of(first), right = of(second), factors = of(gamma), total = of(sum),
            inverses = wanted(deviation)] {
      apply<double>(total, left, right, [](double x, double y) { return x + y; });
      return root_mean_square(result, total, factors, epsilon, inverses);
    };
  });
}
