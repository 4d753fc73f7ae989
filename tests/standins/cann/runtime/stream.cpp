// Streams are threads with a queue, so that work is asynchronous as on a device and an order that no event
// demands is not there by accident. Nothing here is ever freed while a thread may still look at it.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime.h"

namespace software_npu {
namespace {

using Clock = std::chrono::steady_clock;

void sleep_ms(long milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

[[noreturn]] void hang() {
  for (;;) {
    sleep_ms(1000);
  }
}

class Stream {
 public:
  Stream(int device, int id) : device(device), id(id) {}

  void push(Task task) {
    const std::lock_guard<std::mutex> guard(lock_);
    if (!started_) {
      started_ = true;
      std::thread([this] { work(); }).detach();
    }
    queue_.push_back(std::move(task));
    ++pending_;
    changed_.notify_all();
  }

  // The first error of the work so far, once it is done; kStreamSyncTimeout when it is not done in time.
  int drain(long milliseconds) {
    std::unique_lock<std::mutex> guard(lock_);
    const auto idle = [this] { return pending_ == 0; };
    if (milliseconds < 0) {
      changed_.wait(guard, idle);
    } else if (!changed_.wait_for(guard, std::chrono::milliseconds(milliseconds), idle)) {
      return fail(kStreamSyncTimeout, "stream " + std::to_string(id) + " did not finish in time");
    }
    return error_;
  }

  bool idle() {
    const std::lock_guard<std::mutex> guard(lock_);
    return pending_ == 0;
  }

  const int device;
  const int id;

 private:
  void work() {
    for (;;) {
      std::unique_lock<std::mutex> guard(lock_);
      changed_.wait(guard, [this] { return !queue_.empty(); });
      const Task task = std::move(queue_.front());
      queue_.pop_front();
      guard.unlock();
      const int code = task();
      guard.lock();
      error_ = error_ != kSuccess ? error_ : code;
      --pending_;
      changed_.notify_all();
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  long pending_ = 0;
  int error_ = kSuccess;
  bool started_ = false;
};

// What of an event may outlive its handle: a stream may still have to reach it.
struct Moment {
  std::mutex lock;
  std::condition_variable changed;
  long asked = 0;
  long reached = 0;
  Clock::time_point at;

  long last_asked() {
    const std::lock_guard<std::mutex> guard(lock);
    return asked;
  }

  void wait(long number) {
    std::unique_lock<std::mutex> guard(lock);
    changed.wait(guard, [&] { return reached >= number; });
  }
};

struct Event {
  std::shared_ptr<Moment> moment = std::make_shared<Moment>();
};

struct Streams {
  std::mutex lock;
  std::map<int, Stream*> defaults;
  std::map<Stream*, bool> all;
  int next = 0;
};

Streams& streams() {
  static auto* const made = new Streams;
  return *made;
}

Stream* add_stream(int device) {
  auto* const made = new Stream(device, streams().next++);
  streams().all[made] = true;
  return made;
}

Stream* of(aclrtStream handle) {
  if (handle != nullptr) {
    return static_cast<Stream*>(handle);
  }
  const std::lock_guard<std::mutex> guard(streams().lock);
  Stream*& found = streams().defaults[current_device()];
  if (found == nullptr) {
    found = add_stream(current_device());
  }
  return found;
}

int drain_device(long milliseconds) {
  std::vector<Stream*> here;
  {
    const std::lock_guard<std::mutex> guard(streams().lock);
    for (const auto& entry : streams().all) {
      if (entry.first->device == current_device()) {
        here.push_back(entry.first);
      }
    }
  }
  int code = kSuccess;
  for (Stream* const stream : here) {
    const int found = stream->drain(milliseconds);
    code = code != kSuccess ? code : found;
  }
  return code;
}

}  // namespace

int enqueue(aclrtStream handle, Task task) {
  of(handle)->push(std::move(task));
  return kSuccess;
}

int device_of(aclrtStream handle) { return of(handle)->device; }

}  // namespace software_npu

using namespace software_npu;  // the C interface below names most of it

SOFTWARE_NPU_API int aclrtCreateStreamWithConfig(aclrtStream* stream, uint32_t, uint32_t) {
  const std::lock_guard<std::mutex> guard(streams().lock);
  *stream = add_stream(current_device());
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtCreateStream(aclrtStream* stream) { return aclrtCreateStreamWithConfig(stream, 0, 0); }

SOFTWARE_NPU_API int aclrtDestroyStream(aclrtStream stream) {
  const std::lock_guard<std::mutex> guard(streams().lock);
  streams().all.erase(static_cast<Stream*>(stream));
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtDestroyStreamForce(aclrtStream stream) { return aclrtDestroyStream(stream); }

SOFTWARE_NPU_API int aclrtSynchronizeStreamWithTimeout(aclrtStream stream, int32_t milliseconds) {
  if (fault("synchronize-hangs")) {
    hang();
  }
  return of(stream)->drain(milliseconds);
}

SOFTWARE_NPU_API int aclrtSynchronizeStream(aclrtStream stream) {
  return aclrtSynchronizeStreamWithTimeout(stream, -1);
}

SOFTWARE_NPU_API int aclrtSynchronizeDeviceWithTimeout(int32_t milliseconds) {
  if (fault("synchronize-hangs")) {
    hang();
  }
  return drain_device(milliseconds);
}

SOFTWARE_NPU_API int aclrtSynchronizeDevice() { return aclrtSynchronizeDeviceWithTimeout(-1); }

SOFTWARE_NPU_API int aclrtStreamQuery(aclrtStream stream, int* status) {
  *status = of(stream)->idle() ? kStreamComplete : kStreamNotReady;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtStreamGetId(aclrtStream stream, int32_t* id) {
  *id = of(stream)->id;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtSetStreamFailureMode(aclrtStream, uint64_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtSetStreamAttribute(aclrtStream, int, void*) { return kSuccess; }
SOFTWARE_NPU_API int aclrtSetStreamOverflowSwitch(aclrtStream, uint32_t) { return kSuccess; }
SOFTWARE_NPU_API int aclrtGetStreamOverflowSwitch(aclrtStream, uint32_t* flag) {
  *flag = 0;
  return kSuccess;
}
SOFTWARE_NPU_API int aclrtUseStreamResInCurrentThread(aclrtStream) { return kSuccess; }
SOFTWARE_NPU_API int aclrtUnuseStreamResInCurrentThread(aclrtStream) { return kSuccess; }

SOFTWARE_NPU_API int aclrtCreateEventExWithFlag(aclrtEvent* event, uint32_t) {
  *event = new Event;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtCreateEventWithFlag(aclrtEvent* event, uint32_t flag) {
  return aclrtCreateEventExWithFlag(event, flag);
}

SOFTWARE_NPU_API int aclrtCreateEvent(aclrtEvent* event) { return aclrtCreateEventExWithFlag(event, 0); }

SOFTWARE_NPU_API int aclrtDestroyEvent(aclrtEvent event) {
  delete static_cast<Event*>(event);
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtRecordEvent(aclrtEvent event, aclrtStream stream) {
  const auto moment = static_cast<Event*>(event)->moment;
  long number = 0;
  {
    const std::lock_guard<std::mutex> guard(moment->lock);
    number = ++moment->asked;
  }
  return enqueue(stream, [moment, number] {
    if (fault("event-never-completes")) {
      return static_cast<int>(kSuccess);
    }
    const std::lock_guard<std::mutex> guard(moment->lock);
    moment->reached = number;
    moment->at = Clock::now();
    moment->changed.notify_all();
    return static_cast<int>(kSuccess);
  });
}

SOFTWARE_NPU_API int aclrtResetEvent(aclrtEvent, aclrtStream) { return kSuccess; }

SOFTWARE_NPU_API int aclrtStreamWaitEvent(aclrtStream stream, aclrtEvent event) {
  if (fault("stream-order-ignored")) {
    return kSuccess;
  }
  const auto moment = static_cast<Event*>(event)->moment;
  const long number = moment->last_asked();
  return enqueue(stream, [moment, number] {
    moment->wait(number);
    return static_cast<int>(kSuccess);
  });
}

SOFTWARE_NPU_API int aclrtSynchronizeEvent(aclrtEvent event) {
  const auto moment = static_cast<Event*>(event)->moment;
  moment->wait(moment->last_asked());
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtQueryEventStatus(aclrtEvent event, int* status) {
  const auto moment = static_cast<Event*>(event)->moment;
  const std::lock_guard<std::mutex> guard(moment->lock);
  *status = moment->reached >= moment->asked ? kRecordComplete : kRecordNotReady;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtQueryEventWaitStatus(aclrtEvent event, int* status) {
  int recorded = kRecordNotReady;
  aclrtQueryEventStatus(event, &recorded);
  *status = recorded == kRecordComplete ? kWaitComplete : kWaitNotReady;
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtEventElapsedTime(float* milliseconds, aclrtEvent start, aclrtEvent end) {
  const auto first = static_cast<Event*>(start)->moment;
  const auto last = static_cast<Event*>(end)->moment;
  *milliseconds = std::chrono::duration<float, std::milli>(last->at - first->at).count();
  if (fault("event-time-backwards")) {
    *milliseconds = -*milliseconds;
  }
  return kSuccess;
}

SOFTWARE_NPU_API int aclrtEventGetTimestamp(aclrtEvent event, uint64_t* microseconds) {
  const auto moment = static_cast<Event*>(event)->moment;
  *microseconds = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(moment->at.time_since_epoch()).count());
  return kSuccess;
}

// Callbacks run on the stream's own thread; nobody has to ask for reports.
SOFTWARE_NPU_API int aclrtLaunchCallback(aclrtCallback function, void* data, int, aclrtStream stream) {
  return enqueue(stream, [function, data] {
    function(data);
    return static_cast<int>(kSuccess);
  });
}

SOFTWARE_NPU_API int aclrtLaunchHostFunc(aclrtStream stream, aclrtHostFunc function, void* data) {
  return aclrtLaunchCallback(function, data, 0, stream);
}

SOFTWARE_NPU_API int aclrtSubscribeReport(uint64_t, aclrtStream) { return kSuccess; }
SOFTWARE_NPU_API int aclrtUnSubscribeReport(uint64_t, aclrtStream) { return kSuccess; }
SOFTWARE_NPU_API int aclrtProcessReport(int32_t milliseconds) {
  sleep_ms(milliseconds < 0 ? 100 : milliseconds);
  return kReportTimeout;
}
