#include "crc32c.h"

#include <array>
#include <cstring>

#include "processor.h"

// MinGW defines _M_X64 and _M_ARM64 as MSVC does: only _MSC_VER tells the two apart.
#if defined(__x86_64__) || defined(_M_X64)
#include <nmmintrin.h>
#ifdef _MSC_VER
#define CRC_TARGET
#elif defined(__clang__)
#define CRC_TARGET __attribute__((target("sse4.2,crc32")))
#else
#define CRC_TARGET __attribute__((target("sse4.2")))
#endif
#define HAS_CRC_INSTRUCTION 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#ifdef _MSC_VER
#include <intrin.h>
#define CRC_TARGET
#else
#include <arm_acle.h>
#ifdef __clang__
#define CRC_TARGET __attribute__((target("crc")))
#else
#define CRC_TARGET __attribute__((target("+crc")))
#endif
#endif
#define HAS_CRC_INSTRUCTION 1
#endif

namespace snapheap {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli, bits reflected

// The register after one zero bit was shifted in: multiplication by x modulo the polynomial.
constexpr uint32_t TimesX(uint32_t value) { return (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0); }

// [k][b]: the register after byte b and then k zero bytes (M. Kounavis, F. Berry, "A Systematic Approach to Building
// High Performance Software-Based CRC Generators", 2005: slicing by 8).
using Slices = std::array<std::array<uint32_t, 256>, 8>;

constexpr Slices MakeSlices() {
  Slices slices{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; bit++) value = TimesX(value);
    slices[0][byte] = value;
  }
  for (size_t k = 1; k < 8; k++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t before = slices[k - 1][byte];
      slices[k][byte] = (before >> 8) ^ slices[0][before & 0xff];
    }
  }
  return slices;
}

constexpr Slices kSlices = MakeSlices();

uint64_t Load64(const uint8_t* bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

#ifdef HAS_CRC_INSTRUCTION

#if defined(__x86_64__) || defined(_M_X64)
CRC_TARGET inline uint64_t Step8(uint64_t crc, uint64_t word) { return _mm_crc32_u64(crc, word); }
CRC_TARGET inline uint64_t Step1(uint64_t crc, uint8_t byte) { return _mm_crc32_u8(static_cast<uint32_t>(crc), byte); }
#else
CRC_TARGET inline uint64_t Step8(uint64_t crc, uint64_t word) { return __crc32cd(static_cast<uint32_t>(crc), word); }
CRC_TARGET inline uint64_t Step1(uint64_t crc, uint8_t byte) { return __crc32cb(static_cast<uint32_t>(crc), byte); }
#endif

// The instruction takes three cycles and one can start in each: three neighbouring lanes are run side by side. 3 x 1360
// bytes eight times is all but 128 bytes of a 32 KiB block.
constexpr size_t kLaneBytes = 1360;

// Multiplication of polynomials modulo the CRC's, bits reflected (bit 31 is x^0).
constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = TimesX(b);
  }
  return product;
}

// [i][b]: the register holding byte b at place i, after kLaneBytes zero bytes. CRC registers add by exclusive or.
using LaneShift = std::array<std::array<uint32_t, 256>, 4>;

LaneShift MakeLaneShift() {
  uint32_t power = 0x80000000;
  for (size_t bit = 0; bit < kLaneBytes * 8; bit++) power = TimesX(power);
  LaneShift shift{};
  for (uint32_t place = 0; place < 4; place++) {
    for (uint32_t byte = 0; byte < 256; byte++) shift[place][byte] = Multiply(byte << (8 * place), power);
  }
  return shift;
}

uint64_t ShiftLane(const LaneShift& shift, uint64_t crc) {
  return shift[0][crc & 0xff] ^ shift[1][(crc >> 8) & 0xff] ^ shift[2][(crc >> 16) & 0xff] ^
         shift[3][(crc >> 24) & 0xff];
}

CRC_TARGET uint32_t Crc32cHardware(const uint8_t* bytes, size_t size, uint32_t seed) {
  static const LaneShift shift = MakeLaneShift();
  uint64_t crc = ~seed;
  while (size >= 3 * kLaneBytes) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t at = 0; at < kLaneBytes; at += 8) {
      crc = Step8(crc, Load64(bytes + at));
      second = Step8(second, Load64(bytes + kLaneBytes + at));
      third = Step8(third, Load64(bytes + 2 * kLaneBytes + at));
    }
    crc = ShiftLane(shift, ShiftLane(shift, crc) ^ second) ^ third;
    bytes += 3 * kLaneBytes;
    size -= 3 * kLaneBytes;
  }
  for (; size >= 8; size -= 8, bytes += 8) crc = Step8(crc, Load64(bytes));
  for (; size > 0; size--, bytes++) crc = Step1(crc, *bytes);
  return ~static_cast<uint32_t>(crc);
}

#endif

}  // namespace

uint32_t Crc32cSoftware(const uint8_t* bytes, size_t size, uint32_t seed) {
  uint32_t crc = ~seed;
  for (; size >= 8; size -= 8, bytes += 8) {
    const uint64_t word = Load64(bytes) ^ crc;  // little-endian host: native-memory.ts refuses others
    crc = kSlices[7][word & 0xff] ^ kSlices[6][(word >> 8) & 0xff] ^ kSlices[5][(word >> 16) & 0xff] ^
          kSlices[4][(word >> 24) & 0xff] ^ kSlices[3][(word >> 32) & 0xff] ^ kSlices[2][(word >> 40) & 0xff] ^
          kSlices[1][(word >> 48) & 0xff] ^ kSlices[0][word >> 56];
  }
  for (; size > 0; size--, bytes++) crc = (crc >> 8) ^ kSlices[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

uint32_t Crc32c(const uint8_t* bytes, size_t size, uint32_t seed) {
#ifdef HAS_CRC_INSTRUCTION
  static const bool has_instruction = HasCrcInstruction();
  if (has_instruction) return Crc32cHardware(bytes, size, seed);
#endif
  return Crc32cSoftware(bytes, size, seed);
}

}  // namespace snapheap
