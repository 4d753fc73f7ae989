// npu-smi of the software NPU: `npu-smi info` and `npu-smi info -t ecc -i NPU`, laid out as the driver's own.
// On Atlas A3 one NPU is a card of two chips; on A2 it is one chip.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "settings.h"

using software_npu::fault;
using software_npu::fault_number;
using software_npu::fault_text;
using software_npu::settings;

namespace {

constexpr const char* kVersion = "25.2.0 (software NPU)";
constexpr const char* kRule = "+---------------------------+---------------+----------------------------------------------------+\n";
constexpr const char* kDouble = "+===========================+===============+====================================================+\n";

int chips_per_npu() { return settings().chip == "a3" ? 2 : 1; }

int npus() {
  const int all = settings().devices / chips_per_npu();
  return fault("npu-smi-misses-one") ? all - 1 : all;
}

void row(const std::string& first, const std::string& second, const std::string& third) {
  std::printf("| %-25s | %-13s | %-51s|\n", first.c_str(), second.c_str(), third.c_str());
}

std::string padded(const std::string& text, size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

int table() {
  std::printf("+------------------------------------------------------------------------------------------------+\n");
  std::printf("| %-94s |\n", (padded(std::string("npu-smi ") + kVersion, 33) + "Version: " + kVersion).c_str());
  std::fputs(kRule, stdout);
  row("NPU   Name", "Health", "Power(W)    Temp(C)           Hugepages-Usage(page)");
  row(chips_per_npu() == 2 ? "Chip  Phy-ID" : "Chip", "Bus-Id", "AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)");
  std::fputs(kDouble, stdout);
  const std::string name = settings().chip == "a3" ? "Ascend910" : "910B3";
  for (int npu = 0; npu < npus(); ++npu) {
    for (int chip = 0; chip < chips_per_npu(); ++chip) {
      const int device = npu * chips_per_npu() + chip;
      const std::string health = fault("npu-smi-alarm", device) ? fault_text("npu-smi-alarm", "Alarm") : "OK";
      char bus[32], use[64];
      std::snprintf(bus, sizeof bus, "0000:%02X:00.0", 0x80 + device);
      std::snprintf(use, sizeof use, "0           0    / 0          %-5ld/ %ld", settings().memory_gib * 16,
                    settings().memory_gib * 1024);
      row(padded(std::to_string(npu), 6) + name, health, "166.0       35                0    / 0");
      row(padded(std::to_string(chip), 6) + (chips_per_npu() == 2 ? std::to_string(device) : ""), bus, use);
      std::fputs(chip + 1 < chips_per_npu() ? kRule : kDouble, stdout);
    }
  }
  std::fputs(kRule, stdout);
  row("NPU     Chip", "Process id", "Process name             Process memory(MB)");
  std::fputs(kDouble, stdout);
  for (int npu = 0; npu < npus(); ++npu) {
    std::printf("| %-94s |\n", ("No running processes found in NPU " + std::to_string(npu)).c_str());
    std::fputs(kDouble, stdout);
  }
  return EXIT_SUCCESS;
}

void line(const char* what, long value) { std::printf("        %-40s : %ld\n", what, value); }

int errors(int npu) {
  if (npu < 0 || npu >= npus()) {
    std::printf("npu id %d is invalid.\n", npu);
    return EXIT_FAILURE;
  }
  std::printf("        %-40s : %d\n        %-40s : %d\n", "NPU ID", npu, "Chip Count", chips_per_npu());
  for (int chip = 0; chip < chips_per_npu(); ++chip) {
    const int device = npu * chips_per_npu() + chip;
    const long doubles = fault("ecc-double-bit", device) ? 3 : 0;
    const long singles = fault("ecc-single-bit", device) ? 5 : 0;
    std::printf("\n");
    line("HBM Single Bit Error Count", singles);
    line("HBM Double Bit Error Count", doubles);
    line("HBM Single Bit Aggregate Total Err Cnt", singles);
    line("HBM Double Bit Aggregate Total Err Cnt", doubles);
    line("HBM Single Bit Isolated Pages Count", 0);
    line("HBM Double Bit Isolated Pages Count", doubles);
    line("Chip ID", chip);
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** words) {
  if (fault("driver-not-loaded")) {
    std::printf("DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)\ndcmi module initialize failed. ret is -8005\n");
    return EXIT_FAILURE;
  }
  if (count >= 2 && std::strcmp(words[1], "-v") == 0) {
    std::printf("npu-smi version: %s\n", kVersion);
    return EXIT_SUCCESS;
  }
  if (count == 2 && std::strcmp(words[1], "info") == 0) {
    return table();
  }
  std::string kind;
  int npu = -1;
  for (int at = 2; at + 1 < count; at += 2) {
    if (std::strcmp(words[at], "-t") == 0) {
      kind = words[at + 1];
    } else if (std::strcmp(words[at], "-i") == 0) {
      npu = std::atoi(words[at + 1]);
    }
  }
  if (count >= 2 && std::strcmp(words[1], "info") == 0 && kind == "ecc") {
    return errors(npu);
  }
  std::printf("this npu-smi of the software NPU knows: info, info -t ecc -i NPU, -v\n");
  return EXIT_FAILURE;
}
