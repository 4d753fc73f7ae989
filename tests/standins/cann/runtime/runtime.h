// The runtime's inside: errors, devices, streams and memory, shared by the operator and HCCL libraries.
#pragma once

#include <functional>
#include <string>

#include "acl.h"
#include "settings.h"

namespace software_npu __attribute__((visibility("default"))) {

using Task = std::function<int()>;

// Keep the words of an error for aclGetRecentErrMsg and return its code.
int fail(int code, const std::string& message);

// The device that this thread works on, and its number on the node (ASCEND_RT_VISIBLE_DEVICES chooses).
int current_device();
int physical_device(int device);
int device_count();

// Queue work on a stream (null: the default stream of this thread's device).
int enqueue(aclrtStream stream, Task task);
int device_of(aclrtStream stream);

// Fill a large block with a repeated element without spending memory on it: its pages are shared until
// they are written. Returns false where the block is too small or lies badly, and nothing was done.
bool fill_cheaply(void* data, size_t bytes, const void* element, size_t size);

// How many bytes may be written from `data` to the end of its block of device memory, 0 if it is none.
size_t device_bytes_from(const void* data);

}  // namespace software_npu
