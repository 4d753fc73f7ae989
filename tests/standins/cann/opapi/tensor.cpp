#include "tensor.h"

#include <algorithm>

namespace software_npu {
namespace {

thread_local int working = 0;

}  // namespace

int prepare(const char* name, uint64_t* workspace, aclOpExecutor** executor, const std::function<Task()>& make) {
  std::string operation = name;
  operation = operation.substr(0, operation.find("GetWorkspaceSize"));
  if (fault("operator-missing") && operation == fault_text("operator-missing", "")) {
    return fail(kNnInvalid, operation + " has no kernel for this chip in the installed operator package");
  }
  try {
    *workspace = 0;
    *executor = new aclOpExecutor{make()};
    return kSuccess;
  } catch (const Refused& refused) {
    return fail(kNnInvalid, operation + ": " + refused.what());
  }
}

int launch(aclOpExecutor* executor, aclrtStream stream) {
  if (executor == nullptr) {
    return fail(kNnNullPointer, "an operator was started that had not been prepared");
  }
  Task task = std::move(executor->task);
  delete executor;
  const int device = physical_device(device_of(stream));
  return enqueue(stream, [task = std::move(task), device] {
    working = device;
    if (fault("kernel-exception", device)) {
      return fail(kAicoreException, "an AI core of device " + std::to_string(device) + " raised an exception");
    }
    return task();
  });
}

int working_device() { return working; }

}  // namespace software_npu

using namespace software_npu;  // the C interface below names most of it

SOFTWARE_NPU_API aclTensor* aclCreateTensor(const int64_t* dims, uint64_t rank, int type, const int64_t* strides,
                                            int64_t offset, int, const int64_t*, uint64_t, void* data) {
  View view;
  view.type = type;
  view.dims.assign(dims, dims + rank);
  view.strides = strides != nullptr ? Dims(strides, strides + rank) : contiguous(view.dims);
  try {
    view.data = static_cast<char*>(data) + offset * static_cast<int64_t>(size_of(type));
  } catch (const Refused&) {
    view.data = static_cast<char*>(data);  // refused with its operator's name when one is prepared
  }
  return new aclTensor{view};
}

SOFTWARE_NPU_API aclScalar* aclCreateScalar(void* value, int type) {
  try {
    size_of(type);
    const View one{static_cast<char*>(value), type, {1}, {1}};
    return new aclScalar{type, all<double>(one)[0], all<int64_t>(one)[0]};
  } catch (const Refused&) {
    return nullptr;
  }
}

SOFTWARE_NPU_API aclIntArray* aclCreateIntArray(const int64_t* values, uint64_t size) {
  return new aclIntArray{Dims(values, values + size)};
}
SOFTWARE_NPU_API aclBoolArray* aclCreateBoolArray(const bool* values, uint64_t size) {
  return new aclBoolArray{std::vector<char>(values, values + size)};
}
SOFTWARE_NPU_API aclFloatArray* aclCreateFloatArray(const float* values, uint64_t size) {
  return new aclFloatArray{std::vector<float>(values, values + size)};
}
SOFTWARE_NPU_API aclTensorList* aclCreateTensorList(const aclTensor* const* tensors, uint64_t size) {
  return new aclTensorList{std::vector<const aclTensor*>(tensors, tensors + size)};
}
SOFTWARE_NPU_API aclScalarList* aclCreateScalarList(const aclScalar* const* scalars, uint64_t size) {
  return new aclScalarList{std::vector<const aclScalar*>(scalars, scalars + size)};
}

namespace {

template <typename T>
int destroy(const T* handle) {
  delete handle;
  return kSuccess;
}

}  // namespace

SOFTWARE_NPU_API int aclDestroyTensor(const aclTensor* handle) { return destroy(handle); }
SOFTWARE_NPU_API int aclDestroyScalar(const aclScalar* handle) { return destroy(handle); }
SOFTWARE_NPU_API int aclDestroyIntArray(const aclIntArray* handle) { return destroy(handle); }
SOFTWARE_NPU_API int aclDestroyBoolArray(const aclBoolArray* handle) { return destroy(handle); }
SOFTWARE_NPU_API int aclDestroyFloatArray(const aclFloatArray* handle) { return destroy(handle); }
SOFTWARE_NPU_API int aclDestroyTensorList(const aclTensorList* handle) {
  for (const aclTensor* const tensor : handle->tensors) {
    delete tensor;
  }
  return destroy(handle);
}
SOFTWARE_NPU_API int aclDestroyScalarList(const aclScalarList* handle) {
  for (const aclScalar* const scalar : handle->scalars) {
    delete scalar;
  }
  return destroy(handle);
}
SOFTWARE_NPU_API int aclDestroyAclOpExecutor(aclOpExecutor* executor) { return destroy(executor); }

SOFTWARE_NPU_API int aclGetViewShape(const aclTensor* tensor, int64_t** dims, uint64_t* rank) {
  *rank = tensor->view.dims.size();
  *dims = new int64_t[*rank];
  std::copy(tensor->view.dims.begin(), tensor->view.dims.end(), *dims);
  return kSuccess;
}
