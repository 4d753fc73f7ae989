// Indexing by tensors, as torch's own.
#include <algorithm>

#include "places.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

// The places that a list of index tensors names: a whole index tensor for some leading dimensions (missing
// ones stand for a full slice), as torch's advanced indexing lays them out.
struct Places {
  View self;
  Dims shape;                  // of the result
  std::vector<int64_t> offsets;  // of its elements in self
};

// Which dimensions are indexed, the shape that their tensors have in common, and where it stands in the result.
struct Layout {
  std::vector<size_t> indexed;
  std::vector<size_t> whole;  // the dimensions that stay as they are
  Dims common;
  size_t lead = 0;  // how many of those stand before the common shape
};

Dims joined(const Dims& first, const Dims& second) {
  Dims made(std::max(first.size(), second.size()), 1);
  for (size_t from_end = 1; from_end <= made.size(); ++from_end) {
    const int64_t x = from_end <= first.size() ? first[first.size() - from_end] : 1;
    const int64_t y = from_end <= second.size() ? second[second.size() - from_end] : 1;
    made[made.size() - from_end] = x == 1 ? y : x;
  }
  return made;
}

Layout arrange(const View& self, const std::vector<const aclTensor*>& tensors) {
  Layout made;
  for (size_t axis = 0; axis < self.dims.size(); ++axis) {
    if (axis < tensors.size() && tensors[axis] != nullptr) {
      made.indexed.push_back(axis);
      made.common = joined(made.common, tensors[axis]->view.dims);
    } else {
      made.whole.push_back(axis);
    }
  }
  const auto& indexed = made.indexed;
  const bool together = !indexed.empty() && indexed.back() - indexed.front() + 1 == indexed.size();
  made.lead = together ? indexed.front() : 0;
  return made;
}

Dims shape_of(const View& self, const Layout& layout) {
  Dims shape;
  for (size_t at = 0; at < layout.whole.size(); ++at) {
    if (at == layout.lead) {
      shape.insert(shape.end(), layout.common.begin(), layout.common.end());
    }
    shape.push_back(self.dims[layout.whole[at]]);
  }
  if (layout.lead == layout.whole.size()) {
    shape.insert(shape.end(), layout.common.begin(), layout.common.end());
  }
  return shape;
}

Places places(const View& self, const std::vector<const aclTensor*>& tensors) {
  const Layout layout = arrange(self, tensors);
  Places made{self, shape_of(self, layout), {}};
  std::vector<std::vector<int64_t>> values;
  for (const size_t axis : layout.indexed) {
    values.push_back(all<int64_t>(expand(of(tensors[axis]), layout.common)));
  }
  for (int64_t linear = 0; linear < count(made.shape); ++linear) {
    Dims at(made.shape.size());
    int64_t rest = linear;
    for (size_t axis = at.size(); axis-- > 0;) {
      at[axis] = rest % made.shape[axis];
      rest /= made.shape[axis];
    }
    int64_t inner = 0;
    for (size_t axis = 0; axis < layout.common.size(); ++axis) {
      inner = inner * layout.common[axis] + at[layout.lead + axis];
    }
    int64_t offset = 0;
    for (size_t which = 0; which < layout.indexed.size(); ++which) {
      const size_t axis = layout.indexed[which];
      offset += wrapped(values[which][static_cast<size_t>(inner)], self.dims[axis], "an index") * self.strides[axis];
    }
    for (size_t which = 0; which < layout.whole.size(); ++which) {
      const size_t place = which < layout.lead ? which : which + layout.common.size();
      offset += at[place] * self.strides[layout.whole[which]];
    }
    made.offsets.push_back(offset);
  }
  return made;
}

// The tensors of a list, copied: the caller gives its own back before the work is done.
std::vector<aclTensor> copies(const aclTensorList* list) {
  std::vector<aclTensor> made;
  for (const aclTensor* const tensor : list->tensors) {
    made.push_back(tensor != nullptr ? *tensor : aclTensor{});
  }
  return made;
}

std::vector<const aclTensor*> pointers(const std::vector<aclTensor>& tensors) {
  std::vector<const aclTensor*> made;
  for (const aclTensor& tensor : tensors) {
    made.push_back(tensor.view.data != nullptr ? &tensor : nullptr);
  }
  return made;
}

}  // namespace

ACLNN(aclnnIndex, const aclTensor* self, const aclTensorList* indices, aclTensor* out) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [seen = of(self), list = copies(indices), result = of(out)] {
      return guarded([&] {
        const Places found = places(seen, pointers(list));
        for (size_t index = 0; index < found.offsets.size(); ++index) {
          move_element(result, offset_at(result, static_cast<int64_t>(index)), seen, found.offsets[index]);
        }
      });
    };
  });
}
ACLNN(aclnnIndexPutImpl, aclTensor* self, const aclTensorList* indices, const aclTensor* values, bool accumulate, bool) {
  return prepare(__func__, workspace, executor, [&]() -> Task {
    return [seen = of(self), list = copies(indices), given = of(values), accumulate] {
      return guarded([&] {
        const Places found = places(seen, pointers(list));
        const View source = expand(given, found.shape);
        for (size_t index = 0; index < found.offsets.size(); ++index) {
          const int64_t from = offset_at(source, static_cast<int64_t>(index));
          if (!accumulate) {
            move_element(seen, found.offsets[index], source, from);
            continue;
          }
          const auto size = static_cast<int64_t>(size_of(seen.type));
          const View target{seen.data + found.offsets[index] * size, seen.type, {}, {}};
          const View value{source.data + from * size, source.type, {}, {}};
          put<double>(target, {all<double>(target)[0] + all<double>(value)[0]});
        }
      });
    };
  });
}
