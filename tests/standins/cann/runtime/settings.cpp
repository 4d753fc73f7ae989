#include "settings.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace software_npu {
namespace {

constexpr const char* kDriverFile = "/usr/local/Ascend/driver/software_npu.conf";

void add_faults(const std::string& text, Settings& found) {
  std::stringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const auto equals = word.find('=');
    if (!word.empty()) {
      found.faults[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
    }
  }
}

void take(const std::string& key, const std::string& value, Settings& found) {
  if (key == "chip") {
    found.chip = value;
    found.devices = value == "910b" ? 8 : 16;
    found.soc = value == "910b" ? "Ascend910B3" : "Ascend910_9382";
  } else if (key == "devices") {
    found.devices = std::atoi(value.c_str());
  } else if (key == "memory_gib") {
    found.memory_gib = std::atol(value.c_str());
  } else if (key == "faults") {
    add_faults(value, found);
  }
}

Settings read() {
  Settings found;
  const char* named = std::getenv("ASCEND_SOFTWARE_NPU_CONFIG");
  std::ifstream file(named != nullptr ? named : kDriverFile);
  for (std::string line; std::getline(file, line);) {
    const auto equals = line.find('=');
    if (!line.empty() && line[0] != '#' && equals != std::string::npos) {
      take(line.substr(0, equals), line.substr(equals + 1), found);
    }
  }
  if (const char* more = std::getenv("ASCEND_SOFTWARE_NPU_FAULTS")) {
    add_faults(more, found);
  }
  return found;
}

}  // namespace

const Settings& settings() {
  static const Settings* const found = new Settings(read());  // outlives every other static object
  return *found;
}

bool fault(const std::string& name, int device) {
  const auto& faults = settings().faults;
  if (faults.empty()) {
    return false;
  }
  return faults.count(name) != 0 || (device >= 0 && faults.count(name + "@" + std::to_string(device)) != 0);
}

long fault_number(const std::string& name, long fallback) {
  const auto found = settings().faults.find(name);
  return found == settings().faults.end() || found->second.empty() ? fallback : std::atol(found->second.c_str());
}

std::string fault_text(const std::string& name, const std::string& fallback) {
  const auto found = settings().faults.find(name);
  return found == settings().faults.end() || found->second.empty() ? fallback : found->second;
}

}  // namespace software_npu
