// Operators that pick, place and mask elements.
#include <memory>

#include "elementwise.h"
#include "places.h"

using namespace software_npu;  // the C interface below names most of it

ACLNN(aclnnEmbedding, const aclTensor* weight, const aclTensor* indices, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [table = of(weight), places = of(indices), result = of(out)] {
      return guarded([&] {
        const auto rows = all<int64_t>(places);
        const int64_t width = table.dims[1];
        for (size_t row = 0; row < rows.size(); ++row) {
          const int64_t from = wrapped(rows[row], table.dims[0], "aclnnEmbedding") * table.strides[0];
          for (int64_t column = 0; column < width; ++column) {
            move_element(result, offset_at(result, static_cast<int64_t>(row) * width + column), table,
                         from + column * table.strides[1]);
          }
        }
      });
    };
  });
}

namespace {

// out[.., i, ..] = self[.., index[i], ..], or gather's index of the result's own shape.
Task picked(const View& result, const View& source, const View& index, int64_t dim, bool each) {
  const auto axis = static_cast<size_t>(axis_of(dim, std::max<size_t>(1, source.dims.size())));
  return [=] {
    return guarded([&] {
      const auto places = all<int64_t>(index);
      Dims at(result.dims.size(), 0);
      const int64_t total = count(result.dims);
      for (int64_t linear = 0; linear < total; ++linear) {
        int64_t rest = linear;
        int64_t from = 0;
        int64_t along = 0;
        for (size_t other = result.dims.size(); other-- > 0;) {
          const int64_t place = rest % result.dims[other];
          rest /= result.dims[other];
          if (other == axis) {
            along = place;
          } else {
            from += place * source.strides[other];
          }
        }
        const int64_t chosen = places[static_cast<size_t>(each ? linear : along)];
        if (!source.dims.empty()) {
          from += wrapped(chosen, source.dims[axis], "an index") * source.strides[axis];
        }
        move_element(result, offset_at(result, linear), source, from);
      }
    });
  };
}

}  // namespace

ACLNN(aclnnIndexSelect, const aclTensor* self, int64_t dim, const aclTensor* index, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return picked(of(out), of(self), of(index), dim, false); });
}
ACLNN(aclnnGather, const aclTensor* self, int64_t dim, const aclTensor* index, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] { return picked(of(out), of(self), of(index), dim, true); });
}

namespace {

constexpr int64_t kReplace = 0, kAddTo = 1, kMultiply = 2;

// out[index] = source (or +=, *=) along one dimension; out holds self already.
void scatter(const View& out, size_t axis, const View& index, const View& source, int64_t reduction) {
  const auto places = all<int64_t>(index);
  for (int64_t linear = 0; linear < count(index.dims); ++linear) {
    int64_t rest = linear;
    int64_t to = wrapped(places[static_cast<size_t>(linear)], out.dims[axis], "a scattered index") * out.strides[axis];
    int64_t from = 0;
    for (size_t other = index.dims.size(); other-- > 0;) {
      const int64_t place = rest % index.dims[other];
      rest /= index.dims[other];
      to += other == axis ? 0 : place * out.strides[other];
      from += place * source.strides[other];
    }
    if (reduction == kReplace && source.type == out.type) {
      move_element(out, to, source, from);
      continue;
    }
    const auto size = static_cast<int64_t>(size_of(out.type));
    const View target{out.data + to * size, out.type, {}, {}};
    const View value{source.data + from * static_cast<int64_t>(size_of(source.type)), source.type, {}, {}};
    const double held = all<double>(target)[0];
    const double given = all<double>(value)[0];
    put<double>(target, {reduction == kAddTo ? held + given : reduction == kMultiply ? held * given : given});
  }
}

Task scattered(const View& out, const View& self, int64_t dim, const View& index, const View& source, int64_t reduction) {
  const auto axis = static_cast<size_t>(axis_of(dim, out.dims.size()));
  return [=] {
    return guarded([&] {
      if (self.data != out.data) {
        for (int64_t linear = 0; linear < count(out.dims); ++linear) {
          move_element(out, offset_at(out, linear), self, offset_at(self, linear));
        }
      }
      scatter(out, axis, index, source, reduction);
    });
  };
}

// A scalar as a tensor of the index's shape; its element lives as long as the task that holds it.
struct Constant {
  std::shared_ptr<std::vector<char>> element;
  View view;
};

Constant constant(const aclScalar* scalar, int type, const Dims& dims) {
  Constant made{std::make_shared<std::vector<char>>(8), {}};
  made.view = View{made.element->data(), type, {}, {}};
  if (is_float(type)) {
    put<double>(made.view, {scalar_as<double>(scalar)});
  } else {
    put<int64_t>(made.view, {scalar_as<int64_t>(scalar)});
  }
  made.view.dims = dims;
  made.view.strides.assign(dims.size(), 0);
  return made;
}

Task scattered(const View& out, const View& self, int64_t dim, const View& index, const aclScalar* value, int64_t reduction) {
  const Constant source = constant(value, out.type, index.dims);
  const Task task = scattered(out, self, dim, index, source.view, reduction);
  return [task, kept = source.element] { return task(); };
}

}  // namespace

ACLNN(aclnnScatter, const aclTensor* self, int64_t dim, const aclTensor* index, const aclTensor* source, int64_t reduction,
      aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return scattered(of(out), of(self), dim, of(index), of(source), reduction); });
}
ACLNN(aclnnInplaceScatter, aclTensor* self, int64_t dim, const aclTensor* index, const aclTensor* source, int64_t reduction) {
  return prepare(__func__, workspace, executor,
                 [&] { return scattered(of(self), of(self), dim, of(index), of(source), reduction); });
}
ACLNN(aclnnScatterValue, const aclTensor* self, int64_t dim, const aclTensor* index, const aclScalar* value,
      int64_t reduction, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return scattered(of(out), of(self), dim, of(index), value, reduction); });
}
ACLNN(aclnnInplaceScatterValue, aclTensor* self, int64_t dim, const aclTensor* index, const aclScalar* value,
      int64_t reduction) {
  return prepare(__func__, workspace, executor,
                 [&] { return scattered(of(self), of(self), dim, of(index), value, reduction); });
}
ACLNN(aclnnScatterAdd, const aclTensor* self, int64_t dim, const aclTensor* index, const aclTensor* source, aclTensor* out) {
  return prepare(__func__, workspace, executor,
                 [&] { return scattered(of(out), of(self), dim, of(index), of(source), kAddTo); });
}
