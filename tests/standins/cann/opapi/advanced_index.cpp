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

Places places(const View& self, const std::vector<const aclTensor*>& tensors) {
  Places made{self, {}, {}};
  Dims common;
  std::vector<size_t> indexed;
  for (size_t axis = 0; axis < tensors.size(); ++axis) {
    if (tensors[axis] != nullptr) {
      indexed.push_back(axis);
      const Dims& dims = tensors[axis]->view.dims;
      Dims joined(std::max(common.size(), dims.size()), 1);
      for (size_t from_end = 1; from_end <= joined.size(); ++from_end) {
        const int64_t first = from_end <= common.size() ? common[common.size() - from_end] : 1;
        const int64_t second = from_end <= dims.size() ? dims[dims.size() - from_end] : 1;
        joined[joined.size() - from_end] = first == 1 ? second : first;
      }
      common = joined;
    }
  }
  const bool together = indexed.empty() || indexed.back() - indexed.front() + 1 == indexed.size();
  const size_t lead = together && !indexed.empty() ? indexed.front() : 0;
  std::vector<size_t> free_axes;
  for (size_t axis = 0; axis < self.dims.size(); ++axis) {
    if (std::find(indexed.begin(), indexed.end(), axis) == indexed.end()) {
      free_axes.push_back(axis);
    }
  }
  for (size_t at = 0; at < lead; ++at) {
    made.shape.push_back(self.dims[free_axes[at]]);
  }
  made.shape.insert(made.shape.end(), common.begin(), common.end());
  for (size_t at = lead; at < free_axes.size(); ++at) {
    made.shape.push_back(self.dims[free_axes[at]]);
  }
  std::vector<std::vector<int64_t>> values;
  for (const size_t axis : indexed) {
    values.push_back(all<int64_t>(expand(of(tensors[axis]), common)));
  }
  const int64_t total = count(made.shape);
  for (int64_t linear = 0; linear < total; ++linear) {
    Dims at(made.shape.size());
    int64_t rest = linear;
    for (size_t axis = at.size(); axis-- > 0;) {
      at[axis] = rest % made.shape[axis];
      rest /= made.shape[axis];
    }
    int64_t inner = 0;
    for (size_t axis = 0; axis < common.size(); ++axis) {
      inner = inner * common[axis] + at[lead + axis];
    }
    int64_t offset = 0;
    for (size_t which = 0; which < indexed.size(); ++which) {
      const size_t axis = indexed[which];
      offset += wrapped(values[which][static_cast<size_t>(inner)], self.dims[axis], "an index") * self.strides[axis];
    }
    for (size_t which = 0; which < free_axes.size(); ++which) {
      offset += at[which < lead ? which : which + common.size()] * self.strides[free_axes[which]];
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
