// Operators that choose by a mask; some have a result whose size depends on the values.
#include "elementwise.h"
#include "places.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

template <typename T>
int masked_fill(const View& self, const View& mask, T value) {
  std::vector<int64_t> hit(kChunk);
  map_blocks<T>(self, [&](int64_t at, int64_t n, T* values) {
    read<T>(self, at, n, values);
    read<int64_t>(mask, at, n, hit.data());
    for (int64_t index = 0; index < n; ++index) {
      values[index] = hit[static_cast<size_t>(index)] != 0 ? value : values[index];
    }
  });
  return kSuccess;
}

// The results of these have a shape that only the device knows: the work changes the tensor's own dimensions, which the
// caller asks for (aclGetViewShape) once the stream has come to it.
int masked_select(const View& seen, const View& where, aclTensor* out) {
  const auto hit = all<int64_t>(where);
  int64_t found = 0;
  for (int64_t linear = 0; linear < static_cast<int64_t>(hit.size()); ++linear) {
    if (hit[static_cast<size_t>(linear)] != 0) {
      move_element(out->view, found++, seen, offset_at(seen, linear));
    }
  }
  out->view.dims = {found};
  return kSuccess;
}

}  // namespace

ACLNN(aclnnInplaceMaskedFillScalar, aclTensor* self, const aclTensor* mask, const aclScalar* value) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const View seen = of(self);
    const View where = expand(of(mask), seen.dims);
    if (is_float(seen.type)) {
      return [=, number = scalar_as<double>(value)] { return masked_fill<double>(seen, where, number); };
    }
    return [=, number = scalar_as<int64_t>(value)] { return masked_fill<int64_t>(seen, where, number); };
  });
}
ACLNN(aclnnInplaceMaskedFillTensor, aclTensor* self, const aclTensor* mask, const aclTensor* value) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const View seen = of(self);
    const View where = expand(of(mask), seen.dims);
    return [=, number = of(value)] { return masked_fill<double>(seen, where, all<double>(number)[0]); };
  });
}
ACLNN(aclnnMaskedSelect, const aclTensor* self, const aclTensor* mask, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    const View seen = of(self);
    of(out);
    return [seen, where = expand(of(mask), seen.dims), out] { return masked_select(seen, where, out); };
  });
}

namespace {

// The places of the elements that are not zero: a row for each, or (by columns) a row for each dimension.
int nonzero(const View& seen, aclTensor* out, bool by_columns) {
  const auto values = all<double>(seen);
  const auto rank = static_cast<int64_t>(seen.dims.size());
  std::vector<int64_t> places;
  for (int64_t linear = 0; linear < static_cast<int64_t>(values.size()); ++linear) {
    if (values[static_cast<size_t>(linear)] != 0) {
      Dims at(seen.dims.size());
      int64_t rest = linear;
      for (size_t axis = seen.dims.size(); axis-- > 0;) {
        at[axis] = rest % seen.dims[axis];
        rest /= seen.dims[axis];
      }
      places.insert(places.end(), at.begin(), at.end());
    }
  }
  const int64_t found = rank == 0 ? 0 : static_cast<int64_t>(places.size()) / rank;
  View rows = out->view;
  rows.dims = {found, rank};
  rows.strides = by_columns ? Dims{1, found} : Dims{rank, 1};
  put(rows, places);
  out->view.dims = by_columns ? Dims{rank, found} : rows.dims;
  out->view.strides = contiguous(out->view.dims);
  return kSuccess;
}

}  // namespace

ACLNN(aclnnNonzero, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task { return [seen = of(self), out] { return nonzero(seen, out, false); }; });
}
ACLNN(aclnnNonzeroV2, const aclTensor* self, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task { return [seen = of(self), out] { return nonzero(seen, out, true); }; });
}
