// Sorting and choosing, and random numbers (a generator of its own: a device's numbers need not be repeated).
#include <numeric>
#include <random>

#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

// The first `kept` of each row along a dimension, in order.
Task sorted(const View& self, int64_t dim, bool descending, int64_t kept, const View& values, const View& indices) {
  if (self.dims.empty()) {
    return [=] {
      put(indices, std::vector<int64_t>{0});
      return apply<double>(values, self, [](double x) { return x; });
    };
  }
  const auto axis = static_cast<size_t>(axis_of(dim, self.dims.size()));
  const auto last = [axis](const View& view) { return transposed(view, axis, view.dims.size() - 1); };
  const View from = last(self), best = last(values), where = last(indices);
  return [=] {
    const int64_t length = from.dims.back();
    const int64_t rows = length != 0 ? count(from.dims) / length : 0;
    std::vector<double> row(static_cast<size_t>(length));
    std::vector<int64_t> order(static_cast<size_t>(length));
    for (int64_t at = 0; at < rows; ++at) {
      read<double>(from, at * length, length, row.data());
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t first, int64_t second) {
        const double x = row[static_cast<size_t>(first)], y = row[static_cast<size_t>(second)];
        if (x != x || y != y) {
          return descending ? x != x && y == y : x == x && y != y;  // a NaN counts as the largest
        }
        return descending ? x > y : x < y;
      });
      std::vector<double> chosen;
      for (int64_t index = 0; index < kept; ++index) {
        chosen.push_back(row[static_cast<size_t>(order[static_cast<size_t>(index)])]);
      }
      write<double>(best, at * kept, kept, chosen.data());
      write<int64_t>(where, at * kept, kept, order.data());
    }
    return static_cast<int>(kSuccess);
  };
}

std::mt19937_64 generator(uint64_t seed, uint64_t offset) { return std::mt19937_64(seed * 0x9E3779B97F4A7C15ULL + offset); }

template <typename Distribution>
Task random_task(const View& view, uint64_t seed, uint64_t offset, Distribution distribution) {
  return [=] {
    auto engine = generator(seed, offset);
    auto draw = distribution;
    map_blocks<double>(view, [&](int64_t, int64_t n, double* values) {
      std::generate(values, values + n, [&] { return static_cast<double>(draw(engine)); });
    });
    return static_cast<int>(kSuccess);
  };
}

}  // namespace

ACLNN(aclnnSort, const aclTensor* self, bool, int64_t dim, bool descending, aclTensor* values, aclTensor* indices) {
  return prepare(__func__, workspace, executor, [&] {
    const View seen = of(self);
    const int64_t length = seen.dims.empty() ? 1 : seen.dims[static_cast<size_t>(axis_of(dim, seen.dims.size()))];
    return sorted(seen, dim, descending, length, of(values), of(indices));
  });
}
ACLNN(aclnnTopk, const aclTensor* self, int64_t kept, int64_t dim, bool largest, bool, aclTensor* values,
      aclTensor* indices) {
  return prepare(__func__, workspace, executor,
                 [&] { return sorted(of(self), dim, largest, kept, of(values), of(indices)); });
}
ACLNN(aclnnInplaceUniform, const aclTensor* self, double from, double to, uint64_t seed, uint64_t offset) {
  return prepare(__func__, workspace, executor,
                 [&] { return random_task(of(self), seed, offset, std::uniform_real_distribution<double>(from, to)); });
}
ACLNN(aclnnInplaceNormal, const aclTensor* self, float mean, float deviation, int64_t seed, int64_t offset) {
  return prepare(__func__, workspace, executor, [&] {
    return random_task(of(self), static_cast<uint64_t>(seed), static_cast<uint64_t>(offset),
                       std::normal_distribution<double>(mean, deviation));
  });
}
ACLNN(aclnnInplaceRandom, const aclTensor* self, int64_t from, int64_t to, int64_t seed, int64_t offset) {
  return prepare(__func__, workspace, executor, [&] {
    return random_task(of(self), static_cast<uint64_t>(seed), static_cast<uint64_t>(offset),
                       std::uniform_int_distribution<int64_t>(from, to - 1));
  });
}
ACLNN(aclnnInplaceBernoulli, const aclTensor* self, const aclScalar* probability, int64_t seed, int64_t offset) {
  return prepare(__func__, workspace, executor, [&] {
    return random_task(of(self), static_cast<uint64_t>(seed), static_cast<uint64_t>(offset),
                       std::bernoulli_distribution(scalar_as<double>(probability)));
  });
}
ACLNN(aclnnRandperm, int64_t size, int64_t seed, int64_t offset, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [=, result = of(out)] {
      std::vector<int64_t> order(static_cast<size_t>(size));
      std::iota(order.begin(), order.end(), 0);
      auto engine = generator(static_cast<uint64_t>(seed), static_cast<uint64_t>(offset));
      std::shuffle(order.begin(), order.end(), engine);
      put(result, order);
      return static_cast<int>(kSuccess);
    };
  });
}
ACLNN(aclnnMultinomial, const aclTensor* self, int64_t samples, bool replacement, int64_t seed, int64_t offset,
      aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [=, weights = of(self), result = of(out)] {
      auto engine = generator(static_cast<uint64_t>(seed), static_cast<uint64_t>(offset));
      const int64_t length = weights.dims.back();
      std::vector<double> row(static_cast<size_t>(length));
      std::vector<int64_t> drawn;
      for (int64_t at = 0; at < count(weights.dims); at += length) {
        read<double>(weights, at, length, row.data());
        for (int64_t sample = 0; sample < samples; ++sample) {
          std::discrete_distribution<int64_t> draw(row.begin(), row.end());
          drawn.push_back(draw(engine));
          if (!replacement) {
            row[static_cast<size_t>(drawn.back())] = 0;
          }
        }
      }
      put(result, drawn);
      return static_cast<int>(kSuccess);
    };
  });
}
