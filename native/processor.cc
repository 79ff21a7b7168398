#include "processor.h"

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif defined(_WIN32)
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

namespace snapheap {

#if defined(__x86_64__) || defined(_M_X64)

namespace {

struct Registers {
  uint32_t eax;
  uint32_t ebx;
  uint32_t ecx;
  uint32_t edx;
};

// All zeros for a leaf that the processor does not know.
Registers Cpuid(uint32_t leaf) {
#ifdef _MSC_VER
  int found[4];
  __cpuid(found, 0);
  if (static_cast<uint32_t>(found[0]) < leaf) return {};
  __cpuidex(found, static_cast<int>(leaf), 0);
  return {static_cast<uint32_t>(found[0]), static_cast<uint32_t>(found[1]), static_cast<uint32_t>(found[2]),
          static_cast<uint32_t>(found[3])};
#else
  Registers found{};
  __get_cpuid_count(leaf, 0, &found.eax, &found.ebx, &found.ecx, &found.edx);
  return found;
#endif
}

// Which registers the operating system keeps. Only where OSXSAVE is set.
uint64_t KeptRegisters() {
#ifdef _MSC_VER
  return _xgetbv(0);
#else
  uint32_t low;
  uint32_t high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
#endif
}

}  // namespace

// Bits as in Intel's "Software Developer's Manual", volume 2A, CPUID, and volume 1, 14.3.

bool HasCrcInstruction() { return (Cpuid(1).ecx & 1u << 20) != 0; }

bool HasAvx2() {
  constexpr uint32_t kOsxsave = 1u << 27;
  constexpr uint32_t kAvx = 1u << 28;
  constexpr uint32_t kAvx2 = 1u << 5;
  constexpr uint64_t kXmmAndYmm = 6;
  if ((Cpuid(1).ecx & (kOsxsave | kAvx)) != (kOsxsave | kAvx)) return false;
  return (KeptRegisters() & kXmmAndYmm) == kXmmAndYmm && (Cpuid(7).ebx & kAvx2) != 0;
}

#else

bool HasCrcInstruction() {
#if defined(_WIN32)
  return IsProcessorFeaturePresent(PF_ARM_V8_CRC32_INSTRUCTIONS_AVAILABLE) != 0;
#elif defined(__linux__)
  constexpr unsigned long kCrc32 = 1ul << 7;  // HWCAP_CRC32
  return (getauxval(AT_HWCAP) & kCrc32) != 0;
#else
  return true;  // every Apple processor of this architecture has it
#endif
}

bool HasAvx2() { return false; }

#endif

}  // namespace snapheap
