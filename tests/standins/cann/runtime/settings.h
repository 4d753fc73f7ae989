// What the software node is: chip, devices, memory, and the faults that are switched on.
#pragma once

#include <map>
#include <string>

namespace software_npu __attribute__((visibility("default"))) {

struct Settings {
  std::string chip = "a3";
  int devices = 16;
  long memory_gib = 64;
  std::string soc = "Ascend910_9382";
  std::map<std::string, std::string> faults;  // name, or name@device, to its value (empty without one)
};

// Read once: the driver's software_npu.conf (ASCEND_SOFTWARE_NPU_CONFIG names another), then the faults of
// ASCEND_SOFTWARE_NPU_FAULTS, separated by commas: `name`, `name=value`, `name@device`, `name@device=value`.
const Settings& settings();

// Whether a fault is switched on, for every device or for the one that is named.
bool fault(const std::string& name, int device = -1);

// The number that a fault carries, or the fallback where it carries none or is off.
long fault_number(const std::string& name, long fallback);

// The text that a fault carries, or the fallback.
std::string fault_text(const std::string& name, const std::string& fallback);

}  // namespace software_npu
