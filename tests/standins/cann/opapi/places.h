// How elements are reached one by one.
#pragma once

#include "tensor.h"

namespace software_npu {

inline int64_t wrapped(int64_t index, int64_t size, const char* what) {
  const int64_t place = index < 0 ? index + size : index;
  if (place < 0 || place >= size) {
    throw Refused(std::string(what) + ": index " + std::to_string(index) + " of " + std::to_string(size));
  }
  return place;
}

// Copy one element with its bits as they are; the types are equal.
inline void move_element(const View& to, int64_t to_offset, const View& from, int64_t from_offset) {
  const auto size = static_cast<int64_t>(size_of(to.type));
  std::memmove(to.data + to_offset * size, from.data + from_offset * size, static_cast<size_t>(size));
}

inline int64_t offset_at(const View& view, int64_t linear) {
  int64_t offset = 0;
  for (size_t axis = view.dims.size(); axis-- > 0;) {
    offset += linear % view.dims[axis] * view.strides[axis];
    linear /= view.dims[axis];
  }
  return offset;
}

// An index that points outside is the device's error, as on a real one: the stream reports it.
template <typename F>
int guarded(F f) {
  try {
    f();
    return kSuccess;
  } catch (const Refused& refused) {
    return fail(kAicoreException, refused.what());
  }
}

}  // namespace software_npu
