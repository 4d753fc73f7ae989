// Operators that make, fill and copy tensors.
#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

template <typename T>
int fill(const View& view, T value) {
  const int64_t total = count(view.dims);
  const auto size = size_of(view.type);
  if (total > 0 && is_contiguous(view)) {
    const View first{view.data, view.type, {1}, {1}};
    write<T>(first, 0, 1, &value);
    std::vector<char> element(view.data, view.data + size);
    if (!fill_cheaply(view.data, static_cast<size_t>(total) * size, element.data(), size)) {
      for (int64_t index = 1; index < total; ++index) {
        std::memcpy(view.data + index * static_cast<int64_t>(size), element.data(), size);
      }
    }
  } else {
    map_blocks<T>(view, [&](int64_t, int64_t n, T* values) { std::fill(values, values + n, value); });
  }
  if (total > 0 && fault("fill-misses-end", working_device())) {
    std::memset(view.data + (total - 1) * static_cast<int64_t>(size), 0, size);
  }
  return kSuccess;
}

Task fill_with(const View& view, const aclScalar* scalar) {
  if (is_float(view.type)) {
    return [view, value = scalar_as<double>(scalar)] { return fill<double>(view, value); };
  }
  return [view, value = scalar_as<int64_t>(scalar)] { return fill<int64_t>(view, value); };
}

Task copy(const View& to, const View& from) {
  const View seen = expand(from, to.dims);
  if (to.type == from.type && is_contiguous(to) && is_contiguous(seen)) {
    return [=] {
      std::memmove(to.data, seen.data, static_cast<size_t>(count(to.dims)) * size_of(to.type));
      return static_cast<int>(kSuccess);
    };
  }
  return unary(to, from, [](auto x) { return x; });
}

// A part of a tensor along one axis.
View slice(const View& view, size_t axis, int64_t from, int64_t size) {
  View part = view;
  part.data += from * view.strides[axis] * static_cast<int64_t>(size_of(view.type));
  part.dims[axis] = size;
  return part;
}

Task all_of(std::vector<Task> tasks) {
  return [tasks = std::move(tasks)] {
    for (const Task& task : tasks) {
      if (const int code = task()) {
        return code;
      }
    }
    return static_cast<int>(kSuccess);
  };
}

}  // namespace

ACLNN(aclnnInplaceFillScalar, aclTensor* self, const aclScalar* value) {
  return prepare(__func__, workspace, executor, [&] { return fill_with(of(self), value); });
}
ACLNN(aclnnInplaceFillTensor, aclTensor* self, const aclTensor* value) {
  return prepare(__func__, workspace, executor, [&] { return copy(of(self), of(value)); });
}
ACLNN(aclnnInplaceZero, aclTensor* self) {
  return prepare(__func__, workspace, executor,
                 [&]() -> Task { return [view = of(self)] { return fill<int64_t>(view, 0); }; });
}
ACLNN(aclnnInplaceOne, aclTensor* self) {
  return prepare(__func__, workspace, executor,
                 [&]() -> Task { return [view = of(self)] { return fill<int64_t>(view, 1); }; });
}
ACLNN(aclnnInplaceCopy, aclTensor* self, const aclTensor* source) {
  return prepare(__func__, workspace, executor, [&] { return copy(of(self), of(source)); });
}
ACLNN(aclnnCast, const aclTensor* self, int, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return copy(of(out), of(self)); });
}

namespace {

Task steps(const View& out, const aclScalar* start, const aclScalar* step) {
  if (is_float(out.type)) {
    return [out, first = scalar_as<double>(start), by = scalar_as<double>(step)] {
      map_blocks<double>(out, [&](int64_t at, int64_t n, double* values) {
        for (int64_t index = 0; index < n; ++index) {
          values[index] = first + static_cast<double>(at + index) * by;
        }
      });
      return static_cast<int>(kSuccess);
    };
  }
  return [out, first = scalar_as<int64_t>(start), by = scalar_as<int64_t>(step)] {
    map_blocks<int64_t>(out, [&](int64_t at, int64_t n, int64_t* values) {
      for (int64_t index = 0; index < n; ++index) {
        values[index] = first + (at + index) * by;
      }
    });
    return static_cast<int>(kSuccess);
  };
}

}  // namespace

