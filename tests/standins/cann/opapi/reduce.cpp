// Operators that make one element of many along some of the dimensions.
#include <numeric>

#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

// The reduced dimensions moved to the end: `rows` results of `length` elements each.
struct Reduction {
  View seen;
  int64_t rows;
  int64_t length;
};

Reduction arrange(const View& self, const Dims& named) {
  const size_t rank = self.dims.size();
  std::vector<bool> reduced(rank, named.empty());
  for (const int64_t dim : named) {
    if (rank != 0) {
      reduced[static_cast<size_t>(axis_of(dim, rank))] = true;
    }
  }
  Reduction made{self, 1, 1};
  made.seen.dims.clear();
  made.seen.strides.clear();
  for (const bool last : {false, true}) {
    for (size_t axis = 0; axis < rank; ++axis) {
      if (reduced[axis] == last) {
        made.seen.dims.push_back(self.dims[axis]);
        made.seen.strides.push_back(self.strides[axis]);
        (last ? made.length : made.rows) *= self.dims[axis];
      }
    }
  }
  return made;
}

// Fold each row into one value: `step(sum, element)` from `start`, then `finish(sum, length)`.
template <typename T, typename Step, typename Finish>
int fold(const View& out, const Reduction& reduction, T start, Step step, Finish finish) {
  std::vector<T> values(kChunk);
  std::vector<T> results(static_cast<size_t>(reduction.rows));
  for (int64_t row = 0; row < reduction.rows; ++row) {
    T result = start;
    for (int64_t at = 0; at < reduction.length; at += kChunk) {
      const int64_t n = std::min(kChunk, reduction.length - at);
      read<T>(reduction.seen, row * reduction.length + at, n, values.data());
      for (int64_t index = 0; index < n; ++index) {
        result = step(result, values[static_cast<size_t>(index)]);
      }
    }
    results[static_cast<size_t>(row)] = finish(result, reduction.length);
  }
  put(out, results);
  return kSuccess;
}

template <typename Step, typename Finish>
Task folded(const View& out, const View& self, const Dims& dims, double start, Step step, Finish finish) {
  const Reduction reduction = arrange(self, dims);
  if (count(out.dims) != reduction.rows) {
    throw Refused("the result has another shape than the reduction gives");
  }
  if (is_float(self.type) || is_float(out.type)) {
    return [=] { return fold<double>(out, reduction, start, step, finish); };
  }
  const int64_t whole = start > 1   ? std::numeric_limits<int64_t>::max()
                        : start < 0 ? std::numeric_limits<int64_t>::min()
                                    : static_cast<int64_t>(start);
  return [=] { return fold<int64_t>(out, reduction, whole, step, finish); };
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr auto kAsIs = [](auto result, int64_t) { return result; };
constexpr auto kPlus = [](auto x, auto y) { return x + y; };
constexpr auto kLarger = [](auto x, auto y) { return x != x || x > y ? x : y; };
constexpr auto kSmaller = [](auto x, auto y) { return x != x || x < y ? x : y; };

Dims named(const aclIntArray* dims) { return dims != nullptr ? dims->values : Dims{}; }

Task total(const View& out, const View& self, const Dims& dims) {
  return folded(out, self, dims, 0, kPlus, [](auto result, int64_t) {
    return fault("wrong-sum", working_device()) ? result + 1 : result;
  });
}

}  // namespace

ACLNN(aclnnReduceSum, const aclTensor* self, const aclIntArray* dims, bool, int, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return total(of(out), of(self), named(dims)); });
}
ACLNN(aclnnMean, const aclTensor* self, const aclIntArray* dims, bool, int, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return folded(of(out), of(self), named(dims), 0, kPlus, [](auto result, int64_t length) {
      return static_cast<decltype(result)>(static_cast<double>(result) / static_cast<double>(length));
    });
  });
}
ACLNN(aclnnAmax, const aclTensor* self, const aclIntArray* dims, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return folded(of(out), of(self), named(dims), -kInfinity, kLarger, kAsIs); });
}
ACLNN(aclnnAmin, const aclTensor* self, const aclIntArray* dims, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return folded(of(out), of(self), named(dims), kInfinity, kSmaller, kAsIs); });
}
ACLNN(aclnnMax, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return folded(of(out), of(self), {}, -kInfinity, kLarger, kAsIs); });
}
ACLNN(aclnnMin, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return folded(of(out), of(self), {}, kInfinity, kSmaller, kAsIs); });
}
ACLNN(aclnnAll, const aclTensor* self, const aclIntArray* dims, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return folded(of(out), of(self), named(dims), 1, [](auto x, auto y) { return decltype(x)(x != 0 && y != 0); }, kAsIs);
  });
}
ACLNN(aclnnAny, const aclTensor* self, const aclIntArray* dims, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return folded(of(out), of(self), named(dims), 0, [](auto x, auto y) { return decltype(x)(x != 0 || y != 0); }, kAsIs);
  });
}
ACLNN(aclnnProd, const aclTensor* self, int, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return folded(of(out), of(self), {}, 1, [](auto x, auto y) { return x * y; }, kAsIs); });
}
ACLNN(aclnnProdDim, const aclTensor* self, int64_t dim, bool, int, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return folded(of(out), of(self), {dim}, 1, [](auto x, auto y) { return x * y; }, kAsIs); });
}

