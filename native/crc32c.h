#pragma once

#include <cstddef>
#include <cstdint>

namespace snapheap {

// CRC-32C (Castagnoli; RFC 3720 appendix B.4) of a byte range, continued from the result for the bytes before it
// (0 at the start). Uses the processor's CRC instruction where there is one, decided at run time.
uint32_t Crc32c(const uint8_t* bytes, size_t size, uint32_t seed);

// The same by tables alone, eight bytes at a time.
uint32_t Crc32cSoftware(const uint8_t* bytes, size_t size, uint32_t seed);

}  // namespace snapheap