ACLNN(aclnnArange, const aclScalar* start, const aclScalar*, const aclScalar* step, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return steps(of(out), start, step); });
}
ACLNN(aclnnRange, const aclScalar* start, const aclScalar*, const aclScalar* step, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return steps(of(out), start, step); });
}
ACLNN(aclnnEye, int64_t, int64_t, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [result = of(out)] {
      const int64_t columns = result.dims[1];
      std::vector<int64_t> values(static_cast<size_t>(count(result.dims)), 0);
      for (int64_t row = 0; row < std::min(result.dims[0], columns); ++row) {
        values[static_cast<size_t>(row * columns + row)] = 1;
      }
      put(result, values);
      return static_cast<int>(kSuccess);
    };
  });
}
ACLNN(aclnnCat, const aclTensorList* tensors, int64_t dim, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const View result = of(out);
    const auto axis = static_cast<size_t>(axis_of(dim, result.dims.size()));
    std::vector<Task> tasks;
    int64_t at = 0;
    for (const aclTensor* const tensor : tensors->tensors) {
      const View part = of(tensor);
      if (part.dims.size() == 1 && part.dims[0] == 0 && result.dims.size() != 1) {
        continue;  // torch lets an empty vector stand among tensors of any shape
      }
      tasks.push_back(copy(slice(result, axis, at, part.dims[axis]), part));
      at += part.dims[axis];
    }
    return all_of(tasks);
  });
}
ACLNN(aclnnStack, const aclTensorList* tensors, int64_t dim, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const View result = of(out);
    const auto axis = static_cast<size_t>(axis_of(dim, result.dims.size()));
    std::vector<Task> tasks;
    for (const aclTensor* const tensor : tensors->tensors) {
      View part = slice(result, axis, static_cast<int64_t>(tasks.size()), 1);
      part.dims.erase(part.dims.begin() + static_cast<int64_t>(axis));
      part.strides.erase(part.strides.begin() + static_cast<int64_t>(axis));
      tasks.push_back(copy(part, of(tensor)));
    }
    return all_of(tasks);
  });
}
ACLNN(aclnnSplitWithSize, const aclTensor* self, const aclIntArray*, int64_t dim, aclTensorList* out) {
  return prepare(__func__, workspace, executor, [&] {
    const View whole = of(self);
    const auto axis = static_cast<size_t>(axis_of(dim, whole.dims.size()));
    std::vector<Task> tasks;
    int64_t at = 0;
    for (const aclTensor* const tensor : out->tensors) {
      const View part = of(tensor);
      tasks.push_back(copy(part, slice(whole, axis, at, part.dims[axis])));
      at += part.dims[axis];
    }
    return all_of(tasks);
  });
}
ACLNN(aclnnRepeat, const aclTensor* self, const aclIntArray*, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    const View result = of(out);
    View once = of(self);
    View tiles = result;
    tiles.dims.clear();
    tiles.strides.clear();
    View seen = once;
    seen.dims.clear();
    seen.strides.clear();
    const size_t lead = result.dims.size() - once.dims.size();
    for (size_t axis = 0; axis < result.dims.size(); ++axis) {
      const int64_t size = axis < lead ? 1 : once.dims[axis - lead];
      const int64_t stride = axis < lead ? 0 : once.strides[axis - lead];
      for (const auto& [dims, by, from] : {std::tuple{size != 0 ? result.dims[axis] / size : 0, size * result.strides[axis], int64_t{0}},
                                           std::tuple{size, result.strides[axis], stride}}) {
        tiles.dims.push_back(dims);
        tiles.strides.push_back(by);
        seen.dims.push_back(dims);
        seen.strides.push_back(from);
      }
    }
    return copy(tiles, seen);
  });
}
ACLNN(aclnnConstantPadNd, const aclTensor* self, const aclIntArray* pads, const aclScalar* value, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    View inner = of(out);
    View source = of(self);
    const size_t rank = inner.dims.size();
    for (size_t pair = 0; pair * 2 < pads->values.size(); ++pair) {
      const size_t axis = rank - 1 - pair;
      const int64_t before = pads->values[pair * 2];
      source = slice(source, axis, std::max<int64_t>(0, -before),
                     source.dims[axis] + std::min<int64_t>(0, before) + std::min<int64_t>(0, pads->values[pair * 2 + 1]));
      inner = slice(inner, axis, std::max<int64_t>(0, before), source.dims[axis]);
    }
    return all_of({fill_with(of(out), value), copy(inner, source)});
  });
}

namespace {

// Keep the elements below (or above) a diagonal of the last two dimensions, the others become zero.
Task triangle(const View& out, const View& self, int64_t diagonal, bool lower) {
  return [=] {
    const int64_t rows = out.dims[out.dims.size() - 2];
    const int64_t columns = out.dims.back();
    map_blocks<double>(out, [&](int64_t at, int64_t n, double* values) {
      read<double>(self, at, n, values);
      for (int64_t index = 0; index < n; ++index) {
        const int64_t from_diagonal = (at + index) % columns - (at + index) / columns % rows;
        const bool kept = lower ? from_diagonal <= diagonal : from_diagonal >= diagonal;
        values[index] = kept ? values[index] : 0;
      }
    });
    return static_cast<int>(kSuccess);
  };
}

}  // namespace

ACLNN(aclnnTril, const aclTensor* self, int64_t diagonal, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return triangle(of(out), of(self), diagonal, true); });
}
ACLNN(aclnnTriu, const aclTensor* self, int64_t diagonal, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return triangle(of(out), of(self), diagonal, false); });
}
ACLNN(aclnnInplaceTril, aclTensor* self, int64_t diagonal) {
  return prepare(__func__, workspace, executor, [&] { return triangle(of(self), of(self), diagonal, true); });
}
ACLNN(aclnnInplaceTriu, aclTensor* self, int64_t diagonal) {
  return prepare(__func__, workspace, executor, [&] { return triangle(of(self), of(self), diagonal, false); });
}
ACLNN(aclnnFlip, const aclTensor* self, const aclIntArray* dims, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    View seen = of(self);
    for (const int64_t dim : dims->values) {
      const auto axis = static_cast<size_t>(axis_of(dim, seen.dims.size()));
      seen.data += (seen.dims[axis] - 1) * seen.strides[axis] * static_cast<int64_t>(size_of(seen.type));
      seen.strides[axis] = -seen.strides[axis];
    }
    return copy(of(out), seen);
  });
}