namespace {

// The extreme along one dimension and where it first stands; either result may be missing.
Task extreme(const aclTensor* values, const aclTensor* places, const View& self, const Dims& dims, int sign) {
  const Reduction reduction = arrange(self, dims);
  const bool wants_value = values != nullptr;
  const bool wants_place = places != nullptr;
  const View value = wants_value ? of(values) : View{};
  const View place = wants_place ? of(places) : View{};
  return [=] {
    std::vector<double> row(static_cast<size_t>(reduction.length));
    std::vector<double> best;
    std::vector<int64_t> where;
    for (int64_t index = 0; index < reduction.rows; ++index) {
      read<double>(reduction.seen, index * reduction.length, reduction.length, row.data());
      size_t found = 0;
      for (size_t at = 1; at < row.size(); ++at) {
        if (row[found] == row[found] && (row[at] != row[at] || sign * row[at] > sign * row[found])) {
          found = at;
        }
      }
      best.push_back(row.empty() ? 0 : row[found]);
      where.push_back(static_cast<int64_t>(found));
    }
    if (wants_value) {
      put(value, best);
    }
    if (wants_place) {
      put(place, where);
    }
    return static_cast<int>(kSuccess);
  };
}

}  // namespace

ACLNN(aclnnMaxDim, const aclTensor* self, int64_t dim, bool, aclTensor* out, aclTensor* indices) {
  return prepare(__func__, workspace, executor, [&] { return extreme(out, indices, of(self), {dim}, 1); });
}
ACLNN(aclnnMinDim, const aclTensor* self, int64_t dim, bool, aclTensor* out, aclTensor* indices) {
  return prepare(__func__, workspace, executor, [&] { return extreme(out, indices, of(self), {dim}, -1); });
}
ACLNN(aclnnArgMax, const aclTensor* self, int64_t dim, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return extreme(nullptr, out, of(self), {dim}, 1); });
}
ACLNN(aclnnArgMin, const aclTensor* self, int64_t dim, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return extreme(nullptr, out, of(self), {dim}, -1); });
}

namespace {

template <typename T>
int running(const View& out, const View& self, size_t axis) {
  const View from = transposed(self, axis, self.dims.size() - 1);
  const View to = transposed(out, axis, out.dims.size() - 1);
  const int64_t length = from.dims.back();
  std::vector<T> row(static_cast<size_t>(length));
  for (int64_t at = 0; at < count(from.dims); at += length) {
    read<T>(from, at, length, row.data());
    std::partial_sum(row.begin(), row.end(), row.begin());
    write<T>(to, at, length, row.data());
  }
  return kSuccess;
}

// Squared distance from the mean over `length - correction`.
Task spread(const View& out, const View& self, const Dims& dims, int64_t correction, bool root) {
  const Reduction reduction = arrange(self, dims);
  return [=] {
    std::vector<double> row(static_cast<size_t>(reduction.length));
    std::vector<double> results;
    for (int64_t index = 0; index < reduction.rows; ++index) {
      read<double>(reduction.seen, index * reduction.length, reduction.length, row.data());
      const double mean = std::accumulate(row.begin(), row.end(), 0.0) / static_cast<double>(row.size());
      double sum = 0;
      for (const double value : row) {
        sum += (value - mean) * (value - mean);
      }
      const double variance = sum / static_cast<double>(reduction.length - correction);
      results.push_back(root ? std::sqrt(variance) : variance);
    }
    put(out, results);
    return static_cast<int>(kSuccess);
  };
}

Task norm(const View& out, const View& self, const Dims& dims, double order) {
  const Reduction reduction = arrange(self, dims);
  return [=] {
    if (order == kInfinity) {
      const auto most = [](double x, double y) { return std::max(x, std::fabs(y)); };
      return fold<double>(out, reduction, 0, most, kAsIs);
    }
    const auto add = [=](double x, double y) { return x + (order == 0 ? y != 0 : std::pow(std::fabs(y), order)); };
    return fold<double>(out, reduction, 0, add,
                        [=](double x, int64_t) { return order == 0 ? x : std::pow(x, 1 / order); });
  };
}

}  // namespace

ACLNN(aclnnCumsum, const aclTensor* self, int64_t dim, int, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const View result = of(out);
    const View seen = of(self);
    const auto axis = static_cast<size_t>(axis_of(dim, seen.dims.size()));
    if (is_float(seen.type) || is_float(result.type)) {
      return [=] { return running<double>(result, seen, axis); };
    }
    return [=] { return running<int64_t>(result, seen, axis); };
  });
}
ACLNN(aclnnVarCorrection, const aclTensor* self, const aclIntArray* dims, int64_t correction, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return spread(of(out), of(self), named(dims), correction, false); });
}
ACLNN(aclnnStd, const aclTensor* self, const aclIntArray* dims, int64_t correction, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return spread(of(out), of(self), named(dims), correction, true); });
}
ACLNN(aclnnNorm, const aclTensor* self, const aclScalar* order, const aclIntArray* dims, bool, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return norm(of(out), of(self), named(dims), scalar_as<double>(order)); });
}
ACLNN(aclnnLinalgVectorNorm, const aclTensor* self, const aclScalar* order, const aclIntArray* dims, bool, int,
      aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return norm(of(out), of(self), named(dims), scalar_as<double>(order)); });
}
